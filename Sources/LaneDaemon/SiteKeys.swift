import Cryptography
import Framing
import Posix
import Storage

/// The site's keys as this lane has them: the public key that signs images, and the secret that turns a badge into its
/// tag.
struct SiteKeys: Sendable {
    let badgeKey: BadgeKey
    let trust: SiteTrust

    /// Reads both files. The badge key is refused when anybody but its owner can read it.
    init(_ settings: LaneSettings) throws {
        let publicFile = try Self.read(settings.publicKeyFile, .sitePublic, settings.site)
        try PrivateFile.check(settings.badgeKeyFile)
        let badgeFile = try Self.read(settings.badgeKeyFile, .badge, settings.site)
        guard let badgeKey = BadgeKey(bytes: badgeFile.key) else {
            throw FormatError(settings.badgeKeyFile, "the key is not 16 bytes")
        }
        self.badgeKey = badgeKey
        trust = try SiteTrust(
            site: settings.site, publicKey: publicFile.key, badgeKeyFingerprint: badgeKey.fingerprint)
    }

    private static func read(_ path: String, _ kind: KeyFile.Kind, _ site: SiteID) throws -> KeyFile {
        let bytes = try FileSystem.read(path, limit: 4096)
        let file: KeyFile
        do { file = try KeyFile(text: String(decoding: bytes, as: UTF8.self), expecting: kind) } catch {
            throw FormatError(path, error.problem)
        }
        guard file.site == site else {
            throw FormatError(path, "it is a key of site \(file.site.hex); this lane is of site \(site.hex)")
        }
        return file
    }
}
