import Admission

/// A shell around the machine that believes nothing: it carries the effects out into a journal that may fail and a gate,
/// counts with its own additions, and notes every promise of the design that a step breaks.
final class WatchedLane {
    var machine: LaneMachine
    let kind: LaneKind
    /// The one reader whose badges go out, in a two-way lane.
    let outwardReader: UInt8
    var elapsed: Int64 = 0
    var clock = ClockTrust.trusted
    var wallError: Int64 = 0
    /// One record in so many fails; 0 = none.
    var failsOneIn: UInt64 = 0
    var steps = 0
    private(set) var broken: [String] = []
    private(set) var mostEffects = 0
    private(set) var mostRecords = 0

    private(set) var releaseLine = false
    private(set) var backwardLine = false
    private(set) var lamps = LampState.outOfService
    private(set) var nextSequence: UInt64 = 1
    /// Records that let somebody through and whose end is not on record.
    private(set) var open: Set<UInt64> = []
    private(set) var counted = Counts()
    private var closedHours = Counts()
    /// What the journal's records count since the newest closed hour.
    private var openHour = LaneTotals()
    private var lost = Counts()
    private var policy: AdmissionPolicy
    private(set) var newest: Decision?
    private var hadFault = false
    /// Plausible samples since somebody was last decided.
    private var samplesSinceDecision = 0
    private var random: () -> UInt64
    /// When each holder was last presented and last passed, and the guard last pressed, in `elapsed`.
    private var presentedAt: [HolderNumber: Int64] = [:]
    private var passedAt: [HolderNumber: Int64] = [:]
    private var guardPressedAt: Int64?
    private var heals: UInt32 = 0

    struct Counts: Equatable {
        var admitted = 0, refused = 0, passed = 0, annulled = 0, interrupted = 0, pulses = 0
        mutating func add(_ event: LaneEvent) {
            switch event {
            case .decided(let decision): if decision.verdict == .admitted { admitted += 1 } else { refused += 1 }
            case .releasedByHand: admitted += 1
            case .ended(let outcome):
                switch outcome.end {
                case .passed: passed += 1
                case .annulled: annulled += 1
                case .interrupted: interrupted += 1
                }
            case .pulse(.maintenance, _, _): break
            case .pulse: pulses += 1
            default: break
            }
        }
        init() {}
        init(_ totals: LaneTotals) {
            admitted = Int(totals.admitted)
            refused = Int(totals.refused)
            passed = Int(totals.passed)
            annulled = Int(totals.annulled)
            interrupted = Int(totals.interrupted)
            pulses =
                Int(totals.tailgating) + Int(totals.forced) + Int(totals.wrongWay) + Int(totals.anonymousForward)
                + Int(totals.anonymousBackward)
        }
        static func + (a: Counts, b: Counts) -> Counts {
            var sum = a
            sum.admitted += b.admitted
            sum.refused += b.refused
            sum.passed += b.passed
            sum.annulled += b.annulled
            sum.interrupted += b.interrupted
            sum.pulses += b.pulses
            return sum
        }
        var ended: Int { passed + annulled + interrupted }
    }

    init(_ configuration: LaneConfiguration, policy: AdmissionPolicy, random: @escaping () -> UInt64) {
        kind = configuration.kind
        outwardReader = UInt8(configuration.outwardReaders.trailingZeroBitCount)
        self.random = random
        self.policy = policy
        machine = LaneMachine(
            configuration: configuration, policy: policy, nextSequence: 1, hourTotals: LaneTotals(),
            at: Moment(monotonic: VirtualLane.monotonic(0), wall: noon, clock: .trusted))
        carryOut(machine.start(unfinished: nil, at: moment), fireBegins: false)
        give(.credentials(makeCredentials()))
        for device in [.gate, .thermometer] as [Device] { give(.deviceBack(device)) }
        for index in 0..<configuration.readerCount { give(.deviceBack(.reader(UInt8(index)))) }
    }

    var wall: WallTime { noon.advanced(byMilliseconds: elapsed + wallError) }
    var moment: Moment { Moment(monotonic: VirtualLane.monotonic(elapsed), wall: wall, clock: clock) }

