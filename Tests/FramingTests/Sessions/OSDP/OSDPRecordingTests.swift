import Admission
import Foundation
import Framing
import Testing

@Suite("OSDP against recorded sessions of libosdp")
struct OSDPRecordingTests {
    /// What the application behind the recorded panel asked for, by code.
    static let application: [String: OSDPCommand] = [
        "69": OSDPCommand(0x69, bytes("000002020102000a000000000000")),
        "6a": OSDPCommand(0x6A, bytes("0002020103")),
        "6b": OSDPCommand(0x6B, bytes("00010001010450415353")),
        "64": OSDPCommand(0x64),
        "6e": OSDPCommand(0x6E, bytes("6580250000")),
    ]

    static func options(_ recording: OSDPRecording) -> OSDPOptions {
        var options = OSDPOptions()
        options.address = recording.addr
        options.statusMilliseconds = nil
        // The recorded card has the length of a W26 and parities that do not fit.
        options.cardForm = .raw
        if let key = recording.scbk {
            options.security = .required(
                key: block(key), provisioning: .refused, .testing(recording.challenges))
        }
        return options
    }

    @Test("a session under an SCBK is the recorded one, byte for byte, through KEYSET and the second handshake")
    func secured() throws {
        let recording = try OSDPRecording.read("osdp_scbk.json")
        let bench = OSDPBench(Self.options(recording))
        for (index, frame) in recording.frames.enumerated() {
            if frame.isCommand {
                if let command = Self.application[frame.code] { #expect(bench.enqueue(command)) }
                if frame.code == "75" {
                    bench.session.changeKey(to: block("00112233445566778899aabbccddeeff"), at: bench.now)
                }
                #expect(bench.nextPacket().map(hex) == frame.hex, "frame \(index)")
            } else {
                bench.reply(frame.bytes)
            }
        }
        #expect(bench.chips == ["cd22c700"])
        #expect(bench.notices == [.secured, .keysPressed(5), .provisioned, .secured])
        #expect(bench.faults.isEmpty)
        #expect(bench.session.counters.frames == 33)
        #expect(bench.session.lastFrame == bench.now)
    }

    @Test("a plain session is the recorded one, byte for byte; idle polls that were not kept are answered")
    func plain() throws {
        let recording = try OSDPRecording.read("osdp_plain.json")
        let bench = OSDPBench(Self.options(recording))
        var sequence = 0
        for (index, frame) in recording.frames.enumerated() {
            guard frame.isCommand else {
                bench.reply(frame.bytes)
                continue
            }
            while sequence != frame.seq {
                let poll = try #require(bench.nextPacket())
                #expect(poll[6] == 0x60)
                bench.reply(OSDPStandIn.plain(0x40, address: 101, sequence: UInt8(sequence)))
                sequence = sequence % 3 + 1
            }
            if let command = Self.application[frame.code] { #expect(bench.enqueue(command)) }
            #expect(bench.nextPacket().map(hex) == frame.hex, "frame \(index)")
            sequence = sequence % 3 + 1
        }
        #expect(bench.chips == ["cd22c700"])
        #expect(bench.notices == [.unsecured, .keysPressed(5)])
        #expect(bench.session.trouble == nil)
    }
}
