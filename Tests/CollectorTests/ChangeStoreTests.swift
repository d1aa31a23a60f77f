import Admission
import Framing
import Posix
import Storage
import TestSupport
import Testing

@testable import Collector

private let noon: Int64 = 1_795_248_000_000

/// A site with an image, and a store of changes on it.
private final class Place {
    let folder: TemporaryDirectory
    let data: SiteDirectory
    let site: SiteID
    private(set) var store: ChangeStore

    init(_ holders: [String] = ["a", "b", "c"]) throws {
        folder = try TemporaryDirectory()
        data = SiteDirectory(folder.file("data"))
        site = try SiteFounding.found(in: data)
        store = try ChangeStore(data)
        try publish(holders)
    }

    func open() throws { store = try ChangeStore(data) }

    /// A feed of holders with a chip and a code each; `fields` overrides columns by name.
    @discardableResult
    func publish(_ holders: [String], _ fields: [String: [FeedColumn: String]] = [:]) throws -> UInt64 {
        let header = FeedColumn.allCases.map(\.rawValue).joined(separator: ",")
        let rows = holders.map { holder in
            let number = holder.utf8.first ?? 0
            var row: [FeedColumn: String] = [
                .holder: holder, .kind: "visitor", .chip: hex([1, 2, 3, number]), .code: "EXPO-\(holder)",
                .zones: "ring|hall", .vaccine: "full", .healthCode: "green", .assessedAt: "2026-11-21T06:00:00Z",
                .testResult: "negative", .sampledAt: "2026-11-20T12:00:00Z", .activation: "activated",
            ]
            for (column, value) in fields[holder] ?? [:] { row[column] = value }
            return FeedColumn.allCases.map { row[$0] ?? "" }.joined(separator: ",")
        }
        let feed = folder.file("feed.csv")
        try FileSystem.replace(feed, with: Array(([header] + rows).map { $0 + "\n" }.joined().utf8), mode: 0o600)
        var options = FeedImport.Options()
        options.rules.mostLosingPercent = 100
        return try FeedImport(data: data, feed: feed, options: options).run { Issue.record("\($0)") }.version
    }

    func number(_ holder: String) throws -> HolderNumber { try #require(try store.holder(holder)) }

    func red(_ holder: String, at milliseconds: Int64 = noon) throws -> HolderChange {
        HolderChange(try number(holder), code: .init(.red, assessedAtSeconds: UInt32(milliseconds / 1000)))
    }

    /// Everything behind a change, list after list.
    func lists(after number: UInt64 = 0) throws -> [ChangeList] {
        var lists: [ChangeList] = []
        while true {
            switch try store.list(after: lists.last?.last ?? number, now: noon) {
            case .list(let list): lists.append(list)
            case .nothingNewer: return lists
            case .missing(let newest):
                Issue.record("missing, newest \(newest)")
                return lists
            }
        }
    }

    /// What a lane would say of a holder's chip that has the image in force and these changes.
    func lane(_ holder: String, after: UInt64 = 0) throws -> BadgeLookup {
        let publicKey = try data.key(.sitePublic, data.publicKeyFile)
        let badgeKey = try #require(BadgeKey(bytes: try data.key(.badge, data.badgeKeyFile).key))
        let trust = try SiteTrust(
            site: site, publicKey: publicKey.key, badgeKeyFingerprint: badgeKey.fingerprint)
        let database = try Database(data.siteDatabase, .readOnly)
        let inForce = try #require(try Publisher.newestImage(in: database))
        let image = try CredentialImage(
            "\(data.images)/\(inForce.file)", trusting: trust,
            at: Moment(
                monotonic: MonotonicTime(nanoseconds: 1), wall: WallTime(milliseconds: noon), clock: .behindFloor))
        var overlay = ChangeOverlay(on: image.header)
        for list in try lists(after: after) { overlay = try #require(ChangeOverlay(overlay, with: list)) }
        let identifier = try #require(Identifier(.chip, bytes: [1, 2, 3, holder.utf8.first ?? 0]))
        return BadgeTable(image: image, overlay: overlay).lookup(badgeKey.tag(of: identifier))
    }

    func credential(_ holder: String, after: UInt64 = 0) throws -> Credential {
        guard case .found(let credential) = try lane(holder, after: after) else {
            throw FormatError(holder, "not found")
        }
        return credential
    }
}

@Suite struct ChangeStoreTests {
    @Test("a change is numbered, holds all that is known of every identifier of its holder, and reaches a lane")
    func publishes() throws {
        let place = try Place()
        let published = try place.store.publish([try place.red("b")], now: noon)
        #expect(published == ChangeStore.Published(first: 1, count: 2))
        let list = try #require(try place.lists().first)
        #expect(list.first == 1 && list.last == 2 && list.site == place.site)
        #expect(Set(list.zones.map(\.text)) == ["ring", "hall"])
        let changed = try place.credential("b")
        #expect(changed.healthCode == .red && changed.assessedAtSeconds == UInt32(noon / 1000))
        var before = try place.credential("a")
        #expect(before.healthCode == .green)
        before.holder = changed.holder
        before.healthCode = .red
        before.assessedAtSeconds = changed.assessedAtSeconds
        #expect(before == changed)
        #expect(try place.store.newest() == 2)
        #expect(try place.lists(after: 2).isEmpty)
    }

    @Test("changes of one holder in one request and in several add up")
    func addsUp() throws {
        let place = try Place()
        let a = try place.number("a")
        _ = try place.store.publish(
            [HolderChange(a, vaccine: .partial), HolderChange(a, activation: .suspended)], now: noon)
        _ = try place.store.publish([HolderChange(a, test: .init(.positive, sampledAtSeconds: 7))], now: noon)
        let credential = try place.credential("a")
        #expect(credential.vaccine == .partial && credential.activation == .suspended)
        #expect(credential.test == .positive && credential.sampledAtSeconds == 7 && credential.healthCode == .green)
        #expect(try place.store.newest() == 4)
        #expect(try place.store.publish([HolderChange(a, vaccine: .partial)], now: noon).count == 0)
    }

    @Test("nothing is changed when one of the changes cannot be")
    func wholeOrNothing() throws {
        let place = try Place()
        let nobody = HolderChange(HolderNumber(99), vaccine: VaccineState.none)
        #expect(throws: ChangeStore.Refusal.self) {
            try place.store.publish([try place.red("a"), nobody], request: "x", now: noon)
        }
        #expect(try place.store.newest() == 0 && place.credential("a").healthCode == .green)
        #expect(try ChangeStore.standingKeys(place.data).isEmpty)
        // Its name is free.
        #expect(try place.store.publish([try place.red("a")], request: "x", now: noon).count == 2)
    }

    @Test("the same request again is answered as before, also after a restart; another one of that name is refused")
    func repeats() throws {
        let place = try Place()
        let first = try place.store.publish([try place.red("a")], request: "x", digest: [1], now: noon)
        try place.open()
        var again = try place.store.publish([try place.red("a")], request: "x", digest: [1], now: noon)
        #expect(again.isRepeated)
        again.isRepeated = false
        #expect(again == first)
        #expect(throws: ChangeStore.Refusal.self) {
            try place.store.publish([try place.red("b")], request: "x", digest: [2], now: noon)
        }
        #expect(try place.store.newest() == 2)
    }

