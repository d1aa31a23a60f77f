import Cryptography
import Framing

/// What a lane believes in: whatever names another site, or this one without its signature, is refused.
public struct SiteTrust: Sendable {
    public let site: SiteID
    public let key: Ed25519.VerifyingKey
    /// `BadgeKey.fingerprint` of the lane's own badge key.
    public let badgeKeyFingerprint: UInt64

    /// `publicKey`: the 32 bytes in `site.pub`.
    public init(site: SiteID, publicKey: [UInt8], badgeKeyFingerprint: UInt64) throws(CryptographyFailure) {
        self.site = site
        self.badgeKeyFingerprint = badgeKeyFingerprint
        key = try Ed25519.VerifyingKey(publicKey)
    }
}
