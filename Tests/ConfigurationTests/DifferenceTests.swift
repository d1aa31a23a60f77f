import Configuration
import Testing

private func reader(_ text: String) throws -> ConfigurationReader {
    try ConfigurationReader(contents: Array(text.utf8), path: "lane.yaml")
}

@Suite("What two files differ in") struct DifferenceTests {
    @Test(
        "settings are compared by what they say, not by how they are written",
        arguments: [
            ("a: 1\nb: { x: 1, y: [1, 2] }\n", "b:\n  y:\n    - 1\n    - 2\n  x: 1\n\na:   1 # here\n", []),
            ("a: 1\n", "a: 2\n", ["a"]), ("a: 1\n", "a: \"1\"\n", ["a"]), ("a: 1\nb: 2\n", "a: 1\n", ["b"]),
            ("a: 1\n", "b: 1\na: 1\nc: 1\n", ["b", "c"]), ("a: [1, 2]\n", "a: [2, 1]\n", ["a"]),
            ("a: { x: 1 }\n", "a: { x: 1, y: 2 }\n", ["a"]), ("a: { x: 1 }\n", "a: { y: 1 }\n", ["a"]),
            ("a: [1]\n", "a: [1, 2]\n", ["a"]), ("a: 1\nb: 1\n", "a: { b: 1 }\nb: 2\n", ["a", "b"]),
        ] as [(String, String, [String])])
    func differ(one: String, other: String, keys: [String]) throws {
        #expect(try reader(one).settingsThatDiffer(from: reader(other)) == keys)
        #expect(try reader(other).settingsThatDiffer(from: reader(one)).sorted() == keys)
    }
}
