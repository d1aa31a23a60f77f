// A lane for vehicles whose policy asks for the driver: the vehicle's pass and the driver's badge, in any order within the
// window of the rule, are one presentation of two halves. Each is judged by its own kind's rules; one release serves both.
//
//   on record    both halves, each with its own reasons and the other's holder; a release that both may use has two
//                decisions and two ends, so that the vehicle is tallied as a vehicle and who drives it as a person
//   ambiguous    two passes, or two drivers, within the window: nobody knows who drives what, and nobody is admitted
//   at an exit   whichever half is read first opens; the other, read before the vehicle has left, leaves with it

extension LaneMachine {
    /// The two halves, so far as they came. Whichever came first began the window.
    struct Pairing: Sendable {
        var pass: Candidate?
        var driver: Candidate?
        /// While the driver's temperature is not settled.
        var measuring: Measuring?
        /// nil: not settled, or there is no driver yet.
        var temperature: TemperatureFinding?
        /// Until when the other half may come.
        var deadline: MonotonicTime

        /// One half alone does not wait for its temperature longer than for the other half.
        var wakesAt: MonotonicTime {
            guard let measuring else { return deadline }
            return pass == nil ? min(deadline, measuring.deadline) : measuring.deadline
        }

        /// What the display asks for, when nothing is measured.
        var missing: Company {
            if driver == nil { return .driver }
            return pass == nil ? .vehicle : []
        }
    }

    /// The other half of a release, at an entrance decided with it, at an exit while it was out.
    struct Beside: Sendable {
        var decision: Decision
        /// Of its record.
        var sequence: UInt64
        /// At an exit whose journal failed: written when the release ends.
        var isOwed = false
    }

    private var driverRule: DriverRule? {
        configuration.traffic == .vehicles ? policy.rule(for: .vehicle).driver : nil
    }

    /// Whether this badge is half of a pair here. Without an image nobody is, and nobody is let in either.
    func isHalf(_ presentation: Presentation) -> Bool {
        driverRule != nil && !leaves(presentation.direction) && presentation.lookup != .noImage
    }

    /// A badge that is not known is what its reader reads: a tag at a distance is a vehicle's.
    private func isPass(_ presentation: Presentation) -> Bool {
        presentation.credential.map { $0.kind == .vehicle } ?? (presentation.type == .epc)
    }

    // MARK: The halves come

    mutating func beginPair(_ candidate: Candidate, _ step: inout Step) {
        let window = driverRule?.windowMilliseconds ?? 0
        let pairing = Pairing(deadline: candidate.presentedAt.advanced(byMilliseconds: window))
        take(candidate, into: pairing, &step)
    }

    /// Another badge while the lane pairs.
    mutating func presented(_ candidate: Candidate, during pairing: Pairing, _ step: inout Step) {
        let now = step.moment.monotonic
        var pairing = pairing
        let presentation = candidate.presentation
        if leaves(presentation.direction) {
            // As everywhere: who is before the thermometer is measured, and nobody who leaves waits for a half.
            guard pairing.measuring == nil else { return wait(candidate, &step) }
            state = .waiting
            decide(pairing, &step)
            return begin(candidate, &step)
        }
        if let pass = pairing.pass, isSameHolder(pass.presentation, presentation) { return }
        if let driver = pairing.driver, isSameHolder(driver.presentation, presentation) {
            guard driver.presentation.type != presentation.type,
                var confirmed = pairing.driver, confirm(&confirmed, by: .secondIdentifier)
            else { return }
            pairing.driver = confirmed
            return settle(pairing, &step)
        }
        let isAnother = isPass(presentation) ? pairing.pass != nil : pairing.driver != nil
        guard isAnother else {
            guard now < pairing.deadline else { return wait(candidate, &step) }
            var candidate = candidate
            candidate.presentedAt = now
            return take(candidate, into: pairing, &step)
        }
        // Nobody knows who drives what.
        state = .waiting
        refuseAmbiguous(pairing, candidate, &step)
    }

    private mutating func take(_ candidate: Candidate, into pairing: Pairing, _ step: inout Step) {
        var pairing = pairing
        if isPass(candidate.presentation) {
            pairing.pass = candidate
        } else {
            pairing.driver = candidate
            beginMeasuring(candidate, &pairing, step.moment.monotonic)
        }
        settle(pairing, &step)
    }

