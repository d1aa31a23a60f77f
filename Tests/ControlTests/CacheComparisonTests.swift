import Admission
import Framing
import Testing

@testable import Control

private let now: Int64 = 1_800_000_000_000

private func header(_ version: UInt64, issuedAt: Int64 = now - 3_600_000) -> ImageHeader {
    ImageHeader(
        site: SiteID(low: 1, high: 2), version: version, changeNumber: 0, issuedAt: WallTime(milliseconds: issuedAt),
        slots: 128, identifiers: 9, holders: 8, validityBaseSeconds: 0, badgeKeyFingerprint: 0,
        bodyDigest: [UInt8](repeating: 0, count: 32), zones: [], zoneSets: [], regionChecksums: [0])
}

private func digest(_ version: UInt64) -> [UInt8] { [UInt8](repeating: UInt8(version), count: 32) }

/// A lane with image `version` and `change`, taken over an hour ago unless `taken` says when.
private func makeCache(_ version: UInt64, _ change: UInt64, taken: Int64 = now - 3_600_000) -> CacheReply {
    CacheReply(
        source: "daemon", nowMilliseconds: now,
        image: version == 0 ? nil : .init(header(version), digest: digest(version)),
        overlay: version == 0
            ? nil : .init(changeNumber: change, identifiers: 1, room: 100, issuedAtMilliseconds: taken),
        statement: nil, freshness: nil)
}

private func makeStatement(_ version: UInt64, _ change: UInt64, age: Int64, of digest: [UInt8]) -> CacheReply.Statement
{
    .init(
        Statement(
            site: SiteID(low: 1, high: 2), imageVersion: version, changeNumber: change,
            asOf: WallTime(milliseconds: now - age), imageHeaderDigest: digest))
}

@Suite struct CacheComparisonTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let what: String
        var lane: (image: UInt64, change: UInt64) = (7, 20)
        var taken = now - 3_600_000
        var collector: (image: UInt64, change: UInt64) = (7, 20)
        var age: Int64 = 10_000
        var digest: [UInt8]?
        let expected: CacheComparison.State
        var changes: UInt64?
        var image: Bool?
        let text: String
        var testDescription: String { what }
    }

    static let cases = [
        Case(what: "equal", expected: .equal, text: "equal to the collector"),
        Case(what: "equal to an old statement", age: 120_001, expected: .unknown, text: "too old to say"),
        Case(what: "at the limit it still says", age: 120_000, expected: .equal, text: "equal to the collector"),
        Case(
            what: "behind by changes", collector: (7, 23), expected: .behind, changes: 3, image: false,
            text: "behind by 3 changes"),
        Case(
            what: "behind by one, and an old statement says so as well", collector: (7, 21), age: 9_000_000,
            expected: .behind, changes: 1, image: false, text: "behind by 1 change"),
        Case(
            what: "behind by an image", collector: (8, 20), expected: .behind, changes: 0, image: true,
            text: "the collector has image 8"),
        Case(
            what: "behind by both", collector: (9, 25), expected: .behind, changes: 5, image: true,
            text: "the collector has image 9, behind by 5 changes"),
        Case(
            what: "no image here", lane: (0, 0), collector: (9, 25), expected: .behind, changes: 25, image: true,
            text: "there is no image, behind by 25 changes"),
        Case(
            what: "the same version with another digest", digest: [UInt8](repeating: 9, count: 32),
            expected: .different, text: "another one than the lane's"),
        Case(
            what: "an older image at the collector", collector: (6, 20), expected: .different,
            text: "restored from a backup?"),
        Case(
            what: "fewer changes at the collector", collector: (7, 19), expected: .different,
            text: "restored from a backup?"),
        Case(
            what: "a change taken over after the statement", taken: now - 5_000, collector: (7, 19), expected: .equal,
            text: "published after the newest statement"),
    ]

    @Test("a lane is equal, behind, different, or it cannot be said", arguments: cases)
    func compares(one: Case) throws {
        var cache = makeCache(one.lane.image, one.lane.change, taken: one.taken)
        cache.statement = makeStatement(
            one.collector.image, one.collector.change, age: one.age, of: one.digest ?? digest(one.collector.image))
        let comparison = CacheComparison(cache, limitMilliseconds: 120_000)
        #expect(comparison.state == one.expected)
        #expect(comparison.text.contains(one.text), "\(comparison.text)")
        #expect(comparison.behindChanges == one.changes && comparison.behindImage == one.image)
        #expect(try comparison.json().contains("\"state\":\"\(one.expected.rawValue)\""))
    }

    @Test("other changes by the same number are different, unless the statement is about another image")
    func otherChanges() {
        var cache = makeCache(7, 20)
        cache.overlay?.differsAt = 20
        cache.statement = makeStatement(7, 20, age: 1000, of: digest(7))
        let comparison = CacheComparison(cache, limitMilliseconds: 120_000)
        #expect(comparison.state == .different && comparison.text.contains("up to 20 are others"))
        cache.statement = makeStatement(8, 20, age: 1000, of: digest(8))
        #expect(CacheComparison(cache, limitMilliseconds: 120_000).state == .behind)
    }

    @Test("without a statement nothing can be said")
    func noStatement() {
        #expect(CacheComparison(makeCache(7, 20), limitMilliseconds: 120_000).state == .unknown)
    }

    @Test("questions about the cache and their answers are the same on both ends of the socket")
    func roundTrip() throws {
        let badge = BadgeRequest(type: "chip", identifierHex: "6f007b3972")
        for request in [ControlRequest.cache, .cacheLookup(badge)] {
            #expect(try ControlRequest.parse(try request.encoded()) == request)
            #expect(request.access == .reading)
        }
        var cache = makeCache(7, 20)
        cache.refused = [
            .init(file: "statement", reason: "the site's key did not sign this statement", atMilliseconds: 1)
        ]
        let credential = Credential(
            holder: HolderNumber(4711), kind: .staff, vaccine: .full, healthCode: .red, assessedAtSeconds: 5,
            test: .negative, sampledAtSeconds: 0, activation: .activated, zones: 2, validFromSeconds: nil,
            validUntilSeconds: 9)
        let zones = [ShortName("north-ring"), ShortName("hall-1")].compactMap { $0 }
        let lookup = CacheLookupReply(
            source: "daemon", nowMilliseconds: now, type: "chip", imageVersion: 7, changeNumber: 20,
            image: .init(.unknown, zones: zones), overlay: .init(.found(credential), zones: zones))
        #expect(lookup.decides == "overlay" && lookup.overlay?.zones == ["hall-1"])
        #expect(lookup.overlay?.healthCode == "red" && lookup.overlay?.sampledAtMilliseconds == nil)
        for reply in [ControlReply.cache(cache), .cacheLookup(lookup)] {
            #expect(try ControlReply.parse(reply.encoded()) == reply)
        }
        #expect(throws: ErrorReply.self) { try ControlRequest.parse(Array(#"{"v":1,"request":"cache-lookup"}"#.utf8)) }
    }
}
