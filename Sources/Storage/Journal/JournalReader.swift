import Admission
import Framing
import Posix

/// Records as they stand in the journal, side by side.
public struct JournalBatch: Sendable {
    /// 256 bytes each.
    public var records: [UInt8] = []
    public var count: Int { records.count / JournalRecord.size }
    /// The last of them; nil when there are none.
    public var through: StoredThrough?
    /// Records before these that this lane can never send: they were found damaged, or never written.
    public var lost: RecordBatch.Stretch?
    /// Nothing to read now: what comes is not written yet.
    public var isEmpty: Bool { records.isEmpty && lost == nil }
}

/// Reads a journal while another process writes it: for the uplink and for `lanectl`. Read-only.
///
/// It stops before the first slot that is no whole record: that one is being written, or not yet. Only when a later
/// record proves that this slot was on disk (see `RecordScan`) it is damage, and is passed over. What is missing is told
/// by the numbers of the records on both sides.
///
/// Used by one thread.
public final class JournalReader {
    public enum Start: Sendable, Hashable {
        /// The oldest record held.
        case beginning
        /// Behind this one. When the journal's end was cut off before it, behind what is left; when nothing of its epoch
        /// is held, at the beginning.
        case after(StoredThrough)
        /// So many records before the end.
        case last(Int)
    }

    private let folder: JournalFolder
    private let slots = SlotReader()
    private var start: Start
    private var place: Place?
    /// The last record given out.
    private var delivered: StoredThrough?
    /// Stretches found missing and not given out yet, and the slot before which they were found.
    private var pending: [RecordBatch.Stretch] = []
    private var accountedSlot: Int?
    private var nextProofNanoseconds: UInt64 = 0

    private struct Place {
        var segment: OpenSegment
        /// The next slot.
        var slot: Int
        /// Checksum of the record in the slot before, when that was given out: it must still be there.
        var checksumBefore: UInt32?
    }

    struct OpenSegment {
        var ordinal: UInt64
        var capacity: Int
        var file: Descriptor
    }

    public init(_ directory: LaneDirectory, from start: Start) {
        folder = JournalFolder(path: directory.journal)
        self.start = start
    }

    /// Goes on from there with the next `read`.
    public func move(to start: Start) {
        self.start = start
        place = nil
        delivered = nil
        pending = []
        accountedSlot = nil
    }

    /// Up to `limit` records that follow. An empty batch means: nothing yet, try later.
    public func read(atMost limit: Int) throws(StorageError) -> JournalBatch {
        try storing { () throws(SystemFailure) in
            // Twice: a segment may go between listing and opening, and a journal recovered meanwhile is searched anew.
            for _ in 0..<2 {
                do throws(SystemFailure) {
                    if place == nil { place = try locate(start) }
                    guard place != nil else { return JournalBatch() }
                    guard try isStillThere() else {
                        move(to: delivered.map { .after($0) } ?? start)
                        continue
                    }
                    return try readOn(atMost: min(max(1, limit), SlotReader.slotsAtOnce))
                } catch {
                    guard error.isMissing else { throw error }
                    move(to: delivered.map { .after($0) } ?? start)
                }
            }
            return JournalBatch()
        }
    }

    /// The oldest record held; nil when there is none.
    public func oldestHeld() throws(StorageError) -> StoredThrough? {
        try storing { () throws(SystemFailure) in
            for segment in try segments() {
                if let first = try firstRecord(segment, from: 0) {
                    return StoredThrough(epoch: first.place.epoch, sequence: first.place.sequence)
                }
            }
            return nil
        }
    }

    // MARK: Reading on

    private func readOn(atMost limit: Int) throws(SystemFailure) -> JournalBatch {
        var batch = JournalBatch()
        if let lost = takePending() {
            batch.lost = lost
            if !pending.isEmpty { return batch }
        }
        while batch.count < limit {
            guard var here = place else { break }
            if here.slot >= here.segment.capacity {
                guard let next = try next(after: here.segment.ordinal) else { break }
                if try firstRecord(next, from: 0, atMost: 1) == nil {
                    guard batch.isEmpty, try passDamage() else { break }
                    continue
                }
                place = Place(segment: next, slot: 0, checksumBefore: nil)
                accountedSlot = nil
                continue
            }
            let piece = try slots.slots(
                here.segment.file, from: here.slot,
                count: min(limit - batch.count, here.segment.capacity - here.slot))
            var taken = 0
            while taken < piece.count / JournalRecord.size {
                let bytes = piece.slot(taken)
                guard let record = JournalRecord.place(of: bytes) else { break }
                if accountedSlot != here.slot + taken {
                    pending = missing(before: record, bytes)
                    accountedSlot = here.slot + taken
                    if !pending.isEmpty { break }
                }
                batch.records.append(contentsOf: bytes)
                delivered = StoredThrough(epoch: record.epoch, sequence: record.sequence)
                batch.through = delivered
                here.checksumBefore = bytes.checksumField
                taken += 1
            }
            here.slot += taken
            place = here
            if !pending.isEmpty {
                // Told before the record behind it, and never between two records of a batch.
                if !batch.isEmpty { break }
                batch.lost = takePending()
                if !pending.isEmpty { break }
            } else if taken < piece.count / JournalRecord.size {
                guard batch.records.isEmpty, try passDamage() else { break }
            }
        }
        return batch
    }

