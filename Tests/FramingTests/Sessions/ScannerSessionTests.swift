import Admission
import Framing
import Testing

@Suite("QR and barcode scanners")
struct ScannerSessionTests {
    static func options(
        _ ending: ScannerOptions.Ending = .line, aim: Bool = false, prefix: String = "", suffix: String = ""
    ) -> ScannerOptions {
        var options = ScannerOptions()
        options.ending = ending
        options.hasAIM = aim
        options.prefix = InlineText(prefix)
        options.suffix = InlineText(suffix)
        return options
    }

    private func codes(_ feed: Feed) -> [String] {
        feed.events.compactMap {
            if case .identifier(let code) = $0, code.type == .code {
                String(decoding: code.bytes, as: UTF8.self)
            } else {
                nil
            }
        }
    }

    @Test("CR, LF and CR LF end a code, and it is one code", arguments: ["\r", "\n", "\r\n"])
    func lineEnds(end: String) {
        let feed = fed(ScannerSession(Self.options()), Array("A1\(end)\(end)B2\(end)".utf8))
        #expect(codes(feed) == ["A1", "B2"])
        #expect(feed.faults.isEmpty)
        #expect(feed.session.nextDeadline == .never)
    }

    @Test("ETX ends a code where the scanner is set so, and CR does not")
    func etx() {
        #expect(codes(fed(ScannerSession(Self.options(.etx)), Array("A1\u{3}B2\u{3}".utf8))) == ["A1", "B2"])
        #expect(codes(fed(ScannerSession(Self.options(.etx)), Array("A1\r\u{3}".utf8))).isEmpty)
    }

    @Test("without a terminator silence ends a code, and only a silence that is long enough")
    func none() {
        var feed = Feed(ScannerSession(Self.options(.none)))
        feed.receive("BADGE-".utf8)
        feed.wait(milliseconds: 50)
        feed.receive("42".utf8)
        feed.wait(milliseconds: 58)
        #expect(codes(feed).isEmpty)
        feed.wait(milliseconds: 2)
        #expect(codes(feed) == ["BADGE-42"])
        feed.receive("X".utf8)
        // The shell was late: the next code is not glued to this one.
        feed.now = feed.now.advanced(byMilliseconds: 500)
        feed.receive("Y".utf8)
        feed.wait(milliseconds: 60)
        #expect(codes(feed) == ["BADGE-42", "X", "Y"])
    }

    @Test("a code that comes in two pieces is read, wherever it is cut", arguments: 0...9)
    func everySplit(cut: Int) {
        var feed = Feed(ScannerSession(Self.options()))
        feed.receive(Array("BADGE-42\r".utf8).prefix(cut))
        feed.wait(milliseconds: 700)
        feed.receive(Array("BADGE-42\r".utf8).dropFirst(cut))
        #expect(codes(feed) == ["BADGE-42"])
    }

    @Test("an AIM id is taken off where there is one, and is part of the code where there is none")
    func aim() {
        let sent = Array("]Q1HELLO\r".utf8)
        #expect(codes(fed(ScannerSession(Self.options(aim: true)), sent)) == ["HELLO"])
        #expect(codes(fed(ScannerSession(Self.options()), sent)) == ["]Q1HELLO"])
        for wrong in ["HELLO\r", "]Q\r", "]\r", "]1QX\r", "]Q1\r"] {
            let feed = fed(ScannerSession(Self.options(aim: true)), Array(wrong.utf8))
            #expect(codes(feed).isEmpty)
            #expect(feed.faults == [.unexpectedByte])
        }
    }

    @Test("what the scanner adds is taken off, and a code without it is refused")
    func affixes() {
        let options = Self.options(aim: true, prefix: "<", suffix: "/>")
        #expect(codes(fed(ScannerSession(options), Array("<]Q1A<B/>\r".utf8))) == ["A<B"])
        for wrong in ["]Q1AB/>\r", "<]Q1AB\r", "<]Q1/>\r", "<\r", "/>\r"] {
            #expect(fed(ScannerSession(options), Array(wrong.utf8)).faults == [.unexpectedByte], "\(wrong)")
        }
    }

    @Test("64 bytes are a code, 65 are none, and what follows an endless one is read")
    func length() {
        let longest = String(repeating: "x", count: 64)
        #expect(codes(fed(ScannerSession(Self.options()), Array("\(longest)\r".utf8))) == [longest])
        for count in [65, 195, 196, 100_000] {
            var feed = Feed(ScannerSession(Self.options()))
            // A megabyte a second, so that the time does not end it.
            let step = feed.now
            for byte in Array(String(repeating: "x", count: count).utf8) + [0x0D] {
                feed.now = step
                feed.receive([byte])
            }
            #expect(feed.faults == [.unexpectedByte], "\(count)")
            feed.receive("A1\r".utf8)
            #expect(codes(feed) == ["A1"])
        }
    }

    @Test("half a code whose end does not come is thrown away, not glued to the next")
    func late() {
        var feed = Feed(ScannerSession(Self.options()))
        feed.receive("BADGE-4".utf8)
        feed.wait(milliseconds: 1600)
        #expect(feed.faults == [.late])
        feed.receive("BADGE-42\r".utf8)
        #expect(codes(feed) == ["BADGE-42"])
    }

    @Test(
        "bytes that are no text are no code",
        arguments: [
            [0x41, 0x00], [0x41, 0x07, 0x42], [0x7F], [0x80], [0xC0, 0xAF], [0xC3], [0xE0, 0x80, 0x80],
            [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xC2, 0x85], [0xC3, 0x41],
        ] as [[UInt8]])
    func notText(bytes: [UInt8]) {
        let feed = fed(ScannerSession(Self.options()), bytes + [0x0D])
        #expect(codes(feed).isEmpty)
        #expect(feed.faults == [.unexpectedByte])
    }

    @Test("texts of every script and GS1's separator are codes", arguments: ["证件-0042", "é", "🎫", "01\u{1D}21", "~ ]"])
    func text(code: String) {
        #expect(codes(fed(ScannerSession(Self.options()), Array("\(code)\r".utf8))) == [code])
    }

    @Test("random bytes never crash it, and what it takes for a code is text", arguments: 1...4 as ClosedRange<UInt64>)
    func randomBytes(seed: UInt64) {
        var random = SeededBytes(state: seed)
        for ending in ScannerOptions.Ending.allCases {
            var feed = Feed(ScannerSession(Self.options(ending, aim: Bool.random(using: &random))))
            for _ in 0..<200 {
                feed.receive((0..<40).map { _ in UInt8.random(in: 0...255, using: &random) })
                feed.wait(milliseconds: Int64.random(in: 0...100, using: &random))
            }
            for case .identifier(let code) in feed.events {
                #expect(code.type == .code)
                #expect(Array(String(decoding: code.bytes, as: UTF8.self).utf8) == code.bytes, "seed \(seed)")
            }
        }
    }
}
