import Admission
import Framing
import Posix

/// Why an image does not go live; the old one stays in force.
public enum ImageRefusal: Error, Equatable, Sendable {
    case notAnImage(FormatError)
    case otherSite(SiteID)
    case foreignSignature
    case otherBadgeKey
    case notNewer(version: UInt64, inForce: UInt64)
    /// Issued so many ms after what the trusted clock says now.
    case issuedInFuture(byMilliseconds: Int64)
    case length(bytes: Int64, expected: Int64)
    case tooLarge(bytes: Int64, limit: Int64)
    case damagedRegion(Int)
    case damagedBody
    /// libcrypto could not be used at all.
    case notVerifiable(String)

    public var reason: String {
        switch self {
        case .notAnImage(let error): error.description
        case .otherSite(let site): "the image is of site \(site.hex), and this lane is of another"
        case .foreignSignature: "the site's key did not sign this image"
        case .otherBadgeKey: "its badges are hashed with another badge key than this lane's"
        case .notNewer(let version, let inForce): "it is version \(version), and version \(inForce) is in force"
        case .issuedInFuture(let milliseconds): "it was issued \(milliseconds / 1000) s in the future"
        case .length(let bytes, let expected): "it is \(bytes) bytes long instead of \(expected)"
        case .tooLarge(let bytes, let limit): "it is \(bytes) bytes long, and \(limit) are allowed"
        case .damagedRegion(let region): "region \(region) of it (1 MiB each) is damaged"
        case .damagedBody: "its checksums are right, but it is not what the site signed"
        case .notVerifiable(let problem): problem
        }
    }

    public var advice: String {
        switch self {
        case .notAnImage: "publish an image with a program of this version"
        case .otherSite: SignedAdvice.otherSite
        case .foreignSignature: SignedAdvice.foreignSignature
        case .otherBadgeKey: "install the collector's `badge.key` at this lane, or publish a new image"
        case .notNewer: "nothing to do, unless the collector lost its data: then `init` gave it another site"
        case .issuedInFuture:
            "compare the clocks of lane and collector; the lane looks at it again when its own clock has changed"
        case .length, .damagedRegion, .damagedBody: "it is fetched again; if that goes on, check disk and memory"
        case .tooLarge: "publish fewer identifiers"
        case .notVerifiable: SignedAdvice.notVerifiable
        }
    }
}

/// Why a statement is not believed.
public enum StatementRefusal: Error, Equatable, Sendable {
    case notAStatement(FormatError)
    case otherSite(SiteID)
    case foreignSignature
    /// As of so many ms after what a clock says that is sure of itself.
    case issuedInFuture(byMilliseconds: Int64)
    case notVerifiable(String)

    public var reason: String {
        switch self {
        case .notAStatement(let error): error.description
        case .otherSite(let site): "the statement is of site \(site.hex), and this lane is of another"
        case .foreignSignature: "the site's key did not sign this statement"
        case .issuedInFuture(let milliseconds): "the statement is as of \(milliseconds / 1000) s in the future"
        case .notVerifiable(let problem): problem
        }
    }

    public var advice: String {
        switch self {
        case .notAStatement: "it is fetched again; use a collector of this version"
        case .otherSite: SignedAdvice.otherSite
        case .foreignSignature: SignedAdvice.foreignSignature
        case .issuedInFuture: "compare the clocks of lane and collector; this lane's is synchronised, or was confirmed"
        case .notVerifiable: SignedAdvice.notVerifiable
        }
    }
}
