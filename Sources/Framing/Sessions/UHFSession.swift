import Admission

/// What a configuration says of a UHF reader.
public struct UHFOptions: Sendable {
    /// Tags that are heard more weakly, in dBm at the chip, are of the next lane; nil takes all.
    public var weakestDBm: Int8?
    /// Transmit power in hundredths of dBm; nil leaves the module's own.
    public var powerCentidBm: UInt16?

    public init() {}
}

/// UHF readers of vehicle passes of the M100, YRM100 and R200 family, 115200 8N1 (protocols.md A5).
///
///     ┌────┬──────┬─────┬───────────┬──────────┬─────┬────┐     type: 00 command, 01 response, 02 notice
///     │ BB │ type │ cmd │ length BE │ params … │ sum │ 7E │     sum: low byte of type … params
///     └────┴──────┴─────┴───────────┴──────────┴─────┴────┘     BB and 7E may stand inside: the length counts
///
///     notice of a tag (cmd 22, in some manuals 27):  RSSI, PC[2], EPC[(PC >> 11) · 2], CRC[2]
///
/// Stop ─► (power) ─► many rounds of polling, begun again when they are over or the module falls silent. A module that
/// polls and finds nothing says so all the time, which is its sign of life.
///
/// The sum has 8 bits only: a tag counts when the CRC-16 over its PC and EPC fits too. A tag is heard many times a
/// second; what is weaker than `weakestDBm` is not heard at all, and each tag is reported at most every 100 ms.
public struct UHFSession: DeviceSession {
    static let repeatMilliseconds: Int64 = 100
    static let silenceMilliseconds: Int64 = 500
    static let frameMilliseconds: Int64 = 100
    private static let longestParameters = 96
    /// Heard lately, the oldest given up first.
    private static let remembered = 16

    private struct Hearing {
        var identifier: Identifier
        var reportedAt: MonotonicTime
    }

    private let options: UHFOptions
    private var frame = InlineBytes<103>()
    private var frameBegan = MonotonicTime(nanoseconds: 0)
    private var askAt = MonotonicTime.never
    private var hearings = InlineArray<16, Hearing?>(repeating: nil)
    private var nextHearing = 0
    public private(set) var counters = FrameCounters()
    public private(set) var lastFrame: MonotonicTime?
    public var nextDeadline: MonotonicTime { askAt }

    public init(_ options: UHFOptions) { self.options = options }

    public mutating func start(at now: MonotonicTime, into output: inout SessionOutput) {
        frame.removeAll()
        lastFrame = nil
        poll(at: now, &output)
    }

    public mutating func timePassed(at now: MonotonicTime, into output: inout SessionOutput) {
        if now >= askAt { poll(at: now, &output) }
    }

    // MARK: Sending

    private static let stop: [UInt8] = [0xBB, 0x00, 0x28, 0x00, 0x00, 0x28, 0x7E]
    /// 65535 rounds.
    private static let manyRounds: [UInt8] = [0xBB, 0x00, 0x27, 0x00, 0x03, 0x22, 0xFF, 0xFF, 0x4A, 0x7E]

    private mutating func poll(at now: MonotonicTime, _ output: inout SessionOutput) {
        output.send(Self.stop)
        if let power = options.powerCentidBm {
            let (high, low) = (UInt8(power >> 8), UInt8(truncatingIfNeeded: power))
            output.send([0xBB, 0x00, 0xB6, 0x00, 0x02, high, low, 0xB6 &+ 0x02 &+ high &+ low, 0x7E])
        }
        output.send(Self.manyRounds)
        askAt = now.advanced(byMilliseconds: Self.silenceMilliseconds)
    }

    // MARK: Receiving

    public mutating func receive(_ byte: UInt8, at now: MonotonicTime, into output: inout SessionOutput) {
        if !frame.isEmpty, now.milliseconds(since: frameBegan) > Self.frameMilliseconds {
            frame.removeAll()
            reject(.late, &output)
        }
        if frame.isEmpty { frameBegan = now }
        frame.append(byte)
        while let length = declaredLength, frame.count >= length {
            let isWhole = length > 0 && frame[length - 1] == 0x7E && sumFits(length)
            if isWhole {
                handle(length, at: now, &output)
                frame.removeFirst(length)
            } else {
                if length > 0 { reject(.check, &output) } else { counters.noiseBytes += 1 }
                // Only the first byte is given up: a good frame may begin behind it.
                frame.removeFirst(1)
            }
            frameBegan = now
        }
    }

    /// BB to 7E; nil before it is known, 0 when nothing can begin here.
    private var declaredLength: Int? {
        guard let first = frame.first else { return nil }
        guard first == 0xBB else { return 0 }
        guard frame.count >= 2 else { return nil }
        guard frame[1] <= 0x02 else { return 0 }
        guard frame.count >= 5 else { return nil }
        let parameters = Int(frame[3]) << 8 | Int(frame[4])
        return parameters <= Self.longestParameters ? 5 + parameters + 2 : 0
    }

    private func sumFits(_ length: Int) -> Bool {
        var sum: UInt8 = 0
        for index in 1..<length - 2 { sum &+= frame[index] }
        return sum == frame[length - 2]
    }

    private mutating func handle(_ length: Int, at now: MonotonicTime, _ output: inout SessionOutput) {
        let (type, command) = (frame[1], frame[2])
        // Commands are our own, echoed.
        guard type != 0x00 else { return }
        counters.frames += 1
        lastFrame = now
        askAt = now.advanced(byMilliseconds: Self.silenceMilliseconds)
        if type == 0x02, command == 0x22 || command == 0x27 {
            heard(parametersEnd: length - 2, at: now, &output)
        }
    }

    private mutating func heard(parametersEnd end: Int, at now: MonotonicTime, _ output: inout SessionOutput) {
        let parameters = 5
        guard end - parameters >= 5 else { return reject(.unexpectedByte, &output) }
        let count = Int(frame[parameters + 1] >> 3) * 2
        guard count > 0, end - parameters == 1 + 2 + count + 2 else { return reject(.unexpectedByte, &output) }
        var crc: UInt16 = 0xFFFF
        for index in parameters + 1..<end - 2 { crc = CRC16.appending(frame[index], to: crc) }
        guard ~crc == UInt16(frame[end - 2]) << 8 | UInt16(frame[end - 1]) else { return reject(.check, &output) }
        if let weakest = options.weakestDBm, Int8(bitPattern: frame[parameters]) < weakest { return }
        var epc = InlineBytes<62>()
        for index in 0..<count { epc.append(frame[parameters + 3 + index]) }
        guard let identifier = Identifier(.epc, bytes: epc), isDue(identifier, at: now) else { return }
        output.append(.identifier(identifier))
    }

    /// Whether this tag was not reported within the last 100 ms; remembers that it is now.
    private mutating func isDue(_ identifier: Identifier, at now: MonotonicTime) -> Bool {
        for index in 0..<Self.remembered where hearings[index]?.identifier == identifier {
            guard let last = hearings[index], now.milliseconds(since: last.reportedAt) >= Self.repeatMilliseconds else {
                return false
            }
            hearings[index] = Hearing(identifier: identifier, reportedAt: now)
            return true
        }
        hearings[nextHearing] = Hearing(identifier: identifier, reportedAt: now)
        nextHearing = (nextHearing + 1) % Self.remembered
        return true
    }

    private mutating func reject(_ fault: FrameFault, _ output: inout SessionOutput) {
        counters.rejected += 1
        output.append(.rejected(fault))
    }
}
