import Admission
import Cryptography
import Framing

let testSite = SiteID(low: 0x0123_4567_89AB_CDEF, high: 0xFEDC_BA98_7654_3210)

/// A whole image that only its signature keeps from being real. `seed` makes different bodies.
struct TestImage: Sendable {
    let bytes: [UInt8]
    let version: UInt64
    let digestHex: String

    var etag: String { "\"\(digestHex)\"" }
    var name: String { String(repeating: "0", count: 20 - String(version).count) + String(version) }
    var headers: [String] { ["ETag: \(etag)", "Lanekeeper-Image-Version: \(version)"] }

    init(version: UInt64, slots: Int = 4096, site: SiteID = testSite, seed: UInt8 = 1) throws {
        let body = (0..<slots * 32).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ Int(seed)) }
        let regions = ImageHeader.regions(bodyLength: body.count)
        let header = ImageHeader(
            site: site, version: version, changeNumber: 0, issuedAt: WallTime(seconds: 1_700_000_000), slots: slots,
            identifiers: slots / 2, holders: slots / 2, validityBaseSeconds: 0, badgeKeyFingerprint: 1,
            bodyDigest: try SHA256.hash(body), zones: [.outside], zoneSets: [1],
            regionChecksums: [UInt32](repeating: 0, count: regions))
        let head = header.signedPart + [UInt8](repeating: 0x5A, count: 64)
        self.version = version
        digestHex = Hexadecimal.text(try SHA256.hash(head))
        bytes = head + body
    }

    /// A statement that names this image.
    func statement(site: SiteID = testSite, asOf: Int64 = 1_700_000_000_000) -> [UInt8] {
        let statement = Statement(
            site: site, imageVersion: version, changeNumber: 0, asOf: WallTime(milliseconds: asOf),
            imageHeaderDigest: Hexadecimal.bytes(digestHex) ?? [])
        return statement.signedPart + [UInt8](repeating: 0x5A, count: 64)
    }
}
