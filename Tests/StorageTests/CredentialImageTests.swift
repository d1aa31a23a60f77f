import Admission
import Cryptography
import Framing
import Posix
import Storage
import TestSupport
import Testing

@Suite struct CredentialImageTests {
    let fixture: ImageFixture
    let temporary: TemporaryDirectory
    let path: String

    init() throws {
        fixture = try ImageFixture()
        temporary = try TemporaryDirectory()
        path = temporary.file("an.img")
    }

    private func open(newerThan: UInt64 = 0, at moment: Moment? = nil) throws -> CredentialImage {
        try CredentialImage(path, trusting: fixture.trust, newerThan: newerThan, at: moment ?? fixture.moment())
    }

    private func refusal(newerThan: UInt64 = 0, at moment: Moment? = nil) throws -> ImageRefusal? {
        do {
            _ = try open(newerThan: newerThan, at: moment)
            return nil
        } catch StorageError.image(let named, let refusal) {
            #expect(named == path)
            #expect(!refusal.reason.isEmpty && !refusal.advice.isEmpty)
            return refusal
        }
    }

    private func put(_ bytes: [UInt8]) throws { try FileSystem.replace(path, with: bytes, mode: 0o640) }
    private func image() throws -> [UInt8] { try FileSystem.read(path, limit: 1 << 30) }

    @Test("a signed image opens and says what was put into it")
    func opens() throws {
        let digest = try fixture.write(to: path)
        let image = try open()
        #expect(image.version == 1 && image.header.identifiers == 4 && image.header.slots == 128)
        #expect(image.headerDigest == digest)
        #expect(image.mark.headerDigestHex == Hexadecimal.text(digest))
        #expect(image.lookup(fixture.tag(0)) == .found(ImageFixture.credential(holder: 1)))
        #expect(image.lookup(fixture.tag(2)) == .found(ImageFixture.credential(holder: 3)))
        #expect(image.lookup(fixture.tag(3)) == .conflict)
        #expect(image.lookup(fixture.tag(4)) == .unknown)
        #expect(image.zoneBit(ImageFixture.zones[1]) == 2)
        #expect(image.zoneBit(.outside) == 0)
    }

    @Test("100,000 random tags answer as a dictionary does, conflicts and strangers among them")
    func asADictionary() throws {
        var random = SeededGenerator()
        var expected: [BadgeTag: BadgeLookup] = [:]
        var builder = try ImageBuilder(
            identifiers: 100_000, validityBaseSeconds: ImageFixture.base, zones: ImageFixture.zones)
        let sets: [UInt64] = (0..<200).map { _ in random.next() }
        while expected.count < 100_000 {
            // Every fifth shares its home with others, so that searches are long.
            let low = expected.count % 5 == 0 ? (random.next() >> 40) << 40 : random.next()
            let tag = BadgeTag(low: low, high: UInt16(truncatingIfNeeded: random.next()))
            guard expected[tag] == nil else { continue }
            if random.next() % 50 == 0 {
                try builder.addConflict(tag)
                expected[tag] = .conflict
            } else {
                let credential = Credential(
                    holder: HolderNumber(UInt32(truncatingIfNeeded: random.next())),
                    kind: HolderKind.allCases[Int(random.next() % 7)],
                    vaccine: VaccineState.allCases[Int(random.next() % 4)],
                    healthCode: HealthCode.allCases[Int(random.next() % 4)],
                    assessedAtSeconds: UInt32(truncatingIfNeeded: random.next()),
                    test: TestResult.allCases[Int(random.next() % 4)],
                    sampledAtSeconds: UInt32(truncatingIfNeeded: random.next()),
                    activation: Activation.allCases[Int(random.next() % 4)], zones: sets[Int(random.next() % 200)],
                    validFromSeconds: random.next() % 2 == 0
                        ? nil : ImageFixture.base + 1 + Int64(random.next() % 1000),
                    validUntilSeconds: random.next() % 2 == 0 ? nil : ImageFixture.base + Int64(random.next() % 1000))
                try builder.add(tag, credential)
                expected[tag] = .found(credential)
            }
        }
        _ = try builder.write(to: path, title: fixture.title(), signingWith: fixture.signing)
        let image = try open()
        var wrong = 0
        for (tag, lookup) in expected where image.lookup(tag) != lookup { wrong += 1 }
        for tag in expected.keys.prefix(50_000) {
            let stranger = BadgeTag(low: tag.low, high: tag.high ^ 1)
            if image.lookup(stranger) != expected[stranger] ?? .unknown { wrong += 1 }
        }
        #expect(wrong == 0, "seed \(random.seed)")
    }

