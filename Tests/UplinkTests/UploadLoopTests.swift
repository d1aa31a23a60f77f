import Admission
import Framing
import TestSupport
import Testing

@testable import Uplink

private typealias Loop = UploadLoop<Int>

private let epoch = Epoch(low: 7, high: 0)
private func word(_ sequence: UInt64) -> StoredThrough { StoredThrough(epoch: epoch, sequence: sequence) }
private func at(_ milliseconds: UInt64) -> MonotonicTime { MonotonicTime(milliseconds: milliseconds) }

/// A lane with one epoch whose record n lies between the places n-1 and n, and a collector that the test plays.
private struct Bench {
    var loop: Loop
    var random: SeededGenerator
    var now: UInt64 = 1000
    var records: Int
    /// Places that nothing can be read from: damaged records.
    var lost: ClosedRange<Int>?
    var oldest = 0
    var hasNews = false
    let batch = 5

    init(cursor: Int? = nil, records: Int, test: String = #function) {
        random = SeededGenerator(for: test)
        self.records = records
        loop = Loop(
            word: cursor.map { word(UInt64($0)) }, readingPlace: cursor ?? 0, intervalMilliseconds: 200,
            probeIntervalMilliseconds: 10_000)
    }

    /// The next batch that is sent, as places; nil when the loop waits.
    mutating func send() -> Range<Int>? {
        guard case .gather(let from) = loop.next(now: at(now)) else { return nil }
        let start = max(from, oldest)
        let through = min(records, start + batch)
        let sendable = (start..<through).filter { !(lost?.contains($0) ?? false) }
        let span = Loop.Span(
            from: from, through: max(from, through), recordCount: sendable.count, moreFollows: through < records)
        return loop.gathered(span, hasNews: hasNews, now: at(now)) ? from..<max(from, through) : nil
    }

    @discardableResult
    mutating func answer(_ sequence: Int) -> Loop.Verdict {
        let gap = sequence < oldest || (lost?.contains(sequence) ?? false)
        return loop.answered(
            word(UInt64(sequence)), at: .known(max(sequence, oldest), gapFollows: gap), now: at(now), using: &random)
    }

    /// The wait that the loop asks for, ms.
    var wait: Int64? {
        var copy = loop
        guard case .wait(let until) = copy.next(now: at(now)) else { return nil }
        return until.milliseconds(since: at(now))
    }
}

@Suite("What is sent next")
struct UploadLoopTests {
    @Test("batches follow each other at once while more is there, and the cursor follows the word")
    func forward() {
        var bench = Bench(records: 12)
        #expect(bench.send() == 0..<5)
        #expect(bench.send() == nil, "one batch at a time")
        #expect(bench.answer(5) == .moveCursor(word(5)))
        #expect(bench.send() == 5..<10)
        #expect(bench.answer(10) == .moveCursor(word(10)))
        #expect(bench.send() == 10..<12)
        #expect(bench.answer(12) == .moveCursor(word(12)))
        #expect(bench.wait == 200)
    }

    @Test("the journal is looked at every interval, and an empty batch goes every ten seconds")
    func idle() {
        var bench = Bench(cursor: 3, records: 3)
        #expect(bench.send() == 3..<3, "the first one asks at once what the collector has")
        #expect(bench.answer(3) == .unchanged)
        var probes = 0
        for _ in 0..<100 {
            bench.now += 200
            if bench.send() != nil {
                probes += 1
                bench.answer(3)
            }
        }
        #expect(probes == 2, "in 20 s")
    }

    @Test("what the lane has to say of itself goes soon, once a second at most, also while it has nothing else to send")
    func news() {
        var bench = Bench(cursor: 3, records: 3)
        #expect(bench.send() == 3..<3)
        bench.answer(3)
        bench.hasNews = true
        bench.now += 200
        #expect(bench.send() == nil, "the batch before went just now")
        bench.now += 800
        #expect(bench.send() == 3..<3)
        bench.answer(3)
        // News without end, from a device that comes and goes.
        var sent = 0
        for _ in 0..<100 {
            bench.now += 200
            if bench.send() != nil {
                sent += 1
                bench.answer(3)
            }
        }
        #expect(sent == 20, "in 20 s")
        bench.hasNews = false
        bench.now += 1000
        #expect(bench.send() == nil)
        // Records wait for none of it.
        bench.records = 4
        bench.hasNews = true
        bench.now += 200
        #expect(bench.send() == 3..<4)
        // Nor does it go faster because the collector is away.
        bench.loop.failed(retryAfterMilliseconds: 5000, now: at(bench.now), using: &bench.random)
        bench.now += 4999
        #expect(bench.send() == nil)
    }

