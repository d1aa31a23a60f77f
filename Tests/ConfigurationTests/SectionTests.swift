import Configuration
import TestSupport
import Testing

private enum Kind: String, CaseIterable {
    case entry, exit
    case freeExit = "free-exit"
}

@Suite struct SectionTests {
    @Test("a whole file becomes typed values")
    func whole() throws {
        let text = """
            lane:
              id: north-07
              name: 北登录厅-07
              kind: free-exit
            readers:
              - { name: chip, port: ttyUSB0, baud: 9600 }
              - name: code
                port: /dev/ttyUSB1
            thermometer: absent
            policy:
              limit_celsius: 37.3
              offset_celsius: -0.5
              mark: true
              hold: 6 h
              kinds: [exit, entry]
              names: [a, "1", no]
            zones:
              hall: { name: 东厅 }
              north-ring: { name: 北环 }
            colours: { staff: blue, media: green }
            """
        let reader = try ConfigurationReader(contents: Array(text.utf8), path: "/etc/lanekeeper/lane.yaml")
        let root = reader.root
        let lane = root.section("lane")
        #expect(lane.text("id", rule: .laneID) == "north-07")
        #expect(lane.text("name", rule: .displayName) == "北登录厅-07")
        #expect(lane.choice("kind") == Kind.freeExit)
        let readers = root.sections("readers", count: 1...8)
        #expect(readers.map { $0.text("name") } == ["chip", "code"])
        #expect(readers.map { $0.path("port") } == ["/etc/lanekeeper/ttyUSB0", "/dev/ttyUSB1"])
        #expect(
            readers.map { $0.integer("baud", default: 115_200, in: 9600...230_400, unit: "baud") } == [9600, 115_200])
        #expect(root.optionalSection("thermometer", orWord: "absent") == nil)
        #expect(root.optionalSection("gate") == nil)
        let policy = root.section("policy")
        #expect(policy.number("limit_celsius", in: 30...45, unit: "°C") == 37.3)
        #expect(policy.number("offset_celsius", default: 0, in: -2...2) == -0.5)
        #expect(policy.truth("mark"))
        #expect(policy.duration("hold", inMilliseconds: 0...86_400_000) == 21_600_000)
        #expect(policy.choices("kinds") == [Kind.exit, .entry])
        #expect(policy.choices("others", default: [Kind.entry]) == [.entry])
        #expect(policy.texts("names", count: 1...3) == ["a", "1", "no"])
        #expect(policy.optionalInteger("none", in: 0...1) == nil)
        let zones = root.namedSections("zones", names: .laneID)
        #expect(zones.map { "\($0.name)=\($0.section.text("name"))" } == ["hall=东厅", "north-ring=北环"])
        let colours = root.namedTexts("colours", names: .laneID)
        #expect(colours.map { "\($0.name)=\($0.text)" } == ["staff=blue", "media=green"])
        try reader.finish()
    }

    @Test("everything that is wrong is reported at once, in the order of the file")
    func all() {
        let text = """
            lane:
              id: North_07
              kidn: entry
              baud: 96OO
            reader: { }
            policy: [1]
            """
        let found = problems(text) {
            let lane = $0.section("lane")
            _ = lane.text("id", rule: .laneID)
            let _: Kind = lane.choice("kind")
            _ = lane.integer("baud", in: 1...9, unit: "baud")
            _ = $0.section("policy").integer("x", in: 0...1)
            _ = $0.sections("readers", count: 1...8)
            _ = $0.section("missing").integer("inside", in: 0...1)
        }
        #expect(
            found == """
                lane.yaml:1:1: readers: is missing; expected a list (a line '- …' for each element)
                lane.yaml:1:1: missing: is missing; expected a group of settings (name: value)
                lane.yaml:2:3: lane.kind: is missing; expected one of entry, exit, free-exit
                lane.yaml:2:7: lane.id: 'North_07' is not accepted; expected 1 to 31 of a-z, 0-9 and -
                lane.yaml:3:3: lane.kidn: unknown key; did you mean kind? Allowed here: id, kind, baud
                lane.yaml:4:9: lane.baud: '96OO' is not a whole number; expected a whole number from 1 to 9 baud
                lane.yaml:5:1: reader: unknown key; did you mean readers? Allowed here: lane, policy, readers, missing
                lane.yaml:6:9: policy: expected a group of settings (name: value), found a list
                """)
    }

    @Test("twenty problems are shown and the others counted")
    func bounded() {
        let text = (1...25).map { "key\($0): 1\n" }.joined()
        let lines = problems(text).split(separator: "\n")
        #expect(lines.count == 21)
        #expect(lines.last == "… and 5 more")
    }

    @Test(
        "a value of the wrong kind says what is allowed",
        arguments: [
            ("37", ""), ("-5", "'-5' is out of range; expected a whole number from 0 to 99 s"), ("0", ""), ("99", ""),
            ("100", "'100' is out of range; expected a whole number from 0 to 99 s"),
            ("99999999999999999999", "'99999999999999999999' is out of range; expected a whole number from 0 to 99 s"),
            ("\"5\"", "'5' is a text in quotes; expected a whole number from 0 to 99 s, without quotes"),
            ("5.0", "'5.0' is not a whole number; expected a whole number from 0 to 99 s"),
            ("007", "'007' is not a whole number; expected a whole number from 0 to 99 s"),
            ("0x10", "'0x10' is not a whole number; expected a whole number from 0 to 99 s"),
            ("1_0", "'1_0' is not a whole number; expected a whole number from 0 to 99 s"),
            ("+5", "'+5' is not a whole number; expected a whole number from 0 to 99 s"),
            ("５", "'５' is not a whole number; expected a whole number from 0 to 99 s"),
            ("", "has no value; expected a whole number from 0 to 99 s"),
            ("~", "has no value; expected a whole number from 0 to 99 s"),
            ("[5]", "expected a whole number from 0 to 99 s, found a list"),
            ("{a: 5}", "expected a whole number from 0 to 99 s, found a group of settings"),
        ])
    func integers(value: String, expected: String) {
        let found = problems("hold: \(value)") { _ = $0.integer("hold", default: 1, in: 0...99, unit: "s") }
        #expect(found == (expected.isEmpty ? "" : "lane.yaml:1:\(value.isEmpty ? 6 : 7): hold: \(expected)"))
    }

    @Test(
        "decimal numbers are read without exponents, infinities and octal",
        arguments: [
            ("37.3", ""), ("30", ""), ("45.0", ""), ("29.99", "is out of range"), ("nan", "is not a number"),
            (".inf", "is not a number"), ("3e1", "is not a number"), ("37,3", "is not a number"),
            ("37.", "is not a number"), ("037.3", "is not a number"), (".5", "is not a number"),
            ("-x", "is not a number"),
        ])
    func numbers(value: String, expected: String) {
        let found = problems("limit: \(value)") { _ = $0.number("limit", in: 30...45, unit: "°C") }
        if expected.isEmpty {
            #expect(found == "")
        } else {
            #expect(found == "lane.yaml:1:8: limit: '\(value)' \(expected); expected a number from 30 to 45 °C")
        }
    }

    @Test(
        "only true and false are truths",
        arguments: [
            ("true", ""), ("false", ""), ("yes", "'yes' is not accepted"), ("True", "'True' is not accepted"),
            ("1", "'1' is not accepted"), ("'true'", "'true' is a text in quotes"),
        ])
    func truths(value: String, expected: String) {
        let found = problems("mark: \(value)") { _ = $0.truth("mark") }
        #expect(found.isEmpty == expected.isEmpty)
        #expect(found.contains(expected) || expected.isEmpty)
    }

    @Test(
        "a length of time has a unit",
        arguments: [
            ("500ms", 500), ("5 s", 5000), ("2min", 120_000), ("1 h", 3_600_000), ("1d", 86_400_000), ("0 s", 0),
            ("5", nil), ("5 m", nil), ("1.5 s", nil), ("-1 s", nil), ("s", nil), ("25 h", nil), ("01 s", nil),
            ("9223372036854775807 d", nil), ("5 s 3 ms", nil),
        ] as [(String, Int64?)])
    func durations(value: String, expected: Int64?) {
        let found = problems("hold: \(value)") {
            let read = $0.duration("hold", inMilliseconds: 0...86_400_000)
            if let expected { #expect(read == expected) }
        }
        #expect(found.isEmpty == (expected != nil))
        if expected == nil { #expect(found.contains("expected 0 s to 1 d, a whole number and ms, s, min, h or d")) }
    }

    @Test(
        "lane ids are 1 to 31 of a-z, 0-9 and -",
        arguments: [
            ("a", true), ("north-07", true), (String(repeating: "a", count: 31), true),
            (String(repeating: "a", count: 32), false), ("\"\"", false), ("North", false), ("a_b", false),
            ("a/b", false), ("北", false), ("a.b", false), ("\"a b\"", false), ("\"a\\n\"", false),
        ])
    func laneIDs(value: String, accepted: Bool) {
        #expect(problems("id: \(value)") { _ = $0.text("id", rule: .laneID) }.isEmpty == accepted)
    }

    @Test(
        "names are 1 to 64 characters of any language",
        arguments: [
            ("北登录厅-07", true), (String(repeating: "厅", count: 64), true),
            (String(repeating: "厅", count: 65), false), ("\"\"", false), ("\" \"", false), ("\"a \"", false),
            ("\"a\\u001bb\"", false), ("\"a\\u202eb\"", false), ("|\n  two\n  lines", false), ("Halle Süd", true),
        ])
    func displayNames(value: String, accepted: Bool) {
        #expect(problems("name: \(value)") { _ = $0.text("name", rule: .displayName) }.isEmpty == accepted)
    }

    @Test("an unknown word of a choice suggests the one that was meant")
    func choices() {
        #expect(
            problems("kind: entyr") { let _: Kind = $0.choice("kind") }
                == "lane.yaml:1:7: kind: 'entyr' is not accepted; did you mean entry? expected one of entry, exit, free-exit"
        )
        #expect(
            problems("kinds: [exit, exit, banana]") { let _: [Kind] = $0.choices("kinds") }
                == """
                lane.yaml:1:15: kinds[1]: 'exit' is already in the list
                lane.yaml:1:21: kinds[2]: 'banana' is not accepted; expected one of entry, exit, free-exit
                """)
    }

    @Test(
        "lists have their bounds",
        arguments: [
            ("[]", false), ("[{}]", true), ("[{},{}]", true), ("[{},{},{}]", false), ("{}", false), ("x", false),
        ])
    func lists(value: String, accepted: Bool) {
        #expect(problems("readers: \(value)") { _ = $0.sections("readers", count: 1...2) }.isEmpty == accepted)
    }

    @Test("names that the user chooses obey their rule")
    func userNames() {
        let found = problems("zones: {Hall 1: {name: x}, hall: {nmae: y}}") {
            for zone in $0.namedSections("zones", names: .laneID) { _ = zone.section.text("name") }
        }
        #expect(
            found == """
                lane.yaml:1:9: zones.'Hall 1': 'Hall 1' is not accepted as a name; expected 1 to 31 of a-z, 0-9 and -
                lane.yaml:1:34: zones.hall.name: is missing; expected 1 to 1024 characters without control characters
                lane.yaml:1:35: zones.hall.nmae: unknown key; did you mean name? Allowed here: name
                """)
    }

    @Test("a program's own objection names the key and its place")
    func refuse() {
        let found = problems("gate:\n  simulated: {}\n  gpio: {}\n") {
            let gate = $0.section("gate")
            _ = gate.optionalSection("simulated")
            _ = gate.optionalSection("gpio")
            gate.refuse("gpio", "excludes simulated; keep one of the two")
            gate.refuse("pulse", "is needed here")
        }
        #expect(
            found == """
                lane.yaml:2:3: gate.pulse: is needed here
                lane.yaml:3:9: gate.gpio: excludes simulated; keep one of the two
                """)
    }

    @Test("a value that would disturb a terminal is shown escaped and short")
    func escaped() {
        let found = problems("id: \"\\e[2J\(String(repeating: "x", count: 5000))\"") {
            _ = $0.text("id", rule: .laneID)
        }
        #expect(found.hasPrefix("lane.yaml:1:5: id: '\\u{1b}[2Jxxx"))
        #expect(found.utf8.count < 200)
    }
}
