import Admission
import Testing

@Suite("Instants") struct TimeTests {
    @Test(
        "monotonic instants stop at their ends instead of wrapping",
        arguments: [
            (0, -1, 0), (5_000_000, -5, 0), (5_000_000, -4, 1_000_000), (0, 1, 1_000_000), (.max, 1, .max),
            (0, .min, 0), (.max, .min, 0), (0, .max, .max), (1, 18_446_744_073_710, .max),
        ] as [(UInt64, Int64, UInt64)])
    func monotonic(start: UInt64, milliseconds: Int64, end: UInt64) {
        let later = MonotonicTime(nanoseconds: start).advanced(byMilliseconds: milliseconds)
        #expect(later == MonotonicTime(nanoseconds: end))
    }

    @Test("milliseconds since a later instant are 0")
    func since() {
        let early = MonotonicTime(milliseconds: 5)
        let late = MonotonicTime(milliseconds: 7)
        #expect(late.milliseconds(since: early) == 2)
        #expect(early.milliseconds(since: late) == 0)
        #expect(MonotonicTime.never.milliseconds(since: early) > 0)
    }

    @Test(
        "wall seconds are rounded down, before 1970 too",
        arguments: [
            (0, 0), (999, 0), (1000, 1), (-1, -1), (-1000, -1), (-1001, -2), (.max, .max / 1000),
            (.min, .min / 1000 - 1),
        ] as [(Int64, Int64)])
    func wallSeconds(milliseconds: Int64, seconds: Int64) {
        #expect(WallTime(milliseconds: milliseconds).seconds == seconds)
    }

    @Test("wall instants stop at their ends instead of wrapping")
    func wallEnds() {
        #expect(WallTime(seconds: .max).milliseconds == .max)
        #expect(WallTime(seconds: .min).milliseconds == .min)
        let last = WallTime(milliseconds: .max)
        let first = WallTime(milliseconds: .min)
        #expect(last.advanced(byMilliseconds: 1) == last)
        #expect(first.advanced(byMilliseconds: -1) == first)
        #expect(last.milliseconds(since: first) == .max)
        #expect(first.milliseconds(since: last) == .min)
    }
}
