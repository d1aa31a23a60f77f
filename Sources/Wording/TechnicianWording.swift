import Admission

/// What a decision stood on, so far as whoever asks knows it: a record read back has no validity dates and names its
/// policy by a digest only; then the figures that are not known are left out of the text.
public struct Circumstances: Sendable {
    public var credential: Credential?
    public var credentials: CredentialsInForce
    public var policy: AdmissionPolicy?
    public var temperature: TemperatureFinding?
    public var temperatureOffsetCentidegrees: Int32
    public var temperatureLimitCentidegrees: Int32
    public var clock: ClockTrust
    public var instant: WallTime
    /// The zone the lane leads to.
    public var destination: String?
    public var occupancy = OccupancyNote()

    public init(
        credential: Credential?, credentials: CredentialsInForce, policy: AdmissionPolicy?,
        temperature: TemperatureFinding?, temperatureOffsetCentidegrees: Int32, temperatureLimitCentidegrees: Int32,
        clock: ClockTrust, instant: WallTime, destination: String?
    ) {
        self.credential = credential
        self.credentials = credentials
        self.policy = policy
        self.temperature = temperature
        self.temperatureOffsetCentidegrees = temperatureOffsetCentidegrees
        self.temperatureLimitCentidegrees = temperatureLimitCentidegrees
        self.clock = clock
        self.instant = instant
        self.destination = destination
    }

    /// `policy`: nil when only its digest is known.
    public init(
        _ decision: Decision, policy: AdmissionPolicy?, clock: ClockTrust, instant: WallTime, destination: String?
    ) {
        self.init(
            credential: decision.presentation.credential, credentials: decision.credentials, policy: policy,
            temperature: decision.temperature, temperatureOffsetCentidegrees: decision.temperatureOffsetCentidegrees,
            temperatureLimitCentidegrees: decision.temperatureLimitCentidegrees, clock: clock, instant: instant,
            destination: destination)
        occupancy = decision.occupancy
    }
}

/// The reasons of a decision in English with their figures, for technicians: `test sampled 51 h 12 min ago, limit 48 h`.
public enum TechnicianWording {
    /// One text a reason, in the order of telling.
    public static func texts(_ reasons: Reasons, _ circumstances: Circumstances) -> [String] {
        Reasons.ordered.filter { reasons.contains($0) }.map { text($0, circumstances) }
    }

    /// Of one single reason.
    public static func text(_ reason: Reasons, _ it: Circumstances) -> String {
        let name = ReasonWording.of(reason)?.name.english ?? "reason 0x\(String(reason.rawValue, radix: 16))"
        switch reason {
        case .vaccineNotRecorded, .vaccineIncomplete:
            return it.credential.map { "\(name) (\($0.vaccine.wording.english)); the full course is needed" } ?? name
        case .codeYellow, .codeRed:
            return age(it.credential?.assessedAtSeconds, it).map { "\(name), assessed \(since($0))" } ?? name
        case .codeTooOld, .codeInFuture:
            guard it.credential?.assessedAtSeconds != 0 else { return "health code green but never assessed" }
            return dated("health code assessed", it.credential?.assessedAtSeconds, it) { $0.assessmentWindow(for: $1) }
                ?? name
        case .testPositive:
            return age(it.credential?.sampledAtSeconds, it).map { "\(name), sampled \(since($0))" } ?? name
        case .testMissing:
            guard let credential = it.credential else { return name }
            return credential.test == .negative
                ? "test negative but without a sample time" : "\(name) (\(credential.test.wording.english))"
        case .testExpired:
            return dated("test sampled", it.credential?.sampledAtSeconds, it) { $0.testWindow(for: $1) } ?? name
        case .testInFuture:
            return dated("sample dated", it.credential?.sampledAtSeconds, it) { $0.testWindow(for: $1) } ?? name
        case .notYetValid:
            return it.credential?.validFromSeconds.map {
                "badge becomes valid in \(Figures.duration(milliseconds: WallTime(seconds: $0).milliseconds(since: it.instant)))"
            } ?? name
        case .noLongerValid:
            return it.credential?.validUntilSeconds.map {
                "badge was valid until \(since(it.instant.milliseconds(since: WallTime(seconds: $0))))"
            } ?? name
        case .zoneNotGranted:
            guard let zone = it.destination else { return name }
            return it.credentials.destinationZoneBit == 0
                ? "zone \(zone) is not known to the image, so nobody is granted it"
                : "zone \(zone) not granted to this badge"
        case .kindNotAdmitted:
            return it.credential.map { "kind \($0.kind.wording.english) is not admitted at this lane" } ?? name
        case .temperatureHigh, .temperatureAmbiguous, .temperatureMissing: return temperature(reason, name, it)
        case .statementTooOld:
            guard it.credentials.imageVersion != 0 else { return name }
            let age = Freshness.statementAge(it.credentials, at: it.instant)
            let what = it.credentials.statementAsOf == nil ? "no statement yet, image" : "statement"
            return old(what, age, it, \.statementLimitMilliseconds)
        case .imageTooOld:
            guard it.credentials.imageVersion != 0 else { return name }
            let age = it.instant.milliseconds(since: it.credentials.imageIssuedAt)
            return old("image \(it.credentials.imageVersion)", age, it, \.imageLimitMilliseconds)
        case .zoneFull: return full(name, it)
        case .outsideHours: return it.credential.map { "\(name) of \($0.kind.wording.english)" } ?? name
        case .clockNotTrusted: return it.clock == .trusted ? name : "clock \(it.clock.wording.english)"
        default: return name
        }
    }

