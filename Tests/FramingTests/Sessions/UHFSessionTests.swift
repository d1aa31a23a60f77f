import Admission
import Framing
import Testing

@Suite("UHF readers")
struct UHFSessionTests {
    static let start = "bb00280000287e" + "bb0027000322ffff4a7e"
    /// readers_sensors.json, section uhf_bb7e: captures of multi polls (protocols.md A5).
    static let notices: [(frame: String, epc: String, dBm: Int8)] = [
        ("bb02220011d53000e20010710000529b0940b402eb980c7e", "e20010710000529b0940b402", -43),
        ("bb02220011c03400e20010710000529b0940b402163dcb7e", "e20010710000529b0940b402", -64),
        ("bb02220011c9340030751feb705c5904e3d50d703a76ef7e", "30751feb705c5904e3d50d70", -55),
        ("bb02220011c43000e200001d7315016521408fc6b83ec27e", "e200001d7315016521408fc6", -60),
        ("bb02220011cb3400e200471bb0006013044509d09582d47e", "e200471bb0006013044509d0", -53),
    ]
    static let nothingFound = bytes("bb01ff000115167e")

    private func tags(_ feed: Feed) -> [String] {
        feed.events.compactMap { if case .identifier(let tag) = $0, tag.type == .epc { hex(tag.bytes) } else { nil } }
    }

    @Test("it stops what is going on and asks for many rounds; power only when configured")
    func opening() {
        #expect(hex(Feed(UHFSession(UHFOptions())).sent) == Self.start)
        var options = UHFOptions()
        options.powerCentidBm = 2000
        #expect(hex(Feed(UHFSession(options)).sent) == "bb00280000287e" + "bb00b6000207d08f7e" + "bb0027000322ffff4a7e")
    }

    @Test("a captured notice is the tag's EPC", arguments: notices)
    func captured(frame: String, epc: String, dBm: Int8) {
        let feed = fed(UHFSession(UHFOptions()), bytes(frame))
        #expect(tags(feed) == [epc])
        #expect(feed.faults.isEmpty)
    }

    @Test("notice 27, as some manuals have it, is taken too; its sum must fit")
    func notice27() {
        var frame = bytes(Self.notices[2].frame)
        frame[2] = 0x27
        #expect(tags(fed(UHFSession(UHFOptions()), frame)).isEmpty)
        frame[22] = 0xF4
        #expect(tags(fed(UHFSession(UHFOptions()), frame)) == [Self.notices[2].epc])
    }

    @Test("a frame that comes in two pieces is read, wherever it is cut", arguments: 0...24)
    func everySplit(cut: Int) {
        let frame = bytes(Self.notices[0].frame)
        var feed = Feed(UHFSession(UHFOptions()))
        feed.receive(frame.prefix(cut))
        feed.wait(milliseconds: 50)
        feed.receive(frame.dropFirst(cut))
        #expect(tags(feed) == [Self.notices[0].epc])
    }

    @Test("no single wrong byte yields another tag", arguments: 0..<24)
    func wrongByte(place: Int) {
        for value in UInt8.min...UInt8.max {
            var frame = bytes(Self.notices[0].frame)
            guard frame[place] != value else { continue }
            frame[place] = value
            #expect(tags(fed(UHFSession(UHFOptions()), frame)).isEmpty, "byte \(place) = \(value)")
        }
    }

    @Test("two wrong bytes that keep the sum are found by the EPC's CRC")
    func compensated() {
        for place in 5..<20 {
            var frame = bytes(Self.notices[0].frame)
            frame[place] &+= 1
            frame[place + 1] &-= 1
            let feed = fed(UHFSession(UHFOptions()), frame)
            // The RSSI is not under the CRC, but what stands behind it is.
            #expect(tags(feed).isEmpty, "bytes \(place) and \(place + 1)")
        }
    }

    @Test("BB and 7E may stand inside an EPC")
    func markersInside() {
        let epc: [UInt8] = [0xBB, 0x7E, 0x02, 0x22]
        let body = bytes("1000") + epc
        let crc = body.reduce(UInt16(0xFFFF)) { crc, byte in
            (0..<8).reduce(crc ^ UInt16(byte) << 8) { crc, _ in crc & 0x8000 != 0 ? crc << 1 ^ 0x1021 : crc << 1 }
        }
        let parameters = [0xC9] + body + [UInt8(~crc >> 8), UInt8(~crc & 0xFF)]
        let head: [UInt8] = [0x02, 0x22, 0x00, UInt8(parameters.count)]
        let frame = [0xBB] + head + parameters + [(head + parameters).reduce(0, &+), 0x7E]
        #expect(tags(fed(UHFSession(UHFOptions()), [0xBB] + frame + frame.prefix(7) + frame)) == [hex(epc)])
    }

