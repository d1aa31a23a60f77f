import Admission

/// What a configuration says of a QR or barcode scanner.
public struct ScannerOptions: Sendable {
    public enum Ending: String, Sendable, CaseIterable {
        /// CR, LF or CR LF.
        case line
        case etx
        /// Silence of `idleMilliseconds`.
        case none
    }

    public var ending = Ending.line
    /// With `Ending.none`: how long the line is silent behind a code. 50 ms at least, for adapters that pause.
    public var idleMilliseconds: Int64 = 60
    /// Whether the scanner sends an AIM id (`]Q1`) before each code.
    public var hasAIM = false
    /// What the scanner is set up to add to every code; a code without them is refused.
    public var prefix = InlineText()
    public var suffix = InlineText()

    public init() {}
}

/// QR and barcode scanners on RS-232 or a USB serial port; they talk, the host never does (protocols.md A4).
///
///     ┌─ ─ ─ ─ ┬─ ─ ─ ─ ─ ─ ─ ─ ─ ─┬──────┬─ ─ ─ ─ ┬────────────────────┐
///     │ prefix  │ AIM id: ] letter   │ code │ suffix  │ CR, LF, CR LF, ETX │
///     │         │ modifier           │      │         │ or silence          │
///     └─ ─ ─ ─ ┴─ ─ ─ ─ ─ ─ ─ ─ ─ ─┴──────┴─ ─ ─ ─ ┴────────────────────┘
///
/// The identifier is the code's own text, 1–64 bytes of UTF-8. It is whole or it is nothing: what is longer, is no UTF-8,
/// lacks what the scanner was said to add, or begins and is not ended in time, is thrown away. An AIM id is taken off
/// only when the configuration says that there is one: a badge's text may itself begin with `]`.
public struct ScannerSession: DeviceSession {
    /// A code that has begun must end within this: at 1200 baud 128 bytes take a second.
    static let recordMilliseconds: Int64 = 1500
    /// The longest code, its AIM id, prefix and suffix.
    private static let longestRecord = 64 + 3 + 64 + 64

    private let options: ScannerOptions
    private var record = InlineBytes<195>()
    private var isTooLong = false
    private var began = MonotonicTime(nanoseconds: 0)
    private var lastByte = MonotonicTime(nanoseconds: 0)
    public private(set) var counters = FrameCounters()
    public private(set) var lastFrame: MonotonicTime?

    public init(_ options: ScannerOptions) { self.options = options }

    public var nextDeadline: MonotonicTime {
        guard !record.isEmpty else { return .never }
        let latest = began.advanced(byMilliseconds: Self.recordMilliseconds)
        guard options.ending == .none else { return latest }
        return lastByte.advanced(byMilliseconds: options.idleMilliseconds)
    }

    public mutating func start(at now: MonotonicTime, into output: inout SessionOutput) {
        clear()
        lastFrame = nil
    }

    public mutating func timePassed(at now: MonotonicTime, into output: inout SessionOutput) {
        guard now >= nextDeadline else { return }
        if options.ending == .none { finish(at: now, &output) } else { reject(.late, &output) }
    }

    public mutating func receive(_ byte: UInt8, at now: MonotonicTime, into output: inout SessionOutput) {
        // What should have been ended by the time is ended before the next byte is looked at.
        timePassed(at: now, into: &output)
        lastByte = now
        if isEnd(byte) {
            // Of CR LF the second ends nothing.
            if !record.isEmpty { finish(at: now, &output) }
            return
        }
        if record.isEmpty { began = now }
        if !record.append(byte) { isTooLong = true }
    }

    private func isEnd(_ byte: UInt8) -> Bool {
        switch options.ending {
        case .line: byte == 0x0D || byte == 0x0A
        case .etx: byte == 0x03
        case .none: false
        }
    }

    private mutating func finish(at now: MonotonicTime, _ output: inout SessionOutput) {
        guard !isTooLong else { return reject(.unexpectedByte, &output) }
        var first = 0
        var end = record.count
        guard take(options.prefix.bytes, at: 0) else { return reject(.unexpectedByte, &output) }
        first += options.prefix.bytes.count
        guard take(options.suffix.bytes, at: end - options.suffix.bytes.count) else {
            return reject(.unexpectedByte, &output)
        }
        end -= options.suffix.bytes.count
        if options.hasAIM {
            guard first + 3 <= end, record[first] == 0x5D, isLetter(record[first + 1]) else {
                return reject(.unexpectedByte, &output)
            }
            first += 3
        }
        var code = InlineBytes<64>()
        guard first < end, end - first <= Identifier.longest else { return reject(.unexpectedByte, &output) }
        for index in first..<end { code.append(record[index]) }
        guard UTF8Check.isText(code), let identifier = Identifier(.code, bytes: code) else {
            return reject(.unexpectedByte, &output)
        }
        clear()
        counters.frames += 1
        lastFrame = now
        output.append(.identifier(identifier))
    }

    private func take(_ affix: InlineBytes<64>, at start: Int) -> Bool {
        guard start >= 0, start + affix.count <= record.count else { return false }
        for index in 0..<affix.count where record[start + index] != affix[index] { return false }
        return true
    }

    private func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte & 0xDF) }

    private mutating func reject(_ fault: FrameFault, _ output: inout SessionOutput) {
        clear()
        counters.rejected += 1
        output.append(.rejected(fault))
    }

    private mutating func clear() {
        record.removeAll()
        isTooLong = false
    }
}

/// Whether bytes are the text of a code: UTF-8 without control characters, but for the group separator of GS1 codes.
enum UTF8Check {
    static func isText<let capacity: Int>(_ bytes: InlineBytes<capacity>) -> Bool {
        var index = 0
        while index < bytes.count {
            let first = bytes[index]
            let (length, lowest): (Int, UInt32)
            switch first {
            case 0x1D, 0x20...0x7E: (length, lowest) = (1, 0)
            case 0xC2...0xDF: (length, lowest) = (2, 0x80)
            case 0xE0...0xEF: (length, lowest) = (3, 0x800)
            case 0xF0...0xF4: (length, lowest) = (4, 0x10000)
            default: return false
            }
            guard index + length <= bytes.count else { return false }
            var scalar = length == 1 ? UInt32(first) : UInt32(first) & (0x7F >> UInt32(length))
            for next in 1..<max(length, 1) {
                guard bytes[index + next] & 0xC0 == 0x80 else { return false }
                scalar = scalar << 6 | UInt32(bytes[index + next] & 0x3F)
            }
            guard scalar >= lowest, scalar <= 0x10FFFF, !(0xD800...0xDFFF).contains(scalar),
                !(0x80...0x9F).contains(scalar)
            else { return false }
            index += length
        }
        return true
    }
}
