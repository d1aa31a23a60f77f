import Admission

/// Where the rules stand: `policy: FILE`, or a group in the lane's configuration, or nowhere.
public struct PolicySource {
    /// The policy's own file, when it has one that can be read.
    public let file: ConfigurationReader?
    private let section: Section?
    private let failure: ConfigurationFailure?

    public init(_ root: Section) {
        guard root.holdsOneValue("policy") else {
            (file, section, failure) = (nil, root.optionalSection("policy"), nil)
            return
        }
        let path = root.path("policy")
        do throws(ConfigurationFailure) {
            let reader = try ConfigurationReader(path: path)
            (file, section, failure) = (reader, reader.root, nil)
        } catch {
            // A path that is none was told already.
            (file, section, failure) = (nil, nil, path.isEmpty ? nil : error)
        }
    }

    public func rules(lane id: String, to zone: ShortName, traffic: Traffic = .people) -> PolicySettings {
        section.map { PolicySettings($0, lane: id, to: zone, traffic: traffic) } ?? PolicySettings(traffic: traffic)
    }

    /// Throws what is wrong with the policy's own file.
    public func finish() throws(ConfigurationFailure) {
        if let failure { throw failure }
        try file?.finish()
    }
}

/// Reads the rules of a policy, from a file of its own or from the `policy` group of a lane's configuration.
///
/// The same rules may stand in three places: for all, under `zones.<zone the lane leads to>`, under `lanes.<lane id>`.
/// They are laid over each other in this order, so what is nearer to the lane wins; in each place what is said of a kind
/// beats what is said of all. Zones and lanes that are not meant are checked all the same.
public struct PolicySettings {
    public private(set) var policy = AdmissionPolicy()
    /// Whether the file says what becomes of people without a thermometer.
    public private(set) var saysWithoutThermometer = false

    /// A lane for vehicles admits vehicles, unless its policy says something else.
    public init(traffic: Traffic = .people) { if traffic == .vehicles { policy.admittedKinds = KindSet([.vehicle]) } }

    /// Where it asks for a driver, when it does.
    private var driverSection: Section?

    public init(_ section: Section, lane id: String, to zone: ShortName, traffic: Traffic = .people) {
        self.init(traffic: traffic)
        defer { if traffic == .vehicles { checkDrivers() } }
        var rest = PolicySettings()
        apply(section)
        for (name, section) in section.namedSections("zones", names: .zoneOrOutside) {
            if name == zone.text { apply(section) } else { rest.apply(section) }
        }
        for (name, section) in section.namedSections("lanes", names: .laneID) {
            if name == id { apply(section) } else { rest.apply(section) }
        }
    }

    private mutating func apply(_ section: Section) {
        applyTemperature(section)
        if let hours = section.optionalInteger("test_window_hours", in: Self.windowHours, unit: "hours") {
            policy.testWindowMilliseconds = Int64(hours) * 3_600_000
            forEachKind { $0.testWindowMilliseconds = nil }
        }
        if let hours = section.optionalInteger("assessment_window_hours", in: Self.windowHours, unit: "hours") {
            policy.assessmentWindowMilliseconds = Int64(hours) * 3_600_000
            forEachKind { $0.assessmentWindowMilliseconds = nil }
        }
        seconds(section, "future_tolerance_seconds", 0...3600, \.futureToleranceMilliseconds)
        if let freshness = section.optionalSection("freshness") {
            seconds(freshness, "statement_warn_seconds", 10...604_800, \.statementWarnMilliseconds)
            seconds(freshness, "statement_limit_seconds", 30...604_800, \.statementLimitMilliseconds)
            seconds(freshness, "image_warn_seconds", 60...2_592_000, \.imageWarnMilliseconds)
            seconds(freshness, "image_limit_seconds", 60...2_592_000, \.imageLimitMilliseconds)
            policy.whenStale = freshness.choice("when_stale", default: StaleName(policy.whenStale)).value
            policy.showsStale = freshness.choice("lamps", default: StaleLampName(policy.showsStale)).value
        }
        policy.whenClockDistrusted =
            section.choice("clock_distrust", default: StaleName(policy.whenClockDistrusted)).value
        if let hours = OpeningHoursText.read(section) {
            policy.hours = hours
            forEachKind { $0.hours = nil }
        }
        if let rule = antiPassback(section) {
            policy.antiPassback = rule
            forEachKind { $0.antiPassback = nil }
        }
        if let rule = occupancy(section) {
            policy.occupancy = rule
            forEachKind { $0.occupancy = nil }
        }
        applyKinds(section)
    }

