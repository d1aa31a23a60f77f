// A badge's way: presented, measured, decided.

extension LaneMachine {
    mutating func presented(_ presentation: Presentation, _ step: inout Step) {
        guard !isStopping else { return }
        var presentation = presentation
        presentation.direction = configuration.direction(ofReader: presentation.reader)
        let now = step.moment.monotonic
        guard chips.appear(presentation, at: now, goneAfter: configuration.chipGoneMilliseconds) else {
            // Who was judged still stands there: what was measured meanwhile is nobody else's.
            if case .waiting = state { forgetTemperatures(now) }
            return
        }
        // Who waits goes first.
        beginNext(&step)
        let candidate = Candidate(presentation: presentation, credentials: credentials)
        if dismiss(candidate, &step) { return }
        switch state {
        case .waiting: if now < gapUntil { wait(candidate, &step) } else { begin(candidate, &step) }
        case .measuring(let measuring):
            if isSameHolder(measuring.candidate.presentation, presentation) {
                if presentation.type != measuring.candidate.presentation.type {
                    var measuring = measuring
                    confirm(&measuring.candidate, by: .secondIdentifier)
                    state = .measuring(measuring)
                }
                return
            }
            // Who stands on the other side is not before the thermometer.
            if presentation.direction != measuring.candidate.presentation.direction { return wait(candidate, &step) }
            // Two people in one window: nobody knows whose temperature it is.
            state = .waiting
            decide(measuring.candidate, TemperatureFinding(outcome: .notTaken), adding: .twoHolders, &step)
            decide(candidate, TemperatureFinding(outcome: .notTaken), adding: .twoHolders, &step)
        case .awaiting(let awaiting):
            guard presentation.direction == awaiting.candidate.presentation.direction else {
                // Nobody who leaves waits for somebody else's escort.
                state = .waiting
                decide(awaiting.candidate, awaiting.temperature, adding: missingCompany(awaiting.candidate), &step)
                return begin(candidate, &step)
            }
            self.presented(presentation, during: awaiting, &step)
        case .pairing(let pairing): presented(candidate, during: pairing, &step)
        case .released(let release):
            // After a guard's release: whoever it was for has no badge, or one that is not read.
            let isTheSame = release.decision.map { isSameHolder($0.presentation, presentation) } ?? false
            let isBeside = release.beside.map { isSameHolder($0.decision.presentation, presentation) } ?? false
            if !isTheSame && !isBeside && !join(presentation, release, &step) { wait(candidate, &step) }
        }
    }

    /// Keeps a badge until it can be judged: one, while another is released or the line falls after it.
    mutating func wait(_ candidate: Candidate, _ step: inout Step) {
        if let next = nextCandidate, isSameHolder(next.presentation, candidate.presentation) { return }
        var mayWait = configuration.secondBadge == .wait
        if case .waiting = state { mayWait = true }
        if mayWait && nextCandidate == nil {
            nextCandidate = candidate
        } else if leaves(candidate.presentation.direction) {
            // Never refused: a chip that is still in the field when the way is free is read again.
            chips.forget(candidate.presentation)
        } else {
            refuseUnmeasured(candidate, .laneBusy, &step)
        }
    }

    /// Judges a badge, or begins to measure for it.
    mutating func begin(_ candidate: Candidate, _ step: inout Step) {
        refusal = nil
        let now = step.moment.monotonic
        var candidate = withRecentEscort(candidate, now)
        candidate.presentedAt = now
        if isHalf(candidate.presentation) { return beginPair(candidate, &step) }
        guard !leaves(candidate.presentation.direction), let credential = candidate.presentation.credential else {
            decide(candidate, TemperatureFinding(outcome: .notTaken), adding: [], &step)
            return
        }
        guard policy.measuredKinds.contains(credential.kind) else {
            conclude(candidate, TemperatureFinding(outcome: .notRequired), adding: [], &step)
            return
        }
        guard !hasNoThermometer else {
            decideWithoutThermometer(candidate, &step)
            return
        }
        let samplesSince = temperatures.start(
            of: now, atMost: policy.pairingWindowMilliseconds, afterDecision: temperaturesUsedUntil)
        // Samples that came at this very instant, but before the badge, are no newer than it.
        if samplesSince == now { temperatures.removeAll() }
        settle(
            Measuring(
                candidate: candidate, samplesSince: samplesSince,
                deadline: now.advanced(byMilliseconds: policy.pairingWindowMilliseconds)), &step)
    }

