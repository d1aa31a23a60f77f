import Admission
import Framing
import Testing

@Suite("Modbus RTU thermometers")
struct ModbusSessionTests {
    /// readers_sensors.json, section modbus_rtu: unit 1, input register 12 hex, 369 = 36.9 °C.
    static let question = "01040012000191cf"
    static let answer = bytes("01040201717884")
    static let exception = bytes("018402c2c1")

    static func options(_ change: (inout ModbusOptions) -> Void = { _ in }) -> ModbusOptions {
        var options = ModbusOptions()
        options.register = 0x12
        change(&options)
        return options
    }

    static func reply(_ body: [UInt8]) -> [UInt8] {
        let crc = body.reduce(UInt16(0xFFFF)) { crc, byte in
            (0..<8).reduce(crc ^ UInt16(byte)) { crc, _ in crc & 1 != 0 ? crc >> 1 ^ 0xA001 : crc >> 1 }
        }
        return body + [UInt8(crc & 0xFF), UInt8(crc >> 8)]
    }

    @Test("it asks as published, and 369 is 36.9 °C beside the fixed ambient temperature")
    func golden() {
        var feed = Feed(ModbusSession(Self.options()))
        #expect(hex(feed.sent) == Self.question)
        feed.receive(Self.answer)
        #expect(feed.samples == [[3690, 2000]])
        #expect(feed.faults.isEmpty)
    }

    @Test("holding registers and two registers, as in the INVT manual's question")
    func wide() {
        var feed = Feed(
            ModbusSession(
                Self.options { ($0.function, $0.register, $0.isWide, $0.scaleMicrodegrees) = (3, 4, true, 1) }))
        #expect(hex(feed.sent) == "01030004000285ca")
        feed.receive(bytes("01030400000000fa33"))
        feed.wait(milliseconds: 150)
        // 36,900,000 millionths
        feed.receive(Self.reply(bytes("010304") + bytes("02330be0")))
        #expect(feed.samples == [[0, 2000], [3690, 2000]])
    }

    @Test(
        "values are scaled, signed and rounded to hundredths",
        arguments: [
            ("ffff", true, 100_000, 0, -10), ("ffff", false, 100_000, 0, 655_350), ("8000", true, 10_000, 0, -32_768),
            // 0.02 K a step, −273.15: 310.06 K
            ("3c8f", false, 20_000, -27_315, 3691), ("0171", true, 4999, 0, 184), ("fe8f", true, 4999, 0, -184),
            ("7fff", true, .max, 0, .max),
        ] as [(String, Bool, Int64, Int32, Int32)])
    func scaling(raw: String, signed: Bool, scale: Int64, offset: Int32, expected: Int32) {
        let options = Self.options {
            ($0.isSigned, $0.scaleMicrodegrees, $0.offsetCentidegrees) = (signed, scale, offset)
        }
        let feed = fed(ModbusSession(options), Self.reply(bytes("010402") + bytes(raw)))
        #expect(feed.samples == [[expected, 2000]])
    }

    @Test("an ambient register is read first and then every second; no sample goes without it")
    func ambient() {
        var feed = Feed(ModbusSession(Self.options { $0.ambient = .register(0x14) }))
        var asked: [UInt8] = []
        for _ in 0..<30 {
            asked.append(feed.sent[feed.sent.count - 5])
            feed.receive(asked.last == 0x14 ? Self.reply(bytes("01040200f0")) : Self.answer)
            feed.wait(milliseconds: 150)
        }
        #expect(asked.first == 0x14)
        #expect((4...6).contains(asked.filter { $0 == 0x14 }.count))
        #expect(Set(feed.samples) == [[3690, 2400]])
    }

    @Test("a reply that comes in two pieces is read, wherever it is cut", arguments: 0...7)
    func everySplit(cut: Int) {
        var feed = Feed(ModbusSession(Self.options()))
        feed.receive(Self.answer.prefix(cut))
        feed.wait(milliseconds: 100)
        feed.receive(Self.answer.dropFirst(cut))
        #expect(feed.samples == [[3690, 2000]])
    }

