import Admission
import Framing

/// What went over a device's line, as a technician who taps it sees it.
public struct TappedFrame: Sendable {
    public enum Direction: Sendable { case fromDevice, toDevice }

    /// At most so many bytes in one; more are told in several.
    public static let longest = 256

    public var direction: Direction
    /// A frame that its session took or threw away, with what stood before it; of a line that has said nothing whole for
    /// 100 ms, what came.
    public var bytes: [UInt8]
    /// What the session made of it.
    public var events: [DeviceEvent]
    public var at: MonotonicTime
}

/// Listens to a device's line. Called on the device's own thread, so it must not wait. Without one a device does nothing
/// for it but look whether it is there.
public protocol LineTap: AnyObject {
    func heard(_ frame: TappedFrame, on device: AttachedDevice)
}

/// Puts the bytes of a line together as its session understands them.
struct LineListener {
    static let patienceMilliseconds: Int64 = 100

    private var received: [UInt8] = []
    private var firstAt = MonotonicTime(nanoseconds: 0)
    private var counted: FrameCounters

    /// - Parameter counters: what the session has counted before somebody listened.
    init(counted counters: FrameCounters) { counted = counters }

    mutating func take(_ byte: UInt8, at now: MonotonicTime) {
        if received.isEmpty { firstAt = now }
        received.append(byte)
    }

    /// What is to be told before the next byte; nil when nothing is.
    mutating func stale(at now: MonotonicTime) -> TappedFrame? {
        guard !received.isEmpty, now.milliseconds(since: firstAt) >= Self.patienceMilliseconds else { return nil }
        return frame([], at: firstAt)
    }

    /// What is to be told after a step of the session.
    mutating func step(_ counters: FrameCounters, _ output: SessionOutput, at now: MonotonicTime) -> TappedFrame? {
        let isWhole = counters.frames != counted.frames || counters.rejected != counted.rejected
        counted = counters
        guard output.eventCount > 0 || (isWhole && !received.isEmpty) || received.count >= TappedFrame.longest else {
            return nil
        }
        return frame((0..<output.eventCount).map { output.event($0) }, at: now)
    }

    private mutating func frame(_ events: [DeviceEvent], at instant: MonotonicTime) -> TappedFrame {
        defer { received = [] }
        return TappedFrame(direction: .fromDevice, bytes: received, events: events, at: instant)
    }
}
