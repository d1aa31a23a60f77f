import Admission

// Little-endian fields at fixed offsets. Callers have checked the length: each codec checks once, at its door.

extension UnsafeMutableRawBufferPointer {
    func put<T: FixedWidthInteger>(_ value: T, at offset: Int) {
        storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }

    func put(_ name: ShortName, at offset: Int) {
        for index in 0..<name.count { self[offset + index] = name[index] }
    }

    func put(_ bytes: some Collection<UInt8>, at offset: Int) {
        var place = offset
        for byte in bytes {
            self[place] = byte
            place += 1
        }
    }

    func zero() {
        for index in 0..<count { self[index] = 0 }
    }
}

extension UnsafeRawBufferPointer {
    func get<T: FixedWidthInteger>(_ type: T.Type = T.self, at offset: Int) -> T {
        T(littleEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    /// A NUL-padded name in 32 bytes; nil when empty or not terminated.
    func shortName(at offset: Int) -> ShortName? {
        var length = 0
        while length < 32 && self[offset + length] != 0 { length += 1 }
        guard length < 32 else { return nil }
        return ShortName(slice(offset, length))
    }

    func slice(_ offset: Int, _ length: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[offset..<offset + length])
    }

    func hasMagic(_ magic: StaticString) -> Bool {
        guard count >= magic.utf8CodeUnitCount else { return false }
        for index in 0..<magic.utf8CodeUnitCount where self[index] != magic.utf8Start[index] { return false }
        return true
    }
}

extension UnsafeMutableRawBufferPointer {
    func put(magic: StaticString) {
        for index in 0..<magic.utf8CodeUnitCount { self[index] = magic.utf8Start[index] }
    }
}

/// Why bytes are not what they should be: what stood where, and what was expected.
public struct FormatError: Error, Hashable, CustomStringConvertible {
    public let subject: String
    public let problem: String
    public init(_ subject: String, _ problem: String) {
        self.subject = subject
        self.problem = problem
    }
    public var description: String { "\(subject): \(problem)" }
}

/// A 128-bit site id, given once by `lanekeeper-collector init`.
public struct SiteID: Sendable, Hashable {
    public let low: UInt64
    public let high: UInt64
    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }
    public init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        (low, high) = bytes.withUnsafeBytes { ($0.get(at: 0), $0.get(at: 8)) }
    }
    public init?(hex: String) {
        guard let bytes = Hexadecimal.bytes(hex), let id = SiteID(bytes: bytes) else { return nil }
        self = id
    }
    public var bytes: [UInt8] { Hexadecimal.littleEndianBytes(low) + Hexadecimal.littleEndianBytes(high) }
    public var hex: String { Hexadecimal.text(bytes) }
}

extension Epoch {
    public init?(hex: String) {
        guard let bytes = Hexadecimal.bytes(hex), bytes.count == 16 else { return nil }
        self = bytes.withUnsafeBytes { Epoch(low: $0.get(at: 0), high: $0.get(at: 8)) }
    }
    public init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self = bytes.withUnsafeBytes { Epoch(low: $0.get(at: 0), high: $0.get(at: 8)) }
    }
    public var hex: String {
        Hexadecimal.text(Hexadecimal.littleEndianBytes(low) + Hexadecimal.littleEndianBytes(high))
    }
}

extension PolicyDigest {
    /// From the first 16 bytes of a SHA-256.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count >= 16 else { return nil }
        self = Array(bytes).withUnsafeBytes { PolicyDigest(low: $0.get(at: 0), high: $0.get(at: 8)) }
    }
    public var hex: String {
        Hexadecimal.text(Hexadecimal.littleEndianBytes(low) + Hexadecimal.littleEndianBytes(high))
    }
}

extension BadgeTag {
    public var hex: String {
        Hexadecimal.text(Hexadecimal.littleEndianBytes(low) + Hexadecimal.littleEndianBytes(UInt64(high)).prefix(2))
    }
}

/// Lower-case hexadecimal text.
public enum Hexadecimal {
    public static func text(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The value of one digit of either case, nil for anything else.
    public static func digit(_ character: UInt8) -> UInt8? {
        switch character {
        case 0x30...0x39: character - 0x30
        case 0x41...0x46: character - 0x41 + 10
        case 0x61...0x66: character - 0x61 + 10
        default: nil
        }
    }

    /// nil when the length is odd or a character is no hexadecimal digit.
    public static func bytes(_ text: some StringProtocol) -> [UInt8]? {
        let characters = Array(text.utf8)
        guard characters.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(characters.count / 2)
        for index in stride(from: 0, to: characters.count, by: 2) {
            guard let high = digit(characters[index]), let low = digit(characters[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    static func littleEndianBytes(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }
}
