import Admission
import Testing

@testable import Framing

private func name(_ text: String) -> ShortName { ShortName(text) ?? .outside }

private func makeList(
    after: UInt64 = 0, number: UInt64 = 7, zones: [ShortName] = [name("north-ring"), name("hall-4")],
    _ entries: [PresenceList.Entry] = [
        .init(holder: 1, passedAtSeconds: 1_783_641_600, zone: 2),
        .init(holder: 0x0403_0201, passedAtSeconds: 5, zone: 1),
    ]
) -> PresenceList {
    PresenceList(
        site: SiteID(low: 0x0706_0504_0302_0100, high: 0x0F0E_0D0C_0B0A_0908),
        numbering: Epoch(low: 0x1716_1514_1312_1110, high: 0x1F1E_1D1C_1B1A_1918), after: after, number: number,
        asOf: WallTime(milliseconds: 0x0000_0101_0203_0405), zones: zones, entries: entries)
}

@Suite("A presence list") struct PresenceListTests {
    private let signature = [UInt8](repeating: 9, count: 64)

    @Test("it stands byte by byte where the layout says")
    func golden() throws {
        let head: [UInt8] =
            Array("LKPRESN1".utf8) + [1, 0, 0, 0, 162, 0, 0, 0] + (0...31).map { UInt8($0) }
            + [3, 0, 0, 0, 0, 0, 0, 0] + [7, 0, 0, 0, 0, 0, 0, 0] + [5, 4, 3, 2, 1, 1, 0, 0]
            + [2, 0, 0, 0] + [2, 0, 0, 0]
        let zones =
            Array("north-ring".utf8) + [UInt8](repeating: 0, count: 22) + Array("hall-4".utf8)
            + [UInt8](repeating: 0, count: 26)
        let holders: [UInt8] = [1, 0, 0, 0, 0, 0x36, 0x50, 0x6A, 2] + [1, 2, 3, 4, 5, 0, 0, 0, 1]
        let list = makeList(after: 3)
        #expect(list.signedPart == head + zones + holders)
        let parsed = try PresenceList.parse(list.signedPart + signature)
        #expect(parsed.list == list && Array(parsed.signedPart) == list.signedPart && parsed.signature == signature)
    }

    @Test("cut at any byte, or longer, or with any bit of its head's first fields turned it is refused")
    func damaged() {
        let bytes = makeList().signedPart + signature
        for length in 0..<bytes.count {
            #expect(throws: FormatError.self) { try PresenceList.parse(Array(bytes[..<length])) }
        }
        #expect(throws: FormatError.self) { try PresenceList.parse(bytes + [0]) }
        for bit in 0..<128 {
            var turned = bytes
            turned[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: FormatError.self) { try PresenceList.parse(turned) }
        }
    }

    @Test("who is in no zone stands only in a list of what changed")
    func outside() throws {
        let left = [PresenceList.Entry(holder: 4, passedAtSeconds: 0, zone: 0)]
        #expect(throws: FormatError.self) { try PresenceList.parse(makeList(left).signedPart + signature) }
        #expect(try PresenceList.parse(makeList(after: 1, left).signedPart + signature).list.entries == left)
    }

    @Test(
        "holders out of order, twice, without a number, or in a zone that is not there are refused",
        arguments: [
            [(5, 1), (4, 1)], [(5, 1), (5, 2)], [(0, 1)], [(5, 3)], [(5, 255)],
        ] as [[(UInt32, UInt8)]])
    func holders(_ entries: [(UInt32, UInt8)]) {
        let list = makeList(after: 1, entries.map { .init(holder: $0.0, passedAtSeconds: 1, zone: $0.1) })
        #expect(throws: FormatError.self) { try PresenceList.parse(list.signedPart + signature) }
    }

    @Test("numbers that go backward are refused, and a list as large as may be is read")
    func bounds() throws {
        #expect(throws: FormatError.self) {
            try PresenceList.parse(makeList(after: 8, number: 7).signedPart + signature)
        }
        #expect(throws: FormatError.self) { try PresenceList.parse(makeList(number: 0).signedPart + signature) }
        let zones = (0..<PresenceList.mostZones).map { name("zone-\($0)") }
        let all = (0..<PresenceList.mostHolders).map {
            PresenceList.Entry(holder: UInt32($0 + 1), passedAtSeconds: 1, zone: UInt8($0 % 255 + 1))
        }
        let bytes = makeList(zones: zones, all).signedPart + signature
        #expect(bytes.count == PresenceList.longest)
        #expect(try PresenceList.parse(bytes).list.entries.count == PresenceList.mostHolders)
        #expect(throws: FormatError.self) {
            try PresenceList.parse(makeList(zones: zones + [name("more")], []).signedPart + signature)
        }
    }

    @Test("what a lane says that it knows is read back, and nothing else is")
    func mark() throws {
        let mark = PresenceMark(numbering: Epoch(low: 1, high: 2), number: 42)
        #expect(try PresenceMark(text: mark.text) == mark)
        #expect(try PresenceMark(text: PresenceMark.none.text) == .none)
        for text in [
            "", "presence", "presence 00 1\n", mark.text + "x", String(mark.text.dropLast()),
            "presence \(Epoch.none.hex) -1\n",
        ] {
            #expect(throws: FormatError.self) { try PresenceMark(text: text) }
        }
    }
}
