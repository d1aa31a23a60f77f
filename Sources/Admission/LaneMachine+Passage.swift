// The gate's side: pulses of the passage contacts, deadlines, fire, devices.

extension LaneMachine {
    mutating func contactChanged(_ direction: PassageDirection, _ closed: Bool, _ step: inout Step) {
        let now = step.moment.monotonic
        let change = direction == .forward ? forward.change(closed, at: now) : backward.change(closed, at: now)
        if case .opened(wasStuck: true) = change { step.record(.contact(direction, stuck: false)) }
        // Which contacts are closed when a gate comes back is no pulse: nobody saw when they closed.
        guard let way = passage(direction, change, at: now), !gateLost else {
            // Who stood in the beams when his time was over has turned back.
            if case .released(let release) = state, configuration.passageSensor == .beams, now >= release.deadline,
                !isOccupied
            {
                timeIsOver(release, &step)
            }
            return
        }
        way == .forward ? pulsedForward(&step) : pulsedBackward(&step)
    }

    /// Which way somebody passed, if a change of the sensor means that.
    private mutating func passage(
        _ direction: PassageDirection, _ change: PassageContact.Change, at now: MonotonicTime
    ) -> PassageDirection? {
        switch (configuration.passageSensor, change) {
        case (.contacts, .closed), (.loop, .opened): direction
        case (.beams, .closed): beams.change(direction, isBroken: true, at: now)
        case (.beams, .opened): beams.change(direction, isBroken: false, at: now)
        case (.contacts, .opened), (.loop, .closed), (.absent, _), (_, .none): nil
        }
    }

    /// Somebody stands in the beams or on the loop: his release is not annulled under him, unless the sensor is stuck.
    var isOccupied: Bool {
        guard !gateLost else { return false }
        switch configuration.passageSensor {
        case .contacts, .absent: return false
        case .loop: return forward.isOccupied
        case .beams: return forward.isOccupied || backward.isOccupied
        }
    }

    /// Nobody was seen to use a release until its time was over.
    private mutating func timeIsOver(_ release: Release, _ step: inout Step) {
        switch configuration.passageSensor {
        case .contacts: end(release, .annulled, &step)
        // A sensor that is stuck sees nobody.
        case .loop, .beams:
            end(release, forward.isStuck || backward.isStuck ? .interrupted : .annulled, &step)
        case .absent: passed(release, &step)
        }
    }

    private mutating func pulsedForward(_ step: inout Step) {
        let now = step.moment.monotonic
        // Nobody waits before a gate that stands open: who walks while he is measured is judged by what there is.
        if mode.mode == .heldOpen {
            if case .measuring(let measuring) = state { settle(measuring, &step, hasWalked: true) }
            if case .awaiting(let awaiting) = state { settle(awaiting, &step, hasWalked: true) }
            if case .pairing(let pairing) = state { settle(pairing, &step, hasWalked: true) }
        }
        if case .released(let release) = state, release.direction == .forward {
            passed(release, &step)
            return
        }
        switch mode.mode {
        case .emergency, .freeExit, .heldOpen: step.record(.pulse(.anonymous, .forward, decisionSequence: 0))
        case .maintenance: step.record(.pulse(.maintenance, .forward, decisionSequence: 0))
        case .normal, .outOfService, .locked:
            step.buzzerMilliseconds = 1000
            if hasRelease {
                // Somebody was let out, and somebody else goes in.
                step.record(.pulse(.wrongWay, .forward, decisionSequence: 0))
            } else if now < tailgatingUntil && followedDirection == .forward {
                step.record(.pulse(.tailgating, .forward, decisionSequence: followedDecision))
            } else {
                step.record(.pulse(.forced, .forward, decisionSequence: 0))
            }
        }
    }

    /// Who was let through has walked.
    mutating func passed(_ release: Release, _ step: inout Step) {
        end(release, .passed, &step)
        note(release.decision, passed: release.direction, step.moment.monotonic)
        note(release.beside?.decision, passed: release.direction, step.moment.monotonic)
        followedDecision = release.decisionSequence
        followedDirection = release.direction
        tailgatingUntil = step.moment.monotonic.advanced(byMilliseconds: configuration.tailgatingWindowMilliseconds)
    }

    private mutating func note(_ decision: Decision?, passed direction: PassageDirection, _ now: MonotonicTime) {
        guard let holder = decision?.presentation.credential?.holder else { return }
        // Who has left may come in again.
        if leaves(direction) {
            passedHolders.forget(holder)
            leftHolders.add(holder, at: now)
        } else {
            leftHolders.forget(holder)
            passedHolders.add(holder, at: now)
        }
    }

