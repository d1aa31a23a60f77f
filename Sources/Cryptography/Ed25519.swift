import CCrypto

/// Ed25519 (RFC 8032): raw keys of 32 bytes, signatures of 64.
public enum Ed25519 {
    public static let keyBytes = 32
    public static let signatureBytes = 64

    /// A secret key. Any thread may sign.
    public final class SigningKey: @unchecked Sendable {
        // Unchecked: libcrypto only reads a key after it was made.
        private let key: OpaquePointer
        /// 32 bytes.
        public let publicKey: [UInt8]

        /// From the 32 bytes of seed that RFC 8032 calls the private key.
        public init(seed: [UInt8]) throws(CryptographyFailure) {
            guard seed.count == keyBytes else {
                throw CryptographyFailure(
                    "use an Ed25519 secret key", reason: "it has \(seed.count) bytes instead of 32")
            }
            guard let key = EVP_PKEY_new_raw_private_key(NID_ED25519, nil, seed, seed.count) else {
                throw .ofLibrary("use an Ed25519 secret key")
            }
            var publicKey = [UInt8](repeating: 0, count: keyBytes)
            var count = keyBytes
            guard EVP_PKEY_get_raw_public_key(key, &publicKey, &count) == 1, count == keyBytes else {
                EVP_PKEY_free(key)
                throw .ofLibrary("compute an Ed25519 public key")
            }
            self.key = key
            self.publicKey = publicKey
        }

        /// A new key from libcrypto's random numbers.
        public static func generate() throws(CryptographyFailure) -> SigningKey {
            try SigningKey(seed: RandomBytes.secret(keyBytes))
        }

        deinit { EVP_PKEY_free(key) }

        /// The 32 bytes to keep in a file that nobody else can read.
        public func seed() throws(CryptographyFailure) -> [UInt8] {
            var seed = [UInt8](repeating: 0, count: keyBytes)
            var count = keyBytes
            guard EVP_PKEY_get_raw_private_key(key, &seed, &count) == 1, count == keyBytes else {
                throw .ofLibrary("read an Ed25519 secret key")
            }
            return seed
        }

        /// 64 bytes; the same for the same message and key.
        public func sign(_ message: UnsafeRawBufferPointer) throws(CryptographyFailure) -> [UInt8] {
            guard let context = EVP_MD_CTX_new() else { throw .ofLibrary("sign a message") }
            defer { EVP_MD_CTX_free(context) }
            var signature = [UInt8](repeating: 0, count: signatureBytes)
            var count = signatureBytes
            guard EVP_DigestSignInit(context, nil, nil, nil, key) == 1,
                withBase(message, { EVP_DigestSign(context, &signature, &count, $0, message.count) }) == 1,
                count == signatureBytes
            else { throw .ofLibrary("sign a message") }
            return signature
        }

        public func sign(_ message: [UInt8]) throws(CryptographyFailure) -> [UInt8] {
            try message.span.bytes.withUnsafeBytes { (raw) throws(CryptographyFailure) in try sign(raw) }
        }
    }

    /// A public key. Any thread may verify.
    public final class VerifyingKey: @unchecked Sendable {
        // Unchecked: as above.
        private let key: OpaquePointer

        /// From its 32 bytes. Whether they are a point of the curve shows at the first `verify`.
        public init(_ bytes: [UInt8]) throws(CryptographyFailure) {
            guard bytes.count == keyBytes else {
                throw CryptographyFailure(
                    "use an Ed25519 public key", reason: "it has \(bytes.count) bytes instead of 32")
            }
            guard let key = EVP_PKEY_new_raw_public_key(NID_ED25519, nil, bytes, bytes.count) else {
                throw .ofLibrary("use an Ed25519 public key")
            }
            self.key = key
        }

        deinit { EVP_PKEY_free(key) }

        /// Whether the signature is this key's over this message. One of another length than 64 bytes is not.
        public func verify(
            _ signature: [UInt8], of message: UnsafeRawBufferPointer
        ) throws(CryptographyFailure) -> Bool {
            guard signature.count == signatureBytes else { return false }
            guard let context = EVP_MD_CTX_new() else { throw .ofLibrary("verify a signature") }
            defer { EVP_MD_CTX_free(context) }
            guard EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1 else {
                throw .ofLibrary("verify a signature")
            }
            let result = withBase(message) {
                EVP_DigestVerify(context, signature, signature.count, $0, message.count)
            }
            // 0 and negative numbers both stand for signatures that are not good; reasons are not kept.
            if result != 1 { ERR_clear_error() }
            return result == 1
        }

        public func verify(_ signature: [UInt8], of message: [UInt8]) throws(CryptographyFailure) -> Bool {
            try message.span.bytes.withUnsafeBytes { (raw) throws(CryptographyFailure) in
                try verify(signature, of: raw)
            }
        }
    }

    /// libcrypto takes no null pointer, not even for a message of no bytes.
    private static func withBase(_ message: UnsafeRawBufferPointer, _ body: (UnsafePointer<UInt8>) -> Int32) -> Int32 {
        if let base = message.baseAddress { return body(base.assumingMemoryBound(to: UInt8.self)) }
        var nothing: UInt8 = 0
        return body(&nothing)
    }
}
