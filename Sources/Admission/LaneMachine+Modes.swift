// What the lane as a whole does, and who may say so.
//
// One table, read from above; the first row that holds is the mode:
//
//   emergency        the fire loop is open or broken                      nobody can change it but the loop
//   out of service   the gate is lost                                     nothing could be moved anyway
//   maintenance      a technician ordered it
//   held open        a technician ordered it, or the schedule says so
//   free exit        an exit without a reader: it lets out
//   locked           a technician ordered it, or the schedule says so     at an exit: inward only, which it always is
//   out of service   an entrance that cannot read, measure or record
//   normal
//
// A technician's order stands above the schedule, until its time is over or another is given.

/// What a technician ordered and is still in force.
public struct StandingOrder: Sendable, Hashable {
    public var mode: OrderedMode
    /// 0: until something else is ordered.
    public var minutes: UInt32
    public var user: UInt32
    public var remark: Remark
    public var givenAt: WallTime
    var ends = MonotonicTime.never

    public init(mode: OrderedMode, minutes: UInt32, user: UInt32, remark: Remark, givenAt: WallTime) {
        self.mode = mode
        self.minutes = minutes
        self.user = user
        self.remark = remark
        self.givenAt = givenAt
    }
}

extension LaneMachine {
    /// What the lane as a whole does, and why.
    public var mode: (mode: LaneMode, cause: ModeCause) {
        if fireAlarm { return (.emergency, .fire) }
        if gateLost { return (.outOfService, .gateLost) }
        let (chosen, cause) = chosenMode
        if chosen == .maintenance || chosen == .heldOpen { return (chosen.laneMode, cause) }
        let noReader = areLost(readers: .forward)
        if configuration.kind == .exit && noReader { return (.freeExit, .readersLost) }
        if chosen == .locked { return (.locked, cause) }
        if configuration.kind == .exit { return (.normal, .none) }
        if journal >= .reserveOnly { return (.outOfService, .journalFull) }
        if journalFault { return (.outOfService, .journalFault) }
        if noReader || areAwaited(readers: .forward) { return (.outOfService, .readersLost) }
        if hasNoThermometer && policy.withoutThermometer == .outOfService {
            return (.outOfService, .thermometerLost)
        }
        return (.normal, .none)
    }

    /// The mode at another instant: by the schedule, and by an order that stands then; all else as it is at `now`. A
    /// clock that is not trusted says nothing of other instants: the mode is what it is now.
    public func laneMode(at instant: WallTime, now: Moment) -> (mode: LaneMode, cause: ModeCause) {
        guard now.clock == .trusted else { return mode }
        var then = self
        if let order {
            let left = order.ends == .never ? Int64.max : order.ends.milliseconds(since: now.monotonic)
            if instant < order.givenAt || instant >= now.wall.advanced(byMilliseconds: left) { then.order = nil }
        }
        then.scheduled = scheduledMode(at: instant)
        return then.mode
    }

    /// Of two entries at one time the first holds.
    private func scheduledMode(at instant: WallTime) -> OrderedMode? {
        for entry in configuration.schedule where entry.hours.isOpen(at: instant) { return entry.mode }
        return nil
    }

    /// What somebody chose, whether or not something stronger holds.
    public var chosenMode: (mode: OrderedMode, cause: ModeCause) {
        if let order { return (order.mode, .technician) }
        if let scheduled { return (scheduled, .schedule) }
        return (.normal, .none)
    }

    /// Whether a badge is judged as always in this mode. A locked exit lets out.
    var judgesBadges: Bool {
        switch mode.mode {
        case .normal, .freeExit: true
        // Nobody is promised anything by a gate that stands open: without a record he walks as one whom nobody knows.
        case .heldOpen: configuration.kind == .exit || (journal < .reserveOnly && !journalFault)
        case .locked: configuration.kind == .exit
        case .emergency, .outOfService, .maintenance: false
        }
    }

    /// What a technician ordered and is still in force, also while something stronger holds.
    public var standingOrder: StandingOrder? { order }
    /// What a technician has moved at this moment.
    public var testing: GateTest? { test?.what }

