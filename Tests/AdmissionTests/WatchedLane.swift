import Admission

/// A shell around the machine that believes nothing: it carries the effects out into a journal that may fail and a gate,
/// counts with its own additions, and notes every promise of the design that a step breaks.
final class WatchedLane {
    /// At an address of its own: a field of a value inside a class is read from a copy of the whole.
    let machine: UnsafeMutablePointer<LaneMachine>
    let kind: LaneKind
    /// The one reader whose badges go out, in a two-way lane.
    let outwardReader: UInt8
    /// What is true: milliseconds since this lane's life began.
    var elapsed: Int64 = 0
    /// What the lane's own clock says too much.
    private(set) var wallError: Int64 = 0
    private var keeper: ClockKeeper
    /// The uplink brings a signed statement every 30 s.
    var hasUplink = true
    /// The kernel's clock is synchronised, and then right.
    private(set) var isSynchronised = false
    private var looksAt: Int64 = 0
    private var statementAt: Int64 = 0
    private var signedAt: Int64?
    /// What is in force, and what it says of every badge that was seen here.
    private(set) var credentials = makeCredentials()
    private var world: [BadgeTag: BadgeLookup] = [:]
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
    /// The newest of them, and whether it goes only with another: a vehicle's pass with its driver's badge.
    private var newestOpen: Decision?
    private var needsOther = false
    private(set) var counted = Counts()
    private var closedHours = Counts()
    /// What the journal's records count since the newest closed hour.
    private var openHour = LaneTotals()
    private var lost = Counts()
    private(set) var policy: AdmissionPolicy
    /// What the lane is told, for the mode that it must be in.
    private var told: Told
    private(set) var happened = Happened()
    private(set) var newest: Decision?
    private var hadFault = false
    /// Plausible samples since somebody was last decided.
    private var samplesSinceDecision = 0
    private var random: () -> UInt64
    /// When each holder was last presented and last passed, and the guard last pressed, in `elapsed`.
    private var presentedAt: [HolderNumber: Int64] = [:]
    private var passedAt: [HolderNumber: Int64] = [:]
    /// The newest passages as the journal has them, for a restart.
    private var passages: [(holder: HolderNumber, wall: WallTime, elapsed: Int64, isForward: Bool)] = []
    private var lookedAhead = 0
    private var closed: Set<PassageDirection> = []
    private var guardPressedAt: Int64?
    private var heals: UInt32 = 0

    init(_ configuration: LaneConfiguration, policy: AdmissionPolicy, random: @escaping () -> UInt64) {
        kind = configuration.kind
        outwardReader = UInt8(configuration.outwardReaders.trailingZeroBitCount)
        self.random = random
        self.policy = policy
        keeper = ClockKeeper(floor: noon, wall: noon)
        told = Told(configuration)
        machine = .allocate(capacity: 1)
        machine.initialize(
            to: LaneMachine(
                configuration: configuration, policy: policy, nextSequence: 1, hourTotals: LaneTotals(),
                at: Moment(monotonic: VirtualLane.monotonic(0), wall: noon, clock: .trusted)))
        step(machine.pointee.start(unfinished: nil, at: moment), fireBegins: false, "start")
        putInForce()
        for device in devices { give(.deviceBack(device)) }
    }

    /// For whoever looks into what broke.
    var sort: String {
        let configuration = machine.pointee.configuration
        return """
            \(kind), \(configuration.passageSensor), \(configuration.traffic), \(configuration.readerCount) readers, \
            thermometer \(configuration.hasThermometer), \(configuration.releaseMode), \(configuration.schedule.count) in the schedule
            """
    }

    deinit {
        machine.deinitialize(count: 1)
        machine.deallocate()
    }

    private var devices: [Device] {
        [.gate, .thermometer] + (0..<machine.pointee.configuration.readerCount).map { .reader(UInt8($0)) }
    }

    var trueWall: WallTime { noon.advanced(byMilliseconds: elapsed) }
    var wall: WallTime { noon.advanced(byMilliseconds: elapsed + wallError) }
    var clock: ClockTrust { keeper.trust }
    var moment: Moment { Moment(monotonic: VirtualLane.monotonic(elapsed), wall: wall, clock: clock) }

