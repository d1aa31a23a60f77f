import Admission
import Framing
import Posix
import Storage

struct LookupFigures: Codable {
    /// What a lane looks up in: the image, and on top of it as many changes as it takes.
    var imageHit: Latency
    var changeHit: Latency
    var miss: Latency
    /// The image with no changes on it.
    var unchangedHit: Latency
    var unchangedMiss: Latency
    /// A chip's number to its tag, which comes before.
    var tag: Latency
    var sqliteHit: Latency
    var sqliteMiss: Latency
    /// The file mapped, one transaction around all.
    var favouredSqliteHit: Latency
    var favouredSqliteMiss: Latency
    var sqliteBytes: Int
    var dictionaryHit: Latency
    var dictionaryMiss: Latency
    var dictionaryBytes: Int
}

/// Looks badges up in the lane's table, in SQLite and in a Dictionary, one after the other, the same ones in the same order.
struct LookupBench {
    let image: CredentialImage
    let feed: FeedIdentifiers
    let site: SiteUnderTest
    /// Where the SQLite file lies meanwhile.
    let folder: String

    private static let samples = 1_000_000
    private static let slowSamples = 200_000

    /// The identifier that change `number` is about: every second one, from the first.
    static func changed(_ number: Int) -> Int { 2 * number }

    func run() throws -> LookupFigures {
        var random = SplitMix(state: 502_000)
        // Odd numbers: none of them is changed.
        let hits = (0..<Self.samples).map { _ in feed.tag(Int.random(in: 0..<feed.count / 2, using: &random) * 2 + 1) }
        let misses = (0..<Self.samples).map { _ in feed.stranger(Int.random(in: 0..<feed.count, using: &random)) }
        let overlay = try filled()
        let changed = (0..<Self.samples).map { _ in
            feed.tag(Self.changed(Int.random(in: 0..<overlay.identifiers, using: &random)))
        }
        let table = BadgeTable(image: image, overlay: overlay)
        let bare = BadgeTable(image: image, overlay: ChangeOverlay(on: image.header))
        func isFound(_ lookup: BadgeLookup) -> Bool { if case .found = lookup { true } else { false } }

        let imageHit = try Latency.measure(hits, "image", expecting: true) { isFound(table.lookup($0)) }
        let changeHit = try Latency.measure(changed, "changes", expecting: true) { isFound(table.lookup($0)) }
        let miss = try Latency.measure(misses, "image", expecting: false) { isFound(table.lookup($0)) }
        let unchangedHit = try Latency.measure(hits, "bare image", expecting: true) { isFound(bare.lookup($0)) }
        let unchangedMiss = try Latency.measure(misses, "bare image", expecting: false) { isFound(bare.lookup($0)) }
        let numbers = (0..<Self.samples).map { _ in Int.random(in: 0..<feed.holders, using: &random) }
        let tag = try Latency.measure(numbers, "tags", expecting: true) { feed.tag($0).low != 0 }

        let sqlite = try SQLiteTable(image, at: "\(folder)/contender.sqlite")
        let few = Array(hits.prefix(Self.slowSamples))
        let fewMisses = Array(misses.prefix(Self.slowSamples))
        let sqliteHit = try Latency.measure(few, "SQLite", expecting: true) { try sqlite.find($0) != nil }
        let sqliteMiss = try Latency.measure(fewMisses, "SQLite", expecting: false) { try sqlite.find($0) != nil }
        try sqlite.favour()
        let favouredHit = try Latency.measure(few, "SQLite", expecting: true) { try sqlite.find($0) != nil }
        let favouredMiss = try Latency.measure(fewMisses, "SQLite", expecting: false) { try sqlite.find($0) != nil }

        let before = try heapBytes()
        var dictionary: [BadgeTag: Credential] = [:]
        dictionary.reserveCapacity(image.header.identifiers)
        image.forEachCredential(of: { _ in true }) { dictionary[$0] = $1 }
        let dictionaryBytes = try heapBytes() - before
        let dictionaryHit = try Latency.measure(hits, "Dictionary", expecting: true) { dictionary[$0] != nil }
        let dictionaryMiss = try Latency.measure(misses, "Dictionary", expecting: false) { dictionary[$0] != nil }
        return LookupFigures(
            imageHit: imageHit, changeHit: changeHit, miss: miss, unchangedHit: unchangedHit,
            unchangedMiss: unchangedMiss, tag: tag, sqliteHit: sqliteHit, sqliteMiss: sqliteMiss,
            favouredSqliteHit: favouredHit, favouredSqliteMiss: favouredMiss,
            sqliteBytes: sqlite.bytes, dictionaryHit: dictionaryHit, dictionaryMiss: dictionaryMiss,
            dictionaryBytes: dictionaryBytes)
    }

    /// As many changes as lie on an image at most, or half of the feed's identifiers.
    private func filled() throws -> ChangeOverlay {
        let most = min(ChangeOverlay.mostIdentifiers, feed.count / 2)
        var overlay = ChangeOverlay(on: image.header)
        var number = 0
        while number < most {
            let part = number..<min(number + ChangeList.mostChanges, most)
            let changes = try part.map { number in
                let tag = feed.tag(Self.changed(number))
                guard case .found(let credential) = image.lookup(tag),
                    let set = image.header.zoneSets.firstIndex(of: credential.zones),
                    let slot = ImageSlot(
                        tag: tag, credential: credential, zoneSet: set,
                        validityBaseSeconds: image.header.validityBaseSeconds)
                else { throw Mistake("a badge of the feed is lost") }
                return slot
            }
            let list = ChangeList(
                site: site.id, first: overlay.changeNumber + 1, issuedAt: site.moment.wall,
                validityBaseSeconds: image.header.validityBaseSeconds, badgeKeyFingerprint: site.badgeKey.fingerprint,
                zones: image.header.zones, zoneSets: image.header.zoneSets, changes: changes)
            guard let next = ChangeOverlay(overlay, with: list) else { throw Mistake("the changes do not fit") }
            overlay = next
            number = part.upperBound
        }
        return overlay
    }

    /// Memory of this process that is no file's, as the kernel counts it (proc(5): RssAnon).
    private func heapBytes() throws -> Int {
        let text = String(decoding: try FileSystem.read("/proc/self/status", limit: 1 << 16), as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
        guard let kilobytes = line?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw Mistake("/proc/self/status has no RssAnon")
        }
        return kilobytes * 1024
    }
}

/// SplitMix64 (https://prng.di.unimi.it/splitmix64.c): every run looks the same badges up.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
