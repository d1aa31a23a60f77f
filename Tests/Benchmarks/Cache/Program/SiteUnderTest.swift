import Admission
import Cryptography
import Framing
import Posix
import Storage

/// What stands in the way of a measurement.
struct Mistake: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// The keys of a site that `lanekeeper-collector init` made: what lanes trust, and what signs change lists for them.
struct SiteUnderTest {
    let id: SiteID
    let signing: Ed25519.SigningKey
    let badgeKey: BadgeKey
    let trust: SiteTrust

    /// `path`: the collector's data directory.
    init(_ path: String) throws {
        func key(_ kind: KeyFile.Kind, _ name: String) throws -> KeyFile {
            let text = String(decoding: try FileSystem.read("\(path)/keys/\(name)", limit: 4096), as: UTF8.self)
            return try KeyFile(text: text, expecting: kind)
        }
        let secret = try key(.siteSecret, "site.key")
        guard let badgeKey = BadgeKey(bytes: try key(.badge, "badge.key").key) else { throw Mistake("no badge key") }
        id = secret.site
        signing = try Ed25519.SigningKey(seed: secret.key)
        self.badgeKey = badgeKey
        trust = try SiteTrust(
            site: id, publicKey: signing.publicKey, badgeKeyFingerprint: badgeKey.fingerprint)
    }

    var moment: Moment {
        Moment(
            monotonic: MonotonicTime(milliseconds: SystemClock.monotonicNanoseconds() / 1_000_000),
            wall: WallTime(milliseconds: SystemClock.wallMilliseconds()), clock: .trusted)
    }
}

/// The tags of what stands in a feed of Tests/Benchmarks/feed.py, by number.
struct FeedIdentifiers {
    let holders: Int
    /// One: a chip; two: a chip and a code.
    let each: Int
    let key: BadgeKey

    var count: Int { holders * each }

    func tag(_ number: Int) -> BadgeTag {
        number < holders ? chip(0x04, number) : code(number - holders)
    }

    /// A chip that no feed has.
    func stranger(_ number: Int) -> BadgeTag { chip(0x05, number) }

    /// `04` and six bytes of the number, the highest first.
    private func chip(_ first: UInt8, _ number: Int) -> BadgeTag {
        withUnsafeTemporaryAllocation(byteCount: 7, alignment: 1) { bytes in
            bytes[0] = first
            for place in 1..<7 { bytes[place] = UInt8(truncatingIfNeeded: number >> (8 * (6 - place))) }
            return tag(.chip, UnsafeRawBufferPointer(bytes))
        }
    }

    /// `EXPO-` and eight digits.
    private func code(_ number: Int) -> BadgeTag {
        let digits = String(number)
        let text = "EXPO-" + String(repeating: "0", count: max(0, 8 - digits.utf8.count)) + digits
        return Array(text.utf8).withUnsafeBytes { tag(.code, $0) }
    }

    private func tag(_ type: IdentifierType, _ bytes: UnsafeRawBufferPointer) -> BadgeTag {
        guard let identifier = Identifier(type, bytes) else { return BadgeTag(low: 0, high: 0) }
        return key.tag(of: identifier)
    }
}
