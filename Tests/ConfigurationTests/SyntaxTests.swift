import Configuration
import Posix
import TestSupport
import Testing

/// What a file is refused with, a line for each problem; empty when it is accepted.
func problems(_ text: String, _ read: (Section) -> Void = { _ in }) -> String {
    problems(Array(text.utf8), read)
}

func problems(_ contents: [UInt8], _ read: (Section) -> Void = { _ in }) -> String {
    do throws(ConfigurationFailure) {
        let reader = try ConfigurationReader(contents: contents, path: "/etc/lane.yaml")
        read(reader.root)
        try reader.finish()
        return ""
    } catch {
        return error.description.replacing("/etc/", with: "")
    }
}

@Suite struct SyntaxTests {
    @Test(
        "a file that cannot be read as settings says where and why",
        arguments: [
            ("", "lane.yaml: the file holds no settings; see the example in Config/"),
            ("\n# only a comment\n", "lane.yaml: the file holds no settings; see the example in Config/"),
            ("---\n", "lane.yaml:2:1: expected settings (name: value) at the top, found a single value"),
            ("- a\n- b\n", "lane.yaml:1:1: expected settings (name: value) at the top, found a list"),
            ("lane", "lane.yaml:1:1: expected settings (name: value) at the top, found a single value"),
            ("a: 1\n\tb: 2\n", "lane.yaml:2:1: this line is indented with a tab; indent with spaces"),
            (
                "a: [1, 2\nb: 3\n",
                "lane.yaml:2:2: the file is not valid YAML: did not find expected ',' or ']' while parsing a flow sequence begun at line 1"
            ),
            (
                "a: \"open\n",
                "lane.yaml:2:1: the file is not valid YAML: found unexpected end of stream while scanning a quoted scalar begun at line 1"
            ),
            ("a: 1\n---\nb: 2\n", "lane.yaml:2:1: a second document ('---') begins here; one file holds one document"),
            ("北: \0x\n", "lane.yaml:1:4: a NUL byte stands here; the file is damaged, or not a text"),
            ("a: 1\na: 2\n", "lane.yaml:2:1: a: the key is already given at line 1; keep one of the two"),
            ("a: {b: 1, b: 2}\n", "lane.yaml:1:11: a.b: the key is already given at line 1; keep one of the two"),
            ("a: !!str x\n", "lane.yaml:1:4: a: tags (!name) are not accepted; write the value alone"),
            ("? [x]\n: 1\na: 1\n", "lane.yaml:1:3: a key must be a single name"),
        ])
    func refused(text: String, expected: String) {
        let found = problems(text) {
            if let group = $0.optionalSection("a", orWord: "x") { _ = group.optionalText("b") }
        }
        #expect(found.contains(expected))
    }

    @Test("anchors, aliases and merge keys are refused, each where it stands")
    func aliases() {
        let text = "a: &one {b: 1}\nc: *one\nd:\n  <<: *one\n"
        let found = problems(text) {
            _ = $0.section("a").integer("b", in: 0...9)
            _ = $0.section("c").integer("b", in: 0...9)
            _ = $0.section("d").optionalText("b")
        }
        #expect(
            found == """
                lane.yaml:1:4: a: anchors (&name) are not accepted; write the value out
                lane.yaml:2:4: c: aliases (*name) are not accepted; write the value out
                lane.yaml:4:3: d.'<<': unknown key. Allowed here: b
                lane.yaml:4:7: d.'<<': aliases (*name) are not accepted; write the value out
                """)
    }

    @Test(
        "bytes that are not UTF-8 are refused at their place", arguments: ["ff", "c3 28", "ed a0 80", "e5 8c", "c0 80"])
    func notUTF8(wrong: String) {
        let contents = Array("a: 1\n厅: x".utf8) + bytes(wrong) + [0x0A]
        #expect(problems(contents) == "lane.yaml:2:5: the text is not UTF-8 here; save the file as UTF-8")
    }

    @Test("UTF-16 is refused as not UTF-8")
    func utf16() {
        #expect(problems(bytes("ff fe 61 00 3a 00")).hasPrefix("lane.yaml:1:1: the text is not UTF-8 here"))
    }

    @Test("a byte order mark and Windows line ends are fine, and do not move columns")
    func byteOrderMark() {
        var name = ""
        let found = problems("\u{FEFF}name: 北登录厅-07\r\nother: 1\r\n") { name = $0.text("name", rule: .displayName) }
        #expect(name == "北登录厅-07")
        #expect(found == "lane.yaml:2:1: other: unknown key. Allowed here: name")
        let first = problems("\u{FEFF}nome: x\n") { _ = $0.optionalText("name") }
        #expect(first == "lane.yaml:1:1: nome: unknown key; did you mean name? Allowed here: name")
    }

    @Test("16 levels are read, 17 are refused", arguments: [16, 17, 5000])
    func depth(levels: Int) {
        // The top is level 1, the innermost value the last one.
        let text = "a: " + String(repeating: "[", count: levels - 2) + "1" + String(repeating: "]", count: levels - 2)
        let found = problems(text)
        #expect(found.contains("settings are nested deeper than 16 levels") == (levels > 16))
    }

    @Test("more than 20,000 values are refused")
    func nodes() {
        let list = String(repeating: "1,", count: 20_000)
        #expect(problems("a: [\(list)]").contains("the file has more than 20000 values"))
    }

    @Test("a file of 1 MiB is read, one byte more is refused")
    func size() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("lane.yaml")
        let comment = "a: 1\n#" + String(repeating: "x", count: (1 << 20) - 6)
        try FileSystem.replace(path, with: Array(comment.utf8), mode: 0o600)
        #expect(try ConfigurationReader(path: path).root.integer("a", in: 0...9) == 1)
        try FileSystem.replace(path, with: Array((comment + "x").utf8), mode: 0o600)
        #expect(throws: ConfigurationFailure.self) { try ConfigurationReader(path: path) }
    }

    @Test("a file that is not there and a directory say what to do")
    func unreadable() throws {
        let directory = try TemporaryDirectory()
        let cases = [
            (directory.file("x.yaml"), "No such file or directory (2): check the path"),
            (directory.path, "Is a directory (21): name a file, not a directory"),
        ]
        for (path, expected) in cases {
            #expect {
                try ConfigurationReader(path: path)
            } throws: {
                "\($0)".hasPrefix("\(path): cannot ") && "\($0)".contains(expected)
            }
        }
    }

    @Test("any bytes are read or refused, never more")
    func noise() {
        var random = SeededGenerator()
        let parts = [
            "a", ": ", "\n", "  ", "- ", "[", "]", "{", "}", "\"", "'", "&x", "*x", "!", "|", ">", "#", "?", "厅", "%",
            "@", "---", "...", "\t", ",",
        ]
        for _ in 0..<3000 {
            let text = (0..<Int.random(in: 0...30, using: &random)).map { _ in parts.randomElement(using: &random) ?? ""
            }
            _ = problems(text.joined()) { _ = $0.optionalText("a") }
            _ = problems(random.bytes(Int.random(in: 0...40, using: &random)))
        }
    }
}
