import Admission

/// What an uplink sends: a head of 256 bytes, then records as the journal holds them.
///
///       0  8    "LKBATCH1"
///       8  u32  format, 1
///      12  u32  records that follow, 0–10000
///      16  16   site id
///      32  32   lane id
///      64  16   epoch of the oldest record the lane still holds · 80 u64 its sequence (0: the lane holds none)
///      88  16   epoch of a stretch the lane can never send (found damaged) · 104 u64 first · 112 u64 last (0: none)
///     120  128  what the lane says of itself just now (`LaneWord`); zeros: nothing
///     252  u32  CRC-32C of bytes 0–251
///
/// "Oldest held" tells the collector which holes will never be filled, so that *stored through* can move past them
/// while the hole stays reported.
public struct RecordBatch: Sendable {
    public static let headSize = 256
    public static let mostRecords = 10_000
    public static let contentType = "application/vnd.lanekeeper.batch"
    private static let magic: StaticString = "LKBATCH1"

    public struct Stretch: Sendable, Hashable {
        public var epoch: Epoch
        public var first: UInt64
        public var last: UInt64
        public init(epoch: Epoch, first: UInt64, last: UInt64) {
            self.epoch = epoch
            self.first = first
            self.last = last
        }
    }

    public var site: SiteID
    public var lane: ShortName
    public var recordCount: Int
    public var oldestHeld: StoredThrough?
    public var lost: Stretch?
    /// nil: it says nothing, or what does not read; no record waits for that.
    public var word: LaneWord?

    public init(
        site: SiteID, lane: ShortName, recordCount: Int, oldestHeld: StoredThrough?, lost: Stretch?,
        word: LaneWord? = nil
    ) {
        self.word = word
        self.site = site
        self.lane = lane
        self.recordCount = recordCount
        self.oldestHeld = oldestHeld
        self.lost = lost
    }

    public var encodedHead: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.headSize)
        bytes.withUnsafeMutableBytes { buffer in
            buffer.put(magic: Self.magic)
            buffer.put(1 as UInt32, at: 8)
            buffer.put(UInt32(recordCount), at: 12)
            buffer.put(site.low, at: 16)
            buffer.put(site.high, at: 24)
            buffer.put(lane, at: 32)
            if let oldestHeld {
                buffer.put(oldestHeld.epoch.low, at: 64)
                buffer.put(oldestHeld.epoch.high, at: 72)
                buffer.put(oldestHeld.sequence, at: 80)
            }
            if let lost {
                buffer.put(lost.epoch.low, at: 88)
                buffer.put(lost.epoch.high, at: 96)
                buffer.put(lost.first, at: 104)
                buffer.put(lost.last, at: 112)
            }
            if let word { buffer.put(word.encoded, at: 120) }
            buffer.put(CRC32C.checksum(UnsafeRawBufferPointer(buffer).slice(0, 252)), at: 252)
        }
        return bytes
    }

    /// Reads the head and checks that exactly the announced records follow; the records themselves are not looked at.
    public init(_ bytes: UnsafeRawBufferPointer) throws(FormatError) {
        guard bytes.count >= Self.headSize, bytes.hasMagic(Self.magic) else {
            throw FormatError("record batch", "it does not begin as one")
        }
        guard bytes.get(UInt32.self, at: 252) == CRC32C.checksum(bytes.slice(0, 252)) else {
            throw FormatError("record batch", "the head's checksum does not match")
        }
        guard bytes.get(UInt32.self, at: 8) == 1 else {
            throw FormatError("record batch", "a format this program does not read")
        }
        let count = Int(bytes.get(UInt32.self, at: 12))
        guard count <= Self.mostRecords else {
            throw FormatError("record batch", "\(count) records; at most \(Self.mostRecords) are taken")
        }
        guard bytes.count == Self.headSize + count * JournalRecord.size else {
            throw FormatError("record batch", "\(count) records announced, \(bytes.count - Self.headSize) bytes follow")
        }
        guard let lane = bytes.shortName(at: 32) else { throw FormatError("record batch", "no lane id") }
        recordCount = count
        site = SiteID(low: bytes.get(at: 16), high: bytes.get(at: 24))
        self.lane = lane
        let held = StoredThrough(
            epoch: Epoch(low: bytes.get(at: 64), high: bytes.get(at: 72)), sequence: bytes.get(at: 80))
        oldestHeld = held.sequence == 0 ? nil : held
        let stretch = Stretch(
            epoch: Epoch(low: bytes.get(at: 88), high: bytes.get(at: 96)), first: bytes.get(at: 104),
            last: bytes.get(at: 112))
        guard stretch.first <= stretch.last else {
            throw FormatError("record batch", "a lost stretch ends before it begins")
        }
        lost = stretch.first == 0 ? nil : stretch
        word = try? LaneWord(bytes.slice(120, LaneWord.size))
    }

    /// The bytes of record `index` within the batch.
    public static func record(_ index: Int, of batch: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        batch.slice(headSize + index * JournalRecord.size, JournalRecord.size)
    }
}