    /// Other credentials are in force: what do they say of whoever stands there or waits?
    mutating func lookUpAgain(_ lookUp: (BadgeTag) -> BadgeLookup) {
        func renewed(_ candidate: Candidate) -> Candidate {
            var candidate = candidate
            candidate.presentation.lookup = lookUp(candidate.presentation.tag)
            candidate.credentials = credentials
            return candidate
        }
        switch state {
        case .waiting, .released: break
        case .measuring(var measuring):
            measuring.candidate = renewed(measuring.candidate)
            state = .measuring(measuring)
        case .awaiting(var awaiting):
            awaiting.candidate = renewed(awaiting.candidate)
            state = .awaiting(awaiting)
        case .pairing(var pairing):
            pairing.pass = pairing.pass.map(renewed)
            pairing.driver = pairing.driver.map(renewed)
            state = .pairing(pairing)
        }
        if let next = nextCandidate { nextCandidate = renewed(next) }
    }

    /// Other rules or credentials are in force: who is not decided yet may need less, or more, or not be let in at all.
    mutating func judgeAgain(_ step: inout Step) {
        // Not with the new rules in a lane that the schedule locks in this very step.
        leaveStateThatModeForbids(&step)
        switch state {
        case .waiting, .released: break
        case .measuring(let measuring):
            guard !isMeasured(measuring.candidate) || isHalf(measuring.candidate.presentation) else { return }
            state = .waiting
            begin(measuring.candidate, &step)
        case .awaiting(var awaiting):
            let wasMeasured = awaiting.temperature.outcome != .notRequired
            let isHalf = isHalf(awaiting.candidate.presentation)
            guard isMeasured(awaiting.candidate) == wasMeasured, !isHalf else {
                state = .waiting
                return begin(awaiting.candidate, &step)
            }
            dismissEscort(of: &awaiting, step.moment)
            settle(awaiting, &step)
        case .pairing(let pairing): judgeAgain(pairing, &step)
        }
    }

    /// Whether the rules in force want this badge's holder measured.
    func isMeasured(_ candidate: Candidate) -> Bool {
        candidate.presentation.credential.map { policy.measuredKinds.contains($0.kind) } ?? false
    }

    /// It is lost, or the lane was built without one. Either way the policy says what happens.
    var hasNoThermometer: Bool { thermometerLost || !configuration.hasThermometer }

    mutating func decideWithoutThermometer(_ candidate: Candidate, _ step: inout Step) {
        if policy.withoutThermometer == .admitMarked {
            conclude(candidate, TemperatureFinding(outcome: .admittedWithout), adding: [], &step)
        } else {
            decide(candidate, TemperatureFinding(outcome: .thermometerLost), adding: .thermometerLost, &step)
        }
    }

    /// What was measured until now is of somebody else than the next to present a badge. Not only by its instant: one
    /// reading of the thermometer can bring several samples, and the one that decided came at this very instant.
    mutating func forgetTemperatures(_ now: MonotonicTime) {
        temperatures.removeAll()
        temperaturesUsedUntil = now
    }

    mutating func measured(_ sample: TemperatureSample, _ step: inout Step) {
        guard sample.isPlausible else {
            temperatures.clear(at: step.moment.monotonic)
            return
        }
        temperatures.append(sample, at: step.moment.monotonic)
        if case .measuring(let measuring) = state { settle(measuring, &step) }
        if case .pairing(let pairing) = state { settle(pairing, &step) }
    }

    /// Decides when the samples suffice, measures once more before a refusal, or goes on measuring. When the second
    /// measurement does not come about, the first stands.
    mutating func settle(_ measuring: Measuring, _ step: inout Step, hasWalked: Bool = false) {
        let now = step.moment.monotonic
        var finding = temperatures.finding(since: measuring.samplesSince)
        if finding.outcome == .missing {
            guard hasWalked || now >= measuring.deadline else {
                state = .measuring(measuring)
                return
            }
            finding = measuring.first ?? finding
        }
        let problem = problem(finding, measuring.candidate.presentation.credential?.kind)
        if !problem.isEmpty && !hasWalked && finding.outcome != .missing && measuring.first == nil
            && keyReasons(measuring.candidate, step.moment).isEmpty
        {
            temperatures.removeAll()
            state = .measuring(
                Measuring(
                    candidate: measuring.candidate, samplesSince: now,
                    deadline: now.advanced(byMilliseconds: policy.pairingWindowMilliseconds), first: finding))
            return
        }
        state = .waiting
        conclude(measuring.candidate, finding, adding: problem, &step)
    }

    /// What the rules in force hold against a temperature.
    func problem(_ finding: TemperatureFinding, _ kind: HolderKind?) -> Reasons {
        Self.temperatureReasons(finding, kind, policy: policy)
    }

