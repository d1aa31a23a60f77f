/// OSDP Secure Channel, panel side, with AES-128 (protocols.md A2, "step by step"; SIA Annex E's values are its test).
///
///     S-ENC  = E(SCBK, 01 82 RND.A[0…5] 00×8)      reader cryptogram = E(S-ENC, RND.A RND.B)
///     S-MAC1 = E(SCBK, 01 01 RND.A[0…5] 00×8)      panel cryptogram  = E(S-ENC, RND.B RND.A)
///     S-MAC2 = E(SCBK, 01 02 RND.A[0…5] 00×8)      R-MAC-I = E(S-MAC2, E(S-MAC1, panel cryptogram))
///
/// MAC: CBC over SOM … last byte before it, from the last MAC of the other direction; every block under S-MAC1, the last
/// under S-MAC2; padded 80 00… when not a multiple of 16. The first 4 bytes travel, all 16 are chained.
/// Data: padded 80 00… always, CBC under S-ENC from the inverse of the last MAC of the other direction.
public struct OSDPSecureChannel: Sendable {
    /// The key that every reader is delivered with and everybody knows: 30 31 … 3F.
    public static let defaultKey: CipherBlock = {
        var key = CipherBlock()
        for index in 0..<16 { key[index] = 0x30 + UInt8(index) }
        return key
    }()

    private let encryption: any BlockCipher
    private let firstMAC: any BlockCipher
    private let lastMAC: any BlockCipher
    private var challenge = InlineArray<8, UInt8>(repeating: 0)
    private var lastCommandMAC = CipherBlock()
    private var lastReplyMAC = CipherBlock()

    /// Derives the session's keys.
    /// - Parameters:
    ///   - key: the SCBK.
    ///   - challenge: RND.A, 8 bytes that were never used before.
    public init(key: CipherBlock, challenge: InlineArray<8, UInt8>, ciphers: CipherSource) throws(CipherFailure) {
        let base = try ciphers.makeCipher(key)
        func derived(_ second: UInt8) throws(CipherFailure) -> any BlockCipher {
            var block = CipherBlock()
            block[0] = 0x01
            block[1] = second
            for index in 0..<6 { block[2 + index] = challenge[index] }
            try base.encrypt(&block)
            return try ciphers.makeCipher(block)
        }
        encryption = try derived(0x82)
        firstMAC = try derived(0x01)
        lastMAC = try derived(0x02)
        self.challenge = challenge
    }

    /// What the reader proves its key with.
    public func readerCryptogram(answer: InlineArray<8, UInt8>) throws(CipherFailure) -> CipherBlock {
        try cryptogram(challenge, answer)
    }

    /// What we prove ours with.
    public func panelCryptogram(answer: InlineArray<8, UInt8>) throws(CipherFailure) -> CipherBlock {
        try cryptogram(answer, challenge)
    }

    private func cryptogram(
        _ first: InlineArray<8, UInt8>, _ second: InlineArray<8, UInt8>
    ) throws(CipherFailure) -> CipherBlock {
        var block = CipherBlock()
        for index in 0..<8 {
            block[index] = first[index]
            block[8 + index] = second[index]
        }
        try encryption.encrypt(&block)
        return block
    }

    /// R-MAC-I, with which the reader closes the handshake and the chain of MACs begins.
    public func initialMAC(panelCryptogram: CipherBlock) throws(CipherFailure) -> CipherBlock {
        var block = panelCryptogram
        try firstMAC.encrypt(&block)
        try lastMAC.encrypt(&block)
        return block
    }

    public mutating func begin(initialMAC: CipherBlock) { lastReplyMAC = initialMAC }

    // MARK: Commands

    /// The MAC of a command, SOM to its last data byte; the chain goes on from it.
    mutating func sign<let capacity: Int>(_ command: InlineBytes<capacity>) throws(CipherFailure) -> CipherBlock {
        let mac = try mac(of: command, count: command.count, from: lastReplyMAC)
        lastCommandMAC = mac
        return mac
    }

    /// `data` padded and encrypted, behind what `packet` holds already.
    func encrypt<let capacity: Int, let room: Int>(
        _ data: InlineBytes<capacity>, into packet: inout InlineBytes<room>
    ) throws(CipherFailure) {
        var chain = lastReplyMAC.inverted
        for start in stride(from: 0, through: data.count, by: 16) {
            chain.xor(Self.block(of: data, from: start, to: data.count, pads: true))
            try encryption.encrypt(&chain)
            for index in 0..<16 { packet.append(chain[index]) }
        }
    }

    /// Bytes that `count` bytes of data have when encrypted.
    static func encryptedBytes(_ count: Int) -> Int { (count / 16 + 1) * 16 }

    // MARK: Replies

    /// Whether a reply's MAC fits; the chain goes on when it does.
    mutating func accepts(_ reply: OSDPPacket) throws(CipherFailure) -> Bool {
        let expected = try mac(of: reply.bytes, count: reply.macStart, from: lastCommandMAC)
        var sent = CipherBlock()
        for index in 0..<OSDPPacket.macBytes { sent[index] = reply.bytes[reply.macStart + index] }
        guard expected.agrees(with: sent, inFirst: OSDPPacket.macBytes) else { return false }
        lastReplyMAC = expected
        return true
    }

    /// The data of a reply that was accepted; nil when it is not whole blocks or not padded.
    func decrypt(_ reply: OSDPPacket) throws(CipherFailure) -> InlineBytes<512>? {
        let range = reply.dataRange
        guard !range.isEmpty, range.count % 16 == 0 else { return nil }
        var plain = InlineBytes<512>()
        var chain = lastCommandMAC.inverted
        for start in stride(from: range.lowerBound, to: range.upperBound, by: 16) {
            let encrypted = Self.block(of: reply.bytes, from: start, to: range.upperBound, pads: false)
            var block = encrypted
            try encryption.decrypt(&block)
            block.xor(chain)
            for index in 0..<16 { plain.append(block[index]) }
            chain = encrypted
        }
        var end = plain.count - 1
        while end >= plain.count - 16, plain[end] == 0 { end -= 1 }
        guard end >= plain.count - 16, plain[end] == 0x80 else { return nil }
        plain.removeLast(plain.count - end)
        return plain
    }

    // MARK: -

    private func mac<let capacity: Int>(
        of bytes: InlineBytes<capacity>, count: Int, from start: CipherBlock
    ) throws(CipherFailure) -> CipherBlock {
        var chain = start
        for begin in stride(from: 0, to: count, by: 16) {
            chain.xor(Self.block(of: bytes, from: begin, to: count, pads: true))
            try (begin + 16 < count ? firstMAC : lastMAC).encrypt(&chain)
        }
        return chain
    }

    private static func block<let capacity: Int>(
        of bytes: InlineBytes<capacity>, from start: Int, to end: Int, pads: Bool
    ) -> CipherBlock {
        var block = CipherBlock()
        for index in 0..<16 where start + index < end { block[index] = bytes[start + index] }
        if pads, end - start < 16 { block[end - start] = 0x80 }
        return block
    }
}