    func give(_ input: LaneInput) {
        var input = input
        var fireBegins = false
        switch input {
        case .temperature(let sample): if sample.isPlausible { samplesSinceDecision += 1 }
        case .presented(var presentation):
            if world[presentation.tag] == nil { world[presentation.tag] = presentation.lookup }
            presentation.lookup = says(presentation.tag)
            input = .presented(presentation)
            // Also while no image says whose it is: one that waits may be looked up in a later one.
            if case .found(let credential) = world[presentation.tag] { presentedAt[credential.holder] = elapsed }
        case .guardPressed: guardPressedAt = elapsed
        case .fire(let alarm):
            fireBegins = alarm && !told.fire
            told.fire = alarm
        case .deviceLost(let device): told.lost(device, true, machine.pointee.configuration)
        case .deviceBack(let device): told.lost(device, false, machine.pointee.configuration)
        case .journal(let room): told.journal = room
        case .technician(let act): told.heard(act, at: elapsed)
        case .stopping: told.isStopping = true
        case .contact(let direction, let isClosed):
            if isClosed { closed.insert(direction) } else { closed.remove(direction) }
        case .tamper, .clock, .timePassed, .forgetPassages: break
        }
        step(machine.pointee.handle(input, at: moment), fireBegins: fireBegins, "\(input)")
        if case .presented(let presentation) = input { checkExitOpens(presentation) }
    }

    /// New rules are in force; a decision must carry their figures.
    func adopt(_ policy: AdmissionPolicy) {
        self.policy = policy
        step(machine.pointee.adopt(policy, at: moment), fireBegins: false, "adopt a policy")
    }

    /// What the lane's badges are looked up in is another table: an image, or one change behind the last.
    func adopt(version: UInt64, change: UInt64, zoneBit: UInt64 = 1) {
        credentials.imageVersion = version
        credentials.changeNumber = change
        if change == 0 { credentials.imageIssuedAt = trueWall }
        credentials.destinationZoneBit = zoneBit
        putInForce()
    }

    /// The health authority says something else of a holder from the next image or change on.
    func says(of holder: HolderNumber, _ change: (inout Credential) -> Void) {
        for (tag, lookup) in world {
            guard case .found(var credential) = lookup, credential.holder == holder else { continue }
            change(&credential)
            world[tag] = .found(credential)
        }
    }

    private func putInForce() {
        step(
            machine.pointee.adopt(credentials, at: moment, lookUp: says), fireBegins: false, "adopt credentials")
    }

    private func says(_ tag: BadgeTag) -> BadgeLookup {
        credentials.imageVersion == 0 ? .noImage : world[tag] ?? .unknown
    }

    // MARK: The clock

    /// Once a second, as the shell does.
    private func look() {
        looksAt = elapsed + 1000
        if keeper.observe(
            wall: wall, monotonic: moment.monotonic, isKernelSynchronised: isSynchronised && wallError == 0)
        {
            give(.clock(clock, stepMilliseconds: 0))
        }
        guard hasUplink, elapsed >= statementAt else { return }
        statementAt = elapsed + 30_000
        signedAt = elapsed
        if keeper.signedTime(trueWall, wall: wall, monotonic: moment.monotonic) {
            give(.clock(clock, stepMilliseconds: 0))
        }
        credentials.statementAsOf = trueWall
        putInForce()
    }

    /// The wall clock is off by so much from now on.
    func leap(to error: Int64) {
        let step = error - wallError
        guard step != 0 else { return }
        wallError = error
        if error != 0 { isSynchronised = false }
        if keeper.stepped(byMilliseconds: step, isKernelSynchronised: isSynchronised) || step.magnitude > 2000 {
            give(.clock(clock, stepMilliseconds: step))
        }
        looksAt = elapsed
    }

    func synchronise(_ isSynchronised: Bool) {
        if isSynchronised { leap(to: 0) }
        self.isSynchronised = isSynchronised
        looksAt = elapsed
    }

