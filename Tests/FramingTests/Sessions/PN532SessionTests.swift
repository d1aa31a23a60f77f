import Admission
import Foundation
import Framing
import Testing

@Suite("PN532 over HSU")
struct PN532SessionTests {
    static let wake = "55550000000000000000000000000000ff03fdd414011700"
    static let acknowledge = bytes("0000ff00ff00")
    static let again = "0000ffff0000"
    static let stop = "0000ff00ff00"
    static let configured = bytes("0000ff02fed5151600")
    static let limited = bytes("0000ff02fed533f800")
    static let list = "0000ff04fcd44a0100e100"
    static let none = bytes("0000ff03fdd54b00e000")
    /// readers_sensors.json, section pn532: driver captures (protocols.md A3).
    static let targets = [
        ("0000ff0cf4d54b010100040804fb0ee20bd800", "fb0ee20b"), ("0000ff0cf4d54b01010004080424d34f592f00", "24d34f59"),
        ("0000ff0cf4d54b010100040804b0864d252600", "b0864d25"),
        // With an ATS behind the UID.
        ("0000ff1ce4d54b010100042804fde60899107880900220900000000000fde608995c00", "fde60899"),
        // Constructed: UIDs of 7 and 10 bytes.
        (found("04a1b2c3d4e5f6"), "04a1b2c3d4e5f6"), (found("0102030405060708090a"), "0102030405060708090a"),
    ]

    private static func found(_ uid: String) -> String {
        let body = bytes("d54b010100440000").dropLast() + [UInt8(uid.count / 2)] + bytes(uid)
        let length = UInt8(body.count)
        return hex([0x00, 0x00, 0xFF, length, 0 &- length] + body + [0 &- body.reduce(0, &+), 0x00])
    }

    /// A session that has been told everything up to the first question for a target.
    static func listing() -> Feed {
        var feed = Feed(PN532Session())
        for answer in [configured, limited] {
            feed.receive(acknowledge)
            feed.receive(answer)
            feed.wait(milliseconds: 1)
        }
        feed.wait(milliseconds: 25)
        return feed
    }

    @Test("it wakes the chip, sets it up, and asks for a target, as captured")
    func opening() {
        #expect(hex(Feed(PN532Session()).sent) == Self.wake)
        let sent = hex(Self.listing().sent)
        #expect(sent == Self.wake + "0000ff06fad43205ff0102f300" + Self.list)
    }

    @Test("UIDs of 4, 7 and 10 bytes are chips", arguments: targets)
    func target(frame: String, uid: String) {
        var feed = Self.listing()
        feed.receive(Self.acknowledge)
        feed.receive(bytes(frame))
        #expect(feed.chips == [uid])
        #expect(feed.faults.isEmpty)
    }

    @Test("an answer that comes in two pieces is read, wherever it is cut", arguments: 0...25)
    func everySplit(cut: Int) {
        var feed = Self.listing()
        let all = Self.acknowledge + bytes(Self.targets[0].0)
        feed.receive(all.prefix(cut))
        feed.wait(milliseconds: 60)
        feed.receive(all.dropFirst(cut))
        #expect(feed.chips == ["fb0ee20b"])
    }

    @Test("a chip that stays is reported with every answer; \"none\" is a sign of life")
    func repeats() {
        var feed = Self.listing()
        for round in 1...20 {
            feed.receive(Self.acknowledge)
            feed.receive(round % 2 == 0 ? bytes(Self.targets[1].0) : Self.none)
            #expect(feed.session.lastFrame.map { feed.now.milliseconds(since: $0) < 3 } == true)
            feed.wait(milliseconds: 25)
        }
        #expect(feed.chips.count == 10)
        #expect(hex(feed.sent).components(of: Self.list) == 21)
    }

    @Test("one wrong bit anywhere is another chip nowhere", arguments: 0..<19 * 8)
    func wrongBit(bit: Int) {
        var frame = bytes(Self.targets[0].0)
        frame[bit / 8] ^= 1 << UInt8(bit % 8)
        var feed = Self.listing()
        feed.receive(Self.acknowledge)
        feed.receive(frame)
        // The zeros around a frame do not count.
        #expect(feed.chips == (bit < 8 || bit >= 18 * 8 ? ["fb0ee20b"] : []), "bit \(bit)")
    }

    @Test("noise before and between costs nothing", arguments: 1...20 as ClosedRange<UInt64>)
    func noise(seed: UInt64) {
        var random = SeededBytes(state: seed)
        var feed = Self.listing()
        for round in 1...10 {
            for frame in [Self.acknowledge, bytes(Self.targets[1].0)] {
                // 00 FF begins a frame; in noise it may swallow what follows until the chip is asked again.
                feed.receive(
                    (0..<Int.random(in: 0...20, using: &random)).map { _ in UInt8.random(in: 0...254, using: &random) })
                feed.receive(frame)
            }
            #expect(feed.chips.count == round, "seed \(seed)")
            feed.wait(milliseconds: 25)
        }
    }

    @Test("random bytes never crash it and are no chip", arguments: 1...4 as ClosedRange<UInt64>)
    func randomBytes(seed: UInt64) {
        var random = SeededBytes(state: seed)
        var feed = Self.listing()
        for _ in 0..<400 {
            feed.receive(
                (0..<100).map { _ in Bool.random(using: &random) ? UInt8.random(in: 0...255, using: &random) : 0xFF })
            feed.wait(milliseconds: 30)
        }
        #expect(feed.chips.isEmpty, "seed \(seed)")
    }

