import Admission

/// The head of a credential image; the body, `slots` × 32 bytes, follows at `headerLength`.
///
///       0  8    "LKIMAGE1"
///       8  u32  format, 1
///      12  u32  header length in bytes, a multiple of 4096
///      16  16   site id
///      32  u64  image version, from 1, growing
///      40  u64  change number folded in
///      48  i64  issued at, ms since 1970-01-01 UTC
///      56  u64  slots · 64 u64 identifiers (occupied slots) · 72 u64 holders
///      80  i64  validity base, s since 1970, 0 to 2^40
///      88  u64  badge key fingerprint
///      96  32   SHA-256 of the body
///     128  u32  region size in bytes, 1048576 · 132 u32 regions · 136 u32 zones · 140 u32 zone sets
///     144  …    zones: 32 bytes each, NUL-padded names; bit n of a zone set is zone n
///           …   zone sets: u64 each
///           …   CRC-32C of each region of the body: u32 each
///           …   zeros
///  end-64  64   Ed25519 signature of bytes 0…end-65
public struct ImageHeader: Sendable, Hashable {
    public static let regionSize = 1 << 20
    /// Of a header, in bytes.
    public static let longest = 1 << 20
    public static let mostZones = 64
    /// 5,000,000 identifiers make 204 regions; 4096 allow twenty times that.
    public static let mostRegions = 4096
    /// Far beyond any calendar, and far enough from the end of an Int64 that dates can be added to it.
    public static let latestValidityBaseSeconds: Int64 = 1 << 40
    private static let magic: StaticString = "LKIMAGE1"
    private static let fixedSize = 144

    public var site: SiteID
    public var version: UInt64
    public var changeNumber: UInt64
    public var issuedAt: WallTime
    public var slots: Int
    public var identifiers: Int
    public var holders: Int
    public var validityBaseSeconds: Int64
    public var badgeKeyFingerprint: UInt64
    /// 32 bytes.
    public var bodyDigest: [UInt8]
    public var zones: [ShortName]
    public var zoneSets: [UInt64]
    public var regionChecksums: [UInt32]

    public init(
        site: SiteID, version: UInt64, changeNumber: UInt64, issuedAt: WallTime, slots: Int, identifiers: Int,
        holders: Int, validityBaseSeconds: Int64, badgeKeyFingerprint: UInt64, bodyDigest: [UInt8],
        zones: [ShortName], zoneSets: [UInt64], regionChecksums: [UInt32]
    ) {
        self.site = site
        self.version = version
        self.changeNumber = changeNumber
        self.issuedAt = issuedAt
        self.slots = slots
        self.identifiers = identifiers
        self.holders = holders
        self.validityBaseSeconds = validityBaseSeconds
        self.badgeKeyFingerprint = badgeKeyFingerprint
        self.bodyDigest = bodyDigest
        self.zones = zones
        self.zoneSets = zoneSets
        self.regionChecksums = regionChecksums
    }

    public var bodyLength: Int { slots * ImageSlot.size }
    public static func regions(bodyLength: Int) -> Int { (bodyLength + regionSize - 1) / regionSize }

    private var usedLength: Int {
        Self.fixedSize + ZoneTables.size(zones: zones.count, sets: zoneSets.count) + 4
            * regionChecksums.count + 64
    }
    public var headerLength: Int { (usedLength + 4095) / 4096 * 4096 }