    /// A technician looks at a clock that is right.
    func confirmClock() {
        leap(to: 0)
        give(.technician(TechnicianAct(.confirmedClock, user: 0)))
        if keeper.confirmed(wall: wall) { give(.clock(clock, stepMilliseconds: 0)) }
    }

    // MARK: Crash and restart

    /// The program dies, or is stopped, and is started again: the gate drops its release with the process, devices are
    /// opened anew, and what the journal and the kept files hold is all that is known.
    func restart(isStopped: Bool) {
        if isStopped { give(.stopping) }
        let wasInAlarm = told.fire
        let standing = machine.pointee.standingOrder
        releaseLine = false
        backwardLine = false
        lamps = .outOfService
        samplesSinceDecision = 0
        // What only the old machine knew is gone with it.
        _ = machine.pointee.takeUnrecorded()
        let configuration = machine.pointee.configuration
        machine.pointee = LaneMachine(
            configuration: configuration, policy: policy, nextSequence: nextSequence, hourTotals: openHour, at: moment)
        let room = told.journal
        told = Told(configuration)
        passedAt = [:]
        for passage in passages {
            if passage.isForward {
                machine.pointee.remember(passage.holder, passedAt: passage.wall, at: moment)
                let age = wall.milliseconds(since: passage.wall)
                guard clock == .trusted, age >= 0, age <= elapsed - passage.elapsed else {
                    passedAt[passage.holder] = nil
                    continue
                }
                passedAt[passage.holder] = passage.elapsed
            }
        }
        if let standing {
            machine.pointee.resume(standing, at: moment)
            told.resume(standing, wall: wall, at: elapsed)
        }
        let unfinished = open.sorted().map {
            Outcome(
                end: .interrupted, direction: .forward, decisionSequence: $0, decisionEpoch: nil, tag: .none,
                type: .chip, holder: .nobody, kind: nil, reader: 0, openMilliseconds: 0)
        }
        step(
            machine.pointee.start(
                unfinished: unfinished.first, beside: unfinished.count > 1 ? unfinished[1] : nil, at: moment),
            fireBegins: false, "start")
        // The fire thread tells the new machine first, then the devices are found one by one.
        if wasInAlarm { give(.fire(alarm: true)) }
        give(.journal(room))
        putInForce()
        for device in devices { give(.deviceBack(device)) }
    }

    /// Lets time pass, and wakes the machine at each of its deadlines.
    func wait(_ milliseconds: Int64) {
        let end = elapsed + milliseconds
        var wakesAtOnce = 0
        while true {
            let due = Int64(machine.pointee.deadline.nanoseconds / 1_000_000) - 5_000_000
            guard min(due, looksAt) <= end else { break }
            if looksAt < due {
                elapsed = max(elapsed, looksAt)
                look()
                continue
            }
            let next = max(elapsed, due)
            wakesAtOnce = next == elapsed ? wakesAtOnce + 1 : 0
            guard wakesAtOnce < 4 else {
                note("its deadline does not move")
                break
            }
            elapsed = next
            step(machine.pointee.handle(.timePassed, at: moment), fireBegins: false, "timePassed")
        }
        elapsed = end
    }

    private func step(_ effects: LaneEffects, fireBegins: Bool, _ input: @autoclosure () -> String) {
        steps += 1
        let before = broken.count
        told.look(machine.pointee.configuration.schedule, moment, at: elapsed)
        carryOut(effects, fireBegins: fireBegins)
        check()
        lookedAhead += 1
        if lookedAhead % 16 == 0 { checkFireOpens() }
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
                    let outputs = machine.pointee.recordFailed(event, nextSequence: nextSequence, at: moment)
                    lost = lost + Counts(machine.pointee.takeUnrecorded().totals)
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
        happened.add(event)
        openHour.count(event)
        switch event {
        case .decided(let decision):
            newest = decision
            checkDecision(decision)
            if decision.verdict == .admitted { begins(sequence, decision.presentation.direction, decision) }
        case .releasedByHand:
            // What an exit owed its journal may be written in one.
            if machine.pointee.isInAlarm && !hadFault { note("released by hand in a fire") }
            begins(sequence, .forward)
        case .ended(let outcome):
            if open.remove(outcome.decisionSequence) == nil {
                note("the end of \(outcome.decisionSequence), which is not open")
            }
            // One that the journal took late was earlier than this.
            if outcome.end == .passed && outcome.holder != .nobody {
                let isForward = kind != .exit && outcome.direction == .forward
                if !hadFault { passedAt[outcome.holder] = isForward ? elapsed : nil }
                // A journal says who passed inward; who left since is not held back either.
                passages.removeAll { $0.holder == outcome.holder }
                passages.append((outcome.holder, wall, elapsed, isForward))
                if passages.count > 64 { passages.removeFirst() }
            }
            if outcome.isAssumed != (outcome.end == .passed && sensor == .absent) { note("assumed, or not") }
        case .hour(_, let totals):
            closedHours = closedHours + Counts(totals)
            openHour = LaneTotals()
        default: break
        }
    }

