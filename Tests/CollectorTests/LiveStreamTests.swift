import Admission
import Foundation
import Framing
import Posix
import TestSupport
import Testing

@testable import Collector

@Suite("The live stream")
struct LiveStreamTests {
    @Test("a viewer gets the whole at once, then what changes, with the numbers of the API")
    func changes() throws {
        let bench = try ServiceBench()
        try bench.pass(1, 1)
        let viewer = try Viewer(bench)
        #expect(viewer.head.status == 200)
        #expect(viewer.head.headers["content-type"] == "text/event-stream; charset=utf-8")
        #expect(viewer.head.headers["cache-control"] == "no-store")
        let whole = try viewer.next("whole", "change").data
        #expect(viewer.number(whole, "today", "in") == 1)
        #expect((whole["flow"] as? [[String: Any]])?.count == 1)
        #expect(try bench.get("/").text.contains("data-page=\"\(whole["page"] as? String ?? "?")\""))
        try bench.pass(2, 2, at: SystemClock.wallMilliseconds())
        let change = try viewer.next("change").data
        #expect(viewer.number(change, "today", "in") == 2)
        #expect(change["on_site_people"] as? Int == 2)
        // Only the five minutes that grew.
        #expect((change["flow"] as? [[String: Any]])?.count == 1)
        let tallies = try bench.get("/v1/tallies").json
        for member in ["zones", "badges", "refusals_today_by_key"] {
            let (shown, known) = (change[member] as? NSObject, tallies[member] as? NSObject)
            #expect(shown == known, "\(member)")
        }
        let entrances = change["entrances"] as? [[String: Any]]
        #expect(entrances?.first?["name_zh"] as? String == "北登录厅-07")
        #expect(entrances?.first?["entries"] as? Int == 2)
        #expect(entrances?.first?["recent"] as? Int == 2)
    }

    @Test("a second viewer is told everything, and the first nothing that he knows")
    func manyViewers() throws {
        let bench = try ServiceBench()
        let first = try Viewer(bench)
        _ = try first.next("whole")
        let second = try Viewer(bench)
        _ = try second.next("whole")
        try bench.pass(1, 1)
        for viewer in [first, second] {
            let event = try viewer.next("whole", "change")
            #expect(event.name == "change")
            #expect(viewer.number(event.data, "today", "in") == 1)
        }
    }

    @Test("a stream that has nothing to say says that it is there")
    func beats() throws {
        let bench = try ServiceBench()
        let viewer = try Viewer(bench)
        let data = try viewer.next("beat").data
        let asOf = try #require(data["as_of_ms"] as? Int)
        #expect(abs(Int64(asOf) - SystemClock.wallMilliseconds()) < 600_000)
    }

