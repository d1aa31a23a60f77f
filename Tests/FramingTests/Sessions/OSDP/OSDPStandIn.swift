import Cryptography

/// The other end of the line, written from protocols.md A2 with arrays and nothing of the product's OSDP code.
struct OSDPStandIn {
    enum Keying: Equatable {
        case none
        /// Accepts its own key only.
        case own
        /// Has no key yet: accepts the default key, and KEYSET.
        case installing
    }

    var address: UInt8 = 0
    var key: [UInt8]
    var keying: Keying
    var usesCRC = true
    /// Function, compliance, count.
    var capabilities = bytes("040401 050101 060201 080100 090101 100200")
    /// Replies to the next polls, in turn: code and data.
    var pending: [(code: UInt8, data: [UInt8])] = []
    /// Commands that were understood, in turn: code and plain data.
    private(set) var understood: [(code: UInt8, data: [UInt8])] = []
    private(set) var handshakes = 0
    private var channel: Channel?
    private var challenge: (random: [UInt8], answer: [UInt8], usesDefault: Bool)?

    private struct Channel {
        var encryption: AES128
        var first: AES128
        var last: AES128
        var commandMAC = [UInt8](repeating: 0, count: 16)
        var replyMAC: [UInt8]
    }

    init(key: [UInt8], keying: Keying = .own, address: UInt8 = 0) {
        self.key = key
        self.keying = keying
        self.address = address
    }

    var isSecured: Bool { channel != nil }

    /// Power off and on.
    mutating func restart() {
        channel = nil
        challenge = nil
    }

    /// The whole reply to a packet that begins with a mark.
    mutating func answer(_ marked: [UInt8]) throws -> [UInt8] {
        let packet = Array(marked.dropFirst())
        let sequence = packet[4] & 3
        let hasBlock = packet[4] & 8 != 0
        if sequence == 0 {
            channel = nil
            challenge = nil
        }
        let body = Array(packet.dropLast(packet[4] & 4 != 0 ? 2 : 1))
        guard hasBlock else {
            if channel != nil { channel = nil; return plainReply(0x41, [6], sequence) }
            return reply(to: body[5], Array(body[6...]), sequence)
        }
        switch body[6] {
        case 0x11: return try challenged(Array(body[9...]), usesDefault: body[7] == 0, sequence)
        case 0x13: return try proved(Array(body[9...]), sequence)
        default: return try secured(body, sequence)
        }
    }

    private mutating func reply(to code: UInt8, _ data: [UInt8], _ sequence: UInt8) -> [UInt8] {
        let (replyCode, replyData) = execute(code, data)
        return plainReply(replyCode, replyData, sequence)
    }

    private mutating func execute(_ code: UInt8, _ data: [UInt8]) -> (UInt8, [UInt8]) {
        understood.append((code, data))
        switch code {
        case 0x61: return (0x45, bytes("00 0e e3 10 10 00 00 74 97 23 06 06"))
        case 0x62: return (0x46, capabilities)
        case 0x64: return (0x48, [0, 0])
        case 0x60 where !pending.isEmpty: return pending.removeFirst()
        case 0x75:
            key = Array(data[2...])
            keying = .own
            return (0x40, [])
        default: return (0x40, [])
        }
    }

    private mutating func challenged(_ random: [UInt8], usesDefault: Bool, _ sequence: UInt8) throws -> [UInt8] {
        guard keying != .none else { return plainReply(0x41, [5], sequence) }
        if usesDefault, keying != .installing { return plainReply(0x41, [6], sequence) }
        handshakes += 1
        let answer = (0..<8).map { UInt8(0xA0 + $0 + handshakes) }
        challenge = (random, answer, usesDefault)
        let encryption = try derived(0x82)
        let proof = try AES128(key: encryption).encrypt(random + answer)
        return framed(
            0x76, bytes("000ee31010000074") + answer + proof, sequence, block: [3, 0x12, usesDefault ? 0 : 1])
    }

    private func derived(_ second: UInt8) throws -> [UInt8] {
        let secret = challenge?.usesDefault == true ? (0x30...0x3F).map { UInt8($0) } : key
        return try AES128(key: secret).encrypt(
            [1, second] + (challenge?.random.prefix(6) ?? []) + [UInt8](repeating: 0, count: 8))
    }

    private mutating func proved(_ proof: [UInt8], _ sequence: UInt8) throws -> [UInt8] {
        guard let challenge else { return plainReply(0x41, [6], sequence) }
        let encryption = try AES128(key: derived(0x82))
        let (first, last) = (try AES128(key: derived(1)), try AES128(key: derived(2)))
        let initial = try last.encrypt(try first.encrypt(proof))
        let isRight = try encryption.encrypt(challenge.answer + challenge.random) == proof
        if isRight { channel = Channel(encryption: encryption, first: first, last: last, replyMAC: initial) }
        return framed(0x78, initial, sequence, block: [3, 0x14, isRight ? 1 : 0xFF])
    }