    /// Of the entrance of a lane for vehicles: nobody goes in but a pass and a driver together.
    private func goInPairs(_ direction: PassageDirection) -> Bool {
        kind != .exit && direction == .forward && asksForDriver
    }
    var asksForDriver: Bool {
        machine.pointee.configuration.traffic == .vehicles
            && policy.kindRules[Int(HolderKind.vehicle.rawValue)].driver != nil
    }

    private func begins(_ sequence: UInt64, _ direction: PassageDirection, _ decision: Decision? = nil) {
        defer {
            newestOpen = decision
            needsOther = open.count == 1 && decision != nil && goInPairs(direction)
        }
        if let first = newestOpen, open.count == 1, asksForDriver, let decision, areOne(first, decision) {
            open.insert(sequence)
            return
        }
        if !open.isEmpty { note("a second release while one is out") }
        if kind != .exit && direction == .forward && releaseLine && machine.pointee.mode.mode != .heldOpen {
            note("the line did not fall between two releases")
        }
        open.insert(sequence)
    }

    /// A vehicle and who drives it. At an entrance each names the other; at an exit the first knew nothing of it.
    private func areOne(_ first: Decision, _ second: Decision) -> Bool {
        guard let a = first.presentation.credential, let b = second.presentation.credential,
            first.presentation.direction == second.presentation.direction, second.partner == a.holder
        else { return false }
        let isNamed = first.partner == b.holder || kind == .exit || first.presentation.direction == .backward
        return isNamed && [a.kind, b.kind].count { $0 == .vehicle } == 1
    }

    // MARK: The promises

    private var sensor: PassageSensor { machine.pointee.configuration.passageSensor }

    /// In an emergency, where somebody holds it open, and where a technician moves it.
    private static let opensForAll: Set<LaneMode> = [.emergency, .heldOpen, .maintenance]
    private var isOpenForAll: Bool { Self.opensForAll.contains(machine.pointee.mode.mode) }

    private func checkRelease() {
        guard kind != .exit, !isOpenForAll else { return }
        if told.isStopping { note("released while it ends") }
        if open.isEmpty { note("the gate opens and no admission is on record") }
    }

