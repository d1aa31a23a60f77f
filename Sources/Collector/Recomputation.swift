import Admission
import Framing

/// An old decision judged again, under other rules, from what its record holds and what it names. Judged by the lane
/// machine's own functions; what the record does not hold is never guessed.
struct Recomputation {
    /// Why a decision cannot be recomputed. Raw values are what `whatif` prints.
    enum Obstacle: String, Error, CaseIterable {
        case clock = "clock-not-trusted"
        case image = "image-not-kept"
        case changes = "changes-not-kept"
        case facts = "record-and-image-differ"
        case temperature = "temperature-not-taken"
        case presence = "depends-on-who-was-inside"
        case occupancy = "depends-on-how-many-were-inside"
        case company = "depends-on-who-was-beside"
        case mode = "depends-on-why-out-of-service"
        case rules = "its-own-rules-give-something-else"

        var words: String {
            switch self {
            case .clock: "the lane's clock was not trusted"
            case .image: "the image it used is not kept any more"
            case .changes: "the urgent changes it used are not kept any more"
            case .facts: "the kept image says something else of the badge than the record"
            case .temperature: "no temperature was taken, and these rules ask for one"
            case .presence: "these rules ask whether the holder passed before, and the record does not tell it by them"
            case .occupancy: "these rules ask how full the zone was, and nobody had told the lane"
            case .company: "these rules ask who was beside the badge, and the lane did not wait for it"
            case .mode: "these rules do something else without a thermometer"
            case .rules: "the rules that it was decided by give something else than what is recorded"
            }
        }
    }

    /// What stands against a badge, whatever the rules: the lane's own state.
    private static let ofLane: Reasons = [.twoHolders, .laneBusy, .laneLocked, .outOfService]
    private static let ofCompany: Reasons = [
        .escortMissing, .identityNotConfirmed, .driverMissing, .passMissing, .otherHalfRefused,
    ]

    let record: JournalRecord
    let decision: Decision
    let history: CredentialHistory

    /// Who leaves is let out by every policy. At an entrance nobody is admitted whose temperature was left out.
    var isLetOut: Bool { decision.verdict == .admitted && decision.temperature.outcome == .notTaken }

    /// What `policy` holds against it. `then`: the rules of that time, where they are known. Throws an `Obstacle`.
    func reasons(under policy: AdmissionPolicy, then: AdmissionPolicy?) throws -> Reasons {
        guard record.moment.clock == .trusted else { throw Obstacle.clock }
        let (lookup, credentials) = try known()
        let rulesThen =
            policy.digest == decision.policyDigest ? policy : then?.digest == decision.policyDigest ? then : nil
        // Also what is the same rules is computed: whoever says what would be must be able to say what was.
        if let rulesThen {
            guard try judged(by: rulesThen, rulesThen, lookup, credentials) == decision.reasons else {
                throw Obstacle.rules
            }
        }
        return try judged(by: policy, rulesThen, lookup, credentials)
    }

    /// Whether the temperature that these reasons go by would have been measured once more: it was none to refuse for.
    func isMeasuredOnce(_ reasons: Reasons) -> Bool {
        reasons == .temperatureHigh && decision.verdict == .admitted
    }

    // MARK: What was known

    /// A record has everything but zones and validity dates: those stand in the image.
    private func known() throws -> (BadgeLookup, CredentialsInForce) {
        guard case .found(let recorded) = decision.presentation.lookup else {
            return (decision.presentation.lookup, decision.credentials)
        }
        var credentials = decision.credentials
        let found: (lookup: BadgeLookup, zoneBit: UInt64)
        do {
            found = try history.lookup(
                decision.presentation.tag, of: recorded.holder, credentials, zone: record.to)
        } catch let gap as CredentialHistory.Gap { throw gap == .image ? Obstacle.image : Obstacle.changes }
        guard case .found(var credential) = found.lookup,
            (found.zoneBit == 0) == (credentials.destinationZoneBit == 0)
        else { throw Obstacle.facts }
        let whole = credential
        (credential.zones, credential.validFromSeconds, credential.validUntilSeconds) = (0, nil, nil)
        guard credential == recorded else { throw Obstacle.facts }
        credentials.destinationZoneBit = found.zoneBit
        return (.found(whole), credentials)
    }

    // MARK: Judged