    private mutating func applyTemperature(_ section: Section) {
        guard let temperature = section.optionalSection("temperature") else { return }
        if let limit = temperature.optionalNumber("limit_celsius", in: Self.limitCelsius, unit: "°C") {
            policy.temperatureLimitCentidegrees = centidegrees(limit)
            forEachKind { $0.temperatureLimitCentidegrees = nil }
        }
        if let offset = temperature.optionalNumber("offset_celsius", in: -2...2, unit: "°C") {
            policy.temperatureOffsetCentidegrees = centidegrees(offset)
        }
        if let window = temperature.optionalInteger(
            "pairing_window_milliseconds", in: 300...3000, unit: "milliseconds")
        {
            policy.pairingWindowMilliseconds = Int64(window)
        }
        if temperature.has("without_thermometer") { saysWithoutThermometer = true }
        policy.withoutThermometer =
            temperature.choice("without_thermometer", default: WithoutName(policy.withoutThermometer)).value
    }

    private mutating func applyKinds(_ section: Section) {
        if let requires = section.optionalSection("requires") {
            for kind in KindName.allCases {
                let keys: [KeyName] = requires.choices(kind.rawValue, default: [])
                guard requires.has(kind.rawValue) else { continue }
                policy.requiredKeys[Int(kind.kind.rawValue)] = KeySet(keys.map(\.key))
            }
        }
        if let kinds = kinds(section, "admits") { policy.admittedKinds = KindSet(kinds) }
        if let kinds = kinds(section, "measures") { policy.measuredKinds = KindSet(kinds) }
        guard let kinds = section.optionalSection("kinds") else { return }
        for kind in KindName.allCases {
            guard let own = kinds.optionalSection(kind.rawValue) else { continue }
            applyOwn(own, &policy.kindRules[Int(kind.kind.rawValue)])
            applyDriver(own, kind)
        }
    }

    /// What is said of one kind alone.
    private func applyOwn(_ section: Section, _ rule: inout KindRule) {
        if let hours = section.optionalInteger("test_window_hours", in: Self.windowHours, unit: "hours") {
            rule.testWindowMilliseconds = Int64(hours) * 3_600_000
        }
        if let hours = section.optionalInteger("assessment_window_hours", in: Self.windowHours, unit: "hours") {
            rule.assessmentWindowMilliseconds = Int64(hours) * 3_600_000
        }
        if let limit = section.optionalNumber("limit_celsius", in: Self.limitCelsius, unit: "°C") {
            rule.temperatureLimitCentidegrees = centidegrees(limit)
        }
        if let hours = OpeningHoursText.read(section) { rule.hours = hours }
        if let antiPassback = antiPassback(section) { rule.antiPassback = antiPassback }
        if let occupancy = occupancy(section) { rule.occupancy = occupancy }
        let escort = section.optionalSection("escort", orWord: "none")
        if section.has("escort") { rule.escort = escort.map(escortRule) }
        let identity = section.optionalSection("identity", orWord: "none")
        if section.has("identity") { rule.identity = identity.map(identityRule) }
    }

    private mutating func applyDriver(_ section: Section, _ kind: KindName) {
        guard section.has("driver") else { return }
        let group = section.optionalSection("driver", orWord: "none")
        guard kind == .vehicle else {
            section.refuse("driver", "only a vehicle has a driver; say this under kinds.vehicle")
            return
        }
        driverSection = group == nil ? nil : section
        policy.kindRules[Int(kind.kind.rawValue)].driver = group.map {
            DriverRule(windowMilliseconds: window($0, usual: 20))
        }
    }

    /// At a lane for vehicles.
    private func checkDrivers() {
        guard let driverSection, policy.rule(for: .vehicle).driver != nil else { return }
        guard policy.admittedKinds.contains(.vehicle) else {
            return driverSection.refuse("driver", "this lane admits no vehicle; name vehicle in its `admits`")
        }
        if !HolderKind.allCases.contains(where: { $0 != .vehicle && policy.admittedKinds.contains($0) }) {
            driverSection.refuse(
                "driver",
                "this lane admits nobody who could drive; name the kinds that may beside vehicle in its `admits`")
        }
    }

    /// nil when it is left out.
    private func antiPassback(_ section: Section) -> AntiPassbackRule? {
        let group = section.optionalSection("anti_passback", orWord: "off")
        guard section.has("anti_passback") else { return nil }
        var rule = AntiPassbackRule()
        guard let group else { return rule }
        let action: ActionName = group.choice("action")
        rule.action = action == .report ? .report : .refuse
        rule.forgetMilliseconds =
            Int64(
                group.integer("forget_minutes", default: 30, in: 1...1440, unit: "minutes")) * 60_000
        let scope: ScopeName = group.choice("scope", default: .thisLane)
        rule.scope = scope == .acrossLanes ? .acrossLanes : .thisLane
        if rule.scope == .acrossLanes {
            rule.knowledgeLimitMilliseconds = knowledgeLimit(group)
        } else if group.has("knowledge_limit_seconds") {
            group.refuse(
                "knowledge_limit_seconds", "what a lane saw itself it knows; say this with `scope: across-lanes`")
        }
        return rule
    }

