import Admission
import Framing
import TestSupport
import Testing

@testable import Collector

/// Records that no lane writes, but that whoever has a lane's certificate can send.
@Suite("Records that say what cannot be")
struct HostileRecordsTests {
    private static func hole(_ count: UInt64, lane: String, sequence: UInt64 = 1) -> JournalRecord {
        var totals = LaneTotals()
        (totals.passed, totals.anonymousForward) = (.max, .max)
        return makeRecord(
            .hole(epoch: epoch(1), firstSequence: 0, count: count, .noRoom, totals), sequence: sequence, lane: lane)
    }

    @Test(
        "however many events lanes had no room for, everything is counted on and can be asked for, also after a restart"
    )
    func unrecorded() throws {
        let bench = try ServiceBench()
        for lane in ["north-07", "south-01"] {
            let body = bench.body((1...3).map { Self.hole(.max, lane: lane, sequence: $0) }, lane: lane)
            #expect(try bench.post(body).status == 200)
        }
        for _ in 0..<2 {
            let total = try #require(try bench.get("/v1/tallies").json["total"] as? [String: Any])
            #expect(total["unrecorded"] as? Int == 6 * Int(UInt32.max))
            #expect(total["passed"] as? Int == 6 * Int(UInt32.max))
            #expect(try bench.get("/v1/flow?day=2026-07-10").status == 200)
            try bench.restart()
        }
    }

    @Test("an epoch that names an end where no journal comes is missed, and everything goes on")
    func statedEnd() throws {
        let bench = try ServiceBench()
        for lane in ["north-07", "south-01"] {
            let records = (1...3).map { (number: UInt64) in
                makeRecord(
                    .epochStarted(previous: epoch(number + 10), lastSequence: .max), epoch: number, sequence: 1,
                    lane: lane)
            }
            #expect(try bench.post(bench.body(records, lane: lane)).status == 200)
        }
        for _ in 0..<2 {
            let total = try #require(try bench.get("/v1/tallies").json["total"] as? [String: Any])
            #expect((total["missing"] as? UInt64 ?? 0) >= UInt64(Int64.max))
            let lanes = try #require(try bench.get("/v1/lanes").json["lanes"] as? [[String: Any]])
            #expect(lanes.count == 2 && lanes.allSatisfy { ($0["missing"] as? UInt64 ?? 0) >= UInt64(Int64.max) })
            try bench.restart()
        }
    }

    @Test(
        "whatever row a list of records is asked for behind, it is answered",
        arguments: ["9223372036854775806", "9223372036854775807", "2", "3", "1000000"])
    func after(row: String) throws {
        let bench = try ServiceBench()
        #expect(try bench.post(bench.body((1...3).map { makeRecord(sequence: $0) })).status == 200)
        for query in ["", "&lane=north-07", "&limit=10000"] {
            let answer = try bench.get("/v1/records?after=\(row)\(query)")
            #expect(answer.status == 200)
            #expect(answer.text.split(separator: "\n").count == (row == "2" ? 1 : 0))
        }
    }

    @Test("what repeats and alternates within a batch is told apart, and each record counts once")
    func repeated() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        let one = (1...400).map { makeRecord(decided(holder: UInt32($0)), epoch: 1, sequence: $0) }
        let two = (1...400).map { makeRecord(decided(holder: UInt32($0)), epoch: 2, sequence: $0) }
        let other = makeRecord(.stopping, epoch: 1, sequence: 7)
        let alternating = zip(one, two).flatMap { [$0, $1] }
        let first = try store.store(try bench.batch(alternating + alternating + [other]))
        #expect(first.new == 800 && first.duplicates == 800 && first.conflicting == 1)
        // In any order, and against what is stored.
        let again = try store.store(try bench.batch(alternating.reversed() + [other] + alternating))
        #expect(again.new == 0 && again.duplicates == 1600 && again.conflicting == 1)
        #expect(store.lanes[name("north-07")]?.all[.presented] == 800)
    }
}
