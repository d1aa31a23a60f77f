// The gate's side: pulses of the passage contacts, deadlines, fire, devices.

extension LaneMachine {
    mutating func contactChanged(_ direction: PassageDirection, _ closed: Bool, _ step: inout Step) {
        let now = step.moment.monotonic
        let change = direction == .forward ? forward.change(closed, at: now) : backward.change(closed, at: now)
        switch change {
        case .none: break
        case .freed: step.record(.contact(direction, stuck: false))
        case .pulse: direction == .forward ? pulsedForward(&step) : pulsedBackward(&step)
        }
    }

    private mutating func pulsedForward(_ step: inout Step) {
        let now = step.moment.monotonic
        if case .released(let release) = state {
            end(release, .passed, .forward, &step)
            followedDecision = release.decisionSequence
            tailgatingUntil = now.advanced(byMilliseconds: configuration.tailgatingWindowMilliseconds)
            return
        }
        switch mode.mode {
        case .emergency, .freeExit: step.record(.pulse(.anonymous, .forward, decisionSequence: 0))
        case .normal, .outOfService:
            step.buzzerMilliseconds = 1000
            if now < tailgatingUntil {
                step.record(.pulse(.tailgating, .forward, decisionSequence: followedDecision))
            } else {
                step.record(.pulse(.forced, .forward, decisionSequence: 0))
            }
        }
    }

    private mutating func pulsedBackward(_ step: inout Step) {
        if mode.mode == .emergency {
            step.record(.pulse(.anonymous, .backward, decisionSequence: 0))
        } else {
            step.buzzerMilliseconds = 1000
            step.record(.pulse(.wrongWay, .backward, decisionSequence: 0))
        }
    }

    mutating func end(_ release: Release, _ end: ReleaseEnd, _ direction: PassageDirection, _ step: inout Step) {
        let credential = release.presentation.credential
        state = .waiting
        gapUntil = step.moment.monotonic.advanced(byMilliseconds: configuration.releaseGapMilliseconds)
        step.record(
            .ended(
                Outcome(
                    end: end, direction: direction, decisionSequence: release.decisionSequence, decisionEpoch: nil,
                    tag: release.presentation.tag, type: release.presentation.type,
                    holder: credential?.holder ?? .nobody, kind: credential?.kind,
                    reader: release.presentation.reader,
                    openMilliseconds: UInt32(
                        clamping: step.moment.monotonic.milliseconds(since: release.since)))))
    }

    mutating func timePassed(_ step: inout Step) {
        let now = step.moment.monotonic
        switch state {
        case .waiting: break
        case .measuring(let measuring): if now >= measuring.deadline { settle(measuring, &step) }
        case .released(let release): if now >= release.deadline { end(release, .annulled, .forward, &step) }
        }
        if let shown = refusal, now >= shown.until { refusal = nil }
        if forward.isNewlyStuck(configuration, at: now) { step.record(.contact(.forward, stuck: true)) }
        if backward.isNewlyStuck(configuration, at: now) { step.record(.contact(.backward, stuck: true)) }
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
            gateLost = lost
            forward = PassageContact()
            backward = PassageContact()
            outputs = .unknown
        }
        step.record(.device(device, lost: lost))
    }

    mutating func credentialsChanged(_ new: CredentialsInForce, _ step: inout Step) {
        let isOther = new.imageVersion != credentials.imageVersion || new.changeNumber != credentials.changeNumber
        credentials = new
        if isOther { step.record(.credentials(new)) }
    }

    /// A state that the mode does not allow is left, with its record, in the same step.
    mutating func leaveStateThatModeForbids(_ step: inout Step) {
        let mode = mode.mode
        switch state {
        case .waiting: break
        case .measuring(let measuring):
            switch mode {
            case .emergency:
                state = .waiting
                step.record(.seenInEmergency(measuring.presentation))
            case .outOfService:
                state = .waiting
                refuseUnmeasured(measuring.presentation, .outOfService, &step)
            case .normal, .freeExit:
                if thermometerLost {
                    state = .waiting
                    decideWithoutThermometer(measuring.presentation, &step)
                }
            }
        case .released(let release): if gateLost { end(release, .interrupted, .forward, &step) }
        }
        guard let waiting = nextPresentation else { return }
        switch mode {
        case .emergency:
            nextPresentation = nil
            step.record(.seenInEmergency(waiting))
        case .outOfService:
            nextPresentation = nil
            refuseUnmeasured(waiting, .outOfService, &step)
        case .normal, .freeExit: break
        }
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