    private mutating func pulsedBackward(_ step: inout Step) {
        if configuration.kind == .twoWay && pulsedOut(&step) { return }
        switch mode.mode {
        case .emergency, .heldOpen: step.record(.pulse(.anonymous, .backward, decisionSequence: 0))
        case .maintenance: step.record(.pulse(.maintenance, .backward, decisionSequence: 0))
        case .normal, .freeExit, .outOfService, .locked:
            step.buzzerMilliseconds = 1000
            step.record(.pulse(.wrongWay, .backward, decisionSequence: 0))
        }
    }

    mutating func end(_ release: Release, _ end: ReleaseEnd, _ step: inout Step) {
        var release = release
        if release.isDecisionOwed || release.beside?.isOwed == true { payOwedEnd(&step) }
        if release.isDecisionOwed {
            release.decisionSequence = nextSequence + UInt64(step.recordCount)
            step.record(release.grant)
        }
        if var beside = release.beside, beside.isOwed {
            beside.sequence = nextSequence + UInt64(step.recordCount)
            step.record(.decided(beside.decision))
            release.beside = beside
        }
        state = .waiting
        // At least 1 ms: a step that ends a release never begins another, so the line always falls between two.
        gapUntil = step.moment.monotonic.advanced(
            byMilliseconds: isHeldOpen ? 1 : max(1, configuration.releaseGapMilliseconds))
        let open = UInt32(clamping: step.moment.monotonic.milliseconds(since: release.since))
        step.record(.ended(outcome(of: release.decision, release.decisionSequence, release, end, open)))
        if let beside = release.beside {
            step.record(.ended(outcome(of: beside.decision, beside.sequence, release, end, open)))
        }
    }

    /// How a release ended for one of the decisions that it stands for.
    func outcome(
        of decision: Decision?, _ sequence: UInt64, _ release: Release, _ end: ReleaseEnd, _ openMilliseconds: UInt32
    ) -> Outcome {
        let presentation = decision?.presentation
        return Outcome(
            end: end, direction: release.direction, decisionSequence: sequence, decisionEpoch: nil,
            tag: presentation?.tag ?? .none, type: presentation?.type ?? .chip,
            holder: presentation?.credential?.holder ?? .nobody, kind: presentation?.credential?.kind,
            reader: presentation?.reader ?? Outcome.noReader, openMilliseconds: openMilliseconds,
            isAssumed: end == .passed && configuration.passageSensor == .absent)
    }

    mutating func timePassed(_ step: inout Step) {
        let now = step.moment.monotonic
        switch state {
        case .waiting: break
        case .measuring(let measuring): if now >= measuring.deadline { settle(measuring, &step) }
        case .awaiting(let awaiting): if now >= awaiting.deadline { settle(awaiting, &step) }
        case .pairing(let pairing): if now >= pairing.wakesAt { settle(pairing, &step) }
        case .released(let release): if now >= release.deadline && !isOccupied { timeIsOver(release, &step) }
        }
        if let shown = refusal, now >= shown.until { refusal = nil }
        guard !gateLost else { return }
        if forward.isNewlyStuck(configuration, at: now) { step.record(.contact(.forward, stuck: true)) }
        if backward.isNewlyStuck(configuration, at: now) { step.record(.contact(.backward, stuck: true)) }
    }

    /// Lets one person through, when the lane waits for somebody and nobody is let through already. Also while readers or
    /// the thermometer are lost: a guard sees who stands there. Not without a record at an entrance, and not in any mode
    /// that somebody chose.
    mutating func guardPressed(_ step: inout Step) {
        let now = step.moment.monotonic
        if confirmByGuard(&step) { return }
        guard case .waiting = state, nextCandidate == nil, now >= gapUntil, !isStopping else { return }
        switch mode {
        case (.normal, _), (.outOfService, .readersLost), (.outOfService, .thermometerLost): break
        case (.locked, _) where configuration.kind == .exit: break
        default: return
        }
        refusal = nil
        forgetTemperatures(now)
        payOwedEnd(&step)
        release(nil, &step)
    }

