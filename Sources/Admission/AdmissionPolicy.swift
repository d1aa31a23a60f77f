/// Which of the four keys a kind of badge must turn.
public struct KeySet: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let vaccine = KeySet(rawValue: 1)
    public static let greenCode = KeySet(rawValue: 2)
    public static let test = KeySet(rawValue: 4)
    public static let activated = KeySet(rawValue: 8)
    public static let all: KeySet = [.vaccine, .greenCode, .test, .activated]
}

/// A set of kinds of badge.
public struct KindSet: Sendable, Hashable {
    private var bits: UInt16
    public init(_ kinds: some Sequence<HolderKind>) {
        bits = 0
        for kind in kinds { bits |= 1 << UInt16(kind.rawValue) }
    }
    public func contains(_ kind: HolderKind) -> Bool { bits & (1 << UInt16(kind.rawValue)) != 0 }
}

/// What a lane does at an entrance when a thing it stands on is missing.
public enum WhenStale: UInt8, Sendable { case refuse = 0, admit = 1 }
public enum WithoutThermometer: UInt8, Sendable { case refuse = 0, admitMarked = 1, outOfService = 2 }

/// The first 16 bytes of the SHA-256 of the file that said all this: the policy's own, or the lane's configuration that
/// has the policy in it.
public struct PolicyDigest: Sendable, Hashable {
    public var low: UInt64
    public var high: UInt64
    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }
    public static let none = PolicyDigest(low: 0, high: 0)
}

/// What the policy says of one kind of badge alone. nil: what it says of all.
public struct KindRule: Sendable, Hashable {
    public var testWindowMilliseconds: Int64?
    public var assessmentWindowMilliseconds: Int64?
    public var temperatureLimitCentidegrees: Int32?
    public var hours: OpeningHours?
    public var antiPassback: AntiPassbackRule?
    public var occupancy: OccupancyRule?
    /// nil: it needs none.
    public var escort: EscortRule?
    public var identity: IdentityRule?
    /// Of the vehicles' passes alone.
    public var driver: DriverRule?
    public init() {}
}

/// The rules of a lane, those of its destination's zone and of the lane itself already laid over the general ones. A
/// value: what decided is named by `digest` in every record. Its lists are made when it is read, and only looked at
/// when it decides.
public struct AdmissionPolicy: Sendable, Hashable {
    public var digest = PolicyDigest.none
    /// Keys required, by the kind's raw value.
    public var requiredKeys: [KeySet]
    public var admittedKinds: KindSet
    /// Kinds whose temperature is measured.
    public var measuredKinds: KindSet

    /// A sample this old to the millisecond still passes.
    public var testWindowMilliseconds: Int64 = 48 * 3_600_000
    public var assessmentWindowMilliseconds: Int64 = 24 * 3_600_000
    /// How far ahead of our clock a sample or an assessment may be dated.
    public var futureToleranceMilliseconds: Int64 = 300_000

    /// Refused at this and above, after the offset, in hundredths of a degree Celsius.
    public var temperatureLimitCentidegrees: Int32 = 3730
    /// Added to what the thermometer says: a wrist reads about 0.5 °C lower than a forehead (protocols.md B4).
    public var temperatureOffsetCentidegrees: Int32 = 0
    public var pairingWindowMilliseconds: Int64 = 1500
    public var withoutThermometer = WithoutThermometer.refuse

    public var statementWarnMilliseconds: Int64 = 120_000
    public var statementLimitMilliseconds: Int64 = 6 * 3_600_000
    public var imageWarnMilliseconds: Int64 = 5 * 3_600_000
    public var imageLimitMilliseconds: Int64 = 26 * 3_600_000
    public var whenStale = WhenStale.refuse
    /// Whether lamps and display tell beforehand that what is known is too old to admit anybody.
    public var showsStale = true
    public var whenClockDistrusted = WhenStale.refuse

    public var hours = OpeningHours.always
    public var antiPassback = AntiPassbackRule()
    public var occupancy = OccupancyRule()
    /// By the kind's raw value.
    public var kindRules = [KindRule](repeating: KindRule(), count: 8)

    /// All four keys for people; a vehicle pass needs its activation, and lanes for people do not admit it.
    public init() {
        requiredKeys = [KeySet](repeating: .all, count: 8)
        requiredKeys[Int(HolderKind.vehicle.rawValue)] = .activated
        admittedKinds = KindSet(HolderKind.allCases.filter { $0 != .vehicle })
        measuredKinds = KindSet(HolderKind.allCases.filter { $0 != .vehicle })
    }

    /// All four for a kind that `requiredKeys` does not reach.
    public func keys(for kind: HolderKind) -> KeySet {
        let index = Int(kind.rawValue)
        return index < requiredKeys.count ? requiredKeys[index] : .all
    }

    /// Nothing of its own for a kind that `kindRules` does not reach.
    public func rule(for kind: HolderKind) -> KindRule {
        let index = Int(kind.rawValue)
        return index < kindRules.count ? kindRules[index] : KindRule()
    }

    public func testWindow(for kind: HolderKind) -> Int64 {
        rule(for: kind).testWindowMilliseconds ?? testWindowMilliseconds
    }
    public func assessmentWindow(for kind: HolderKind) -> Int64 {
        rule(for: kind).assessmentWindowMilliseconds ?? assessmentWindowMilliseconds
    }
    /// nil asks for what holds where the kind is not known.
    public func temperatureLimit(for kind: HolderKind?) -> Int32 {
        kind.flatMap { rule(for: $0).temperatureLimitCentidegrees } ?? temperatureLimitCentidegrees
    }
    public func hours(for kind: HolderKind) -> OpeningHours { rule(for: kind).hours ?? hours }
    public func antiPassback(for kind: HolderKind) -> AntiPassbackRule { rule(for: kind).antiPassback ?? antiPassback }
    public func occupancy(for kind: HolderKind) -> OccupancyRule { rule(for: kind).occupancy ?? occupancy }
}
