import Cryptography
import TestSupport
import Testing

@Suite struct SHA256Tests {
    @Test(
        "SHA-256 of the published examples (FIPS 180-4, NIST CAVP)",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
            (
                String(repeating: "a", count: 1_000_000),
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
            ),
        ])
    func published(message: String, digest: String) throws {
        #expect(hex(try SHA256.hash(Array(message.utf8))) == digest)
    }

    @Test("a message in parts has the digest of the whole, wherever it is split")
    func parts() throws {
        var random = SeededGenerator()
        let message = random.bytes(300)
        let whole = try SHA256.hash(message)
        for split in 0...message.count {
            var hash = try SHA256()
            try hash.update(Array(message[..<split]))
            try message[split...].withUnsafeBytes { try hash.update($0) }
            #expect(try hash.finish() == whole)
        }
    }
}
