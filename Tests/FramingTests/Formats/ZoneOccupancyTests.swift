import Admission
import Testing

@testable import Framing

private func makeStatement(_ occupancy: ZoneOccupancy?) -> Statement {
    Statement(
        site: SiteID(low: 0x0706_0504_0302_0100, high: 0x0F0E_0D0C_0B0A_0908), imageVersion: 7, changeNumber: 9,
        asOf: WallTime(milliseconds: 1_783_641_600_000), imageHeaderDigest: [UInt8](repeating: 0xAB, count: 32),
        occupancy: occupancy)
}

private func name(_ text: String) -> ShortName { ShortName(text) ?? .outside }

@Suite("Occupancy in a statement") struct ZoneOccupancyTests {
    @Test("it stands byte by byte where the layout says")
    func golden() throws {
        let statement = makeStatement(
            ZoneOccupancy(
                asOf: WallTime(milliseconds: 1_783_641_599_000),
                zones: [.init(name: name("hall-4"), people: 513, vehicles: 2)]))
        let extended = Array(statement.signedPart[88...])
        let zone = Array("hall-4".utf8) + [UInt8](repeating: 0, count: 26) + [1, 2, 0, 0, 2, 0, 0, 0]
        #expect(
            extended
                == [1, 0, 0, 0, 56, 0, 0, 0] + [0x18, 0xEC, 0x52, 0x49, 0x9F, 0x01, 0, 0] + [1, 0, 0, 0, 0, 0, 0, 0]
                + zone)
        #expect(statement.signedPart[12] == 88 + 64)
        let parsed = try Statement.parse(statement.signedPart + [UInt8](repeating: 5, count: 64))
        #expect(parsed.statement == statement)
        #expect(parsed.statement.occupancy?.count(of: name("hall-4")).people == 513)
        // Nobody ever crossed into it.
        #expect(parsed.statement.occupancy?.count(of: name("hall-5")).people == 0)
    }

    @Test("as many zones as may be read back; one more is left out where it is made")
    func most() throws {
        let zones = (0..<300).map { ZoneOccupancy.Zone(name: name("zone-\($0)"), people: UInt32($0), vehicles: 1) }
        let statement = makeStatement(ZoneOccupancy(asOf: WallTime(milliseconds: -1), zones: zones))
        let bytes = statement.signedPart + [UInt8](repeating: 5, count: 64)
        #expect(bytes.count <= Statement.longest)
        let read = try #require(try Statement.parse(bytes).statement.occupancy)
        #expect(read.zones.count == ZoneOccupancy.mostZones)
        #expect(read == statement.occupancy)
    }

    @Test(
        "what does not read as occupancy is passed over, and the statement stands",
        arguments: [
            ("cut", nil), ("more zones than there are", 16), ("bytes that must be zero", 20),
            ("a length beyond the end", 5),
            ("a length that cuts it", 4),
        ] as [(String, Int?)])
    func damaged(what: String, place: Int?) throws {
        var extended = Array(
            makeStatement(
                ZoneOccupancy(asOf: WallTime(milliseconds: 1), zones: [.init(name: name("a"), people: 1, vehicles: 0)])
            ).signedPart[88...])
        if let place { extended[place] ^= 3 } else { extended.removeLast() }
        var signed = makeStatement(nil).signedPart + extended
        signed[12] = UInt8(signed.count)
        let parsed = try Statement.parse(signed + [UInt8](repeating: 5, count: 64)).statement
        #expect(parsed == makeStatement(nil), "\(what)")
    }

    @Test("an extension that a later format adds, before or behind it, is passed over")
    func unknownExtension() throws {
        let statement = makeStatement(
            ZoneOccupancy(asOf: WallTime(milliseconds: 1), zones: [.init(name: name("a"), people: 1, vehicles: 0)]))
        let unknown: [UInt8] = [99, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3]
        let plain = makeStatement(nil).signedPart
        let own = Array(statement.signedPart[88...])
        for extensions in [unknown + own, own + unknown] {
            var signed = plain + extensions
            signed[12] = UInt8(signed.count)
            #expect(try Statement.parse(signed + [UInt8](repeating: 5, count: 64)).statement == statement)
        }
    }
}
