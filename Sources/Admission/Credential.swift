// The states of the four keys as the image holds them, two bits each. Raw values are the bits: they never change.

public enum VaccineState: UInt8, Sendable, CaseIterable {
    case unknown = 0
    case none = 1
    case partial = 2
    case full = 3
}

public enum HealthCode: UInt8, Sendable, CaseIterable {
    case unknown = 0
    case green = 1
    case yellow = 2
    case red = 3
}

public enum TestResult: UInt8, Sendable, CaseIterable {
    case unknown = 0
    case none = 1
    case negative = 2
    case positive = 3
}

public enum Activation: UInt8, Sendable, CaseIterable {
    case inactive = 0
    case activated = 1
    case suspended = 2
    case revoked = 3
}

/// What the image says of one identifier's holder.
public struct Credential: Sendable, Hashable {
    public var holder: HolderNumber
    public var kind: HolderKind
    public var vaccine: VaccineState
    public var healthCode: HealthCode
    /// Seconds since 1970; 0 = never assessed.
    public var assessedAtSeconds: UInt32
    public var test: TestResult
    /// When the sample was taken, seconds since 1970; 0 = no sample.
    public var sampledAtSeconds: UInt32
    public var activation: Activation
    /// Bit n: the zone n of the image's zone table.
    public var zones: UInt64
    /// First second of validity; nil = since ever.
    public var validFromSeconds: Int64?
    /// Last second of validity; nil = for ever.
    public var validUntilSeconds: Int64?

    public init(
        holder: HolderNumber, kind: HolderKind, vaccine: VaccineState, healthCode: HealthCode,
        assessedAtSeconds: UInt32, test: TestResult, sampledAtSeconds: UInt32, activation: Activation, zones: UInt64,
        validFromSeconds: Int64?, validUntilSeconds: Int64?
    ) {
        self.holder = holder
        self.kind = kind
        self.vaccine = vaccine
        self.healthCode = healthCode
        self.assessedAtSeconds = assessedAtSeconds
        self.test = test
        self.sampledAtSeconds = sampledAtSeconds
        self.activation = activation
        self.zones = zones
        self.validFromSeconds = validFromSeconds
        self.validUntilSeconds = validUntilSeconds
    }
}

/// What came of looking an identifier up.
public enum BadgeLookup: Sendable, Hashable {
    /// There is no image in force at all.
    case noImage
    case unknown
    /// Two holders claim this identifier.
    case conflict
    case found(Credential)
}

/// Which credentials a decision stands on.
public struct CredentialsInForce: Sendable, Hashable {
    /// 0 = none.
    public var imageVersion: UInt64
    public var changeNumber: UInt64
    public var imageIssuedAt: WallTime
    /// The instant of the newest signed statement; nil = none yet.
    public var statementAsOf: WallTime?
    /// The bit of the zone this lane leads to in the image's zone table; 0 when the image does not know the zone.
    public var destinationZoneBit: UInt64

    public init(
        imageVersion: UInt64, changeNumber: UInt64, imageIssuedAt: WallTime, statementAsOf: WallTime?,
        destinationZoneBit: UInt64
    ) {
        self.imageVersion = imageVersion
        self.changeNumber = changeNumber
        self.imageIssuedAt = imageIssuedAt
        self.statementAsOf = statementAsOf
        self.destinationZoneBit = destinationZoneBit
    }

    public static let none = CredentialsInForce(
        imageVersion: 0, changeNumber: 0, imageIssuedAt: WallTime(milliseconds: 0), statementAsOf: nil,
        destinationZoneBit: 0)
}
