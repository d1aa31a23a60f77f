import Admission

/// The control panel of one OSDP v2 reader alone on its line (protocols.md A2).
///
///     identify ─► capabilities ─► challenge ─► prove ─► online: feedback, status, poll …
///        ▲            (plain) ────────────────────────────►│
///        │                         ▲        own key fails, provisioning allowed:
///     resting ◄── silence,         │        challenge and prove under the default key ─► set the own key ─┐
///                 refusals         └──────────────────────────────────────────────────────────────────────┘
///                                  ▲
///                                  └── the channel broke: at once, from sequence number 0
///
/// A reader counts as present only while it is online: one that answers under another key is lost, with the reason in
/// `trouble`. One lost reply costs one repetition (0.2 s) and, when the reader dropped the channel over it, one
/// handshake. Badges read under the default key are not taken: anybody could have sent them.
public struct OSDPSession: DeviceSession {
    static let turnaroundMilliseconds = OSDPLink.turnaroundMilliseconds
    static let restAfterSilenceMilliseconds: Int64 = 300
    static let firstRestMilliseconds: Int64 = 1000
    static let longestRestMilliseconds: Int64 = 2000

    private enum KeyKind: UInt8 { case byDefault = 0, own = 1 }

    /// What is to be sent next when the link is idle, or was sent and awaits its reply.
    private enum Phase {
        case identify
        case capabilities
        case challenge(KeyKind)
        case prove(KeyKind, OSDPSecureChannel, panelCryptogram: CipherBlock)
        case setKey(CipherBlock)
        case online
    }

    private let options: OSDPOptions
    private var key: CipherBlock?
    private var link: OSDPLink
    private var phase = Phase.identify
    private var next = MonotonicTime.never
    /// To be given to the reader when the link is free.
    private var newKey: CipherBlock?
    private var pendingChannel: OSDPSecureChannel?
    private var capabilities = OSDPCapabilities()
    private var queue = OSDPCommandQueue()
    private var feedback: ReaderFeedback?
    private var lastPoll = MonotonicTime(nanoseconds: 0)
    private var statusAt = MonotonicTime.never
    private var restMilliseconds = firstRestMilliseconds
    private var channelBrokeAt: MonotonicTime?
    private var told: DeviceConditions = []
    public private(set) var lastFrame: MonotonicTime?
    public private(set) var trouble: DeviceTrouble?

    public var counters: FrameCounters { link.counters }
    public var nextDeadline: MonotonicTime { link.isIdle ? next : link.nextDeadline }

    public var conditions: DeviceConditions {
        var all = told
        if isOnline { all.insert(link.channel == nil ? .unsecured : .secured) }
        if case .required(_, .allowed, _) = options.security { all.insert(.provisioningAllowed) }
        return all
    }

    public init(_ options: OSDPOptions) {
        self.options = options
        link = OSDPLink(address: options.address)
        if case .required(let key, _, _) = options.security { self.key = key }
    }

    // MARK: What the shell calls

    public mutating func start(at now: MonotonicTime, into output: inout SessionOutput) {
        lastFrame = nil
        link.usesCRC = true
        restMilliseconds = Self.firstRestMilliseconds
        beginAnew(at: now)
        timePassed(at: now, into: &output)
    }

    public mutating func receive(_ byte: UInt8, at now: MonotonicTime, into output: inout SessionOutput) {
        switch link.receive(byte, at: now) {
        case nil: break
        case .rejected(let fault): output.append(.rejected(fault))
        case .outcome(let outcome): handle(outcome, at: now, &output)
        }
    }

    public mutating func timePassed(at now: MonotonicTime, into output: inout SessionOutput) {
        if let outcome = link.timePassed(at: now, into: &output) { handle(outcome, at: now, &output) }
        guard link.isIdle, now >= next else { return }
        do { try transmit(at: now, into: &output) } catch { handle(.cipherFailed, at: now, &output) }
    }

    public mutating func show(_ feedback: ReaderFeedback, at now: MonotonicTime) {
        guard feedback != self.feedback else { return }
        let hasNewLamps = feedback.lamps != self.feedback?.lamps
        self.feedback = feedback
        guard isOnline else { return }
        enqueueFeedback(beeps: hasNewLamps)
        hurry(at: now)
    }

    /// Queues a command of the caller's own; false when there is no room. It is sent when the reader is online.
    public mutating func enqueue(_ command: OSDPCommand, at now: MonotonicTime) -> Bool {
        defer { if isOnline { hurry(at: now) } }
        return queue.append(command)
    }

