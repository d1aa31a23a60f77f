import Admission
import Framing
import Posix

/// The folder `journal/`: which segments there are, and reading them slot by slot. Names that are no segment's are
/// nobody's business here.
struct JournalFolder: Sendable {
    let path: String

    static let setAsideSuffix = ".bad"

    /// Ordinals of the segments, ascending, and the highest that any segment ever had, set aside ones among them.
    func ordinals() throws(SystemFailure) -> (held: [UInt64], highest: UInt64) {
        var held: [UInt64] = []
        var highest: UInt64 = 0
        for name in try FileSystem.list(path) {
            if let ordinal = SegmentHeader.ordinal(fileName: name) {
                held.append(ordinal)
                highest = max(highest, ordinal)
            } else if name.hasSuffix(Self.setAsideSuffix),
                let ordinal = number(twentyDigits: name.dropLast(Self.setAsideSuffix.count))
            {
                highest = max(highest, ordinal)
            }
        }
        return (held.sorted(), highest)
    }

    func path(ordinal: UInt64) -> String { "\(path)/\(SegmentHeader.fileName(ordinal: ordinal))" }
    func setAsidePath(ordinal: UInt64) -> String { "\(path)/\(twentyDigits(ordinal))\(Self.setAsideSuffix)" }

    /// What stands at the head of a segment's file: nil when it is damaged, or not what its name and length say.
    static func header(_ file: Descriptor, ordinal: UInt64) throws(SystemFailure) -> SegmentHeader? {
        var bytes = [UInt8](repeating: 0, count: SegmentHeader.size)
        do throws(SystemFailure) {
            _ = try bytes.withMutableBytes { (buffer) throws(SystemFailure) in
                try file.readFully(into: buffer, at: 0)
            }
        } catch {
            guard error.isUnreadable else { throw error }
            return nil
        }
        guard
            let header = try? bytes.withBytes({ (buffer) throws(FormatError) in try SegmentHeader(buffer) }),
            header.ordinal == ordinal, header.capacity > 0,
            header.capacity <= UInt32(JournalSettings.recordsPerSegmentRange.upperBound)
        else { return nil }
        return header
    }
}

/// Reads slots in large pieces. What the file is too short for, or the disk cannot read, comes as zeros: no record.
struct SlotReader: ~Copyable {
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
    static let slotsAtOnce = (1 << 20) / JournalRecord.size

    deinit { buffer.deallocate() }

    /// Up to `slotsAtOnce` slots from `slot` on; valid until the next call.
    func slots(_ file: Descriptor, from slot: Int, count: Int) throws(SystemFailure) -> UnsafeRawBufferPointer {
        let wanted = UnsafeMutableRawBufferPointer(
            rebasing: buffer[..<(min(count, Self.slotsAtOnce) * JournalRecord.size)])
        do {
            let filled = try file.readFully(into: wanted, at: Segment.offset(slot: slot))
            UnsafeMutableRawBufferPointer(rebasing: wanted[filled...]).initializeMemory(as: UInt8.self, repeating: 0)
        } catch {
            guard error.isUnreadable else { throw error }
            try readOneByOne(file, from: slot, into: wanted)
        }
        return UnsafeRawBufferPointer(wanted)
    }

    private func readOneByOne(
        _ file: Descriptor, from first: Int, into wanted: UnsafeMutableRawBufferPointer
    ) throws(SystemFailure) {
        for slot in 0..<wanted.count / JournalRecord.size {
            let place = slot * JournalRecord.size
            let piece = UnsafeMutableRawBufferPointer(rebasing: wanted[place..<place + JournalRecord.size])
            piece.initializeMemory(as: UInt8.self, repeating: 0)
            do { _ = try file.readFully(into: piece, at: Segment.offset(slot: first + slot)) } catch {
                guard error.isUnreadable else { throw error }
                piece.initializeMemory(as: UInt8.self, repeating: 0)
            }
        }
    }
}

extension UnsafeRawBufferPointer {
    /// The bytes of slot `index` in a piece read by `SlotReader`.
    func slot(_ index: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[index * JournalRecord.size..<(index + 1) * JournalRecord.size])
    }

    var isAllZeros: Bool {
        var offset = 0
        while offset + 8 <= count {
            if loadUnaligned(fromByteOffset: offset, as: UInt64.self) != 0 { return false }
            offset += 8
        }
        while offset < count {
            if self[offset] != 0 { return false }
            offset += 1
        }
        return true
    }
}
