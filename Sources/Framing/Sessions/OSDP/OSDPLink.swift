import Admission

/// One command at a time to one reader, and its reply: sequence numbers, retransmission, BUSY, timeouts, and the secure
/// channel when there is one. What to say is the session's.
///
/// Replies are taken only from the reader's address, with the sequence number of the command, and in a secure channel
/// only under a MAC. A plain BUSY is believed in any case (it delays), a plain NAK ends the channel: readers answer so
/// when they have lost it, and libosdp's does after one lost reply (protocols.md, measured hazard).
struct OSDPLink: Sendable {
    static let replyMilliseconds: Int64 = 200
    /// A reply that has begun gets so much for each next byte…
    static let gapMilliseconds: Int64 = 50
    /// … and no more than this for all of it: 512 bytes at 9600 baud.
    static let wholeReplyMilliseconds: Int64 = 800
    /// Two character times at 9600 baud, so that a reader has let go of the line.
    static let turnaroundMilliseconds: Int64 = 5
    static let busyRetryMilliseconds: Int64 = 100
    static let mostBusyRetries = 10

    enum Outcome {
        case reply(Reply)
        /// NAK with its code; in a secure channel one with a MAC.
        case refused(UInt8)
        /// No reply to the command nor to its repetition.
        case silent
        case busyTooLong
        /// The secure channel is broken: wrong MAC, wrong padding, or a reply outside of it.
        case channelBroken
        case cipherFailed
    }

    struct Reply {
        var code: UInt8
        var data: InlineBytes<512>
        /// The security block's type and detail of handshake replies.
        var security: OSDPPacket.Security?
        var securityDetail: UInt8?
    }

    enum Step {
        case outcome(Outcome)
        case rejected(FrameFault)
    }

    /// What stands in the security block of a handshake command.
    struct Handshake {
        var type: OSDPPacket.Security
        /// 0 = the default key, 1 = the reader's own.
        var keyKind: UInt8
    }

    private enum State {
        case idle
        case waiting(until: MonotonicTime, atMost: MonotonicTime, isRepeated: Bool)
        case busy(until: MonotonicTime, times: Int)
    }

    let address: UInt8
    var usesCRC = true
    /// nil outside of a secure channel.
    private(set) var channel: OSDPSecureChannel?
    private(set) var counters = FrameCounters()
    private var sequence: UInt8 = 0
    private var sent = InlineBytes<128>()
    private var busyTimes = 0
    private var state = State.idle
    private var reader = OSDPPacketReader()

    init(address: UInt8) { self.address = address & 0x7F }

    var isIdle: Bool { if case .idle = state { true } else { false } }

    var nextDeadline: MonotonicTime {
        switch state {
        case .idle: .never
        case .waiting(let until, _, _): until
        case .busy(let until, _): until
        }
    }

    /// Forgets everything: the next packet has sequence 0, at which the reader forgets everything too.
    mutating func restart() {
        channel = nil
        sequence = 0
        state = .idle
        reader.removeAll()
    }

    mutating func enter(_ channel: OSDPSecureChannel) { self.channel = channel }

    // MARK: Sending

    mutating func send(
        _ command: OSDPCommand, handshake: Handshake? = nil, at now: MonotonicTime, into output: inout SessionOutput
    ) throws(CipherFailure) {
        var packet = InlineBytes<128>()
        let isSecured = channel != nil && handshake == nil
        let isEncrypted = isSecured && !command.data.isEmpty
        let security: Int = handshake != nil ? 3 : isSecured ? 2 : 0
        let data = isEncrypted ? OSDPSecureChannel.encryptedBytes(command.data.count) : command.data.count
        let length =
            OSDPPacket.headerBytes + security + 1 + data + (isSecured ? OSDPPacket.macBytes : 0) + (usesCRC ? 2 : 1)
        packet.append(OSDPPacket.startOfMessage)
        packet.append(address)
        packet.append(UInt8(truncatingIfNeeded: length))
        packet.append(UInt8(truncatingIfNeeded: length >> 8))
        packet.append(sequence | (usesCRC ? 0x04 : 0) | (security > 0 ? 0x08 : 0))
        if let handshake {
            packet.append(3)
            packet.append(handshake.type.rawValue)
            packet.append(handshake.keyKind)
        } else if isSecured {
            packet.append(2)
            packet.append((isEncrypted ? OSDPPacket.Security.commandWithData : .command).rawValue)
        }
        packet.append(command.code)
        if isEncrypted {
            try channel?.encrypt(command.data, into: &packet)
        } else {
            for byte in command.data { packet.append(byte) }
        }
        if isSecured, let mac = try channel?.sign(packet) {
            for index in 0..<OSDPPacket.macBytes { packet.append(mac[index]) }
        }
        if usesCRC {
            let crc = OSDPCheck.crc16(packet, count: packet.count)
            packet.append(UInt8(truncatingIfNeeded: crc))
            packet.append(UInt8(crc >> 8))
        } else {
            packet.append(OSDPCheck.checksum(packet, count: packet.count))
        }
        sent = packet
        busyTimes = 0
        transmit(isRepeated: false, at: now, &output)
    }

