import Admission
import Framing
import Posix

/// The urgent changes on top of an image, newest of each identifier: a small open-addressing table that is looked at
/// first. It never changes; the next list makes another one. `lookup` allocates nothing and may be called from any
/// thread.
public final class ChangeOverlay: Sendable {
    /// Identifiers that may stand here: more is a matter for an image. Two of the largest take 3 MiB.
    public static let mostIdentifiers = 49_152

    /// The newest change in it; without any, the image's.
    public let changeNumber: UInt64
    /// When the newest list was issued; nil without any.
    public let issuedAt: WallTime?
    public var identifiers: Int { table.identifiers }

    private let table: Table
    private let zones: [ShortName]
    private let validityBaseSeconds: Int64

    /// Owned memory that nobody writes any more once the overlay is made.
    private struct Table: @unchecked Sendable {
        var slots: UnsafeMutableRawBufferPointer
        var count: Int
        var identifiers = 0
        var zoneSets: UnsafeMutableBufferPointer<UInt64>
        var zoneSetCount = 0
        /// A bit for each of eight times as many places as there are slots, set where a tag's low word points with its low
        /// bits. At most one in ten is set: nine of ten badges that no change is about are told by 64 KiB, which stay in the
        /// processor's cache, and the table's 2 MiB are not touched.
        var marks: UnsafeMutableBufferPointer<UInt64>

        init(count: Int) {
            self.init(roomFor: count)
            slots.initializeMemory(as: UInt8.self, repeating: 0)
            zoneSets.initialize(repeating: 0)
            marks.initialize(repeating: 0)
        }

        /// A copy, to be gone on with.
        init(copying other: Table) {
            self.init(roomFor: other.count)
            slots.copyMemory(from: UnsafeRawBufferPointer(other.slots))
            _ = zoneSets.initialize(fromContentsOf: other.zoneSets)
            _ = marks.initialize(fromContentsOf: other.marks)
            identifiers = other.identifiers
            zoneSetCount = other.zoneSetCount
        }

        /// Nothing in it is initialised yet.
        private init(roomFor count: Int) {
            self.count = count
            let byteCount = count * ImageSlot.size
            slots = .allocate(
                byteCount: byteCount, alignment: LargePages.alignment(of: byteCount, atLeast: 64))
            LargePages.prefer(for: slots)
            zoneSets = .allocate(capacity: ImageSlot.mostZoneSets)
            marks = .allocate(capacity: count / 8)
        }

        func mayHold(_ tag: BadgeTag) -> Bool {
            let (word, bit) = mark(of: tag)
            return marks[word] & bit != 0
        }

        private func mark(of tag: BadgeTag) -> (word: Int, bit: UInt64) {
            // `count` is a power of two, and so is the number of words.
            (Int(truncatingIfNeeded: tag.low >> 6) & (marks.count - 1), 1 << (tag.low & 63))
        }

        mutating func put(_ slot: ImageSlot) {
            let readable = UnsafeRawBufferPointer(slots)
            var index = ImageSlot.home(of: slot.tag, slots: count)
            while let taken = ImageSlot.at(index, in: readable), taken.tag != slot.tag {
                index = index + 1 == count ? 0 : index + 1
            }
            if ImageSlot.at(index, in: readable) == nil { identifiers += 1 }
            let (word, bit) = mark(of: slot.tag)
            marks[word] |= bit
            slot.encode(
                into: UnsafeMutableRawBufferPointer(
                    rebasing: slots[index * ImageSlot.size..<(index + 1) * ImageSlot.size]))
        }

        mutating func index(ofZoneSet set: UInt64) -> Int? {
            if let known = zoneSets[..<zoneSetCount].firstIndex(of: set) { return known }
            guard zoneSetCount < ImageSlot.mostZoneSets else { return nil }
            zoneSets[zoneSetCount] = set
            zoneSetCount += 1
            return zoneSetCount - 1
        }

        func free() {
            slots.deallocate()
            zoneSets.deallocate()
            marks.deallocate()
        }
    }

    /// Nothing changed yet.
    public init(on image: ImageHeader) {
        changeNumber = image.changeNumber
        issuedAt = nil
        table = Table(count: 64)
        zones = image.zones
        validityBaseSeconds = image.validityBaseSeconds
    }