    func give(_ input: LaneInput) {
        if case .temperature(let sample) = input, sample.isPlausible { samplesSinceDecision += 1 }
        if case .presented(let presentation) = input, let holder = presentation.credential?.holder {
            presentedAt[holder] = elapsed
        }
        if case .guardPressed = input { guardPressedAt = elapsed }
        var fireBegins = false
        if case .fire(true) = input { fireBegins = !machine.isInAlarm }
        step(machine.handle(input, at: moment), fireBegins: fireBegins, "\(input)")
        if case .presented(let presentation) = input { checkExitOpens(presentation) }
    }

    /// New rules are in force; a decision must carry their figures.
    func adopt(_ policy: AdmissionPolicy) {
        self.policy = policy
        step(machine.adopt(policy, at: moment), fireBegins: false, "adopt")
    }

    /// The program dies and is started again: the gate drops its release with the process, devices are opened anew, and
    /// what the journal holds is all that is known.
    func crash(readers: Int) {
        let wasInAlarm = machine.isInAlarm
        releaseLine = false
        lamps = .outOfService
        samplesSinceDecision = 0
        passedAt = [:]
        // What only the old machine knew is gone with it.
        _ = machine.takeUnrecorded()
        machine = LaneMachine(
            configuration: machine.configuration, policy: policy, nextSequence: nextSequence,
            hourTotals: openHour, at: moment)
        let unfinished = open.max().map {
            Outcome(
                end: .interrupted, direction: .forward, decisionSequence: $0, decisionEpoch: nil, tag: .none,
                type: .chip,
                holder: .nobody, kind: nil, reader: 0, openMilliseconds: 0)
        }
        step(machine.start(unfinished: unfinished, at: moment), fireBegins: false, "start")
        // The fire thread tells the new machine first, then the devices are found one by one.
        if wasInAlarm { give(.fire(alarm: true)) }
        give(.credentials(makeCredentials(at: wall)))
        for device in [.gate, .thermometer] as [Device] { give(.deviceBack(device)) }
        for index in 0..<readers { give(.deviceBack(.reader(UInt8(index)))) }
    }

    /// Lets time pass, and wakes the machine at each of its deadlines.
    func wait(_ milliseconds: Int64) {
        let end = elapsed + milliseconds
        var wakesAtOnce = 0
        while machine.deadline <= VirtualLane.monotonic(end) {
            let next = max(elapsed, Int64(machine.deadline.nanoseconds / 1_000_000) - 5_000_000)
            wakesAtOnce = next == elapsed ? wakesAtOnce + 1 : 0
            guard wakesAtOnce < 4 else {
                note("its deadline does not move")
                break
            }
            elapsed = next
            step(machine.handle(.timePassed, at: moment), fireBegins: false, "timePassed")
        }
        elapsed = end
    }

    private func step(_ effects: LaneEffects, fireBegins: Bool, _ input: @autoclosure () -> String) {
        steps += 1
        let before = broken.count
        carryOut(effects, fireBegins: fireBegins)
        check()
        if broken.count > before { broken[broken.count - 1] += " — step \(steps), \(input())" }
    }

    private func carryOut(_ effects: LaneEffects, fireBegins: Bool) {
        mostEffects = max(mostEffects, effects.count)
        var records = 0
        for index in 0..<effects.count {
            switch effects[index] {
            case .record(let event, let sequence):
                records += 1
                mostRecords = max(mostRecords, records)
                if fireBegins && !releaseLine { note("a record before the gate in a fire") }
                if failsOneIn > 0, random() % failsOneIn == 0 {
                    hadFault = true
                    let outputs = machine.recordFailed(event, nextSequence: nextSequence, at: moment)
                    lost = lost + Counts(machine.takeUnrecorded().totals)
                    for index in 0..<outputs.count {
                        if case .record = outputs[index] { note("a record after a failure") }
                    }
                    carryOut(outputs, fireBegins: false)
                    return
                }
                if sequence != nextSequence { note("record \(sequence) where \(nextSequence) is next") }
                write(event, sequence)
                nextSequence = sequence + 1
            case .release(let on):
                if on { checkRelease() }
                releaseLine = on
            case .releaseBackward(let on):
                if kind != .twoWay { note("the line of another kind of lane") }
                backwardLine = on
            case .lamps(let state): lamps = state
            case .buzzer, .message: break
            }
        }
    }