    /// The header but for its last 64 bytes: what is signed. Append the signature and the header is complete.
    public var signedPart: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: headerLength - 64)
        bytes.withUnsafeMutableBytes { buffer in
            buffer.put(magic: Self.magic)
            buffer.put(1 as UInt32, at: 8)
            buffer.put(UInt32(headerLength), at: 12)
            buffer.put(site.low, at: 16)
            buffer.put(site.high, at: 24)
            buffer.put(version, at: 32)
            buffer.put(changeNumber, at: 40)
            buffer.put(issuedAt.milliseconds, at: 48)
            buffer.put(UInt64(slots), at: 56)
            buffer.put(UInt64(identifiers), at: 64)
            buffer.put(UInt64(holders), at: 72)
            buffer.put(validityBaseSeconds, at: 80)
            buffer.put(badgeKeyFingerprint, at: 88)
            buffer.put(bodyDigest.prefix(32), at: 96)
            buffer.put(UInt32(Self.regionSize), at: 128)
            buffer.put(UInt32(regionChecksums.count), at: 132)
            buffer.put(UInt32(zones.count), at: 136)
            buffer.put(UInt32(zoneSets.count), at: 140)
            var offset = ZoneTables(zones: zones, sets: zoneSets).encode(into: buffer, at: Self.fixedSize)
            for checksum in regionChecksums {
                buffer.put(checksum, at: offset)
                offset += 4
            }
        }
        return bytes
    }

    /// The header's length from the first 16 bytes of a file, so that a reader knows how much to read; checked.
    public static func length(of start: UnsafeRawBufferPointer) throws(FormatError) -> Int {
        guard start.count >= 16, start.hasMagic(magic) else {
            throw FormatError("credential image", "it does not begin as one")
        }
        guard start.get(UInt32.self, at: 8) == 1 else {
            throw FormatError("credential image", "format \(start.get(UInt32.self, at: 8)); this program reads 1")
        }
        let length = Int(start.get(UInt32.self, at: 12))
        guard length >= 4096, length % 4096 == 0, length <= longest else {
            throw FormatError("credential image", "a header of \(length) bytes")
        }
        return length
    }

    /// Reads a whole header. Every count is checked against the header's length; whoever reads must verify the signature
    /// (its last 64 bytes, over all before them) before believing any of this.
    public init(_ bytes: UnsafeRawBufferPointer) throws(FormatError) {
        let length = try Self.length(of: bytes)
        guard bytes.count >= length else { throw FormatError("credential image", "shorter than its header") }
        func refuse(_ problem: String) -> FormatError { FormatError("credential image", problem) }
        site = SiteID(low: bytes.get(at: 16), high: bytes.get(at: 24))
        version = bytes.get(at: 32)
        changeNumber = bytes.get(at: 40)
        issuedAt = WallTime(milliseconds: bytes.get(at: 48))
        let slotCount: UInt64 = bytes.get(at: 56)
        let identifierCount: UInt64 = bytes.get(at: 64)
        let holderCount: UInt64 = bytes.get(at: 72)
        validityBaseSeconds = bytes.get(at: 80)
        badgeKeyFingerprint = bytes.get(at: 88)
        bodyDigest = Array(bytes[96..<128])
        let regionCount = Int(bytes.get(UInt32.self, at: 132))
        let zoneCount = Int(bytes.get(UInt32.self, at: 136))
        let zoneSetCount = Int(bytes.get(UInt32.self, at: 140))
        guard version > 0 else { throw refuse("version 0") }
        guard (0...Self.latestValidityBaseSeconds).contains(validityBaseSeconds) else {
            throw refuse("validity counted from second \(validityBaseSeconds)")
        }
        guard bytes.get(UInt32.self, at: 128) == UInt32(Self.regionSize) else { throw refuse("another region size") }
        guard regionCount <= Self.mostRegions, zoneCount <= Self.mostZones, zoneSetCount <= ImageSlot.mostZoneSets
        else {
            throw refuse("more regions, zones or zone sets than the format allows")
        }
        guard slotCount > 0, slotCount <= UInt64(Self.mostRegions * Self.regionSize / ImageSlot.size),
            identifierCount <= slotCount, holderCount <= identifierCount
        else { throw refuse("its counts of slots, identifiers and holders do not fit each other") }
        slots = Int(slotCount)
        identifiers = Int(identifierCount)
        holders = Int(holderCount)
        guard regionCount == Self.regions(bodyLength: slots * ImageSlot.size) else {
            throw refuse("\(regionCount) region checksums for \(slots) slots")
        }
        let used =
            Self.fixedSize + ZoneTables.size(zones: zoneCount, sets: zoneSetCount) + 4 * regionCount + 64
        guard length == (used + 4095) / 4096 * 4096 else {
            throw refuse("its tables do not fit its header")
        }
        var offset = Self.fixedSize
        let tables = try ZoneTables(
            zones: zoneCount, sets: zoneSetCount, in: bytes, at: &offset, of: "credential image")
        (zones, zoneSets) = (tables.zones, tables.sets)
        regionChecksums = []
        for _ in 0..<regionCount {
            regionChecksums.append(bytes.get(at: offset))
            offset += 4
        }
    }

    /// The bit of a zone in this image's zone sets; 0 when it is not known.
    public func zoneBit(_ name: ShortName) -> UInt64 {
        guard let index = zones.firstIndex(of: name) else { return 0 }
        return 1 << UInt64(index)
    }
}
