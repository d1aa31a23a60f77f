// What the lane shows and drives, derived from state and mode at the end of every step.

/// The outputs as the gate last heard them; nil = nobody knows, so they are said again.
struct Outputs: Sendable {
    var release: Bool?
    var releaseBackward: Bool?
    var lamps: LampState?
    var message: LaneMessage?
    static let unknown = Outputs()
}

extension LaneMachine {
    mutating func appendOutputs(_ step: Step, to effects: inout LaneEffects) {
        let release = releaseLevel(at: step.moment.monotonic)
        if outputs.release != release {
            outputs.release = release
            effects.append(.release(release))
        }
        let backward = releaseBackwardLevel(at: step.moment.monotonic)
        if configuration.kind == .twoWay && outputs.releaseBackward != backward {
            outputs.releaseBackward = backward
            effects.append(.releaseBackward(backward))
        }
        let (lamps, message) = display
        if outputs.lamps != lamps {
            outputs.lamps = lamps
            effects.append(.lamps(lamps))
        }
        if outputs.message != message {
            outputs.message = message
            effects.append(.message(message))
        }
        if step.buzzerMilliseconds > 0 { effects.append(.buzzer(milliseconds: step.buzzerMilliseconds)) }
    }

    /// The line is up whether or not somebody was let in: in an emergency (beside the fire thread's own output), on a free
    /// exit, and where the gate is held open.
    var isHeldOpen: Bool {
        switch mode.mode {
        case .emergency, .freeExit, .heldOpen: true
        case .normal, .outOfService, .locked, .maintenance: false
        }
    }

    private func releaseLevel(at now: MonotonicTime) -> Bool {
        if isHeldOpen || (test?.what == .release && mode.mode == .maintenance) { return true }
        guard case .released(let release) = state, release.direction == .forward else { return false }
        return configuration.releaseMode == .level || now < release.pulseEnds
    }

    /// What lamps and words say now.
    public var display: (lamps: LampState, message: LaneMessage) {
        let (mode, cause) = mode
        if mode == .emergency { return (.emergency, .emergency) }
        if isStopping { return (.outOfService, .outOfService(cause)) }
        if mode == .freeExit { return (.ready, .walkThrough) }
        if mode == .maintenance && !hasRelease { return (test?.what.lamps ?? .outOfService, .maintenance) }
        if mode == .locked && configuration.kind != .exit, !hasRelease { return (.locked, .locked) }
        switch state {
        case .released: return (.admitted, .admitted)
        case .measuring where mode == .outOfService, .awaiting where mode == .outOfService,
            .pairing where mode == .outOfService, .waiting where mode == .outOfService:
            return (.outOfService, .outOfService(cause))
        case .measuring(let measuring): return (.working, measuring.first == nil ? .holdStill : .measureAgain)
        case .awaiting(let awaiting): return (.working, .awaiting(awaitedCompany(awaiting)))
        case .pairing(let pairing):
            if let measuring = pairing.measuring {
                return (.working, measuring.first == nil ? .holdStill : .measureAgain)
            }
            let proofs = pairing.driver?.presentation.credential.flatMap { policy.rule(for: $0.kind).identity?.accepts }
            return (.working, .awaiting(pairing.missing.isEmpty ? proofs ?? [] : pairing.missing))
        case .waiting:
            if let refusal { return (.refused, .refused(refusal.reasons)) }
            if isStale && mode == .normal { return (.stale, .stale) }
            return (.ready, mode == .heldOpen ? .heldOpen : .presentBadge)
        }
    }
}

extension GateTest {
    /// One lamp alone, where one is tested.
    fileprivate var lamps: LampState? {
        switch self {
        case .lampGreen: .admitted
        case .lampRed: .refused
        case .lampAmber: .ready
        case .release, .buzzer: nil
        }
    }
}
