import Admission

/// A signed list of who is in which zone: of everybody who is inside, or of whoever passed behind a number.
///
///       0  8    "LKPRESN1"
///       8  u32  format, 1
///      12  u32  length of the signed part
///      16  16   site id
///      32  16   numbering: made anew whenever the collector begins to number
///      48  u64  behind this number; 0: a whole list, of all who are inside
///      56  u64  up to this number, from 1
///      64  i64  as of, ms since 1970-01-01 UTC: every lane had told by then what happened at it
///      72  u32  zones, at most 255 · 76 u32 holders, at most 1,000,000
///      80  …    zones: 32 bytes each, NUL-padded names; lists of one numbering only ever add some behind
///           …   holders by growing number, 9 bytes each: u32 holder · u32 his last passage, s since 1970
///                 · u8 the zone that it led to, from 1; 0: none of the site's (not in a whole list)
///     len  64   Ed25519 signature of bytes 0…len-1
public struct PresenceList: Sendable, Hashable {
    /// Where one holder is.
    public struct Entry: Sendable, Hashable {
        public var holder: UInt32
        public var passedAtSeconds: UInt32
        /// Place in the list's zones, from 1; 0: in none.
        public var zone: UInt8

        public init(holder: UInt32, passedAtSeconds: UInt32, zone: UInt8) {
            self.holder = holder
            self.passedAtSeconds = passedAtSeconds
            self.zone = zone
        }
    }

    public static let mostHolders = 1_000_000
    public static let mostZones = 255
    public static let shortest = headSize + 64
    public static let longest = headSize + 32 * mostZones + entrySize * mostHolders + 64
    private static let magic: StaticString = "LKPRESN1"
    private static let headSize = 80
    private static let entrySize = 9

    public var site: SiteID
    public var numbering: Epoch
    public var after: UInt64
    public var number: UInt64
    public var asOf: WallTime
    public var zones: [ShortName]
    public var entries: [Entry]

    public init(
        site: SiteID, numbering: Epoch, after: UInt64, number: UInt64, asOf: WallTime, zones: [ShortName],
        entries: [Entry]
    ) {
        self.site = site
        self.numbering = numbering
        self.after = after
        self.number = number
        self.asOf = asOf
        self.zones = zones
        self.entries = entries
    }

    public var isWhole: Bool { after == 0 }

    /// The bytes to sign; the signature of 64 bytes goes behind them.
    public var signedPart: [UInt8] {
        let length = Self.headSize + 32 * zones.count + Self.entrySize * entries.count
        var bytes = [UInt8](repeating: 0, count: length)
        bytes.withUnsafeMutableBytes { buffer in
            buffer.put(magic: Self.magic)
            buffer.put(1 as UInt32, at: 8)
            buffer.put(UInt32(length), at: 12)
            buffer.put(site.low, at: 16)
            buffer.put(site.high, at: 24)
            buffer.put(numbering.low, at: 32)
            buffer.put(numbering.high, at: 40)
            buffer.put(after, at: 48)
            buffer.put(number, at: 56)
            buffer.put(asOf.milliseconds, at: 64)
            buffer.put(UInt32(zones.count), at: 72)
            buffer.put(UInt32(entries.count), at: 76)
            var offset = Self.headSize
            for zone in zones {
                buffer.put(zone, at: offset)
                offset += 32
            }
            for entry in entries {
                buffer.put(entry.holder, at: offset)
                buffer.put(entry.passedAtSeconds, at: offset + 4)
                buffer.put(entry.zone, at: offset + 8)
                offset += Self.entrySize
            }
        }
        return bytes
    }

    /// Reads the fields and says where the signature stands; whoever reads must verify it before believing any of this.
    public static func parse(_ bytes: [UInt8]) throws(FormatError) -> (
        list: PresenceList, signedPart: ArraySlice<UInt8>, signature: [UInt8]
    ) {
        guard (shortest...longest).contains(bytes.count) else {
            throw FormatError("presence list", "\(bytes.count) bytes; \(shortest) to \(longest) are expected")
        }
        let length = bytes.count - 64
        let parsed = bytes.withUnsafeBytes { buffer in
            Result { () throws(FormatError) in try PresenceList(buffer.slice(0, length)) }
        }
        return (try parsed.get(), bytes[..<length], Array(bytes[length...]))
    }

    /// `bytes`: the signed part, no shorter than its head.
    private init(_ bytes: UnsafeRawBufferPointer) throws(FormatError) {
        func refuse(_ problem: String) -> FormatError { FormatError("presence list", problem) }
        guard bytes.hasMagic(Self.magic) else { throw refuse("it does not begin as one") }
        guard bytes.get(UInt32.self, at: 8) == 1 else {
            throw refuse("format \(bytes.get(UInt32.self, at: 8)); this program reads 1")
        }
        site = SiteID(low: bytes.get(at: 16), high: bytes.get(at: 24))
        numbering = Epoch(low: bytes.get(at: 32), high: bytes.get(at: 40))
        after = bytes.get(at: 48)
        number = bytes.get(at: 56)
        asOf = WallTime(milliseconds: bytes.get(at: 64))
        let zoneCount = Int(bytes.get(UInt32.self, at: 72))
        let holderCount = Int(bytes.get(UInt32.self, at: 76))
        guard zoneCount <= Self.mostZones, holderCount <= Self.mostHolders else {
            throw refuse("\(zoneCount) zones and \(holderCount) holders are more than the format allows")
        }
        guard number >= 1, after <= number else { throw refuse("it goes from number \(after) to \(number)") }
        let length = Self.headSize + 32 * zoneCount + Self.entrySize * holderCount
        guard Int(bytes.get(UInt32.self, at: 12)) == length, bytes.count == length else {
            throw refuse("its length does not fit its tables")
        }
        var offset = Self.headSize
        zones = []
        for _ in 0..<zoneCount {
            guard let name = bytes.shortName(at: offset) else { throw refuse("a zone without a name") }
            zones.append(name)
            offset += 32
        }
        entries = []
        entries.reserveCapacity(holderCount)
        var last: UInt32 = 0
        for _ in 0..<holderCount {
            let entry = Entry(
                holder: bytes.get(at: offset), passedAtSeconds: bytes.get(at: offset + 4), zone: bytes[offset + 8])
            // From 1: nobody has the number 0.
            guard entry.holder > last else { throw refuse("holder \(entry.holder) behind \(last)") }
            guard Int(entry.zone) <= zoneCount, entry.zone > 0 || after > 0 else {
                throw refuse("holder \(entry.holder) in zone \(entry.zone) of \(zoneCount)")
            }
            last = entry.holder
            entries.append(entry)
            offset += Self.entrySize
        }
    }
}
