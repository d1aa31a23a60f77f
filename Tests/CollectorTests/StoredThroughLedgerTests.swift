import Admission
import Framing
import TestSupport
import Testing

@testable import Collector

private typealias Entry = StoredThroughLedger.Entry

private func entries(_ epochNumber: UInt64, _ range: ClosedRange<UInt64>) -> [Entry] {
    range.map { Entry(epoch: epoch(epochNumber), sequence: $0, event: .stopping) }
}

private func start(_ epochNumber: UInt64, after previous: StoredThrough? = nil) -> Entry {
    Entry(
        epoch: epoch(epochNumber), sequence: 1,
        event: .epochStarted(previous: previous?.epoch ?? .none, lastSequence: previous?.sequence ?? 0))
}

extension StoredThroughLedger {
    /// A batch of the lane's own journal, the lane holding everything from epoch 1 on.
    fileprivate mutating func take(
        _ batch: [Entry], held: StoredThrough? = position(1, 1), lost: RecordBatch.Stretch? = nil,
        heard: StoredThrough? = nil
    ) -> StoredThrough? {
        _ = take(batch, oldestHeld: held, lost: lost, heard: heard)
        return storedThrough
    }
}

@Suite("Stored through")
struct StoredThroughLedgerTests {
    @Test("nothing is known of a lane that was never heard of")
    func unknown() {
        var ledger = StoredThroughLedger()
        #expect(ledger.storedThrough == nil)
        let answer = ledger.take([], held: nil)
        #expect(answer == nil)
    }

    @Test("records in order are stored through their last")
    func inOrder() {
        var ledger = StoredThroughLedger()
        #expect(ledger.take([start(1)] + entries(1, 2...100)) == position(1, 100))
        #expect(ledger.take(entries(1, 101...150)) == position(1, 150))
        #expect(ledger.missing == 0)
    }

    @Test("the same batch again changes nothing")
    func again() {
        var ledger = StoredThroughLedger()
        let batch = [start(1)] + entries(1, 2...100)
        let first = ledger.take(batch)
        let before = ledger
        #expect(ledger.take(batch) == first)
        #expect(ledger == before)
    }

    @Test("an empty batch asks where the collector stands")
    func probe() {
        var ledger = StoredThroughLedger()
        _ = ledger.take([start(1)] + entries(1, 2...30))
        #expect(ledger.take([]) == position(1, 30))
        #expect(ledger.take([], held: position(1, 20)) == position(1, 30))
    }

    @Test("a collector that knows nothing answers the place before the lane's oldest record")
    func freshCollector() {
        var ledger = StoredThroughLedger()
        // The lane had uploaded up to 3:500 elsewhere, and still holds everything from 2:41 on.
        #expect(ledger.take(entries(3, 501...600), held: position(2, 41)) == position(2, 40))
        #expect(ledger.take(entries(2, 41...90), held: position(2, 41)) == position(2, 90))
        // The lane is told 2:90, and what follows it there is the first record of epoch 3.
        _ = ledger.take([start(3, after: position(2, 90))] + entries(3, 2...500), held: position(2, 41))
        #expect(ledger.storedThrough == position(3, 600))
    }

    @Test("a collector that was restored from a backup answers less, and then what it has again")
    func restored() {
        var ledger = StoredThroughLedger()
        _ = ledger.take([start(1)] + entries(1, 2...100))
        let backup = ledger
        _ = ledger.take(entries(1, 101...300))
        ledger = backup
        #expect(ledger.take(entries(1, 301...350)) == position(1, 100))
        #expect(ledger.missing == 200)
        #expect(ledger.take(entries(1, 101...300)) == position(1, 350))
        #expect(ledger.missing == 0)
    }

    @Test("an epoch follows the one that its first record names, when that one is complete")
    func chain() {
        var ledger = StoredThroughLedger()
        _ = ledger.take([start(1)] + entries(1, 2...10))
        #expect(ledger.take([start(2, after: position(1, 10))]) == position(2, 1))
        #expect(ledger.take([start(3, after: position(2, 5))] + entries(3, 2...4)) == position(2, 1))
        #expect(ledger.missing == 4)
        #expect(ledger.take(entries(2, 2...5)) == position(2, 5))
        #expect(ledger.take([], held: position(1, 1)) == position(2, 5))
        #expect(ledger.take(entries(3, 4...4)) == position(3, 4))
    }

