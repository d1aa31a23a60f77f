import Admission
import Framing
import Storage
import TestSupport
import Testing

@Suite struct ChangeOverlayTests {
    private func credential(_ lookup: BadgeLookup?) -> Credential? {
        if case .found(let credential)? = lookup { credential } else { nil }
    }

    @Test("the newest change of an identifier decides, the image of all others")
    func newest() throws {
        let fixture = try ImageFixture()
        let folder = try TemporaryDirectory()
        try fixture.write(to: folder.file("image"), count: 5)
        let image = try CredentialImage(folder.file("image"), trusting: fixture.trust, at: fixture.moment())
        let empty = ChangeOverlay(on: image.header)
        #expect(empty.lookup(fixture.tag(1)) == nil && empty.changeNumber == 0 && empty.issuedAt == nil)
        let red = try #require(ChangeOverlay(empty, with: try fixture.changes(first: 1, chips: [1, 3])))
        var again = try fixture.changes(first: 3, chips: [1])
        again.changes += [ImageSlot(removed: fixture.tag(2)), ImageSlot(conflicting: fixture.tag(4))]
        again.changes[0].states = again.changes[0].states & ~0x300 | UInt16(HealthCode.yellow.rawValue) << 8
        let table = BadgeTable(image: image, overlay: try #require(ChangeOverlay(red, with: again)))
        #expect(table.changeNumber == 5 && table.mark.changeNumber == 5 && table.mark.imageVersion == 1)
        #expect(credential(table.lookup(fixture.tag(0)))?.healthCode == .green)
        #expect(credential(table.lookup(fixture.tag(1)))?.healthCode == .yellow)
        #expect(table.lookup(fixture.tag(2)) == .unknown)
        #expect(credential(table.lookup(fixture.tag(3)))?.healthCode == .red)
        #expect(table.lookup(fixture.tag(4)) == .conflict)
        #expect(table.lookup(fixture.tag(99)) == .unknown)
        // The one before is as it was: a lane may be deciding by it.
        #expect(credential(red.lookup(fixture.tag(1)))?.healthCode == .red && red.lookup(fixture.tag(2)) == nil)
    }

    @Test("changes that an image has taken in are passed over")
    func folded() throws {
        let fixture = try ImageFixture()
        var header = fixture.imageHeader
        header.changeNumber = 2
        let overlay = try #require(
            ChangeOverlay(ChangeOverlay(on: header), with: try fixture.changes(first: 1, chips: [1, 2, 3])))
        #expect(overlay.changeNumber == 3 && overlay.identifiers == 1)
        #expect(overlay.lookup(fixture.tag(1)) == nil && overlay.lookup(fixture.tag(3)) != nil)
    }

    @Test("zones are those of the image beneath, by name, and a zone that it does not have is granted to nobody")
    func zones() throws {
        let fixture = try ImageFixture()
        let (ring, hall) = (ImageFixture.zones[0], ImageFixture.zones[1])
        let other = try #require(ShortName("other"))
        var list = try fixture.changes(first: 1, chips: [1], zones: [hall, other, ring])
        list.zoneSets = [0b011]
        let overlay = try #require(ChangeOverlay(ChangeOverlay(on: fixture.imageHeader), with: list))
        #expect(credential(overlay.lookup(fixture.tag(1)))?.zones == fixture.imageHeader.zoneBit(hall))
    }

    /// The list's base before the image's, in seconds; validity in the list; what the lane sees.
    static let validities: [(shift: Int64, from: Int64?, until: Int64?, seenFrom: Int64?, seenUntil: Int64?)] = [
        (0, 1, 5, 1, 5), (-1000, -500, -3, nil, 0), (-1000, 7, 8, 7, 8), (1000, 1001, nil, 1001, nil),
        (1000, nil, ImageSlot.longestValidity + 1000, nil, nil),
        (1000, ImageSlot.longestValidity + 1000, nil, ImageSlot.longestValidity, nil),
    ]

    @Test("validity is the same instant on an image with another base", arguments: validities)
    func validity(shift: Int64, from: Int64?, until: Int64?, seenFrom: Int64?, seenUntil: Int64?) throws {
        let fixture = try ImageFixture()
        let base = ImageFixture.base + shift
        var credential = ImageFixture.credential()
        credential.validFromSeconds = from.map { ImageFixture.base + $0 }
        credential.validUntilSeconds = until.map { ImageFixture.base + $0 }
        var list = try fixture.changes(first: 1, chips: [1], base: base)
        list.changes = [
            try #require(
                ImageSlot(tag: fixture.tag(1), credential: credential, zoneSet: 0, validityBaseSeconds: base))
        ]
        let overlay = try #require(ChangeOverlay(ChangeOverlay(on: fixture.imageHeader), with: list))
        let seen = try #require(self.credential(overlay.lookup(fixture.tag(1))))
        #expect(seen.validFromSeconds == seenFrom.map { ImageFixture.base + $0 })
        #expect(seen.validUntilSeconds == seenUntil.map { ImageFixture.base + $0 })
    }

    @Test("random lists, one after the other, say what a dictionary says")
    func dictionary() throws {
        let fixture = try ImageFixture()
        var random = SeededGenerator()
        var overlay = ChangeOverlay(on: fixture.imageHeader)
        var known: [Int: HealthCode] = [:]
        var first: UInt64 = 1
        for _ in 0..<60 {
            let chips = (0..<1 + Int(random.next() % 200)).map { _ in Int(random.next() % 3000) }
            var list = try fixture.changes(first: first, chips: chips)
            for index in list.changes.indices {
                let code = HealthCode.allCases[Int(random.next() % 4)]
                list.changes[index].states = list.changes[index].states & ~0x300 | UInt16(code.rawValue) << 8
                known[chips[index]] = code
            }
            overlay = try #require(ChangeOverlay(overlay, with: list))
            first = list.last + 1
        }
        #expect(overlay.identifiers == known.count && overlay.changeNumber == first - 1, "seed \(random.seed)")
        for chip in 0..<3000 {
            #expect(credential(overlay.lookup(fixture.tag(chip)))?.healthCode == known[chip], "seed \(random.seed)")
        }
    }

    @Test("more identifiers than a lane keeps beside an image are refused, and the last that fit are found")
    func full() throws {
        let fixture = try ImageFixture()
        var overlay = ChangeOverlay(on: fixture.imageHeader)
        var list = try fixture.changes(first: 1, chips: [0])
        let slot = list.changes[0]
        func tags(_ range: Range<Int>) -> [ImageSlot] {
            range.map { number in
                var change = slot
                change.tag = BadgeTag(low: UInt64(number) &* 0x9E37_79B9_7F4A_7C15, high: 3)
                return change
            }
        }
        var next = 0
        while next < ChangeOverlay.mostIdentifiers {
            let end = min(next + ChangeList.mostChanges, ChangeOverlay.mostIdentifiers)
            list.first = UInt64(next) + 1
            list.changes = tags(next..<end)
            overlay = try #require(ChangeOverlay(overlay, with: list))
            next = end
        }
        #expect(overlay.identifiers == ChangeOverlay.mostIdentifiers)
        #expect(overlay.lookup(tags(next - 1..<next)[0].tag) != nil)
        list.first = UInt64(next) + 1
        list.changes = tags(next..<next + 1)
        #expect(ChangeOverlay(overlay, with: list) == nil)
        // One that stands there already takes no room.
        list.changes = tags(0..<1)
        #expect(ChangeOverlay(overlay, with: list) != nil)
    }
}
