import Admission
import Framing

/// What is stored of one lane's journal, and so what the collector answers to a batch: *stored through*.
///
/// The answer promises one thing: of all records the sender still holds, everything up to and including this position
/// is stored, or can never be sent. It is reckoned from the sender's own oldest record, so it moves back by itself when
/// the collector was restored from a backup, and needs no memory of what was answered before.
///
/// **Order.** A lane's journal is a chain of epochs. The first record of an epoch names the one before and its last
/// sequence; where that record is lost, two records that stood side by side in the journal say the same (below). A batch
/// shows which chain its sender has: the answer walks from the oldest record held to the epoch of the batch's last
/// record (the *tip*), and stops at the first sequence that is neither stored nor passed over. Two controllers that both think they
/// are this lane, or a disk that was wiped or put back from a copy, are chains of their own and do not disturb each
/// other.
///
/// **Passed over** is what can never come: a record of damage names it, a batch's lost stretch names it, or it lies between
/// two *neighbours*: two records that follow each other in one batch, or an answer that the sender has read and the
/// first record it sent next. Passed over is still missing: it stays reported, and is stored if it comes after all.
///
/// **Why no uplink can loop for ever on these answers.** An uplink sends what follows the last answer it read. Either
/// this brings a record that was not stored, or the answer and its first record are neighbours, and whatever made the
/// walk stop between them is passed over: the next answer is farther on.
struct StoredThroughLedger: Hashable, Sendable {
    /// One epoch of the lane.
    struct EpochState: Hashable, Sendable {
        var stored = SequenceSet()
        var passedOver = SequenceSet()
        /// From its first record; nil while that is not stored, or when it is the lane's first.
        var previous: StoredThrough?
        /// Epochs that stood directly before this one in the journal though its first record does not say so.
        var neighbours: [StoredThrough] = []
        /// The greatest sequence that another source than the records themselves says was written.
        var statedEnd: UInt64 = 0

        /// The greatest sequence known to have been written.
        var knownEnd: UInt64 { max(stored.last ?? 0, statedEnd) }

        /// Sequences known to have been written and not stored.
        var missing: UInt64 { knownEnd - stored.count(through: knownEnd) }

        /// The parts of `range` that are neither stored nor passed over.
        func unknown(in range: ClosedRange<UInt64>) -> [ClosedRange<UInt64>] {
            stored.gaps(in: range).flatMap { passedOver.gaps(in: $0) }
        }

        /// The end of the run from `start` of what is stored or passed over, `start - 1` when it is neither. Never
        /// beyond what is known to have been written: a hole stated too large must not hide records to come.
        func covered(from start: UInt64) -> UInt64 {
            var end = start - 1
            while end < knownEnd, let further = stored.end(ofRunFrom: end + 1) ?? passedOver.end(ofRunFrom: end + 1) {
                end = further
            }
            return max(start - 1, min(end, knownEnd))
        }
    }

    /// Why a stretch is passed over. Raw values stand in the database.
    enum Cause: Int, Sendable {
        /// A hole record of the lane: found damaged at recovery.
        case damaged = 1
        /// The uplink met it on its way through the journal.
        case unreadable = 3
        /// The uplink sent what stood before and what stood after.
        case notHeld = 4

        var name: String {
            switch self {
            case .damaged: "damaged"
            case .unreadable: "unreadable"
            case .notHeld: "not-held"
            }
        }
    }

    /// A stretch that became passed over.
    struct Hole: Hashable, Sendable {
        var epoch: Epoch
        var first: UInt64
        var last: UInt64
        var cause: Cause
    }

    private(set) var epochs: [Epoch: EpochState] = [:]
    /// Those that another one, of which something is stored, is known to have followed.
    private var followed: Set<Epoch> = []
    /// The epoch of the newest batch's last record, as far as it is known where it belongs.
    private(set) var tip: Epoch?
    /// Where the newest batch said the lane's journal begins.
    private(set) var oldestHeld: StoredThrough?

    init() {}

    /// As a store gives it back.
    init(epochs: [Epoch: EpochState], tip: Epoch?, oldestHeld: StoredThrough?) {
        self.epochs = epochs
        for (epoch, state) in epochs where !state.stored.isEmpty {
            for before in state.neighbours + (state.previous.map { [$0] } ?? []) where before.epoch != epoch {
                followed.insert(before.epoch)
            }
        }
        self.tip = tip
        self.oldestHeld = oldestHeld
    }

    /// SQLite's integers are signed; a lane that writes a million records a second gets there in 290,000 years.
    static let greatestSequence = UInt64(Int64.max)

