import Admission

/// PN532 readers of 13.56 MHz chips (ISO 14443 A) on a serial line, "HSU", 115200 8N1 (protocols.md A3).
///
///        ┌─────────┬─────────┬─────┬─────┬─────┬──────────┬─────┬────┐     ACK    00 00 FF 00 FF 00
///        │ 00      │ 00 FF   │ LEN │ LCS │ TFI │ PD …     │ DCS │ 00 │     NACK   00 00 FF FF 00 00
///        └─────────┴─────────┴─────┴─────┴─────┴──────────┴─────┴────┘     error  00 00 FF 01 FF 7F 81 00
///          LEN counts TFI and PD.  LEN + LCS = 0, TFI + PD + DCS = 0 modulo 256.  TFI: D4 to the chip, D5 from it.
///
/// wake and SAMConfiguration ─► RFConfiguration (few tries, so that the chip answers "none" soon) ─► InListPassiveTarget,
/// again and again. Each is acknowledged and then answered with its code + 1. Every answer, a "none" too, is a sign of
/// life.
///
/// An answer that came garbled, or not at all, is asked for again with a NACK, upon which the chip says its last answer
/// once more; a command that was not acknowledged is sent again. After a few of these for one command the chip is
/// told to stop with an ACK, and begun with anew: almost at once, because it may have lost its power and sleep, and
/// after a rest when that brought nothing either. A chip that is well again answers for targets within a second,
/// wherever it was interrupted, so that a badge held for as long is not lost.
///
/// The identifier is the UID of 4, 7 or 10 bytes as the target sends it.
public struct PN532Session: DeviceSession {
    static let acknowledgeMilliseconds: Int64 = 100
    /// Three tries to find a target take some 30 ms.
    static let answerMilliseconds: Int64 = 300
    static let pauseMilliseconds: Int64 = 20
    static let restMilliseconds: Int64 = 300
    /// After the last byte of what makes no frame. USB adapters hold bytes back for 16 ms, so a gap is no end yet.
    static let quietMilliseconds: Int64 = 80
    /// The longest frame takes 23 ms, and an adapter may hold back both the question and its end for 16 ms.
    static let repetitionMilliseconds: Int64 = 150
    static let mostRepetitions = 5
    static let mostCommandRepetitions = 1

    private enum Step: UInt8 {
        case configureSAM = 0x14
        case limitRetries = 0x32
        case listTarget = 0x4A
    }

    private enum State {
        /// Nothing is under way; `step` goes out when the time comes.
        case pausing(until: MonotonicTime)
        case awaitingAcknowledge(until: MonotonicTime)
        /// `quietAt`: when what came so far was no answer, if nothing more comes; `.never` while nothing has come.
        case awaitingAnswer(until: MonotonicTime, quietAt: MonotonicTime)
    }

    private var step = Step.configureSAM
    private var state = State.pausing(until: .never)
    /// How often the answer to this command was asked for again, and the command sent again.
    private var repetitions = 0
    private var commandRepetitions = 0
    /// Begun with anew since its last answer for a target.
    private var isBegunAnew = false
    private var frame = InlineBytes<262>()
    public private(set) var counters = FrameCounters()
    public private(set) var lastFrame: MonotonicTime?

    public init() {}

    public var nextDeadline: MonotonicTime {
        switch state {
        case .pausing(let until), .awaitingAcknowledge(let until): until
        case .awaitingAnswer(let until, let quietAt): min(until, quietAt)
        }
    }

    public mutating func start(at now: MonotonicTime, into output: inout SessionOutput) {
        lastFrame = nil
        frame.removeAll()
        step = .configureSAM
        (repetitions, commandRepetitions) = (0, 0)
        isBegunAnew = false
        send(at: now, &output)
    }

