/// Every reason for which a passage is refused; a decision carries all that hold, not the first. Bits stand in records:
/// they never change. Their order of telling is in `ordered`: what the visitor can do about it comes first.
public struct Reasons: OptionSet, Sendable, Hashable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    private init(bit: Int) { rawValue = 1 << UInt64(bit) }

    // Key 1, the vaccine.
    public static let vaccineNotRecorded = Reasons(bit: 0)
    public static let vaccineIncomplete = Reasons(bit: 1)
    // Key 2, the green code.
    public static let codeYellow = Reasons(bit: 4)
    public static let codeRed = Reasons(bit: 5)
    public static let codeTooOld = Reasons(bit: 6)
    public static let codeUnknown = Reasons(bit: 7)
    public static let codeInFuture = Reasons(bit: 8)
    // Key 3, the test.
    public static let testPositive = Reasons(bit: 12)
    public static let testExpired = Reasons(bit: 13)
    public static let testMissing = Reasons(bit: 14)
    public static let testInFuture = Reasons(bit: 15)
    // Key 4, the activated badge.
    public static let notActivated = Reasons(bit: 18)
    public static let suspended = Reasons(bit: 19)
    public static let revoked = Reasons(bit: 20)
    public static let notYetValid = Reasons(bit: 21)
    public static let noLongerValid = Reasons(bit: 22)
    // The badge and the lane.
    public static let unknownBadge = Reasons(bit: 25)
    public static let conflict = Reasons(bit: 26)
    public static let zoneNotGranted = Reasons(bit: 27)
    public static let kindNotAdmitted = Reasons(bit: 28)
    // The temperature.
    public static let temperatureHigh = Reasons(bit: 32)
    public static let temperatureAmbiguous = Reasons(bit: 33)
    public static let temperatureMissing = Reasons(bit: 34)
    public static let thermometerLost = Reasons(bit: 35)
    public static let twoHolders = Reasons(bit: 36)
    // What the lane itself lacks.
    public static let laneBusy = Reasons(bit: 40)
    public static let outOfService = Reasons(bit: 41)
    public static let noImage = Reasons(bit: 42)
    public static let statementTooOld = Reasons(bit: 43)
    public static let imageTooOld = Reasons(bit: 44)
    public static let clockNotTrusted = Reasons(bit: 45)
    // What the policy asks for beside the keys.
    public static let zoneFull = Reasons(bit: 55)
    /// By whichever lane.
    public static let insideAlready = Reasons(bit: 56)
    public static let outsideHours = Reasons(bit: 48)
    public static let passedAlready = Reasons(bit: 49)
    public static let escortMissing = Reasons(bit: 50)
    public static let identityNotConfirmed = Reasons(bit: 51)
    public static let laneLocked = Reasons(bit: 46)
    // Of a pass and the badge of who drives, where they go together.
    public static let driverMissing = Reasons(bit: 52)
    public static let passMissing = Reasons(bit: 53)
    /// Nothing stands against this half, but against the other.
    public static let otherHalfRefused = Reasons(bit: 54)

    /// All reasons, in the order in which they are told.
    public static let ordered: [Reasons] = [
        .temperatureMissing, .temperatureAmbiguous, .twoHolders, .laneBusy, .zoneFull, .escortMissing,
        .identityNotConfirmed,
        .driverMissing, .passMissing, .testMissing, .testExpired, .codeTooOld, .codeUnknown, .notActivated,
        .vaccineNotRecorded, .vaccineIncomplete, .notYetValid, .noLongerValid,
        .outsideHours, .zoneNotGranted, .kindNotAdmitted, .passedAlready, .insideAlready, .unknownBadge, .conflict,
        .suspended,
        .revoked,
        .temperatureHigh, .codeYellow, .codeRed, .testPositive, .testInFuture, .codeInFuture,
        .thermometerLost, .laneLocked, .outOfService, .noImage, .statementTooOld, .imageTooOld, .clockNotTrusted,
        .otherHalfRefused,
    ]

    /// Which reasons belong to which key; the rest are none of the four.
    public static let vaccineKey: Reasons = [.vaccineNotRecorded, .vaccineIncomplete]
    public static let greenCodeKey: Reasons = [.codeYellow, .codeRed, .codeTooOld, .codeUnknown, .codeInFuture]
    public static let testKey: Reasons = [.testPositive, .testExpired, .testMissing, .testInFuture]
    public static let activationKey: Reasons = [
        .notActivated, .suspended, .revoked, .notYetValid, .noLongerValid,
    ]
    public static let temperature: Reasons = [
        .temperatureHigh, .temperatureAmbiguous, .temperatureMissing, .thermometerLost, .twoHolders,
    ]

    /// The stable English name of a single reason, as records, JSON and logs write it.
    public var name: StaticString {
        switch self {
        case .vaccineNotRecorded: "vaccine-not-recorded"
        case .vaccineIncomplete: "vaccine-incomplete"
        case .codeYellow: "code-yellow"
        case .codeRed: "code-red"
        case .codeTooOld: "code-too-old"
        case .codeUnknown: "code-unknown"
        case .codeInFuture: "code-in-future"
        case .testPositive: "test-positive"
        case .testExpired: "test-expired"
        case .testMissing: "test-missing"
        case .testInFuture: "test-in-future"
        case .notActivated: "not-activated"
        case .suspended: "suspended"
        case .revoked: "revoked"
        case .notYetValid: "not-yet-valid"
        case .noLongerValid: "no-longer-valid"
        case .unknownBadge: "unknown-badge"
        case .conflict: "conflict"
        case .zoneNotGranted: "zone-not-granted"
        case .kindNotAdmitted: "kind-not-admitted"
        case .temperatureHigh: "temperature-high"
        case .temperatureAmbiguous: "temperature-ambiguous"
        case .temperatureMissing: "temperature-missing"
        case .thermometerLost: "thermometer-lost"
        case .twoHolders: "two-holders"
        case .laneBusy: "lane-busy"
        case .outOfService: "out-of-service"
        case .noImage: "no-image"
        case .statementTooOld: "statement-too-old"
        case .imageTooOld: "image-too-old"
        case .clockNotTrusted: "clock-not-trusted"
        case .outsideHours: "outside-hours"
        case .passedAlready: "passed-already"
        case .escortMissing: "escort-missing"
        case .identityNotConfirmed: "identity-not-confirmed"
        case .laneLocked: "lane-locked"
        case .zoneFull: "zone-full"
        case .insideAlready: "inside-already"
        case .driverMissing: "driver-missing"
        case .passMissing: "pass-missing"
        case .otherHalfRefused: "other-half-refused"
        default: "several"
        }
    }
}
