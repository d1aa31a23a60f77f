import CChecksum
import Framing

/// The CRC-32C of an image's region. By the processor's instruction, where it has one: the table in `CRC32C` says what is
/// right, and where there is no instruction it does the work.
enum RegionChecksum {
    static let hasInstruction = cchecksum_has_instruction() != 0

    static func of(_ region: UnsafeRawBufferPointer) -> UInt32 {
        hasInstruction ? byInstruction(region) : CRC32C.checksum(region)
    }

    /// Only where `hasInstruction`.
    static func byInstruction(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        guard var at = bytes.baseAddress else { return 0 }
        var left = bytes.count
        var crc = ~UInt32(0)
        while left >= 3 * stretchBytes {
            var first: UInt32 = 0
            var second: UInt32 = 0
            var third: UInt32 = 0
            cchecksum_crc32c_of_three(crc, at, stretchBytes, &first, &second, &third)
            crc = afterStretch(afterStretch(first) ^ second) ^ third
            at += 3 * stretchBytes
            left -= 3 * stretchBytes
        }
        return ~cchecksum_crc32c(crc, at, left)
    }

    /// Three stretches of this length are taken at a time.
    private static let stretchBytes = 4096

    /// What a checksum becomes by `stretchBytes` zero bytes. A CRC is linear, so the checksum of two stretches is that of the
    /// first, so advanced, xor that of the second.
    private static func afterStretch(_ crc: UInt32) -> UInt32 {
        var advanced: UInt32 = 0
        for byte in 0..<4 {
            let value = Int(truncatingIfNeeded: crc >> UInt32(8 * byte)) & 0xFF
            advanced ^= zeros[256 * byte + value]
        }
        return advanced
    }

    /// For each of the four bytes of a checksum what its 256 values become.
    private static let zeros: [UInt32] = {
        let stretch = [UInt8](repeating: 0, count: stretchBytes)
        let bits = (0..<32).map { bit in
            stretch.withUnsafeBytes { cchecksum_crc32c(1 << UInt32(bit), $0.baseAddress, $0.count) }
        }
        var table = [UInt32](repeating: 0, count: 1024)
        for place in table.indices {
            for bit in 0..<8 where place >> bit & 1 == 1 { table[place] ^= bits[place / 256 * 8 + bit] }
        }
        return table
    }()
}