    @Test("a tail that was stored and then lost by the lane does not keep the next epoch waiting")
    func truncatedTail() {
        var ledger = StoredThroughLedger()
        _ = ledger.take([start(1)] + entries(1, 2...100))
        // Power was cut; the lane recovered only up to 95.
        #expect(ledger.take([start(2, after: position(1, 95))]) == position(2, 1))
        #expect(ledger.missing == 0)
    }

    @Test("a wiped disk begins a chain of its own, and what was before stays stored")
    func wipedDisk() {
        var ledger = StoredThroughLedger()
        _ = ledger.take([start(1)] + entries(1, 2...100))
        #expect(ledger.take([start(9)] + entries(9, 2...3), held: position(9, 1)) == position(9, 3))
        #expect(ledger.isStored(epoch(1), 100))
    }

    @Test("before its first batch is stored, a wiped lane is told its own beginning and not another's end")
    func wipedDiskProbe() {
        var ledger = StoredThroughLedger()
        _ = ledger.take([start(1)] + entries(1, 2...100))
        #expect(ledger.take([], held: position(9, 1)) == position(9, 0))
    }

    @Test("two controllers with one lane id are each answered about their own journal")
    func twoControllers() {
        var ledger = StoredThroughLedger()
        #expect(ledger.take([start(1)] + entries(1, 2...10), held: position(1, 1)) == position(1, 10))
        #expect(ledger.take([start(50)] + entries(50, 2...4), held: position(50, 1)) == position(50, 4))
        #expect(ledger.take(entries(1, 11...12), held: position(1, 1)) == position(1, 12))
        #expect(ledger.take([start(2, after: position(1, 12))], held: position(1, 1)) == position(2, 1))
        #expect(ledger.take(entries(50, 5...6), held: position(50, 1)) == position(50, 6))
    }

    @Test("a disk put back from a copy makes two epochs that follow the same one; each sender has its own")
    func fork() {
        var ledger = StoredThroughLedger()
        _ = ledger.take([start(1)] + entries(1, 2...10))
        _ = ledger.take([start(2, after: position(1, 10))] + entries(2, 2...20))
        #expect(ledger.take([start(3, after: position(1, 10))] + entries(3, 2...5)) == position(3, 5))
        #expect(ledger.take(entries(3, 6...7)) == position(3, 7))
    }

    @Test("what the lane no longer holds is not waited for, but stays missing")
    func overwritten() {
        var ledger = StoredThroughLedger()
        _ = ledger.take([start(1)] + entries(1, 2...100))
        #expect(ledger.take(entries(1, 301...320), held: position(1, 301)) == position(1, 320))
        #expect(ledger.missing == 200)
    }

    @Test("records side by side in one batch are side by side in the journal: what lies between is passed over")
    func gapInBatch() {
        var ledger = StoredThroughLedger()
        let holes = ledger.take(
            [start(1)] + entries(1, 2...10) + entries(1, 15...20), oldestHeld: position(1, 1), lost: nil, heard: nil)
        #expect(holes == [.init(epoch: epoch(1), first: 11, last: 14, cause: .notHeld)])
        #expect(ledger.storedThrough == position(1, 20))
        #expect(ledger.missing == 4)
    }

    @Test("what was passed over and comes after all is stored, and missing no more")
    func filledLate() {
        var ledger = StoredThroughLedger()
        _ = ledger.take([start(1)] + entries(1, 2...10) + entries(1, 15...20))
        #expect(ledger.take(entries(1, 11...14)) == position(1, 20))
        #expect(ledger.missing == 0)
    }

