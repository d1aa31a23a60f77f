import Admission
import Testing

@testable import Collector

/// Seconds after the beginning.
private func passage(
    _ row: Int64, _ lane: String, _ seconds: Int64, _ way: DoubleUse.Passage.Way = .enters,
    clock: DoubleUse.Passage.Clock = .trusted, isDriven: Bool = false
) -> DoubleUse.Passage {
    DoubleUse.Passage(
        row: row, lane: name(lane), at: morning + seconds * 1000, clock: clock, way: way, isDriven: isDriven)
}

/// As `kind first-second`, with `?` when it is not certain.
private func found(_ passages: [DoubleUse.Passage], _ distances: WalkingDistances = .init()) -> [String] {
    DoubleUse.judge(passages, distances).map {
        "\($0.kind.name) \($0.first.row)-\($0.second.row)\($0.isCertain ? "" : "?")"
    }
}

@Suite("Badges used twice")
struct DoubleUseTests {
    @Test(
        "what one holder's passages show",
        arguments: [
            (
                "in, out and in again",
                [passage(1, "a-1", 0), passage(2, "a-2", 600, .leaves), passage(3, "b-1", 900)], []
            ),
            (
                "a quick exit and re-entry next door",
                [passage(1, "a-1", 0), passage(2, "a-2", 600, .leaves), passage(3, "a-3", 604)], []
            ),
            ("in twice", [passage(1, "a-1", 0), passage(2, "b-1", 600)], ["inside-twice 1-2"]),
            ("in twice by the same lane", [passage(1, "a-1", 0), passage(2, "a-1", 2)], ["inside-twice 1-2"]),
            (
                "in three times", [passage(1, "a-1", 0), passage(2, "b-1", 600), passage(3, "a-1", 1200)],
                ["inside-twice 1-2", "inside-twice 2-3"]
            ),
            (
                "in twice faster than a walk", [passage(1, "a-1", 0), passage(2, "b-1", 59)],
                ["inside-twice 1-2", "too-fast 1-2"]
            ),
            ("exactly a walk", [passage(1, "a-1", 0, .leaves), passage(2, "b-1", 60)], []),
            ("less than a walk", [passage(1, "a-1", 0, .leaves), passage(2, "b-1", 59)], ["too-fast 1-2"]),
            (
                "at the next lane of the entrance", [passage(1, "a-1", 0, .leaves), passage(2, "a-2", 2)],
                ["too-fast 1-2"]
            ),
            ("a hall's door behind the entrance", [passage(1, "a-1", 0), passage(2, "hall-1", 9, .within)], []),
            (
                "two doors of a hall at once",
                [passage(1, "hall-1", 0, .within), passage(2, "hall-2", 1, .within)], ["too-fast 1-2"]
            ),
            (
                "a hall between two entries",
                [passage(1, "a-1", 0), passage(2, "h-1", 300, .within), passage(3, "b-1", 900)], ["inside-twice 1-3"]
            ),
            ("the next morning", [passage(1, "a-1", 0), passage(2, "a-1", 12 * 3600 + 1)], []),
            (
                "a driver from gate to gate",
                [passage(1, "a-1", 0, .leaves, isDriven: true), passage(2, "b-1", 20, isDriven: true)], []
            ),
            (
                "a clock that nobody trusts is no evidence of speed",
                [passage(1, "a-1", 0, .leaves, clock: .notTrusted), passage(2, "b-1", 5)], []
            ),
            (
                "nor for certain of being inside", [passage(1, "a-1", 0, clock: .notTrusted), passage(2, "b-1", 900)],
                ["inside-twice 1-2?"]
            ),
            (
                "a leaving of which nobody knows when",
                [passage(1, "a-1", 0), passage(2, "b-1", 900), passage(3, "a-2", 5000, .leaves, clock: .notTrusted)],
                ["inside-twice 1-2?"]
            ),
            (
                "a corrected clock is one", [passage(1, "a-1", 0, clock: .corrected), passage(2, "b-1", 30)],
                ["inside-twice 1-2", "too-fast 1-2"]
            ),
            ("nothing", [], []),
        ] as [(String, [DoubleUse.Passage], [String])])
    func judged(what: String, passages: [DoubleUse.Passage], expected: [String]) {
        #expect(found(passages) == expected, "\(what)")
        // In whatever order they came in.
        #expect(found(passages.reversed()) == expected, "\(what), the other way round")
    }

    @Test("between entrances whose places are known a walk takes as long as it is far")
    func places() {
        var distances = WalkingDistances()
        distances.places = [
            "a": .init(east: 0, north: 0), "b": .init(east: 300, north: 400), "hall": .init(east: 5, north: 0),
        ]
        // 500 m at 2.5 m/s.
        #expect(found([passage(1, "a-1", 0, .leaves), passage(2, "b-1", 200)], distances) == [])
        #expect(found([passage(1, "a-1", 0, .leaves), passage(2, "b-1", 199)], distances) == ["too-fast 1-2"])
        #expect(found([passage(1, "a-1", 0), passage(2, "hall-1", 2, .within)], distances) == [])
        #expect(found([passage(1, "a-1", 0), passage(2, "hall-1", 1, .within)], distances) == ["too-fast 1-2"])
    }
}
