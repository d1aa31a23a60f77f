import Admission
import Framing
import Testing

@Suite struct ChangeListTests {
    private func made(_ random: inout RandomRecords, changes: Int? = nil) -> ChangeList {
        let base = Int64(random.below(2_000_000_000))
        let zoneSets = (0..<1 + random.below(9)).map { _ in random.word() }
        let slots: [ImageSlot] = (0..<(changes ?? 1 + random.below(40))).compactMap { _ in
            let tag = random.tag()
            switch random.below(8) {
            case 0: return ImageSlot(removed: tag)
            case 1: return ImageSlot(conflicting: tag)
            default:
                var credential = random.credential()
                credential.validFromSeconds = nil
                credential.validUntilSeconds = base + Int64(random.below(1 << 27 - 1))
                return ImageSlot(
                    tag: tag, credential: credential, zoneSet: random.below(zoneSets.count), validityBaseSeconds: base)
            }
        }
        return ChangeList(
            site: SiteID(low: random.word(), high: random.word()), first: 1 + random.word() >> 2,
            issuedAt: random.wall(), validityBaseSeconds: base, badgeKeyFingerprint: random.word(),
            zones: (0..<random.below(65)).map { _ in random.name() }, zoneSets: zoneSets, changes: slots)
    }

    @Test("a change list reads back as it was written")
    func readsBack() throws {
        var random = RandomRecords()
        for _ in 0..<200 {
            let list = made(&random)
            let signature = random.bytes(64)
            let parsed = try ChangeList.parse(list.signedPart + signature)
            #expect(parsed.list == list && parsed.signedPart == list.signedPart, "seed \(random.seed)")
            #expect(parsed.signature == signature)
            #expect(parsed.list.last == list.first + UInt64(list.changes.count) - 1)
        }
    }

    @Test("the longest list is read, and one change more is refused")
    func longest() throws {
        var random = RandomRecords(seed: 3)
        var list = made(&random, changes: ChangeList.mostChanges)
        #expect(try ChangeList.parse(list.signedPart + random.bytes(64)).list == list)
        list.changes.append(list.changes[0])
        #expect(throws: FormatError.self) { try ChangeList.parse(list.signedPart + random.bytes(64)) }
    }

    @Test("a list that is cut or longer anywhere is refused")
    func cut() {
        var random = RandomRecords(seed: 4)
        let bytes = made(&random, changes: 3).signedPart + random.bytes(64)
        for length in 0..<bytes.count {
            #expect(throws: FormatError.self, "\(length) bytes") { try ChangeList.parse(Array(bytes[..<length])) }
        }
        #expect(throws: FormatError.self) { try ChangeList.parse(bytes + [0]) }
    }

    @Test("a removed identifier is no credential, no conflict, and a lookup in an image's table says nobody")
    func removed() {
        let slot = ImageSlot(removed: BadgeTag(low: 5, high: 6))
        #expect(slot.isRemoved && !slot.isConflict)
        let sets: [UInt64] = [1]
        let read = sets.withUnsafeBufferPointer { slot.credential(zoneSets: $0, validityBaseSeconds: 0) }
        #expect(read == nil)
    }

    /// Field, its offset, and what is written there (little-endian).
    static let impossible: [(field: String, offset: Int, bytes: [UInt8])] = [
        ("magic", 0, [0]), ("format", 8, [2]), ("length", 12, [1]), ("number 0", 32, [UInt8](repeating: 0, count: 8)),
        ("a number past the last", 32, [UInt8](repeating: 0xFF, count: 8)),
        ("validity base before 1970", 48, [UInt8](repeating: 0xFF, count: 8)),
        ("validity base beyond any calendar", 48, [UInt8](repeating: 0x7F, count: 8)),
        ("no changes", 64, [0]), ("more changes than are there", 64, [4]),
        ("changes beyond any", 64, [0xFF, 0xFF, 0xFF]),
        ("zones", 68, [65]), ("zone sets", 72, [0xFF, 0xFF, 0xFF, 0xFF]), ("the unnamed field", 76, [1]),
        ("a zone without a name", 80, [0]), ("an empty change", 80 + 32 + 8 + 22, [0]),
        ("zones that are not there", 80 + 32 + 8 + 31, [0xFF]),
    ]

    @Test("an impossible field is refused", arguments: impossible)
    func impossibleField(field: String, offset: Int, bytes: [UInt8]) throws {
        var random = RandomRecords(seed: 11)
        var list = made(&random, changes: 3)
        list.zones = [try #require(ShortName("hall"))]
        list.zoneSets = [1]
        list.changes = try (0..<3).map { _ in
            try #require(
                ImageSlot(
                    tag: random.tag(), credential: Self.plain, zoneSet: 0, validityBaseSeconds: list.validityBaseSeconds
                ))
        }
        var whole = list.signedPart + [UInt8](repeating: 0, count: 64)
        #expect(throws: Never.self) { try ChangeList.parse(whole) }
        whole.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        #expect(throws: FormatError.self) { try ChangeList.parse(whole) }
    }

    private static let plain = Credential(
        holder: HolderNumber(1), kind: .visitor, vaccine: .full, healthCode: .red, assessedAtSeconds: 1,
        test: .negative, sampledAtSeconds: 1, activation: .activated, zones: 1, validFromSeconds: nil,
        validUntilSeconds: nil)
}