    private static func temperature(_ reason: Reasons, _ name: String, _ it: Circumstances) -> String {
        guard let finding = it.temperature else { return name }
        let limit = "limit \(Figures.temperature(centidegrees: it.temperatureLimitCentidegrees))"
        switch reason {
        case .temperatureHigh:
            let offset = it.temperatureOffsetCentidegrees
            let value = Figures.temperature(centidegrees: finding.medianCentidegrees &+ offset)
            let with = offset == 0 ? "" : " with offset \(Figures.signedTemperature(centidegrees: offset))"
            return "temperature \(value)\(with), \(limit)"
        case .temperatureAmbiguous:
            return "\(name) by more than 0.8 °C among \(finding.sampleCount) samples"
        default: return "\(name): \(finding.sampleCount) plausible samples, 3 are needed"
        }
    }

    private static func full(_ name: String, _ it: Circumstances) -> String {
        guard let count = it.occupancy.count else { return name }
        let isVehicle = it.credential?.kind == .vehicle
        let rule = it.credential.flatMap { it.policy?.occupancy(for: $0.kind) }
        let limit = (isVehicle ? rule?.vehicles : rule?.people).map { ", limit \($0)" } ?? ""
        let age = it.occupancy.ageSeconds.map {
            ", as of \(Figures.duration(milliseconds: Int64($0) * 1000)) before"
        }
        let zone = it.destination.map { "zone \($0)" } ?? "the zone"
        return "\(zone) is full: \(count) \(isVehicle ? "vehicles" : "people") inside\(age ?? "")\(limit)"
    }

    private static func age(_ seconds: UInt32?, _ it: Circumstances) -> Int64? {
        guard let seconds, seconds != 0 else { return nil }
        return it.instant.milliseconds(since: WallTime(seconds: Int64(seconds)))
    }

    private static func since(_ milliseconds: Int64) -> String {
        let duration = Figures.duration(milliseconds: milliseconds)
        return milliseconds < 0 ? "\(duration) in the future" : "\(duration) ago"
    }

    private static func dated(
        _ what: String, _ seconds: UInt32?, _ it: Circumstances, _ window: (AdmissionPolicy, HolderKind) -> Int64
    ) -> String? {
        guard let age = age(seconds, it) else { return nil }
        guard age >= 0, let policy = it.policy, let kind = it.credential?.kind else { return "\(what) \(since(age))" }
        let limit = window(policy, kind)
        return "\(what) \(Figures.duration(milliseconds: age, besideLimit: limit)) ago, "
            + "limit \(Figures.duration(milliseconds: limit))"
    }

    private static func old(
        _ what: String, _ age: Int64, _ it: Circumstances, _ limit: KeyPath<AdmissionPolicy, Int64>
    ) -> String {
        guard let limit = it.policy?[keyPath: limit] else {
            return "\(what) \(Figures.duration(milliseconds: age)) old"
        }
        return "\(what) \(Figures.duration(milliseconds: age, besideLimit: limit)) old, "
            + "limit \(Figures.duration(milliseconds: limit))"
    }
}