    /// The driver's temperature, as the rules of his kind want it; a vehicle has none.
    private mutating func beginMeasuring(_ driver: Candidate, _ pairing: inout Pairing, _ now: MonotonicTime) {
        pairing.measuring = nil
        guard let credential = driver.presentation.credential else {
            pairing.temperature = TemperatureFinding(outcome: .notTaken)
            return
        }
        guard policy.measuredKinds.contains(credential.kind) else {
            pairing.temperature = TemperatureFinding(outcome: .notRequired)
            return
        }
        guard !hasNoThermometer else {
            pairing.temperature = findingWithoutThermometer
            return
        }
        let since = temperatures.start(
            of: now, atMost: policy.pairingWindowMilliseconds, afterDecision: temperaturesUsedUntil)
        // Samples that came at this very instant, but before the badge, are no newer than it.
        if since == now { temperatures.removeAll() }
        pairing.temperature = nil
        pairing.measuring = Measuring(
            candidate: driver, samplesSince: since,
            deadline: now.advanced(byMilliseconds: policy.pairingWindowMilliseconds))
    }

    private var findingWithoutThermometer: TemperatureFinding {
        TemperatureFinding(outcome: policy.withoutThermometer == .admitMarked ? .admittedWithout : .thermometerLost)
    }

    // MARK: Settled

    /// Decides when both halves are there and measured, or the time for what is missing is over.
    mutating func settle(_ pairing: Pairing, _ step: inout Step, hasWalked: Bool = false) {
        var pairing = pairing
        let now = step.moment.monotonic
        if pairing.measuring != nil { measure(&pairing, step.moment, hasWalked: hasWalked) }
        let isOver = hasWalked || now >= pairing.deadline
        if let pass = pairing.pass, let driver = pairing.driver {
            // Whoever is refused anyway does not wait for the proof of who he is.
            let lacksProof = !missingCompany(driver).isEmpty
            let isRefused =
                !reasons(pass: pass, pairing, step.moment).isEmpty
                || !reasons(driver: driver, pairing, step.moment).subtracting(missingCompany(driver)).isEmpty
            guard pairing.measuring == nil, !lacksProof || isRefused || isOver else {
                state = .pairing(pairing)
                return
            }
        } else if !isOver {
            state = .pairing(pairing)
            return
        }
        state = .waiting
        decide(pairing, &step)
    }

    /// As for whoever comes on foot: three samples, one re-measurement before a refusal for the temperature alone.
    private mutating func measure(_ pairing: inout Pairing, _ moment: Moment, hasWalked: Bool) {
        guard var measuring = pairing.measuring else { return }
        let now = moment.monotonic
        var finding = temperatures.finding(since: measuring.samplesSince)
        if finding.outcome == .missing {
            guard hasWalked || now >= measuring.deadline else { return }
            finding = measuring.first ?? finding
        } else if measuring.first == nil, !hasWalked, let driver = pairing.driver,
            !problem(finding, driver.presentation.credential?.kind).isEmpty, keyReasons(driver, moment).isEmpty
        {
            temperatures.removeAll()
            measuring.first = finding
            measuring.samplesSince = now
            measuring.deadline = now.advanced(byMilliseconds: policy.pairingWindowMilliseconds)
            pairing.measuring = measuring
            return
        }
        pairing.measuring = nil
        pairing.temperature = finding
    }

    private func reasons(pass: Candidate, _ pairing: Pairing, _ moment: Moment) -> Reasons {
        let reasons = keyReasons(pass, moment)
        return pairing.driver == nil ? reasons.union(.driverMissing) : reasons
    }

    private func reasons(driver: Candidate, _ pairing: Pairing, _ moment: Moment) -> Reasons {
        var reasons = keyReasons(driver, moment).union(missingCompany(driver))
        if let finding = pairing.temperature {
            reasons.formUnion(problem(finding, driver.presentation.credential?.kind))
        }
        return pairing.pass == nil ? reasons.union(.passMissing) : reasons
    }

    /// Writes both halves and, when nothing stands against either, releases once.
    private mutating func decide(_ pairing: Pairing, _ step: inout Step) {
        let moment = step.moment
        forgetTemperatures(moment.monotonic)
        payOwedEnd(&step)
        var ofPass = pairing.pass.map { reasons(pass: $0, pairing, moment) }
        var ofDriver = pairing.driver.map { reasons(driver: $0, pairing, moment) }
        let all = (ofPass ?? []).union(ofDriver ?? [])
        // One half alone is let nowhere: what keeps the other out keeps it out.
        if !all.isEmpty, ofPass?.isEmpty == true { ofPass = .otherHalfRefused }
        if !all.isEmpty, ofDriver?.isEmpty == true { ofDriver = .otherHalfRefused }
        let verdict: Verdict = all.isEmpty ? .admitted : .refused
        let passDecision = pairing.pass.map {
            decision(
                Self.with(.driver, pairing.driver, $0), verdict, ofPass ?? [],
                TemperatureFinding(outcome: .notRequired), moment)
        }
        let driverDecision = pairing.driver.map {
            decision(
                Self.with(.vehicle, pairing.pass, $0), verdict, ofDriver ?? [],
                pairing.temperature ?? TemperatureFinding(outcome: .notTaken), moment)
        }
        if verdict == .admitted, let passDecision, let driverDecision {
            release(passDecision, beside: driverDecision, &step)
            return
        }
        if let passDecision { step.record(.decided(passDecision)) }
        if let driverDecision { step.record(.decided(driverDecision)) }
        show(all, &step)
    }

