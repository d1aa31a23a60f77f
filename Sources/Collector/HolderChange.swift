import Admission

/// What changes for one holder at once. What is nil stays as it is.
public struct HolderChange: Sendable, Hashable {
    public struct Code: Sendable, Hashable {
        public var state: HealthCode
        /// s since 1970; 0: never.
        public var assessedAtSeconds: UInt32

        public init(_ state: HealthCode, assessedAtSeconds: UInt32) {
            self.state = state
            self.assessedAtSeconds = assessedAtSeconds
        }
    }

    public struct Test: Sendable, Hashable {
        public var result: TestResult
        /// s since 1970; 0: none.
        public var sampledAtSeconds: UInt32

        public init(_ result: TestResult, sampledAtSeconds: UInt32) {
            self.result = result
            self.sampledAtSeconds = sampledAtSeconds
        }
    }

    public var holder: HolderNumber
    public var code: Code?
    public var test: Test?
    public var vaccine: VaccineState?
    public var activation: Activation?

    public init(
        _ holder: HolderNumber, code: Code? = nil, test: Test? = nil, vaccine: VaccineState? = nil,
        activation: Activation? = nil
    ) {
        self.holder = holder
        self.code = code
        self.test = test
        self.vaccine = vaccine
        self.activation = activation
    }

    var isEmpty: Bool { code == nil && test == nil && vaccine == nil && activation == nil }

    func applied(to credential: Credential) -> Credential {
        var credential = credential
        if let code {
            credential.healthCode = code.state
            credential.assessedAtSeconds = code.assessedAtSeconds
        }
        if let test {
            credential.test = test.result
            credential.sampledAtSeconds = test.sampledAtSeconds
        }
        if let vaccine { credential.vaccine = vaccine }
        if let activation { credential.activation = activation }
        return credential
    }
}

/// What urgent changes say of holders' keys until a feed has news. A feed's row goes through `merged` before it becomes
/// part of an image: it may have been made before the change.
///
/// | key | the feed has news when |
/// |---|---|
/// | health code, test | its assessment, its sample, is newer than the change's |
/// | vaccine, activation | it says another thing than it said when the change was made, and than the office decided |
public struct StandingKeys: Sendable {
    enum Key: Int64, Sendable, CaseIterable {
        case code, test, vaccine, activation

        func state(of credential: Credential) -> (state: UInt8, instant: UInt32) {
            switch self {
            case .code: (credential.healthCode.rawValue, credential.assessedAtSeconds)
            case .test: (credential.test.rawValue, credential.sampledAtSeconds)
            case .vaccine: (credential.vaccine.rawValue, 0)
            case .activation: (credential.activation.rawValue, 0)
            }
        }
    }

    struct Standing: Sendable, Hashable {
        var state: UInt8
        var instant: UInt32
        /// What the feed said when it was changed.
        var feed: UInt8
        /// Of the newest change that said so.
        var number: UInt64
    }

    /// All changes up to this one are in it: what an image that was merged with it says in its header.
    public internal(set) var changeNumber: UInt64 = 0
    private var holders: [UInt32: [Key: Standing]] = [:]

    init() {}

    mutating func put(_ standing: Standing, _ key: Key, of holder: UInt32) {
        holders[holder, default: [:]][key] = standing
    }

    func standing(_ key: Key, of holder: UInt32) -> Standing? { holders[holder]?[key] }
    var isEmpty: Bool { holders.isEmpty }
    var all: [(holder: UInt32, key: Key, standing: Standing)] {
        holders.flatMap { holder, keys in keys.map { (holder, $0.key, $0.value) } }
    }

    /// What is to be published of a holder of whom the feed says `credential`.
    ///
    /// - Parameters:
    ///   - decided: what the office decided of his fourth key: to hear that is no news of the feed.
    ///   - spoken: what changes said that `credential`, of an image, has taken in: nor is that.
    func merged(_ credential: Credential, decided: Activation? = nil, spoken: Credential? = nil) -> Credential {
        guard let keys = holders[credential.holder.number] else { return credential }
        var merged = credential
        for (key, standing) in keys {
            let isAgreed = key == .activation && decided.map { $0 == credential.activation } ?? false
            let isSpoken = spoken.map { key.state(of: $0) == key.state(of: credential) } ?? false
            guard isAgreed || isSpoken || Self.holds(standing, key, against: credential) else { continue }
            switch key {
            case .code:
                merged.healthCode = HealthCode(rawValue: standing.state) ?? .unknown
                merged.assessedAtSeconds = standing.instant
            case .test:
                merged.test = TestResult(rawValue: standing.state) ?? .unknown
                merged.sampledAtSeconds = standing.instant
            case .vaccine: merged.vaccine = VaccineState(rawValue: standing.state) ?? .unknown
            case .activation: merged.activation = Activation(rawValue: standing.state) ?? .inactive
            }
        }
        return merged
    }

    /// Whether the feed has no news of this key.
    static func holds(_ standing: Standing, _ key: Key, against feed: Credential) -> Bool {
        let (state, instant) = key.state(of: feed)
        switch key {
        case .code, .test: return instant <= standing.instant
        case .vaccine, .activation: return state == standing.feed || state == standing.state
        }
    }
}
