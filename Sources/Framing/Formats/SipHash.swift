import Admission

/// The site's badge key: 128 secret bits that turn an identifier into its tag.
public struct BadgeKey: Sendable, Hashable {
    public let low: UInt64
    public let high: UInt64

    /// nil unless there are exactly 16 bytes.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        var words: (UInt64, UInt64) = (0, 0)
        for (index, byte) in bytes.enumerated() {
            if index < 8 {
                words.0 |= UInt64(byte) << UInt64(8 * index)
            } else {
                words.1 |= UInt64(byte) << UInt64(8 * (index - 8))
            }
        }
        low = words.0
        high = words.1
    }
}

/// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein; the reference's `vectors_sip128`).
public struct SipHash {
    private var v0, v1, v2, v3: UInt64
    private var pending: UInt64 = 0
    private var length: UInt64 = 0

    public init(key: BadgeKey) {
        v0 = 0x736f_6d65_7073_6575 ^ key.low
        v1 = 0x646f_7261_6e64_6f6d ^ key.high ^ 0xee
        v2 = 0x6c79_6765_6e65_7261 ^ key.low
        v3 = 0x7465_6462_7974_6573 ^ key.high
    }

    private mutating func round() {
        v0 = v0 &+ v1
        v1 = v1 << 13 | v1 >> 51
        v1 ^= v0
        v0 = v0 << 32 | v0 >> 32
        v2 = v2 &+ v3
        v3 = v3 << 16 | v3 >> 48
        v3 ^= v2
        v0 = v0 &+ v3
        v3 = v3 << 21 | v3 >> 43
        v3 ^= v0
        v2 = v2 &+ v1
        v1 = v1 << 17 | v1 >> 47
        v1 ^= v2
        v2 = v2 << 32 | v2 >> 32
    }

    public mutating func append(_ byte: UInt8) {
        pending |= UInt64(byte) << (8 * (length & 7))
        length &+= 1
        if length & 7 == 0 {
            v3 ^= pending
            round()
            round()
            v0 ^= pending
            pending = 0
        }
    }

    /// Output words: bytes 0–7 and 8–15, each little-endian.
    public consuming func finish() -> (low: UInt64, high: UInt64) {
        let last = pending | length << 56
        v3 ^= last
        round()
        round()
        v0 ^= last
        v2 ^= 0xee
        for _ in 0..<4 { round() }
        let low = v0 ^ v1 ^ v2 ^ v3
        v1 ^= 0xdd
        for _ in 0..<4 { round() }
        return (low, v0 ^ v1 ^ v2 ^ v3)
    }
}

extension BadgeKey {
    /// The tag of an identifier: hash of type byte ‖ length byte ‖ canonical bytes, first ten bytes.
    public func tag(of identifier: Identifier) -> BadgeTag {
        var hash = SipHash(key: self)
        hash.append(identifier.type.rawValue)
        hash.append(UInt8(identifier.count))
        for index in 0..<identifier.count { hash.append(identifier[index]) }
        let (low, high) = hash.finish()
        return BadgeTag(low: low, high: UInt16(truncatingIfNeeded: high))
    }

    /// Tells two keys apart without giving either away: the low word of the hash of type 0, length 0. It stands in the
    /// image's header, so that a lane with another site's key says so instead of finding nobody.
    public var fingerprint: UInt64 {
        var hash = SipHash(key: self)
        hash.append(0)
        hash.append(0)
        return hash.finish().low
    }
}
