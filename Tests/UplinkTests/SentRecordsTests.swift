import Admission
import Framing
import Testing

@testable import Uplink

@Suite("Where a word stands in what was sent")
struct SentRecordsTests {
    private let first = Epoch(low: 1, high: 0)
    private let second = Epoch(low: 2, high: 0)

    private func at(_ epoch: Epoch, _ sequence: UInt64) -> StoredThrough {
        StoredThrough(epoch: epoch, sequence: sequence)
    }

    /// Behind 1/10: 1/11 … 1/15, 1/16 … 1/18 lost, 1/19, then 2/1 … 2/3.
    private func makeSent() -> SentRecords {
        var sent = SentRecords(base: 100, behind: at(first, 10))
        for sequence in UInt64(11)...15 { sent.append(first, sequence) }
        sent.append(lost: RecordBatch.Stretch(epoch: first, first: 16, last: 18))
        sent.append(first, 19)
        for sequence in UInt64(1)...3 { sent.append(second, sequence) }
        return sent
    }

    @Test(
        "every name of a place leads to it",
        arguments: [
            (1, 10, 100, false), (1, 11, 101, false), (1, 15, 105, true), (1, 18, 106, false), (1, 19, 107, false),
            (2, 0, 107, false), (2, 1, 108, false), (2, 3, 110, false),
        ] as [(UInt64, UInt64, Int, Bool)])
    func places(_ epoch: UInt64, _ sequence: UInt64, _ place: Int, _ gap: Bool) {
        let sent = makeSent()
        let word = at(Epoch(low: epoch, high: 0), sequence)
        #expect(sent.place(behind: word) == place)
        #expect(sent.gapFollows(word, at: place) == gap)
        #expect(sent.end == 110)
    }

    @Test("what was not sent is not found", arguments: [(1, 9), (1, 20), (2, 4), (3, 1)] as [(UInt64, UInt64)])
    func unknown(_ epoch: UInt64, _ sequence: UInt64) {
        #expect(makeSent().place(behind: at(Epoch(low: epoch, high: 0), sequence)) == nil)
    }

    @Test(
        "a first record that does not follow the word it was read behind shows a gap",
        arguments: [(11, false), (14, true), (1, false)] as [(UInt64, Bool)])
    func gapAtBase(_ sequence: UInt64, _ gap: Bool) {
        var sent = SentRecords(base: 0, behind: at(first, 10))
        sent.append(sequence == 1 ? second : first, sequence)
        #expect(sent.gapFollows(at(first, 10), at: 0) == gap)
    }

    @Test("what is forgotten is forgotten, and the rest keeps its places", arguments: [103, 105, 106, 107, 109, 110])
    func forgets(_ place: Int) {
        let words = [
            103: at(first, 13), 105: at(first, 15), 106: at(first, 18), 107: at(first, 19), 109: at(second, 2),
            110: at(second, 3),
        ]
        var sent = makeSent()
        guard let word = words[place] else { return }
        sent.forget(before: place, word)
        #expect(sent.base == place && sent.end == 110)
        #expect(sent.place(behind: word) == place)
        #expect(sent.place(behind: at(first, 11)) == nil)
        #expect(sent.place(behind: at(second, 3)) == 110)
        sent.append(second, 4)
        #expect(sent.place(behind: at(second, 4)) == 111)
    }
}