    /// The same for whoever recomputes a decision.
    public static func temperatureReasons(
        _ finding: TemperatureFinding, _ kind: HolderKind?, policy: AdmissionPolicy
    ) -> Reasons {
        switch finding.outcome {
        case .missing: return .temperatureMissing
        case .ambiguous: return .temperatureAmbiguous
        case .notRequired, .notTaken: return []
        case .admittedWithout, .thermometerLost:
            return policy.withoutThermometer == .admitMarked ? [] : .thermometerLost
        case .measured:
            let shown = Int64(finding.medianCentidegrees) + Int64(policy.temperatureOffsetCentidegrees)
            return shown >= Int64(policy.temperatureLimit(for: kind)) ? .temperatureHigh : []
        }
    }

    /// Everything but the temperature that stands against this presentation at an entrance.
    func keyReasons(_ candidate: Candidate, _ moment: Moment) -> Reasons {
        var reasons = Self.keyReasons(
            candidate.presentation.lookup, policy: policy, credentials: candidate.credentials,
            leadsOutside: configuration.to == .outside, wall: moment.wall, clock: moment.clock)
        reasons.formUnion(antiPassback(candidate.presentation, moment).finding.reasons)
        reasons.formUnion(occupancy(candidate.presentation, moment).finding.reasons)
        return reasons
    }

    /// The same for whoever explains a decision: what the lane would hold against a badge at `wall`, but for the
    /// temperature and the lane's own state.
    public static func keyReasons(
        _ lookup: BadgeLookup, policy: AdmissionPolicy, credentials: CredentialsInForce, leadsOutside: Bool,
        wall: WallTime, clock: ClockTrust
    ) -> Reasons {
        var reasons: Reasons
        switch lookup {
        case .noImage: reasons = .noImage
        case .unknown: reasons = .unknownBadge
        case .conflict: reasons = .conflict
        case .found(let credential):
            reasons = FourKeys.reasons(
                credential, policy: policy, destinationZoneBit: credentials.destinationZoneBit,
                leadsOutside: leadsOutside, at: wall)
        }
        reasons.formUnion(Freshness.reasons(credentials, policy: policy, at: wall))
        if clock != .trusted {
            // A figure that a wrong clock computed misleads; the clock itself is the reason.
            reasons.subtract(.judgedByClock)
            if policy.whenClockDistrusted == .refuse { reasons.insert(.clockNotTrusted) }
        }
        return reasons
    }

    /// Writes the decision and, when nothing stands against it, releases.
    mutating func decide(
        _ candidate: Candidate, _ temperature: TemperatureFinding, adding extra: Reasons, _ step: inout Step
    ) {
        let isExit = leaves(candidate.presentation.direction)
        // An exit lets people out, always; what would have stood against them is not asked.
        let reasons = isExit ? [] : keyReasons(candidate, step.moment).union(extra)
        forgetTemperatures(step.moment.monotonic)
        payOwedEnd(&step)
        let verdict: Verdict = reasons.isEmpty ? .admitted : .refused
        let decision = decision(candidate, verdict, reasons, temperature, step.moment)
        guard verdict == .admitted else {
            step.record(.decided(decision))
            show(reasons, &step)
            // Who is not let in accompanies nobody.
            if let holder = candidate.presentation.credential?.holder, nextCandidate?.partner == holder {
                nextCandidate?.partner = .nobody
                nextCandidate?.company.remove(.escort)
            }
            return
        }
        noteAdmission(candidate, step.moment.monotonic)
        release(decision, &step)
    }

    /// A refusal for a reason of the lane's own, which does not wait for a temperature. At an exit nobody is refused:
    /// there is nothing to record or to show.
    mutating func refuseUnmeasured(_ candidate: Candidate, _ reason: Reasons, _ step: inout Step) {
        guard !leaves(candidate.presentation.direction) else { return }
        forgetTemperatures(step.moment.monotonic)
        if journal < .reserveOnly && !journalFault {
            let reasons = keyReasons(candidate, step.moment).union(reason)
            step.record(
                .decided(
                    decision(
                        candidate, .refused, reasons, TemperatureFinding(outcome: .notTaken), step.moment)))
        }
        show(reason, &step)
    }

    func decision(
        _ candidate: Candidate, _ verdict: Verdict, _ reasons: Reasons, _ temperature: TemperatureFinding,
        _ moment: Moment
    ) -> Decision {
        var decision = Decision(
            presentation: candidate.presentation, verdict: verdict, reasons: reasons, temperature: temperature,
            temperatureOffsetCentidegrees: policy.temperatureOffsetCentidegrees,
            temperatureLimitCentidegrees: policy.temperatureLimit(for: candidate.presentation.credential?.kind),
            credentials: candidate.credentials,
            policyDigest: policy.digest)
        decision.antiPassback = antiPassback(candidate.presentation, moment)
        decision.occupancy = occupancy(candidate.presentation, moment)
        decision.company = candidate.company
        decision.partner = candidate.partner
        return decision
    }

