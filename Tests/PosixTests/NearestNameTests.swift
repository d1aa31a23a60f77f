import Posix
import Testing

@Suite struct NearestNameTests {
    @Test(
        "a mistyped name suggests the one that was meant, a different word nothing",
        arguments: [
            ("confg", "config"), ("cofnig", "config"), ("check_config", "check-config"), ("CONFIG", "config"),
            ("port", "port"), ("banana", nil), ("", nil), ("--confg", "config"),
            (String(repeating: "x", count: 1_000_000), nil),
        ] as [(String, String?)])
    func suggestion(name: String, expected: String?) {
        #expect(NearestName.suggestion(for: name, among: ["config", "check-config", "port"]) == expected)
    }
}
