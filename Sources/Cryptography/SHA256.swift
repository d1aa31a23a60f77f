import CCrypto

/// SHA-256 (FIPS 180-4). One hash in the making; each part may be as large as a mapped file.
public struct SHA256: ~Copyable {
    public static let digestBytes = 32

    private let context: OpaquePointer

    public init() throws(CryptographyFailure) {
        context = try SHA256.start()
    }

    private static func start() throws(CryptographyFailure) -> OpaquePointer {
        guard let context = EVP_MD_CTX_new() else { throw .ofLibrary("make a SHA-256 context") }
        guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            EVP_MD_CTX_free(context)
            throw .ofLibrary("start SHA-256")
        }
        return context
    }

    deinit { EVP_MD_CTX_free(context) }

    public mutating func update(_ part: UnsafeRawBufferPointer) throws(CryptographyFailure) {
        guard EVP_DigestUpdate(context, part.baseAddress, part.count) == 1 else { throw .ofLibrary("hash") }
    }

    public mutating func update(_ part: [UInt8]) throws(CryptographyFailure) {
        try part.span.bytes.withUnsafeBytes { (raw) throws(CryptographyFailure) in try update(raw) }
    }

    /// The 32 bytes of the digest. The hash is used up.
    public consuming func finish() throws(CryptographyFailure) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: SHA256.digestBytes)
        guard EVP_DigestFinal_ex(context, &digest, nil) == 1 else { throw .ofLibrary("finish SHA-256") }
        return digest
    }

    public static func hash(_ bytes: UnsafeRawBufferPointer) throws(CryptographyFailure) -> [UInt8] {
        var hash = try SHA256()
        try hash.update(bytes)
        return try hash.finish()
    }

    public static func hash(_ bytes: [UInt8]) throws(CryptographyFailure) -> [UInt8] {
        var hash = try SHA256()
        try hash.update(bytes)
        return try hash.finish()
    }
}
