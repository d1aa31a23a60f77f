import Admission

/// The register profile of a Modbus RTU thermometer, as the configuration gives it.
public struct ModbusOptions: Sendable {
    public enum Ambient: Sendable {
        case fixed(centidegrees: Int32)
        /// Read like the object's, with the same function, width, scale and offset.
        case register(UInt16)
    }

    /// 1…247.
    public var unit: UInt8 = 1
    /// 3 holding registers, 4 input registers.
    public var function: UInt8 = 4
    /// As it travels: the first register is 0.
    public var register: UInt16 = 0
    /// Two registers, high word first, instead of one.
    public var isWide = false
    public var isSigned = true
    /// Millionths of a degree Celsius a step.
    public var scaleMicrodegrees: Int64 = 100_000
    /// Added to the scaled value: −27315 for a thermometer that says kelvin.
    public var offsetCentidegrees: Int32 = 0
    public var ambient = Ambient.fixed(centidegrees: 2000)
    public var pollMilliseconds: Int64 = 150
    public var timeoutMilliseconds: Int64 = 200

    public init() {}
}

/// Modbus RTU thermometers (protocols.md B2).
///
///     request   ┌──────┬────┬──────────┬──────────┬────────┐      reply  ┌──────┬────┬───────┬────────┬────────┐
///               │ unit │ fn │ start BE │ count BE │ CRC LE │             │ unit │ fn │ bytes │ values │ CRC LE │
///               └──────┴────┴──────────┴──────────┴────────┘             └──────┴────┴───────┴────────┴────────┘
///     CRC: polynomial A001 reflected, begins with FFFF             error  │ unit │ fn + 80 │ code │ CRC LE │
///
/// A reply is told by its length and CRC: USB adapters send bytes in batches, so gaps say nothing. A reply that comes
/// after its time would be taken for the next one's, since nothing in it says what was asked; so after a silence the
/// line must stay silent as long again, or the late reply must have come and gone, before the next question.
public struct ModbusSession: DeviceSession {
    /// More than 3.5 characters at 9600 baud.
    static let gapMilliseconds: Int64 = 5
    static let settlingMilliseconds: Int64 = 20
    static let ambientMilliseconds: Int64 = 1000
    static let staleAmbientMilliseconds: Int64 = 5000

    private enum State {
        case pausing(until: MonotonicTime)
        case awaiting(until: MonotonicTime)
        /// The line must be silent until then.
        case settling(until: MonotonicTime)
    }

    private let options: ModbusOptions
    private var state = State.pausing(until: .never)
    private var asksAmbient = false
    private var askedAt = MonotonicTime(nanoseconds: 0)
    private var ambient: (centidegrees: Int32, at: MonotonicTime)?
    private var frame = InlineBytes<16>()
    private var hasLateBytes = false
    public private(set) var counters = FrameCounters()
    public private(set) var lastFrame: MonotonicTime?
    public private(set) var trouble: DeviceTrouble?

    public init(_ options: ModbusOptions) { self.options = options }

    public var nextDeadline: MonotonicTime {
        switch state {
        case .pausing(let until), .awaiting(let until), .settling(let until): until
        }
    }

    public mutating func start(at now: MonotonicTime, into output: inout SessionOutput) {
        lastFrame = nil
        ambient = nil
        ask(at: now, &output)
    }

    public mutating func timePassed(at now: MonotonicTime, into output: inout SessionOutput) {
        guard now >= nextDeadline else { return }
        switch state {
        case .pausing, .settling: ask(at: now, &output)
        case .awaiting:
            trouble = nil
            settle(until: now.advanced(byMilliseconds: options.timeoutMilliseconds))
        }
    }

    // MARK: Asking

    private mutating func ask(at now: MonotonicTime, _ output: inout SessionOutput) {
        var register = options.register
        asksAmbient = false
        if case .register(let other) = options.ambient,
            ambient.map({ now.milliseconds(since: $0.at) >= Self.ambientMilliseconds }) ?? true
        {
            asksAmbient = true
            register = other
        }
        var request = InlineBytes<16>()
        request.append(options.unit)
        request.append(options.function)
        request.append(UInt8(register >> 8))
        request.append(UInt8(truncatingIfNeeded: register))
        request.append(0)
        request.append(UInt8(valueBytes / 2))
        let crc = Self.crc(request, count: request.count)
        request.append(UInt8(truncatingIfNeeded: crc))
        request.append(UInt8(crc >> 8))
        output.send(request)
        frame.removeAll()
        askedAt = now
        state = .awaiting(until: now.advanced(byMilliseconds: options.timeoutMilliseconds))
    }