    /// Gives the reader another key, inside the secure channel, and goes on under it.
    public mutating func changeKey(to key: CipherBlock, at now: MonotonicTime) {
        guard isOnline, link.channel != nil else { return }
        newKey = key
        hurry(at: now)
    }

    // MARK: Sending

    private var isOnline: Bool { if case .online = phase { true } else { false } }

    private mutating func hurry(at now: MonotonicTime) {
        if link.isIdle { next = min(next, now.advanced(byMilliseconds: Self.turnaroundMilliseconds)) }
    }

    private mutating func transmit(
        at now: MonotonicTime, into output: inout SessionOutput
    ) throws(CipherFailure) {
        switch phase {
        case .identify: try link.send(.id, at: now, into: &output)
        case .capabilities: try link.send(.capabilities, at: now, into: &output)
        case .challenge(let kind): try challenge(kind, at: now, into: &output)
        case .prove(let kind, _, let cryptogram):
            try link.send(
                .panelCryptogram(cryptogram), handshake: .init(type: .panelCryptogram, keyKind: kind.rawValue),
                at: now, into: &output)
        case .setKey(let key): try link.send(.keySet(key), at: now, into: &output)
        case .online:
            if let newKey {
                phase = .setKey(newKey)
                self.newKey = nil
                try link.send(.keySet(newKey), at: now, into: &output)
            } else {
                try link.send(takeCommand(at: now), at: now, into: &output)
            }
        }
    }

    private mutating func challenge(
        _ kind: KeyKind, at now: MonotonicTime, into output: inout SessionOutput
    ) throws(CipherFailure) {
        guard case .required(_, _, let ciphers) = options.security, let key else { throw CipherFailure() }
        let random = try ciphers.randomBytes(8)
        guard random.count == 8 else { throw CipherFailure() }
        var challenge = InlineArray<8, UInt8>(repeating: 0)
        for index in 0..<8 { challenge[index] = random[index] }
        pendingChannel = try OSDPSecureChannel(
            key: kind == .own ? key : OSDPSecureChannel.defaultKey, challenge: challenge, ciphers: ciphers)
        try link.send(
            .challenge(challenge), handshake: .init(type: .challenge, keyKind: kind.rawValue), at: now, into: &output)
    }

    private mutating func takeCommand(at now: MonotonicTime) -> OSDPCommand {
        if let command = queue.takeFirst() { return command }
        if now >= statusAt {
            statusAt = now.advanced(byMilliseconds: options.statusMilliseconds ?? 0)
            return .localStatus
        }
        lastPoll = now
        return .poll
    }

    // MARK: Replies

    private mutating func handle(_ outcome: OSDPLink.Outcome, at now: MonotonicTime, _ output: inout SessionOutput) {
        next = now.advanced(byMilliseconds: Self.turnaroundMilliseconds)
        switch outcome {
        case .reply(let reply):
            do { try take(reply, at: now, &output) } catch { fail(.cipherFailed, at: now, &output) }
        case .refused(let code): refused(code, at: now, &output)
        case .silent: silent(at: now, &output)
        case .busyTooLong: fail(.busy, at: now, &output)
        case .channelBroken: channelBroke(at: now, &output)
        case .cipherFailed: fail(.cipherFailed, at: now, &output)
        }
    }

    private mutating func take(
        _ reply: OSDPLink.Reply, at now: MonotonicTime, _ output: inout SessionOutput
    ) throws(CipherFailure) {
        switch phase {
        case .identify where reply.code == OSDPCode.idReport: phase = .capabilities
        case .capabilities where reply.code == OSDPCode.capabilityReport:
            capabilities = OSDPCapabilities(reply.data)
            link.usesCRC = capabilities.hasCRC
            introduced(at: now, &output)
        case .challenge(let kind) where reply.code == OSDPCode.readerCryptogram:
            guard reply.security == .readerCryptogram, reply.data.count == 32 else {
                return keyFailed(kind, at: now, &output)
            }
            try judge(reply.data, kind, at: now, &output)
        case .prove(let kind, let channel, let cryptogram) where reply.code == OSDPCode.initialMAC:
            let expected = try channel.initialMAC(panelCryptogram: cryptogram)
            guard reply.security == .initialMAC, reply.securityDetail == 1, let sent = CipherBlock(reply.data),
                sent == expected
            else { return keyFailed(kind, at: now, &output) }
            secured(kind, channel, expected, at: now, &output)
        case .setKey(let new):
            guard reply.code == OSDPCode.ack else { return fail(.keyNotTaken, at: now, &output) }
            if isUnderOwnKey { lastFrame = now }
            keyTaken(new, &output)
        case .online: takeOnline(reply, at: now, &output)
        default: rest(milliseconds: Self.restAfterSilenceMilliseconds, at: now)
        }
    }

