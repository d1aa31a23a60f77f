import Foundation
import Framing
import Testing

/// Vectors/osdp_lost_reply.json: libosdp's panel and reader, and one reply that did not arrive.
private struct LostReply: Decodable {
    struct Frame: Decodable {
        var dir: String
        var hex: String
        var bytes: [UInt8] { FramingTests.bytes(hex) }
        var isCommand: Bool { dir == "CP->PD" }
        var isLost: Bool { dir.contains("LOST") }
    }
    var sc: [Frame]
    var plain: [Frame]

    static func read() throws -> LostReply {
        try JSONDecoder().decode(LostReply.self, from: vector("osdp_lost_reply.json"))
    }
}

@Suite("OSDP against the recording of a lost reply")
struct OSDPLostReplyTests {
    @Test("without a channel the poll is repeated as recorded, and the session goes on as recorded")
    func plain() throws {
        let recording = try LostReply.read().plain
        var options = OSDPOptions()
        options.address = 1
        options.statusMilliseconds = nil
        let bench = OSDPBench(options)
        let first = try #require(recording.first)
        // ID and capabilities (refused), and polls up to the one that the recording begins with.
        var packet = try #require(bench.nextPacket())
        while packet != first.bytes {
            let code: UInt8 = packet[6] == 0x60 ? 0x40 : 0x41
            bench.reply(
                OSDPStandIn.plain(code, code == 0x41 ? [3] : [], address: 1, sequence: packet[5] & 3))
            packet = try #require(bench.nextPacket())
            try #require(bench.session.counters.frames < 20, "no poll with the recorded sequence came")
        }
        var answered: UInt64 = 0
        let before = bench.session.counters.frames
        for (index, frame) in recording.enumerated() {
            if frame.isCommand {
                if index > 0 { packet = try #require(bench.nextPacket()) }
                #expect(hex(packet) == frame.hex, "frame \(index)")
            } else if !frame.isLost {
                bench.reply(frame.bytes)
                answered += 1
            }
        }
        #expect(bench.session.counters.frames == before + answered)
        #expect(bench.session.trouble == nil && bench.faults.isEmpty)
    }

    @Test("in the channel the repetition is the same bytes, and libosdp's answer to it begins a handshake at once")
    func secured() throws {
        let recording = try LostReply.read().sc
        let commands = recording.filter(\.isCommand)
        // What the recording shows of libosdp: the repetition is identical, and its own reader refuses it in the clear.
        #expect(commands[1].hex == commands[2].hex)
        let refusal = try #require(recording.last?.bytes)
        #expect(refusal.count == 9 && refusal[5] == 0x41 && refusal[6] == 0x06)

        var options = OSDPSessionTests.options()
        options.address = 1
        var reader = OSDPStandIn(key: OSDPSessionTests.key, address: 1)
        let bench = OSDPBench(options)
        // To the same place: an encrypted session whose next poll has the recorded sequence number.
        #expect(try bench.run(&reader) { bench, reader in reader.isSecured && bench.session.lastFrame != nil })
        var poll = try #require(bench.nextPacket())
        while poll[5] & 3 != refusal[4] & 3 {
            bench.reply(try reader.answer(poll))
            poll = try #require(bench.nextPacket())
        }
        // The reader answers, and nobody hears it.
        _ = try reader.answer(poll)
        let lostAt = bench.now
        let again = try #require(bench.nextPacket())
        #expect(hex(again) == hex(poll))
        bench.reply(refusal)
        #expect(bench.notices.last == .channelLost)
        // libosdp's panel gave up for 300 s here.
        reader.restart()
        #expect(try bench.run(&reader) { bench, reader in reader.isSecured && bench.notices.last == .secured })
        #expect(bench.now.milliseconds(since: lostAt) < 1000)
        reader.pending = [(0x50, OSDPSessionTests.card)]
        #expect(try bench.run(&reader) { bench, _ in bench.chips == ["007b3972"] })
    }
}
