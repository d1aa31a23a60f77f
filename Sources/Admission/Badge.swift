/// What an identifier was read from. A reader yields only identifiers of its own type: a QR text never opens as a chip.
/// Raw values stand in the badge table's keyed hash and in records: they never change.
public enum IdentifierType: UInt8, Sendable, CaseIterable {
    case chip = 1
    /// The text of an electronic badge (QR or barcode).
    case code = 2
    /// A vehicle's UHF tag.
    case epc = 3
}

/// A badge as a reader saw it: its type and 1–64 canonical bytes (a chip's number most significant byte first, a code's
/// UTF-8, a tag's EPC), held inline.
public struct Identifier: Sendable, Hashable {
    public static let longest = 64

    public let type: IdentifierType
    public let count: Int
    private var storage: InlineArray<64, UInt8>

    /// nil when there are no bytes or more than 64.
    public init?(_ type: IdentifierType, bytes: some Collection<UInt8>) {
        guard (1...Self.longest).contains(bytes.count) else { return nil }
        self.type = type
        count = bytes.count
        storage = InlineArray(repeating: 0)
        var index = 0
        for byte in bytes {
            storage[index] = byte
            index += 1
        }
    }

    /// As `init(_:bytes:)`, for feeds: not generic, since a generic one is ten times as slow from another module.
    public init?(_ type: IdentifierType, _ bytes: UnsafeRawBufferPointer) {
        guard (1...Self.longest).contains(bytes.count) else { return nil }
        self.type = type
        count = bytes.count
        storage = InlineArray(repeating: 0)
        for index in 0..<bytes.count { storage[index] = bytes[index] }
    }

    public subscript(index: Int) -> UInt8 { storage[index] }

    /// A copy for logs and tests; allocates.
    public var bytes: [UInt8] { (0..<count).map { storage[$0] } }

    public static func == (a: Self, b: Self) -> Bool {
        guard a.type == b.type, a.count == b.count else { return false }
        for index in 0..<a.count where a.storage[index] != b.storage[index] { return false }
        return true
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(type)
        for index in 0..<count { hasher.combine(storage[index]) }
    }
}

/// The 80-bit pseudonym of an identifier: the first ten bytes of a SipHash-2-4-128 keyed with the site's badge key.
public struct BadgeTag: Sendable, Hashable {
    /// Bytes 0–7 of the hash, little-endian.
    public var low: UInt64
    /// Bytes 8–9 of the hash, little-endian.
    public var high: UInt16

    public init(low: UInt64, high: UInt16) {
        self.low = low
        self.high = high
    }
    public static let none = BadgeTag(low: 0, high: 0)
}

/// Given once per site to a person or a vehicle, never used again; 0 is nobody.
public struct HolderNumber: Sendable, Hashable {
    public var number: UInt32
    public init(_ number: UInt32) { self.number = number }
    public static let nobody = HolderNumber(0)
}

/// The kinds of badge. Raw values stand in images and records.
public enum HolderKind: UInt8, Sendable, CaseIterable {
    case specialGuest = 1
    case exhibitor = 2
    case visitor = 3
    case media = 4
    case staff = 5
    case security = 6
    case vehicle = 7

    /// As the feed and the configuration write it.
    public var name: StaticString {
        switch self {
        case .specialGuest: "special-guest"
        case .exhibitor: "exhibitor"
        case .visitor: "visitor"
        case .media: "media"
        case .staff: "staff"
        case .security: "security"
        case .vehicle: "vehicle"
        }
    }
}

/// A lane id or a zone's name: 1–31 bytes of UTF-8, held inline so that records need no heap.
public struct ShortName: Sendable, Hashable {
    public static let longest = 31
    private var storage: InlineArray<32, UInt8>
    public let count: Int

    /// nil when empty, longer than 31 bytes, or holding a NUL byte.
    public init?(_ text: String) { self.init(bytes: text.utf8) }

    public init?(bytes: some Collection<UInt8>) {
        guard (1...Self.longest).contains(bytes.count), !bytes.contains(0) else { return nil }
        storage = InlineArray(repeating: 0)
        var index = 0
        for byte in bytes {
            storage[index] = byte
            index += 1
        }
        count = index
    }

    /// As `init(bytes:)`, for records: not generic, since a generic one is ten times as slow from another module.
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard (1...Self.longest).contains(bytes.count) else { return nil }
        storage = InlineArray(repeating: 0)
        for index in 0..<bytes.count {
            guard bytes[index] != 0 else { return nil }
            storage[index] = bytes[index]
        }
        count = bytes.count
    }

    public subscript(index: Int) -> UInt8 { storage[index] }
    public var text: String { String(decoding: (0..<count).map { storage[$0] }, as: UTF8.self) }

    public static func == (a: Self, b: Self) -> Bool {
        guard a.count == b.count else { return false }
        for index in 0..<a.count where a.storage[index] != b.storage[index] { return false }
        return true
    }
    public func hash(into hasher: inout Hasher) {
        for index in 0..<count { hasher.combine(storage[index]) }
    }

    /// The world beyond the site's boundary.
    public static let outside = ShortName(bytes: [0x6F, 0x75, 0x74, 0x73, 0x69, 0x64, 0x65])!
}
