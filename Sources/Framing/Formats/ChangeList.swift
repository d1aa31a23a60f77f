import Admission

/// A signed list of urgent changes: for each an identifier's tag and all that is to be known of it from then on, so that
/// a look at the newest change decides without the image. Change `first` is the first slot, the next number the next
/// slot; a list goes on where another, or an image's change number, ends.
///
///       0  8    "LKCHANG1"
///       8  u32  format, 1
///      12  u32  length of the signed part
///      16  16   site id
///      32  u64  number of the first change, from 1
///      40  i64  issued at, ms since 1970-01-01 UTC
///      48  i64  validity base, s since 1970, 0 to 2^40
///      56  u64  badge key fingerprint
///      64  u32  changes, 1 to 5000 · 68 u32 zones, at most 64 · 72 u32 zone sets, at most 1024 · 76 u32 zero
///      80  …    zones: 32 bytes each, NUL-padded names; bit n of a zone set is zone n
///           …   zone sets: u64 each
///           …   changes: a slot each, as in an image; with bit 14 of its states set the identifier is removed
///     len  64   Ed25519 signature of bytes 0…len-1
///
/// It has zones and a base of its own: it may be read on top of another image than it was made on.
public struct ChangeList: Sendable, Hashable {
    public static let mostChanges = 5000
    public static let shortest = headSize + ImageSlot.size + 64
    public static let longest =
        headSize + ZoneTables.size(zones: ImageHeader.mostZones, sets: ImageSlot.mostZoneSets)
        + ImageSlot.size * mostChanges + 64
    private static let magic: StaticString = "LKCHANG1"
    /// Up to its tables.
    public static let headSize = 80

    public var site: SiteID
    public var first: UInt64
    public var issuedAt: WallTime
    public var validityBaseSeconds: Int64
    public var badgeKeyFingerprint: UInt64
    public var zones: [ShortName]
    public var zoneSets: [UInt64]
    public var changes: [ImageSlot]

    public init(
        site: SiteID, first: UInt64, issuedAt: WallTime, validityBaseSeconds: Int64, badgeKeyFingerprint: UInt64,
        zones: [ShortName], zoneSets: [UInt64], changes: [ImageSlot]
    ) {
        self.site = site
        self.first = first
        self.issuedAt = issuedAt
        self.validityBaseSeconds = validityBaseSeconds
        self.badgeKeyFingerprint = badgeKeyFingerprint
        self.zones = zones
        self.zoneSets = zoneSets
        self.changes = changes
    }

    /// The number of its last change.
    public var last: UInt64 { first + UInt64(changes.count) - 1 }

    /// The number of the last change of a list that begins with these bytes; nil when none does.
    public static func lastChange(inHead head: [UInt8]) -> UInt64? {
        guard head.count >= headSize else { return nil }
        return head.withUnsafeBytes { bytes in
            guard bytes.hasMagic(magic) else { return nil }
            let (first, count) = (bytes.get(UInt64.self, at: 32), UInt64(bytes.get(UInt32.self, at: 64)))
            let (end, overflow) = first.addingReportingOverflow(count)
            return count == 0 || overflow ? nil : end - 1
        }
    }

    private var signedLength: Int {
        Self.headSize + ZoneTables.size(zones: zones.count, sets: zoneSets.count) + ImageSlot.size
            * changes.count
    }