    private func takePending() -> RecordBatch.Stretch? { pending.isEmpty ? nil : pending.removeFirst() }

    /// What is missing between the last record given out and this one.
    private func missing(before record: JournalRecord.Place, _ bytes: UnsafeRawBufferPointer) -> [RecordBatch.Stretch] {
        guard let delivered else { return [] }
        func stretch(_ epoch: Epoch, _ first: UInt64, _ last: UInt64) -> [RecordBatch.Stretch] {
            first <= last ? [RecordBatch.Stretch(epoch: epoch, first: first, last: last)] : []
        }
        if record.epoch == delivered.epoch {
            guard record.sequence > delivered.sequence else { return [] }
            return stretch(record.epoch, delivered.sequence + 1, record.sequence - 1)
        }
        var lost: [RecordBatch.Stretch] = []
        if case .epochStarted(let previous, let last)? = (try? JournalRecord(bytes))?.event {
            if previous == delivered.epoch {
                if last > delivered.sequence { lost += stretch(previous, delivered.sequence + 1, last) }
            } else if previous != .none {
                lost += stretch(previous, 1, last)
            }
        }
        return lost + stretch(record.epoch, 1, record.sequence - 1)
    }

    /// Recovery after a power cut may have written anew what was read before it: then the record before our place is
    /// another one, or its segment is gone.
    private func isStillThere() throws(SystemFailure) -> Bool {
        guard let place else { return true }
        if let checksum = place.checksumBefore {
            guard try slots.slots(place.segment.file, from: place.slot - 1, count: 1).checksumField == checksum else {
                return false
            }
        }
        // A segment that was removed can still be read to its end, since it is open; at its end it cannot be waited at.
        let path = folder.path(ordinal: place.segment.ordinal)
        guard try FileSystem.statusIfPresent(path)?.inode != place.segment.file.status().inode else { return true }
        return try firstRecord(place.segment, from: place.slot, atMost: 1) != nil
    }

    // MARK: Damage

    /// The slot at our place is no whole record. Moves on when it is proven to have been on disk; false when it is the
    /// end. A search reads to the journal's end, so it is made once a second at most.
    private func passDamage() throws(SystemFailure) -> Bool {
        let now = SystemClock.monotonicNanoseconds()
        guard now >= nextProofNanoseconds, let place else { return false }
        nextProofNanoseconds = now + 1_000_000_000
        var distance = 0
        var firstWhole: (segment: OpenSegment, slot: Int, distance: Int)?
        var provenUpTo = 0
        for segment in try segments(from: place.segment.ordinal) {
            var slot = segment.ordinal == place.segment.ordinal ? place.slot : 0
            while slot < segment.capacity {
                let piece = try slots.slots(segment.file, from: slot, count: segment.capacity - slot)
                let count = piece.count / JournalRecord.size
                for index in 0..<count {
                    if let record = JournalRecord.place(of: piece.slot(index)) {
                        if firstWhole == nil { firstWhole = (segment, slot + index, distance) }
                        if record.unsyncedBefore != UInt8.max {
                            provenUpTo = max(provenUpTo, distance - Int(record.unsyncedBefore))
                        }
                    }
                    distance += 1
                }
                slot += count
            }
        }
        // A slot that was merely being written is a record by now: the next read finds it.
        guard let firstWhole, provenUpTo >= firstWhole.distance, firstWhole.distance > 0 else { return false }
        nextProofNanoseconds = 0
        accountedSlot = nil
        self.place = Place(segment: firstWhole.segment, slot: firstWhole.slot, checksumBefore: nil)
        return true
    }

    // MARK: Finding a place

