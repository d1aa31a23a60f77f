import Admission

@testable import Framing

let osdpTargets: [FuzzTarget] = [
    FuzzTarget(name: "osdp-packet", run: packets),
    FuzzTarget(name: "osdp-plain") { input in
        var options = OSDPOptions()
        options.cardForm = input.byte() & 1 == 0 ? .wiegand : .raw
        let reader = OSDPPeer(OSDPStandIn(key: [], keying: .none), form: options.cardForm)
        _ = play(&input, options, reader)
    },
    FuzzTarget(name: "osdp-secure") { input in
        var options = OSDPOptions()
        let flags = input.byte()
        let (own, other) = ([UInt8](repeating: 0xA5, count: 16), [UInt8](repeating: 0x5A, count: 16))
        let isForeign = flags & 1 != 0
        let allows = flags & 2 != 0
        options.security = .required(
            key: CipherBlock(own) ?? CipherBlock(), provisioning: allows ? .allowed : .refused, .testing())
        var standIn = OSDPStandIn(key: isForeign ? other : own, keying: flags & 4 == 0 ? .own : .installing)
        standIn.usesCRC = flags & 8 == 0
        let (line, reader) = play(&input, options, OSDPPeer(standIn, form: options.cardForm))
        // Whoever reaches the wire can write to it: a badge counts only when the reader itself sent it.
        for case .identifier(let chip) in line.events {
            expect(reader.given.contains(chip), "a badge that the reader never sent: \(chip.bytes)")
        }
        if isForeign, !(allows && flags & 4 != 0) {
            expect(line.session.lastFrame == nil, "a reader under another key counts as present")
            expect(!line.session.conditions.contains(.secured), "secured under another key")
        }
    },
]

private func play(_ input: inout FuzzInput, _ options: OSDPOptions, _ reader: OSDPPeer) -> (Line<OSDPSession>, OSDPPeer)
{
    func played(restless: Bool) -> (Line<OSDPSession>, OSDPPeer) {
        var (input, reader, options) = (input, reader, options)
        // Each line has random bytes of its own, so that both are given the same.
        if case .required(let key, let provisioning, _) = options.security {
            options.security = .required(key: key, provisioning: provisioning, .testing())
        }
        var line = Line(OSDPSession(options), yields: .chip, isRestless: restless) { _, _ in true }
        LineScript.play(&input, on: &line, with: &reader)
        return (line, reader)
    }
    let (first, second) = (played(restless: false), played(restless: true))
    expect(first.0.events == second.0.events, "other events with wake-ups between bytes")
    expect(first.0.sent == second.0.sent, "it writes something else when the loop wakes up between bytes")
    return first
}

/// A reader that may lie, stumble and be impersonated.
private struct OSDPPeer: Peer {
    var standIn: OSDPStandIn
    /// The badges it was told to send.
    var given: Set<Identifier> = []
    private let form: CardForm

    init(_ standIn: OSDPStandIn, form: CardForm) {
        self.standIn = standIn
        self.form = form
    }

    func framed(_ data: [UInt8], form: UInt8) -> [UInt8] { framed(data, form: form, as: []) }

    /// Somebody else's packet with a right check and the awaited sequence: code and data, with form bit 0 a security
    /// block before them, with bit 1 a checksum instead of the CRC.
    func framed(_ data: [UInt8], form: UInt8, as reply: [UInt8]) -> [UInt8] {
        let usesCRC = form & 2 == 0
        let sequence = Self.lastPacket(of: reply).map { $0[5] & 3 } ?? 0
        let length = 5 + data.count + (usesCRC ? 2 : 1)
        let control = sequence | (usesCRC ? 4 : 0) | (form & 1 != 0 ? 8 : 0)
        let bytes = [0x53, 0x80, UInt8(length & 0xFF), UInt8(length >> 8), control] + data
        var held = InlineBytes<512>()
        for byte in bytes { held.append(byte) }
        guard usesCRC else { return bytes + [OSDPCheck.checksum(held, count: held.count)] }
        let crc = OSDPCheck.crc16(held, count: held.count)
        return bytes + [UInt8(truncatingIfNeeded: crc), UInt8(crc >> 8)]
    }

    /// What becomes of the reply, by the form's low three bits: 0 and 5 nothing, 1 it is lost, 2 one bit is turned over,
    /// 3 the reader was off and on before, 4 a card is held before it, 6 BUSY, 7 its end is missing.
    mutating func answer(to written: [UInt8], form: UInt8, _ input: inout FuzzInput) -> [UInt8] {
        guard let packet = Self.lastPacket(of: written) else { return [] }
        switch form & 7 {
        case 3: standIn.restart()
        case 4: holdCard(input.take(Int(input.byte() & 0x1F)))
        case 6: return OSDPStandIn.plain(0x79, sequence: 0)
        default: break
        }
        guard var reply = try? standIn.answer(packet), !reply.isEmpty else { return [] }
        switch form & 7 {
        case 1: return []
        case 2: reply[Int(input.byte()) % reply.count] ^= 1 << (form >> 3)
        case 7: reply.removeLast(1 + Int(input.byte()) % reply.count)
        default: break
        }
        return reply
    }

    private mutating func holdCard(_ data: [UInt8]) {
        standIn.pending.append((0x50, data))
        guard data.count >= 5 else { return }
        var bits = InlineBytes<512>()
        for byte in data { bits.append(byte) }
        let count = Int(data[2]) | Int(data[3]) << 8
        if let chip = try? form.identifier(bits: count, of: bits, from: 4) { given.insert(chip) }
    }

    /// With its mark; nil when nothing whole was written.
    private static func lastPacket(of written: [UInt8]) -> [UInt8]? {
        var last: [UInt8]?
        var start = 0
        while start + 6 < written.count {
            let length = 1 + Int(written[start + 3]) | Int(written[start + 4]) << 8
            guard start + length <= written.count else { break }
            last = Array(written[start..<start + length])
            start += length
        }
        return last
    }
}

/// Bytes with, in between, packets whose check is right: every packet found is one, the reader keeps at most 512 bytes,
/// and a packet behind a silence is found whatever came before.
private func packets(_ input: inout FuzzInput) {
    let peer = OSDPPeer(OSDPStandIn(key: [], keying: .none), form: .raw)
    var reader = OSDPPacketReader()
    func look(at packet: OSDPPacket) {
        expect((7...OSDPPacket.longest).contains(packet.bytes.count), "a packet of \(packet.bytes.count) bytes")
        expect((try? OSDPPacket(packet.bytes)) != nil, "a packet that is found is not one")
        let data = packet.dataRange
        expect(data.lowerBound >= 6 && data.upperBound <= packet.bytes.count - 1, "its data lies outside")
        expect(packet.macStart == data.upperBound, "its MAC does not follow its data")
        _ = (packet.code, packet.security, packet.securityDetail, packet.address, packet.isReply, packet.sequence)
    }
    while !input.isEmpty {
        let form = input.byte()
        let data = input.take(Int(input.byte()))
        for byte in form & 4 == 0 ? data : peer.framed(data, form: form) {
            if case .packet(let packet) = reader.receive(byte) { look(at: packet) }
        }
    }
    reader.removeAll()
    var found: OSDPPacket?
    for byte in peer.framed([0x40], form: 0) {
        if case .packet(let packet) = reader.receive(byte) { found = packet }
    }
    expect(found?.code == 0x40, "a good packet is not found")
}
