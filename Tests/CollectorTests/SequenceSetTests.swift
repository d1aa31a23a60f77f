import TestSupport
import Testing

@testable import Collector

@Suite("Sequence sets")
struct SequenceSetTests {
    @Test("ranges that touch or overlap become one")
    func merging() {
        var set = SequenceSet()
        for range in [5...6, 1...2, 9...9, 3...3, 7...8] as [ClosedRange<UInt64>] { set.insert(range) }
        #expect(set.ranges == [1...3, 5...9])
        set.insert(4)
        #expect(set.ranges == [1...9])
        set.insert(2...20)
        #expect(set.ranges == [1...20])
    }

    @Test("the greatest number there is does not overflow")
    func greatest() {
        var set = SequenceSet([10...UInt64.max])
        set.insert(9)
        set.insert(3...UInt64.max)
        #expect(set.ranges == [3...UInt64.max])
        #expect(set.gaps(in: 1...UInt64.max) == [1...2])
    }

    @Test("two sets together are what a plain set gives, also where they touch, and up to the greatest number")
    func unions() {
        var random = SeededGenerator()
        for _ in 0..<500 {
            var sets = [SequenceSet(), SequenceSet()]
            var plain = SequenceSet()
            for _ in 0..<Int.random(in: 0...20, using: &random) {
                let first = UInt64.random(in: 1...80, using: &random)
                let last = first + UInt64.random(in: 0...3, using: &random)
                sets[Int.random(in: 0...1, using: &random)].insert(first...last)
                plain.insert(first...last)
            }
            #expect(sets[0].union(sets[1]) == plain && sets[1].union(sets[0]) == plain)
        }
        let greatest = SequenceSet([5...UInt64.max])
        #expect(greatest.union(SequenceSet([4...4, 9...9])).ranges == [4...UInt64.max])
    }

    @Test("any order of insertions gives what a plain set gives")
    func againstPlainSet() {
        var random = SeededGenerator()
        for _ in 0..<200 {
            var set = SequenceSet()
            var plain: Set<UInt64> = []
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                let first = UInt64.random(in: 1...60, using: &random)
                let last = first + UInt64.random(in: 0...4, using: &random)
                set.insert(first...last)
                plain.formUnion(first...last)
            }
            for number in 1...70 as ClosedRange<UInt64> {
                #expect(set.contains(number) == plain.contains(number))
                #expect(set.count(through: number) == UInt64(plain.count { $0 <= number }))
                var end = number
                while plain.contains(end + 1) { end += 1 }
                #expect(set.end(ofRunFrom: number) == (plain.contains(number) ? end : nil))
            }
            let gaps = set.gaps(in: 3...50).flatMap { Array($0) }
            #expect(gaps == (3...50).filter { !plain.contains($0) })
            for (a, b) in zip(set.ranges, set.ranges.dropFirst()) { #expect(a.upperBound + 1 < b.lowerBound) }
        }
    }
}