    /// The bytes to sign; the signature of 64 bytes goes behind them.
    public var signedPart: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: signedLength)
        bytes.withUnsafeMutableBytes { buffer in
            buffer.put(magic: Self.magic)
            buffer.put(1 as UInt32, at: 8)
            buffer.put(UInt32(buffer.count), at: 12)
            buffer.put(site.low, at: 16)
            buffer.put(site.high, at: 24)
            buffer.put(first, at: 32)
            buffer.put(issuedAt.milliseconds, at: 40)
            buffer.put(validityBaseSeconds, at: 48)
            buffer.put(badgeKeyFingerprint, at: 56)
            buffer.put(UInt32(changes.count), at: 64)
            buffer.put(UInt32(zones.count), at: 68)
            buffer.put(UInt32(zoneSets.count), at: 72)
            var offset = ZoneTables(zones: zones, sets: zoneSets).encode(into: buffer, at: Self.headSize)
            for change in changes {
                change.encode(into: UnsafeMutableRawBufferPointer(rebasing: buffer[offset..<offset + ImageSlot.size]))
                offset += ImageSlot.size
            }
        }
        return bytes
    }

    /// Reads the fields and says where the signature stands; whoever reads must verify it before believing any of this.
    public static func parse(_ bytes: [UInt8]) throws(FormatError) -> (
        list: ChangeList, signedPart: [UInt8], signature: [UInt8]
    ) {
        guard (shortest...longest).contains(bytes.count) else {
            throw FormatError("change list", "\(bytes.count) bytes; \(shortest) to \(longest) are expected")
        }
        let parsed = bytes.withUnsafeBytes { buffer in
            Result { () throws(FormatError) in
                try ChangeList(UnsafeRawBufferPointer(rebasing: buffer[..<(buffer.count - 64)]))
            }
        }
        return (try parsed.get(), Array(bytes[..<(bytes.count - 64)]), Array(bytes[(bytes.count - 64)...]))
    }

    /// `bytes`: the signed part, no shorter than a list of one change.
    private init(_ bytes: UnsafeRawBufferPointer) throws(FormatError) {
        func refuse(_ problem: String) -> FormatError { FormatError("change list", problem) }
        guard bytes.hasMagic(Self.magic) else { throw refuse("it does not begin as one") }
        guard bytes.get(UInt32.self, at: 8) == 1 else {
            throw refuse("format \(bytes.get(UInt32.self, at: 8)); this program reads 1")
        }
        site = SiteID(low: bytes.get(at: 16), high: bytes.get(at: 24))
        first = bytes.get(at: 32)
        issuedAt = WallTime(milliseconds: bytes.get(at: 40))
        validityBaseSeconds = bytes.get(at: 48)
        badgeKeyFingerprint = bytes.get(at: 56)
        let changeCount = Int(bytes.get(UInt32.self, at: 64))
        let zoneCount = Int(bytes.get(UInt32.self, at: 68))
        let zoneSetCount = Int(bytes.get(UInt32.self, at: 72))
        guard (1...Self.mostChanges).contains(changeCount), zoneCount <= ImageHeader.mostZones,
            zoneSetCount <= ImageSlot.mostZoneSets
        else { throw refuse("no changes, or more changes, zones or zone sets than the format allows") }
        // The last number fits an Int64, as databases count.
        guard first >= 1, first <= UInt64(Int64.max) - UInt64(changeCount) else {
            throw refuse("first change \(first)")
        }
        guard (0...ImageHeader.latestValidityBaseSeconds).contains(validityBaseSeconds) else {
            throw refuse("validity counted from second \(validityBaseSeconds)")
        }
        let length =
            Self.headSize + ZoneTables.size(zones: zoneCount, sets: zoneSetCount) + ImageSlot.size
            * changeCount
        guard Int(bytes.get(UInt32.self, at: 12)) == length, bytes.count == length,
            bytes.get(UInt32.self, at: 76) == 0
        else { throw refuse("its length does not fit its tables") }
        var offset = Self.headSize
        let tables = try ZoneTables(
            zones: zoneCount, sets: zoneSetCount, in: bytes, at: &offset, of: "change list")
        (zones, zoneSets) = (tables.zones, tables.sets)
        changes = []
        changes.reserveCapacity(changeCount)
        let slots = UnsafeRawBufferPointer(rebasing: bytes[offset...])
        for index in 0..<changeCount {
            guard let change = ImageSlot.at(index, in: slots) else { throw refuse("an empty change") }
            guard change.isRemoved || change.isConflict || change.zoneSet < zoneSetCount else {
                throw refuse("a change whose zones are not there")
            }
            changes.append(change)
        }
    }
}
