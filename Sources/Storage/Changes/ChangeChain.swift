import Cryptography
import Framing

/// What lies on an image, in 32 bytes: a lane and a collector that have the same image, change number and chain decide by
/// the same. Lists may be cut differently; the chain is of the changes.
///
///     of an image       the SHA-256 of its header, signature included; its number is the header's change number
///     behind change n   SHA-256 of  32 chain before · u64 n · i64 validity base · 32 slot, its bits 54–63 of the last word
///                       zero · the names of its zones, 32 bytes each, NUL-padded, in the order of their bytes
public struct ChangeChain: Sendable, Hashable {
    /// The newest change in it.
    public private(set) var number: UInt64
    /// 32 bytes.
    public private(set) var digest: [UInt8]

    /// - Parameter imageHeaderDigest: SHA-256 of the image's header.
    public init(changeNumber: UInt64, imageHeaderDigest: [UInt8]) {
        number = changeNumber
        digest = imageHeaderDigest
    }

    /// Takes in what the list has behind `number`, up to change `last`. False when changes between are missing: nothing is
    /// taken in then.
    public mutating func append(_ list: ChangeList, through last: UInt64 = .max)
        throws(CryptographyFailure) -> Bool
    {
        guard list.first <= number + 1 else { return false }
        for (place, change) in list.changes.enumerated() {
            let next = list.first + UInt64(place)
            guard next > number else { continue }
            guard next <= last else { break }
            digest = try SHA256.hash(digest + Self.bytes(of: change, number: next, in: list))
            number = next
        }
        return true
    }

    private static func bytes(of change: ImageSlot, number: UInt64, in list: ChangeList) -> [UInt8] {
        var slot = change
        slot.validityAndZones &= 1 << 54 - 1
        var bytes = [UInt8](repeating: 0, count: 16 + ImageSlot.size)
        bytes.withUnsafeMutableBytes { buffer in
            buffer.storeBytes(of: number.littleEndian, as: UInt64.self)
            buffer.storeBytes(of: list.validityBaseSeconds.littleEndian, toByteOffset: 8, as: Int64.self)
            slot.encode(into: UnsafeMutableRawBufferPointer(rebasing: buffer[16...]))
        }
        guard !change.isRemoved, !change.isConflict, list.zoneSets.indices.contains(change.zoneSet)
        else { return bytes }
        let set = list.zoneSets[change.zoneSet]
        let names = list.zones.enumerated().filter { set >> UInt64($0.offset) & 1 == 1 }.map {
            Array($0.element.text.utf8)
        }
        for name in names.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            bytes += name + [UInt8](repeating: 0, count: 32 - name.count)
        }
        return bytes
    }
}
