import Admission

/// The first 256 bytes of a journal segment; records of 256 bytes follow, zeros behind the last.
///
///       0  8    "LKJRNL1\n"
///       8  u32  format, 1
///      12  u32  record size, 256
///      16  u64  ordinal: segments of a lane are numbered from 1 and never reused
///      24  u32  records this segment has room for
///      32  32   lane id, NUL-padded
///     252  u32  CRC-32C of bytes 0–251
///
/// A segment may hold records of several epochs: position says their order, not the sequence.
public struct SegmentHeader: Sendable, Hashable {
    public static let size = 256
    private static let magic: StaticString = "LKJRNL1\n"

    public var ordinal: UInt64
    public var capacity: UInt32
    public var lane: ShortName

    public init(ordinal: UInt64, capacity: UInt32, lane: ShortName) {
        self.ordinal = ordinal
        self.capacity = capacity
        self.lane = lane
    }

    public var encoded: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.size)
        bytes.withUnsafeMutableBytes { buffer in
            buffer.put(magic: Self.magic)
            buffer.put(1 as UInt32, at: 8)
            buffer.put(UInt32(JournalRecord.size), at: 12)
            buffer.put(ordinal, at: 16)
            buffer.put(capacity, at: 24)
            buffer.put(lane, at: 32)
            buffer.put(CRC32C.checksum(UnsafeRawBufferPointer(buffer).slice(0, 252)), at: 252)
        }
        return bytes
    }

    public init(_ bytes: UnsafeRawBufferPointer) throws(FormatError) {
        guard bytes.count >= Self.size else { throw FormatError("journal segment", "shorter than its header") }
        guard bytes.hasMagic(Self.magic) else { throw FormatError("journal segment", "it does not begin as one") }
        guard bytes.get(UInt32.self, at: 252) == CRC32C.checksum(bytes.slice(0, 252)) else {
            throw FormatError("journal segment", "the header's checksum does not match")
        }
        guard bytes.get(UInt32.self, at: 8) == 1, bytes.get(UInt32.self, at: 12) == UInt32(JournalRecord.size) else {
            throw FormatError("journal segment", "a format this program does not read")
        }
        guard let lane = bytes.shortName(at: 32) else { throw FormatError("journal segment", "no lane id") }
        ordinal = bytes.get(at: 16)
        capacity = bytes.get(at: 24)
        self.lane = lane
    }

    /// `journal/<ordinal, 20 digits>.seg`
    public var fileName: String { Self.fileName(ordinal: ordinal) }

    public static func fileName(ordinal: UInt64) -> String {
        let digits = String(ordinal)
        return String(repeating: "0", count: 20 - digits.count) + digits + ".seg"
    }

    /// nil for a name that is no segment's.
    public static func ordinal(fileName: String) -> UInt64? {
        guard fileName.utf8.count == 24, fileName.hasSuffix(".seg") else { return nil }
        let digits = fileName.dropLast(4)
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return UInt64(digits)
    }
}
