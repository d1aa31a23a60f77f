import Admission
import Framing
import Testing

@testable import Storage

private func ended(_ holder: UInt32, _ end: ReleaseEnd = .passed, _ direction: PassageDirection = .forward) -> LaneEvent
{
    .ended(
        Outcome(
            end: end, direction: direction, decisionSequence: 1, decisionEpoch: nil, tag: .none, type: .chip,
            holder: HolderNumber(holder), kind: .visitor, reader: 0, openMilliseconds: 1))
}

@Suite("Passages by the records") struct RecordedPassagesTests {
    @Test(
        "the passages of earlier runs are found, not what was annulled, taken back, or dated by a clock nobody trusted")
    func found() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { journal in
            try journal.add(ended(1), at: JournalFixture.moment(1))
            try journal.add(ended(2, .annulled), at: JournalFixture.moment(2))
            try journal.add(ended(3), at: JournalFixture.moment(3, .stepped))
            try journal.add(ended(4), at: JournalFixture.moment(4))
            try journal.add(ended(5), at: JournalFixture.moment(5))
            try journal.add(ended(0), at: JournalFixture.moment(6))
            try journal.add(.passagesForgotten(HolderNumber(4)), at: JournalFixture.moment(7))
            try journal.add(ended(5, .passed, .backward), at: JournalFixture.moment(8))
            try journal.add(ended(6), at: JournalFixture.moment(9))
        }
        func wall(_ second: Int64) -> WallTime { JournalFixture.moment(second).wall }
        let expected = [
            RecordedPassage(.passed, HolderNumber(1), wall: wall(1)),
            RecordedPassage(.left, HolderNumber(4), wall: wall(7)),
            RecordedPassage(.left, HolderNumber(5), wall: wall(8)),
            RecordedPassage(.passed, HolderNumber(6), wall: wall(9)),
        ]
        #expect(try fixture.run(epoch: 2).passages == expected)
        let all = try fixture.run(epoch: 3) { journal in
            try journal.add(.passagesForgotten(.nobody), at: JournalFixture.moment(20))
        }
        #expect(all.passages == expected)
        let later = try fixture.run(epoch: 4) { journal in
            try journal.add(ended(1, .passed, .backward), at: JournalFixture.moment(21, .stepped))
            try journal.add(ended(5), at: JournalFixture.moment(22))
        }
        let everybody = RecordedPassage(.left, .nobody, wall: wall(20))
        #expect(later.passages == [expected[1], expected[2], everybody])
        #expect(
            try fixture.run(epoch: 5).passages == [
                expected[1], everybody, RecordedPassage(.left, HolderNumber(1), wall: nil),
                RecordedPassage(.passed, HolderNumber(5), wall: wall(22)),
            ])
    }

    @Test(
        "as many as a lane remembers, the newest", arguments: [2047, 2048, 2049, 4096, 4097, 9000],
        [PassageDirection.forward, .backward])
    func bounded(count: Int, direction: PassageDirection) {
        var passages = RecordedPassages()
        for number in 1...count {
            passages.note(
                JournalRecord(
                    event: ended(UInt32(number), .passed, direction), moment: JournalFixture.moment(Int64(number)),
                    epoch: Epoch(low: 1, high: 7), sequence: UInt64(number), lane: JournalFixture.lane, from: .outside,
                    to: JournalFixture.hall, unsyncedBefore: 0))
        }
        let newest = passages.newest.map(\.holder.number)
        #expect(newest == Array(UInt32(max(1, count - 2047))...UInt32(count)))
    }

    @Test("who came and left is not inside, however many leave after him", arguments: [1, 2048, 4095, 4096, 9000])
    func leftLongAgo(others: Int) {
        var passages = RecordedPassages()
        var sequence: UInt64 = 0
        func note(_ holder: UInt32, _ direction: PassageDirection) {
            sequence += 1
            passages.note(
                JournalRecord(
                    event: ended(holder, .passed, direction), moment: JournalFixture.moment(Int64(sequence)),
                    epoch: Epoch(low: 1, high: 7), sequence: sequence, lane: JournalFixture.lane, from: .outside,
                    to: JournalFixture.hall, unsyncedBefore: 0))
        }
        note(1, .forward)
        note(2, .forward)
        note(1, .backward)
        for other in 0..<others { note(UInt32(10 + other), .backward) }
        #expect(passages.newest.filter { $0.what == .passed }.map(\.holder.number) == [2])
    }
}