    private func checkDecision(_ decision: Decision) {
        // A vehicle is not measured, its driver is: his decision is the next record.
        defer {
            if decision.temperature.outcome != .notTaken && !decision.company.contains(.driver) {
                samplesSinceDecision = 0
            }
        }
        if (decision.verdict == .admitted) != decision.reasons.isEmpty { note("verdict and reasons differ") }
        if kind == .exit || decision.presentation.direction == .backward {
            if decision.verdict == .refused { note("an exit refused") }
            return
        }
        if decision.policyDigest != policy.digest { note("decided by a policy that is not in force") }
        let lookup = decision.presentation.lookup
        if lookup != says(decision.presentation.tag) { note("decided by what is not in force: \(lookup)") }
        if decision.credentials != credentials { note("decided by an image that is not in force") }
        let again = JudgedAgain(
            policy: policy, credentials: credentials,
            leadsOutside: machine.pointee.configuration.to == .outside, wall: wall, isClockTrusted: clock == .trusted
        ).reasons(lookup)
        let found = decision.reasons.intersection(JudgedAgain.known)
        if found != again {
            note("reasons \(JudgedAgain.names(found)) and, judged again, \(JudgedAgain.names(again)): \(lookup)")
        }
        checkClock()
        guard decision.verdict == .admitted else { return }
        guard let credential = decision.presentation.credential else { return note("admitted: nobody knows whom") }
        checkCompany(decision, credential)
        switch decision.temperature.outcome {
        case .measured:
            if decision.temperature.sampleCount < 3 { note("admitted on fewer than three samples") }
            if Int(decision.temperature.sampleCount) > samplesSinceDecision {
                note("admitted on samples that served before")
            }
            let shown = decision.temperature.medianCentidegrees + policy.temperatureOffsetCentidegrees
            let limit = policy.kindRules[Int(credential.kind.rawValue)].temperatureLimitCentidegrees
            if shown >= limit ?? policy.temperatureLimitCentidegrees { note("admitted with a fever") }
        case .admittedWithout:
            if machine.pointee.policy.withoutThermometer != .admitMarked { note("admitted without a thermometer") }
        case .notRequired: if machine.pointee.policy.measuredKinds.contains(credential.kind) { note("not measured") }
        case .missing, .ambiguous, .thermometerLost, .notTaken: note("admitted on \(decision.temperature.outcome)")
        }
    }

    /// A trusted clock is not far from the truth while signed time arrives.
    private func checkClock() {
        guard clock == .trusted, let signedAt, elapsed - signedAt < 29_000, hasUplink else { return }
        if wallError < -4000 || wallError > 302_000 { note("a clock that is \(wallError) ms off is trusted") }
    }

    /// The fire input opens from wherever the lane is now: tried on a copy of it.
    private func checkFireOpens() {
        guard !told.fire else { return }
        var twin = machine.pointee
        let effects = twin.handle(.fire(alarm: true), at: moment)
        var isOpen = releaseLine, isOpenBackward = backwardLine
        for index in 0..<effects.count {
            switch effects[index] {
            case .release(let on): isOpen = on
            case .releaseBackward(let on): isOpenBackward = on
            case .record: if !isOpen { note("in a fire a record would come before the gate") }
            default: break
            }
        }
        if !isOpen || (kind == .twoWay && !isOpenBackward) { note("a fire would not open") }
    }

    private func checkCompany(_ decision: Decision, _ credential: Credential) {
        let rule = machine.pointee.policy.rule(for: credential.kind)
        let stuck = machine.pointee.configuration.stuckContactMilliseconds
        let window = policy.kindRules[Int(HolderKind.vehicle.rawValue)].driver?.windowMilliseconds
        if asksForDriver, let window {
            if decision.company.isDisjoint(with: credential.kind == .vehicle ? .driver : .vehicle) {
                note("a vehicle without its driver, or he without it")
            }
            // As long as the window and two measurements; longer when it waited behind somebody.
            let at = presentedAt[decision.partner] ?? -1_000_000
            if elapsed - at > window + 2 * policy.pairingWindowMilliseconds + 10_000 + stuck {
                note("the other half came \(elapsed - at) ms ago")
            }
        } else if rule.driver != nil {
            note("a vehicle where nobody drives")
        }
        if let escort = rule.escort {
            let at = presentedAt[decision.partner] ?? -1_000_000
            if decision.partner == credential.holder || !decision.company.contains(.escort) { note("no escort") }
            // A badge that waited is judged some seconds after it was presented; behind somebody who stands in the beams or
            // on the loop, when the sensor counts as stuck.
            if elapsed - at > 2 * escort.windowMilliseconds + 10_000 + stuck {
                note("an escort that came \(elapsed - at) ms ago, within \(escort.windowMilliseconds) ms")
            }
        }
        if let identity = rule.identity {
            let proofs = decision.company.intersection(identity.accepts)
            if proofs.isEmpty { note("admitted without the proof of identity") }
            // A driver's proof may come as long as his vehicle's pass may, and he is measured after.
            let longest =
                identity.windowMilliseconds
                + (asksForDriver ? (window ?? 0) + 2 * policy.pairingWindowMilliseconds : 0)
            if proofs.contains(.guardsButton) && elapsed - (guardPressedAt ?? -1_000_000) > longest {
                note("no guard has pressed")
            }
        }
        let antiPassback = machine.pointee.policy.antiPassback(for: credential.kind)
        if antiPassback.action == .refuse, let passed = passedAt[credential.holder],
            elapsed - passed < antiPassback.forgetMilliseconds
        {
            note("\(credential.holder) passed \(elapsed - passed) ms ago")
        }
    }

