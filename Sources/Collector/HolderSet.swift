/// A set of holders' numbers, in parts of 65,536 numbers: a part with few of them lists them in ascending order, one with
/// many is a bitmap. All 502,000 holders of a large site take 63 KiB, 5,000 of them 10 KiB.
struct HolderSet: Hashable, Sendable {
    private(set) var parts: [UInt16: HolderPart] = [:]

    func contains(_ number: UInt32) -> Bool { parts[Self.part(of: number)]?.contains(Self.place(of: number)) ?? false }

    /// Whether it is new.
    mutating func insert(_ number: UInt32) -> Bool {
        parts[Self.part(of: number), default: HolderPart()].insert(Self.place(of: number))
    }

    mutating func remove(_ number: UInt32) {
        parts[Self.part(of: number)]?.remove(Self.place(of: number))
    }

    mutating func set(_ part: UInt16, to holders: HolderPart) { parts[part] = holders }

    static func part(of number: UInt32) -> UInt16 { UInt16(number >> 16) }
    private static func place(of number: UInt32) -> UInt16 { UInt16(truncatingIfNeeded: number) }
}

/// Up to 65,536 holders whose numbers have their upper 16 bits in common.
struct HolderPart: Hashable, Sendable {
    private static let mapBytes = 8192
    /// A longer list would take no less than the bitmap.
    private static let longestList = mapBytes / 2 - 1

    /// One of the two is in use: `map` when it is not empty.
    private var list: [UInt16] = []
    private var map: [UInt64] = []

    init() {}

    /// Of `encoded`, and about what it takes in memory.
    var byteCount: Int { map.isEmpty ? list.count * 2 : Self.mapBytes }

    func contains(_ place: UInt16) -> Bool {
        guard map.isEmpty else { return map[Int(place >> 6)] & Self.bit(place) != 0 }
        let index = index(of: place)
        return index < list.count && list[index] == place
    }

    /// Whether it is new.
    mutating func insert(_ place: UInt16) -> Bool {
        guard map.isEmpty else {
            let word = map[Int(place >> 6)]
            map[Int(place >> 6)] = word | Self.bit(place)
            return word & Self.bit(place) == 0
        }
        let index = index(of: place)
        if index < list.count && list[index] == place { return false }
        guard list.count == Self.longestList else {
            list.insert(place, at: index)
            return true
        }
        map = [UInt64](repeating: 0, count: Self.mapBytes / 8)
        for place in list { map[Int(place >> 6)] |= Self.bit(place) }
        map[Int(place >> 6)] |= Self.bit(place)
        list = []
        return true
    }

    mutating func remove(_ place: UInt16) {
        guard map.isEmpty else {
            map[Int(place >> 6)] &= ~Self.bit(place)
            return
        }
        let index = index(of: place)
        if index < list.count && list[index] == place { list.remove(at: index) }
    }

    /// Binary search: where `place` stands in the list, or would.
    private func index(of place: UInt16) -> Int {
        var (low, high) = (0, list.count)
        while low < high {
            let middle = (low + high) / 2
            if list[middle] < place { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private static func bit(_ place: UInt16) -> UInt64 { 1 << UInt64(place & 63) }

    // MARK: On disk

    /// 8192 bytes: a bitmap, bit n of byte m is place 8 m + n. Fewer: the places in ascending order, u16 little-endian.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount)
        for word in map { for byte in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * byte))) } }
        for place in list {
            bytes.append(UInt8(truncatingIfNeeded: place))
            bytes.append(UInt8(place >> 8))
        }
        return bytes
    }

    /// nil when these bytes are no part.
    init?(encoded bytes: UnsafeRawBufferPointer) {
        if bytes.count == Self.mapBytes {
            map = (0..<Self.mapBytes / 8).map {
                UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self))
            }
            return
        }
        guard bytes.count % 2 == 0, bytes.count <= Self.longestList * 2 else { return nil }
        list = (0..<bytes.count / 2).map {
            UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 2, as: UInt16.self))
        }
        guard zip(list, list.dropFirst()).allSatisfy({ $0 < $1 }) else { return nil }
    }
}