    /// Writes what lets somebody through, and lets him. `decision`: nil for the guard's button. `beside`: who drives.
    mutating func release(_ decision: Decision?, beside other: Decision? = nil, _ step: inout Step) {
        let now = step.moment.monotonic
        var release = Release(
            decision: decision, decisionSequence: nextSequence + UInt64(step.recordCount), since: now,
            deadline: now.advanced(byMilliseconds: configuration.passageTimeoutMilliseconds),
            pulseEnds: now.advanced(byMilliseconds: configuration.pulseMilliseconds))
        step.record(release.grant)
        if let other {
            release.beside = Beside(decision: other, sequence: nextSequence + UInt64(step.recordCount))
            step.record(.decided(other))
        }
        state = .released(release)
        step.recordsFirst = !leaves(release.direction)
    }

    mutating func tamperChanged(_ contact: TamperContact, _ opened: Bool, _ step: inout Step) {
        guard opened != isTampered(contact) else { return }
        tampered ^= 1 << UInt32(contact.code)
        step.record(.tamper(contact, opened: opened))
    }

    mutating func fireChanged(_ alarm: Bool, _ step: inout Step) {
        guard alarm != fireAlarm else { return }
        fireAlarm = alarm
        step.record(.fire(alarm: alarm))
    }

    mutating func deviceChanged(_ device: Device, lost: Bool, _ step: inout Step) {
        if case .reader(let index) = device { readersAwaited &= ~(UInt16(1) << UInt16(min(index, 15))) }
        guard lost != isLost(device) else { return }
        switch device {
        case .reader(let index):
            let bit = UInt16(1) << UInt16(min(index, 15))
            if lost { readersLost |= bit } else { readersLost &= ~bit }
        case .thermometer: thermometerLost = lost
        case .gate:
            // Contacts stay as they were: the gate says what has changed meanwhile.
            gateLost = lost
            outputs = .unknown
        }
        step.record(.device(device, lost: lost))
    }

    mutating func forgetPassages(of holder: HolderNumber, _ step: inout Step) {
        if holder == .nobody {
            passedHolders.forgetAll()
            everybodyForgotten = step.moment.monotonic
        } else {
            passedHolders.forget(holder)
            leftHolders.add(holder, at: step.moment.monotonic)
        }
        step.record(.passagesForgotten(holder))
    }

    /// A release that is out ends; who is being measured or waits is not let in any more.
    mutating func stop(_ step: inout Step) {
        if case .released(let release) = state { end(release, .interrupted, &step) }
        isStopping = true
        leaveStateThatModeForbids(&step)
        step.record(.stopping)
    }

    /// A state that the mode does not allow is left, with its record, in the same step.
    mutating func leaveStateThatModeForbids(_ step: inout Step) {
        switch state {
        case .waiting: break
        case .measuring(let measuring):
            if dismiss(measuring.candidate, &step) {
                state = .waiting
            } else if hasNoThermometer {
                state = .waiting
                decideWithoutThermometer(measuring.candidate, &step)
            }
        case .awaiting(let awaiting): if dismiss(awaiting.candidate, &step) { state = .waiting }
        case .pairing(let pairing):
            let isPassDismissed = pairing.pass.map { dismiss($0, &step) } ?? false
            let isDriverDismissed = pairing.driver.map { dismiss($0, &step) } ?? false
            if isPassDismissed || isDriverDismissed {
                state = .waiting
            } else if pairing.measuring != nil, hasNoThermometer {
                goOnWithoutThermometer(pairing, &step)
            }
        case .released(let release): if gateLost { end(release, .interrupted, &step) }
        }
        if let next = nextCandidate, dismiss(next, &step) { nextCandidate = nil }
        if test != nil && mode.mode != .maintenance { test = nil }
    }
}

/// One direction of the passage contact: debounced levels in, pulses out.
struct PassageContact: Sendable {
    private var closedSince: MonotonicTime?
    private(set) var isStuck = false

    enum Change { case none, closed, opened(wasStuck: Bool) }

    mutating func change(_ closed: Bool, at now: MonotonicTime) -> Change {
        guard closed != (closedSince != nil) else { return .none }
        guard closed else {
            defer { isStuck = false }
            closedSince = nil
            return .opened(wasStuck: isStuck)
        }
        closedSince = now
        return .closed
    }

    /// Closed, and not for so long that it means nothing any more.
    var isOccupied: Bool { closedSince != nil && !isStuck }

    func stuckAt(_ configuration: LaneConfiguration) -> MonotonicTime {
        guard let closedSince, !isStuck else { return .never }
        return closedSince.advanced(byMilliseconds: configuration.stuckContactMilliseconds)
    }

    mutating func isNewlyStuck(_ configuration: LaneConfiguration, at now: MonotonicTime) -> Bool {
        guard now >= stuckAt(configuration) else { return false }
        isStuck = true
        return true
    }
}
