import Admission
import TestSupport
import Testing

@testable import Framing

@Suite("Bits of a card")
struct CardFormTests {
    private func chip(_ bits: Int, _ hexDigits: String, _ form: CardForm = .wiegand) throws -> String {
        var data = InlineBytes<512>()
        for byte in bytes(hexDigits) { data.append(byte) }
        return hex(try form.identifier(bits: bits, of: data, from: 0).bytes)
    }

    @Test(
        "lengths with parity give the number between the parity bits",
        arguments: [
            // 123,14706 (protocols.md A2, "Vectors, plain")
            (26, "3D9CB940", "007b3972"),
            // P even over DEAD (11 ones): 1; P odd over BEEF (13 ones): 0
            (34, "EF56DF7780", "deadbeef"),
            // 35 bits 1, then 34 zeros: even half one 1 → 1; odd half none → 1
            (37, "C000000008", "0400000000"),
        ])
    func wiegand(bits: Int, sent: String, chip expected: String) throws {
        #expect(try chip(bits, sent) == expected)
    }

    @Test("one wrong bit of a length with parity is refused", arguments: [(26, "3D9CB940"), (34, "EF56DF7780")])
    func parity(bits: Int, sent: String) {
        for bit in 0..<bits {
            var wrong = bytes(sent)
            wrong[bit / 8] ^= 0x80 >> UInt8(bit % 8)
            #expect(throws: FrameFault.check) { try chip(bits, hex(wrong)) }
        }
    }

    @Test("the recorded card of 26 bits has wrong parities: refused, and taken as it is with `raw`")
    func recorded() throws {
        #expect(throws: FrameFault.check) { try chip(26, "cd22c700") }
        #expect(try chip(26, "cd22c700", .raw) == "cd22c700")
    }

    @Test(
        "other lengths are their bits, left-aligned; bits behind the last are cleared",
        arguments: [
            (32, "24D34F59", "24d34f59"), (56, "04A1B2C3D4E5F6", "04a1b2c3d4e5f6"), (1, "FF", "80"),
            (35, "FFFFFFFFFF", "ffffffffe0"),
        ])
    func raw(bits: Int, sent: String, chip expected: String) throws {
        #expect(try chip(bits, sent) == expected)
        #expect(try chip(bits, sent, .raw) == expected)
    }

    @Test(
        "no bits, too many, and fewer bytes than bits are refused",
        arguments: [(0, 4), (513, 65), (33, 4), (0xFFFF, 4)])
    func lengths(bits: Int, count: Int) {
        #expect(throws: FrameFault.unexpectedByte) { try chip(bits, hex([UInt8](repeating: 0, count: count))) }
    }
}