    @Test(
        "a target whose UID length lies is refused",
        arguments: ["0000ff0cf4d54b010100040805fb0ee20bd700", "0000ff0cf4d54b01010004080afb0ee20bd200"])
    func lyingLength(frame: String) {
        var feed = Self.listing()
        feed.receive(Self.acknowledge)
        feed.receive(bytes(frame))
        #expect(feed.chips.isEmpty)
        #expect(feed.faults == [.unexpectedByte])
    }

    @Test("an answer whose sum does not fit is asked for again at once", arguments: 1...5)
    func garbledAnswer(times: Int) {
        var bad = bytes(Self.targets[0].0)
        bad[15] ^= 0x10
        var feed = Self.listing()
        feed.receive(Self.acknowledge)
        for _ in 1...times { feed.receive(bad) }
        #expect(hex(feed.sent).hasSuffix(Self.list + String(repeating: Self.again, count: times)))
        #expect(feed.chips.isEmpty)
        feed.receive(bytes(Self.targets[0].0))
        #expect(feed.chips == ["fb0ee20b"])
        feed.wait(milliseconds: 25)
        #expect(hex(feed.sent).hasSuffix(Self.again + Self.list), "and it goes on as before")
    }

    @Test(
        "an answer that is no frame is asked for again when nothing more comes",
        arguments: [
            "0000ff0cf5d54b01010004080424d34f592f00", "0000fe0cf4d54b01010004080424d34f592f00", "0000ff0cf4d54b01",
        ])
    func brokenAnswer(broken: String) {
        var feed = Self.listing()
        feed.receive(Self.acknowledge)
        feed.receive(bytes(broken))
        feed.wait(milliseconds: 40)
        #expect(hex(feed.sent).hasSuffix(Self.list), "the rest may be under way")
        feed.wait(milliseconds: 40)
        #expect(hex(feed.sent).hasSuffix(Self.list + Self.again))
        feed.receive(bytes(Self.targets[1].0))
        #expect(feed.chips == ["24d34f59"])
    }

    @Test("a chip that garbles for ever is begun with anew, and asked a bounded number of times")
    func garblesForEver() {
        var bad = Self.none
        bad[7] ^= 0x01
        var feed = Self.listing()
        feed.receive(Self.acknowledge)
        for _ in 0..<20 { feed.receive(bad) }
        let sent = hex(feed.sent)
        #expect(sent.components(of: Self.again) == 5)
        #expect(sent.hasSuffix(Self.again + Self.stop))
        feed.wait(milliseconds: 300)
        #expect(hex(feed.sent).hasSuffix(Self.stop + Self.wake))
    }

    @Test("a second acknowledgement is no broken answer")
    func twoAcknowledgements() {
        var feed = Self.listing()
        feed.receive(Self.acknowledge + Self.acknowledge)
        feed.wait(milliseconds: 200)
        #expect(hex(feed.sent).hasSuffix(Self.list), "it may still be looking")
        feed.receive(bytes(Self.targets[1].0))
        #expect(feed.chips == ["24d34f59"])
    }

    @Test("an answer that did not come is asked for again, once")
    func lostAnswer() {
        var feed = Self.listing()
        feed.receive(Self.acknowledge)
        feed.waitUntilItWrites()
        #expect(hex(feed.sent).hasSuffix(Self.list + Self.again))
        feed.receive(bytes(Self.targets[1].0))
        #expect(feed.chips == ["24d34f59"])
    }

    @Test("a command that was not acknowledged is sent again; an answer does as well")
    func lostAcknowledgement() {
        var feed = Self.listing()
        feed.waitUntilItWrites()
        #expect(hex(feed.sent).hasSuffix(Self.list + Self.list))
        feed.receive(bytes(Self.targets[1].0))
        #expect(feed.chips == ["24d34f59"])
    }

    @Test("a chip that does not answer, or answers with an error, is told to stop and woken again")
    func silence() {
        for answer in [[], Self.acknowledge, bytes("0000ff01ff7f8100")] {
            var feed = Self.listing()
            let began = feed.now
            feed.receive(answer)
            for _ in 0..<5 where !hex(feed.sent).hasSuffix(Self.wake) { feed.waitUntilItWrites() }
            #expect(hex(feed.sent).hasSuffix(Self.wake))
            #expect(feed.now.milliseconds(since: began) < 1200)
            feed.receive(Self.acknowledge + Self.configured)
            feed.wait(milliseconds: 1)
            #expect(hex(feed.sent).hasSuffix("f300"))
        }
    }

    @Test("an answer to another question is not taken")
    func otherAnswer() {
        var feed = Self.listing()
        feed.receive(Self.acknowledge + Self.configured)
        #expect(feed.chips.isEmpty)
        #expect(feed.faults == [.unexpectedByte])
        feed.receive(bytes(Self.targets[0].0))
        #expect(feed.chips == ["fb0ee20b"])
    }
}

extension String {
    /// How often `part` stands in it.
    func components(of part: String) -> Int {
        var count = 0
        var rest = self[...]
        while let found = rest.range(of: part) {
            count += 1
            rest = rest[found.upperBound...]
        }
        return count
    }
}