    var missing: UInt64 { Self.sum(epochs.values.lazy.map(\.missing)) }

    /// `UInt64.max` when it would be more.
    static func sum(_ counts: some Sequence<UInt64>) -> UInt64 {
        counts.reduce(0) { sum, count in
            let (more, overflow) = sum.addingReportingOverflow(count)
            return overflow ? .max : more
        }
    }

    /// How many stretches of records that are stored there are.
    var stretches: Int { epochs.values.reduce(0) { $0 + $1.stored.ranges.count } }

    func isStored(_ epoch: Epoch, _ sequence: UInt64) -> Bool {
        epochs[epoch]?.stored.contains(sequence) ?? false
    }

    /// The sequence from which on a record of this epoch is newer than all that are stored of the lane; nil: another epoch
    /// is known to have followed, so that whatever comes of this one is late.
    func newest(of epoch: Epoch) -> UInt64? {
        guard !followed.contains(epoch) else { return nil }
        return (epochs[epoch]?.stored.last ?? 0) + 1
    }

    // MARK: Taking a batch in

    /// What a batch's head and records say, record by record in the order of the journal. `event` is read for epoch
    /// starts and holes only.
    struct Entry: Sendable {
        var epoch: Epoch
        var sequence: UInt64
        var event: LaneEvent

        init(epoch: Epoch, sequence: UInt64, event: LaneEvent) {
            self.epoch = epoch
            self.sequence = sequence
            self.event = event
        }
    }

    /// Takes in a whole batch. `heard` is the answer that the sender is known to have read before it sent this batch,
    /// nil when that is not known. Returns the stretches that became passed over and are not stored.
    mutating func take(
        _ entries: some Sequence<Entry>, oldestHeld: StoredThrough?, lost: RecordBatch.Stretch?, heard: StoredThrough?
    ) -> [Hole] {
        var holes: [Hole] = []
        var previous: StoredThrough?
        var first: StoredThrough?
        for entry in entries {
            let position = StoredThrough(epoch: entry.epoch, sequence: entry.sequence)
            epochs[entry.epoch, default: EpochState()].stored.insert(entry.sequence)
            holes += read(entry)
            if let previous { holes += bridge(from: previous, to: position) }
            first = first ?? position
            previous = position
        }
        if let lost {
            epochs[lost.epoch, default: EpochState()].statedEnd = max(
                epochs[lost.epoch]?.statedEnd ?? 0, lost.last)
            holes += passOver(lost.epoch, lost.first, lost.last, .unreadable)
        }
        // A sender that does not know the epoch it was told begins again at its oldest record: no neighbours.
        if let heard, let first, first != oldestHeld { holes += bridge(from: heard, to: first) }
        self.oldestHeld = oldestHeld ?? first
        if let previous { move(tipTo: previous.epoch) }
        return holes.filter { epochs[$0.epoch]?.stored.gaps(in: $0.first...$0.last).isEmpty == false }
    }

    /// An epoch that no known chain leads to from the sender's oldest record moves the tip only when none leads to the
    /// old one either: the answer must stay where it is until the sender has heard it, not go back and forth.
    private mutating func move(tipTo epoch: Epoch) {
        guard let start = oldestHeld?.epoch, let tip, tip != epoch else {
            self.tip = epoch
            return
        }
        if path(from: start, to: epoch) != nil || path(from: start, to: tip) == nil { self.tip = epoch }
    }

    private mutating func read(_ entry: Entry) -> [Hole] {
        switch entry.event {
        case .epochStarted(let previous, let lastSequence):
            guard entry.sequence == 1, previous != .none, previous != entry.epoch else { return [] }
            let lastSequence = min(lastSequence, Self.greatestSequence)
            epochs[entry.epoch]?.previous = StoredThrough(epoch: previous, sequence: lastSequence)
            followed.insert(previous)
            let stated = epochs[previous]?.statedEnd ?? 0
            epochs[previous, default: EpochState()].statedEnd = max(stated, lastSequence)
            return []
        case .hole(let epoch, let firstSequence, let count, .damaged, _):
            // One for want of room names no sequences: what was not written took none.
            guard firstSequence > 0, count > 0 else { return [] }
            let (last, overflow) = firstSequence.addingReportingOverflow(count - 1)
            let end = overflow ? Self.greatestSequence : min(last, Self.greatestSequence)
            return passOver(epoch, firstSequence, end, .damaged)
        default: return []
        }
    }

