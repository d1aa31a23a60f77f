import Admission
import Foundation
import Framing
import TestSupport
import Testing

@testable import Collector

@Suite("Records that are read again")
struct RecordArchiveTests {
    private func lines(_ bench: ServiceBench, _ query: String) throws -> [[String: Any]] {
        let answer = try bench.get("/v1/records?\(query)")
        #expect(answer.status == 200, "\(answer.text)")
        return try answer.text.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
    }

    @Test("a damaged record is a line that says which one it is and what to do; the others are given as ever")
    func damaged() throws {
        let bench = try ServiceBench()
        let records = (1...4).map { makeRecord(decided(holder: UInt32($0)), sequence: $0) }
        #expect(try bench.post(bench.body(records)).status == 200)
        try Database(bench.data.intakeDatabase, .readWrite).execute(
            "UPDATE block SET bytes = CAST(substr(bytes, 1, 300) || x'5A5A' || substr(bytes, 303) AS BLOB)")
        for query in ["limit=10", "lane=north-07"] {
            let found = try lines(bench, query)
            #expect(found.map { $0["row"] as? Int } == [1, 2, 3, 4])
            #expect(found.map { $0["event"] as? String } == ["decided", "damaged", "decided", "decided"])
            #expect(found[1]["error"] as? String == "the record is damaged")
            #expect(found[1]["lane"] as? String == "north-07" && found[1]["epoch"] as? String == epoch(1).hex)
            #expect(found[1]["sequence"] as? Int == 2 && (found[1]["advice"] as? String)?.contains("backup") == true)
        }
        #expect(try lines(bench, "after=1&limit=1").map { $0["row"] as? Int } == [2])
    }

    @Test("a lane's records come in the order in which they arrived, page by page, whatever epochs they are of")
    func order() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        var random = SeededGenerator()
        var next: [UInt64: UInt64] = [:]
        var expected: [Int64] = []
        for _ in 0..<200 {
            let epoch = UInt64.random(in: 1...6, using: &random)
            let count = UInt64.random(in: 1...3, using: &random)
            let first = next[epoch] ?? 1
            next[epoch] = first + count
            // Of each epoch some blocks came late.
            let lane = epoch <= 4 ? "north-07" : "south-01"
            let id = store.lastRow + 1
            let records = (first..<first + count).map { makeRecord(epoch: epoch, sequence: $0, lane: lane) }
            try store.store(try bench.batch(records, lane: lane, oldestHeld: position(epoch, 1)))
            if epoch <= 4 { expected.append(id) }
        }
        let database = try Database(bench.data.intakeDatabase, .readOnly)
        for from in [0, 1, expected[50], expected[50] + 1, expected[199 * expected.count / 200], store.lastRow] {
            var order = try BlockOrder(database, lane: "north-07", from: from)
            var found: [Int64] = []
            while let id = try order.next() { found.append(id) }
            let holding = try database.integer("SELECT max(id) FROM block WHERE id <= \(from)")
            #expect(found == expected.filter { $0 >= holding })
        }
        var all = try BlockOrder(database, lane: nil, from: 0)
        var count = 0
        while try all.next() != nil { count += 1 }
        #expect(count == 200)
        var none = try BlockOrder(database, lane: "west-01", from: 0)
        #expect(try none.next() == nil)
    }

    @Test("nothing is sorted for a page, and no block is looked at that is not in it")
    func plan() throws {
        let bench = try StoreBench()
        _ = try bench.open()
        let database = try Database(bench.data.intakeDatabase, .readOnly)
        func plan(_ sql: String) throws -> String {
            let select = try database.prepare("EXPLAIN QUERY PLAN \(sql)")
            var text: [String] = []
            while try select.step() { text.append(select.text(3)) }
            return text.joined(separator: "; ")
        }
        #expect(
            try plan(BlockOrder.ofEpoch) == "SEARCH block USING COVERING INDEX block_epoch (epoch=? AND rowid>?)")
        #expect(try plan(BlockOrder.any) == "SEARCH block USING INTEGER PRIMARY KEY (rowid>?)")
    }

    @Test("a database of an earlier program gets the order of its blocks when it is opened")
    func earlier() throws {
        let bench = try StoreBench()
        _ = try bench.open()
        let database = try Database(bench.data.intakeDatabase, .readWrite)
        try database.execute("DROP INDEX block_epoch")
        _ = try bench.open()
        #expect(try database.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'block_epoch'") == 1)
    }
}
