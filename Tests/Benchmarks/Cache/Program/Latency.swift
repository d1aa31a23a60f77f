import Posix

/// How long one of many equal steps took, in nanoseconds.
struct Latency: Codable {
    var samples: Int
    /// Processor time of all of them at once: nothing of the clock is in it, nor of other programs.
    var meanNanoseconds: Double
    /// One by one, each with two looks at the clock (see `clock_nanoseconds`).
    var p50Nanoseconds: UInt64
    var p99Nanoseconds: UInt64
    var p999Nanoseconds: UInt64

    /// Runs `step` on every key twice over: first all together for the mean, then one by one. It says whether it found
    /// what it was asked for; all or none must be found, as `expected` says.
    static func measure<Key>(
        _ keys: [Key], _ name: String, expecting expected: Bool, _ step: (Key) throws -> Bool
    ) throws -> Latency {
        var found = 0
        for key in keys.prefix(1000) where try step(key) { found += 1 }
        found = 0
        let (_, all) = try TimeTaken.measure { for key in keys where try step(key) { found += 1 } }
        guard found == (expected ? keys.count : 0) else { throw Mistake("\(name): \(found) of \(keys.count) found") }
        var each = [UInt64](repeating: 0, count: keys.count)
        for index in keys.indices {
            let before = SystemClock.monotonicNanoseconds()
            if try step(keys[index]) { found += 1 }
            each[index] = SystemClock.monotonicNanoseconds() - before
        }
        return Latency(each, mean: all.processorMilliseconds * 1e6 / Double(keys.count))
    }

    /// Two looks at the clock with nothing between them.
    static func ofTheClock() -> Latency {
        let each = (0..<1_000_000).map { _ in
            let before = SystemClock.monotonicNanoseconds()
            return SystemClock.monotonicNanoseconds() - before
        }
        return Latency(each, mean: Double(each.reduce(0, +)) / Double(each.count))
    }

    private init(_ each: [UInt64], mean: Double) {
        let sorted = each.sorted()
        func quantile(_ share: Double) -> UInt64 { sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))] }
        samples = each.count
        meanNanoseconds = (mean * 10).rounded() / 10
        p50Nanoseconds = quantile(0.5)
        p99Nanoseconds = quantile(0.99)
        p999Nanoseconds = quantile(0.999)
    }
}