    /// `before` and `after` are neighbours in the sender's journal: whatever lies between is not held.
    private mutating func bridge(from before: StoredThrough, to after: StoredThrough) -> [Hole] {
        if before.epoch == after.epoch {
            guard after.sequence > before.sequence &+ 1 else { return [] }
            return passOver(before.epoch, before.sequence + 1, after.sequence - 1, .notHeld)
        }
        var holes: [Hole] = []
        if let named = epochs[after.epoch]?.previous, named.epoch == before.epoch {
            // The usual case, and no search: the journal went on in the next epoch.
            holes += passOver(before.epoch, before.sequence + 1, named.sequence, .notHeld)
            if after.sequence > 1 { holes += passOver(after.epoch, 1, after.sequence - 1, .notHeld) }
            return holes
        }
        // Sent again from farther back: the order is known, and it is the other one.
        guard path(from: after.epoch, to: before.epoch) == nil else { return [] }
        if let path = path(from: before.epoch, to: after.epoch) {
            for step in path.dropLast() {
                let start = step.epoch == before.epoch ? before.sequence + 1 : 1
                guard start <= step.last else { continue }
                holes += passOver(step.epoch, start, step.last, .notHeld)
            }
        } else {
            epochs[before.epoch, default: EpochState()].statedEnd = max(
                epochs[before.epoch]?.statedEnd ?? 0, before.sequence)
            epochs[after.epoch, default: EpochState()].neighbours.append(before)
            followed.insert(before.epoch)
        }
        if after.sequence > 1 { holes += passOver(after.epoch, 1, after.sequence - 1, .notHeld) }
        return holes
    }

    private mutating func passOver(_ epoch: Epoch, _ first: UInt64, _ last: UInt64, _ cause: Cause) -> [Hole] {
        guard first <= last else { return [] }
        let new = (epochs[epoch] ?? EpochState()).unknown(in: first...last)
        guard !new.isEmpty else { return [] }
        insert(new, epoch)
        return new.map { Hole(epoch: epoch, first: $0.lowerBound, last: $0.upperBound, cause: cause) }
    }

    /// In place: nobody else holds the sets here, else each hole of a batch would copy them.
    private mutating func insert(_ new: [ClosedRange<UInt64>], _ epoch: Epoch) {
        for range in new { epochs[epoch, default: EpochState()].passedOver.insert(range) }
    }

    // MARK: The answer

    /// The position to answer to the batch that was taken last; nil when nothing at all is known of the lane.
    var storedThrough: StoredThrough? {
        guard let start = oldestHeld else {
            guard let tip, let state = epochs[tip] else { return nil }
            return StoredThrough(epoch: tip, sequence: state.covered(from: 1))
        }
        let path = tip.flatMap { self.path(from: start.epoch, to: $0) } ?? [Step(epoch: start.epoch, last: .max)]
        var answer = StoredThrough(epoch: start.epoch, sequence: start.sequence - 1)
        for (index, step) in path.enumerated() {
            let from = index == 0 ? start.sequence : 1
            let covered = epochs[step.epoch]?.covered(from: from) ?? (from - 1)
            // Position 0 of an epoch is the end of the one before, which says it more plainly.
            if covered > 0 { answer = StoredThrough(epoch: step.epoch, sequence: covered) }
            if covered < step.last { break }
        }
        return answer
    }

    /// An epoch on the way, and its last sequence as the next one states it.
    private struct Step {
        var epoch: Epoch
        var last: UInt64
    }

    /// The epochs from `start` to `end` in the order of the journal, nil when no chain is known between them. Looks
    /// back from `end`, what first records say before what neighbours say; each epoch is looked at once.
    private func path(from start: Epoch, to end: Epoch) -> [Step]? {
        var visited: Set<Epoch> = [end]
        // Depth first, with a stack of our own: a chain of thousands of restarts must not exhaust the thread's.
        var way: [(step: Step, untried: [StoredThrough])] = [
            (Step(epoch: end, last: .max), predecessors(of: end))
        ]
        while let current = way.last {
            if current.step.epoch == start { return way.reversed().map(\.step) }
            guard let next = current.untried.last else {
                way.removeLast()
                continue
            }
            way[way.count - 1].untried.removeLast()
            guard visited.insert(next.epoch).inserted else { continue }
            way.append((Step(epoch: next.epoch, last: next.sequence), predecessors(of: next.epoch)))
        }
        return nil
    }

    /// Least wanted first.
    private func predecessors(of epoch: Epoch) -> [StoredThrough] {
        guard let state = epochs[epoch] else { return [] }
        return state.neighbours + (state.previous.map { [$0] } ?? [])
    }
}
