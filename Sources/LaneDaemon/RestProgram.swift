import Admission
import Devices
import Posix

/// `lanekeeperd --rest`: holds the gate as `gate.on_stop` says for as long as the lane's own program does not run.
///
/// Lines that nobody holds are the GPIO driver's affair: some keep their level, others drop it. So somebody holds them.
/// The unit lanekeeperd-rest@ starts this when lanekeeperd@ has ended, for whatever reason, and ends it before that one
/// starts again. Nothing is decided, counted or recorded here. The fire input still opens: it does from every state. It
/// needs the gate's settings and nothing else of the file, which may be wrong elsewhere: then the lane's own program does
/// not start, and this one is all that there is in a fire.
public enum RestProgram {
    /// Runs until SIGTERM or SIGINT.
    public static func run(configuration path: String) throws {
        SignalWatch.ignoreBrokenPipe()
        let signals = try SignalWatch()
        let (settings, elsewhere) = try LaneSettings.gateAlone(path: path)
        // It is the reason why the lane's own program does not run, perhaps; the gate is held all the same.
        for line in elsewhere.map({ "\($0)".split(separator: "\n") }) ?? [] { Log.warning("not needed here: \(line)") }
        var loop = RestLoop(settings, signals)
        try loop.run()
    }
}

private struct RestLoop {
    private let name: String
    private let rest: GateRest
    private let gate: Gate
    private let fire: FireLine?
    private let signals: SignalWatch
    private let notifier = ServiceNotifier()
    private let set = PollSet(capacity: 20)
    private var supervisor: WatchdogPulse
    private var fireFailure: String?

    init(_ settings: LaneSettings, _ signals: SignalWatch) {
        name = "lane \(settings.id.text) (\(settings.name))"
        rest = settings.onStop
        self.signals = signals
        supervisor = WatchdogPulse(notifier)
        let now = MonotonicTime.now()
        switch settings.gate {
        case .simulated(let socket):
            gate = Gate.simulated(socket: socket, at: now)
            fire = FireLine.simulated(socket: socket, at: now)
        case .gpio(var wiring, var loop):
            wiring.consumer = "lanekeeper-rest"
            // Nobody is counted and nobody let in, so a contact that is broken must not cost the release its place.
            wiring.contacts = [:]
            gate = Gate.gpio(wiring, at: now)
            loop?.consumer = "lanekeeper-rest"
            fire = loop.map { FireLine.gpio($0, at: now) }
        }
    }

    mutating func run() throws(SystemFailure) {
        fire?.setEmergency(rest == .open, at: .now())
        var isKnown = false
        while !isAskedToStop() {
            serviceFire()
            isKnown = serviceGate() || isKnown
            if isKnown { supervisor.pulse(at: .now(), status: "", isNew: false) }
            try wait()
        }
        supervisor.stopping()
        gate.close()
        fire?.close()
        Log.notice("\(name): the gate is let go")
    }

    private func wait() throws(SystemFailure) {
        set.removeAll()
        set.add(signals.raw, .readable)
        gate.add(to: set)
        fire?.add(to: set)
        var deadline = min(supervisor.deadline, gate.nextDeadline)
        if let fire { deadline = min(deadline, fire.nextDeadline) }
        try set.wait(until: deadline == .never ? nil : deadline.nanoseconds)
    }

    /// True when it became known whether the gate can be held.
    private mutating func serviceGate() -> Bool {
        var found: GateEvent?
        gate.service(set, at: .now()) { event in
            switch event {
            case .lost, .back: found = event
            case .contact, .guardPressed, .tamper: break
            }
        }
        drive()
        switch found {
        case .lost(let failure):
            Log.error("\(name) is at rest, and its gate cannot be held \(rest.rawValue): \(failure)")
            supervisor.ready("at rest; the gate cannot be held \(rest.rawValue): \(failure)")
        case .back:
            Log.notice("\(name) is at rest: the gate is held \(rest.rawValue)")
            supervisor.ready("at rest; the gate is held \(rest.rawValue)")
        default: return false
        }
        return true
    }

    private mutating func serviceFire() {
        guard let fire else { return }
        let alarm = fire.service(set, at: .now()) == .alarm
        if alarm != fire.isEmergencySet, rest == .locked {
            Log.warning("\(name) is at rest: the fire loop is \(alarm ? "open; the gate opens" : "whole again")")
        }
        fire.setEmergency(alarm || rest == .open, at: .now())
        let failure = fire.failure?.description
        if failure != fireFailure, let failure { Log.error("fire line: \(failure); this counts as an alarm") }
        fireFailure = failure
        drive()
    }

    /// A release is not remembered by a gate that is lost: it is asked for again whenever it is well.
    private func drive() {
        for output in GateOutput.allCases where output.isRelease {
            gate.set(output, rest == .open || fire?.isEmergencySet == true, at: .now())
        }
    }

    private func isAskedToStop() -> Bool {
        while let signal = signals.next() {
            switch signal {
            case .terminate, .interrupt: return true
            case .reload: continue
            }
        }
        return false
    }
}
