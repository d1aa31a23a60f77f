import Cryptography
import Framing
import Synchronization

/// libcrypto's AES for the sessions, and random bytes that a test chooses.
struct LibcryptoCipher: BlockCipher {
    let aes: AES128

    func encrypt(_ block: inout CipherBlock) throws(CipherFailure) {
        guard block.withBytes({ bytes in (try? aes.encrypt(bytes)) != nil }) else { throw CipherFailure() }
    }

    func decrypt(_ block: inout CipherBlock) throws(CipherFailure) {
        guard block.withBytes({ bytes in (try? aes.decrypt(bytes)) != nil }) else { throw CipherFailure() }
    }
}

extension CipherSource {
    /// Gives `randoms` in turn, and counts on when they are used up.
    static func testing(_ randoms: [[UInt8]] = []) -> CipherSource {
        let given = Counter()
        return CipherSource(
            makeCipher: { (key) throws(CipherFailure) in
                guard let aes = try? AES128(key: (0..<16).map { key[$0] }) else { throw CipherFailure() }
                return LibcryptoCipher(aes: aes)
            },
            randomBytes: { count in
                let index = given.next()
                return index < randoms.count
                    ? randoms[index] : (0..<count).map { UInt8(truncatingIfNeeded: index + $0) }
            })
    }

    /// A machine whose cipher fails.
    static let broken = CipherSource(
        makeCipher: { (_) throws(CipherFailure) in throw CipherFailure() }, randomBytes: { _ in [] })
}

private final class Counter: Sendable {
    private let value = Atomic(0)
    func next() -> Int { value.add(1, ordering: .relaxed).oldValue }
}

func block(_ hexDigits: String) -> CipherBlock { CipherBlock(bytes(hexDigits)) ?? CipherBlock() }

func hex(_ block: CipherBlock) -> String { hex((0..<16).map { block[$0] }) }