    private func checkExitOpens(_ presentation: Presentation) {
        switch kind {
        case .entry: return
        case .exit: guard [.normal, .freeExit, .locked, .heldOpen].contains(machine.pointee.mode.mode) else { return }
        case .twoWay:
            guard presentation.reader == outwardReader, !machine.pointee.isLost(.gate),
                machine.pointee.mode.mode != .maintenance
            else {
                return
            }
        }
        // Either the gate is open for somebody, or the line falls for a moment and somebody waits.
        if kind == .twoWay && machine.pointee.isMeasuring { return }
        if !releaseLine && !backwardLine && !machine.pointee.hasRelease
            && machine.pointee.deadline > VirtualLane.monotonic(elapsed + 100)
            && isNewPresentation
        {
            note("an exit does not open")
        }
    }
    /// The driver says when it gives a badge that was away for long.
    var isNewPresentation = false

    private func check() {
        let mode = machine.pointee.mode
        let hasRelease = machine.pointee.hasRelease
        let isInAlarm = mode.mode == .emergency
        let isOpenForAll = Self.opensForAll.contains(mode.mode)
        if isInAlarm {
            if !releaseLine { note("closed in a fire") }
            if lamps != .emergency { note("lamps \(lamps) in a fire") }
        } else if mode.mode == .heldOpen {
            if !releaseLine { note("closed and held open") }
        } else if kind != .exit && !isOpenForAll {
            if releaseLine && !hasRelease { note("open for nobody") }
            if releaseLine && outNow != 1 { note("open with \(open.count) admissions on record") }
            if releaseLine && needsOther && !hadFault { note("open for a vehicle or a driver alone") }
        }
        if kind == .twoWay && isInAlarm && !backwardLine { note("closed to whoever leaves in a fire") }
        if releaseLine && backwardLine && !isOpenForAll && told.readersLost >> UInt16(outwardReader) & 1 == 0 {
            note("open both ways")
        }
        if open.count > 2 || (open.count == 2 && (needsOther || !asksForDriver) && !hadFault) {
            note("\(open.count) releases are out")
        }
        if !hadFault && outNow != (hasRelease ? 1 : 0) {
            note("\(open.count) open on record, and the machine \(hasRelease ? "has" : "has no") release")
        }
        if counted.admitted != counted.ended + open.count { note("admitted is not ended plus open: \(counted)") }
        if closedHours + Counts(machine.pointee.hourTotals) != counted {
            note("the hours do not add up to the records")
        }
        if lost.admitted != lost.ended { note("a decision is lost without its end: \(lost)") }
        if mode.mode == .outOfService && lamps == .ready { note("ready and out of service") }
        let expected = told.mode(
            machine.pointee.configuration, policy, hasJournalFault: machine.pointee.hasJournalFault)
        if mode != expected { note("\(mode) where it should be \(expected)") }
    }

    /// A vehicle and its driver have one release.
    private var outNow: Int { min(open.count, 1) }

    func note(_ what: String) { if broken.count < 20 { broken.append(what) } }

    // MARK: A way out

    /// Everything around the lane is well again.
    func repair() {
        failsOneIn = 0
        hasUplink = true
        statementAt = 0
        adopt(version: credentials.imageVersion + 1, change: 0)
        synchronise(true)
        look()
        give(.fire(alarm: false))
        // Also where the schedule says something else.
        give(.technician(TechnicianAct(.ordered(.normal, minutes: 5), user: 0)))
        for device in devices { give(.deviceBack(device)) }
        for direction in [PassageDirection.forward, .backward] { give(.contact(direction, closed: false)) }
        give(.journal(.roomy))
    }

