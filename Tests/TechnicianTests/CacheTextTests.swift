import Admission
import Control
import Framing
import Testing

@testable import Technician

@Suite struct CacheTextTests {
    private let now: Int64 = 1_800_000_000_000

    private func makeCache() -> CacheReply {
        let header = ImageHeader(
            site: SiteID(low: 1, high: 2), version: 12, changeNumber: 4,
            issuedAt: WallTime(milliseconds: now - 3_600_000),
            slots: 669_440, identifiers: 502_000, holders: 251_000, validityBaseSeconds: 0, badgeKeyFingerprint: 0,
            bodyDigest: [], zones: [], zoneSets: [], regionChecksums: [])
        return CacheReply(
            source: "daemon", nowMilliseconds: now, image: .init(header, digest: [0xAB, 0xCD]),
            overlay: .init(changeNumber: 9, identifiers: 5, room: 49_147, issuedAtMilliseconds: now - 60_000),
            statement: .init(
                Statement(
                    site: SiteID(low: 1, high: 2), imageVersion: 12, changeNumber: 9,
                    asOf: WallTime(milliseconds: now - 7000), imageHeaderDigest: [])),
            freshness: .init(
                state: "warn", statementAgeMilliseconds: 130_000, statementWarnMilliseconds: 120_000,
                statementLimitMilliseconds: 21_600_000, imageAgeMilliseconds: 3_600_000,
                imageWarnMilliseconds: 18_000_000, imageLimitMilliseconds: 93_600_000, whenStale: "refuse"),
            kept: [.init(version: 12, bytes: 21_426_176, fetchedAtMilliseconds: now - 3_000_000)],
            refused: [.init(file: "image-13.img", reason: "region 3 of it is damaged", atMilliseconds: now - 1000)])
    }

    @Test("cache info says image, load, room, statement, limits, kept images and refused files")
    func info() {
        let text = CacheText.info(makeCache())
        for words in [
            "asked      lanekeeperd", "image      12, issued", "digest abcd", "502000 identifiers of 251000 holders",
            "(74 %)", "21426176 bytes", "up to 9; 5 identifiers differ", "room for 49147",
            "image 12, change 9, as of", "(7 s ago)", "WARN; when stale: refuse", "warns after 2 min",
            "stale after 6 h", "image 12, 21426176 bytes, fetched", "image-13.img,", "region 3 of it is damaged",
        ] { #expect(text.contains(words), "\(words) in\n\(text)") }
        var cache = makeCache()
        (cache.source, cache.freshness, cache.refused, cache.notes) = ("files", nil, [], ["kept image: bad"])
        let offline = CacheText.info(cache)
        for words in ["because lanekeeperd does not run", "not judged", "not known: lanekeeperd", "kept image: bad"] {
            #expect(offline.contains(words), "\(words) in\n\(offline)")
        }
    }

    @Test("cache lookup says what both hold, which decides, and the keys' states in words")
    func lookup() {
        var credential = Credential(
            holder: HolderNumber(4711), kind: .staff, vaccine: .full, healthCode: .green,
            assessedAtSeconds: UInt32(now / 1000 - 3600), test: .negative, sampledAtSeconds: 0,
            activation: .activated, zones: 1, validFromSeconds: nil, validUntilSeconds: nil)
        let zones = [ShortName("north-ring")].compactMap { $0 }
        let image = CacheLookupReply.Held(.found(credential), zones: zones)
        func reply(_ overlay: CacheLookupReply.Held?) -> CacheLookupReply {
            CacheLookupReply(
                source: "daemon", nowMilliseconds: now, type: "chip", imageVersion: 12, changeNumber: 9, image: image,
                overlay: overlay)
        }
        let alone = CacheText.lookup(reply(nil), badge: "6f007b3972")
        #expect(alone.contains("image (decides)") && alone.contains("none is about this badge"), "\(alone)")
        #expect(
            alone.contains("never sampled") && alone.contains("(1 h ago)") && alone.contains("no dates"), "\(alone)")
        credential.healthCode = .red
        let changed = CacheText.lookup(reply(.init(.found(credential), zones: zones)), badge: "6f007b3972")
        #expect(changed.contains("changes (decide)") && !changed.contains("image (decides)"), "\(changed)")
        #expect(
            changed.contains("green code") && changed.contains("red") && changed.contains("north-ring"), "\(changed)")
        let removed = CacheText.lookup(reply(.init(.unknown, zones: zones)), badge: "6f007b3972")
        #expect(removed.contains("nobody's"), "\(removed)")
    }
}
