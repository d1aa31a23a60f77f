import Admission

/// What a lane was told of the world, and the mode that follows: the table of LaneMachine+Modes.swift a second time, from
/// the test's own memory.
struct Told {
    var fire = false
    var isGateLost = true
    var thermometerLost = false
    var readersLost: UInt16 = 0
    /// Neither found nor missed since the start.
    private var readersAwaited: UInt16 = 0
    var journal = JournalState.roomy
    var isStopping = false
    private var order: (mode: OrderedMode, ends: Int64)?
    private var scheduled: OrderedMode?

    /// Nothing is there until it was seen.
    init(_ configuration: LaneConfiguration) {
        readersLost = (1 << UInt16(configuration.readerCount)) - 1
        readersAwaited = readersLost
        thermometerLost = configuration.hasThermometer
    }

    mutating func lost(_ device: Device, _ isLost: Bool, _ configuration: LaneConfiguration) {
        switch device {
        case .gate: isGateLost = isLost
        case .thermometer: thermometerLost = isLost
        case .reader(let index):
            readersAwaited &= ~(1 << UInt16(index))
            if isLost { readersLost |= 1 << UInt16(index) } else { readersLost &= ~(1 << UInt16(index)) }
        }
    }

    mutating func heard(_ act: TechnicianAct, at elapsed: Int64) {
        guard case .ordered(let mode, let minutes) = act.what, !isStopping else { return }
        if mode == .normal && minutes == 0 {
            order = nil
        } else {
            order = (mode, minutes == 0 ? .max : elapsed + Int64(minutes) * 60_000)
        }
    }

    /// What is left of an order after a restart, by the wall clock.
    mutating func resume(_ given: StandingOrder, wall: WallTime, at elapsed: Int64) {
        let whole = Int64(given.minutes) * 60_000
        let gone = min(max(wall.milliseconds(since: given.givenAt), 0), whole)
        order = (given.mode, given.minutes == 0 ? .max : elapsed + whole - gone)
    }

    /// A step began now.
    mutating func look(_ schedule: [ScheduledMode], _ moment: Moment, at elapsed: Int64) {
        if let order, elapsed >= order.ends { self.order = nil }
        if moment.clock == .trusted {
            scheduled = schedule.first { JudgedAgain.isIn($0.hours, moment.wall) }?.mode
        } else if scheduled == .heldOpen {
            scheduled = nil
        }
    }

    func mode(_ configuration: LaneConfiguration, _ policy: AdmissionPolicy, hasJournalFault: Bool) -> (
        LaneMode, ModeCause
    ) {
        if fire { return (.emergency, .fire) }
        if isGateLost { return (.outOfService, .gateLost) }
        let chosen = order?.mode ?? scheduled ?? .normal
        let cause: ModeCause = order != nil ? .technician : scheduled != nil ? .schedule : .none
        var isBlind = true
        var awaitsOne = false
        for reader in 0..<UInt16(configuration.readerCount) {
            let leadsIn = configuration.kind != .twoWay || configuration.outwardReaders >> reader & 1 == 0
            if leadsIn && readersLost >> reader & 1 == 0 { isBlind = false }
            if leadsIn && readersAwaited >> reader & 1 == 1 { awaitsOne = true }
        }
        let isExit = configuration.kind == .exit
        switch chosen {
        case .maintenance: return (.maintenance, cause)
        case .heldOpen: return (.heldOpen, cause)
        case .locked: return isExit && isBlind ? (.freeExit, .readersLost) : (.locked, cause)
        case .normal: break
        }
        if isExit { return isBlind ? (.freeExit, .readersLost) : (.normal, .none) }
        if journal == .reserveOnly || journal == .full { return (.outOfService, .journalFull) }
        if hasJournalFault { return (.outOfService, .journalFault) }
        if isBlind || awaitsOne { return (.outOfService, .readersLost) }
        let cannotMeasure = thermometerLost || !configuration.hasThermometer
        if cannotMeasure && policy.withoutThermometer == .outOfService { return (.outOfService, .thermometerLost) }
        return (.normal, .none)
    }
}
