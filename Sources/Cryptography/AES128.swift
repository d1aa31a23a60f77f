import CCrypto
import Synchronization

/// AES-128 on single blocks (FIPS 197, ECB without padding) under one key: what OSDP's secure channel builds its
/// cryptograms, CBC and MACs of. The key's schedules are computed once.
public final class AES128: Sendable {
    public static let blockBytes = 16
    public static let keyBytes = 16

    // libcrypto's contexts serve one thread at a time.
    private let encryption: Mutex<Context>
    private let decryption: Mutex<Context>

    private struct Context: ~Copyable, @unchecked Sendable {
        let pointer: OpaquePointer
        deinit { EVP_CIPHER_CTX_free(pointer) }
    }

    /// `key`: 16 bytes.
    public init(key: [UInt8]) throws(CryptographyFailure) {
        guard key.count == AES128.keyBytes else {
            throw CryptographyFailure("use an AES-128 key", reason: "it has \(key.count) bytes instead of 16")
        }
        encryption = Mutex(try AES128.context(key, encrypts: true))
        decryption = Mutex(try AES128.context(key, encrypts: false))
    }

    private static func context(_ key: [UInt8], encrypts: Bool) throws(CryptographyFailure) -> Context {
        guard let pointer = EVP_CIPHER_CTX_new() else { throw .ofLibrary("make an AES-128 context") }
        let context = Context(pointer: pointer)
        // With padding the decryption would keep the last block back.
        guard EVP_CipherInit_ex(pointer, EVP_aes_128_ecb(), nil, key, nil, encrypts ? 1 : 0) == 1,
            EVP_CIPHER_CTX_set_padding(pointer, 0) == 1
        else { throw .ofLibrary("use an AES-128 key") }
        return context
    }

    /// One block of 16 bytes.
    public func encrypt(_ block: [UInt8]) throws(CryptographyFailure) -> [UInt8] {
        var output = block
        try output.withUnsafeMutableBufferPointer { (bytes) throws(CryptographyFailure) in
            try encrypt(UnsafeMutableRawBufferPointer(bytes))
        }
        return output
    }

    /// One block of 16 bytes in place. Allocates nothing.
    public func encrypt(_ block: UnsafeMutableRawBufferPointer) throws(CryptographyFailure) {
        try AES128.change(block, encryption, "encrypt a block")
    }

    /// One block of 16 bytes in place. Allocates nothing.
    public func decrypt(_ block: UnsafeMutableRawBufferPointer) throws(CryptographyFailure) {
        try AES128.change(block, decryption, "decrypt a block")
    }

    private static func change(
        _ block: UnsafeMutableRawBufferPointer, _ context: borrowing Mutex<Context>, _ operation: String
    ) throws(CryptographyFailure) {
        guard block.count == AES128.blockBytes, let address = block.baseAddress else {
            throw CryptographyFailure(operation, reason: "it has \(block.count) bytes instead of 16")
        }
        let bytes = address.assumingMemoryBound(to: UInt8.self)
        let done = context.withLock { context in
            var written: Int32 = 0
            return EVP_CipherUpdate(context.pointer, bytes, &written, bytes, 16) == 1 && written == 16
        }
        guard done else { throw .ofLibrary(operation) }
    }
}
