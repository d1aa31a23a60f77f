import Admission
import Framing
import Posix
import Storage
import TestSupport
import Testing

@testable import Collector

let feedHeader = FeedColumn.allCases.map(\.rawValue).joined(separator: ",")

func line(
    _ holder: String, kind: String = "visitor", chip: String = "", code: String = "", zones: String = "ring",
    vaccine: String = "full", health: String = "red,", test: String = "none,", activation: String = "activated"
) -> String {
    "\(holder),\(kind),\(chip),\(code),,\(zones),\(vaccine),\(health),\(test),\(activation),,"
}

/// These feeds change what they like.
var unguarded: FeedImport.Options {
    var options = FeedImport.Options()
    options.rules.mostLosingPercent = 100
    return options
}

/// A founded site with a feed in it.
struct ImportBench {
    let directory: TemporaryDirectory
    let data: SiteDirectory
    let site: SiteID
    let feed: String

    init() throws {
        directory = try TemporaryDirectory()
        data = SiteDirectory(directory.file("data"))
        site = try SiteFounding.found(in: data)
        feed = directory.file("feed.csv")
    }

    @discardableResult
    func publish(_ lines: [String], header: String = feedHeader, options: FeedImport.Options = unguarded) throws
        -> FeedImport.Summary
    {
        try write(([header] + lines).map { $0 + "\r\n" }.joined())
        return try FeedImport(data: data, feed: feed, options: options).run { _ in }
    }

    func write(_ text: String) throws { try FileSystem.replace(feed, with: Array(text.utf8), mode: 0o600) }

    func run(_ text: String, _ options: FeedImport.Options = FeedImport.Options()) throws -> FeedImport.Summary {
        try write(text)
        return try FeedImport(data: data, feed: feed, options: options).run { _ in }
    }

    var inForce: UInt64? { try? ImageRegister(try data.openSite().database).inForce()?.version }

    var report: [String]? {
        guard let bytes = try? FileSystem.read("\(feed).refused.csv", limit: 1 << 20) else { return nil }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\r\n").map(String.init)
    }

    func image(_ version: UInt64) throws -> CredentialImage {
        let badge = try #require(BadgeKey(bytes: try data.key(.badge, data.badgeKeyFile).key))
        let trust = try SiteTrust(
            site: site, publicKey: try data.key(.sitePublic, data.publicKeyFile).key,
            badgeKeyFingerprint: badge.fingerprint)
        return try CredentialImage(
            data.imageFile(version: version), trusting: trust,
            at: Moment(
                monotonic: MonotonicTime(nanoseconds: 0),
                wall: WallTime(milliseconds: SystemClock.wallMilliseconds()), clock: .trusted))
    }

    func lookup(_ type: IdentifierType, _ bytes: [UInt8], version: UInt64) throws -> BadgeLookup {
        let badge = try #require(BadgeKey(bytes: try data.key(.badge, data.badgeKeyFile).key))
        return try image(version).lookup(badge.tag(of: try #require(Identifier(type, bytes: bytes))))
    }

    func holder(_ chip: [UInt8], version: UInt64) throws -> UInt32? {
        guard case .found(let credential) = try lookup(.chip, chip, version: version) else { return nil }
        return credential.holder.number
    }
}

extension ImportBench {
    /// Every image and every row of the site's database that an import may touch.
    func contents() throws -> [String] {
        let database = try data.openSite().database
        var lines = try FileSystem.list(data.images).sorted()
        for table in ["image", "holder", "audit", "activation", "sqlite_sequence"] {
            lines.append("\(table) \(try database.integer("SELECT count(*) FROM \(table)"))")
        }
        lines.append("\(try database.integer("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name='holder'"))")
        return lines
    }
}
