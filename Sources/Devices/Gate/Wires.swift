import Admission
import Posix

/// What comes over the wires of a gate.
enum WireEvent {
    /// They are there, with every output at 0 and no contact known yet.
    case opened
    /// The level of the contact with this place in `WireNames.contacts`; said for each once after `opened`, then at
    /// each change.
    case level(Int, Bool)
    case lost(DeviceFailure)
}

/// The levels that go to and come from a gate: over a socket, or on GPIO lines. Opened again by themselves when lost.
/// Used by one thread; nothing blocks.
protocol Wires: AnyObject {
    /// Whether this contact is wired at all.
    func hasContact(_ index: Int) -> Bool
    /// When `service` wants to be called although nothing is ready.
    var nextDeadline: MonotonicTime { get }
    /// Adds at most 8 descriptors.
    func add(to set: PollSet)
    func service(_ set: PollSet, at now: MonotonicTime, report: (WireEvent) -> Void)
    /// Sets an output. A failure is reported by the next `service`, which is then due at once. Does nothing while lost.
    func drive(_ output: Int, _ level: Bool, at now: MonotonicTime)
    func close()
}

/// The names of levels as the gate's socket and the configuration write them.
struct WireNames {
    /// First word on the socket, after `hello`.
    let role: StaticString
    let outputs: [StaticString]
    let contacts: [StaticString]

    static let lane = WireNames(
        role: "lane", outputs: ["release", "lamp_green", "lamp_red", "lamp_amber", "buzzer", "release_backward"],
        contacts: ["passage_forward", "passage_backward", "guard_button", "tamper"])
    static let fire = WireNames(role: "fire", outputs: ["emergency"], contacts: ["fire"])
}
