// The gate's side: pulses of the passage contacts, deadlines, fire, devices.

extension LaneMachine {
    mutating func contactChanged(_ direction: PassageDirection, _ closed: Bool, _ step: inout Step) {
        let now = step.moment.monotonic
        let change = direction == .forward ? forward.change(closed, at: now) : backward.change(closed, at: now)
        switch change {
        case .none: break
        case .freed: step.record(.contact(direction, stuck: false))
        // Which contacts are closed when a gate comes back is no pulse: nobody saw when they closed.
        case .pulse where gateLost: break
        case .pulse: direction == .forward ? pulsedForward(&step) : pulsedBackward(&step)
        }
    }

    private mutating func pulsedForward(_ step: inout Step) {
        let now = step.moment.monotonic
        if case .released(let release) = state, release.direction == .forward {
            passed(release, &step)
            return
        }
        switch mode.mode {
        case .emergency, .freeExit: step.record(.pulse(.anonymous, .forward, decisionSequence: 0))
        case .normal, .outOfService:
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
        if let holder = release.decision?.presentation.credential?.holder {
            // Who has left may come in again.
            if leaves(release.direction) {
                passedHolders.forget(holder)
            } else {
                passedHolders.add(holder, at: step.moment.monotonic)
            }
        }
        followedDecision = release.decisionSequence
        followedDirection = release.direction
        tailgatingUntil = step.moment.monotonic.advanced(byMilliseconds: configuration.tailgatingWindowMilliseconds)
    }

    private mutating func pulsedBackward(_ step: inout Step) {
        if configuration.kind == .twoWay && pulsedOut(&step) { return }
        if mode.mode == .emergency {
            step.record(.pulse(.anonymous, .backward, decisionSequence: 0))
        } else {
            step.buzzerMilliseconds = 1000
            step.record(.pulse(.wrongWay, .backward, decisionSequence: 0))
        }
    }

    mutating func end(_ release: Release, _ end: ReleaseEnd, _ step: inout Step) {
        let presentation = release.decision?.presentation
        var decisionSequence = release.decisionSequence
        if release.isDecisionOwed {
            payOwedEnd(&step)
            decisionSequence = nextSequence + UInt64(step.recordCount)
            step.record(release.grant)
        }
        state = .waiting
        // At least 1 ms: a step that ends a release never begins another, so the line always falls between two.
        gapUntil = step.moment.monotonic.advanced(byMilliseconds: max(1, configuration.releaseGapMilliseconds))
        step.record(
            .ended(
                Outcome(
                    end: end, direction: release.direction, decisionSequence: decisionSequence, decisionEpoch: nil,
                    tag: presentation?.tag ?? .none, type: presentation?.type ?? .chip,
                    holder: presentation?.credential?.holder ?? .nobody, kind: presentation?.credential?.kind,
                    reader: presentation?.reader ?? Outcome.noReader,
                    openMilliseconds: UInt32(
                        clamping: step.moment.monotonic.milliseconds(since: release.since)))))
    }

    mutating func timePassed(_ step: inout Step) {
        let now = step.moment.monotonic
        switch state {
        case .waiting: break
        case .measuring(let measuring): if now >= measuring.deadline { settle(measuring, &step) }
        case .awaiting(let awaiting): if now >= awaiting.deadline { settle(awaiting, &step) }
        case .released(let release): if now >= release.deadline { end(release, .annulled, &step) }
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
        default: return
        }
        refusal = nil
        forgetTemperatures(now)
        payOwedEnd(&step)
        release(nil, &step)
    }

    /// Writes what lets somebody through, and lets him. `decision`: nil for the guard's button.
    mutating func release(_ decision: Decision?, _ step: inout Step) {
        let now = step.moment.monotonic
        let release = Release(
            decision: decision, decisionSequence: nextSequence + UInt64(step.recordCount), since: now,
            deadline: now.advanced(byMilliseconds: configuration.passageTimeoutMilliseconds),
            pulseEnds: now.advanced(byMilliseconds: configuration.pulseMilliseconds))
        step.record(release.grant)
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
        if holder == .nobody { passedHolders.forgetAll() } else { passedHolders.forget(holder) }
        step.record(.passagesForgotten(holder))
    }

    mutating func credentialsChanged(_ new: CredentialsInForce, _ step: inout Step) {
        let isOther = new.imageVersion != credentials.imageVersion || new.changeNumber != credentials.changeNumber
        credentials = new
        if isOther { step.record(.credentials(new)) }
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
        case .released(let release): if gateLost { end(release, .interrupted, &step) }
        }
        if let next = nextCandidate, dismiss(next, &step) { nextCandidate = nil }
    }

    /// Whether the mode is one in which nobody is decided; then this one is recorded as what it is.
    private mutating func dismiss(_ candidate: Candidate, _ step: inout Step) -> Bool {
        if mayLeave(candidate) { return false }
        switch mode.mode {
        case .emergency: step.record(.seenInEmergency(candidate.presentation))
        case .outOfService: refuseUnmeasured(candidate, .outOfService, &step)
        case .normal, .freeExit:
            guard isStopping else { return false }
            refuseUnmeasured(candidate, .outOfService, &step)
        }
        return true
    }
}

/// One direction of the passage contact: debounced levels in, pulses out.
struct PassageContact: Sendable {
    private var closedSince: MonotonicTime?
    private var isReportedStuck = false

    enum Change { case none, pulse, freed }

    mutating func change(_ closed: Bool, at now: MonotonicTime) -> Change {
        if closed {
            guard closedSince == nil else { return .none }
            closedSince = now
            return .pulse
        }
        closedSince = nil
        guard isReportedStuck else { return .none }
        isReportedStuck = false
        return .freed
    }

    func stuckAt(_ configuration: LaneConfiguration) -> MonotonicTime {
        guard let closedSince, !isReportedStuck else { return .never }
        return closedSince.advanced(byMilliseconds: configuration.stuckContactMilliseconds)
    }

    mutating func isNewlyStuck(_ configuration: LaneConfiguration, at now: MonotonicTime) -> Bool {
        guard now >= stuckAt(configuration) else { return false }
        isReportedStuck = true
        return true
    }
}
