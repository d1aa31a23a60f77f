import Admission

/// RDM6300 and ID-12LA readers of 125 kHz EM4100 chips, 9600 8N1; they talk, the host never does (protocols.md A1).
///
///     off   0     1 … 10                 11 12            (13 14)   last
///         ┌─────┬──────────────────────┬────────────────┬ ─ ─ ─ ─ ┬─────┐
///         │ STX │ 10 hex digits:       │ 2 hex digits:  │ CR LF    │ ETX │
///         │ 02  │ version, 4-byte tag  │ XOR of the five│ ID-12LA  │ 03  │
///         └─────┴──────────────────────┴────────────────┴ ─ ─ ─ ─ ┴─────┘
///
/// 14 bytes, or 16 with CR LF. The identifier is all five decoded bytes, most significant first. Hex digits of either
/// case are accepted: the check is over the decoded bytes. A frame repeats every 50–65 ms while the chip is in the field.
///
/// The XOR is only 8 bits wide and two cut frames could be joined into one that fits, so the whole frame must come
/// within half a second of its STX, and any byte out of place ends it.
public struct RDM6300Session: DeviceSession {
    static let frameMilliseconds: Int64 = 500

    private enum State {
        case outside
        /// So many of the twelve digits are in `value`.
        case digits(Int)
        /// Twelve digits: CR or ETX follows.
        case complete
        case carriageReturn
        /// CR LF: only ETX may follow.
        case lineFeed
    }

    private var state = State.outside
    private var value: UInt64 = 0
    private var began = MonotonicTime(nanoseconds: 0)
    public private(set) var counters = FrameCounters()
    public private(set) var lastFrame: MonotonicTime?
    public var nextDeadline: MonotonicTime { .never }

    public init() {}

    public mutating func start(at now: MonotonicTime, into output: inout SessionOutput) {
        state = .outside
        lastFrame = nil
    }

    public mutating func timePassed(at now: MonotonicTime, into output: inout SessionOutput) {}

    public mutating func receive(_ byte: UInt8, at now: MonotonicTime, into output: inout SessionOutput) {
        if case .outside = state {
        } else if now.milliseconds(since: began) > Self.frameMilliseconds {
            reject(.late, &output)
        }
        if byte == 0x02 {
            if case .outside = state {} else { reject(.interrupted, &output) }
            state = .digits(0)
            value = 0
            began = now
            return
        }
        switch state {
        case .outside:
            counters.noiseBytes += 1
        case .digits(let count):
            guard let digit = Self.hexValue(byte) else { return reject(.unexpectedByte, &output) }
            value = value << 4 | UInt64(digit)
            state = count == 11 ? .complete : .digits(count + 1)
        case .complete where byte == 0x0D:
            state = .carriageReturn
        case .carriageReturn where byte == 0x0A:
            state = .lineFeed
        case .complete where byte == 0x03, .lineFeed where byte == 0x03:
            finish(at: now, &output)
        case .complete, .carriageReturn, .lineFeed:
            reject(.unexpectedByte, &output)
        }
    }

    private mutating func finish(at now: MonotonicTime, _ output: inout SessionOutput) {
        var bytes = InlineBytes<5>()
        var check: UInt8 = 0
        for index in 0..<5 {
            let byte = UInt8(truncatingIfNeeded: value >> UInt64(40 - 8 * index))
            bytes.append(byte)
            check ^= byte
        }
        guard check == UInt8(truncatingIfNeeded: value), let identifier = Identifier(.chip, bytes: bytes) else {
            return reject(.check, &output)
        }
        state = .outside
        counters.frames += 1
        lastFrame = now
        output.append(.identifier(identifier))
    }

    private mutating func reject(_ fault: FrameFault, _ output: inout SessionOutput) {
        state = .outside
        counters.rejected += 1
        output.append(.rejected(fault))
    }

    private static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}