    /// An order that the last run was given, for what is left of it. Before `start`. A clock that went back since does not
    /// make it longer than it was given for.
    public mutating func resume(_ given: StandingOrder, at moment: Moment) {
        order = given
        guard given.minutes > 0 else { return }
        let whole = Int64(given.minutes) * 60_000
        let left = whole - min(max(0, moment.wall.milliseconds(since: given.givenAt)), whole)
        order?.ends = moment.monotonic.advanced(byMilliseconds: left)
    }

    mutating func technicianActed(_ act: TechnicianAct, _ step: inout Step) {
        guard !isStopping else { return }
        let now = step.moment.monotonic
        switch act.what {
        case .ordered(.normal, minutes: 0): order = nil
        case .ordered(let mode, let minutes):
            order = StandingOrder(
                mode: mode, minutes: minutes, user: act.user, remark: act.remark, givenAt: step.moment.wall)
            if minutes > 0 { order?.ends = now.advanced(byMilliseconds: Int64(minutes) * 60_000) }
        case .tested(let what):
            guard mayTest else { return }
            test = (what, now.advanced(byMilliseconds: testMilliseconds(what)))
            if what == .buzzer { step.buzzerMilliseconds = Self.buzzerTestMilliseconds }
        case .confirmedClock: break
        }
        step.record(.technician(act))
    }

    /// Only in maintenance, and not while somebody may still walk on a release from before.
    public var mayTest: Bool {
        if case .released = state { return false }
        return mode.mode == .maintenance && !isStopping
    }

    private func testMilliseconds(_ what: GateTest) -> Int64 {
        switch what {
        case .release where configuration.releaseMode == .pulse: configuration.pulseMilliseconds
        case .buzzer: Self.buzzerTestMilliseconds
        default: Self.testMilliseconds
        }
    }
    static let testMilliseconds: Int64 = 2000
    static let buzzerTestMilliseconds: Int64 = 500

    /// Ends what is over, and looks what the schedule says.
    mutating func lookAtOrders(_ moment: Moment) {
        if let standing = order, moment.monotonic >= standing.ends { order = nil }
        if let running = test, moment.monotonic >= running.until { test = nil }
        lookAtSchedule(moment)
    }

    /// A clock that is not trusted changes nothing but this: it does not hold a gate open.
    private mutating func lookAtSchedule(_ moment: Moment) {
        scheduleDeadline = .never
        guard moment.clock == .trusted else {
            if scheduled == .heldOpen { scheduled = nil }
            return
        }
        scheduled = scheduledMode(at: moment.wall)
        var next: WallTime?
        for entry in configuration.schedule {
            if let change = entry.hours.nextChange(after: moment.wall), next.map({ change < $0 }) ?? true {
                next = change
            }
        }
        guard let next else { return }
        scheduleDeadline = moment.monotonic.advanced(byMilliseconds: next.milliseconds(since: moment.wall))
    }

    /// When an order, a test or a scheduled mode ends or begins.
    var ordersDeadline: MonotonicTime {
        min(scheduleDeadline, order?.ends ?? .never, test?.until ?? .never)
    }

    /// Writes who presented a badge or waits, where nobody is judged. Returns false where somebody is.
    mutating func dismiss(_ candidate: Candidate, _ step: inout Step) -> Bool {
        if mayLeave(candidate) { return false }
        if isStopping && mode.mode != .emergency {
            refuseUnmeasured(candidate, .outOfService, &step)
            return true
        }
        guard !judgesBadges else { return false }
        switch mode.mode {
        case .emergency: step.record(.seenInEmergency(candidate.presentation))
        case .maintenance: if !journalFault { step.record(.seenInMaintenance(candidate.presentation)) }
        case .locked: refuseUnmeasured(candidate, .laneLocked, &step)
        case .outOfService: refuseUnmeasured(candidate, .outOfService, &step)
        case .normal, .freeExit, .heldOpen: break
        }
        return true
    }
}