    /// These changes on top of `earlier`. Changes that `earlier` has are passed over; the list goes on where it ends, or
    /// before. nil when there is no room for them.
    public init?(_ earlier: ChangeOverlay, with list: ChangeList) {
        zones = earlier.zones
        validityBaseSeconds = earlier.validityBaseSeconds
        changeNumber = max(earlier.changeNumber, list.last)
        issuedAt = list.issuedAt
        let most = earlier.identifiers + list.changes.count
        let slots = Self.slots(for: most)
        var table: Table
        if slots <= earlier.table.count {
            table = Table(copying: earlier.table)
        } else {
            table = Table(count: slots)
            let before = UnsafeRawBufferPointer(earlier.table.slots)
            for index in 0..<earlier.table.count {
                if let slot = ImageSlot.at(index, in: before) { table.put(slot) }
            }
            _ = table.zoneSets.update(fromContentsOf: earlier.table.zoneSets)
            table.zoneSetCount = earlier.table.zoneSetCount
        }
        let bits: [UInt64] = list.zones.map { name in
            earlier.zones.firstIndex(of: name).map { 1 << UInt64($0) } ?? 0
        }
        for (place, change) in list.changes.enumerated() where list.first + UInt64(place) > earlier.changeNumber {
            guard let slot = Self.translated(change, of: list, bits, validityBaseSeconds, &table) else {
                table.free()
                return nil
            }
            table.put(slot)
        }
        self.table = table
        if table.identifiers > Self.mostIdentifiers { return nil }
    }

    /// All of these lists that an image has not taken in, on top of it, in the order of their numbers: what was missing
    /// and came later stands behind what it belongs before. With it why the rest was left out: a gap, or no room.
    public static func laid(
        _ lists: [ChangeList], on image: ImageHeader
    ) -> (overlay: ChangeOverlay, stopped: ChangeRefusal?) {
        var made = ChangeOverlay(on: image)
        for list in lists.sorted(by: { $0.first < $1.first }) where list.last > made.changeNumber {
            guard list.first <= made.changeNumber + 1 else {
                return (made, .gap(first: list.first, inForce: made.changeNumber))
            }
            guard let next = ChangeOverlay(made, with: list) else { return (made, .full(limit: mostIdentifiers)) }
            made = next
        }
        return (made, nil)
    }

    deinit { table.free() }

    private static func slots(for identifiers: Int) -> Int {
        var slots = 64
        while slots * 3 < identifiers * 4 { slots *= 2 }
        return slots
    }

    /// The change as a slot of this table: its zones by this image's bits, its validity from this image's base.
    private static func translated(
        _ change: ImageSlot, of list: ChangeList, _ bits: [UInt64], _ base: Int64, _ table: inout Table
    ) -> ImageSlot? {
        if change.isConflict || change.isRemoved { return change }
        let read = list.zoneSets.withUnsafeBufferPointer {
            change.credential(zoneSets: $0, validityBaseSeconds: list.validityBaseSeconds)
        }
        // A kind that this program does not know yet: nobody it could judge.
        guard var credential = read else { return ImageSlot(removed: change.tag) }
        var zones: UInt64 = 0
        for (bit, translated) in bits.enumerated() where credential.zones >> UInt64(bit) & 1 == 1 {
            zones |= translated
        }
        credential.zones = zones
        // What lies beyond the two years before an image and the two behind it is over, or has no end that matters.
        if let from = credential.validFromSeconds {
            credential.validFromSeconds = from <= base ? nil : min(from, base + ImageSlot.longestValidity)
        }
        if let until = credential.validUntilSeconds {
            credential.validUntilSeconds = until > base + ImageSlot.longestValidity ? nil : max(until, base)
        }
        guard let set = table.index(ofZoneSet: zones) else { return nil }
        return ImageSlot(tag: change.tag, credential: credential, zoneSet: set, validityBaseSeconds: base)
    }

    /// nil when no change is about this identifier: then the image says.
    public func lookup(_ tag: BadgeTag) -> BadgeLookup? {
        guard table.mayHold(tag),
            let slot = ImageSlot.find(tag, in: UnsafeRawBufferPointer(table.slots), slots: table.count)
        else { return nil }
        if slot.isConflict { return .conflict }
        if slot.isRemoved { return .unknown }
        guard
            let credential = slot.credential(
                zoneSets: UnsafeBufferPointer(rebasing: table.zoneSets[..<table.zoneSetCount]),
                validityBaseSeconds: validityBaseSeconds)
        else { return .unknown }
        return .found(credential)
    }
}

/// What a lane decides by: an image, and the changes on top of it.
public struct BadgeTable: Sendable {
    public let image: CredentialImage
    public let overlay: ChangeOverlay

    public init(image: CredentialImage, overlay: ChangeOverlay) {
        self.image = image
        self.overlay = overlay
    }

    public var changeNumber: UInt64 { overlay.changeNumber }

    /// The newest change first, then the image.
    @inline(__always)
    public func lookup(_ tag: BadgeTag) -> BadgeLookup { overlay.lookup(tag) ?? image.lookup(tag) }

    public var mark: AppliedMark {
        var mark = image.mark
        mark.changeNumber = changeNumber
        return mark
    }
}