    public mutating func timePassed(at now: MonotonicTime, into output: inout SessionOutput) {
        guard now >= nextDeadline else { return }
        switch state {
        case .pausing:
            (repetitions, commandRepetitions) = (0, 0)
            send(at: now, &output)
        case .awaitingAcknowledge:
            guard commandRepetitions < Self.mostCommandRepetitions else { return giveUp(at: now, &output) }
            commandRepetitions += 1
            send(at: now, &output)
        case .awaitingAnswer(_, let quietAt):
            // Who says nothing upon a NACK either is not there, or is asleep.
            guard now >= quietAt || repetitions == 0 else { return giveUp(at: now, &output) }
            frame.removeAll()
            askAgain(at: now, &output)
        }
    }

    // MARK: Sending

    private mutating func send(at now: MonotonicTime, _ output: inout SessionOutput) {
        frame.removeAll()
        switch step {
        case .configureSAM: output.send(Self.configureSAM)
        case .limitRetries: output.send(Self.limitRetries)
        case .listTarget: output.send(Self.listTarget)
        }
        state = .awaitingAcknowledge(until: now.advanced(byMilliseconds: Self.acknowledgeMilliseconds))
    }

    /// For its last answer once more.
    private mutating func askAgain(at now: MonotonicTime, _ output: inout SessionOutput) {
        guard repetitions < Self.mostRepetitions else { return giveUp(at: now, &output) }
        repetitions += 1
        output.send(Self.notAcknowledge)
        state = .awaitingAnswer(until: now.advanced(byMilliseconds: Self.repetitionMilliseconds), quietAt: .never)
    }

    /// An ACK from us ends whatever it is doing.
    private mutating func giveUp(at now: MonotonicTime, _ output: inout SessionOutput) {
        output.send(Self.acknowledge)
        beginAnew(at: now)
    }

    /// Two 55 and zeros wake it from its low-power state. Normal mode.
    private static let configureSAM =
        [0x55, 0x55, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] + command([Step.configureSAM.rawValue, 0x01])
    /// Item 5: tries of ATR and PSL as after power-up; 2 more of the activation.
    private static let limitRetries = command([Step.limitRetries.rawValue, 0x05, 0xFF, 0x01, 0x02])
    /// At most one target; 106 kbit/s type A.
    private static let listTarget = command([Step.listTarget.rawValue, 0x01, 0x00])
    private static let acknowledge: [UInt8] = [0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00]
    private static let notAcknowledge: [UInt8] = [0x00, 0x00, 0xFF, 0xFF, 0x00, 0x00]

    private static func command(_ data: [UInt8]) -> [UInt8] {
        let length = UInt8(data.count + 1)
        let sum = data.reduce(0xD4, &+)
        return [0x00, 0x00, 0xFF, length, 0 &- length, 0xD4] + data + [0 &- sum, 0x00]
    }

    // MARK: Receiving

    public mutating func receive(_ byte: UInt8, at now: MonotonicTime, into output: inout SessionOutput) {
        let wasAwaited = isAwaitingAnswer
        frame.append(byte)
        var hasFrame = false
        while let whole = take(&output) {
            hasFrame = true
            handle(whole, at: now, &output)
        }
        guard wasAwaited, case .awaitingAnswer(let until, let quietAt) = state else { return }
        guard !hasFrame else {
            // What came was its end.
            state = .awaitingAnswer(until: until, quietAt: .never)
            return
        }
        // Zeros stand before and behind every frame.
        guard byte != 0x00 || quietAt != .never else { return }
        state = .awaitingAnswer(until: until, quietAt: now.advanced(byMilliseconds: Self.quietMilliseconds))
    }

    private var isAwaitingAnswer: Bool { if case .awaitingAnswer = state { true } else { false } }

    private enum Whole {
        case acknowledge
        case error
        /// As long as it says, and its sum does not fit or it is not from the chip.
        case broken
        /// The first byte behind TFI, and how many from there.
        case answer(code: UInt8, data: InlineBytes<262>)
    }

