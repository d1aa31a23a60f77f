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

    /// Within the hour that is compared, unless said otherwise.
    private func compare(
        _ bench: StoreBench, day: String? = nil, lane: String? = nil, now: Int64 = morning + 1000
    ) throws -> Reconciliation {
        try Reconciliation(
            Database(bench.data.intakeDatabase, .readOnly), bench.calendar, day: day, lane: lane, now: now)
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
        #expect(!found.agrees && found.isWhole)
        #expect(
            found.differences == [
                Reconciliation.Difference(
                    lane: "north-07", hourMilliseconds: morning, counter: "passed", lanes: 2, ours: 1, doubt: "")
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

    @Test("a controller that is swapped within the hour makes no difference that counts, and is named")
    func swapped() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        // The old one saw two pass and never closed the hour; the new one's totals begin with it.
        try store.store(
            try bench.batch([makeRecord(decided()), makeRecord(ended(of: 1), sequence: 2, at: morning + 1000)]))
        var totals = LaneTotals()
        (totals.presented, totals.admitted, totals.passed) = (1, 1, 1)
        let new = [
            makeRecord(.epochStarted(previous: .none, lastSequence: 0), epoch: 2, at: morning + 2_400_000),
            makeRecord(decided(holder: 8), epoch: 2, sequence: 2, at: morning + 2_500_000),
            makeRecord(ended(holder: 8, of: 2), epoch: 2, sequence: 3, at: morning + 2_501_000),
            makeRecord(
                .hour(startSeconds: Self.hourSeconds, totals), epoch: 2, sequence: 4, at: morning + Self.hour),
        ]
        try store.store(try bench.batch(new))
        let found = try compare(bench)
        #expect(found.agrees && !found.isWhole)
        #expect(found.differences.map(\.counter) == ["presented", "admitted", "passed"])
        #expect(
            found.text.hasSuffix(
                """
                counted here are 2 (+1); within this hour the lane began to count anew
                1 closed hour of 1 lane: 1 cannot be judged; what is missing of a lane says GET /v1/lanes

                """))
    }

    @Test("a clock that was not trusted over two hours' ends leaves hours that cannot be judged, and says which")
    func untrusted() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        func totals(_ presented: UInt32) -> LaneTotals {
            var totals = LaneTotals()
            (totals.presented, totals.refused) = (presented, presented)
            return totals
        }
        func refused(_ sequence: UInt64, minute: Int64, _ clock: ClockTrust = .trusted) -> JournalRecord {
            makeRecord(
                decided(.refused, reasons: .codeRed), sequence: sequence, at: morning + minute * 60_000, clock: clock)
        }
        // Not trusted from 8:59 to 10:05: hour 8 is closed then, with all until then; hour 10 begins then.
        try store.store(
            try bench.batch([
                refused(1, minute: 1), refused(2, minute: 70, .behindFloor), refused(3, minute: 121, .behindFloor),
                makeRecord(
                    .hour(startSeconds: Self.hourSeconds, totals(3)), sequence: 4, at: morning + 125 * 60_000),
                refused(5, minute: 130),
                makeRecord(
                    .hour(startSeconds: Self.hourSeconds + 7200, totals(1)), sequence: 6, at: morning + 3 * Self.hour),
            ]))
        let found = try compare(bench, now: morning + 4 * Self.hour)
        #expect(found.agrees && !found.isWhole)
        #expect(
            found.text == """
                2026-07-10T00:00:00.000Z  north-07  presented: the lane says 3, counted here are 1 (-2); the lane closed this \
                hour late, with what came after it
                2026-07-10T00:00:00.000Z  north-07  refused: the lane says 3, counted here are 1 (-2); the lane closed this \
                hour late, with what came after it
                2026-07-10T02:00:00.000Z  north-07  presented: the lane says 1, counted here are 2 (+1); within this hour \
                the lane began to count anew; 1 records of it by a clock that was not trusted
                2026-07-10T02:00:00.000Z  north-07  refused: the lane says 1, counted here are 2 (+1); within this hour \
                the lane began to count anew; 1 records of it by a clock that was not trusted
                2 closed hours of 1 lane: 2 cannot be judged; what is missing of a lane says GET /v1/lanes
                2026-07-10T01:00:00.000Z  north-07  the lane said nothing of this hour
                1 hour of 1 lane could not be compared: switched off when it ended, its clock not trusted, or its record did \
                not come

                """)
    }

    @Test("hours of which a lane says nothing are named once they are over, and not as such that agree")
    func unstated() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        try store.store(try bench.batch(Array(records()[..<5])))
        #expect(try compare(bench, now: morning + Self.hour + 600_000).isWhole)
        let found = try compare(bench, now: morning + Self.hour + 600_001)
        #expect(found.agrees && !found.isWhole && found.hours == 0)
        #expect(found.unstated == [Reconciliation.Unstated(lane: "north-07", hourMilliseconds: morning)])
        #expect(
            found.text.hasPrefix("no lane has closed an hour there\n2026-07-10T00:00:00.000Z  north-07  the lane said ")
        )
        // By a clock far ahead: that hour is not open.
        #expect(try !compare(bench, now: morning - 2 * Self.hour).isWhole)
        try store.store(try bench.batch(records()))
        #expect(try compare(bench, now: morning + 9 * Self.hour).isWhole)
        // What was only started, or had no room, has nothing to be compared.
        try store.store(
            try bench.batch(
                [makeRecord(.epochStarted(previous: .none, lastSequence: 0), epoch: 2, at: 5000)]))
        #expect(try compare(bench, now: morning + 9 * Self.hour).isWhole)
    }

    @Test("a database that serve has not taken over yet is not to be made anew", arguments: [1, 2, 3, 4] as [Int64])
    func older(version: Int64) throws {
        let bench = try ServiceBench()
        let settings = try ServiceBench.settings(bench.data)
        try Database(bench.data.intakeDatabase, .readWrite).execute("PRAGMA user_version=\(version)")
        do {
            _ = try Reconciliation(settings, day: nil, lane: nil)
            Issue.record("it was compared")
        } catch { #expect(error.advice.contains("serve")) }
        try Database(bench.data.intakeDatabase, .readWrite).execute("PRAGMA user_version=99")
        do {
            _ = try Reconciliation(settings, day: nil, lane: nil)
            Issue.record("it was compared")
        } catch { #expect(error.advice.contains("newer program")) }
    }
}