    private func judged(
        by policy: AdmissionPolicy, _ then: AdmissionPolicy?, _ lookup: BadgeLookup,
        _ credentials: CredentialsInForce
    ) throws -> Reasons {
        var reasons = LaneMachine.keyReasons(
            lookup, policy: policy, credentials: credentials, leadsOutside: record.to == .outside,
            wall: record.moment.wall, clock: record.moment.clock)
        let ofLane = decision.reasons.intersection(Self.ofLane)
        reasons.formUnion(ofLane)
        let isAsThen = policy.digest == decision.policyDigest
        try checkMode(policy, then)
        if let kind = decision.presentation.credential?.kind {
            reasons.formUnion(try temperature(kind, policy, isAsThen: isAsThen))
            reasons.formUnion(try presence(kind, policy, then))
            reasons.formUnion(try occupancy(kind, policy))
        }
        return reasons.union(try company(policy, then, beside: reasons))
    }

    /// A lane that is out of service without its thermometer is so by its rules.
    private func checkMode(_ policy: AdmissionPolicy, _ then: AdmissionPolicy?) throws {
        guard policy.withoutThermometer != then?.withoutThermometer else { return }
        let isOut = decision.reasons.contains(.outOfService)
        let isLost = [.thermometerLost, .admittedWithout].contains(decision.temperature.outcome)
        if isOut || (isLost && policy.withoutThermometer == .outOfService) { throw Obstacle.mode }
    }

    private func temperature(_ kind: HolderKind, _ policy: AdmissionPolicy, isAsThen: Bool) throws -> Reasons {
        guard policy.measuredKinds.contains(kind) else { return [] }
        switch decision.temperature.outcome {
        case .measured, .missing, .ambiguous, .admittedWithout, .thermometerLost: break
        // What the lane itself refused was not measured, and would not be.
        case .notTaken where !decision.reasons.isDisjoint(with: Self.ofLane): return []
        case .notTaken, .notRequired:
            guard isAsThen else { throw Obstacle.temperature }
        }
        return LaneMachine.temperatureReasons(decision.temperature, kind, policy: policy)
    }

    private func presence(_ kind: HolderKind, _ policy: AdmissionPolicy, _ then: AdmissionPolicy?) throws -> Reasons {
        let rule = policy.antiPassback(for: kind)
        guard rule.action == .refuse else { return [] }
        guard let ruleThen = then?.antiPassback(for: kind), ruleThen.action != .off, ruleThen.scope == rule.scope,
            ruleThen.forgetMilliseconds == rule.forgetMilliseconds,
            ruleThen.knowledgeLimitMilliseconds == rule.knowledgeLimitMilliseconds
        else { throw Obstacle.presence }
        // Looked for in the same way, whatever became of it.
        switch decision.antiPassback.finding {
        case .reported: return AntiPassbackFinding.refused.reasons
        case .reportedInside: return AntiPassbackFinding.refusedInside.reasons
        default: return decision.antiPassback.finding.reasons
        }
    }

    private func occupancy(_ kind: HolderKind, _ policy: AdmissionPolicy) throws -> Reasons {
        let note = decision.occupancy
        let finding = policy.occupancy(for: kind).finding(
            count: note.count, ageMilliseconds: note.ageSeconds.map { Int64($0) * 1000 }, ofVehicles: kind == .vehicle)
        // A lane whose rules did not ask was not told.
        if finding == .notKnown, note.finding == .off { throw Obstacle.occupancy }
        return finding.reasons
    }

    private func company(
        _ policy: AdmissionPolicy, _ then: AdmissionPolicy?, beside others: Reasons
    ) throws -> Reasons {
        if policy.digest == decision.policyDigest { return decision.reasons.intersection(Self.ofCompany) }
        let isPair =
            policy.rule(for: .vehicle).driver != nil
            || !decision.company.isDisjoint(with: [.driver, .vehicle])
            || !decision.reasons.isDisjoint(with: [.driverMissing, .passMissing, .otherHalfRefused])
        // Of two halves each record tells one.
        if record.traffic == .vehicles, isPair { throw Obstacle.company }
        guard let kind = decision.presentation.credential?.kind else { return [] }
        let missing = LaneMachine.missingCompany(decision.company, kind, policy: policy)
        let noDriver = missing.intersection(.driverMissing)
        let (rule, ruleThen) = (policy.rule(for: kind), then?.rule(for: kind))
        // Nobody waits for company for whom something else stands in the way.
        guard rule.escort != nil || rule.identity != nil, others.isEmpty, noDriver.isEmpty else { return noDriver }
        guard let ruleThen, ruleThen.escort == rule.escort, ruleThen.identity == rule.identity,
            missing.isSubset(of: decision.reasons)
        else { throw Obstacle.company }
        return missing
    }
}
