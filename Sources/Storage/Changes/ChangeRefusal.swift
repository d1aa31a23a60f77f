import Framing

/// Why a change list does not come into force; what is in force stays.
public enum ChangeRefusal: Error, Equatable, Sendable {
    case notAList(FormatError)
    case otherSite(SiteID)
    case foreignSignature
    case otherBadgeKey
    /// All of it is in force already, or stands in the image.
    case nothingNew(last: UInt64, inForce: UInt64)
    /// Changes are missing between what is in force and this list.
    case gap(first: UInt64, inForce: UInt64)
    case issuedInFuture(byMilliseconds: Int64)
    /// More changed identifiers, or more bytes of them, than a lane keeps beside an image.
    case full(limit: Int)
    case noImage
    /// libcrypto could not be used at all.
    case notVerifiable(String)

    public var reason: String {
        switch self {
        case .notAList(let error): error.description
        case .otherSite(let site): "the list is of site \(site.hex), and this lane is of another"
        case .foreignSignature: "the site's key did not sign this list"
        case .otherBadgeKey: "its badges are hashed with another badge key than this lane's"
        case .nothingNew(let last, let inForce): "it ends with change \(last), and change \(inForce) is in force"
        case .gap(let first, let inForce):
            "it begins with change \(first), and change \(inForce) is in force: those between are missing"
        case .issuedInFuture(let milliseconds): "it was issued \(milliseconds / 1000) s in the future"
        case .full(let limit): "more than \(limit) changed identifiers are not kept beside an image"
        case .noImage: "there is no image that it could change"
        case .notVerifiable(let problem): problem
        }
    }

    public var advice: String {
        switch self {
        case .notAList: SignedAdvice.notReadable
        case .otherSite: SignedAdvice.otherSite
        case .foreignSignature: SignedAdvice.foreignSignature
        case .otherBadgeKey: "install the collector's `badge.key` at this lane"
        case .nothingNew: "nothing to do"
        case .gap: "the uplink fetches what is missing, or an image"
        case .issuedInFuture: SignedAdvice.issuedInFuture
        case .full: "publish an image, which takes them in: `lanekeeper-collector import`"
        case .noImage: "the uplink fetches one; publish one if there is none"
        case .notVerifiable: SignedAdvice.notVerifiable
        }
    }
}

extension ChangeList {
    /// A list whose site, key and signature are right.
    public static func verified(
        _ bytes: [UInt8], trusting trust: SiteTrust
    ) throws(ChangeRefusal) -> ChangeList {
        let parsed: (list: ChangeList, signedPart: [UInt8], signature: [UInt8])
        do { parsed = try ChangeList.parse(bytes) } catch { throw .notAList(error) }
        guard parsed.list.site == trust.site else { throw .otherSite(parsed.list.site) }
        do {
            guard try trust.key.verify(parsed.signature, of: parsed.signedPart) else {
                throw ChangeRefusal.foreignSignature
            }
        } catch let refusal as ChangeRefusal { throw refusal } catch { throw .notVerifiable("\(error)") }
        guard parsed.list.badgeKeyFingerprint == trust.badgeKeyFingerprint else { throw .otherBadgeKey }
        return parsed.list
    }
}
