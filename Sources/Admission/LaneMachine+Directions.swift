// The two ways of a two-way lane: an entry from → to, forward, and an exit to → from, backward. Each reader serves one of
// them, and one release is out at a time, whichever way. What an entry may refuse, an exit may not: whoever leaves is let
// out also while the entry is out of service, so long as the gate is there.

extension LaneMachine {
    /// Whether somebody who goes this way leaves: is let out, always, and not judged.
    func leaves(_ direction: PassageDirection) -> Bool {
        configuration.kind == .exit || (configuration.kind == .twoWay && direction == .backward)
    }

    /// Whether he is let out although the lane as a whole, its entry, does not judge badges now.
    func mayLeave(_ candidate: Candidate) -> Bool {
        configuration.kind == .twoWay && candidate.presentation.direction == .backward && !gateLost && !fireAlarm
            && !isStopping && mode.mode != .maintenance
    }

    /// Whether no reader of this direction is there. A lane that is not two-way has one direction.
    func areLost(readers direction: PassageDirection) -> Bool {
        let wanted = readers(direction)
        return readersLost & wanted == wanted
    }

    /// Whether one of this direction was neither found nor missed since the start.
    func areAwaited(readers direction: PassageDirection) -> Bool { readersAwaited & readers(direction) != 0 }

    private func readers(_ direction: PassageDirection) -> UInt16 {
        let outward = configuration.kind == .twoWay ? configuration.outwardReaders : 0
        let all = Self.allReaders(configuration.readerCount)
        return direction == .forward ? all & ~outward : all & outward
    }

    /// The way out of a two-way lane stands open, since nobody's badge can be read there.
    var letsOutFreely: Bool {
        configuration.kind == .twoWay && areLost(readers: .backward) && !gateLost && !isStopping
            && mode.mode != .maintenance
    }

    func releaseBackwardLevel(at now: MonotonicTime) -> Bool {
        if isHeldOpen || letsOutFreely { return true }
        guard case .released(let release) = state, release.direction == .backward else { return false }
        return configuration.releaseMode == .level || now < release.pulseEnds
    }

    /// Whether the line of this direction is up for a release alone, and falls when its pulse is over.
    func isPulsing(_ direction: PassageDirection) -> Bool {
        guard !isHeldOpen else { return false }
        return direction == .forward
            ? outputs.release == true : outputs.releaseBackward == true && !letsOutFreely
    }

    /// Somebody went to → from. False where a lane of any kind counts it alike.
    mutating func pulsedOut(_ step: inout Step) -> Bool {
        if case .released(let release) = state, release.direction == .backward {
            passed(release, &step)
            return true
        }
        switch mode.mode {
        case .emergency, .freeExit, .heldOpen, .maintenance: return false
        case .normal, .outOfService, .locked: break
        }
        if letsOutFreely {
            step.record(.pulse(.anonymous, .backward, decisionSequence: 0))
            return true
        }
        step.buzzerMilliseconds = 1000
        if hasRelease {
            step.record(.pulse(.wrongWay, .backward, decisionSequence: 0))
        } else if step.moment.monotonic < tailgatingUntil && followedDirection == .backward {
            step.record(.pulse(.tailgating, .backward, decisionSequence: followedDecision))
        } else {
            step.record(.pulse(.forced, .backward, decisionSequence: 0))
        }
        return true
    }

    /// What the readers of one side show: what concerns who stands there.
    public func display(for direction: PassageDirection) -> (lamps: LampState, message: LaneMessage) {
        let whole = display
        guard configuration.kind == .twoWay, !fireAlarm, !gateLost, !isStopping else { return whole }
        if direction == .backward && letsOutFreely { return (.ready, .walkThrough) }
        switch state {
        case .released(let release):
            return release.direction == direction ? whole : (.working, .presentBadge)
        case .measuring, .awaiting, .pairing, .waiting:
            return direction == .forward ? whole : (.ready, .presentBadge)
        }
    }
}
