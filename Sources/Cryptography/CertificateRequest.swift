import CCrypto

/// A PKCS #10 request (RFC 2986): a public key, and the proof that its sender has the private one. Whom the certificate
/// names is for the authority to say; what the request says of it is not looked at.
public final class CertificateRequest: @unchecked Sendable {
    // Unchecked: libcrypto only reads a request after it was made.
    private let pointer: OpaquePointer

    var publicKey: OpaquePointer? { X509_REQ_get0_pubkey(pointer) }

    /// From PEM. A key that is no P-256 key, or a signature that is not its own, is refused.
    public init(pem: [UInt8]) throws(CryptographyFailure) {
        guard let read = try readingPEM(pem, ccrypto_read_request) else { throw .ofLibrary("read a request") }
        guard let key = X509_REQ_get0_pubkey(read), ccrypto_is_p256_key(key) == 1 else {
            X509_REQ_free(read)
            ERR_clear_error()
            throw CryptographyFailure("use a request", reason: "its key is not an EC key of the curve P-256")
        }
        guard X509_REQ_verify(read, key) == 1 else {
            X509_REQ_free(read)
            ERR_clear_error()
            throw CryptographyFailure("use a request", reason: "it is not signed with its own key")
        }
        pointer = read
    }

    deinit { X509_REQ_free(pointer) }

    /// A request in PEM for a key of one's own.
    public static func make(for key: PrivateKey) throws(CryptographyFailure) -> [UInt8] {
        guard let made = X509_REQ_new() else { throw .ofLibrary("make a request") }
        defer { X509_REQ_free(made) }
        guard X509_REQ_set_version(made, 0) == 1, X509_REQ_set_pubkey(made, key.pointer) == 1,
            X509_REQ_sign(made, key.pointer, EVP_sha256()) > 0
        else { throw .ofLibrary("sign a request") }
        return try written("write a request") { PEM_write_bio_X509_REQ($0, made) }
    }
}
