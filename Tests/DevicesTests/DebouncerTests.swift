import Admission
import Devices
import Testing

@Suite("Debouncing")
struct DebouncerTests {
    static func at(_ milliseconds: Int64) -> MonotonicTime {
        MonotonicTime(milliseconds: 1000).advanced(byMilliseconds: milliseconds)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// Milliseconds and levels of the raw edges.
        var edges: [(Int64, Bool)]
        /// Levels that come out, each at an edge or when the time has passed at the end.
        var settled: [Bool]
    }

    static let cases: [Case] = [
        Case(testDescription: "a clean pulse", edges: [(0, true), (300, false)], settled: [true, false]),
        Case(
            testDescription: "the shortest pulse that counts", edges: [(0, true), (20, false)], settled: [true, false]),
        Case(testDescription: "a spike", edges: [(0, true), (19, false)], settled: []),
        Case(
            testDescription: "bounces at both ends",
            edges: [
                (0, true), (2, false), (3, true), (9, false), (11, true), (311, false), (313, true), (318, false),
            ], settled: [true, false]),
        Case(
            testDescription: "a gap within a pulse", edges: [(0, true), (100, false), (110, true), (300, false)],
            settled: [true, false]),
        Case(
            testDescription: "two pulses",
            edges: [(0, true), (40, false), (80, true), (120, false)], settled: [true, false, true, false]),
        Case(
            testDescription: "an edge said twice", edges: [(0, true), (1, true), (300, false)], settled: [true, false]),
    ]

    @Test("a level counts when it stood for 20 ms", arguments: cases)
    func punctual(_ example: Case) {
        var debouncer = Debouncer(milliseconds: 20, level: false)
        var settled: [Bool] = []
        for (instant, raw) in example.edges {
            // A loop that is on time is called at the deadline before the next edge.
            if debouncer.nextDeadline <= Self.at(instant), debouncer.timePassed(at: debouncer.nextDeadline) {
                settled.append(debouncer.level)
            }
            if debouncer.edge(raw, at: Self.at(instant)) { settled.append(debouncer.level) }
        }
        if debouncer.timePassed(at: Self.at(10_000)) { settled.append(debouncer.level) }
        #expect(settled == example.settled)
        #expect(debouncer.nextDeadline == .never)
    }

    @Test("a loop that comes late and reads all edges at once sees the same", arguments: cases)
    func late(_ example: Case) {
        var debouncer = Debouncer(milliseconds: 20, level: false)
        var settled: [Bool] = []
        for (instant, raw) in example.edges where debouncer.edge(raw, at: Self.at(instant)) {
            settled.append(debouncer.level)
        }
        if debouncer.timePassed(at: Self.at(10_000)) { settled.append(debouncer.level) }
        #expect(settled == example.settled)
    }

    @Test("without a period every edge counts once")
    func immediate() {
        var debouncer = Debouncer(milliseconds: 0, level: true)
        let changes = [true, false, true].map { debouncer.edge($0, at: Self.at(0)) }
        #expect(changes == [false, true, true])
        #expect(debouncer.nextDeadline == .never)
    }

    @Test("an unsettled level that is dropped never counts")
    func dropped() {
        var debouncer = Debouncer(milliseconds: 20, level: false)
        let atOnce = debouncer.edge(true, at: Self.at(0))
        debouncer.dropUnsettled()
        let later = debouncer.timePassed(at: Self.at(100))
        #expect([atOnce, later, debouncer.level] == [false, false, false])
    }
}
