import Cryptography
import Posix
import TestSupport
import Testing

@Suite struct AES128Tests {
    @Test(
        "a block encrypts as published (FIPS 197 appendices B and C.1, SP 800-38A F.1.1)",
        arguments: [
            (
                "2b7e151628aed2a6abf7158809cf4f3c", "3243f6a8885a308d313198a2e0370734",
                "3925841d02dc09fbdc118597196a0b32"
            ),
            (
                "000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff",
                "69c4e0d86a7b0430d8cdb78070b4c55a"
            ),
            (
                "2b7e151628aed2a6abf7158809cf4f3c", "6bc1bee22e409f96e93d7e117393172a",
                "3ad77bb40d7a3660a89ecaf32466ef97"
            ),
        ])
    func published(key: String, plain: String, cipher: String) throws {
        let aes = try AES128(key: bytes(key))
        // Twice, since one context serves all blocks.
        #expect(hex(try aes.encrypt(bytes(plain))) == cipher)
        #expect(hex(try aes.encrypt(bytes(plain))) == cipher)
    }

    @Test("a block is encrypted in place, and decrypted again (FIPS 197 appendix C.1)")
    func inPlace() throws {
        let aes = try AES128(key: bytes("000102030405060708090a0b0c0d0e0f"))
        var block = bytes("00112233445566778899aabbccddeeff")
        try block.withUnsafeMutableBytes { try aes.encrypt($0) }
        #expect(hex(block) == "69c4e0d86a7b0430d8cdb78070b4c55a")
        for _ in 0..<2 {
            var again = block
            try again.withUnsafeMutableBytes { try aes.decrypt($0) }
            #expect(hex(again) == "00112233445566778899aabbccddeeff")
        }
    }

    @Test("keys and blocks of another size are refused", arguments: [0, 15, 17, 32])
    func sizes(count: Int) throws {
        let wrong = [UInt8](repeating: 0, count: count)
        #expect(throws: CryptographyFailure.self) { try AES128(key: wrong) }
        let aes = try AES128(key: [UInt8](repeating: 0, count: 16))
        #expect(throws: CryptographyFailure.self) { try aes.encrypt(wrong) }
    }

    @Test("several threads share one key")
    func threads() throws {
        let aes = try AES128(key: bytes("000102030405060708090a0b0c0d0e0f"))
        let plain = bytes("00112233445566778899aabbccddeeff")
        let results = try Pipe()
        let threads = try (0..<4).map { _ in
            try NamedThread.start(name: "aes") {
                let wrong = (0..<2000).filter { _ in (try? aes.encrypt(plain))?.first != 0x69 }.count
                try? results.writer.writeAll([wrong == 0 ? 1 : 0])
            }
        }
        for thread in threads { thread.join() }
        var read = [UInt8](repeating: 0, count: 8)
        #expect(try read.withUnsafeMutableBytes { try results.reader.read(into: $0) } == .bytes(4))
        #expect(read == [1, 1, 1, 1, 0, 0, 0, 0])
    }
}