    @Test("a flood of repeats is reported at most ten times a second and tag")
    func flood() {
        var feed = Feed(UHFSession(UHFOptions()))
        let two = bytes(Self.notices[0].frame) + bytes(Self.notices[2].frame)
        let began = feed.now
        while feed.now.milliseconds(since: began) < 3000 { feed.receive(two) }
        let seconds = feed.now.milliseconds(since: began) / 1000
        for epc in [Self.notices[0].epc, Self.notices[2].epc] {
            let count = tags(feed).filter { $0 == epc }.count
            #expect((10...Int(seconds + 1) * 10).contains(count), "\(count) in \(seconds) s")
        }
    }

    @Test("more tags than are remembered are all reported")
    func manyTags() {
        var feed = Feed(UHFSession(UHFOptions()))
        for _ in 0..<3 { for notice in Self.notices { feed.receive(bytes(notice.frame)) } }
        #expect(Set(tags(feed)).count == 4)
    }

    @Test("a tag that is heard too weakly is of the next lane")
    func weakest() {
        var options = UHFOptions()
        options.weakestDBm = -55
        for notice in Self.notices {
            let feed = fed(UHFSession(options), bytes(notice.frame))
            #expect(tags(feed) == (notice.dBm >= -55 ? [notice.epc] : []))
        }
    }

    @Test("\"no tag\" is a sign of life; after silence it asks again")
    func silence() {
        var feed = Feed(UHFSession(UHFOptions()))
        for _ in 0..<40 {
            feed.receive(Self.nothingFound)
            feed.wait(milliseconds: 50)
        }
        #expect(hex(feed.sent) == Self.start)
        #expect(feed.session.lastFrame != nil)
        feed.wait(milliseconds: 500)
        #expect(hex(feed.sent) == Self.start + Self.start)
        #expect(feed.events.isEmpty)
    }

    @Test("an echo of our own commands is no sign of life")
    func echo() {
        let feed = fed(UHFSession(UHFOptions()), bytes(Self.start))
        #expect(feed.session.lastFrame == nil)
        #expect(feed.faults.isEmpty)
    }

    @Test("noise costs no frame that stands behind it", arguments: 1...20 as ClosedRange<UInt64>)
    func noise(seed: UInt64) {
        var random = SeededBytes(state: seed)
        var feed = Feed(UHFSession(UHFOptions()))
        for round in 1...20 {
            feed.receive(
                (0..<Int.random(in: 0...30, using: &random)).map { _ in UInt8.random(in: 0...0xBA, using: &random) })
            feed.receive(bytes(Self.notices[0].frame))
            feed.wait(milliseconds: 100)
            #expect(tags(feed).count == round, "seed \(seed)")
        }
    }

    @Test("a tag is heard also when its last byte ends any number of false beginnings", arguments: 0...12)
    func falseBeginnings(count: Int) {
        var frame = bytes(Self.notices[2].frame)
        // Each says that it ends where the good frame ends, and none has the sum for it.
        for _ in 0..<count { frame = [0xBB, 0x02, 0x22, 0x00, UInt8(frame.count - 2)] + frame }
        let feed = fed(UHFSession(UHFOptions()), frame)
        #expect(tags(feed) == [Self.notices[2].epc])
        #expect(feed.faults.count == min(count, SessionOutput.eventCapacity - (count < 4 ? 0 : 1)))
    }

    @Test("random bytes never crash it and are no tag", arguments: 1...4 as ClosedRange<UInt64>)
    func randomBytes(seed: UInt64) {
        var random = SeededBytes(state: seed)
        var feed = Feed(UHFSession(UHFOptions()))
        for _ in 0..<1000 {
            feed.receive([0xBB, 0x02, 0x22, 0x00, UInt8.random(in: 0...30, using: &random)])
            feed.receive((0..<30).map { _ in UInt8.random(in: 0...255, using: &random) })
        }
        #expect(tags(feed).isEmpty, "seed \(seed)")
    }
}
