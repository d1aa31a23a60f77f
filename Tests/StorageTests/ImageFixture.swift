import Admission
import Cryptography
import Framing
import Posix
import Storage
import TestSupport

/// A site with its keys, and images of it.
struct ImageFixture {
    let site = SiteID(low: 0x1111, high: 0x2222)
    let signing: Ed25519.SigningKey
    let badgeKey: BadgeKey
    let trust: SiteTrust
    static let base: Int64 = 1_700_000_000
    static let now = WallTime(seconds: 1_750_000_000)

    init() throws {
        signing = try Ed25519.SigningKey(seed: [UInt8](repeating: 7, count: 32))
        badgeKey = BadgeKey(bytes: [UInt8](0..<16))!
        trust = try SiteTrust(
            site: site, publicKey: signing.publicKey, badgeKeyFingerprint: badgeKey.fingerprint)
    }

    func moment(_ clock: ClockTrust = .trusted, aheadMilliseconds: Int64 = 0) -> Moment {
        Moment(
            monotonic: MonotonicTime(milliseconds: 1),
            wall: WallTime(milliseconds: Self.now.milliseconds + aheadMilliseconds), clock: clock)
    }

    func title(version: UInt64 = 1) -> ImageBuilder.Title {
        ImageBuilder.Title(
            site: site, version: version, changeNumber: 0, issuedAt: Self.now, holders: 3,
            badgeKeyFingerprint: badgeKey.fingerprint)
    }

    static func credential(holder: UInt32 = 1, zones: UInt64 = 1) -> Credential {
        Credential(
            holder: HolderNumber(holder), kind: .visitor, vaccine: .full, healthCode: .green,
            assessedAtSeconds: 1_749_990_000, test: .negative, sampledAtSeconds: 1_749_980_000,
            activation: .activated, zones: zones, validFromSeconds: nil, validUntilSeconds: base + 90_000_000)
    }

    static let zones = [ShortName("north-ring")!, ShortName("hall-1")!]

    /// An image of `count` holders with one chip each, and one conflict.
    @discardableResult
    func write(
        to path: String, count: Int = 3, title: ImageBuilder.Title? = nil, key: Ed25519.SigningKey? = nil
    ) throws -> [UInt8] {
        var builder = try ImageBuilder(
            identifiers: count + 1, validityBaseSeconds: Self.base, zones: Self.zones)
        for number in 0..<count {
            try builder.add(tag(number), Self.credential(holder: UInt32(number + 1)))
        }
        try builder.addConflict(tag(count))
        return try builder.write(to: path, title: title ?? self.title(), signingWith: key ?? signing)
    }

    func tag(_ number: Int) -> BadgeTag {
        badgeKey.tag(of: Identifier(.chip, bytes: (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) })!)
    }

    /// Header bytes changed and signed again, as a program with a fault would: only what the format itself checks stands
    /// between them and a gate.
    func resigned(_ image: [UInt8], _ change: (inout [UInt8]) -> Void) throws -> [UInt8] {
        var image = image
        change(&image)
        let length = Int(image[12]) | Int(image[13]) << 8
        let signature = try signing.sign(Array(image[..<(length - 64)]))
        image.replaceSubrange(length - 64..<length, with: signature)
        return image
    }
}
