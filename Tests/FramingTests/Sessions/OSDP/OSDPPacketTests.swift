import Framing
import TestSupport
import Testing

@Suite("OSDP packets and card bits")
struct OSDPPacketTests {
    /// protocols.md A2, "Vectors, plain", with where each comes from there.
    static let golden = [
        "53 7F 0D 00 04 6E 00 80 25 00 00 6E 38", "53 00 09 00 04 61 00 C0 66", "53 00 08 00 00 61 00 44",
        "53 80 08 00 05 40 68 9F", "53 80 14 00 06 45 00 0E E3 10 10 00 00 74 97 23 06 06 1B 88",
        "53 FF 0F 00 02 50 FF 01 1A 00 CD 22 C7 16 67", "53 65 08 00 04 60 60 90",
        "53 E5 10 00 05 50 00 01 1A 00 CD 22 C7 00 90 B8", "53 E5 0D 00 07 54 65 80 25 00 00 8A 97",
    ]

    static func inline(_ bytes: [UInt8]) -> InlineBytes<512> {
        var result = InlineBytes<512>()
        for byte in bytes { result.append(byte) }
        return result
    }

    @Test("the published packets are accepted, with CRC and with checksum", arguments: golden)
    func published(text: String) throws {
        let raw = bytes(text)
        let packet = try OSDPPacket(Self.inline(raw))
        #expect(packet.address == raw[1] & 0x7F)
        #expect(packet.isReply == (raw[1] >= 0x80))
        #expect(packet.code == raw[5])
        #expect(packet.sequence == raw[4] & 3)
    }

    @Test("no single wrong bit is accepted", arguments: golden)
    func wrongBit(text: String) {
        let raw = bytes(text)
        for bit in 0..<raw.count * 8 {
            var wrong = raw
            wrong[bit / 8] ^= 1 << UInt8(bit % 8)
            // Without the CRC bit two bytes are judged by eight bits; one chance in 256, which these do not hit.
            #expect(throws: FrameFault.self, "bit \(bit)") { try OSDPPacket(Self.inline(wrong)) }
        }
    }

    @Test("packets cut short, and lengths that lie, are refused", arguments: golden)
    func cut(text: String) {
        let raw = bytes(text)
        for count in 0..<raw.count {
            #expect(throws: FrameFault.self) { try OSDPPacket(Self.inline(Array(raw.prefix(count)))) }
        }
    }

    @Test("a security block that is longer than the packet is refused")
    func securityBlock() {
        for length in 0...255 {
            var raw = bytes("53 80 0e 00 0e 02 16 40 c7 e6 64 b6 00 00")
            raw[5] = UInt8(length)
            let crc = raw.dropLast(2).reduce(UInt16(0x1D0F)) { crc, byte in
                (0..<8).reduce(crc ^ UInt16(byte) << 8) { crc, _ in crc & 0x8000 != 0 ? crc << 1 ^ 0x1021 : crc << 1 }
            }
            raw[12] = UInt8(crc & 0xFF)
            raw[13] = UInt8(crc >> 8)
            let packet = try? OSDPPacket(Self.inline(raw))
            #expect((packet != nil) == (2...2).contains(length), "length \(length)")
        }
    }
}
