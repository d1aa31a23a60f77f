import Admission

/// A signed statement of what is current: *image V, change N, as of T*.
///
///       0  8    "LKSTATE1"
///       8  u32  format, 1
///      12  u32  length of the signed part
///      16  16   site id
///      32  u64  image version
///      40  u64  change number
///      48  i64  as of, ms since 1970-01-01 UTC
///      56  32   SHA-256 of that image's header
///      88  …    extensions, each u32 what it is · u32 bytes that follow; one that a program does not know is passed over
///               1 occupancy (`ZoneOccupancy`) · 2 changes (`PublishedChanges`)
///     len  64   Ed25519 signature of bytes 0…len-1
public struct Statement: Sendable, Hashable {
    public static let shortest = 88 + 64
    public static let longest = 65_536
    private static let magic: StaticString = "LKSTATE1"

    public var site: SiteID
    public var imageVersion: UInt64
    public var changeNumber: UInt64
    public var asOf: WallTime
    /// 32 bytes.
    public var imageHeaderDigest: [UInt8]
    /// nil: it says nothing of that.
    public var occupancy: ZoneOccupancy?
    /// nil: it says nothing of them.
    public var changes: PublishedChanges?

    public init(
        site: SiteID, imageVersion: UInt64, changeNumber: UInt64, asOf: WallTime, imageHeaderDigest: [UInt8],
        occupancy: ZoneOccupancy? = nil, changes: PublishedChanges? = nil
    ) {
        self.site = site
        self.imageVersion = imageVersion
        self.changeNumber = changeNumber
        self.asOf = asOf
        self.imageHeaderDigest = imageHeaderDigest
        self.occupancy = occupancy
        self.changes = changes
    }

    /// What does not read as an extension is passed over: freshness does not wait for it.
    private mutating func takeExtensions(_ bytes: UnsafeRawBufferPointer) {
        var offset = 0
        while bytes.count - offset >= 8 {
            let (kind, length) = (bytes.get(UInt32.self, at: offset), Int(bytes.get(UInt32.self, at: offset + 4)))
            offset += 8
            guard length <= bytes.count - offset else { return }
            let body = bytes.slice(offset, length)
            switch kind {
            case ZoneOccupancy.kind: occupancy = occupancy ?? (try? ZoneOccupancy(body))
            case PublishedChanges.kind: changes = changes ?? PublishedChanges(body)
            default: break
            }
            offset += length
        }
    }

    /// The bytes to sign; the signature of 64 bytes goes behind them.
    public var signedPart: [UInt8] {
        let extensions = (occupancy?.encoded ?? []) + (changes?.encoded ?? [])
        var bytes = [UInt8](repeating: 0, count: 88)
        bytes.withUnsafeMutableBytes { buffer in
            buffer.put(magic: Self.magic)
            buffer.put(1 as UInt32, at: 8)
            buffer.put(UInt32(88 + extensions.count), at: 12)
            buffer.put(site.low, at: 16)
            buffer.put(site.high, at: 24)
            buffer.put(imageVersion, at: 32)
            buffer.put(changeNumber, at: 40)
            buffer.put(asOf.milliseconds, at: 48)
            buffer.put(imageHeaderDigest.prefix(32), at: 56)
        }
        return bytes + extensions
    }

    /// Reads the fields and says where the signature stands; whoever reads must verify it before believing any of this.
    public static func parse(_ bytes: [UInt8]) throws(FormatError) -> (
        statement: Statement, signedPart: [UInt8], signature: [UInt8]
    ) {
        guard bytes.count >= shortest, bytes.count <= longest else {
            throw FormatError("statement", "\(bytes.count) bytes; \(shortest) to \(longest) are expected")
        }
        let parsed: (Statement, Int)? = bytes.withUnsafeBytes { buffer in
            guard buffer.hasMagic(magic), buffer.get(UInt32.self, at: 8) == 1 else { return nil }
            let statement = Statement(
                site: SiteID(low: buffer.get(at: 16), high: buffer.get(at: 24)), imageVersion: buffer.get(at: 32),
                changeNumber: buffer.get(at: 40), asOf: WallTime(milliseconds: buffer.get(at: 48)),
                imageHeaderDigest: Array(buffer[56..<88]))
            return (statement, Int(buffer.get(UInt32.self, at: 12)))
        }
        guard let (read, length) = parsed else {
            throw FormatError("statement", "it does not begin as one this program reads")
        }
        guard length >= 88, length + 64 == bytes.count else {
            throw FormatError("statement", "its length does not fit its bytes")
        }
        var statement = read
        bytes.withUnsafeBytes { statement.takeExtensions($0.slice(88, length - 88)) }
        return (statement, Array(bytes[..<length]), Array(bytes[length...]))
    }
}
