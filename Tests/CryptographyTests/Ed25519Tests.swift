import Cryptography
import TestSupport
import Testing

@Suite struct Ed25519Tests {
    @Test(
        "keys and signatures are as published (RFC 8032, 7.1: tests 1, 2, 3 and SHA(abc))",
        arguments: [
            [
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                    + "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ],
            [
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                    + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ],
            [
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                    + "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ],
            [
                "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
                "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                    + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
                "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
                    + "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
            ],
        ])
    func published(vector: [String]) throws {
        let (seed, publicKey) = (bytes(vector[0]), bytes(vector[1]))
        let (message, signature) = (bytes(vector[2]), bytes(vector[3]))
        let key = try Ed25519.SigningKey(seed: seed)
        #expect(key.publicKey == publicKey)
        #expect(try key.seed() == seed)
        #expect(hex(try key.sign(message)) == hex(signature))
        #expect(try Ed25519.VerifyingKey(publicKey).verify(signature, of: message))
    }

    @Test("no bit of a message, a signature or a key can change")
    func changedBits() throws {
        let key = try Ed25519.SigningKey.generate()
        let message = Array("image 7".utf8)
        let signature = try key.sign(message)
        let verifying = try Ed25519.VerifyingKey(key.publicKey)
        #expect(try verifying.verify(signature, of: message))
        for bit in 0..<(8 * signature.count) {
            #expect(try !verifying.verify(flipping(bit, of: signature), of: message))
        }
        for bit in 0..<(8 * message.count) {
            #expect(try !verifying.verify(signature, of: flipping(bit, of: message)))
        }
        for bit in 0..<(8 * key.publicKey.count) {
            let other = try Ed25519.VerifyingKey(flipping(bit, of: key.publicKey))
            #expect(try !other.verify(signature, of: message))
        }
    }

    @Test("a signature of another length is not good", arguments: [0, 63, 65])
    func signatureLength(count: Int) throws {
        let key = try Ed25519.SigningKey.generate()
        let verifying = try Ed25519.VerifyingKey(key.publicKey)
        #expect(try !verifying.verify([UInt8](repeating: 0, count: count), of: [1]))
    }

    @Test("keys of another length are refused", arguments: [0, 31, 33, 64])
    func keyLength(count: Int) {
        let wrong = [UInt8](repeating: 1, count: count)
        #expect(throws: CryptographyFailure.self) { try Ed25519.SigningKey(seed: wrong) }
        #expect(throws: CryptographyFailure.self) { try Ed25519.VerifyingKey(wrong) }
    }

    @Test("generated keys differ")
    func generated() throws {
        #expect(try Ed25519.SigningKey.generate().publicKey != Ed25519.SigningKey.generate().publicKey)
    }

    private func flipping(_ bit: Int, of original: [UInt8]) -> [UInt8] {
        var changed = original
        changed[bit / 8] ^= 1 << (bit % 8)
        return changed
    }
}
