import Admission
import Cryptography
import Framing

/// Who is in which zone, as the lane looks it up: what one whole list and the lists behind it say. Immutable: another
/// list makes another table. 12 bytes of everybody inside, in the order of their numbers.
public struct PresenceTable: Sendable {
    public let numbering: Epoch
    public let number: UInt64
    public let asOf: WallTime
    private let zones: [ShortName]
    private let entries: [PresenceList.Entry]

    public var count: Int { entries.count }

    /// A whole list alone, or what stands with a newer list laid over it.
    public init(_ list: PresenceList, over earlier: PresenceTable?) throws(PresenceRefusal) {
        if let earlier {
            guard list.asOf >= earlier.asOf else { throw .older(list.asOf, inForce: earlier.asOf) }
            // Of the same numbering it can take back nothing that is known.
            if list.numbering == earlier.numbering,
                list.number < earlier.number || (list.number == earlier.number && list.asOf == earlier.asOf)
            {
                throw .nothingNew(list.number, inForce: earlier.number)
            }
        }
        numbering = list.numbering
        number = list.number
        asOf = list.asOf
        zones = list.zones
        guard !list.isWhole else {
            entries = list.entries
            return
        }
        guard let earlier, earlier.numbering == list.numbering else { throw .otherNumbering }
        guard list.after <= earlier.number else { throw .gap(after: list.after, inForce: earlier.number) }
        guard list.zones.starts(with: earlier.zones) else { throw .otherZones }
        entries = Self.merged(earlier.entries, list.entries)
        guard entries.count <= PresenceList.mostHolders else { throw .tooMany(entries.count) }
    }

    /// Both in the order of their numbers; who is in no zone is left out.
    private static func merged(_ old: [PresenceList.Entry], _ new: [PresenceList.Entry]) -> [PresenceList.Entry] {
        var merged: [PresenceList.Entry] = []
        merged.reserveCapacity(old.count + new.count)
        var next = 0
        for entry in old {
            while next < new.count, new[next].holder < entry.holder {
                if new[next].zone > 0 { merged.append(new[next]) }
                next += 1
            }
            if next < new.count, new[next].holder == entry.holder { continue }
            merged.append(entry)
        }
        for entry in new[next...] where entry.zone > 0 { merged.append(entry) }
        return merged
    }

    /// What is known of this holder, for a lane that leads to `destination`. Allocates nothing.
    public func presence(of holder: HolderNumber, at destination: ShortName) -> HolderPresence {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = low + (high - low) / 2
            if entries[middle].holder < holder.number { low = middle + 1 } else { high = middle }
        }
        guard low < entries.count, entries[low].holder == holder.number else {
            return HolderPresence(asOf: asOf, whereabouts: .outside)
        }
        let since = WallTime(seconds: Int64(entries[low].passedAtSeconds))
        let isThere = zones[Int(entries[low].zone) - 1] == destination
        return HolderPresence(asOf: asOf, whereabouts: isThere ? .destination(since: since) : .elsewhere(since: since))
    }
}

/// Why a presence list does not come into force; what the lane knows stays.
public enum PresenceRefusal: Error, Equatable, Sendable {
    case notAList(FormatError)
    case otherSite(SiteID)
    case foreignSignature
    /// Replayed, perhaps.
    case older(WallTime, inForce: WallTime)
    case nothingNew(UInt64, inForce: UInt64)
    case gap(after: UInt64, inForce: UInt64)
    /// It goes on from a whole list that this lane does not have.
    case otherNumbering
    case otherZones
    case tooMany(Int)
    case issuedInFuture(byMilliseconds: Int64)
    /// libcrypto could not be used at all.
    case notVerifiable(String)

    public var reason: String {
        switch self {
        case .notAList(let error): error.description
        case .otherSite(let site): "the list is of site \(site.hex), and this lane is of another"
        case .foreignSignature: "the site's key did not sign this list"
        case .older(let asOf, let inForce):
            "it is as of \(asOf.milliseconds) ms, and what is known as of \(inForce.milliseconds) ms"
        case .nothingNew(let number, let inForce): "it ends with number \(number), and \(inForce) is known"
        case .gap(let after, let inForce): "it goes on behind number \(after), and only \(inForce) is known"
        case .otherNumbering: "it goes on from a whole list that is not here"
        case .otherZones: "its zones are not those of the list that it goes on from"
        case .tooMany(let count): "\(count) holders inside are more than \(PresenceList.mostHolders)"
        case .issuedInFuture(let milliseconds): "it is as of \(milliseconds / 1000) s in the future"
        case .notVerifiable(let problem): problem
        }
    }

    public var advice: String {
        switch self {
        case .notAList: SignedAdvice.notReadable
        case .otherSite: SignedAdvice.otherSite
        case .foreignSignature: SignedAdvice.foreignSignature
        case .older, .nothingNew: "nothing to do: the uplink fetches a newer one"
        case .gap, .otherNumbering, .otherZones, .tooMany: "the uplink fetches a whole list"
        case .issuedInFuture: SignedAdvice.issuedInFuture
        case .notVerifiable: SignedAdvice.notVerifiable
        }
    }
}

extension PresenceList {
    /// A list whose site, key and signature are right.
    public static func verified(
        _ bytes: [UInt8], trusting trust: SiteTrust
    ) throws(PresenceRefusal) -> PresenceList {
        let parsed: (list: PresenceList, signedPart: ArraySlice<UInt8>, signature: [UInt8])
        do { parsed = try PresenceList.parse(bytes) } catch { throw .notAList(error) }
        guard parsed.list.site == trust.site else { throw .otherSite(parsed.list.site) }
        do {
            guard try trust.key.verify(parsed.signature, of: Array(parsed.signedPart)) else {
                throw PresenceRefusal.foreignSignature
            }
        } catch let refusal as PresenceRefusal { throw refusal } catch { throw .notVerifiable("\(error)") }
        return parsed.list
    }
}