    private mutating func secured(_ body: [UInt8], _ sequence: UInt8) throws -> [UInt8] {
        guard var channel else { return plainReply(0x41, [6], sequence) }
        let expected = try Self.mac(Array(body.dropLast(4)), from: channel.replyMAC, channel)
        guard Array(body.suffix(4)) == Array(expected.prefix(4)) else {
            self.channel = nil
            return plainReply(0x41, [6], sequence)
        }
        var data = Array(body[8..<body.count - 4])
        if body[6] == 0x17 { data = try Self.decrypted(data, from: channel.replyMAC, channel) }
        channel.commandMAC = expected
        let (code, plain) = execute(body[7], data)
        let encrypted = plain.isEmpty ? [] : try Self.encrypted(plain, from: channel.commandMAC, channel)
        let block: [UInt8] = [2, plain.isEmpty ? 0x16 : 0x18]
        let head = header(8 + encrypted.count + 4 + (usesCRC ? 2 : 1), sequence, hasBlock: true) + block + [code]
        let mac = try Self.mac(head + encrypted, from: channel.commandMAC, channel)
        channel.replyMAC = mac
        self.channel = channel
        return checked(head + encrypted + mac.prefix(4))
    }

    // MARK: Frames

    static func plain(_ code: UInt8, _ data: [UInt8] = [], address: UInt8 = 0, sequence: UInt8) -> [UInt8] {
        let reader = OSDPStandIn(key: [], keying: .none, address: address)
        return reader.plainReply(code, data, sequence)
    }

    func plainReply(_ code: UInt8, _ data: [UInt8], _ sequence: UInt8) -> [UInt8] {
        framed(code, data, sequence, block: [])
    }

    private func framed(_ code: UInt8, _ data: [UInt8], _ sequence: UInt8, block: [UInt8]) -> [UInt8] {
        let length = 5 + block.count + 1 + data.count + (usesCRC ? 2 : 1)
        return checked(header(length, sequence, hasBlock: !block.isEmpty) + block + [code] + data)
    }

    private func header(_ length: Int, _ sequence: UInt8, hasBlock: Bool) -> [UInt8] {
        [
            0x53, address | 0x80, UInt8(length & 0xFF), UInt8(length >> 8),
            sequence | (usesCRC ? 4 : 0) | (hasBlock ? 8 : 0),
        ]
    }

    private func checked(_ bytes: [UInt8]) -> [UInt8] {
        guard usesCRC else { return bytes + [0 &- bytes.reduce(0, &+)] }
        let crc = bytes.reduce(UInt16(0x1D0F)) { crc, byte in
            (0..<8).reduce(crc ^ UInt16(byte) << 8) { crc, _ in crc & 0x8000 != 0 ? crc << 1 ^ 0x1021 : crc << 1 }
        }
        return bytes + [UInt8(crc & 0xFF), UInt8(crc >> 8)]
    }

    // MARK: CBC

    private static func mac(_ message: [UInt8], from start: [UInt8], _ channel: Channel) throws -> [UInt8] {
        var padded = message
        if padded.count % 16 != 0 { padded.append(0x80) }
        while padded.count % 16 != 0 { padded.append(0) }
        var chain = start
        for begin in stride(from: 0, to: padded.count, by: 16) {
            let mixed = zip(chain, padded[begin..<begin + 16]).map { $0 ^ $1 }
            chain = try (begin + 16 < padded.count ? channel.first : channel.last).encrypt(mixed)
        }
        return chain
    }

    private static func encrypted(_ data: [UInt8], from mac: [UInt8], _ channel: Channel) throws -> [UInt8] {
        var padded = data + [0x80]
        while padded.count % 16 != 0 { padded.append(0) }
        var chain = mac.map { ~$0 }
        var result: [UInt8] = []
        for begin in stride(from: 0, to: padded.count, by: 16) {
            chain = try channel.encryption.encrypt(zip(chain, padded[begin..<begin + 16]).map { $0 ^ $1 })
            result += chain
        }
        return result
    }

    private static func decrypted(_ data: [UInt8], from mac: [UInt8], _ channel: Channel) throws -> [UInt8] {
        var chain = mac.map { ~$0 }
        var result: [UInt8] = []
        for begin in stride(from: 0, to: data.count, by: 16) {
            var block = Array(data[begin..<begin + 16])
            try block.withUnsafeMutableBytes { try channel.encryption.decrypt($0) }
            result += zip(block, chain).map { $0 ^ $1 }
            chain = Array(data[begin..<begin + 16])
        }
        while result.last == 0 { result.removeLast() }
        return Array(result.dropLast())
    }
}