    /// A whole frame from the front of what was received; drops what cannot begin one.
    private mutating func take(_ output: inout SessionOutput) -> Whole? {
        while frame.count >= 2 {
            guard frame[0] == 0x00, frame[1] == 0xFF else {
                // Preambles are zeros; anything else is noise.
                if frame[0] != 0x00 { counters.noiseBytes += 1 }
                frame.removeFirst(1)
                continue
            }
            guard frame.count >= 4 else { return nil }
            let (length, check) = (frame[2], frame[3])
            if length == 0x00, check == 0xFF {
                frame.removeFirst(4)
                return .acknowledge
            }
            guard length &+ check == 0, length > 0 else {
                reject(.check, &output)
                continue
            }
            let count = Int(length)
            guard frame.count >= 4 + count + 1 else { return nil }
            var sum: UInt8 = 0
            var data = InlineBytes<262>()
            for index in 4..<4 + count + 1 { sum &+= frame[index] }
            guard sum == 0 else {
                reject(.check, &output)
                return .broken
            }
            if count == 1, frame[4] == 0x7F {
                frame.removeFirst(6)
                return .error
            }
            guard frame[4] == 0xD5, count >= 2 else {
                reject(.unexpectedByte, &output)
                return .broken
            }
            let code = frame[5]
            for index in 6..<4 + count { data.append(frame[index]) }
            frame.removeFirst(4 + count + 1)
            return .answer(code: code, data: data)
        }
        return nil
    }

    private mutating func handle(_ whole: Whole, at now: MonotonicTime, _ output: inout SessionOutput) {
        switch (whole, state) {
        case (.acknowledge, .awaitingAcknowledge):
            state = .awaitingAnswer(
                until: now.advanced(byMilliseconds: Self.answerMilliseconds), quietAt: .never)
        case (.acknowledge, _): break
        case (.error, _):
            counters.rejected += 1
            beginAnew(at: now)
        case (.broken, .awaitingAnswer): askAgain(at: now, &output)
        case (.broken, _): break
        // One whose acknowledgement was lost proves as well that the command was taken.
        case (.answer(let code, let data), .awaitingAnswer), (.answer(let code, let data), .awaitingAcknowledge):
            guard code == step.rawValue + 1 else { return reject(.unexpectedByte, dropping: false, &output) }
            counters.frames += 1
            answered(data, at: now, &output)
        case (.answer, _): reject(.unexpectedByte, dropping: false, &output)
        }
    }

    private mutating func answered(
        _ data: InlineBytes<262>, at now: MonotonicTime, _ output: inout SessionOutput
    ) {
        switch step {
        case .configureSAM: step = .limitRetries
        case .limitRetries: step = .listTarget
        case .listTarget:
            lastFrame = now
            isBegunAnew = false
            takeTarget(data, &output)
        }
        state = .pausing(until: now.advanced(byMilliseconds: step == .listTarget ? Self.pauseMilliseconds : 0))
    }

    /// NbTg, Tg, SENS_RES[2], SEL_RES, UID length, UID, perhaps ATS.
    private mutating func takeTarget(_ data: InlineBytes<262>, _ output: inout SessionOutput) {
        guard let count = data.first else { return reject(.unexpectedByte, dropping: false, &output) }
        guard count > 0 else { return }
        let length = data.count >= 6 ? Int(data[5]) : 0
        guard length == 4 || length == 7 || length == 10, data.count >= 6 + length else {
            return reject(.unexpectedByte, dropping: false, &output)
        }
        var uid = InlineBytes<10>()
        for index in 6..<6 + length { uid.append(data[index]) }
        guard let identifier = Identifier(.chip, bytes: uid) else { return }
        output.append(.identifier(identifier))
    }

    private mutating func beginAnew(at now: MonotonicTime) {
        step = .configureSAM
        let rest = isBegunAnew ? Self.restMilliseconds : Self.pauseMilliseconds
        isBegunAnew = true
        state = .pausing(until: now.advanced(byMilliseconds: rest))
    }

    /// Gives up the first byte of what looked like a frame, and looks at the rest again.
    private mutating func reject(_ fault: FrameFault, dropping: Bool = true, _ output: inout SessionOutput) {
        counters.rejected += 1
        output.append(.rejected(fault))
        if dropping { frame.removeFirst(1) }
    }
}