    mutating func show(_ reasons: Reasons, _ step: inout Step) {
        refusal = (
            reasons, step.moment.monotonic.advanced(byMilliseconds: configuration.refusalShownMilliseconds)
        )
        step.buzzerMilliseconds = 400
    }

    func isSameHolder(_ a: Presentation, _ b: Presentation) -> Bool {
        if a.tag == b.tag && a.type == b.type { return true }
        guard let first = a.credential, let second = b.credential else { return false }
        return first.holder == second.holder
    }
}

extension Reasons {
    /// Reasons that are a comparison with the wall clock.
    public static let judgedByClock: Reasons = [
        .testExpired, .testInFuture, .codeTooOld, .codeInFuture, .notYetValid, .noLongerValid, .statementTooOld,
        .imageTooOld, .outsideHours,
    ]
}

/// How old what we know is.
public enum Freshness {
    /// Reasons against admitting on these credentials at `instant`. No statement yet: the image's own issue counts.
    public static func reasons(_ credentials: CredentialsInForce, policy: AdmissionPolicy, at instant: WallTime)
        -> Reasons
    {
        guard policy.whenStale == .refuse, credentials.imageVersion != 0 else { return [] }
        var reasons: Reasons = []
        if statementAge(credentials, at: instant) > policy.statementLimitMilliseconds {
            reasons.insert(.statementTooOld)
        }
        if instant.milliseconds(since: credentials.imageIssuedAt) > policy.imageLimitMilliseconds {
            reasons.insert(.imageTooOld)
        }
        return reasons
    }

    /// Milliseconds until a limit is passed, at least 1; nil: one is.
    static func rest(_ credentials: CredentialsInForce, policy: AdmissionPolicy, at instant: WallTime) -> Int64? {
        let rest = min(
            rest(of: policy.statementLimitMilliseconds, at: statementAge(credentials, at: instant)),
            rest(of: policy.imageLimitMilliseconds, at: instant.milliseconds(since: credentials.imageIssuedAt)))
        return rest < 0 ? nil : max(rest, rest &+ 1)
    }

    /// Of the age that stays: below 0 it is past the limit.
    private static func rest(of limit: Int64, at age: Int64) -> Int64 {
        let (rest, overflow) = limit.subtractingReportingOverflow(age)
        return overflow ? .max : rest
    }

    /// Milliseconds since what is in force was last said to be current.
    public static func statementAge(_ credentials: CredentialsInForce, at instant: WallTime) -> Int64 {
        instant.milliseconds(
            since: max(credentials.statementAsOf ?? credentials.imageIssuedAt, credentials.imageIssuedAt))
    }
}

/// The chips that were read lately, so that a chip held in the field is one presentation. Eight of them: readers repeat
/// what is in the field, and more than two chips at once is already ambiguous.
struct ChipsInField: Sendable {
    struct Chip: Sendable {
        var tag = BadgeTag.none
        var type = IdentifierType.chip
        /// Held to a reader of the other side it is another presentation.
        var direction = PassageDirection.forward
        var lastRead = MonotonicTime(nanoseconds: 0)
        var isKnown = false
    }
    private var chips = InlineArray<8, Chip>(repeating: Chip())

    /// Whether this reading is a new presentation.
    mutating func appear(_ presentation: Presentation, at now: MonotonicTime, goneAfter milliseconds: Int64) -> Bool {
        var oldest = 0
        for index in 0..<8 {
            if isSame(chips[index], presentation) {
                let isNew = now.milliseconds(since: chips[index].lastRead) >= milliseconds
                chips[index].lastRead = now
                return isNew
            }
            if chips[index].lastRead < chips[oldest].lastRead { oldest = index }
        }
        chips[oldest] = Chip(
            tag: presentation.tag, type: presentation.type, direction: presentation.direction, lastRead: now,
            isKnown: true)
        return true
    }

    mutating func forget(_ presentation: Presentation) {
        for index in 0..<8 where isSame(chips[index], presentation) { chips[index] = Chip() }
    }

    private func isSame(_ chip: Chip, _ presentation: Presentation) -> Bool {
        chip.isKnown && chip.tag == presentation.tag && chip.type == presentation.type
            && chip.direction == presentation.direction
    }
}
