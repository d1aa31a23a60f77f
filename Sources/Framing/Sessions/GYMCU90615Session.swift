import Admission

/// GY-MCU90615, GY-MCU90614 and GY-614 infrared thermometers, 9600 or 115200 8N1, ten samples a second (protocols.md B1).
///
///     to the module            from the module, 9 bytes
///     ┌────┬────┬────┐         ┌────┬────┬────┬────┬──────┬──────┬──────┬──────┬─────┐
///     │ A5 │ 45 │ EA │         │ 5A │ 5A │ 45 │ 04 │ TO hi│ TO lo│ TA hi│ TA lo│ sum │
///     └────┴────┴────┘         └────┴────┴────┴────┴──────┴──────┴──────┴──────┴─────┘
///     "send continuously"      TO object, TA ambient: Int16, hundredths of a degree Celsius; sum: low byte of the first 8
///
/// A module that was told so sends from power-up; the others are asked at the start and again after each second of
/// silence, so that one which was unplugged resumes. When a sum does not fit, only the first byte is given up and the
/// rest is looked at again: a good frame right behind a broken one is not lost.
public struct GYMCU90615Session: DeviceSession {
    static let askAgainMilliseconds: Int64 = 1000
    static let frameMilliseconds: Int64 = 200
    private static let length = 9

    private let asks: Bool
    private var frame = InlineBytes<9>()
    private var began = MonotonicTime(nanoseconds: 0)
    private var askAt = MonotonicTime.never
    public private(set) var counters = FrameCounters()
    public private(set) var lastFrame: MonotonicTime?
    public var nextDeadline: MonotonicTime { askAt }

    /// - Parameter asks: whether the command to send continuously is given.
    public init(asks: Bool = true) { self.asks = asks }

    public mutating func start(at now: MonotonicTime, into output: inout SessionOutput) {
        frame.removeAll()
        lastFrame = nil
        ask(at: now, &output)
    }

    public mutating func timePassed(at now: MonotonicTime, into output: inout SessionOutput) {
        if now >= askAt { ask(at: now, &output) }
    }

    public mutating func receive(_ byte: UInt8, at now: MonotonicTime, into output: inout SessionOutput) {
        if !frame.isEmpty, now.milliseconds(since: began) > Self.frameMilliseconds {
            frame.removeAll()
            reject(.late, &output)
        }
        if frame.isEmpty { began = now }
        frame.append(byte)
        dropUntilFrameBegins(at: now)
        guard frame.count == Self.length else { return }
        if frame.dropLast().reduce(0, &+) == frame[8] {
            finish(at: now, &output)
        } else {
            reject(.check, &output)
            dropFirst(at: now)
            dropUntilFrameBegins(at: now)
        }
    }

    /// Gives up bytes until what is left may be the beginning of a frame.
    private mutating func dropUntilFrameBegins(at now: MonotonicTime) {
        while !beginsFrame { dropFirst(at: now) }
    }

    private mutating func dropFirst(at now: MonotonicTime) {
        frame.removeFirst(1)
        counters.noiseBytes += 1
        began = now
    }

    private var beginsFrame: Bool {
        (frame.count < 1 || frame[0] == 0x5A) && (frame.count < 2 || frame[1] == 0x5A)
            && (frame.count < 3 || frame[2] == 0x45) && (frame.count < 4 || frame[3] == 0x04)
    }

    private mutating func finish(at now: MonotonicTime, _ output: inout SessionOutput) {
        counters.frames += 1
        lastFrame = now
        if asks { askAt = now.advanced(byMilliseconds: Self.askAgainMilliseconds) }
        output.append(
            .temperature(
                TemperatureSample(
                    objectCentidegrees: centidegrees(at: 4), ambientCentidegrees: centidegrees(at: 6))))
        frame.removeAll()
    }

    private func centidegrees(at index: Int) -> Int32 {
        Int32(Int16(bitPattern: UInt16(frame[index]) << 8 | UInt16(frame[index + 1])))
    }

    private mutating func ask(at now: MonotonicTime, _ output: inout SessionOutput) {
        guard asks else { return }
        var command = InlineBytes<3>()
        command.append(0xA5)
        command.append(0x45)
        command.append(0xEA)
        output.send(command)
        askAt = now.advanced(byMilliseconds: Self.askAgainMilliseconds)
    }

    private mutating func reject(_ fault: FrameFault, _ output: inout SessionOutput) {
        counters.rejected += 1
        output.append(.rejected(fault))
    }
}