    private mutating func introduced(at now: MonotonicTime, _ output: inout SessionOutput) {
        guard key != nil else {
            goOnline(at: now)
            output.append(.notice(.unsecured))
            return
        }
        guard capabilities.hasSecureChannel else { return fail(.noSecureChannel, at: now, &output) }
        phase = .challenge(.own)
    }

    private mutating func judge(
        _ data: InlineBytes<512>, _ kind: KeyKind, at now: MonotonicTime, _ output: inout SessionOutput
    ) throws(CipherFailure) {
        guard let channel = pendingChannel else { return keyFailed(kind, at: now, &output) }
        pendingChannel = nil
        var answer = InlineArray<8, UInt8>(repeating: 0)
        var sent = CipherBlock()
        for index in 0..<8 { answer[index] = data[8 + index] }
        for index in 0..<16 { sent[index] = data[16 + index] }
        guard try channel.readerCryptogram(answer: answer) == sent else { return keyFailed(kind, at: now, &output) }
        phase = .prove(kind, channel, panelCryptogram: try channel.panelCryptogram(answer: answer))
    }

    private var isUnderOwnKey = false

    private mutating func secured(
        _ kind: KeyKind, _ channel: OSDPSecureChannel, _ initialMAC: CipherBlock, at now: MonotonicTime,
        _ output: inout SessionOutput
    ) {
        var channel = channel
        channel.begin(initialMAC: initialMAC)
        link.enter(channel)
        isUnderOwnKey = kind == .own
        if kind == .own {
            goOnline(at: now)
            output.append(.notice(.secured))
        } else if let key {
            phase = .setKey(key)
            output.append(.notice(.provisioning))
        }
    }

    private mutating func keyTaken(_ new: CipherBlock, _ output: inout SessionOutput) {
        key = new
        link.restart()
        phase = .challenge(.own)
        output.append(.notice(.provisioned))
    }

    private mutating func goOnline(at now: MonotonicTime) {
        phase = .online
        trouble = nil
        restMilliseconds = Self.firstRestMilliseconds
        lastFrame = now
        lastPoll = now
        statusAt = options.statusMilliseconds == nil ? .never : now
        if feedback != nil { enqueueFeedback(beeps: false) }
    }

    private mutating func takeOnline(
        _ reply: OSDPLink.Reply, at now: MonotonicTime, _ output: inout SessionOutput
    ) {
        lastFrame = now
        paceNext(at: now)
        let data = reply.data
        switch reply.code {
        case OSDPCode.raw: takeCard(data, &output)
        case OSDPCode.keypad where data.count >= 2: output.append(.notice(.keysPressed(Int(data[1]))))
        case OSDPCode.localStatusReport where data.count >= 2: takeStatus(data, &output)
        default: break
        }
    }

    /// Reader, format, bit count LE, bits.
    private func takeCard(_ data: InlineBytes<512>, _ output: inout SessionOutput) {
        guard data.count >= 5 else {
            output.append(.rejected(.unexpectedByte))
            return
        }
        do {
            let bits = Int(data[2]) | Int(data[3]) << 8
            output.append(.identifier(try options.cardForm.identifier(bits: bits, of: data, from: 4)))
        } catch { output.append(.rejected(error)) }
    }

    private mutating func takeStatus(_ data: InlineBytes<512>, _ output: inout SessionOutput) {
        let before = told
        told = []
        if data[0] != 0 { told.insert(.tampered) }
        if data[1] != 0 { told.insert(.powerFailing) }
        let changed = told.symmetricDifference(before)
        if changed.contains(.tampered) { output.append(.notice(.tampered(told.contains(.tampered)))) }
        if changed.contains(.powerFailing) { output.append(.notice(.powerFailing(told.contains(.powerFailing)))) }
    }

    private mutating func paceNext(at now: MonotonicTime) {
        guard newKey == nil, queue.isEmpty, statusAt > now else { return }
        next = max(next, lastPoll.advanced(byMilliseconds: options.pollMilliseconds))
        if statusAt < next { next = max(statusAt, now.advanced(byMilliseconds: Self.turnaroundMilliseconds)) }
    }

