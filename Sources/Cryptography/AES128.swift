import CCrypto
import Synchronization

/// AES-128 encryption of single blocks (FIPS 197, ECB without padding) under one key: what OSDP's secure channel
/// builds its cryptograms, CBC and MACs of. The key's schedule is computed once.
public final class AES128: Sendable {
    public static let blockBytes = 16
    public static let keyBytes = 16

    // libcrypto's contexts serve one thread at a time.
    private let context: Mutex<Context>

    private struct Context: ~Copyable, @unchecked Sendable {
        let pointer: OpaquePointer
        deinit { EVP_CIPHER_CTX_free(pointer) }
    }

    /// `key`: 16 bytes.
    public init(key: [UInt8]) throws(CryptographyFailure) {
        guard key.count == AES128.keyBytes else {
            throw CryptographyFailure("use an AES-128 key", reason: "it has \(key.count) bytes instead of 16")
        }
        guard let pointer = EVP_CIPHER_CTX_new() else { throw .ofLibrary("make an AES-128 context") }
        let context = Context(pointer: pointer)
        guard EVP_EncryptInit_ex(pointer, EVP_aes_128_ecb(), nil, key, nil) == 1 else {
            throw .ofLibrary("use an AES-128 key")
        }
        // Padding would come with EVP_EncryptFinal, which is never called.
        self.context = Mutex(context)
    }

    /// One block of 16 bytes.
    public func encrypt(_ block: [UInt8]) throws(CryptographyFailure) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: AES128.blockBytes)
        try check(block.count)
        try encryptBlock(block, &output)
        return output
    }

    /// One block of 16 bytes into another, which may be the same memory. Allocates nothing.
    public func encrypt(
        _ block: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(CryptographyFailure) {
        try check(block.count)
        try check(output.count)
        guard let input = block.baseAddress, let result = output.baseAddress else { return }
        try encryptBlock(input.assumingMemoryBound(to: UInt8.self), result.assumingMemoryBound(to: UInt8.self))
    }

    private func check(_ count: Int) throws(CryptographyFailure) {
        guard count == AES128.blockBytes else {
            throw CryptographyFailure("encrypt a block", reason: "it has \(count) bytes instead of 16")
        }
    }

    private func encryptBlock(
        _ input: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<UInt8>
    ) throws(CryptographyFailure) {
        let done = context.withLock { context in
            var written: Int32 = 0
            return EVP_EncryptUpdate(context.pointer, output, &written, input, 16) == 1 && written == 16
        }
        guard done else { throw .ofLibrary("encrypt a block") }
    }
}
