// What a policy asks for beside keys and temperature: an escort, a second identifier, the guard's confirmation.
//
// Keys and temperature come first, alone: two badges while somebody is measured are two people before one thermometer,
// and never admit. Only then does the lane wait for what is missing. An escort was admitted here shortly before, or
// presents a badge now and is judged right after, as anybody else who waits; the record of who is decided second names
// the first, and that of the first the second when it was there already.

extension LaneMachine {
    /// Keys and temperature would do; what is missing beside them may still come.
    struct Awaiting: Sendable {
        var candidate: Candidate
        var temperature: TemperatureFinding
        var deadline: MonotonicTime
    }

    /// Decides, or waits for the company that the policy asks for. Whoever is refused anyway does not wait for it.
    mutating func conclude(
        _ candidate: Candidate, _ temperature: TemperatureFinding, adding problem: Reasons, _ step: inout Step
    ) {
        let missing = missingCompany(candidate)
        // For a driver nobody waits but at a lane where pass and driver are a pair.
        let refused = problem.union(missing.intersection(.driverMissing))
        guard !missing.isEmpty, refused.isEmpty, keyReasons(candidate, step.moment).isEmpty else {
            decide(candidate, temperature, adding: refused, &step)
            return
        }
        state = .awaiting(
            Awaiting(
                candidate: candidate, temperature: temperature, deadline: companyDeadline(candidate, missing)))
    }

    /// What the candidate's kind needs beside it and has not got.
    func missingCompany(_ candidate: Candidate) -> Reasons {
        guard !leaves(candidate.presentation.direction), let kind = candidate.presentation.credential?.kind else {
            return []
        }
        return Self.missingCompany(candidate.company, kind, policy: policy)
    }

    /// The same at an entrance, for whoever recomputes a decision.
    public static func missingCompany(_ company: Company, _ kind: HolderKind, policy: AdmissionPolicy) -> Reasons {
        let rule = policy.rule(for: kind)
        var missing: Reasons = []
        if rule.escort != nil && !company.contains(.escort) { missing.insert(.escortMissing) }
        if let identity = rule.identity, identity.accepts.isDisjoint(with: company) {
            missing.insert(.identityNotConfirmed)
        }
        if rule.driver != nil && !company.contains(.driver) { missing.insert(.driverMissing) }
        return missing
    }

    /// Until when what is missing may come: the windows begin with the badge.
    private func companyDeadline(_ candidate: Candidate, _ missing: Reasons) -> MonotonicTime {
        guard let kind = candidate.presentation.credential?.kind else { return candidate.presentedAt }
        let rule = policy.rule(for: kind)
        var window = Int64.max
        if missing.contains(.escortMissing) { window = min(window, rule.escort?.windowMilliseconds ?? 0) }
        if missing.contains(.identityNotConfirmed) { window = min(window, rule.identity?.windowMilliseconds ?? 0) }
        return candidate.presentedAt.advanced(byMilliseconds: window)
    }

    /// What the display asks for.
    func awaitedCompany(_ awaiting: Awaiting) -> Company {
        let missing = missingCompany(awaiting.candidate)
        if missing.contains(.escortMissing) { return .escort }
        guard let kind = awaiting.candidate.presentation.credential?.kind else { return [] }
        return policy.rule(for: kind).identity?.accepts ?? []
    }

    /// Somebody who was admitted here shortly before may be the escort.
    func withRecentEscort(_ candidate: Candidate, _ now: MonotonicTime) -> Candidate {
        guard !leaves(candidate.presentation.direction), let credential = candidate.presentation.credential,
            candidate.partner == .nobody,
            let rule = policy.rule(for: credential.kind).escort,
            let escort = recentAdmissions.escort(for: credential.holder, rule, at: now)
        else { return candidate }
        var candidate = candidate
        candidate.company.insert(.escort)
        candidate.partner = escort
        return candidate
    }

