import Admission
import Foundation
import Framing
import Testing

@Suite("OSDP Secure Channel with the values of SIA Annex E")
struct OSDPSecureChannelTests {
    struct AnnexE: Decodable {
        struct Frame: Decodable {
            var from: String
            var hex: String
        }
        var scbkD: String
        var rndA: String
        var rndB: String
        var pdCryptogram: String
        var acuCryptogram: String
        var rmacI: String
        var frames: [Frame]

        static func read() throws -> AnnexE {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(AnnexE.self, from: vector("osdp_sc_annexE_constructed.json"))
        }
    }

    @Test("cryptograms and R-MAC-I are the published ones, under the key that everybody knows")
    func cryptograms() throws {
        let annex = try AnnexE.read()
        #expect(hex(OSDPSecureChannel.defaultKey) == annex.scbkD)
        let channel = try OSDPSecureChannel(
            key: block(annex.scbkD), challenge: eight(annex.rndA), ciphers: .testing())
        #expect(hex(try channel.readerCryptogram(answer: eight(annex.rndB))) == annex.pdCryptogram)
        let mine = try channel.panelCryptogram(answer: eight(annex.rndB))
        #expect(hex(mine) == annex.acuCryptogram)
        #expect(hex(try channel.initialMAC(panelCryptogram: mine)) == annex.rmacI)
    }

    /// The frames begin at the challenge with sequence 2: the reader has been identified before. They are of a session
    /// under the default key, which the lane uses to give its own key only; here it is the lane's own, so the key kind
    /// in the security blocks of the handshake is 1 instead of 0.
    @Test("the session's frames are the constructed ones")
    func frames() throws {
        let annex = try AnnexE.read()
        var options = OSDPOptions()
        options.statusMilliseconds = nil
        options.cardForm = .raw
        options.security = .required(
            key: block(annex.scbkD), provisioning: .refused, .testing([bytes(annex.rndA)]))
        let bench = OSDPBench(options)
        for sequence in [0, 1] as [UInt8] {
            let packet = try #require(bench.nextPacket())
            bench.reply(
                OSDPStandIn.plain(
                    packet[6] == 0x61 ? 0x45 : 0x46,
                    packet[6] == 0x61 ? bytes("000ee3101000007497230606") : bytes("090101080100"), sequence: sequence))
        }
        for (index, frame) in annex.frames.enumerated() {
            var expected = bytes(frame.hex)
            if index < 3 { expected = Self.underOwnKey(expected) }
            if frame.from == "PD" {
                bench.reply(expected)
            } else {
                if expected[7] == 0x6A { #expect(bench.enqueue(OSDPCommand(0x6A, bytes("0002020203")))) }
                #expect(bench.nextPacket().map(hex) == "ff" + hex(expected), "frame \(index)")
            }
        }
        #expect(bench.chips == ["cd22c700"])
    }

    /// The same frame with key kind 1, and the CRC to it.
    private static func underOwnKey(_ frame: [UInt8]) -> [UInt8] {
        var changed = Array(frame.dropLast(2))
        changed[7] = 1
        return OSDPSessionTests.withCRC(changed)
    }

    private func eight(_ hexDigits: String) -> InlineArray<8, UInt8> {
        var result = InlineArray<8, UInt8>(repeating: 0)
        for (index, byte) in bytes(hexDigits).enumerated() { result[index] = byte }
        return result
    }
}
