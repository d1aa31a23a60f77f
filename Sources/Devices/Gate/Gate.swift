import Admission
import Posix

/// What the lane sets at its gate.
public enum GateOutput: Int, Sendable, CaseIterable {
    case release = 0
    case lampGreen = 1
    case lampRed = 2
    case lampAmber = 3
    case buzzer = 4
    /// Lets through to → from; of a two-way lane's gate, which has a line for each way.
    case releaseBackward = 5

    /// Whether it lets somebody through.
    public var isRelease: Bool { self == .release || self == .releaseBackward }

    /// As the socket and the configuration write it.
    public var name: StaticString { WireNames.lane.outputs[rawValue] }
}

/// What a gate's contacts are for.
public enum GateContact: Int, Sendable, CaseIterable {
    case passageForward = 0
    case passageBackward = 1
    case guardButton = 2
    /// Of the cabinet; closed while it is open, or `active_low` where the switch is the other way round.
    case tamper = 3

    /// As the socket and the configuration write it.
    public var name: StaticString { WireNames.lane.contacts[rawValue] }

    /// Whether a gate behind a socket must say it before it is there.
    var isRequired: Bool { self == .passageForward || self == .passageBackward }
}

/// What a gate reports.
public enum GateEvent: Sendable {
    /// A passage contact closed or opened, debounced. What is told is always a change against what was told last (open,
    /// at the beginning): a contact that closed while the gate was lost is told just before `back`.
    case contact(PassageDirection, closed: Bool)
    /// The guard's button went down while the gate was watched: one that was down already when the gate was reached
    /// counts when it is pressed again.
    case guardPressed
    /// The cabinet was opened, or closed again; told as a change, like `contact`.
    case tamper(opened: Bool)
    case lost(DeviceFailure)
    /// It is there and has said all its contacts.
    case back
}

/// The lane's gate: release, lamps and buzzer out, passage contacts in. Used by the lane's thread alone:
///
///     gate.add(to: set)                            before each wait; at most 8 descriptors
///     try set.wait(until: … gate.nextDeadline …)
///     gate.service(set, at: now) { event in … }    after each wait
///     gate.set(.release, true, at: now)            goes out before it returns
///
/// A gate that is lost drops its release by itself, and so does this: when it is back, lamps are set as before and the
/// release stays off until somebody is let in anew.
public final class Gate {
    /// Without its contacts for so long after it was reached, it is not there.
    static let greetingMilliseconds: Int64 = 2000

    public enum Presence: Sendable { case unknown, well, lost }

    public private(set) var presence = Presence.unknown
    /// Why it is lost; nil while it is not.
    public private(set) var failure: DeviceFailure?

    private let wires: any Wires
    private var wanted = InlineArray<6, Bool>(repeating: false)
    private var told = InlineArray<4, Bool>(repeating: false)
    private var known = InlineArray<4, Bool>(repeating: false)
    private var greetingBy = MonotonicTime.never

    init(wires: any Wires) { self.wires = wires }

    /// A gate behind a Unix socket.
    public static func simulated(socket path: String, at now: MonotonicTime) -> Gate {
        Gate(wires: SocketWires(path, .lane, at: now))
    }

    public var nextDeadline: MonotonicTime { min(wires.nextDeadline, greetingBy) }

    public func add(to set: PollSet) { wires.add(to: set) }

    /// What the output was last set to.
    public func isSet(_ output: GateOutput) -> Bool { wanted[output.rawValue] }

    /// Sets an output, at once. While the gate is not well, lamps and buzzer are remembered; a release is not.
    public func set(_ output: GateOutput, _ on: Bool, at now: MonotonicTime) {
        guard wanted[output.rawValue] != on, !output.isRelease || !on || presence == .well else { return }
        wanted[output.rawValue] = on
        wires.drive(output.rawValue, on, at: now)
    }

    public func service(_ set: PollSet, at now: MonotonicTime, report: (GateEvent) -> Void) {
        wires.service(set, at: now) { event in
            switch event {
            case .opened:
                known = InlineArray(repeating: false)
                greetingBy = now.advanced(byMilliseconds: Self.greetingMilliseconds)
                for output in GateOutput.allCases { wires.drive(output.rawValue, wanted[output.rawValue], at: now) }
                hear(at: now, report)
            case .level(let index, let closed):
                if let contact = GateContact(rawValue: index) { change(contact, closed, report) }
                // After the contact: what was closed before the gate was back is no passage.
                hear(at: now, report)
            case .lost(let failure):
                lose(failure, report)
            }
        }
        if now >= greetingBy {
            wires.close()
            lose(
                DeviceFailure(
                    "hear", "the gate", reason: "it did not say its contacts in \(Self.greetingMilliseconds) ms",
                    advice: "what listens there must be a gate"), report)
        }
    }

    /// Lets go of the gate, at rest: lamps fall, and the release unless the gate rests open.
    public func close() {
        wires.close()
        wanted = InlineArray(repeating: false)
    }

    private func change(_ contact: GateContact, _ closed: Bool, _ report: (GateEvent) -> Void) {
        let wasKnown = known[contact.rawValue]
        known[contact.rawValue] = true
        guard told[contact.rawValue] != closed else { return }
        told[contact.rawValue] = closed
        switch contact {
        case .passageForward: report(.contact(.forward, closed: closed))
        case .passageBackward: report(.contact(.backward, closed: closed))
        case .guardButton: if closed && wasKnown { report(.guardPressed) }
        case .tamper: report(.tamper(opened: closed))
        }
    }

    private func hear(at now: MonotonicTime, _ report: (GateEvent) -> Void) {
        guard presence != .well else { return }
        for contact in GateContact.allCases where contact.isRequired && wires.hasContact(contact.rawValue) {
            guard known[contact.rawValue] else { return }
        }
        presence = .well
        failure = nil
        greetingBy = .never
        report(.back)
    }

    private func lose(_ failure: DeviceFailure, _ report: (GateEvent) -> Void) {
        self.failure = failure
        greetingBy = .never
        for output in GateOutput.allCases where output.isRelease { wanted[output.rawValue] = false }
        guard presence != .lost else { return }
        presence = .lost
        report(.lost(failure))
    }
}
