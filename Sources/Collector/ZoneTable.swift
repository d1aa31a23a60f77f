import Admission
import Framing

/// The zones of a feed: each name gets a bit in the order in which it is met. An image has room for 64 names and for 1024
/// different sets of them.
struct ZoneTable: Sendable {
    private(set) var names: [ShortName] = []
    private var bits: [ShortName: UInt64] = [:]
    private var sets: [String: UInt64] = [:]
    private var different: Set<UInt64> = []

    struct Refusal: Error, Hashable {
        var reason: String
    }

    /// The set of `north-ring|hall-1`; empty is no zone at all. Whatever is refused leaves the table as it was.
    mutating func set(of field: ArraySlice<UInt8>) -> Result<UInt64, Refusal> {
        if field.isEmpty { return add(0, names: []) }
        let text = String(decoding: field, as: UTF8.self)
        if let known = sets[text] { return .success(known) }
        var added: [ShortName] = []
        var set: UInt64 = 0
        for part in field.split(separator: UInt8(ascii: "|"), omittingEmptySubsequences: false) {
            let shown = String(decoding: part.prefix(40), as: UTF8.self)
            guard let name = ShortName(bytes: part), String(validating: part, as: UTF8.self) != nil,
                !part.contains(where: { $0 < 0x20 || $0 == 0x7F })
            else {
                let what = part.isEmpty ? "an empty name" : "'\(shown)'"
                return .failure(Refusal(reason: "\(what) is no zone: 1 to 31 bytes of UTF-8 are"))
            }
            guard name != .outside else {
                return .failure(Refusal(reason: "'outside' is no zone of the site: everybody may be there"))
            }
            let bit: UInt64
            if let known = bits[name] {
                bit = known
            } else if let place = added.firstIndex(of: name) {
                bit = 1 << UInt64(names.count + place)
            } else {
                guard names.count + added.count < ImageHeader.mostZones else {
                    return .failure(
                        Refusal(
                            reason: "'\(shown)' would be one zone more than the \(ImageHeader.mostZones) of an image"))
                }
                bit = 1 << UInt64(names.count + added.count)
                added.append(name)
            }
            guard set & bit == 0 else { return .failure(Refusal(reason: "'\(shown)' is named twice")) }
            set |= bit
        }
        let outcome = add(set, names: added)
        if case .success = outcome, sets.count < 4096 { sets[text] = set }
        return outcome
    }

    private mutating func add(_ set: UInt64, names added: [ShortName]) -> Result<UInt64, Refusal> {
        guard different.contains(set) || different.count < ImageSlot.mostZoneSets else {
            return .failure(
                Refusal(
                    reason: "this would be one combination of zones more than the \(ImageSlot.mostZoneSets) of an image"
                ))
        }
        different.insert(set)
        for name in added {
            bits[name] = 1 << UInt64(names.count)
            names.append(name)
        }
        return .success(set)
    }
}
