import Admission

/// What a lane says of itself just now: for people, and no gate ever acts on it. The file `word` in the lane's directory,
/// which its daemon writes, and laid unchanged into the head of the batches that its uplink sends.
///
///      0  u8   format, 1; 0: there is none
///      1  u8   mode · 2 u8 its cause · 3 u8 clock · 4 u8 journal's room, as records have them (docs/formats.md)
///      5  u8   credentials by the policy's limits: 0 none, 1 fresh, 2 warn, 3 stale
///      6  u16  1 fire alarm · 2 the lane's thread hangs · 4 it has no journal · 8 the journal has a fault
///      8  i64  as of, ms since 1970-01-01 UTC on the lane's clock
///     16  u64  image version in force, 0: none · 24 u64 change number
///     32  i64  statement as of, ms, 0: none · 40 i64 image issued at, ms, 0: none
///     48  i64  the daemon started at, ms
///     56  u32  records that the collector has not stored · 60 u32 records there is room for, without the reserve
///     64  u32  devices it has, a bit for each code · 68 u32 those of them that are lost
///     72  u32  covers that are open, a bit for each contact's code
///     76  16   digest of the policy in force
///     92  32   version of the daemon
///    124  u32  CRC-32C of bytes 0–123
public struct LaneWord: Sendable, Hashable {
    public static let size = 128

    /// How old what a lane decides by is, by the limits of its policy.
    public enum Freshness: UInt8, Sendable, CaseIterable {
        case none = 0, fresh, warn, stale

        /// As JSON writes it.
        public var name: String {
            switch self {
            case .none: "none"
            case .fresh: "fresh"
            case .warn: "warn"
            case .stale: "stale"
            }
        }
    }

    public struct Flags: OptionSet, Sendable, Hashable {
        public let rawValue: UInt16
        public init(rawValue: UInt16) { self.rawValue = rawValue }
        public static let fireAlarm = Flags(rawValue: 1)
        public static let hangs = Flags(rawValue: 2)
        public static let hasNoJournal = Flags(rawValue: 4)
        public static let hasJournalFault = Flags(rawValue: 8)
    }

    public var mode = LaneMode.normal
    public var cause = ModeCause.none
    public var clock = ClockTrust.trusted
    public var journal = JournalState.roomy
    public var freshness = Freshness.none
    public var flags = Flags()
    public var asOf: WallTime
    /// 0: none.
    public var imageVersion: UInt64 = 0
    public var changeNumber: UInt64 = 0
    /// nil: no signed statement yet.
    public var statementAsOf: WallTime?
    public var imageIssuedAt: WallTime?
    public var startedAt = WallTime(milliseconds: 0)
    public var recordsHeld: UInt32 = 0
    public var recordsRoom: UInt32 = 0
    /// A bit for each device's code.
    public var devices: UInt32 = 0
    public var lostDevices: UInt32 = 0
    /// A bit for each contact's code.
    public var openCovers: UInt32 = 0
    public var policyDigest = PolicyDigest.none
    public var version: ShortName

    public init(asOf: WallTime, version: ShortName) {
        self.asOf = asOf
        self.version = version
    }

    /// Whether it says something that nobody should wait for: anything but later instants and another count of records.
    public func isNews(after other: LaneWord) -> Bool {
        var later = self
        later.asOf = other.asOf
        later.statementAsOf = other.statementAsOf
        later.recordsHeld = other.recordsHeld
        return later != other
    }

    public var encoded: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.size)
        bytes.withUnsafeMutableBytes { buffer in
            buffer[0] = 1
            buffer[1] = mode.rawValue
            buffer[2] = cause.rawValue
            buffer[3] = clock.rawValue
            buffer[4] = journal.rawValue
            buffer[5] = freshness.rawValue
            buffer.put(flags.rawValue, at: 6)
            buffer.put(asOf.milliseconds, at: 8)
            buffer.put(imageVersion, at: 16)
            buffer.put(changeNumber, at: 24)
            buffer.put(statementAsOf?.milliseconds ?? 0, at: 32)
            buffer.put(imageIssuedAt?.milliseconds ?? 0, at: 40)
            buffer.put(startedAt.milliseconds, at: 48)
            buffer.put(recordsHeld, at: 56)
            buffer.put(recordsRoom, at: 60)
            buffer.put(devices, at: 64)
            buffer.put(lostDevices, at: 68)
            buffer.put(openCovers, at: 72)
            buffer.put(policyDigest.low, at: 76)
            buffer.put(policyDigest.high, at: 84)
            buffer.put(version, at: 92)
            buffer.put(CRC32C.checksum(UnsafeRawBufferPointer(buffer).slice(0, 124)), at: 124)
        }
        return bytes
    }

    /// A device that is lost without being there, and codes that nobody knows, are no error: a newer daemon may say them.
    public init(_ bytes: UnsafeRawBufferPointer) throws(FormatError) {
        guard bytes.count == Self.size else {
            throw FormatError("lane's word", "\(bytes.count) bytes; \(Self.size) are expected")
        }
        guard bytes.get(UInt32.self, at: 124) == CRC32C.checksum(bytes.slice(0, 124)) else {
            throw FormatError("lane's word", "its checksum does not match")
        }
        guard bytes[0] == 1 else { throw FormatError("lane's word", "a format this program does not read") }
        guard let mode = LaneMode(rawValue: bytes[1]), let cause = ModeCause(rawValue: bytes[2]),
            let clock = ClockTrust(rawValue: bytes[3]), let journal = JournalState(rawValue: bytes[4]),
            let freshness = Freshness(rawValue: bytes[5])
        else { throw FormatError("lane's word", "a state of mode, clock, journal or credentials that nobody knows") }
        guard let version = bytes.shortName(at: 92) else { throw FormatError("lane's word", "no version") }
        func instant(_ offset: Int) -> WallTime? {
            let milliseconds = bytes.get(Int64.self, at: offset)
            return milliseconds == 0 ? nil : WallTime(milliseconds: milliseconds)
        }
        self.init(asOf: WallTime(milliseconds: bytes.get(at: 8)), version: version)
        self.mode = mode
        self.cause = cause
        self.clock = clock
        self.journal = journal
        self.freshness = freshness
        flags = Flags(rawValue: bytes.get(at: 6))
        imageVersion = bytes.get(at: 16)
        changeNumber = bytes.get(at: 24)
        statementAsOf = instant(32)
        imageIssuedAt = instant(40)
        startedAt = WallTime(milliseconds: bytes.get(at: 48))
        recordsHeld = bytes.get(at: 56)
        recordsRoom = bytes.get(at: 60)
        devices = bytes.get(at: 64)
        lostDevices = bytes.get(at: 68)
        openCovers = bytes.get(at: 72)
        policyDigest = PolicyDigest(low: bytes.get(at: 76), high: bytes.get(at: 84))
        self.version = version
    }
}
