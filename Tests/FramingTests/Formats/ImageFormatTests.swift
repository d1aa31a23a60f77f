import Admission
import Framing
import Testing

@Suite struct ImageFormatTests {
    private func parse(_ bytes: [UInt8]) throws -> ImageHeader {
        try bytes.withUnsafeBytes { buffer throws(FormatError) in try ImageHeader(buffer) }
    }

    @Test("an image header reads back as it was written")
    func header() throws {
        var random = RandomRecords()
        for _ in 0..<200 {
            let header = random.imageHeader()
            let bytes = header.signedPart + [UInt8](repeating: 0xEE, count: 64)
            #expect(bytes.count == header.headerLength && bytes.count % 4096 == 0)
            #expect(
                try bytes.withUnsafeBytes { buffer throws(FormatError) in try ImageHeader.length(of: buffer) }
                    == bytes.count)
            #expect(try parse(bytes) == header, "seed \(random.seed)")
        }
    }

    @Test("a header cut short anywhere is refused")
    func cutHeader() throws {
        var random = RandomRecords()
        let bytes = random.imageHeader().signedPart + [UInt8](repeating: 0, count: 64)
        for length in 0..<bytes.count where length < 200 || length % 97 == 0 || length == bytes.count - 1 {
            #expect(throws: FormatError.self, "\(length) bytes") { try parse(Array(bytes[..<length])) }
        }
    }

    /// Field, its offset, and what is written there (little-endian).
    static let impossible: [(field: String, offset: Int, bytes: [UInt8])] = [
        ("magic", 0, [0]), ("format", 8, [2]), ("header length not a multiple", 12, [1]),
        ("header length too long", 12, [0, 0, 0x20, 0]), ("header length zero", 12, [0, 0, 0, 0]),
        ("version 0", 32, [UInt8](repeating: 0, count: 8)),
        ("no slots", 56, [UInt8](repeating: 0, count: 8)),
        ("more slots than can be", 56, [UInt8](repeating: 0xFF, count: 8)),
        ("more identifiers than slots", 64, [UInt8](repeating: 0xFF, count: 8)),
        ("more holders than identifiers", 72, [UInt8](repeating: 0xFF, count: 8)),
        ("validity base beyond any calendar", 80, [UInt8](repeating: 0x7F, count: 8)),
        ("validity base before 1970", 80, [UInt8](repeating: 0xFF, count: 8)),
        ("region size", 128, [1]), ("regions", 132, [0xFF, 0xFF, 0xFF, 0xFF]),
        ("zones", 136, [65]), ("zone sets", 140, [0xFF, 0xFF, 0xFF, 0xFF]), ("a zone without a name", 144, [0]),
    ]

    @Test("an impossible header field is refused", arguments: impossible)
    func impossibleHeader(field: String, offset: Int, bytes: [UInt8]) throws {
        var random = RandomRecords(seed: 11)
        var header = random.imageHeader()
        header.zones = [try #require(ShortName("hall"))]
        var whole = header.signedPart + [UInt8](repeating: 0, count: 64)
        #expect(throws: Never.self) { try parse(whole) }
        whole.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        #expect(throws: FormatError.self) { try parse(whole) }
    }

    @Test("a slot gives back the credential it was made from")
    func slot() throws {
        var random = RandomRecords()
        let base: Int64 = 1_700_000_000
        let zoneSets: [UInt64] = (0..<1024).map { _ in random.word() }
        for _ in 0..<500 {
            let zoneSet = random.below(1024)
            var credential = random.credential()
            credential.zones = zoneSets[zoneSet]
            credential.validFromSeconds = random.below(2) == 0 ? nil : base + 1 + Int64(random.below(1 << 27 - 2))
            credential.validUntilSeconds = random.below(2) == 0 ? nil : base + Int64(random.below(1 << 27 - 1))
            let slot = try #require(
                ImageSlot(tag: random.tag(), credential: credential, zoneSet: zoneSet, validityBaseSeconds: base))
            var table = [UInt8](repeating: 0, count: ImageSlot.size)
            table.withUnsafeMutableBytes { slot.encode(into: $0) }
            let back = try #require(table.withUnsafeBytes { ImageSlot.at(0, in: $0) })
            #expect(back == slot && !back.isConflict)
            let read = zoneSets.withUnsafeBufferPointer { back.credential(zoneSets: $0, validityBaseSeconds: base) }
            #expect(read == credential, "seed \(random.seed)")
        }
    }

    @Test("what does not fit a slot is not made into one")
    func unfitting() {
        var random = RandomRecords()
        let base: Int64 = 1_700_000_000
        func fits(from: Int64? = nil, until: Int64? = nil, zoneSet: Int = 0) -> Bool {
            var credential = random.credential()
            credential.validFromSeconds = from
            credential.validUntilSeconds = until
            return ImageSlot(tag: .none, credential: credential, zoneSet: zoneSet, validityBaseSeconds: base) != nil
        }
        #expect(fits(from: base + 1, until: base + ImageSlot.longestValidity, zoneSet: 1023))
        #expect(!fits(from: base))
        #expect(!fits(from: base + ImageSlot.longestValidity + 1))
        #expect(!fits(until: base - 1))
        #expect(!fits(until: base + ImageSlot.longestValidity + 1))
        #expect(!fits(from: .min))
        #expect(!fits(until: .max))
        #expect(!fits(zoneSet: 1024))
        #expect(!fits(zoneSet: -1))
    }

    @Test("a search goes round the end of the table and ends in a full one")
    func wrapAround() {
        // Three slots; a tag of all ones lives in the last, the second with the same home goes on at the first.
        var table = [UInt8](repeating: 0, count: 3 * ImageSlot.size)
        let tags = (0..<4).map { BadgeTag(low: .max, high: UInt16($0)) }
        #expect(ImageSlot.home(of: tags[0], slots: 3) == 2)
        table.withUnsafeMutableBytes { buffer in
            for (place, tag) in [(2, tags[0]), (0, tags[1]), (1, tags[2])] {
                ImageSlot(conflicting: tag).encode(
                    into: UnsafeMutableRawBufferPointer(rebasing: buffer[place * 32..<place * 32 + 32]))
            }
        }
        table.withUnsafeBytes { buffer in
            for tag in tags[..<3] { #expect(ImageSlot.find(tag, in: buffer, slots: 3)?.tag == tag) }
            #expect(ImageSlot.find(tags[3], in: buffer, slots: 3) == nil)
        }
    }

    @Test("the home of any tag lies in the table")
    func home() {
        var random = RandomRecords()
        for slots in [1, 2, 128, 502_000, 134_217_728] {
            for low in [0, .max, random.word(), random.word(), 1 << 63] {
                #expect((0..<slots).contains(ImageSlot.home(of: BadgeTag(low: low, high: 0), slots: slots)))
            }
        }
    }

    @Test("a statement reads back, and is refused when cut, longer, or of another format")
    func statement() throws {
        var random = RandomRecords()
        let statement = Statement(
            site: SiteID(low: random.word(), high: random.word()), imageVersion: random.word(),
            changeNumber: random.word(), asOf: random.wall(), imageHeaderDigest: random.bytes(32))
        let signature = random.bytes(64)
        let bytes = statement.signedPart + signature
        let parsed = try Statement.parse(bytes)
        #expect(parsed.statement == statement)
        #expect(parsed.signedPart == statement.signedPart && parsed.signature == signature)
        for length in 0..<bytes.count {
            #expect(throws: FormatError.self) { try Statement.parse(Array(bytes[..<length])) }
        }
        #expect(throws: FormatError.self) { try Statement.parse(bytes + [0]) }
        for bit in 0..<128 {
            #expect(throws: FormatError.self) { try Statement.parse(bytes.flipping(bit: bit)) }
        }
    }

    @Test("an extension behind a statement's fields is signed and passed over")
    func statementExtension() throws {
        var random = RandomRecords()
        let statement = Statement(
            site: SiteID(low: 1, high: 2), imageVersion: 3, changeNumber: 4, asOf: WallTime(milliseconds: 5),
            imageHeaderDigest: random.bytes(32))
        var signed = statement.signedPart + [7, 7, 7]
        signed[12] += 3
        let parsed = try Statement.parse(signed + random.bytes(64))
        #expect(parsed.statement == statement && parsed.signedPart == signed)
    }

    @Test(
        "what a statement says of changes reads back, also behind and before extensions of another kind",
        arguments: [0, 1, 900])
    func statementOfChanges(lists: Int) throws {
        var random = RandomRecords()
        var statement = Statement(
            site: SiteID(low: 1, high: 2), imageVersion: 3, changeNumber: UInt64(4 * lists) + 6,
            asOf: WallTime(milliseconds: 5), imageHeaderDigest: random.bytes(32))
        statement.changes = PublishedChanges(
            chain: random.bytes(32),
            lists: (0..<lists).map { index in
                let first = UInt64(7 + 4 * index)
                return PublishedChanges.List(first: first, last: first + 3, digest: random.bytes(32))
            })
        let signed = statement.signedPart
        #expect(signed.count % 8 == 0 && signed.count + 64 <= Statement.longest)
        #expect(try Statement.parse(signed + random.bytes(64)).statement == statement)
        // Kind 99 with 3 bytes of body.
        let other: [UInt8] = [99, 0, 0, 0, 3, 0, 0, 0, 7, 7, 7]
        for place in [88, signed.count] {
            var longer = signed
            longer.insert(contentsOf: other, at: place)
            longer.replaceSubrange(
                12..<16, with: withUnsafeBytes(of: UInt32(longer.count).littleEndian) { Array($0) })
            #expect(try Statement.parse(longer + random.bytes(64)).statement == statement)
        }
    }

    @Test("lists of changes that leave a gap, overlap or go backwards are passed over")
    func statementOfBrokenChanges() throws {
        var statement = Statement(
            site: SiteID(low: 1, high: 2), imageVersion: 3, changeNumber: 9,
            asOf: WallTime(milliseconds: 5),
            imageHeaderDigest: [UInt8](repeating: 1, count: 32))
        let digest = [UInt8](repeating: 2, count: 32)
        let broken: [[(UInt64, UInt64)]] = [
            [(0, 3)], [(5, 4)], [(1, 3), (5, 9)], [(1, 3), (3, 9)], [(4, 9), (1, 3)],
            [(1, .max), (2, 3)],
        ]
        for lists in broken {
            statement.changes = PublishedChanges(
                chain: digest,
                lists: lists.map { PublishedChanges.List(first: $0.0, last: $0.1, digest: digest) })
            let read = try Statement.parse(statement.signedPart + [UInt8](repeating: 0, count: 64))
                .statement
            #expect(read.changes == nil && read.changeNumber == 9, "\(lists)")
        }
    }
}