    @Test("the cursor goes back with the word, and what is still held is sent again after a wait")
    func back() throws {
        var bench = Bench(cursor: 10, records: 12)
        #expect(bench.send() == 10..<12)
        #expect(bench.answer(2) == .moveCursor(word(2)))
        let wait = try #require(bench.wait)
        #expect((50...250).contains(wait))
        bench.now += UInt64(wait)
        #expect(bench.send() == 2..<7)
        #expect(bench.answer(7) == .moveCursor(word(7)))
        #expect(bench.send() == 7..<12)
        #expect(bench.answer(12) == .moveCursor(word(12)))
        #expect(bench.wait == 200)
    }

    @Test("a word within the batch goes on from there")
    func partly() {
        var bench = Bench(records: 5)
        #expect(bench.send() == 0..<5)
        #expect(bench.answer(3) == .moveCursor(word(3)))
        #expect(bench.send() == 3..<5)
    }

    @Test("a collector that has more than the lost cursor file said is believed")
    func ahead() {
        var bench = Bench(records: 40)
        #expect(bench.send() == 0..<5)
        #expect(bench.answer(33) == .moveCursor(word(33)))
        #expect(bench.send() == 33..<38)
    }

    @Test("records that are no longer held are passed over once the collector stays before them")
    func noLongerHeld() {
        var bench = Bench(cursor: 20, records: 32)
        bench.oldest = 10
        #expect(bench.send() == 20..<25)
        #expect(bench.answer(3) == .moveCursor(word(3)))
        bench.now += 10_000
        #expect(bench.send() == 10..<15, "the oldest held")
        #expect(bench.answer(3) == .unchanged)
        #expect(bench.send() == 15..<20, "forward, without a wait")
        #expect(bench.answer(3) == .unchanged)
        #expect(bench.send() == 20..<25)
        #expect(bench.answer(3) == .unchanged)
        #expect(bench.send() == 25..<30)
        #expect(bench.answer(3) == .unchanged)
        #expect(bench.send() == 30..<32)
        #expect(bench.answer(3) == .unchanged)
        #expect(bench.wait == 200)
        #expect(bench.send() == nil)
        bench.now += 10_000
        #expect(bench.send() == 32..<32, "at the end it only asks")
        #expect(bench.answer(4) == .moveCursor(word(4)), "when the word moves, all that follows it is offered again")
        bench.now += 10_000
        #expect(bench.send() == 10..<15)
    }

    @Test("a damaged stretch is passed over, also when the collector does not")
    func lostStretch() {
        var bench = Bench(records: 12)
        bench.lost = 3...4
        #expect(bench.send() == 0..<5)
        #expect(bench.answer(3) == .moveCursor(word(3)))
        #expect(bench.send() == 3..<8)
        #expect(bench.answer(3) == .unchanged)
        #expect(bench.send() == 8..<12)
        #expect(bench.answer(12) == .moveCursor(word(12)))
    }

    @Test("a batch that brings nothing forward is a failure and is sent again, with growing waits")
    func stuck() throws {
        var bench = Bench(records: 5)
        for round in 1...30 {
            #expect(bench.send() == 0..<5)
            guard case .refused = bench.answer(0) else {
                Issue.record("round \(round) was accepted")
                return
            }
            let wait = try #require(bench.wait)
            #expect((50...10_000).contains(wait))
            bench.now += UInt64(wait)
        }
        #expect(bench.loop.backoff.failures == 30)
        #expect(bench.send() == 0..<5)
        bench.answer(5)
        #expect(bench.loop.backoff.failures == 0)
    }

