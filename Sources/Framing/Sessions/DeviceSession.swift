import Admission

/// What a device on a serial line said.
public enum DeviceEvent: Sendable, Hashable {
    /// A badge is in the reader's field. Said again with every frame of a reader that repeats itself: that a chip which
    /// stays in the field is one presentation is for the lane machine to know.
    case identifier(Identifier)
    case temperature(TemperatureSample)
    /// A frame began and was thrown away. For technicians; nothing is decided on it.
    case rejected(FrameFault)
    case notice(DeviceNotice)
}

/// Why a frame was thrown away.
public enum FrameFault: UInt8, Error, CaseIterable {
    /// Complete, and its check does not fit.
    case check = 1
    /// A byte that cannot stand at its place.
    case unexpectedByte = 2
    /// The next frame began before this one ended.
    case interrupted = 3
    /// The rest did not come in time.
    case late = 4
}

/// What came over a line since its session was made; a technician's first look at a bad cable.
public struct FrameCounters: Sendable, Hashable {
    /// Frames whose check fits.
    public var frames: UInt64 = 0
    /// Frames that were thrown away.
    public var rejected: UInt64 = 0
    /// Bytes outside of any frame.
    public var noiseBytes: UInt64 = 0

    public init() {}
}

/// What one step of a session asks for, in order: at most 4 events and 256 bytes to send. The caller empties it after
/// every step, so that a session never finds it full.
public struct SessionOutput: Sendable {
    public static let eventCapacity = 4
    private var events = InlineArray<4, DeviceEvent>(repeating: .rejected(.check))
    public private(set) var eventCount = 0
    /// Bytes for the device.
    public private(set) var bytes = InlineBytes<256>()

    public init() {}

    public func event(_ index: Int) -> DeviceEvent {
        precondition(index < eventCount, "beyond the events held")
        return events[index]
    }

    /// With no room left, a rejected frame is not told, and what is more than that takes the place of one: a single byte
    /// may show that many beginnings of frames were none, and end a good one behind them.
    public mutating func append(_ event: DeviceEvent) {
        if eventCount < Self.eventCapacity {
            events[eventCount] = event
            eventCount += 1
            return
        }
        if case .rejected = event { return }
        for index in (0..<eventCount).reversed() {
            guard case .rejected = events[index] else { continue }
            for place in index..<eventCount - 1 { events[place] = events[place + 1] }
            events[eventCount - 1] = event
            return
        }
    }

    /// All of `frame`, or nothing when it does not fit.
    public mutating func send(_ frame: some Collection<UInt8>) {
        guard bytes.count + frame.count <= 256 else { return }
        for byte in frame { bytes.append(byte) }
    }

    public mutating func removeAll() {
        eventCount = 0
        bytes.removeAll()
    }
}

/// A driver: bytes and monotonic time in, events and bytes to send out. Sessions do no I/O, read no clock, and allocate
/// nothing between a byte and its event.
///
/// The shell calls `start` each time the line was opened, `receive` for every byte in order, `timePassed` when
/// `nextDeadline` is reached (earlier does no harm), and carries the output out after each call.
public protocol DeviceSession: Sendable {
    var counters: FrameCounters { get }

    /// When the newest valid frame was complete; nil before the first since `start`. Supervision judges silence by it.
    var lastFrame: MonotonicTime? { get }

    /// When `timePassed` wants to be called; `.never` when nothing is awaited.
    var nextDeadline: MonotonicTime { get }

    mutating func start(at now: MonotonicTime, into output: inout SessionOutput)
    mutating func receive(_ byte: UInt8, at now: MonotonicTime, into output: inout SessionOutput)
    mutating func timePassed(at now: MonotonicTime, into output: inout SessionOutput)

    /// Why the device cannot be used although it answers; nil when it can, or when it does not answer.
    var trouble: DeviceTrouble? { get }

    /// What it tells of itself.
    var conditions: DeviceConditions { get }

    /// What the reader shall show from now on; it goes out when `timePassed` is called next, and `nextDeadline` asks for
    /// that. The newest replaces what was not shown yet; a device without lamps ignores it.
    mutating func show(_ feedback: ReaderFeedback, at now: MonotonicTime)
}

extension DeviceSession {
    public var trouble: DeviceTrouble? { nil }
    public var conditions: DeviceConditions { [] }
    public mutating func show(_ feedback: ReaderFeedback, at now: MonotonicTime) {}
}