    private mutating func refuseAmbiguous(_ pairing: Pairing, _ other: Candidate, _ step: inout Step) {
        let moment = step.moment
        forgetTemperatures(moment.monotonic)
        payOwedEnd(&step)
        var all: Reasons = []
        func refuse(_ candidate: Candidate?) {
            guard let candidate else { return }
            let reasons = keyReasons(candidate, moment).union(.twoHolders)
            all.formUnion(reasons)
            step.record(
                .decided(
                    decision(
                        candidate, .refused, reasons, TemperatureFinding(outcome: .notTaken), moment)))
        }
        refuse(pairing.pass)
        refuse(pairing.driver)
        refuse(other)
        show(all, &step)
    }

    /// With the other half beside it, where one came.
    private static func with(_ what: Company, _ other: Candidate?, _ candidate: Candidate) -> Candidate {
        guard let other else { return candidate }
        var candidate = candidate
        candidate.company.insert(what)
        candidate.partner = other.presentation.credential?.holder ?? .nobody
        return candidate
    }

    // MARK: Meanwhile

    /// Other rules or credentials are in force: who came is looked at anew, in the order in which he came.
    mutating func judgeAgain(_ pairing: Pairing, _ step: inout Step) {
        var pairing = pairing
        let isStillPass = pairing.pass.map { isHalf($0.presentation) && isPass($0.presentation) } ?? true
        let isStillDriver = pairing.driver.map { isHalf($0.presentation) && !isPass($0.presentation) } ?? true
        guard isStillPass && isStillDriver else { return beginAnew(pairing, &step) }
        let begun = min(pairing.pass?.presentedAt ?? .never, pairing.driver?.presentedAt ?? .never)
        pairing.deadline = begun.advanced(byMilliseconds: driverRule?.windowMilliseconds ?? 0)
        if let driver = pairing.driver {
            let outcome = pairing.temperature?.outcome
            let wasMeasured = pairing.measuring != nil || (outcome != .notRequired && outcome != .notTaken)
            if isMeasured(driver) != wasMeasured {
                beginMeasuring(driver, &pairing, step.moment.monotonic)
            } else if var measuring = pairing.measuring {
                measuring.candidate = driver
                pairing.measuring = measuring
            }
        }
        settle(pairing, &step)
    }

    /// They are no halves any more, or not of the sort that they were.
    private mutating func beginAnew(_ pairing: Pairing, _ step: inout Step) {
        state = .waiting
        guard let pass = pairing.pass, let driver = pairing.driver else {
            if let only = pairing.pass ?? pairing.driver { begin(only, &step) }
            return
        }
        let isPassFirst = pass.presentedAt <= driver.presentedAt
        begin(isPassFirst ? pass : driver, &step)
        presentedBehind(isPassFirst ? driver : pass, &step)
    }

    /// A badge that was read already comes behind whoever is judged now.
    private mutating func presentedBehind(_ candidate: Candidate, _ step: inout Step) {
        if case .pairing(let pairing) = state { return presented(candidate, during: pairing, &step) }
        wait(candidate, &step)
    }

    /// The thermometer is lost while the driver is measured.
    mutating func goOnWithoutThermometer(_ pairing: Pairing, _ step: inout Step) {
        var pairing = pairing
        pairing.measuring = nil
        pairing.temperature = findingWithoutThermometer
        settle(pairing, &step)
    }

    // MARK: Exits

    /// At an exit the first half has opened already. The other, read while that release is out, goes with it; false
    /// where it is no other half.
    mutating func join(_ presentation: Presentation, _ release: Release, _ step: inout Step) -> Bool {
        guard driverRule != nil, leaves(release.direction), presentation.direction == release.direction,
            release.beside == nil, let first = release.decision?.presentation.credential,
            let second = presentation.credential, (first.kind == .vehicle) != (second.kind == .vehicle)
        else { return false }
        var candidate = Candidate(presentation: presentation, credentials: credentials)
        candidate.company = second.kind == .vehicle ? .driver : .vehicle
        candidate.partner = first.holder
        let decision = decision(
            candidate, .admitted, [], TemperatureFinding(outcome: .notTaken), step.moment)
        var release = release
        if release.isDecisionOwed {
            // After that one, so that the journal has them in their order.
            release.beside = Beside(decision: decision, sequence: 0, isOwed: true)
        } else {
            payOwedEnd(&step)
            release.beside = Beside(decision: decision, sequence: nextSequence + UInt64(step.recordCount))
            step.record(.decided(decision))
        }
        state = .released(release)
        return true
    }
}