    @Test("a search that reaches the end of the table goes on at its beginning")
    func wrapAround() throws {
        var builder = try ImageBuilder(identifiers: 96, validityBaseSeconds: ImageFixture.base, zones: [])
        #expect(builder.slots == 128)
        let tags = (0..<96).map { BadgeTag(low: .max, high: UInt16($0)) }
        for (number, tag) in tags.enumerated() {
            try builder.add(tag, ImageFixture.credential(holder: UInt32(number)))
        }
        #expect(throws: ImageBuildError.duplicate(tags[5])) { try builder.addConflict(tags[5]) }
        #expect(throws: ImageBuildError.full(capacity: 96)) {
            try builder.addConflict(BadgeTag(low: 1, high: 1))
        }
        _ = try builder.write(to: path, title: fixture.title(), signingWith: fixture.signing)
        let image = try open()
        for (number, tag) in tags.enumerated() {
            #expect(image.lookup(tag) == .found(ImageFixture.credential(holder: UInt32(number))))
        }
        #expect(image.lookup(BadgeTag(low: .max, high: 96)) == .unknown)
    }

    @Test(
        "a table is at most three quarters full and whole pages long",
        arguments: [(0, 128), (1, 128), (96, 128), (97, 256), (502_000, 669_440), (5_000_000, 6_666_752)])
    func capacity(identifiers: Int, slots: Int) {
        #expect(ImageBuilder.slots(for: identifiers) == slots)
        #expect(identifiers * 4 <= slots * 3 && slots * 32 % 4096 == 0)
    }

    @Test("an image of nobody is an image")
    func empty() throws {
        let builder = try ImageBuilder(identifiers: 0, validityBaseSeconds: ImageFixture.base, zones: [])
        _ = try builder.write(to: path, title: fixture.title(), signingWith: fixture.signing)
        #expect(try open().lookup(fixture.tag(0)) == .unknown)
    }

    // MARK: Refusals

    @Test("every byte of the header is covered by the signature or the format")
    func headerBits() throws {
        var random = SeededGenerator()
        try fixture.write(to: path)
        let image = try image()
        let length = image.count - 128 * 32
        // Behind the tables lie zeros up to the signature: a few of those stand for all.
        for byte in 0..<length where byte < 240 || byte >= length - 64 || byte % 211 == 0 {
            var damaged = image
            damaged[byte] ^= 1 << UInt8(random.next() % 8)
            try put(damaged)
            let refusal = try refusal()
            if (16..<32).contains(byte) {
                guard case .otherSite = refusal else {
                    Issue.record("byte \(byte): \(String(describing: refusal))")
                    return
                }
            } else {
                #expect(refusal != nil, "byte \(byte), seed \(random.seed)")
            }
        }
    }

    @Test("a damaged body is refused and the region named", arguments: [0, 1 << 20 - 1, 1 << 20, 4 << 20, 5_000_000])
    func body(at offset: Int) throws {
        try fixture.write(to: path, count: 150_000)
        var image = try image()
        let header = image.count - ImageBuilder.slots(for: 150_001) * 32
        #expect(image.count - header > 5_000_000)
        image[header + offset] ^= 0x10
        try put(image)
        #expect(try refusal() == .damagedRegion(offset >> 20))
    }

    @Test("a body with right checksums that the site did not sign is refused")
    func bodyDigest() throws {
        try fixture.write(to: path)
        let image = try fixture.resigned(try image()) { $0[96] ^= 1 }
        try put(image)
        #expect(try refusal() == .damagedBody)
    }

    @Test("an image cut short anywhere, or longer than it says, is refused")
    func length() throws {
        try fixture.write(to: path)
        let image = try image()
        for length in [0, 1, 15, 16, 100, 4095, 4096, 5000, image.count - 1] {
            try put(Array(image[..<length]))
            switch try refusal() {
            case .notAnImage: #expect(length < 4096)
            case .length(let bytes, let expected):
                #expect(bytes == Int64(length) && expected == Int64(image.count))
            case let other: Issue.record("\(length) bytes: \(String(describing: other))")
            }
        }
        try put(image + [0])
        #expect(try refusal() == .length(bytes: Int64(image.count) + 1, expected: Int64(image.count)))
    }

    @Test("another site, another signer, another badge key: each is refused as what it is")
    func foreign() throws {
        var title = fixture.title()
        title.site = SiteID(low: 9, high: 9)
        try fixture.write(to: path, title: title)
        #expect(try refusal() == .otherSite(SiteID(low: 9, high: 9)))

        let stranger = try Ed25519.SigningKey(seed: [UInt8](repeating: 8, count: 32))
        try fixture.write(to: path, key: stranger)
        #expect(try refusal() == .foreignSignature)

        title = fixture.title()
        title.badgeKeyFingerprint ^= 1
        try fixture.write(to: path, title: title)
        #expect(try refusal() == .otherBadgeKey)
    }

    @Test("the version in force and older ones are refused, a newer one is not")
    func older() throws {
        try fixture.write(to: path, title: fixture.title(version: 7))
        #expect(try refusal(newerThan: 7) == .notNewer(version: 7, inForce: 7))
        #expect(try refusal(newerThan: 8) == .notNewer(version: 7, inForce: 8))
        #expect(try refusal(newerThan: 6) == nil)
    }

    @Test("an image from more than 5 min in a trusted clock's future is refused; a distrusted clock does not judge")
    func future() throws {
        try fixture.write(to: path)
        #expect(try refusal(at: fixture.moment(aheadMilliseconds: -300_000)) == nil)
        #expect(
            try refusal(at: fixture.moment(aheadMilliseconds: -300_001)) == .issuedInFuture(byMilliseconds: 300_001))
        #expect(try refusal(at: fixture.moment(.behindFloor, aheadMilliseconds: -900_000_000)) == nil)
    }

    @Test("a pipe, a folder and a link are no images")
    func notAFile() throws {
        try FileSystem.makeDirectories(path)
        #expect(throws: StorageError.self) { try open() }
        #expect(throws: StorageError.self) {
            try CredentialImage("/dev/zero", trusting: fixture.trust, at: fixture.moment())
        }
    }

    @Test("a badge of a kind that this program does not know is nobody")
    func unknownKind() throws {
        try fixture.write(to: path, count: 1)
        var bytes = try image()
        let header = bytes.count - 128 * 32
        let home = ImageSlot.home(of: fixture.tag(0), slots: 128)
        bytes[header + home * 32 + 22] |= 0x3C
        let body = Array(bytes[header...])
        let crc = body.withUnsafeBytes { CRC32C.checksum($0) }
        let digest = try SHA256.hash(body)
        try put(
            try fixture.resigned(bytes) { image in
                image.replaceSubrange(96..<128, with: digest)
                // Two zones of 32 bytes and one zone set of 8 stand before the checksums.
                for index in 0..<4 {
                    image[144 + 64 + 8 + index] = UInt8(truncatingIfNeeded: crc >> (8 * UInt32(index)))
                }
            })
        #expect(try open().lookup(fixture.tag(0)) == .unknown)
    }

    // MARK: Statements

    @Test("a statement is believed with the site's signature only")
    func statements() throws {
        let statement = Statement(
            site: fixture.site, imageVersion: 3, changeNumber: 0, asOf: ImageFixture.now,
            imageHeaderDigest: [UInt8](repeating: 5, count: 32))
        let file = temporary.file("statement")
        #expect(try StatementFile.read(file, trusting: fixture.trust) == nil)
        let bytes = statement.signedPart + (try fixture.signing.sign(statement.signedPart))
        try FileSystem.replace(file, with: bytes, mode: 0o640)
        #expect(try StatementFile.read(file, trusting: fixture.trust) == statement)
        for bit in 0..<bytes.count * 8 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: StatementRefusal.self, "bit \(bit)") {
                try StatementFile.verify(damaged, trusting: fixture.trust)
            }
        }
        var other = statement
        other.site = SiteID(low: 5, high: 5)
        let foreign = other.signedPart + (try fixture.signing.sign(other.signedPart))
        #expect(throws: StatementRefusal.otherSite(other.site)) {
            try StatementFile.verify(foreign, trusting: fixture.trust)
        }
    }
}