    private func write(_ event: LaneEvent, _ sequence: UInt64) {
        counted.add(event)
        openHour.count(event)
        switch event {
        case .decided(let decision):
            newest = decision
            checkDecision(decision)
            if decision.verdict == .admitted { begins(sequence, decision.presentation.direction) }
        case .releasedByHand:
            if machine.isInAlarm { note("released by hand in a fire") }
            begins(sequence, .forward)
        case .ended(let outcome):
            if open.remove(outcome.decisionSequence) == nil {
                note("the end of \(outcome.decisionSequence), which is not open")
            }
            // One that the journal took late was earlier than this.
            if outcome.end == .passed && !hadFault {
                passedAt[outcome.holder] = outcome.direction == .forward ? elapsed : nil
            }
        case .hour(_, let totals):
            closedHours = closedHours + Counts(totals)
            openHour = LaneTotals()
        default: break
        }
    }

    private func begins(_ sequence: UInt64, _ direction: PassageDirection) {
        if !open.isEmpty { note("a second release while one is out") }
        if kind != .exit && direction == .forward && releaseLine && machine.mode.mode != .heldOpen {
            note("the line did not fall between two releases")
        }
        open.insert(sequence)
    }

    // MARK: The promises

    /// In an emergency, where somebody holds it open, and where a technician moves it.
    private var isOpenForAll: Bool { [.emergency, .heldOpen, .maintenance].contains(machine.mode.mode) }

    private func checkRelease() {
        guard kind != .exit, !isOpenForAll else { return }
        if open.isEmpty { note("the gate opens and no admission is on record") }
    }

    private func checkDecision(_ decision: Decision) {
        defer { if decision.temperature.outcome != .notTaken { samplesSinceDecision = 0 } }
        if (decision.verdict == .admitted) != decision.reasons.isEmpty { note("verdict and reasons differ") }
        if kind == .exit || decision.presentation.direction == .backward {
            if decision.verdict == .refused { note("an exit refused") }
            return
        }
        if decision.policyDigest != policy.digest { note("decided by a policy that is not in force") }
        guard decision.verdict == .admitted else { return }
        guard let credential = decision.presentation.credential else { return note("admitted: nobody knows whom") }
        // The makers give even numbers to people who may pass.
        if credential.holder.number % 2 != 0 { note("admitted \(credential), who may not") }
        checkCompany(decision, credential)
        if clock != .trusted { note("admitted by a clock that is not trusted") }
        switch decision.temperature.outcome {
        case .measured:
            if decision.temperature.sampleCount < 3 { note("admitted on fewer than three samples") }
            if Int(decision.temperature.sampleCount) > samplesSinceDecision {
                note("admitted on samples that served before")
            }
            let shown = decision.temperature.medianCentidegrees + policy.temperatureOffsetCentidegrees
            if shown >= policy.temperatureLimitCentidegrees { note("admitted with a fever") }
        case .admittedWithout:
            if machine.policy.withoutThermometer != .admitMarked { note("admitted without a thermometer") }
        case .notRequired: if machine.policy.measuredKinds.contains(credential.kind) { note("not measured") }
        case .missing, .ambiguous, .thermometerLost, .notTaken: note("admitted on \(decision.temperature.outcome)")
        }
    }

    private func checkCompany(_ decision: Decision, _ credential: Credential) {
        let rule = machine.policy.rule(for: credential.kind)
        if let escort = rule.escort {
            let at = presentedAt[decision.partner] ?? -1_000_000
            if decision.partner == credential.holder || !decision.company.contains(.escort) { note("no escort") }
            // A badge that waited is judged some seconds after it was presented.
            if elapsed - at > 2 * escort.windowMilliseconds + 10_000 { note("an escort long gone") }
        }
        if let identity = rule.identity {
            let proofs = decision.company.intersection(identity.accepts)
            if proofs.isEmpty { note("admitted without the proof of identity") }
            if proofs.contains(.guardsButton) && elapsed - (guardPressedAt ?? -1_000_000) > identity.windowMilliseconds
            {
                note("no guard has pressed")
            }
        }
        let antiPassback = machine.policy.antiPassback(for: credential.kind)
        if antiPassback.action == .refuse, let passed = passedAt[credential.holder],
            elapsed - passed < antiPassback.forgetMilliseconds
        {
            note("\(credential.holder) passed \(elapsed - passed) ms ago")
        }
    }