    @Test("another store on the same site goes on with the numbers, and both see everything")
    func twoStores() throws {
        let place = try Place()
        let other = try ChangeStore(place.data)
        _ = try place.store.publish([try place.red("a")], now: noon)
        #expect(try other.publish([try place.red("b")], now: noon).first == 3)
        #expect(try place.store.newest() == 4 && other.newest() == 4)
        #expect(try place.lists().map(\.last) == [4])
    }

    @Test("without an image nothing can be changed")
    func noImage() throws {
        let folder = try TemporaryDirectory()
        let data = SiteDirectory(folder.file("data"))
        _ = try SiteFounding.found(in: data)
        #expect(throws: ChangeStore.Refusal.self) {
            try ChangeStore(data).publish([HolderChange(HolderNumber(1), vaccine: .full)], now: noon)
        }
    }

    @Test("what comes behind a number that is too old or too new is not here")
    func missing() throws {
        let place = try Place()
        _ = try place.store.publish([try place.red("a")], now: noon)
        guard case .missing(let newest) = try place.store.list(after: 9, now: noon) else {
            Issue.record("a list behind the newest change")
            return
        }
        #expect(newest == 2)
    }

    /// What the next feed says of holder a, whose code was turned red at noon, who was suspended, and whose test was
    /// found positive; and what holds then.
    static let feeds: [(what: String, says: [FeedColumn: String], code: HealthCode, test: TestResult, is: Activation)] =
        [
            ("what it said before", [:], .red, .positive, .suspended),
            ("green, but assessed before noon", [.assessedAt: "2026-11-21T07:59:59Z"], .red, .positive, .suspended),
            ("green again, assessed after noon", [.assessedAt: "2026-11-21T08:00:01Z"], .green, .positive, .suspended),
            ("a newer negative test", [.sampledAt: "2026-11-21T08:30:00Z"], .red, .negative, .suspended),
            ("revoked", [.activation: "revoked"], .red, .positive, .revoked),
            ("suspended, too", [.activation: "suspended"], .red, .positive, .suspended),
        ]

    @Test("what changed stands on the next image until the feed has news", arguments: feeds)
    func nextImage(
        what: String, says: [FeedColumn: String], code: HealthCode, test: TestResult, is activation: Activation
    ) throws {
        let place = try Place()
        let at = UInt32(1_795_248_000_000 / 1000)
        _ = try place.store.publish(
            [
                HolderChange(
                    try place.number("a"), code: .init(.red, assessedAtSeconds: at),
                    test: .init(.positive, sampledAtSeconds: at), activation: .suspended)
            ], now: noon)
        try place.publish(["a", "b", "c"], ["a": says])
        try place.store.layOnImage(now: noon)
        try place.store.layOnImage(now: noon)
        let credential = try place.credential("a")
        #expect(credential.healthCode == code && credential.test == test && credential.activation == activation)
        // And on the one after: what a feed had news of does not come back.
        try place.publish(["a", "b", "c"], ["a": says])
        try place.store.layOnImage(now: noon)
        let again = try place.credential("a")
        #expect(again.healthCode == code && again.test == test && again.activation == activation)
    }

    @Test("a holder that the next feed has no more, or with another chip, has no change left that lets him in")
    func goneHolder() throws {
        let place = try Place()
        _ = try place.store.publish([HolderChange(try place.number("a"), vaccine: .full)], now: noon)
        _ = try place.store.publish([HolderChange(try place.number("a"), vaccine: .partial)], now: noon)
        try place.publish(["b", "c"])
        try place.store.layOnImage(now: noon)
        #expect(try place.lane("a") == .unknown)
    }
}
