/// A set of sequence numbers as ascending ranges that neither touch nor overlap: one range for a lane without gaps.
struct SequenceSet: Hashable, Sendable {
    private(set) var ranges: [ClosedRange<UInt64>] = []

    init() {}

    /// From ranges in any order, as a table gives them back.
    init(_ ranges: some Sequence<ClosedRange<UInt64>>) {
        for range in ranges { insert(range) }
    }

    var isEmpty: Bool { ranges.isEmpty }
    var last: UInt64? { ranges.last?.upperBound }

    /// How many numbers of `1...end` are in the set.
    func count(through end: UInt64) -> UInt64 {
        var count: UInt64 = 0
        for range in ranges where range.lowerBound <= end {
            count += min(range.upperBound, end) - range.lowerBound + 1
        }
        return count
    }

    func contains(_ number: UInt64) -> Bool {
        let index = firstIndex(endingAtOrAfter: number)
        return index < ranges.count && ranges[index].lowerBound <= number
    }

    /// The last number of the unbroken run that begins at `start`; nil when `start` is not in the set.
    func end(ofRunFrom start: UInt64) -> UInt64? {
        let index = firstIndex(endingAtOrAfter: start)
        guard index < ranges.count, ranges[index].lowerBound <= start else { return nil }
        return ranges[index].upperBound
    }

    /// false when it was there.
    mutating func insertIfAbsent(_ number: UInt64) -> Bool {
        if let last, number <= last, contains(number) { return false }
        insert(number)
        return true
    }

    mutating func insert(_ number: UInt64) { insert(number...number) }

    mutating func insert(_ range: ClosedRange<UInt64>) {
        // Nearly always the next number of the last range.
        if let last = ranges.last, range.lowerBound > last.upperBound {
            if last.upperBound + 1 == range.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound...range.upperBound
            } else {
                ranges.append(range)
            }
            return
        }
        let before = range.lowerBound == 0 ? 0 : range.lowerBound - 1
        let first = firstIndex(endingAtOrAfter: before)
        var merged = range
        var end = first
        while end < ranges.count,
            ranges[end].lowerBound <= (merged.upperBound == .max ? .max : merged.upperBound + 1)
        {
            merged = min(merged.lowerBound, ranges[end].lowerBound)...max(merged.upperBound, ranges[end].upperBound)
            end += 1
        }
        ranges.replaceSubrange(first..<end, with: [merged])
    }

    /// In the order of both, once through each.
    func union(_ other: SequenceSet) -> SequenceSet {
        guard !other.isEmpty else { return self }
        guard !isEmpty else { return other }
        var sum = SequenceSet()
        sum.ranges.reserveCapacity(ranges.count + other.ranges.count)
        var (one, two) = (0, 0)
        while one < ranges.count || two < other.ranges.count {
            let isFirst =
                two == other.ranges.count
                || (one < ranges.count && ranges[one].lowerBound <= other.ranges[two].lowerBound)
            let next = isFirst ? ranges[one] : other.ranges[two]
            if isFirst { one += 1 } else { two += 1 }
            if let last = sum.ranges.last, last.upperBound == .max || next.lowerBound <= last.upperBound + 1 {
                sum.ranges[sum.ranges.count - 1] = last.lowerBound...max(last.upperBound, next.upperBound)
            } else {
                sum.ranges.append(next)
            }
        }
        return sum
    }

    /// The parts of `range` that are not in the set.
    func gaps(in range: ClosedRange<UInt64>) -> [ClosedRange<UInt64>] {
        var gaps: [ClosedRange<UInt64>] = []
        var next = range.lowerBound
        var index = firstIndex(endingAtOrAfter: next)
        while index < ranges.count, ranges[index].lowerBound <= range.upperBound {
            if ranges[index].lowerBound > next { gaps.append(next...ranges[index].lowerBound - 1) }
            guard ranges[index].upperBound < range.upperBound else { return gaps }
            next = ranges[index].upperBound + 1
            index += 1
        }
        gaps.append(next...range.upperBound)
        return gaps
    }

    /// Binary search: the first range that does not end before `number`.
    private func firstIndex(endingAtOrAfter number: UInt64) -> Int {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < number { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
