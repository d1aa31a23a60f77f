import Admission
import Framing
import TestSupport
import Testing

@testable import Collector

@Suite("Closed hours and the lanes' own totals")
struct ReconciliationTests {
    private static let hour: Int64 = 3_600_000
    /// 08:00 in Shanghai is a whole hour of UTC.
    private static let hourSeconds = morning / 1000

    /// Two visits and a refusal in the hour, and the lane's record of it, which stands in the next one.
    private func records(
        lane: String = "north-07", passed: UInt32 = 2, from first: UInt64 = 1, at start: Int64 = morning
    ) -> [JournalRecord] {
        var totals = LaneTotals()
        (totals.presented, totals.admitted, totals.refused, totals.passed) = (3, 2, 1, passed)
        let events: [LaneEvent] = [
            decided(), ended(of: first), decided(holder: 8), ended(holder: 8, of: first + 2),
            decided(.refused, reasons: .codeRed, holder: 9), .hour(startSeconds: start / 1000, totals),
        ]
        return events.enumerated().map {
            makeRecord(
                $0.element, sequence: first + UInt64($0.offset), lane: lane,
                at: $0.offset == 5 ? start + Self.hour : start + Int64($0.offset) * 1000)
        }
    }

    private func compare(_ bench: StoreBench, day: String? = nil, lane: String? = nil) throws -> Reconciliation {
        try Reconciliation(Database(bench.data.intakeDatabase, .readOnly), bench.calendar, day: day, lane: lane)
    }

    @Test("hours that agree are said to, whatever came twice; open ones are not compared")
    func agrees() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        #expect(try compare(bench).text == "no lane has closed an hour there\n")
        try store.store(try bench.batch(Array(records()[..<5])))
        #expect(try compare(bench).hours == 0)
        try store.store(try bench.batch(records()))
        try store.store(try bench.batch(records(lane: "south-01"), lane: "south-01"))
        let found = try compare(bench)
        #expect(found.agrees)
        #expect(found.text == "2 closed hours of 2 lanes: the lanes' own totals and the counts here agree\n")
        #expect(
            try compare(bench, lane: "south-01").text
                == "1 closed hour of 1 lane: the lanes' own totals and the counts here agree\n")
    }

    @Test("a difference is said by hour, lane and counter, and is gone when the record comes late")
    func differs() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        var sent = records()
        let late = sent.remove(at: 3)
        try store.store(try bench.batch(sent, oldestHeld: position(1, 1)))
        let found = try compare(bench)
        #expect(!found.agrees)
        #expect(
            found.differences == [
                Reconciliation.Difference(
                    lane: "north-07", hourMilliseconds: morning, counter: "passed", lanes: 2, ours: 1, untrusted: 0)
            ])
        #expect(
            found.text == """
                2026-07-10T00:00:00.000Z  north-07  passed: the lane says 2, counted here are 1 (-1)
                1 closed hour of 1 lane: 1 does not agree; what is missing of a lane says GET /v1/lanes

                """)
        try store.store(try bench.batch([late], oldestHeld: position(1, 1)))
        #expect(try compare(bench).agrees)
    }

    @Test("what a lane had no room to record is on both sides")
    func noRoom() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        var totals = LaneTotals()
        (totals.presented, totals.admitted, totals.passed) = (5, 5, 5)
        let hole = makeRecord(
            .hole(epoch: epoch(1), firstSequence: 0, count: 10, .noRoom, totals), sequence: 7, at: morning + 5000)
        try store.store(try bench.batch(records() + [hole]))
        #expect(store.lanes[name("north-07")]?.all[.passed] == 7)
        #expect(try compare(bench).agrees)
    }

    @Test("a day is the site's, a lane is one that was heard of")
    func chosen() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        // The last hour of the day before, and one of the day, in Shanghai.
        let midnight = bench.calendar.start(ofDay: bench.calendar.day(ofMilliseconds: morning))
        try store.store(try bench.batch(records(passed: 3, at: midnight - Self.hour)))
        try store.store(try bench.batch(records(from: 7, at: midnight), oldestHeld: position(1, 1)))
        #expect(try compare(bench, day: "2026-07-09").differences.map(\.ours) == [2])
        #expect(
            try compare(bench, day: "2026-07-10").text
                == "1 closed hour of 1 lane: the lanes' own totals and the counts here agree\n")
        #expect(try compare(bench).hours == 2)
        #expect(throws: CollectorFailure.self) { _ = try compare(bench, lane: "north-99") }
        for day in ["2026-7-10", "2026-02-30", "yesterday", "2026-07-10T00:00:00Z", ""] {
            #expect(throws: CollectorFailure.self) { _ = try compare(bench, day: day) }
        }
    }
}