    /// Repairs everything and looks whether somebody who may pass gets through.
    func heal() {
        repair()
        wait(40_000)
        hadFault = false
        check()
        let configuration = machine.pointee.configuration
        let canMeasure = configuration.hasThermometer
        let isClosed = !canMeasure && policy.withoutThermometer == .outOfService && kind != .exit
        if machine.pointee.mode.mode != (isClosed ? .outOfService : .normal) {
            note("no way out of \(machine.pointee.mode)")
        }
        if (lamps != .ready && !isClosed) || releaseLine || machine.pointee.hasRelease || !open.isEmpty {
            note("not ready when all is well")
        }
        let passed = counted.passed
        heals += 2
        let holder = 8_000_000 + heals
        var credential = makeCredential(holder: holder, assessedSecondsAgo: 60, sampledSecondsAgo: 60, at: wall)
        if configuration.traffic == .vehicles { credential.kind = .vehicle }
        let isPair = goInPairs(.forward)
        func isOpenNow() -> Bool {
            (isPair ? [.vehicle, .visitor] : [credential.kind]).allSatisfy { kind in
                JudgedAgain.isIn(policy.kindRules[Int(kind.rawValue)].hours ?? policy.hours, wall)
            }
        }
        let isOpenAtFirst = isOpenNow()
        isNewPresentation = true
        give(.presented(makePresentation(holder, credential: credential)))
        isNewPresentation = false
        if isPair {
            credential.kind = .visitor
            credential.holder = HolderNumber(holder + 1)
            give(.presented(makePresentation(holder + 1, credential: credential)))
        }
        for _ in 0..<3 {
            wait(100)
            // Below whatever limit the policy has by now.
            give(.temperature(makeSample(3500)))
        }
        let isMeasured = policy.measuredKinds.contains(credential.kind)
        // The hours of the moment of the decision: whoever is measured is decided by the last sample.
        let isOpen = isMeasured && canMeasure ? isOpenNow() : isOpenAtFirst
        let isLetIn =
            kind == .exit
            || (isOpen && !isClosed && (!isMeasured || canMeasure || policy.withoutThermometer == .admitMarked))
        if releaseLine != isLetIn {
            note(
                "let in \(releaseLine), and should be \(isLetIn): \(newest.map { JudgedAgain.names($0.reasons) } ?? "")"
            )
        }
        guard isLetIn || releaseLine else { return }
        walk(.forward)
        if sensor == .absent { wait(configuration.passageTimeoutMilliseconds) }
        if counted.passed != passed + (isPair ? 2 : 1) { note("nor counted") }
    }

    /// A technician lets everybody pass again in spite of anti-passback.
    func forgetPassages() {
        passedAt = [:]
        passages = []
        give(.forgetPassages(.nobody))
    }

    // MARK: The passage

    /// Who was let in goes through, and is counted as that when everything around him works.
    func walkCounted(pace: Int64) {
        let passed = counted.passed
        let isWell =
            machine.pointee.hasRelease && releaseLine && !backwardLine && !hadFault && failsOneIn == 0
            && sensor != .absent
            && !machine.pointee.isLost(.gate) && closed.isEmpty
        walk(.forward, pace: pace)
        if isWell && !hadFault && counted.passed == passed { note("somebody passed and was not counted") }
    }

    /// Somebody goes through, as this lane's sensor sees it. `turns`: he comes back out where he went in.
    func walk(_ direction: PassageDirection, turns: Bool = false, pace: Int64 = 60) {
        let other: PassageDirection = direction == .forward ? .backward : .forward
        func contact(_ which: PassageDirection, _ closed: Bool) {
            give(.contact(which, closed: closed))
            wait(pace)
        }
        switch sensor {
        case .contacts, .loop:
            contact(direction, true)
            contact(direction, false)
        case .beams:
            contact(direction, true)
            contact(other, true)
            contact(turns ? other : direction, false)
            contact(turns ? direction : other, false)
        case .absent: break
        }
    }
}
