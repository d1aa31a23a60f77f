import Admission
import Framing
import TestSupport
import Testing

@testable import Collector

@Suite("Different holders")
struct DistinctHoldersTests {
    private static let lanes = ["north-07", "north-08", "south-01"]
    private static let day: Int64 = 86_400_000

    /// What the books must say: every passage that was stored, counted anew.
    private struct Model {
        var passages: Set<[Int64]> = []

        mutating func note(_ holder: UInt32, lane: Int, day: Int64) {
            passages.insert([Int64(holder), Int64(lane), day])
        }

        func count(lane: Int? = nil, day: Int64? = nil) -> Int64 {
            var holders: Set<Int64> = []
            for passage in passages where lane == nil || passage[1] == Int64(lane ?? 0) {
                if day == nil || passage[2] == day { holders.insert(passage[0]) }
            }
            return Int64(holders.count)
        }
    }

    /// What fails: the counts, before anything of a round is written; a set that a round writes; the mark at its end.
    private static let sabotages = [
        "BEFORE INSERT ON tally", "BEFORE INSERT ON seen", "BEFORE UPDATE ON mark",
    ]

    /// One part a transaction: rounds are cut short by every start.
    @Test(
        "by lane, by day and by the site each is counted once, whatever fails and whenever the collector is started anew",
        arguments: [SeenBook.Limits().bytesAtOnce, 1])
    func restarts(bytesAtOnce: Int) throws {
        var random = SeededGenerator()
        let bench = try StoreBench()
        let today = bench.calendar.day(ofMilliseconds: morning)
        let rounds = SeenBook.Limits(recordsBetweenRounds: bytesAtOnce == 1 ? 40 : 150, bytesAtOnce: bytesAtOnce)
        var store = try bench.open(rounds: rounds)
        var (failed, cut, written): (Set<Int>, Int, Set<Int64>) = ([], 0, [])
        var model = Model()
        var next: [UInt64] = [1, 1, 1]
        for _ in 0..<150 {
            let lane = Int.random(in: 0..<3, using: &random)
            let days = Int64.random(in: -1...1, using: &random)
            // Numbers of two parts, few enough to come again.
            let holders = (0..<20).map { _ in 65_500 + UInt32.random(in: 0..<120, using: &random) }
            let records = holders.enumerated().map {
                makeRecord(
                    ended(holder: $0.element), epoch: UInt64(lane + 1), sequence: next[lane] + UInt64($0.offset),
                    lane: Self.lanes[lane], at: morning + days * Self.day)
            }
            let batch = try bench.batch(records, lane: Self.lanes[lane], oldestHeld: position(UInt64(lane + 1), 1))
            if Int.random(in: 0..<4, using: &random) == 0 {
                let saboteur = try Database(bench.data.intakeDatabase, .readWrite)
                let which = Int.random(in: 0..<3, using: &random)
                try saboteur.execute(
                    "CREATE TRIGGER sabotage \(Self.sabotages[which]) BEGIN SELECT raise(ABORT, 'gone'); END")
                // Nothing of a round may be due with this batch: then it is stored.
                let isStored = (try? store.store(batch)) != nil
                try saboteur.execute("DROP TRIGGER sabotage")
                if isStored {
                    #expect(which > 0)
                } else {
                    failed.insert(which)
                    #expect(try store.store(batch).new == 20)
                }
            } else {
                if Int.random(in: 0..<6, using: &random) == 0 { store = try bench.open(rounds: rounds) }
                #expect(try store.store(batch).new == 20)
            }
            written.insert(store.seen.mark)
            next[lane] += 20
            for holder in holders { model.note(holder, lane: lane, day: today + days) }
            if Int.random(in: 0..<6, using: &random) == 0 {
                if store.seen.isInRound { cut += 1 }
                store = try bench.open(rounds: rounds)
            }
        }
        // Which of them meet a batch says the seed; a part is written with nearly each, where one is written at a time.
        #expect(failed.contains(0))
        if bytesAtOnce == 1 { #expect(failed.contains(1) && cut > 0) }
        #expect(store.site.all[.distinctHolders] == model.count())
        #expect(store.site.today[.distinctHolders] == model.count(day: today))
        for (index, lane) in Self.lanes.enumerated() {
            let book = try #require(store.lanes[name(lane)])
            #expect(book.all[.distinctHolders] == model.count(lane: index))
            #expect(book.today[.distinctHolders] == model.count(lane: index, day: today))
        }
        // Rounds of writing were made, and what they wrote is what a start does not read again.
        #expect(written.count > 3)
        #expect(store.lastRow == 3000)
        #expect(store.lastRow - store.seen.mark < (bytesAtOnce == 1 ? 1500 : 400))
        _ = try store.turnDay(now: morning + Self.day)
        #expect(store.site.today[.distinctHolders] == model.count(day: today + 1))
        #expect(store.lanes[name("north-07")]?.today[.distinctHolders] == model.count(lane: 0, day: today + 1))
    }

    @Test(
        "a round of writing takes many transactions and no more of one than its share; what nobody asks for is let go")
    func rounds() throws {
        var seen = SeenBook(mark: 0, limits: SeenBook.Limits(recordsBetweenRounds: 1000))
        let none = { (_: TallyKey) throws(CollectorFailure) -> HolderSet in HolderSet() }
        for holder in stride(from: UInt32(0), to: 40_000, by: 1) {
            for lane in 1...100 as ClosedRange<Int64> where holder < 5000 || lane == 1 {
                _ = try seen.insert(HolderNumber(holder), in: TallyKey(lane: lane, span: .all, start: 0), load: none)
            }
        }
        #expect(seen.plan(last: 999).parts.isEmpty)
        var bytes: [Int] = []
        var parts: Set<TallyKey> = []
        var mark: Int64?
        for row in 1000 as Int64..<1010 where mark == nil {
            let plan = seen.plan(last: row)
            bytes.append(plan.parts.reduce(0) { $0 + $1.bytes.count })
            for part in plan.parts { parts.insert(part.key) }
            mark = plan.mark
            seen.written(plan)
        }
        #expect(mark == 1000)
        #expect(parts.count == 100)
        #expect(bytes.count > 1)
        #expect(bytes.allSatisfy { $0 <= SeenBook.Limits().bytesAtOnce + 8192 })
        // Asked for in the round that ended: kept. Not in the next one: gone.
        #expect(seen.keys.count == 100)
        _ = try seen.insert(HolderNumber(7), in: TallyKey(lane: 3, span: .all, start: 0), load: none)
        _ = try seen.insert(HolderNumber(1 << 31), in: TallyKey(lane: 4, span: .all, start: 0), load: none)
        let plan = seen.plan(last: 2000)
        #expect(plan.parts.map(\.key.lane) == [4])
        seen.written(plan)
        #expect(seen.keys.map(\.lane).sorted() == [3, 4])
    }
}
