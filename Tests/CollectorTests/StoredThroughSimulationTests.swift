import Admission
import Framing
import TestSupport
import Testing

@testable import Collector

/// A lane and its uplink as the collector must be able to live with: a journal with holes, restarts, damaged first
/// records, truncated tails; answers that are lost; a collector that is put back from a backup.
private struct SimulatedLane {
    struct Record {
        var entry: StoredThroughLedger.Entry
        var id: StoredThrough { StoredThrough(epoch: entry.epoch, sequence: entry.sequence) }
    }

    var journal: [Record] = []
    var cursor: StoredThrough?
    private var epochNumber: UInt64 = 0
    private var sequence: UInt64 = 0

    init() { restart(lastRecovered: nil) }

    mutating func restart(lastRecovered: StoredThrough?) {
        epochNumber += 1
        sequence = 0
        write(.epochStarted(previous: lastRecovered?.epoch ?? .none, lastSequence: lastRecovered?.sequence ?? 0))
    }

    mutating func write(_ event: LaneEvent = .stopping) {
        sequence += 1
        journal.append(Record(entry: .init(epoch: epoch(epochNumber), sequence: sequence, event: event)))
    }

    /// The place behind the cursor: an epoch that is not here any more means from the beginning.
    private var place: Int {
        guard let cursor else { return 0 }
        if let exact = journal.lastIndex(where: { $0.id.epoch == cursor.epoch && $0.id.sequence <= cursor.sequence }) {
            return exact + 1
        }
        return journal.firstIndex { $0.id.epoch == cursor.epoch } ?? 0
    }

    func batch(_ most: Int) -> [StoredThroughLedger.Entry] {
        journal[place...].prefix(most).map(\.entry)
    }

    var isDone: Bool { place == journal.count }
}

@Suite("Stored through, simulated")
struct StoredThroughSimulationTests {
    @Test(
        "whatever happens to lane, line and collector, every record that is held arrives in a bounded number of batches"
    )
    func neverStalls() {
        var random = SeededGenerator()
        for _ in 0..<400 {
            var lane = SimulatedLane()
            var ledger = StoredThroughLedger()
            var backups: [StoredThroughLedger] = [ledger]
            var conversation = LaneBook.Conversation()
            var connection: UInt64 = 1
            let reliableConnection = Bool.random(using: &random)
            func exchange(answerArrives: Bool, using random: inout SeededGenerator) {
                if !reliableConnection || Int.random(in: 0..<4, using: &random) == 0 { connection += 1 }
                let batch = lane.batch(Int.random(in: 1...8, using: &random))
                let news = batch.count { !ledger.isStored($0.epoch, $0.sequence) }
                _ = ledger.take(
                    batch, oldestHeld: lane.journal.first?.id, lost: nil,
                    heard: conversation.heard(connection: connection))
                let answer = ledger.storedThrough
                conversation.answered(answer, connection: connection, records: batch.count, new: news)
                if answerArrives { lane.cursor = answer } else { connection += 1 }
            }
            for _ in 0..<60 {
                switch Int.random(in: 0..<20, using: &random) {
                case 0: lane.restart(lastRecovered: lane.journal.last?.id)
                case 1:
                    // A power cut: the last few records are gone, and some of them may have been sent.
                    lane.journal.removeLast(min(lane.journal.count - 1, Int.random(in: 0...3, using: &random)))
                    lane.restart(lastRecovered: lane.journal.last?.id)
                case 2:
                    // Records found damaged, the first of an epoch not excepted.
                    let first = Int.random(in: 0..<lane.journal.count, using: &random)
                    let last = min(lane.journal.count - 1, first + Int.random(in: 0...4, using: &random))
                    if last - first + 1 < lane.journal.count { lane.journal.removeSubrange(first...last) }
                case 3:
                    // Acknowledged segments are deleted.
                    let count = Int.random(in: 0...5, using: &random)
                    if count < lane.journal.count { lane.journal.removeFirst(count) }
                case 4: backups.append(ledger)
                case 5: if let backup = backups.randomElement(using: &random) { ledger = backup }
                case 6: lane.cursor = nil
                case 7...12: for _ in 0..<Int.random(in: 1...6, using: &random) { lane.write() }
                default: exchange(answerArrives: Bool.random(using: &random), using: &random)
                }
            }
            // From here on the line works. Patience covers a sender that connects anew each time.
            var exchanges = 0
            let bound = 20 + lane.journal.count * (LaneBook.Conversation.patience + 3)
            while exchanges < bound {
                exchange(answerArrives: true, using: &random)
                exchanges += 1
                if lane.isDone, lane.journal.allSatisfy({ ledger.isStored($0.id.epoch, $0.id.sequence) }) { break }
            }
            #expect(exchanges < bound, "it does not come to an end")
            #expect(lane.journal.allSatisfy { ledger.isStored($0.id.epoch, $0.id.sequence) })
        }
    }
}
