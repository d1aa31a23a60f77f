// A badge's way: presented, measured, decided.

extension LaneMachine {
    mutating func presented(_ presentation: Presentation, _ step: inout Step) {
        let now = step.moment.monotonic
        guard chips.appear(presentation, at: now, goneAfter: configuration.chipGoneMilliseconds) else { return }
        switch mode.mode {
        case .emergency:
            step.record(.seenInEmergency(presentation))
            return
        case .outOfService:
            refuseUnmeasured(presentation, .outOfService, &step)
            return
        case .normal, .freeExit: break
        }
        switch state {
        case .waiting:
            if now < gapUntil && nextPresentation == nil {
                nextPresentation = presentation
            } else {
                begin(presentation, &step)
            }
        case .measuring(let measuring):
            if isSameHolder(measuring.presentation, presentation) { return }
            // Two people in one window: nobody knows whose temperature it is.
            state = .waiting
            decide(measuring.presentation, TemperatureFinding(outcome: .notTaken), adding: .twoHolders, &step)
            decide(presentation, TemperatureFinding(outcome: .notTaken), adding: .twoHolders, &step)
        case .released(let release):
            if isSameHolder(release.presentation, presentation) { return }
            if configuration.secondBadge == .wait && nextPresentation == nil {
                nextPresentation = presentation
            } else if configuration.kind == .exit {
                // Never refused: a chip that is still in the field when the way is free is read again.
                chips.forget(presentation)
            } else {
                refuseUnmeasured(presentation, .laneBusy, &step)
            }
        }
    }

    /// Judges a badge, or begins to measure for it.
    mutating func begin(_ presentation: Presentation, _ step: inout Step) {
        refusal = nil
        guard configuration.kind == .entry else {
            decide(presentation, TemperatureFinding(outcome: .notTaken), adding: [], &step)
            return
        }
        guard let credential = presentation.credential else {
            decide(presentation, TemperatureFinding(outcome: .notTaken), adding: [], &step)
            return
        }
        guard configuration.hasThermometer, policy.measuredKinds.contains(credential.kind) else {
            decide(presentation, TemperatureFinding(outcome: .notRequired), adding: [], &step)
            return
        }
        guard !thermometerLost else {
            decideWithoutThermometer(presentation, &step)
            return
        }
        let now = step.moment.monotonic
        let samplesSince = temperatures.start(
            of: now, atMost: policy.pairingWindowMilliseconds, afterDecision: temperaturesUsedUntil)
        settle(
            Measuring(
                presentation: presentation, samplesSince: samplesSince,
                deadline: now.advanced(byMilliseconds: policy.pairingWindowMilliseconds), isSecond: false), &step)
    }

    mutating func decideWithoutThermometer(_ presentation: Presentation, _ step: inout Step) {
        if policy.withoutThermometer == .admitMarked {
            decide(presentation, TemperatureFinding(outcome: .admittedWithout), adding: [], &step)
        } else {
            decide(presentation, TemperatureFinding(outcome: .thermometerLost), adding: .thermometerLost, &step)
        }
    }

    mutating func measured(_ sample: TemperatureSample, _ step: inout Step) {
        guard sample.isPlausible else {
            temperatures.clear(at: step.moment.monotonic)
            return
        }
        temperatures.append(sample, at: step.moment.monotonic)
        if case .measuring(let measuring) = state { settle(measuring, &step) }
    }

    /// Decides when the samples suffice, measures once more before a refusal, or goes on measuring.
    mutating func settle(_ measuring: Measuring, _ step: inout Step) {
        let now = step.moment.monotonic
        let finding = temperatures.finding(since: measuring.samplesSince)
        let isOver = now >= measuring.deadline
        let problem: Reasons
        switch finding.outcome {
        case .missing:
            guard isOver else {
                state = .measuring(measuring)
                return
            }
            problem = .temperatureMissing
        case .ambiguous: problem = .temperatureAmbiguous
        default:
            let shown = finding.medianCentidegrees + policy.temperatureOffsetCentidegrees
            problem = shown >= policy.temperatureLimitCentidegrees ? .temperatureHigh : []
        }
        let mayMeasureAgain = !problem.isEmpty && finding.outcome != .missing && !measuring.isSecond
        if mayMeasureAgain && keyReasons(measuring.presentation, step.moment).isEmpty {
            var second = measuring
            second.isSecond = true
            second.samplesSince = now.advanced(byMilliseconds: 1)
            second.deadline = now.advanced(byMilliseconds: policy.pairingWindowMilliseconds)
            state = .measuring(second)
            return
        }
        state = .waiting
        decide(measuring.presentation, finding, adding: problem, &step)
    }