    @Test("a word of an unknown epoch leaves the cursor, and reading begins anew")
    func unknown() throws {
        var bench = Bench(cursor: 5, records: 8)
        #expect(bench.send() == 5..<8)
        let verdict = bench.loop.answered(
            StoredThrough(epoch: Epoch(low: 99, high: 1), sequence: 4), at: .unknown("no such epoch", readAgainFrom: 0),
            now: at(bench.now), using: &bench.random)
        #expect(verdict == .refused("no such epoch"))
        #expect(bench.loop.word == word(5))
        bench.now += UInt64(try #require(bench.wait))
        #expect(bench.send() == 0..<5, "all that is held is offered again")
    }

    @Test("a collector that cannot make up its mind costs a wait every time it goes back")
    func unsteady() throws {
        var bench = Bench(records: 10)
        var waits: [Int64] = []
        for _ in 0..<50 {
            while bench.send() != nil { bench.answer(bench.loop.readingPlace >= 5 ? 1 : bench.loop.readingPlace + 4) }
            let wait = try #require(bench.wait)
            waits.append(wait)
            bench.now += UInt64(wait)
        }
        #expect(waits.allSatisfy { $0 >= 50 && $0 <= 10_000 })
        #expect(waits.reduce(0, +) > 50_000, "they grow: \(waits)")
    }

    @Test(
        "a collector asked to wait for is waited for, ten seconds at most",
        arguments: [(3000, 3000), (900_000, 10_000)])
    func retryAfter(_ asked: Int64, _ least: Int64) throws {
        var bench = Bench(records: 5)
        _ = bench.send()
        bench.loop.failed(retryAfterMilliseconds: asked, now: at(bench.now), using: &bench.random)
        let wait = try #require(bench.wait)
        #expect(wait >= least && wait <= 10_000)
    }

    @Test("an answer that nobody waits for changes nothing")
    func unasked() {
        var bench = Bench(records: 5)
        #expect(bench.answer(3) == .unchanged)
        #expect(bench.loop.word == nil)
    }

    @Test("whatever an honest collector loses at whatever moment, it has everything in the end", arguments: 0..<50)
    func simulated(_ round: UInt64) throws {
        var bench = Bench(records: 60)
        bench.random = SeededGenerator(seed: 1000 + round, for: "simulated")
        var stored = Set<Int>()
        func storedThrough() -> Int { (0..<60).first { !stored.contains($0) } ?? 60 }
        var exchanges = 0
        var losses = 6
        while storedThrough() < 60 || losses > 0 {
            guard let sent = bench.send() else {
                bench.now += UInt64(try #require(bench.wait))
                continue
            }
            exchanges += 1
            try #require(exchanges < 1000)
            switch Int.random(in: 0..<10, using: &bench.random) {
            case 0:
                bench.loop.failed(now: at(bench.now), using: &bench.random)
            case 1:
                // Stored, but the answer is lost.
                stored.formUnion(sent)
                bench.loop.failed(now: at(bench.now), using: &bench.random)
            case 2 where losses > 0:
                losses -= 1
                let kept = Int.random(in: 0...60, using: &bench.random)
                stored = stored.filter { $0 < kept || $0.isMultiple(of: 3) }
                stored.formUnion(sent)
                bench.answer(storedThrough())
            default:
                stored.formUnion(sent)
                bench.answer(storedThrough())
            }
            #expect(bench.loop.word.map { Int($0.sequence) <= 60 } ?? true)
        }
    }
}

@Suite("Waits after failures")
struct BackoffTests {
    @Test("they lie between 50 ms and 250 ms × 2^n, never above ten seconds", arguments: 0..<20)
    func bounds(_ round: UInt64) {
        var random = SeededGenerator(seed: 77 + round, for: "bounds")
        var backoff = Backoff()
        for failure in 0..<40 {
            let wait = backoff.next(using: &random)
            #expect(wait >= 50 && wait <= min(10_000, 250 << Int64(min(failure, 20))))
        }
        backoff.reset()
        #expect(backoff.next(using: &random) <= 250)
    }

    @Test("the jitter is full: two lanes do not wait alike, and short waits stay possible")
    func jitter() {
        var random = SeededGenerator(seed: 5, for: "jitter")
        let waits = (0..<200).map { _ -> Int64 in
            var backoff = Backoff()
            for _ in 0..<10 { _ = backoff.next(using: &random) }
            return backoff.next(using: &random)
        }
        #expect(Set(waits).count > 150)
        #expect(waits.contains { $0 < 2000 } && waits.contains { $0 > 8000 })
    }
}

@Suite("What a person reads of failures")
struct FailureReportTests {
    @Test("the first at once, then once a minute with a count, and that it works again")
    func repeated() {
        var report = FailureReport("sending")
        #expect(report.failed(key: "a", "down", now: at(100_000)) == "sending: down")
        for second in 1..<60 {
            #expect(report.failed(key: "a", "down", now: at(100_000 + UInt64(second) * 1000)) == nil)
        }
        #expect(
            report.failed(key: "a", "down", now: at(160_000)) == "sending: down (and 59 failures since the last line)")
        #expect(report.current == "down")
        #expect(report.succeeded() == "sending: works again after 61 failures")
        #expect(report.succeeded() == nil)
        #expect(report.failed(key: "a", "down", now: at(161_000)) == "sending: down")
    }

    @Test("another failure is said after five seconds")
    func changed() {
        var report = FailureReport("sending")
        _ = report.failed(key: "a", "down", now: at(100_000))
        #expect(report.failed(key: "b", "slow", now: at(101_000)) == nil)
        #expect(report.failed(key: "b", "slow", now: at(105_000)) != nil)
    }
}