    @Test("one stream too many is refused, and taken when another has gone")
    func tooMany() throws {
        let bench = try ServiceBench()
        var viewers = try (0..<LiveDesk.mostStreams).map { _ in try Viewer(bench) }
        #expect(viewers.allSatisfy { $0.head.status == 200 })
        #expect(try Viewer(bench).head.status == 503)
        viewers = []
        // What is gone shows when something is to be sent.
        var sequence: UInt64 = 0
        #expect(
            try eventually {
                sequence += 1
                try bench.pass(UInt32(sequence), sequence)
                return try Viewer(bench).head.status == 200
            })
    }

    @Test("every stream ends when the collector stops")
    func stops() throws {
        let bench = try ServiceBench()
        let viewers = try (0..<8).map { _ in try Viewer(bench) }
        _ = try viewers[0].next("whole")
        bench.service.stop()
        for viewer in viewers { #expect(try viewer.wire.isClosed()) }
    }

    @Test("an unknown word in the query is refused, and so is a method that cannot stream")
    func refusals() throws {
        let bench = try ServiceBench()
        #expect(try bench.get("/v1/live?since=1").status == 400)
        #expect(try bench.get("/v1/live", method: "HEAD").status == 405)
    }

    @Test("what a slow reader skipped is not queued: the newest takes its place, whole")
    func skips() {
        let stream = HTTPStream()
        var behind: [Bool] = []
        for _ in 0..<3 {
            stream.offer {
                behind.append($0)
                return [1]
            }
        }
        #expect(behind == [false, true, true])
        stream.end()
        stream.offer { _ in
            Issue.record("nobody reads it any more")
            return []
        }
        #expect(stream.isOver)
    }

    /// Answers everything with a stream, and keeps it.
    private final class StreamRoutes: HTTPRoutes {
        let stream = HTTPStream(patienceMilliseconds: 50)

        func admit(_ head: HTTPHead) -> HTTPAdmission { .accept(bodyLimit: 0) }

        func handle(_ request: HTTPRequest) {
            var response = HTTPResponse(200, "text/event-stream", [])
            response.body = .stream(stream)
            request.answer(response)
        }
    }

    @Test("who does not take what is sent to him is cut off")
    func slowReader() throws {
        let routes = StreamRoutes()
        let server = try HTTPServer(ListeningSocket(address: "127.0.0.1", port: 0), routes: routes)
        defer { server.stop() }
        let wire = try Wire(port: server.port)
        try wire.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        // More than sockets hold.
        routes.stream.offer { _ in [UInt8](repeating: 0x20, count: 64 << 20) }
        #expect(
            try eventually {
                server.cutLate()
                return server.connectionCount == 0
            })
        #expect(routes.stream.isOver)
    }

    @Test("after midnight today begins anew and the whole day is told, and who is inside stays")
    func midnight() throws {
        let directory = try TemporaryDirectory()
        let data = SiteDirectory(directory.file("data"))
        let site = try SiteFounding.found(in: data)
        let settings = try ServiceBench.settings(data)
        let calendar = settings.calendar
        let evening = calendar.start(ofDay: 20_000) + 23 * 3_600_000
        let store = try IntakeStore(data.intakeDatabase, site: site, calendar: calendar, now: evening)
        let body = makeBody([makeRecord(ended(holder: 4), to: "ring", at: evening)], site: site)
        _ = try store.store([IntakeStore.Request(batch: IntakeBatch(body, site: site), connection: 1)], now: evening)
        var figures = try LiveFigures(
            Database(data.intakeDatabase, .readOnly), settings, page: "p", now: evening)
        func next(_ now: Int64) throws -> [String: Any]? {
            let books = Intake.Snapshot(lanes: store.lanes, site: store.site, day: store.day, revision: 1)
            let piece = try figures.next(ScreenFigures(books, settings), now: now, isWanted: false)
            return try piece.map { try #require(Wire.event(String(decoding: $0.change, as: UTF8.self))?.data) }
        }
        let before = try #require(try next(evening))
        #expect((before["today"] as? [String: Any])?["in"] as? Int == 1)
        #expect((before["flow"] as? [Any])?.count == 1)
        #expect(try next(evening + 1000) == nil, "nothing changed")
        let midnight = calendar.start(ofDay: 20_001)
        _ = try store.turnDay(now: midnight)
        let after = try #require(try next(midnight))
        #expect((after["today"] as? [String: Any])?["in"] as? Int == 0)
        #expect((after["today"] as? [String: Any])?["distinct_holders"] as? Int == 0)
        #expect(after["on_site_people"] as? Int == 1)
        #expect((after["flow"] as? [Any])?.isEmpty == true)
        #expect(after["begins_ms"] as? Int == Int(midnight))
        #expect(((after["zones"] as? [[String: Any]])?.first)?["people"] as? Int == 1)
    }

    @Test("what changed while a later part could not be read is told when it can be read again")
    func unreadable() throws {
        let directory = try TemporaryDirectory()
        let data = SiteDirectory(directory.file("data"))
        let site = try SiteFounding.found(in: data)
        let settings = try ServiceBench.settings(data)
        let noon = settings.calendar.start(ofDay: 20_000) + 12 * 3_600_000
        let store = try IntakeStore(data.intakeDatabase, site: site, calendar: settings.calendar, now: noon)
        var figures = try LiveFigures(Database(data.intakeDatabase, .readOnly), settings, page: "p", now: noon)
        let database = try Database(data.intakeDatabase, .readWrite)
        var sequence: UInt64 = 0
        func pass(at instant: Int64) throws {
            sequence += 1
            let record = makeRecord(
                ended(holder: UInt32(sequence)), sequence: sequence, to: "ring", at: instant)
            let batch = try IntakeBatch(makeBody([record], site: site, oldestHeld: position(1, 1)), site: site)
            _ = try store.store([IntakeStore.Request(batch: batch, connection: 1)], now: noon)
        }
        /// At which instants the flow is told to have changed; nil: nothing is told.
        func told() throws -> [Int64]? {
            let books = Intake.Snapshot(lanes: store.lanes, site: store.site, day: store.day, revision: 1)
            let piece = try figures.next(ScreenFigures(books, settings), now: noon, isWanted: false)
            guard let piece else { return nil }
            let event = try #require(Wire.event(String(decoding: piece.change, as: UTF8.self)))
            return (event.data["flow"] as? [[String: Any]])?.compactMap { $0["at_ms"] as? Int64 }
        }
        let (early, late) = (noon - 7_200_000, noon - 3_600_000)
        try pass(at: late)
        #expect(try told() == [late])
        try pass(at: early)
        let kept = try database.prepare("SELECT counts FROM tally WHERE span = 3 AND start = ? AND lane = 0")
        kept.bind(1, late / 1000)
        try #require(try kept.step())
        let counts = kept.blob(0)
        kept.reset()
        func write(_ bytes: [UInt8]) throws {
            let update = try database.prepare("UPDATE tally SET counts = ? WHERE span = 3 AND start = ? AND lane = 0")
            update.bind(1, bytes)
            update.bind(2, late / 1000)
            try update.run()
        }
        try write([255])
        #expect(throws: CollectorFailure.self) { try told() }
        try write(counts)
        #expect(try told() == [early])
        #expect(try told() == nil)
    }

    @Test("lanes of one entrance are ranked together, and a zone's limit stands beside its people")
    func entrances() throws {
        let bench = try ServiceBench()
        try bench.restart { settings in
            settings.entrances = [name("north"): settings.siteName, name("south"): settings.siteName]
            settings.entranceOfLane = [name("north-01"): name("north"), name("north-02"): name("north")]
            settings.zoneLimits = [name("ring"): CollectorSettings.ZoneLimit(people: 5, vehicles: nil)]
        }
        for (index, lane) in ["north-01", "north-02", "east-01"].enumerated() {
            let record = makeRecord(
                ended(holder: UInt32(index + 1)), lane: lane, to: "ring", at: SystemClock.wallMilliseconds())
            #expect(try bench.post(makeBody([record], site: bench.site, lane: lane)).status == 200)
        }
        let tallies = try bench.get("/v1/tallies").json
        let entrances = tallies["entrances"] as? [[String: Any]]
        #expect(entrances?.compactMap { $0["entrance"] as? String } == ["north", "east-01", "south"])
        #expect(entrances?.compactMap { $0["entries"] as? Int } == [2, 1, 0])
        let zone = (tallies["zones"] as? [[String: Any]])?.first
        #expect(zone?["limit"] as? Int == 5)
        #expect(zone?["people"] as? Int == 3)
    }

    @Test("the page shows its numbers without the chart, and says what is missing")
    func withoutChart() throws {
        let bench = try ServiceBench()
        let screen = try Screen(ServiceBench.settings(bench.data), chartFile: bench.directory.file("none.js"))
        #expect(screen.answer("/chart.js")?.status == 404)
        #expect(screen.answer("/")?.status == 200)
    }
}