    /// Segments with a whole header, oldest first, open.
    private func segments(from first: UInt64 = 0) throws(SystemFailure) -> [OpenSegment] {
        guard try FileSystem.statusIfPresent(folder.path) != nil else { return [] }
        var segments: [OpenSegment] = []
        for ordinal in try folder.ordinals().held where ordinal >= first {
            if let segment = try open(ordinal) { segments.append(segment) }
        }
        return segments
    }

    private func open(_ ordinal: UInt64) throws(SystemFailure) -> OpenSegment? {
        do {
            let file = try Descriptor.open(folder.path(ordinal: ordinal), [.read, .noFollow])
            guard let header = try JournalFolder.header(file, ordinal: ordinal) else { return nil }
            return OpenSegment(ordinal: ordinal, capacity: Int(header.capacity), file: file)
        } catch {
            guard error.isMissing else { throw error }
            return nil
        }
    }

    private func next(after ordinal: UInt64) throws(SystemFailure) -> OpenSegment? {
        for next in try folder.ordinals().held where next > ordinal {
            if let segment = try open(next) { return segment }
        }
        return nil
    }

    private func firstRecord(
        _ segment: OpenSegment, from first: Int, atMost limit: Int = .max
    ) throws(SystemFailure) -> (slot: Int, place: JournalRecord.Place)? {
        var slot = first
        let end = limit < segment.capacity - first ? first + limit : segment.capacity
        while slot < end {
            let piece = try slots.slots(segment.file, from: slot, count: end - slot)
            let count = piece.count / JournalRecord.size
            for index in 0..<count {
                if let place = JournalRecord.place(of: piece.slot(index)) { return (slot + index, place) }
            }
            slot += count
        }
        return nil
    }

    private func locate(_ start: Start) throws(SystemFailure) -> Place? {
        let segments = try segments()
        guard let first = segments.first else { return nil }
        let beginning = Place(segment: first, slot: 0, checksumBefore: nil)
        switch start {
        case .beginning: return beginning
        case .last(let count): return try place(segments, before: count) ?? beginning
        case .after(let stored):
            guard let found = try place(segments, after: stored) else { return beginning }
            delivered = stored
            return found
        }
    }

    /// Newest segment first, since that is where a cursor usually is.
    private func place(_ segments: [OpenSegment], after stored: StoredThrough) throws(SystemFailure) -> Place? {
        var earliestLater: Place?
        for segment in segments.reversed() {
            var lastCovered: (slot: Int, checksum: UInt32)?
            var firstLater: Int?
            var slot = 0
            while slot < segment.capacity {
                let piece = try slots.slots(segment.file, from: slot, count: segment.capacity - slot)
                let count = piece.count / JournalRecord.size
                for index in 0..<count {
                    let bytes = piece.slot(index)
                    guard bytes.epochField == stored.epoch, let record = JournalRecord.place(of: bytes) else {
                        continue
                    }
                    if record.sequence <= stored.sequence {
                        lastCovered = (slot + index, bytes.checksumField)
                    } else if firstLater == nil {
                        firstLater = slot + index
                    }
                }
                slot += count
            }
            if let lastCovered {
                return Place(segment: segment, slot: lastCovered.slot + 1, checksumBefore: lastCovered.checksum)
            }
            if let firstLater { earliestLater = Place(segment: segment, slot: firstLater, checksumBefore: nil) }
        }
        return earliestLater
    }

    private func place(_ segments: [OpenSegment], before count: Int) throws(SystemFailure) -> Place? {
        var wanted = max(0, count)
        var foundEnd = false
        for segment in segments.reversed() {
            var end = segment.capacity
            if !foundEnd {
                guard let last = try lastRecord(segment) else { continue }
                foundEnd = true
                end = last + 1
            }
            if wanted <= end { return Place(segment: segment, slot: end - wanted, checksumBefore: nil) }
            wanted -= end
        }
        return nil
    }

    private func lastRecord(_ segment: OpenSegment) throws(SystemFailure) -> Int? {
        var last: Int?
        var slot = 0
        while slot < segment.capacity {
            let piece = try slots.slots(segment.file, from: slot, count: segment.capacity - slot)
            let count = piece.count / JournalRecord.size
            for index in 0..<count where JournalRecord.isWhole(piece.slot(index)) { last = slot + index }
            slot += count
        }
        return last
    }
}

extension UnsafeRawBufferPointer {
    // Of a slot, as JournalRecord draws it.
    fileprivate var checksumField: UInt32 { UInt32(littleEndian: loadUnaligned(as: UInt32.self)) }
    fileprivate var epochField: Epoch {
        Epoch(
            low: UInt64(littleEndian: loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
            high: UInt64(littleEndian: loadUnaligned(fromByteOffset: 16, as: UInt64.self)))
    }
}
