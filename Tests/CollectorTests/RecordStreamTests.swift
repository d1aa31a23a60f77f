import Admission
import Foundation
import Framing
import Posix
import TestSupport
import Testing

@testable import Collector

@Suite("The stream of records")
struct RecordStreamTests {
    private static let path = "/v1/records/stream"

    private func row(_ event: Wire.Event) throws -> Int { try #require(event.data["row"] as? Int) }

    @Test("it goes from what is stored to what comes without a gap, each record as /v1/records has it")
    func goesOn() throws {
        let bench = try ServiceBench()
        for sequence in 1...3 { try bench.pass(UInt32(sequence), UInt64(sequence)) }
        let reader = try Viewer(bench, "\(Self.path)?after=1")
        #expect(reader.head.status == 200)
        #expect(reader.head.headers["content-type"] == "text/event-stream; charset=utf-8")
        var events = [try reader.next("record"), try reader.next("record")]
        try bench.pass(4, 4)
        events.append(try reader.next("record"))
        #expect(events.map(\.id) == ["2", "3", "4"])
        let lines = try bench.get("/v1/records?after=1").text.split(separator: "\n").map {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? NSDictionary
        }
        #expect(events.map { $0.data as NSDictionary } == lines)
    }

    @Test("without a row it tells what comes from now on, and says from where")
    func fromNow() throws {
        let bench = try ServiceBench()
        try bench.pass(1, 1)
        let reader = try Viewer(bench, Self.path)
        // The place to go on from is known before any record comes.
        let beat = try reader.next("beat")
        #expect(beat.id == "1" && beat.data["row"] as? Int == 1)
        try bench.pass(2, 2)
        #expect(try row(reader.next("record")) == 2)
    }

    @Test("whoever was cut off goes on behind the last event that he had, also over a restart")
    func resumes() throws {
        let bench = try ServiceBench()
        for sequence in 1...2 { try bench.pass(UInt32(sequence), UInt64(sequence)) }
        let first = try Viewer(bench, "\(Self.path)?after=0")
        let seen = try #require(try first.next("record").id)
        #expect(seen == "1")
        try bench.restart()
        try bench.pass(3, 3)
        // A browser sends its first address again, and where it was.
        let again = try Viewer(bench, "\(Self.path)?after=0", "Last-Event-ID: \(seen)\r\n")
        #expect(try [row(again.next("record")), row(again.next("record"))] == [2, 3])
    }

    @Test("of one lane it tells no other's, and its beat goes past what others sent")
    func ofLane() throws {
        let bench = try ServiceBench()
        try bench.pass(1, 1)
        let other = (1...3).map {
            makeRecord(ended(holder: UInt32($0)), sequence: UInt64($0), lane: "out-01", to: "ring")
        }
        #expect(try bench.post(bench.body(other, lane: "out-01")).status == 200)
        let reader = try Viewer(bench, "\(Self.path)?after=0&lane=north-07")
        let event = try reader.next("record")
        #expect(event.data["lane"] as? String == "north-07" && event.id == "1")
        #expect(try reader.next("beat").id == "4")
        try bench.pass(2, 2)
        #expect(try row(reader.next("record")) == 5)
    }

    @Test("a page holds so many records and looks at so many blocks, and its end is where the next one begins")
    func pages() throws {
        let directory = try TemporaryDirectory()
        let data = SiteDirectory(directory.file("data"))
        let site = try SiteFounding.found(in: data)
        let calendar = try ServiceBench.settings(data).calendar
        let store = try IntakeStore(data.intakeDatabase, site: site, calendar: calendar, now: morning)
        var wanted: [String: [Int64]] = [:]
        var row: Int64 = 0
        for round in 0..<20 {
            let lane = ["north-07", "out-01", "out-01"][round % 3]
            let first = UInt64(round) * 10
            let records = (1...UInt64(3 + round % 5)).map { makeRecord(sequence: first + $0, lane: lane) }
            let batch = try IntakeBatch(
                makeBody(records, site: site, lane: lane, oldestHeld: position(1, 1)), site: site)
            _ = try store.store([IntakeStore.Request(batch: batch, connection: 1)], now: morning)
            for _ in records {
                row += 1
                wanted["", default: []].append(row)
                wanted[lane, default: []].append(row)
            }
        }
        let reader = try RecordReader(
            intake: Database(data.intakeDatabase, .readOnly), site: Database(data.siteDatabase, .readOnly))
        #expect(try reader.lastRow() == row)
        for lane in ["", "north-07", "out-01"] {
            for records in [1, 2, 4, 1000] {
                for blocks in [1, 2, 1000] {
                    var cursor: Int64 = 0
                    var told: [Int64] = []
                    let limits = RecordReader.PageLimits(blocks: blocks, records: records)
                    let laneRow = try lane.isEmpty ? nil : reader.row(ofLane: lane)
                    while cursor < row {
                        let page = try reader.page(after: cursor, lane: laneRow, limits)
                        try #require(page.through > cursor, "it goes on")
                        let text = String(decoding: page.events, as: UTF8.self)
                        let rows = text.components(separatedBy: "\n\n").compactMap { Wire.event($0)?.id }
                        #expect(rows.count <= records)
                        told += rows.compactMap { Int64($0) }
                        cursor = page.through
                    }
                    #expect(told == wanted[lane], "\(lane) \(records) \(blocks)")
                }
            }
        }
        #expect(try reader.page(after: .max, lane: nil, .init()).events.isEmpty)
    }

    @Test("who reads slowly is read on for at his pace, and gets every record")
    func slowly() throws {
        let bench = try ServiceBench()
        let records = (1...5000).map { makeRecord(decided(holder: UInt32($0)), sequence: UInt64($0), to: "ring") }
        for start in stride(from: 0, to: records.count, by: 1000) {
            let body = bench.body(Array(records[start..<start + 1000]), oldestHeld: position(1, 1))
            #expect(try bench.post(body).status == 200)
        }
        let reader = try Viewer(bench, "\(Self.path)?after=0")
        // Megabytes, more than the sockets hold: they are read while nothing is taken.
        let quick = try Viewer(bench, "\(Self.path)?after=4999")
        #expect(try row(quick.next("record")) == 5000)
        for wanted in 1...5000 { #expect(try row(reader.next("record")) == wanted) }
    }

    @Test("questions that cannot be meant are refused")
    func refusals() throws {
        let bench = try ServiceBench()
        try bench.pass(1, 1)
        for query in ["after=-1", "after=x", "lane=North", "limit=5", "after=1&after=2"] {
            #expect(try bench.get("\(Self.path)?\(query)").status == 400, "\(query)")
        }
        #expect(try bench.get(Self.path, "Last-Event-ID: 1795330137121-1\r\n").status == 400)
        #expect(try bench.get("\(Self.path)?lane=north-99").status == 404)
        #expect(try bench.get(Self.path, method: "HEAD").status == 405)
        let beyond = try bench.get("\(Self.path)?after=2")
        #expect(beyond.status == 410 && (beyond.json["advice"] as? String)?.contains("after=1") == true)
    }

    @Test("one stream too many is refused, and every stream ends when the collector stops")
    func tooMany() throws {
        let bench = try ServiceBench()
        var readers = try (0..<RecordStreams.mostStreams).map { _ in try Viewer(bench, Self.path) }
        #expect(readers.allSatisfy { $0.head.status == 200 })
        #expect(try Viewer(bench, Self.path).head.status == 503)
        readers.removeFirst(RecordStreams.mostStreams - 1)
        // What is gone shows when something is to be sent.
        var sequence: UInt64 = 0
        #expect(
            try eventually {
                sequence += 1
                try bench.pass(UInt32(sequence), sequence)
                return try Viewer(bench, Self.path).head.status == 200
            })
        bench.service.stop()
        for reader in readers { #expect(try reader.wire.isClosed()) }
    }
}
