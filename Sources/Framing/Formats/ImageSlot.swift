import Admission

/// One identifier in the credential image: 32 bytes, half a cache line.
///
///       0  10   tag: first ten bytes of the keyed hash
///      10  u32  holder number
///      14  u32  sample taken, s since 1970 (0 none)
///      18  u32  health code assessed, s since 1970 (0 never)
///      22  u16  bit 0 occupied · 1 conflict · 2–5 kind · 6–7 vaccine · 8–9 health code · 10–11 test
///               12–13 activation · 14 removed (in a change; zero in an image) · 15 zero
///      24  u64  bits 0–26 valid from, s after the header's base (0 since ever) · 27–53 valid until (all ones for ever)
///               54–63 zone set: index into the header's table
///
/// An empty slot is 32 zero bytes. The home of a tag is `(low word × slots) >> 64`; a taken home moves on by one,
/// cyclically, so a search ends at the first empty slot.
public struct ImageSlot: Sendable, Hashable {
    public static let size = 32
    /// 27 bits of seconds: 4 years and 3 months from the base.
    public static let longestValidity: Int64 = (1 << 27) - 2
    public static let mostZoneSets = 1024

    public var tag: BadgeTag
    public var holder: UInt32
    public var sampledAtSeconds: UInt32
    public var assessedAtSeconds: UInt32
    public var states: UInt16
    public var validityAndZones: UInt64

    /// A slot for a holder's identifier; nil when a value does not fit (import says which before it comes here).
    public init?(tag: BadgeTag, credential: Credential, zoneSet: Int, validityBaseSeconds: Int64) {
        guard (0..<Self.mostZoneSets).contains(zoneSet) else { return nil }
        var from: Int64 = 0
        if let seconds = credential.validFromSeconds {
            let (offset, overflow) = seconds.subtractingReportingOverflow(validityBaseSeconds)
            from = overflow ? -1 : offset
            guard (1...Self.longestValidity).contains(from) else { return nil }
        }
        var until: Int64 = (1 << 27) - 1
        if let seconds = credential.validUntilSeconds {
            let (offset, overflow) = seconds.subtractingReportingOverflow(validityBaseSeconds)
            until = overflow ? -1 : offset
            guard (0...Self.longestValidity).contains(until) else { return nil }
        }
        self.tag = tag
        holder = credential.holder.number
        sampledAtSeconds = credential.sampledAtSeconds
        assessedAtSeconds = credential.assessedAtSeconds
        states =
            1 | UInt16(credential.kind.rawValue) << 2 | UInt16(credential.vaccine.rawValue) << 6
            | UInt16(credential.healthCode.rawValue) << 8 | UInt16(credential.test.rawValue) << 10
            | UInt16(credential.activation.rawValue) << 12
        validityAndZones = UInt64(from) | UInt64(until) << 27 | UInt64(zoneSet) << 54
    }

    /// A slot whose fields were made before, by this program.
    public init(
        tag: BadgeTag, holder: UInt32, sampledAtSeconds: UInt32, assessedAtSeconds: UInt32, states: UInt16,
        validityAndZones: UInt64
    ) {
        self.tag = tag
        self.holder = holder
        self.sampledAtSeconds = sampledAtSeconds
        self.assessedAtSeconds = assessedAtSeconds
        self.states = states
        self.validityAndZones = validityAndZones
    }

    /// An identifier that two holders claim.
    public init(conflicting tag: BadgeTag) {
        self.tag = tag
        holder = 0
        sampledAtSeconds = 0
        assessedAtSeconds = 0
        states = 1 | 2
        validityAndZones = 0
    }

    /// The fourth key's state, which the credential office turns.
    public var activation: Activation {
        get { Activation(rawValue: UInt8(states >> 12 & 3)) ?? .inactive }
        set { states = states & ~(3 << 12) | UInt16(newValue.rawValue) << 12 }
    }

    /// The four keys as another slot of the same identifier has them, with their instants.
    public mutating func takeKeys(of other: ImageSlot) {
        // Bits 6 to 13: vaccine, health code, test, activation.
        states = states & ~0x3FC0 | other.states & 0x3FC0
        sampledAtSeconds = other.sampledAtSeconds
        assessedAtSeconds = other.assessedAtSeconds
    }