    @Test("it asks at its pace, ten questions in one and a half seconds")
    func pace() {
        var feed = Feed(ModbusSession(Self.options()))
        let began = feed.now
        while feed.now.milliseconds(since: began) < 1500 {
            if feed.sent.count / 8 > feed.samples.count { feed.receive(Self.answer) }
            feed.wait(milliseconds: 1)
        }
        #expect((9...11).contains(feed.sent.count / 8))
    }

    @Test("an echo of the question before the reply costs nothing")
    func echo() {
        let feed = fed(ModbusSession(Self.options()), bytes(Self.question) + Self.answer)
        #expect(feed.samples == [[3690, 2000]])
    }

    @Test("no single wrong bit yields another temperature", arguments: 0..<7 * 8)
    func wrongBit(bit: Int) {
        var wrong = Self.answer
        wrong[bit / 8] ^= 1 << UInt8(bit % 8)
        var feed = fed(ModbusSession(Self.options()), wrong)
        #expect(feed.samples.isEmpty)
        feed.waitUntilItWrites()
        feed.receive(Self.answer)
        #expect(feed.samples == [[3690, 2000]])
    }

    @Test("an exception is told once, is no sign of life, and is forgotten at the next value")
    func exceptions() {
        var feed = Feed(ModbusSession(Self.options()))
        for _ in 0..<3 {
            feed.receive(Self.exception)
            feed.wait(milliseconds: 150)
        }
        #expect(feed.session.trouble == .error(2))
        #expect(feed.session.lastFrame == nil)
        #expect(feed.events == [.notice(.trouble(.error(2)))])
        feed.receive(Self.answer)
        #expect(feed.session.trouble == nil)
        #expect(feed.samples.count == 1)
    }

    @Test("silence: it asks again, and the reason of an exception before it is forgotten")
    func silence() {
        var feed = Feed(ModbusSession(Self.options()))
        feed.receive(Self.exception)
        feed.wait(milliseconds: 150)
        for _ in 0..<10 { feed.wait(milliseconds: 200) }
        #expect(feed.session.trouble == nil)
        // Every second time-out long: a silence behind each.
        #expect((6...8).contains(feed.sent.count / 8))
    }

    @Test("a late reply is never taken for the next question's", arguments: [201, 250, 300, 390] as [Int64])
    func late(milliseconds: Int64) {
        var feed = Feed(ModbusSession(Self.options()))
        feed.wait(milliseconds: 200)
        feed.wait(milliseconds: milliseconds - 200)
        feed.receive(Self.answer)
        #expect(feed.samples.isEmpty)
        #expect(feed.faults == [.late])
        #expect(feed.sent.count == 8)
        feed.wait(milliseconds: 25)
        #expect(feed.sent.count == 16)
        feed.receive(Self.reply(bytes("0104020172")))
        #expect(feed.samples == [[3700, 2000]])
    }

    @Test("a reply to nothing delays the next question, and is not taken")
    func unasked() {
        var feed = Feed(ModbusSession(Self.options()))
        feed.receive(Self.answer + Self.answer)
        #expect(feed.samples.count == 1)
    }

    @Test("another unit's reply is not taken")
    func otherUnit() {
        #expect(fed(ModbusSession(Self.options()), Self.reply(bytes("0204020171"))).samples.isEmpty)
    }

    @Test("random bytes never crash it and are no temperature", arguments: 1...4 as ClosedRange<UInt64>)
    func randomBytes(seed: UInt64) {
        var random = SeededBytes(state: seed)
        var feed = Feed(ModbusSession(Self.options()))
        for _ in 0..<1000 {
            feed.receive([0x01, 0x04, 0x02])
            feed.receive((0..<8).map { _ in UInt8.random(in: 0...255, using: &random) })
            feed.wait(milliseconds: 200)
        }
        // 16 bits of CRC: one chance in 65536 for each.
        #expect(feed.samples.count <= 1, "seed \(seed)")
    }
}
