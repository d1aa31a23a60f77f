import Admission
import Posix

/// What the fire input says. It is a normally closed loop: whole is active, and a broken wire reads as alarm.
public enum FireReading: Sendable, Hashable {
    /// Not read yet; for 1 s after the start at most, then it is an alarm.
    case unknown
    case whole
    /// The loop is open, or cannot be read.
    case alarm
}

/// The fire input and the emergency output, for a small thread of their own: nothing here waits for the lane, its disk
/// or its gate. Used as `Gate` is.
///
/// It reads `.alarm` when the loop is open and whenever it cannot be read; `failure` then says why. The emergency
/// output is set again when the line is back.
public final class FireLine: @unchecked Sendable {
    // Unchecked: made by the program's first thread, then used by the fire thread alone.

    /// How long an unread loop may be unknown, at the start only.
    static let patienceMilliseconds: Int64 = 1000

    public private(set) var reading = FireReading.unknown
    /// Why the loop cannot be read; nil while it can.
    public private(set) var failure: DeviceFailure?

    private let wires: any Wires
    private var emergency = false
    private var unknownUntil: MonotonicTime

    init(wires: any Wires, at now: MonotonicTime) {
        self.wires = wires
        unknownUntil = now.advanced(byMilliseconds: Self.patienceMilliseconds)
    }

    /// The fire contact of a gate behind a Unix socket; a connection of its own.
    public static func simulated(socket path: String, at now: MonotonicTime) -> FireLine {
        FireLine(wires: SocketWires(path, .fire, at: now), at: now)
    }

    public var nextDeadline: MonotonicTime { min(wires.nextDeadline, unknownUntil) }

    public func add(to set: PollSet) { wires.add(to: set) }

    public var isEmergencySet: Bool { emergency }

    /// Sets the emergency output, at once; remembered while the line is lost.
    public func setEmergency(_ on: Bool, at now: MonotonicTime) {
        guard emergency != on else { return }
        emergency = on
        wires.drive(0, on, at: now)
    }

    /// Does what is due after each wait, and gives the reading.
    @discardableResult
    public func service(_ set: PollSet, at now: MonotonicTime) -> FireReading {
        wires.service(set, at: now) { event in
            switch event {
            case .opened:
                wires.drive(0, emergency, at: now)
            case .level(_, let whole):
                failure = nil
                unknownUntil = .never
                reading = whole ? .whole : .alarm
            case .lost(let failure):
                self.failure = failure
                if reading != .unknown { reading = .alarm }
            }
        }
        if now >= unknownUntil {
            unknownUntil = .never
            reading = .alarm
            failure =
                failure
                ?? DeviceFailure(
                    "read", "the fire loop", reason: "nothing heard for \(Self.patienceMilliseconds) ms",
                    advice: "check what it is wired to")
        }
        return reading
    }

    /// Lets go of the line; the emergency output falls, unless the gate rests open.
    public func close() { wires.close() }
}