    /// In a change: the identifier is nobody's any more.
    public init(removed tag: BadgeTag) {
        self.init(conflicting: tag)
        states = 1 | 1 << 14
    }

    public var isConflict: Bool { states & 2 != 0 }
    public var isRemoved: Bool { states & 1 << 14 != 0 }
    /// Its place in the table of zone sets.
    public var zoneSet: Int { Int(validityAndZones >> 54) }

    public func encode(into bytes: UnsafeMutableRawBufferPointer) {
        bytes.put(tag.low, at: 0)
        bytes.put(tag.high, at: 8)
        bytes.put(holder, at: 10)
        bytes.put(sampledAtSeconds, at: 14)
        bytes.put(assessedAtSeconds, at: 18)
        bytes.put(states, at: 22)
        bytes.put(validityAndZones, at: 24)
    }

    /// The slot at `index` of a table, nil when it is empty. `table` is the image's body.
    @inline(__always)
    public static func at(_ index: Int, in table: UnsafeRawBufferPointer) -> ImageSlot? {
        let offset = index * size
        let states: UInt16 = table.get(at: offset + 22)
        guard states & 1 != 0 else { return nil }
        return ImageSlot(table, offset, states)
    }

    private init(_ table: UnsafeRawBufferPointer, _ offset: Int, _ states: UInt16) {
        tag = BadgeTag(low: table.get(at: offset), high: table.get(at: offset + 8))
        holder = table.get(at: offset + 10)
        sampledAtSeconds = table.get(at: offset + 14)
        assessedAtSeconds = table.get(at: offset + 18)
        self.states = states
        validityAndZones = table.get(at: offset + 24)
    }

    /// What the slot says. nil when its kind is none this program knows, or its zone set lies beyond the table.
    public func credential(zoneSets: UnsafeBufferPointer<UInt64>, validityBaseSeconds: Int64) -> Credential? {
        let zoneSet = Int(validityAndZones >> 54)
        guard let kind = HolderKind(rawValue: UInt8(states >> 2 & 15)), zoneSet < zoneSets.count else { return nil }
        let from = Int64(validityAndZones & 0x7FF_FFFF)
        let until = Int64(validityAndZones >> 27 & 0x7FF_FFFF)
        return Credential(
            holder: HolderNumber(holder), kind: kind,
            vaccine: VaccineState(rawValue: UInt8(states >> 6 & 3)) ?? .unknown,
            healthCode: HealthCode(rawValue: UInt8(states >> 8 & 3)) ?? .unknown,
            assessedAtSeconds: assessedAtSeconds,
            test: TestResult(rawValue: UInt8(states >> 10 & 3)) ?? .unknown, sampledAtSeconds: sampledAtSeconds,
            activation: Activation(rawValue: UInt8(states >> 12 & 3)) ?? .inactive, zones: zoneSets[zoneSet],
            validFromSeconds: from == 0 ? nil : validityBaseSeconds + from,
            validUntilSeconds: until == 0x7FF_FFFF ? nil : validityBaseSeconds + until)
    }

    /// Where the search for a tag begins in a table of `slots`.
    @inline(__always)
    public static func home(of tag: BadgeTag, slots: Int) -> Int {
        Int(tag.low.multipliedFullWidth(by: UInt64(slots)).high)
    }

    /// The slot of a tag, nil when the table does not hold it. Ends after `slots` steps at the latest.
    @inline(__always)
    public static func find(_ tag: BadgeTag, in table: UnsafeRawBufferPointer, slots: Int) -> ImageSlot? {
        var index = home(of: tag, slots: slots)
        for _ in 0..<slots {
            let offset = index * size
            guard table.get(UInt16.self, at: offset + 22) & 1 != 0 else { return nil }
            if table.get(UInt64.self, at: offset) == tag.low && table.get(UInt16.self, at: offset + 8) == tag.high {
                return at(index, in: table)
            }
            index += 1
            if index == slots { index = 0 }
        }
        return nil
    }
}
