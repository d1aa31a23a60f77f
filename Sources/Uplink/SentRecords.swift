import Admission
import Framing

/// What was read from the journal since its last seek, as numbered places: place n+1 lies behind the record that place n
/// lies before. A stretch that is lost counts as one step. So the upload's state can compare places without knowing the
/// journal, and most words of the collector are found here, without reading.
///
/// Bounded: neighbours are kept as one run, and what lies before the collector's word is forgotten.
struct SentRecords: Sendable {
    private struct Run: Sendable {
        var epoch: Epoch
        var first: UInt64
        var last: UInt64
        var start: Int
        var isLost: Bool

        var end: Int { start + (isLost ? 1 : Int(last - first) + 1) }
    }

    /// Where reading began, and the word it began behind; nil: at the beginning of the journal.
    private(set) var base: Int
    private(set) var baseWord: StoredThrough?
    private var runs: [Run] = []

    init(base: Int = 0, behind word: StoredThrough?) {
        self.base = base
        baseWord = word
    }

    var end: Int { runs.last?.end ?? base }
    /// The last record, lost or not.
    var last: StoredThrough? { runs.last.map { StoredThrough(epoch: $0.epoch, sequence: $0.last) } ?? baseWord }

    mutating func append(lost stretch: RecordBatch.Stretch) {
        runs.append(
            Run(epoch: stretch.epoch, first: stretch.first, last: stretch.last, start: end, isLost: true))
    }

    mutating func append(_ epoch: Epoch, _ sequence: UInt64) {
        if let last = runs.last, !last.isLost, last.epoch == epoch, last.last &+ 1 == sequence {
            runs[runs.count - 1].last = sequence
        } else {
            runs.append(Run(epoch: epoch, first: sequence, last: sequence, start: end, isLost: false))
        }
    }

    /// The place behind the record that a word names; nil when it is not among these. The end of what comes before a run
    /// has two names: the record before, and the run's first number less one.
    func place(behind word: StoredThrough) -> Int? {
        for run in runs.reversed() where run.epoch == word.epoch {
            if word.sequence == run.last { return run.end }
            if word.sequence >= run.first && word.sequence < run.last {
                return run.isLost ? run.start : run.start + Int(word.sequence - run.first) + 1
            }
            if word.sequence == run.first - 1 { return run.start }
        }
        return word == baseWord ? base : nil
    }

    /// Whether what follows the word, which stands at `place`, can never be sent.
    func gapFollows(_ word: StoredThrough, at place: Int) -> Bool {
        guard let next = runs.first(where: { $0.end > place }) else { return false }
        if next.isLost { return true }
        // Within a run, or at the seam of two that follow each other.
        guard place == next.start, place == base else { return false }
        let isNext = next.epoch == word.epoch && next.first == word.sequence + 1
        return !isNext && next.first != 1
    }

    /// Forgets what lies before the word.
    mutating func forget(before place: Int, _ word: StoredThrough) {
        guard place > base, place <= end else { return }
        runs.removeAll { $0.end <= place }
        if let first = runs.first, first.start < place {
            runs[0].first = first.first + UInt64(place - first.start)
            runs[0].start = place
        }
        base = place
        baseWord = word
    }
}
