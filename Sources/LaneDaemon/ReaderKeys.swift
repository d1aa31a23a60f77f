import Cryptography
import Framing
import Posix

/// What the configuration says of an OSDP reader's key.
struct ReaderKeySetting: Sendable {
    var file: String
    var allowsProvisioning: Bool
}

/// Gives an OSDP session its key, and libcrypto's AES and random bytes.
enum ReaderKeys {
    /// The options of a line, with its key read where it has one.
    static func options(of line: LaneSettings.Line) throws -> DeviceOptions {
        var options = line.options
        guard let setting = line.readerKey else { return options }
        if setting.allowsProvisioning {
            Log.warning(
                "\(line.name): provisioning is allowed: a reader under the key that everybody knows is given ours")
        }
        options.osdp.security = .required(
            key: try read(setting.file), provisioning: setting.allowsProvisioning ? .allowed : .refused, ciphers)
        return options
    }

    private static func read(_ path: String) throws -> CipherBlock {
        try PrivateFile.check(path)
        let bytes = try FileSystem.read(path, limit: 4096)
        do {
            return try ReaderKeyFile(text: String(decoding: bytes, as: UTF8.self)).key
        } catch { throw FormatError(path, error.problem) }
    }

    private static let ciphers = CipherSource(
        makeCipher: { (key) throws(CipherFailure) in
            do throws(CryptographyFailure) {
                return LibcryptoCipher(aes: try AES128(key: (0..<16).map { key[$0] }))
            } catch { throw failed(error) }
        },
        randomBytes: { (count) throws(CipherFailure) in
            do throws(CryptographyFailure) { return try RandomBytes.make(count) } catch { throw failed(error) }
        })

    fileprivate static func failed(_ failure: CryptographyFailure) -> CipherFailure {
        Log.error("\(failure)")
        return CipherFailure()
    }
}

private struct LibcryptoCipher: BlockCipher {
    let aes: AES128

    func encrypt(_ block: inout CipherBlock) throws(CipherFailure) {
        try change(&block) { (bytes) throws(CryptographyFailure) in try aes.encrypt(bytes) }
    }

    func decrypt(_ block: inout CipherBlock) throws(CipherFailure) {
        try change(&block) { (bytes) throws(CryptographyFailure) in try aes.decrypt(bytes) }
    }

    private func change(
        _ block: inout CipherBlock, _ body: (UnsafeMutableRawBufferPointer) throws(CryptographyFailure) -> Void
    ) throws(CipherFailure) {
        let failure: CryptographyFailure? = block.withBytes { bytes in
            do throws(CryptographyFailure) {
                try body(bytes)
                return nil
            } catch { return error }
        }
        if let failure { throw ReaderKeys.failed(failure) }
    }
}
