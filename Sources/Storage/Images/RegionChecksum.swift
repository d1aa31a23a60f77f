import CChecksum
import Framing

/// The CRC-32C of an image's region. By the processor's instruction, where it has one: 21 MiB in 3 ms instead of 14; the
/// table in `CRC32C` says what is right, and where there is no instruction it does the work.
enum RegionChecksum {
    static let hasInstruction = cchecksum_has_instruction() != 0

    static func of(_ region: UnsafeRawBufferPointer) -> UInt32 {
        hasInstruction ? byInstruction(region) : CRC32C.checksum(region)
    }

    /// Only where `hasInstruction`.
    static func byInstruction(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        guard let base = bytes.baseAddress else { return 0 }
        return ~cchecksum_crc32c(~0, base, bytes.count)
    }
}
