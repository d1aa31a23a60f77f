import Admission

/// One record of the journal: 256 bytes, little-endian, every unnamed byte zero.
///
///       0  u32   CRC-32C of bytes 4–255
///       4  u8    format, 1
///       5  u8    kind
///       6  u8    clock trust
///       7  u8    records before this one not yet known to be on disk; 255 = no claim
///       8  16    epoch
///      24  u64   sequence within the epoch, from 1
///      32  i64   wall time, ms since 1970-01-01 UTC
///      40  u64   monotonic time, ns
///      48  32    lane id, NUL-padded
///      80  32    zone the lane leads from
///     112  32    zone it leads to
///     144  111   body, by kind (see JournalRecordBody.swift)
///     255  u8    what the lane carries: 0 people, 1 vehicles
///
/// Byte 7 is the synced mark: recovery takes the farthest position that a valid record says was on disk before it.
public struct JournalRecord: Sendable {
    public static let size = 256
    public static let format: UInt8 = 1

    public var event: LaneEvent
    public var moment: Moment
    public var epoch: Epoch
    public var sequence: UInt64
    public var lane: ShortName
    public var from: ShortName
    public var to: ShortName
    public var unsyncedBefore: UInt8
    public var traffic: Traffic

    public init(
        event: LaneEvent, moment: Moment, epoch: Epoch, sequence: UInt64, lane: ShortName, from: ShortName,
        to: ShortName, unsyncedBefore: UInt8, traffic: Traffic = .people
    ) {
        self.event = event
        self.moment = moment
        self.epoch = epoch
        self.sequence = sequence
        self.lane = lane
        self.from = from
        self.to = to
        self.unsyncedBefore = unsyncedBefore
        self.traffic = traffic
    }

    /// Writes the record into exactly 256 bytes. Allocates nothing.
    public func encode(into bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count == Self.size, "a record is \(Self.size) bytes")
        bytes.zero()
        bytes.put(Self.format, at: 4)
        bytes.put(moment.clock.rawValue, at: 6)
        bytes.put(unsyncedBefore, at: 7)
        bytes.put(epoch.low, at: 8)
        bytes.put(epoch.high, at: 16)
        bytes.put(sequence, at: 24)
        bytes.put(moment.wall.milliseconds, at: 32)
        bytes.put(moment.monotonic.nanoseconds, at: 40)
        bytes.put(lane, at: 48)
        bytes.put(from, at: 80)
        bytes.put(to, at: 112)
        bytes.put(traffic.rawValue, at: Self.trafficOffset)
        let body = UnsafeMutableRawBufferPointer(rebasing: bytes[Self.bodyOffset..<Self.trafficOffset])
        bytes.put(event.encodeBody(into: body), at: 5)
        bytes.put(CRC32C.checksum(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[4...])), at: 0)
    }

    public var encoded: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.size)
        bytes.withUnsafeMutableBytes { encode(into: $0) }
        return bytes
    }

    static let bodyOffset = 144
    static let trafficOffset = 255

    /// Whether these 256 bytes carry a right checksum. All zeros do not.
    public static func isWhole(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count == size && bytes[4] != 0
            && bytes.get(UInt32.self, at: 0) == CRC32C.checksum(bytes.slice(4, size - 4))
    }

    /// Where a record stands, without its event: also for one whose kind a newer program made up.
    public struct Place: Sendable, Hashable {
        public var epoch: Epoch
        public var sequence: UInt64
        /// 255 = no claim.
        public var unsyncedBefore: UInt8
    }

    /// nil unless these are the bytes of a whole record of this format.
    public static func place(of bytes: UnsafeRawBufferPointer) -> Place? {
        guard isWhole(bytes), bytes[4] == format else { return nil }
        let sequence: UInt64 = bytes.get(at: 24)
        guard sequence > 0 else { return nil }
        return Place(
            epoch: Epoch(low: bytes.get(at: 8), high: bytes.get(at: 16)), sequence: sequence, unsyncedBefore: bytes[7])
    }

    /// The error says which field is wrong: the checksum is looked at first.
    public init(_ bytes: UnsafeRawBufferPointer) throws(FormatError) {
        guard bytes.count == Self.size else {
            throw FormatError("record", "\(bytes.count) bytes instead of \(Self.size)")
        }
        guard Self.isWhole(bytes) else { throw FormatError("record", "the checksum does not match") }
        guard bytes[4] == Self.format else {
            throw FormatError("record", "format \(bytes[4]); this program reads format \(Self.format)")
        }
        guard let clock = ClockTrust(rawValue: bytes[6]) else {
            throw FormatError("record", "clock trust \(bytes[6]) is not known")
        }
        guard let lane = bytes.shortName(at: 48), let from = bytes.shortName(at: 80), let to = bytes.shortName(at: 112)
        else { throw FormatError("record", "the lane or a zone has no name") }
        epoch = Epoch(low: bytes.get(at: 8), high: bytes.get(at: 16))
        sequence = bytes.get(at: 24)
        guard sequence > 0 else { throw FormatError("record", "sequence 0") }
        moment = Moment(
            monotonic: MonotonicTime(nanoseconds: bytes.get(at: 40)), wall: WallTime(milliseconds: bytes.get(at: 32)),
            clock: clock)
        self.lane = lane
        self.from = from
        self.to = to
        unsyncedBefore = bytes[7]
        guard let traffic = Traffic(rawValue: bytes[Self.trafficOffset]) else {
            throw FormatError("record", "traffic \(bytes[Self.trafficOffset]) is not known")
        }
        self.traffic = traffic
        event = try LaneEvent(
            kind: bytes[5], body: bytes.slice(Self.bodyOffset, Self.trafficOffset - Self.bodyOffset))
    }
}
