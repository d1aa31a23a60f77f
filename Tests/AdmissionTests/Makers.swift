import Admission

/// The instant at which tests begin: 12 min past an hour, so that hours close only where a test means them to.
let noon = WallTime(seconds: 1_800_000_000 + 720)

func makeTag(_ number: UInt64) -> BadgeTag { BadgeTag(low: number, high: UInt16(truncatingIfNeeded: number >> 3)) }

/// A holder with all four keys turned, sampled and assessed an hour before `at`, let into zones 0 and 1.
func makeCredential(
    holder: UInt32 = 1, kind: HolderKind = .visitor, vaccine: VaccineState = .full, healthCode: HealthCode = .green,
    assessedSecondsAgo: Int64 = 3600, test: TestResult = .negative, sampledSecondsAgo: Int64 = 3600,
    activation: Activation = .activated, zones: UInt64 = 0b11, validFromSeconds: Int64? = nil,
    validUntilSeconds: Int64? = nil, at instant: WallTime = noon
) -> Credential {
    Credential(
        holder: HolderNumber(holder), kind: kind, vaccine: vaccine, healthCode: healthCode,
        assessedAtSeconds: UInt32(clamping: instant.seconds - assessedSecondsAgo), test: test,
        sampledAtSeconds: UInt32(clamping: instant.seconds - sampledSecondsAgo), activation: activation, zones: zones,
        validFromSeconds: validFromSeconds, validUntilSeconds: validUntilSeconds)
}

/// A chip of `holder`; of nobody the lane knows without a credential.
func makePresentation(
    _ holder: UInt32 = 1, type: IdentifierType = .chip, credential: Credential? = nil, lookup: BadgeLookup? = nil,
    reader: UInt8 = 0
) -> Presentation {
    Presentation(
        tag: makeTag(UInt64(holder)), type: type,
        lookup: lookup ?? .found(credential ?? makeCredential(holder: holder)), reader: reader)
}

func makePolicy(_ change: (inout AdmissionPolicy) -> Void = { _ in }) -> AdmissionPolicy {
    var policy = AdmissionPolicy()
    policy.digest = PolicyDigest(low: 7, high: 8)
    change(&policy)
    return policy
}

func makeName(_ text: String) -> ShortName { ShortName(text) ?? .outside }

func makeConfiguration(
    _ kind: LaneKind = .entry, readers: Int = 1, hasThermometer: Bool? = nil, releaseMode: ReleaseMode = .level,
    _ change: (inout LaneConfiguration) -> Void = { _ in }
) -> LaneConfiguration {
    var configuration = LaneConfiguration(
        kind: kind, from: kind == .exit ? makeName("north-ring") : .outside,
        to: kind == .exit ? .outside : makeName("north-ring"), readerCount: readers,
        hasThermometer: hasThermometer ?? (kind != .exit), releaseMode: releaseMode)
    if kind == .twoWay { configuration.outwardReaders = 0b10 }
    change(&configuration)
    return configuration
}

/// Image 5, issued and said to be current a minute before `at`.
func makeCredentials(
    version: UInt64 = 5, change: UInt64 = 0, issuedSecondsAgo: Int64 = 60, statementSecondsAgo: Int64? = 10,
    zoneBit: UInt64 = 1, at instant: WallTime = noon
) -> CredentialsInForce {
    CredentialsInForce(
        imageVersion: version, changeNumber: change,
        imageIssuedAt: WallTime(seconds: instant.seconds - issuedSecondsAgo),
        statementAsOf: statementSecondsAgo.map { WallTime(seconds: instant.seconds - $0) }, destinationZoneBit: zoneBit)
}

func makeSample(_ object: Int32 = 3640, ambient: Int32 = 2400) -> TemperatureSample {
    TemperatureSample(objectCentidegrees: object, ambientCentidegrees: ambient)
}
