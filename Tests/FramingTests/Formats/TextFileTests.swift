import Admission
import Framing
import Testing

@Suite struct TextFileTests {
    @Test("a stored-through line reads back")
    func storedThrough() throws {
        var random = RandomRecords()
        for sequence in [0, 1, 17, UInt64.max] {
            let stored = StoredThrough(epoch: random.epoch(), sequence: sequence)
            #expect(try StoredThrough(text: stored.text) == stored)
        }
    }

    static let digits = "000102030405060708090a0b0c0d0e0f"
    static let garbage: [String] = [
        "", "\n", "stored", "stored \(digits) 5", "stored \(digits) 5\r\n", "stored \(digits) -5\n",
        "stored \(digits) +5\n", "stored \(digits) 5 \n", "stored  \(digits) 5\n", "stored \(digits)0 5\n",
        "stored \(digits.dropLast()) 5\n", "stored \(digits) 18446744073709551616\n", "stored \(digits) 5\n\n",
        "stored \(digits) 0x5\n", "Stored \(digits) 5\n", "stored \(digits) \n", "stored \(digits) ٥\n",
        "stored \(digits) 5\nstored \(digits) 6\n", "stored \(digits) 00000000000000000000000000000000005\n",
        "stored \(String(repeating: "é", count: 16)) 5\n", String(repeating: "stored ", count: 1000), "\0\0\0\0",
    ]

    @Test("anything else is no stored-through line", arguments: garbage)
    func storedThroughGarbage(text: String) {
        #expect(throws: FormatError.self) { try StoredThrough(text: text) }
    }

    @Test("an applied mark reads back, and anything else is none")
    func applied() throws {
        let digest = String(repeating: "0f", count: 32)
        let mark = AppliedMark(imageVersion: 12, changeNumber: 0, headerDigestHex: digest)
        #expect(mark.text == "applied 12 0 \(digest)\n")
        #expect(try AppliedMark(text: mark.text) == mark)
        for text in [
            "", "applied", "applied 12 0 \(digest)", "applied 12 0 \(digest)00\n", "applied +12 0 \(digest)\n",
            "applied 12 \(digest)\n", "applied -1 0 \(digest)\n", "applied 12 0 \(digest.dropLast())g\n",
        ] {
            #expect(throws: FormatError.self, "\(text)") { try AppliedMark(text: text) }
        }
    }

    @Test("an order reads back with its remark, and anything else is none")
    func orders() throws {
        for remark in ["", "broken bar", "闸机 维修", "  two  blanks "] {
            let order = StandingOrder(
                mode: .heldOpen, minutes: 30, user: 1000, remark: Remark(remark),
                givenAt: WallTime(milliseconds: 1_800_000_000_123))
            #expect(order.fileText == "order 5 30 1000 1800000000123 \(remark)\n")
            #expect(try StandingOrder(fileText: order.fileText) == order)
        }
        for text in [
            "", "order", "order 4 0 0 5\n", "order 4 0 0 5 x", "order 1 0 0 5 x\n", "order 9 0 0 5 x\n",
            "order 4 -1 0 5 x\n", "order 4 0 4294967296 5 x\n", "orders 4 0 0 5 x\n", "order 4 0 0 noon x\n",
            "order +4 0 0 5 x\n", "order 4 +1 0 5 x\n",
        ] {
            #expect(throws: FormatError.self, "\(text)") { try StandingOrder(fileText: text) }
        }
    }

    @Test("a key file reads back as its own kind and is refused as another")
    func keyFiles() throws {
        var random = RandomRecords()
        for kind in [KeyFile.Kind.sitePublic, .siteSecret, .badge] {
            let file = KeyFile(
                kind: kind, site: SiteID(low: random.word(), high: random.word()), key: random.bytes(kind.keyLength))
            let back = try KeyFile(text: file.text, expecting: kind)
            #expect(back.site == file.site && back.key == file.key && back.kind == kind)
            let other: KeyFile.Kind = kind == .badge ? .sitePublic : .badge
            #expect(throws: FormatError.self) { try KeyFile(text: file.text, expecting: other) }
            #expect(throws: FormatError.self) { try KeyFile(text: String(file.text.dropLast(3)), expecting: kind) }
        }
    }

    @Test("the error about a secret key file does not show the key")
    func secretStaysSecret() {
        let secret = String(repeating: "ab", count: 31)
        do {
            _ = try KeyFile(
                text: "lanekeeper-site-secret-1 \(TextFileTests.digits) \(secret)\n", expecting: .siteSecret)
            Issue.record("a key of 31 bytes was taken")
        } catch {
            #expect(!"\(error)".contains("abab"))
        }
    }
}
