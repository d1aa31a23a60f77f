import CCrypto

/// A P-256 key for certificates (FIPS 186-5). Not Ed25519, which signs images and statements: browsers take no
/// certificates of it. Any thread may use it.
public final class PrivateKey: @unchecked Sendable {
    // Unchecked: libcrypto only reads a key after it was made.
    let pointer: OpaquePointer

    init(owning pointer: OpaquePointer) { self.pointer = pointer }

    deinit { EVP_PKEY_free(pointer) }

    public static func generate() throws(CryptographyFailure) -> PrivateKey {
        guard let made = ccrypto_make_p256_key() else { throw .ofLibrary("make a P-256 key") }
        return PrivateKey(owning: made)
    }

    /// From the first private key in a PEM text. One that a password protects, or of another kind, is refused.
    public init(pem: [UInt8]) throws(CryptographyFailure) {
        guard let read = try readingPEM(pem, ccrypto_read_key) else { throw .ofLibrary("read a private key") }
        guard ccrypto_is_p256_key(read) == 1 else {
            EVP_PKEY_free(read)
            throw CryptographyFailure("use a private key", reason: "it is not an EC key of the curve P-256")
        }
        pointer = read
    }

    /// PKCS #8 in PEM, without a password: for a file that nobody else can read.
    public func pem() throws(CryptographyFailure) -> [UInt8] {
        try written("write a private key") { PEM_write_bio_PrivateKey($0, pointer, nil, nil, 0, nil, nil) }
    }

    /// Whether the certificate is for this key.
    public func belongs(to certificate: Certificate) -> Bool {
        let belongs = X509_check_private_key(certificate.pointer, pointer) == 1
        if !belongs { ERR_clear_error() }
        return belongs
    }
}

/// What `write` writes to a BIO.
func written(_ operation: String, _ write: (OpaquePointer) -> Int32) throws(CryptographyFailure) -> [UInt8] {
    guard let bio = BIO_new(BIO_s_mem()) else { throw .ofLibrary(operation) }
    defer { BIO_free(bio) }
    guard write(bio) == 1 else { throw .ofLibrary(operation) }
    var bytes: UnsafeMutablePointer<CChar>?
    let count = ccrypto_written(bio, &bytes)
    guard let bytes, count > 0 else { throw .ofLibrary(operation) }
    return Array(UnsafeRawBufferPointer(start: bytes, count: count))
}

/// What `read` finds in a PEM text; nil when it finds nothing it can read.
func readingPEM(
    _ pem: [UInt8], _ read: (OpaquePointer?) -> OpaquePointer?
) throws(CryptographyFailure) -> OpaquePointer? {
    guard pem.count <= 1 << 20, let bio = BIO_new_mem_buf(pem, Int32(pem.count)) else {
        throw CryptographyFailure("read PEM", reason: "it has \(pem.count) bytes")
    }
    // The bytes are read before this returns: the BIO does not copy them.
    return withExtendedLifetime(pem) {
        defer { BIO_free(bio) }
        return read(bio)
    }
}