    private mutating func enqueueFeedback(beeps: Bool) {
        guard let feedback else { return }
        queue.removeFeedback()
        if capabilities.hasLED { _ = queue.append(OSDPFeedback.led(feedback.lamps)) }
        if beeps, capabilities.hasBuzzer, let beep = OSDPFeedback.buzzer(feedback.lamps) { _ = queue.append(beep) }
        for row in OSDPFeedback.text(feedback.text, rows: capabilities.textRows) { _ = queue.append(row) }
    }

    // MARK: Trouble

    private mutating func refused(_ code: UInt8, at now: MonotonicTime, _ output: inout SessionOutput) {
        switch phase {
        case .identify, .capabilities:
            switch code {
            case OSDPCode.nakCheck:
                link.usesCRC.toggle()
                rest(milliseconds: Self.turnaroundMilliseconds * 10, at: now)
            // It wants the secure channel first, or has nothing to tell.
            case OSDPCode.nakSecurityConditions, OSDPCode.nakUnknownCommand: introduced(at: now, &output)
            default: rest(milliseconds: Self.restAfterSilenceMilliseconds, at: now)
            }
        case .challenge(let kind):
            pendingChannel = nil
            if code == OSDPCode.nakSequence || code == OSDPCode.nakCheck {
                rest(milliseconds: Self.restAfterSilenceMilliseconds, at: now)
            } else {
                keyFailed(kind, at: now, &output)
            }
        // It has proven that it has our key: it refuses a repetition whose first reply was lost.
        case .prove: rest(milliseconds: Self.restAfterSilenceMilliseconds, at: now)
        case .setKey: fail(.keyNotTaken, at: now, &output)
        case .online:
            switch code {
            case OSDPCode.nakSequence, OSDPCode.nakNoSecureChannel, OSDPCode.nakSecurityConditions:
                channelBroke(at: now, &output)
            default:
                lastFrame = now
                paceNext(at: now)
            }
        }
    }

    private mutating func keyFailed(_ kind: KeyKind, at now: MonotonicTime, _ output: inout SessionOutput) {
        if kind == .own, case .required(_, .allowed, _) = options.security {
            phase = .challenge(.byDefault)
        } else {
            fail(.keyRefused, at: now, &output)
        }
    }

    private mutating func silent(at now: MonotonicTime, _ output: inout SessionOutput) {
        switch phase {
        case .online, .setKey: channelBroke(at: now, &output)
        default:
            // A reader that knows checksums only may not answer a packet with CRC at all.
            if case .identify = phase { link.usesCRC.toggle() } else { link.usesCRC = true }
            trouble = nil
            rest(milliseconds: Self.restAfterSilenceMilliseconds, at: now)
        }
    }

    /// Begins anew from sequence 0: at once the first time, then a second apart.
    private mutating func channelBroke(at now: MonotonicTime, _ output: inout SessionOutput) {
        let isFirst = channelBrokeAt.map { now.milliseconds(since: $0) >= Self.firstRestMilliseconds } ?? true
        channelBrokeAt = isFirst ? now : now.advanced(byMilliseconds: Self.firstRestMilliseconds)
        if isUnderOwnKey { output.append(.notice(.channelLost)) }
        guard isFirst else { return rest(milliseconds: Self.firstRestMilliseconds, at: now) }
        link.restart()
        isUnderOwnKey = false
        phase = key == nil ? .identify : .challenge(.own)
        next = now.advanced(byMilliseconds: Self.turnaroundMilliseconds)
    }

    private mutating func fail(
        _ trouble: DeviceTrouble, at now: MonotonicTime, _ output: inout SessionOutput
    ) {
        if self.trouble != trouble { output.append(.notice(.trouble(trouble))) }
        self.trouble = trouble
        rest(milliseconds: restMilliseconds, at: now)
        restMilliseconds = min(2 * restMilliseconds, Self.longestRestMilliseconds)
    }

    private mutating func rest(milliseconds: Int64, at now: MonotonicTime) {
        beginAnew(at: now.advanced(byMilliseconds: milliseconds))
    }

    private mutating func beginAnew(at start: MonotonicTime) {
        link.restart()
        isUnderOwnKey = false
        pendingChannel = nil
        capabilities = OSDPCapabilities()
        phase = .identify
        next = start
    }
}