    private func checkExitOpens(_ presentation: Presentation) {
        switch kind {
        case .entry: return
        case .exit: guard [.normal, .freeExit, .locked, .heldOpen].contains(machine.mode.mode) else { return }
        case .twoWay:
            guard presentation.reader == outwardReader, !machine.isLost(.gate), machine.mode.mode != .maintenance else {
                return
            }
        }
        // Either the gate is open for somebody, or the line falls for a moment and somebody waits.
        if kind == .twoWay && machine.isMeasuring { return }
        if !releaseLine && !backwardLine && !machine.hasRelease
            && machine.deadline > VirtualLane.monotonic(elapsed + 100)
            && isNewPresentation
        {
            note("an exit does not open")
        }
    }
    /// The driver says when it gives a badge that was away for long.
    var isNewPresentation = false

    private func check() {
        if machine.isInAlarm {
            if !releaseLine { note("closed in a fire") }
            if lamps != .emergency { note("lamps \(lamps) in a fire") }
        } else if machine.mode.mode == .heldOpen {
            if !releaseLine { note("closed and held open") }
        } else if kind != .exit && !isOpenForAll {
            if releaseLine && !machine.hasRelease { note("open for nobody") }
            if releaseLine && open.count != 1 { note("open with \(open.count) admissions on record") }
        }
        if kind == .twoWay && machine.isInAlarm && !backwardLine { note("closed to whoever leaves in a fire") }
        if releaseLine && backwardLine && !isOpenForAll && !machine.isLost(.reader(outwardReader)) {
            note("open both ways")
        }
        if open.count > 1 { note("\(open.count) releases are out") }
        if !hadFault && open.count != (machine.hasRelease ? 1 : 0) {
            note("\(open.count) open on record, and the machine \(machine.hasRelease ? "has" : "has no") release")
        }
        if counted.admitted != counted.ended + open.count { note("admitted is not ended plus open: \(counted)") }
        if closedHours + Counts(machine.hourTotals) != counted { note("the hours do not add up to the records") }
        if lost.admitted != lost.ended { note("a decision is lost without its end: \(lost)") }
        if machine.mode.mode == .outOfService && lamps == .ready { note("ready and out of service") }
    }

    func note(_ what: String) { if broken.count < 20 { broken.append(what) } }

    // MARK: A way out

    /// Everything around the lane is well again.
    func repair(readers: Int) {
        failsOneIn = 0
        clock = .trusted
        wallError = 0
        give(.credentials(makeCredentials(at: wall)))
        give(.clock(.trusted, stepMilliseconds: 0))
        give(.fire(alarm: false))
        give(.technician(TechnicianAct(.ordered(.normal, minutes: 0), user: 0)))
        for device in [.gate, .thermometer] as [Device] { give(.deviceBack(device)) }
        for index in 0..<readers { give(.deviceBack(.reader(UInt8(index)))) }
        for direction in [PassageDirection.forward, .backward] { give(.contact(direction, closed: false)) }
        give(.journal(.roomy))
    }

    /// Repairs everything and looks whether somebody who may pass gets through.
    func heal(readers: Int) {
        repair(readers: readers)
        wait(40_000)
        hadFault = false
        check()
        if machine.mode.mode != .normal { note("no way out of \(machine.mode)") }
        if lamps != .ready || releaseLine || machine.hasRelease || !open.isEmpty { note("not ready when all is well") }
        let passed = counted.passed
        isNewPresentation = true
        heals += 2
        give(
            .presented(
                makePresentation(
                    2_000_000 + heals, credential: makeCredential(holder: 2_000_000 + heals, at: wall))))
        isNewPresentation = false
        for _ in 0..<3 {
            wait(100)
            give(.temperature(makeSample()))
        }
        if !releaseLine && machine.policy.withoutThermometer == .admitMarked
            || !releaseLine && machine.configuration.hasThermometer
        {
            note("who may pass is not let in: \(String(describing: newest?.reasons.rawValue))")
        }
        give(.contact(.forward, closed: true))
        give(.contact(.forward, closed: false))
        if machine.configuration.hasThermometer && counted.passed != passed + 1 { note("nor counted") }
    }
}
