import Admission
import Framing

/// Records of one epoch that stand side by side with numbers that follow each other.
struct RecordRun: Hashable, Sendable {
    var epoch: Epoch
    /// Sequence number of the record at `start`.
    var first: UInt64
    /// Position of the first record.
    var start: Int
    var count: Int

    var end: Int { start + count }
}

extension [RecordRun] {
    mutating func append(_ epoch: Epoch, _ sequence: UInt64, at position: Int) {
        if let last, last.epoch == epoch, last.end == position, last.first &+ UInt64(last.count) == sequence {
            self[count - 1].count += 1
        } else {
            append(RecordRun(epoch: epoch, first: sequence, start: position, count: 1))
        }
    }

    /// The position behind the last record that `stored` covers; nil when no record of its epoch is held. What stands
    /// before a record that is stored is stored as well: *stored through* counts from the beginning.
    func position(behind stored: StoredThrough) -> Int? {
        guard let first = firstIndex(where: { $0.epoch == stored.epoch }) else { return nil }
        var position = self[first].start
        for run in self[first...] where run.epoch == stored.epoch && run.first <= stored.sequence {
            let covered = stored.sequence - run.first
            position = run.start + (covered < UInt64(run.count) ? Int(covered) + 1 : run.count)
        }
        return position
    }
}
