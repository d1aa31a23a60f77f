import Admission
import Framing
import Posix

/// Opening a journal, up to its first record: scan, judge, repair. Nothing on disk is changed before all of it was read,
/// and every step may be repeated after a crash.
struct JournalOpening {
    let folder: JournalFolder
    let lane: ShortName
    let settings: JournalSettings

    /// A journal that is ready for its next record.
    struct Opened {
        var segments: [Segment]
        var nextOrdinal: UInt64
        var scan: RecordScan.Result
        /// Ordinals to be set aside once their holes are recorded.
        var setAside: [UInt64]
    }

    private struct Found {
        var segment: Segment
        /// Slots up to here hold something, right or wrong.
        var usedSlots = 0
        var isShort: Bool
    }

    func run(now: WallTime) throws(StorageError) -> Opened {
        let (ordinals, highest) = try storing { () throws(SystemFailure) in try folder.ordinals() }
        var found: [Found] = []
        var setAside: [UInt64] = []
        var scan = RecordScan(now: now)
        let reader = SlotReader()
        var position = 0
        for ordinal in ordinals {
            let path = folder.path(ordinal: ordinal)
            let (file, header, length) = try storing { () throws(SystemFailure) in
                let file = try Descriptor.open(path, [.readWrite, .noFollow])
                return (file, try JournalFolder.header(file, ordinal: ordinal), try file.status().size)
            }
            guard let header else {
                let lost = try storing { () throws(SystemFailure) in try contents(file, length, reader) }
                scan.takeSegmentSetAside(slots: lost.slots, contents: lost.runs)
                setAside.append(ordinal)
                continue
            }
            guard header.lane == lane else {
                throw .foreignJournal(path: path, lane: header.lane.text, expected: lane.text)
            }
            let capacity = Int(header.capacity)
            var one = Found(
                segment: Segment(ordinal: ordinal, path: path, start: position, capacity: capacity, file: nil),
                isShort: length < Segment.fileLength(capacity: capacity))
            try storing { () throws(SystemFailure) in try judge(&one, file, &scan, reader) }
            found.append(one)
            position += capacity
        }
        let result = scan.finish()
        let segments = try storing { () throws(SystemFailure) in try repair(found, result) }
        return Opened(segments: segments, nextOrdinal: highest + 1, scan: result, setAside: setAside)
    }

    private func judge(
        _ found: inout Found, _ file: Descriptor, _ scan: inout RecordScan, _ reader: borrowing SlotReader
    ) throws(SystemFailure) {
        var slot = 0
        while slot < found.segment.capacity {
            let piece = try reader.slots(file, from: slot, count: found.segment.capacity - slot)
            let count = piece.count / JournalRecord.size
            for index in 0..<count {
                let bytes = piece.slot(index)
                if scan.take(bytes) || !bytes.isAllZeros { found.usedSlots = slot + index + 1 }
            }
            slot += count
        }
    }

    /// Makes everything behind the stop blank, so that no stale record can ever come back to life, and what stands
    /// before it durable, so that the next record may say so.
    private func repair(_ found: [Found], _ result: RecordScan.Result) throws(SystemFailure) -> [Segment] {
        var segments: [Segment] = []
        var removed = false
        for one in found.reversed() where one.segment.start >= result.stop && one.usedSlots > 0 {
            // From the last one backwards: a crash between leaves no gap with something stale behind it.
            try FileSystem.unlink(one.segment.path)
            removed = true
        }
        var position = 0
        for one in found {
            var segment = one.segment
            if segment.start >= result.stop && (one.usedSlots > 0 || one.isShort) {
                if one.usedSlots == 0 { try FileSystem.unlink(segment.path) }
                removed = true
                continue
            }
            if segment.end >= result.mark {
                let file = try Descriptor.open(segment.path, [.readWrite, .noFollow])
                let stopSlot = result.stop - segment.start
                if (0..<segment.capacity).contains(stopSlot) && (one.usedSlots > stopSlot || one.isShort) {
                    try Segment.zero(file, from: stopSlot, capacity: segment.capacity)
                }
                // What the last run wrote may still be in memory only, also when it was killed right after.
                if segment.start <= result.stop { try file.syncData() }
                if segment.end > result.stop { segment.file = file }
            }
            segment.start = position
            position += segment.capacity
            segments.append(segment)
        }
        if removed { try FileSystem.syncDirectory(folder.path) }
        return segments
    }

    /// What can still be read of a segment whose header is damaged: how many slots hold something, and the records.
    private func contents(
        _ file: Descriptor, _ length: Int64, _ reader: borrowing SlotReader
    ) throws(SystemFailure) -> (slots: Int, runs: [Hole]) {
        let bytes = length - Int64(SegmentHeader.size)
        let capacity = min(
            Int(max(0, bytes)) / JournalRecord.size, JournalSettings.recordsPerSegmentRange.upperBound)
        var slots = 0
        var runs: [Hole] = []
        var slot = 0
        while slot < capacity {
            let piece = try reader.slots(file, from: slot, count: capacity - slot)
            let count = piece.count / JournalRecord.size
            for index in 0..<count {
                let bytes = piece.slot(index)
                if let place = JournalRecord.place(of: bytes) {
                    slots += 1
                    if let last = runs.last, last.epoch == place.epoch, place.sequence >= last.first {
                        // Damaged ones between are lost as well.
                        runs[runs.count - 1].count = place.sequence - last.first + 1
                    } else {
                        runs.append(Hole(epoch: place.epoch, first: place.sequence, count: 1))
                    }
                } else if !bytes.isAllZeros {
                    slots += 1
                }
            }
            slot += count
        }
        return (slots, runs)
    }
}