    /// The very same bytes again when `isRepeated`: the reader may have heard them the first time.
    private mutating func transmit(isRepeated: Bool, at now: MonotonicTime, _ output: inout SessionOutput) {
        reader.removeAll()
        output.send(CollectionOfOne(OSDPPacket.mark))
        output.send(sent)
        // The time to send it at 9600 baud: a slower line is not in the standard, a faster one is only waited for longer.
        let sending = Int64(sent.count + 1) * 11 / 10
        state = .waiting(
            until: now.advanced(byMilliseconds: sending + Self.replyMilliseconds),
            atMost: now.advanced(byMilliseconds: sending + Self.wholeReplyMilliseconds), isRepeated: isRepeated)
    }

    mutating func timePassed(at now: MonotonicTime, into output: inout SessionOutput) -> Outcome? {
        switch state {
        case .waiting(let until, _, let isRepeated) where now >= until:
            guard isRepeated else {
                transmit(isRepeated: true, at: now, &output)
                return nil
            }
            state = .idle
            return .silent
        case .busy(let until, let times) where now >= until:
            guard times <= Self.mostBusyRetries else {
                state = .idle
                return .busyTooLong
            }
            transmit(isRepeated: false, at: now, &output)
            return nil
        default: return nil
        }
    }

    // MARK: Receiving

    mutating func receive(_ byte: UInt8, at now: MonotonicTime) -> Step? {
        switch reader.receive(byte) {
        case .noise:
            counters.noiseBytes += 1
            return nil
        case .fault(let fault):
            counters.rejected += 1
            return .rejected(fault)
        case .nothing:
            // A reply that is under way is not given up for being long.
            if case .waiting(let until, let atMost, let isRepeated) = state, reader.isInside {
                let extended = min(atMost, now.advanced(byMilliseconds: Self.gapMilliseconds))
                state = .waiting(until: max(until, extended), atMost: atMost, isRepeated: isRepeated)
            }
            return nil
        case .packet(let packet): return take(packet, at: now).map(Step.outcome)
        }
    }

    /// nil for a packet that is not the awaited reply: another reader's, our own echo, or one that came too late.
    private mutating func take(_ packet: OSDPPacket, at now: MonotonicTime) -> Outcome? {
        guard case .waiting(_, _, let isRepeated) = state, packet.isReply, packet.address == address else { return nil }
        if !packet.hasSecurityBlock, packet.code == OSDPCode.busy, packet.dataRange.isEmpty {
            busyTimes += 1
            state = .busy(until: now.advanced(byMilliseconds: Self.busyRetryMilliseconds), times: busyTimes)
            return nil
        }
        guard packet.sequence == sequence else { return nil }
        if packet.code == OSDPCode.nak, let code = Self.nakCode(packet), !packet.hasSecurityBlock {
            // It did not understand a byte of it: the same bytes once more do no harm, not even in a secure channel.
            if code == OSDPCode.nakCheck, !isRepeated {
                let soon = now.advanced(byMilliseconds: Self.turnaroundMilliseconds)
                state = .waiting(until: soon, atMost: soon, isRepeated: false)
                return nil
            }
            state = .idle
            advance()
            return channel == nil ? .refused(code) : .channelBroken
        }
        state = .idle
        do { return try open(packet) } catch { return .cipherFailed }
    }

    private mutating func open(_ packet: OSDPPacket) throws(CipherFailure) -> Outcome {
        var reply = Reply(
            code: packet.code, data: InlineBytes<512>(), security: packet.security,
            securityDetail: packet.securityDetail)
        if channel != nil {
            guard let security = packet.security, security == .reply || security == .replyWithData,
                try channel?.accepts(packet) == true
            else { return .channelBroken }
        } else {
            // Under a security block that nobody agreed on the data is not what it seems.
            guard packet.security?.hasMAC != true else { return .channelBroken }
        }
        if packet.security?.isEncrypted == true {
            guard let plain = try channel?.decrypt(packet) else { return .channelBroken }
            reply.data = plain
        } else {
            for index in packet.dataRange { reply.data.append(packet.bytes[index]) }
        }
        counters.frames += 1
        advance()
        if reply.code == OSDPCode.nak { return .refused(reply.data.first ?? 0xFF) }
        return .reply(reply)
    }

    private static func nakCode(_ packet: OSDPPacket) -> UInt8? {
        packet.dataRange.isEmpty ? 0xFF : packet.bytes[packet.dataRange.lowerBound]
    }

    /// 0 stands only at the beginning, then 1, 2, 3, 1, 2, 3 …
    private mutating func advance() { sequence = sequence % 3 + 1 }
}