    @Test("a hole record passes over what it names, in its own epoch and in the one before")
    func holeRecords() {
        var ledger = StoredThroughLedger()
        func hole(_ number: UInt64, _ first: UInt64, _ count: UInt64, at sequence: UInt64, in own: UInt64) -> Entry {
            Entry(
                epoch: epoch(own), sequence: sequence,
                event: .hole(
                    epoch: epoch(number), firstSequence: first, count: count, .damaged, LaneTotals()))
        }
        _ = ledger.take([start(1)] + entries(1, 2...10))
        #expect(
            ledger.take([start(2, after: position(1, 12)), hole(1, 11, 2, at: 2, in: 2)]) == position(2, 2))
        #expect(ledger.missing == 2)
    }

    @Test("a hole stated too large hides no record that is still to come")
    func exaggeratedHole() {
        var ledger = StoredThroughLedger()
        let event = LaneEvent.hole(
            epoch: epoch(1), firstSequence: 3, count: .max, .damaged, LaneTotals())
        #expect(ledger.take([start(1), Entry(epoch: epoch(1), sequence: 2, event: event)]) == position(1, 2))
        #expect(ledger.take(entries(1, 3...4)) == position(1, 4))
        #expect(ledger.missing == 0)
    }

    @Test("a hole for want of room names no sequences: what was not written took none")
    func noRoom() {
        var ledger = StoredThroughLedger()
        let event = LaneEvent.hole(epoch: epoch(1), firstSequence: 2, count: 500, .noRoom, LaneTotals())
        let holes = ledger.take(
            [start(1), Entry(epoch: epoch(1), sequence: 2, event: event)], oldestHeld: position(1, 1), lost: nil,
            heard: nil)
        #expect(holes == [])
        #expect(ledger.take(entries(1, 4...9)) == position(1, 2))
        #expect(ledger.missing == 1)
    }

    @Test("the batch's lost stretch is passed over and reported once")
    func lostStretch() {
        var ledger = StoredThroughLedger()
        let lost = RecordBatch.Stretch(epoch: epoch(1), first: 11, last: 14)
        _ = ledger.take([start(1)] + entries(1, 2...10))
        let holes = ledger.take(entries(1, 15...20), oldestHeld: position(1, 1), lost: lost, heard: nil)
        #expect(holes == [.init(epoch: epoch(1), first: 11, last: 14, cause: .unreadable)])
        #expect(ledger.storedThrough == position(1, 20))
        #expect(ledger.take(entries(1, 21...21), oldestHeld: position(1, 1), lost: lost, heard: nil) == [])
    }

    @Test("a sender that read the answer and goes on farther ahead does not hold what lies between")
    func heardAnswer() {
        var ledger = StoredThroughLedger()
        _ = ledger.take([start(1)] + entries(1, 2...10))
        #expect(ledger.take(entries(1, 15...20)) == position(1, 10))
        #expect(ledger.take(entries(1, 15...20), heard: position(1, 10)) == position(1, 20))
        #expect(ledger.missing == 4)
    }

    @Test("the same across epochs whose first record is lost")
    func heardAcrossEpochs() {
        var ledger = StoredThroughLedger()
        _ = ledger.take([start(1)] + entries(1, 2...10))
        #expect(ledger.take(entries(2, 2...5)) == position(1, 10))
        #expect(ledger.take(entries(2, 2...5), heard: position(1, 10)) == position(2, 5))
        #expect(ledger.take(entries(2, 6...7)) == position(2, 7))
        #expect(ledger.missing == 1)
    }

    @Test("a sender that goes back to records from before the answer is no proof of anything")
    func sentAgain() {
        var ledger = StoredThroughLedger()
        _ = ledger.take([start(1)] + entries(1, 2...10))
        _ = ledger.take([start(2, after: position(1, 10))] + entries(2, 2...8))
        let before = ledger.missing
        _ = ledger.take(entries(1, 3...6), heard: position(2, 8))
        #expect(ledger.missing == before)
        #expect(ledger.take([start(3, after: position(2, 9))], heard: position(2, 8)) == position(3, 1))
        #expect(ledger.missing == before + 1)
    }

    @Test("epochs that name each other in a circle end the walk")
    func circle() {
        var ledger = StoredThroughLedger()
        _ = ledger.take([start(1, after: position(2, 1))], held: position(1, 1))
        _ = ledger.take([start(2, after: position(1, 1))], held: position(1, 1))
        #expect(ledger.storedThrough == position(2, 1))
        #expect(ledger.take([], held: position(77, 5)) == position(77, 4))
    }

    @Test("a chain of ten thousand restarts is walked")
    func longChain() {
        var ledger = StoredThroughLedger()
        _ = ledger.take([start(1)])
        var batch: [Entry] = []
        for number in 2...10_000 as ClosedRange<UInt64> { batch.append(start(number, after: position(number - 1, 1))) }
        #expect(ledger.take(batch) == position(10_000, 1))
    }
}
