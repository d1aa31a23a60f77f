import CCrypto

public enum RandomBytes {
    /// Random bytes that nobody can predict; they may be seen by others afterwards (identities, challenges).
    public static func make(_ count: Int) throws(CryptographyFailure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        guard RAND_bytes(&bytes, Int32(count)) == 1 else { throw .ofLibrary("make random bytes") }
        return bytes
    }

    /// For keys: from a generator of libcrypto whose output is never shown.
    public static func secret(_ count: Int) throws(CryptographyFailure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        guard RAND_priv_bytes(&bytes, Int32(count)) == 1 else { throw .ofLibrary("make random bytes") }
        return bytes
    }
}

/// Whether two byte strings are equal, in a time that depends on their length only: for MACs, tokens and
/// cryptograms.
public func equalInConstantTime(_ first: [UInt8], _ second: [UInt8]) -> Bool {
    first.count == second.count && CRYPTO_memcmp(first, second, first.count) == 0
}