    /// nil when it is left out.
    private func occupancy(_ section: Section) -> OccupancyRule? {
        let group = section.optionalSection("occupancy", orWord: "off")
        guard section.has("occupancy") else { return nil }
        var rule = OccupancyRule()
        guard let group else { return rule }
        let action: ActionName = group.choice("action", default: .refuse)
        rule.action = action == .report ? .report : .refuse
        func limit(_ key: String, _ unit: String) -> UInt32? {
            group.optionalInteger(key, in: 0...10_000_000, unit: unit).map { UInt32($0) }
        }
        rule.people = limit("limit", "people")
        rule.vehicles = limit("vehicles", "vehicles")
        if !group.has("limit") && !group.has("vehicles") {
            section.refuse("occupancy", "give a `limit` of people, or of `vehicles`, or both")
        }
        rule.knowledgeLimitMilliseconds = knowledgeLimit(group)
        return rule
    }

    private func knowledgeLimit(_ section: Section) -> Int64 {
        Int64(section.integer("knowledge_limit_seconds", default: 120, in: 30...3600, unit: "seconds")) * 1000
    }

    private func escortRule(_ section: Section) -> EscortRule {
        let kinds: [KindName] = section.choices("kinds")
        if section.has("kinds") && kinds.isEmpty {
            section.refuse("kinds", "name at least one kind that may accompany")
        }
        return EscortRule(kinds: KindSet(kinds.map(\.kind)), windowMilliseconds: window(section, usual: 20))
    }

    private func identityRule(_ section: Section) -> IdentityRule {
        let proofs: [ProofName] = section.choices("any_of")
        if section.has("any_of") && proofs.isEmpty { section.refuse("any_of", "name at least one proof that will do") }
        return IdentityRule(
            accepts: proofs.reduce(into: Company()) { $0.insert($1.company) },
            windowMilliseconds: window(section, usual: 15))
    }

    private func window(_ section: Section, usual: Int) -> Int64 {
        Int64(section.integer("window_seconds", default: usual, in: 3...120, unit: "seconds")) * 1000
    }

    // MARK: Values

    private static let windowHours = 1...336
    private static let limitCelsius = 35.0...42.0

    private mutating func forEachKind(_ change: (inout KindRule) -> Void) {
        for index in policy.kindRules.indices { change(&policy.kindRules[index]) }
    }

    private mutating func seconds(
        _ section: Section, _ key: String, _ range: ClosedRange<Int>,
        _ milliseconds: WritableKeyPath<AdmissionPolicy, Int64>
    ) {
        guard let seconds = section.optionalInteger(key, in: range, unit: "seconds") else { return }
        policy[keyPath: milliseconds] = Int64(seconds) * 1000
    }

    private func centidegrees(_ celsius: Double) -> Int32 { Int32((celsius * 100).rounded()) }

    /// nil when the list is left out.
    private func kinds(_ section: Section, _ key: String) -> [HolderKind]? {
        let names: [KindName] = section.choices(key, default: [])
        return section.has(key) ? names.map(\.kind) : nil
    }

    private enum WithoutName: String, CaseIterable {
        case refuse
        case admitMarked = "admit-marked"
        case outOfService = "out-of-service"

        init(_ value: WithoutThermometer) {
            self =
                switch value {
                case .refuse: .refuse
                case .admitMarked: .admitMarked
                case .outOfService: .outOfService
                }
        }
        var value: WithoutThermometer {
            switch self {
            case .refuse: .refuse
            case .admitMarked: .admitMarked
            case .outOfService: .outOfService
            }
        }
    }

    private enum StaleName: String, CaseIterable {
        case refuse, admit
        init(_ value: WhenStale) { self = value == .refuse ? .refuse : .admit }
        var value: WhenStale { self == .refuse ? .refuse : .admit }
    }

    private enum StaleLampName: String, CaseIterable {
        case stale, ready
        init(_ isShown: Bool) { self = isShown ? .stale : .ready }
        var value: Bool { self == .stale }
    }

    private enum ActionName: String, CaseIterable { case report, refuse }

    private enum ScopeName: String, CaseIterable {
        case thisLane = "this-lane"
        case acrossLanes = "across-lanes"
    }

    private enum ProofName: String, CaseIterable {
        case secondIdentifier = "second-identifier"
        case guardsButton = "guards-button"
        var company: Company { self == .secondIdentifier ? .secondIdentifier : .guardsButton }
    }

    private enum KeyName: String, CaseIterable {
        case vaccine
        case greenCode = "green_code"
        case test
        case activated
        var key: KeySet {
            switch self {
            case .vaccine: .vaccine
            case .greenCode: .greenCode
            case .test: .test
            case .activated: .activated
            }
        }
    }

    private enum KindName: String, CaseIterable {
        case specialGuest = "special-guest"
        case exhibitor, visitor, media, staff, security, vehicle
        var kind: HolderKind {
            switch self {
            case .specialGuest: .specialGuest
            case .exhibitor: .exhibitor
            case .visitor: .visitor
            case .media: .media
            case .staff: .staff
            case .security: .security
            case .vehicle: .vehicle
            }
        }
    }
}

extension TextRule {
    public static let zoneOrOutside = TextRule(expected: "a zone's name of 1 to 31 bytes, or the word outside") {
        ShortName($0) != nil && TextRule.line.accepts($0) && !$0.contains("|")
    }
}
