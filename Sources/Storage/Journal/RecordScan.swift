import Admission
import Framing

/// Recovery's judgement over the slots of a journal in their order. It is told of each slot and reads nothing itself.
///
/// A record says how many before it were not yet known to be on disk, so a whole record at position p proves that
/// everything before p − that number was on disk: the farthest such position is the *mark*. A bad slot before the mark
/// is damage: it is kept and becomes a hole. The first bad slot at or behind the mark is where the last run was cut: what
/// stands behind it was never known to be on disk, and recovery stops there.
struct RecordScan {
    private(set) var facts: JournalFacts
    private(set) var runs: [RecordRun] = []
    private var mark = 0
    private var position = 0
    private var wholeRecords = 0
    private var holes: [(before: Int, hole: Hole)] = []
    /// Stretches of bad slots that recovery may stop in, from `oldestGap` on: those that end behind the mark.
    private var gaps: [Gap] = []
    private var oldestGap = 0
    private var gap: Gap?

    private struct Gap {
        var start: Int
        var slots = 0
        /// Records in segments set aside, which have no positions any more.
        var slotsSetAside = 0
        var contentsSetAside: [Hole] = []
        let factsBefore: JournalFacts
        let wholeBefore: Int
        var end: Int { start + slots }
    }

    init(now: WallTime) { facts = JournalFacts(now: now) }

    struct Result {
        /// Position of the next record.
        var stop: Int
        var facts: JournalFacts
        var runs: [RecordRun]
        var holes: [Hole]
        /// Everything before this position was known to be on disk.
        var mark: Int
        var recordsHeld: Int
        var recordsDropped: Int
    }

    /// The next slot's 256 bytes. Returns whether it is a whole record.
    mutating func take(_ slot: UnsafeRawBufferPointer) -> Bool {
        defer { position += 1 }
        guard let place = JournalRecord.place(of: slot) else {
            openGap()
            gap?.slots += 1
            return false
        }
        // A record of a kind that a newer program made up is kept, and says nothing here.
        let record = try? JournalRecord(slot)
        findHoles(before: place, record)
        closeGap()
        if place.unsyncedBefore != UInt8.max {
            mark = max(mark, position - Int(place.unsyncedBefore))
            while oldestGap < gaps.count && gaps[oldestGap].end <= mark { oldestGap += 1 }
        }
        if let record { facts.note(record) }
        facts.last = StoredThrough(epoch: place.epoch, sequence: place.sequence)
        runs.append(place.epoch, place.sequence, at: position)
        wholeRecords += 1
        return true
    }

    /// A segment set aside stood here. `contents` are the records that can still be read in it.
    mutating func takeSegmentSetAside(slots: Int, contents: [Hole]) {
        guard slots > 0 else { return }
        openGap()
        gap?.slotsSetAside += slots
        gap?.contentsSetAside += contents
    }

    consuming func finish() -> Result {
        closeGap()
        var stop = position
        var facts = facts
        var whole = wholeRecords
        var found = holes
        if let cut = gaps[oldestGap...].first(where: { $0.end > mark && $0.slots > 0 }) {
            stop = max(cut.start, mark)
            facts = cut.factsBefore
            whole = cut.wholeBefore
            found.removeAll { $0.before >= stop }
            if stop > cut.start, let last = facts.last {
                found.append(
                    (stop, Hole(epoch: last.epoch, first: last.sequence &+ 1, count: UInt64(stop - cut.start))))
            }
        }
        // Nothing whole follows these, so what they held is known from themselves alone.
        for gap in gaps where gap.end >= stop {
            for hole in gap.contentsSetAside { found.append((stop, hole)) }
        }
        var unique: Set<Hole> = []
        let reported = facts.reportedHoles
        return Result(
            stop: stop, facts: facts, runs: runs.filter { $0.start < stop },
            holes: found.map(\.hole).filter { hole in
                unique.insert(hole).inserted && !reported.contains { $0.covers(hole) }
            }, mark: min(mark, stop),
            recordsHeld: whole, recordsDropped: wholeRecords - whole)
    }

    private mutating func openGap() {
        if gap == nil { gap = Gap(start: position, factsBefore: facts, wholeBefore: wholeRecords) }
    }

    private mutating func closeGap() {
        guard let closed = gap else { return }
        gap = nil
        if closed.end > mark || closed.slotsSetAside > 0 { gaps.append(closed) }
    }

    /// What is missing between the record before and this one, told by their numbers. Only where these say nothing (the
    /// end of an epoch whose successor does not name it) the number of slots does.
    private mutating func findHoles(before place: JournalRecord.Place, _ record: JournalRecord?) {
        let lost = UInt64(gap.map { $0.slots + $0.slotsSetAside } ?? 0)
        func add(_ epoch: Epoch, _ first: UInt64, _ count: UInt64) {
            if count > 0 { holes.append((position, Hole(epoch: epoch, first: first, count: count))) }
        }
        let missingHere = place.sequence - 1
        guard let last = facts.last else {
            // Before the first record held, only what stands there damaged is missing: the rest was stored and removed.
            let count = min(missingHere, lost)
            add(place.epoch, place.sequence - count, count)
            return
        }
        if last.epoch == place.epoch {
            if place.sequence > last.sequence {
                add(place.epoch, last.sequence + 1, place.sequence - last.sequence - 1)
            }
            return
        }
        add(place.epoch, 1, missingHere)
        guard case .epochStarted(let previous, let lastSequence) = record?.event else {
            if lost > missingHere { add(last.epoch, last.sequence &+ 1, lost - missingHere) }
            return
        }
        if previous == last.epoch {
            if lastSequence > last.sequence { add(previous, last.sequence + 1, lastSequence - last.sequence) }
        } else {
            // A whole epoch, and perhaps the end of the one before it.
            add(previous, 1, lastSequence)
            if lost > lastSequence { add(last.epoch, last.sequence &+ 1, lost - lastSequence) }
        }
    }
}