    /// Who is admitted may accompany somebody else, unless they are company already.
    mutating func noteAdmission(_ candidate: Candidate, _ now: MonotonicTime) {
        guard !leaves(candidate.presentation.direction), let credential = candidate.presentation.credential else {
            return
        }
        recentAdmissions.add(credential, at: now, partner: candidate.partner)
        recentAdmissions.pair(candidate.partner, with: credential.holder)
    }

    /// Another badge while the lane waits for company.
    mutating func presented(_ presentation: Presentation, during awaiting: Awaiting, _ step: inout Step) {
        var awaiting = awaiting
        if isSameHolder(awaiting.candidate.presentation, presentation) {
            if presentation.type != awaiting.candidate.presentation.type,
                confirm(&awaiting.candidate, by: .secondIdentifier)
            {
                settle(awaiting, &step)
            }
            return
        }
        var other = Candidate(presentation: presentation, credentials: credentials)
        guard accept(&other, asEscortOf: &awaiting.candidate, step.moment) else {
            wait(other, &step)
            return
        }
        // The escort walks next, unless somebody else already waits; then the badge is read again in its turn.
        if nextCandidate == nil { nextCandidate = other } else { chips.forget(presentation) }
        settle(awaiting, &step)
    }

    private func accept(_ other: inout Candidate, asEscortOf candidate: inout Candidate, _ moment: Moment) -> Bool {
        guard let first = candidate.presentation.credential, let second = other.presentation.credential,
            let rule = policy.rule(for: first.kind).escort, rule.kinds.contains(second.kind),
            candidate.partner == .nobody, keyReasons(other, moment).isEmpty
        else { return false }
        candidate.company.insert(.escort)
        candidate.partner = second.holder
        other.partner = first.holder
        // Two of a kind that needs two are each other's company.
        if policy.rule(for: second.kind).escort?.kinds.contains(first.kind) == true { other.company.insert(.escort) }
        return true
    }

    /// Takes what came beside the badge, when its kind asks for it.
    @discardableResult
    func confirm(_ candidate: inout Candidate, by proof: Company) -> Bool {
        guard let kind = candidate.presentation.credential?.kind,
            policy.rule(for: kind).identity?.accepts.contains(proof) == true
        else { return false }
        candidate.company.insert(proof)
        return true
    }

    /// Whether the guard's button confirms who is being judged, instead of letting somebody through.
    mutating func confirmByGuard(_ step: inout Step) -> Bool {
        switch state {
        case .measuring(var measuring):
            guard confirm(&measuring.candidate, by: .guardsButton) else { return false }
            state = .measuring(measuring)
        case .awaiting(var awaiting):
            guard confirm(&awaiting.candidate, by: .guardsButton) else { return false }
            settle(awaiting, &step)
        case .pairing(var pairing):
            guard var driver = pairing.driver, confirm(&driver, by: .guardsButton) else { return false }
            pairing.driver = driver
            settle(pairing, &step)
        case .waiting, .released: return false
        }
        return true
    }

    /// The escort who came is judged next; what is in force by now may not let him in.
    func dismissEscort(of awaiting: inout Awaiting, _ moment: Moment) {
        guard let next = nextCandidate, let escort = next.presentation.credential?.holder,
            escort == awaiting.candidate.partner, !keyReasons(next, moment).isEmpty
        else { return }
        awaiting.candidate.partner = .nobody
        awaiting.candidate.company.remove(.escort)
    }

    /// Decides when nothing is missing any more, when something else stands against him by now, or when the time is over.
    mutating func settle(_ awaiting: Awaiting, _ step: inout Step, hasWalked: Bool = false) {
        let problem = problem(awaiting.temperature, awaiting.candidate.presentation.credential?.kind)
        let isRefused = !problem.isEmpty || !keyReasons(awaiting.candidate, step.moment).isEmpty
        let missing = missingCompany(awaiting.candidate)
        guard missing.isEmpty || isRefused || hasWalked || step.moment.monotonic >= awaiting.deadline else {
            var awaiting = awaiting
            awaiting.deadline = companyDeadline(awaiting.candidate, missing)
            state = .awaiting(awaiting)
            return
        }
        state = .waiting
        decide(awaiting.candidate, awaiting.temperature, adding: missing.union(problem), &step)
    }
}