    // MARK: Receiving

    public mutating func receive(_ byte: UInt8, at now: MonotonicTime, into output: inout SessionOutput) {
        guard case .awaiting = state else {
            counters.noiseBytes += 1
            guard case .settling = state else {
                return settle(until: now.advanced(byMilliseconds: Self.settlingMilliseconds))
            }
            if !hasLateBytes { reject(.late, &output) }
            hasLateBytes = true
            state = .settling(until: now.advanced(byMilliseconds: Self.settlingMilliseconds))
            return
        }
        frame.append(byte)
        while let length = expectedLength, frame.count >= length {
            guard length > 0 else {
                counters.noiseBytes += 1
                frame.removeFirst(1)
                continue
            }
            let crc = Self.crc(frame, count: length - 2)
            guard frame[length - 2] == UInt8(truncatingIfNeeded: crc), frame[length - 1] == UInt8(crc >> 8) else {
                reject(.check, &output)
                return settle(until: now.advanced(byMilliseconds: Self.settlingMilliseconds))
            }
            return finish(at: now, &output)
        }
    }

    /// Of the reply in `frame`; nil before it is known, 0 when it cannot be one.
    private var expectedLength: Int? {
        guard let first = frame.first else { return nil }
        guard first == options.unit else { return 0 }
        guard frame.count >= 2 else { return nil }
        if frame[1] == options.function | 0x80 { return 5 }
        guard frame[1] == options.function else { return 0 }
        guard frame.count >= 3 else { return nil }
        return Int(frame[2]) == valueBytes ? 3 + valueBytes + 2 : 0
    }

    private var valueBytes: Int { options.isWide ? 4 : 2 }

    private mutating func finish(at now: MonotonicTime, _ output: inout SessionOutput) {
        counters.frames += 1
        state = .pausing(
            until: max(
                askedAt.advanced(byMilliseconds: asksAmbient ? 0 : options.pollMilliseconds),
                now.advanced(byMilliseconds: Self.gapMilliseconds)))
        guard frame[1] == options.function else {
            if trouble != .error(frame[2]) { output.append(.notice(.trouble(.error(frame[2])))) }
            trouble = .error(frame[2])
            state = .pausing(
                until: askedAt.advanced(byMilliseconds: max(options.pollMilliseconds, Self.gapMilliseconds)))
            return
        }
        trouble = nil
        lastFrame = now
        let value = centidegrees
        if asksAmbient {
            ambient = (value, now)
        } else if let surroundings = ambientCentidegrees(at: now) {
            output.append(
                .temperature(TemperatureSample(objectCentidegrees: value, ambientCentidegrees: surroundings)))
        }
    }

    private func ambientCentidegrees(at now: MonotonicTime) -> Int32? {
        if case .fixed(let centidegrees) = options.ambient { return centidegrees }
        guard let ambient, now.milliseconds(since: ambient.at) <= Self.staleAmbientMilliseconds else { return nil }
        return ambient.centidegrees
    }

    private var centidegrees: Int32 {
        var raw: UInt32 = 0
        for index in 0..<valueBytes { raw = raw << 8 | UInt32(frame[3 + index]) }
        let value: Int64 =
            switch (options.isWide, options.isSigned) {
            case (false, true): Int64(Int16(truncatingIfNeeded: raw))
            case (true, true): Int64(Int32(bitPattern: raw))
            case (_, false): Int64(raw)
            }
        let (scaled, overflows) = value.multipliedReportingOverflow(by: options.scaleMicrodegrees)
        guard !overflows else { return .max }
        let rounded = scaled / 10_000 + (abs(scaled % 10_000) >= 5000 ? scaled.signum() : 0)
        return Int32(clamping: rounded + Int64(options.offsetCentidegrees))
    }

    private mutating func settle(until: MonotonicTime) {
        frame.removeAll()
        hasLateBytes = false
        state = .settling(until: until)
    }

    private mutating func reject(_ fault: FrameFault, _ output: inout SessionOutput) {
        counters.rejected += 1
        output.append(.rejected(fault))
    }

    private static func crc(_ bytes: InlineBytes<16>, count: Int) -> UInt16 {
        var crc: UInt16 = 0xFFFF
        for index in 0..<count {
            crc ^= UInt16(bytes[index])
            for _ in 0..<8 { crc = crc & 1 != 0 ? crc >> 1 ^ 0xA001 : crc >> 1 }
        }
        return crc
    }
}
