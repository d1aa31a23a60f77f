import Admission
import Framing
import Testing

@Suite struct ChecksumTests {
    /// RFC 3720 appendix B.4, and the check value of the CRC catalogue. The RFC prints the bytes as they are sent,
    /// lowest first.
    static let published: [(of: [UInt8], crc: UInt32)] = [
        (Array("123456789".utf8), 0xE306_9283),
        ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
        ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
        (Array(0..<32), 0x46DD_794E),
        (Array((0..<32).reversed()), 0x113F_DB5C),
        (
            bytes(
                "01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000"
            ), 0xD996_3A56
        ),
        ([], 0),
    ]

    @Test("CRC-32C gives the published values", arguments: published)
    func crc(of bytes: [UInt8], crc: UInt32) {
        #expect(bytes.withUnsafeBytes { CRC32C.checksum($0) } == crc)
    }

    @Test("CRC-32C in two parts is that of the whole, wherever it is cut")
    func crcInParts() {
        var random = RandomRecords()
        let bytes = random.bytes(100)
        let whole = bytes.withUnsafeBytes { CRC32C.checksum($0) }
        for cut in 0...100 {
            let parts = bytes.withUnsafeBytes { all in
                CRC32C.checksum(
                    UnsafeRawBufferPointer(rebasing: all[cut...]),
                    continuing: CRC32C.checksum(UnsafeRawBufferPointer(rebasing: all[..<cut])))
            }
            #expect(parts == whole, "cut at \(cut)")
        }
    }

    /// `vectors_sip128` of the reference implementation (github.com/veorq/SipHash, vectors.h): key 00…0f, input of
    /// n bytes 00, 01, …
    static let sipVectors: [String] = [
        "a3817f04ba25a8e66df67214c7550293", "da87c1d86b99af44347659119b22fc45",
        "8177228da4a45dc7fca38bdef60affe4", "9c70b60c5267a94e5f33b6b02985ed51",
        "f88164c12d9c8faf7d0f6e7c7bcd5579", "1368875980776f8854527a07690e9627",
        "14eeca338b208613485ea0308fd7a15e", "a1f1ebbed8dbc153c0b84aa61ff08239",
        "3b62a9ba6258f5610f83e264f31497b4", "264499060ad9baabc47f8b02bb6d71ed",
    ]

    @Test("SipHash-2-4-128 gives the reference's vectors", arguments: Array(sipVectors.enumerated()))
    func sipHash(length: Int, expected: String) throws {
        let key = try #require(BadgeKey(bytes: Array(0..<16)))
        var hash = SipHash(key: key)
        for byte in 0..<UInt8(length) { hash.append(byte) }
        let (low, high) = hash.finish()
        let output = (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? low : high) >> (8 * UInt64($0 & 7))) }
        #expect(hex(output) == expected)
    }

    @Test("a tag is the first ten bytes of the hash over type, length and bytes")
    func tag() throws {
        let key = try #require(BadgeKey(bytes: Array(0..<16)))
        let chip = try #require(Identifier(.chip, bytes: [0x2A, 0x00, 0x51]))
        var hash = SipHash(key: key)
        for byte: UInt8 in [1, 3, 0x2A, 0x00, 0x51] { hash.append(byte) }
        let (low, high) = hash.finish()
        #expect(key.tag(of: chip) == BadgeTag(low: low, high: UInt16(truncatingIfNeeded: high)))
    }

    @Test("the same bytes as a chip, a code and a vehicle tag are three tags")
    func typesApart() throws {
        let key = try #require(BadgeKey(bytes: Array(0..<16)))
        let tags = try IdentifierType.allCases.map { type in
            key.tag(of: try #require(Identifier(type, bytes: [1, 2, 3, 4])))
        }
        #expect(Set(tags).count == 3)
    }

    @Test("the fingerprint differs between keys and is no badge's tag")
    func fingerprint() throws {
        var random = RandomRecords()
        let first = try #require(BadgeKey(bytes: random.bytes(16)))
        let second = try #require(BadgeKey(bytes: random.bytes(16)))
        #expect(first.fingerprint != second.fingerprint)
        #expect(BadgeKey(bytes: random.bytes(15)) == nil)
        #expect(BadgeKey(bytes: random.bytes(17)) == nil)
    }
}