    /// Everything but the temperature that stands against this presentation at an entrance.
    func keyReasons(_ presentation: Presentation, _ moment: Moment) -> Reasons {
        Self.keyReasons(
            presentation.lookup, policy: policy, credentials: credentials,
            leadsOutside: configuration.to == .outside, wall: moment.wall, clock: moment.clock)
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
        _ presentation: Presentation, _ temperature: TemperatureFinding, adding extra: Reasons, _ step: inout Step
    ) {
        let isExit = configuration.kind == .exit
        var reasons = keyReasons(presentation, step.moment).union(extra)
        // An exit lets people out, always; what would have stood against them is not asked.
        if isExit { reasons = [] }
        temperaturesUsedUntil = max(temperaturesUsedUntil, step.moment.monotonic)
        let verdict: Verdict = reasons.isEmpty ? .admitted : .refused
        let sequence = nextSequence + UInt64(step.recordCount)
        step.record(.decided(decision(presentation, verdict, reasons, temperature)))
        guard verdict == .admitted else {
            show(reasons, &step)
            return
        }
        let now = step.moment.monotonic
        state = .released(
            Release(
                presentation: presentation, decisionSequence: sequence, since: now,
                deadline: now.advanced(byMilliseconds: configuration.passageTimeoutMilliseconds),
                pulseEnds: now.advanced(byMilliseconds: configuration.pulseMilliseconds)))
        step.recordsFirst = !isExit
    }

    /// A refusal for a reason of the lane's own, which does not wait for a temperature.
    mutating func refuseUnmeasured(_ presentation: Presentation, _ reason: Reasons, _ step: inout Step) {
        if configuration.kind == .entry && journal < .reserveOnly && !journalFault {
            let reasons = keyReasons(presentation, step.moment).union(reason)
            step.record(
                .decided(decision(presentation, .refused, reasons, TemperatureFinding(outcome: .notTaken))))
        }
        show(reason, &step)
    }

    private func decision(
        _ presentation: Presentation, _ verdict: Verdict, _ reasons: Reasons, _ temperature: TemperatureFinding
    ) -> Decision {
        Decision(
            presentation: presentation, verdict: verdict, reasons: reasons, temperature: temperature,
            temperatureOffsetCentidegrees: policy.temperatureOffsetCentidegrees,
            temperatureLimitCentidegrees: policy.temperatureLimitCentidegrees, credentials: credentials,
            policyDigest: policy.digest)
    }

    private mutating func show(_ reasons: Reasons, _ step: inout Step) {
        refusal = (
            reasons, step.moment.monotonic.advanced(byMilliseconds: configuration.refusalShownMilliseconds)
        )
        step.buzzerMilliseconds = 400
    }

    private func isSameHolder(_ a: Presentation, _ b: Presentation) -> Bool {
        if a.tag == b.tag && a.type == b.type { return true }
        guard let first = a.credential, let second = b.credential else { return false }
        return first.holder == second.holder
    }
}

extension Reasons {
    /// Reasons that are a comparison with the wall clock.
    public static let judgedByClock: Reasons = [
        .testExpired, .testInFuture, .codeTooOld, .codeInFuture, .notYetValid, .noLongerValid, .statementTooOld,
        .imageTooOld,
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
        chips[oldest] = Chip(tag: presentation.tag, type: presentation.type, lastRead: now, isKnown: true)
        return true
    }

    mutating func forget(_ presentation: Presentation) {
        for index in 0..<8 where isSame(chips[index], presentation) { chips[index] = Chip() }
    }

    private func isSame(_ chip: Chip, _ presentation: Presentation) -> Bool {
        chip.isKnown && chip.tag == presentation.tag && chip.type == presentation.type
    }
}
