import Admission
import Framing
import Posix
import Storage
import TestSupport
import Testing

@Suite struct JournalTests {
    @Test("what was appended stands in the journal in its order, and the next epoch names the last one's end")
    func epochs() throws {
        let fixture = try JournalFixture()
        let first = try fixture.run(epoch: 1) { journal in
            #expect(journal.nextSequence == 2)
            try journal.add(99)
            #expect(journal.nextSequence == 101)
        }
        #expect(first.last == nil && first.recordsHeld == 0)
        let second = try fixture.run(epoch: 2)
        #expect(second.last == StoredThrough(epoch: Epoch(low: 1, high: 7), sequence: 100))
        #expect(second.holes.isEmpty && second.recordsHeld == 100 && second.recordsDropped == 0)
        let records = try fixture.records()
        #expect(records.map(\.sequence) == Array(1...100) + [1])
        #expect(records.allSatisfy { $0.lane == JournalFixture.lane && $0.to == JournalFixture.hall })
        guard case .epochStarted(.none, 0) = records[0].event,
            case .epochStarted(Epoch(low: 1, high: 7), 100) = records[100].event
        else {
            Issue.record("\(records[0].event), \(records[100].event)")
            return
        }
    }

    @Test("a record out of its turn is refused and changes nothing")
    func outOfTurn() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { journal in
            for sequence: UInt64 in [0, 1, 3, .max] {
                #expect(throws: StorageError.sequence(given: sequence, next: 2)) {
                    try journal.append(
                        .stopping, at: JournalFixture.moment(), sequence: sequence, for: .entrance)
                }
            }
            try journal.add(.stopping)
        }
        #expect(try fixture.records().map(\.sequence) == [1, 2])
    }

    @Test("a record is on disk soon, and each says how many before it were not")
    func syncs() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { journal in
            for round in 0..<3 {
                try journal.add(1 + round * 7)
                #expect(journal.waitUntilSynced(by: SystemClock.deadline(milliseconds: 60_000)))
                #expect(journal.unsynced == 0)
            }
        }
        let records = try fixture.records()
        for (index, record) in records.enumerated() { #expect(Int(record.unsyncedBefore) <= index) }
        // Each round's first record followed a complete sync.
        for index in [0, 1, 2, 10] { #expect(records[index].unsyncedBefore == 0, "record \(index)") }
    }

    @Test("segments are zeros from end to end before a record comes, and there are enough for the reserve")
    func preallocated() throws {
        let fixture = try JournalFixture()
        let (journal, _) = try fixture.open(epoch: 1)
        let names = try fixture.segmentNames()
        #expect(names.count * 32 >= 128 + 16)
        for (name, bytes) in try fixture.contents() {
            #expect(bytes.count == 256 + 32 * 256, "\(name)")
            let used = name == names[0] ? 512 : 256
            #expect(bytes[used...].allSatisfy { $0 == 0 })
        }
        journal.close(by: SystemClock.deadline(milliseconds: 60_000))
    }

    @Test("settings out of range are refused by name")
    func settings() throws {
        var fixture = try JournalFixture()
        fixture.settings.reserveRecords = 127
        #expect(throws: StorageError.settings("journal.reserve_records is 127; allowed is 128 to 1000000")) {
            try fixture.open(epoch: 1)
        }
        fixture.settings = JournalSettings(
            capacityRecords: 1_000_000, reserveRecords: 20_000, recordsPerSegment: 16)
        #expect(throws: StorageError.self) { try fixture.open(epoch: 1) }
        fixture.settings = JournalSettings()
        #expect(throws: Never.self) { try fixture.run(epoch: 1) }
    }

    @Test("a journal whose settings changed goes on where it was")
    func otherSettings() throws {
        var fixture = try JournalFixture()
        try fixture.run(epoch: 1) { try $0.add(50) }
        fixture.settings.recordsPerSegment = 100
        try fixture.run(epoch: 2) { try $0.add(250) }
        fixture.settings.recordsPerSegment = 16
        let recovery = try fixture.run(epoch: 3)
        #expect(recovery.recordsHeld == 51 + 251 && recovery.holes.isEmpty)
    }

    @Test("another lane's journal is refused and left as it is")
    func foreign() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { try $0.add(5) }
        let before = try fixture.contents()
        let other = try #require(ShortName("north-08"))
        #expect(throws: StorageError.self) { try fixture.open(epoch: 2, lane: other) }
        #expect(try fixture.contents() == before)
    }

    @Test("files that are none of the journal's are left alone")
    func strangers() throws {
        let fixture = try JournalFixture()
        let names = ["notes.txt", "1.seg", "00000000000000000001.bak", "00000000000000000009.bad"]
        for name in names { try fixture.put([1, 2, 3], name) }
        try fixture.run(epoch: 1) { try $0.add(40) }
        try fixture.run(epoch: 2)
        for name in names { #expect(try fixture.contents()[name] == [1, 2, 3]) }
        // An ordinal that was set aside is not used again.
        #expect(try fixture.segmentNames().first == SegmentHeader.fileName(ordinal: 10))
    }

    // MARK: What a starting lane is told

    @Test("an admitted decision without an end is outstanding, with all that its outcome needs")
    func outstanding() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { journal in
            try journal.add(JournalFixture.decided(1))
            try journal.add(JournalFixture.ended(2))
            try journal.add(JournalFixture.decided(7))
            try journal.add(JournalFixture.decided(8, admitted: false))
            try journal.add(.fire(alarm: true))
        }
        let expected = Outcome(
            end: .interrupted, direction: .forward, decisionSequence: 4, decisionEpoch: Epoch(low: 1, high: 7),
            tag: BadgeTag(low: 7, high: 3), type: .chip, holder: HolderNumber(7), kind: .visitor, reader: 2,
            openMilliseconds: 0)
        // A run that ends before it could write the outcome leaves it to the next.
        #expect(try fixture.run(epoch: 2).outstanding == expected)
        let third = try fixture.run(epoch: 3) { journal in try journal.add(.ended(expected)) }
        #expect(third.outstanding == expected)
        #expect(try fixture.run(epoch: 4).outstanding == nil)
    }

    @Test(
        "a vehicle and its driver are outstanding together, until each has its end",
        arguments: [([], [4, 5]), ([4], [5]), ([5], [4]), ([4, 5], [])] as [([UInt64], [UInt64])])
    func outstandingPair(ended: [UInt64], left: [UInt64]) throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { journal in
            try journal.add(JournalFixture.decided(1))
            try journal.add(JournalFixture.ended(2))
            for (holder, partner, company) in [(7, 8, Company.driver), (8, 7, .vehicle)] as [(UInt32, UInt32, Company)]
            {
                guard case .decided(var decision) = JournalFixture.decided(holder) else { return }
                decision.company = company
                decision.partner = HolderNumber(partner)
                try journal.add(.decided(decision))
            }
            for sequence in ended { try journal.add(JournalFixture.ended(sequence)) }
        }
        let recovery = try fixture.run(epoch: 2)
        let outstanding = [recovery.outstanding, recovery.outstandingBeside].compactMap { $0?.decisionSequence }
        #expect(outstanding == left)
    }

    @Test("the end of another epoch's decision of the same number does not end this one")
    func sameNumber() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { try $0.add(JournalFixture.decided(1)) }
        try fixture.run(epoch: 2) { try $0.add(JournalFixture.ended(2)) }
        #expect(try fixture.run(epoch: 3).outstanding?.decisionEpoch == Epoch(low: 1, high: 7))
        try fixture.run(epoch: 4) { try $0.add(JournalFixture.ended(2, .interrupted, epoch: 1)) }
        #expect(try fixture.run(epoch: 5).outstanding == nil)
    }

    @Test("the present hour's totals are counted over epochs, and other hours not")
    func hourTotals() throws {
        let fixture = try JournalFixture()
        // 09:20; the hour began 1200 s ago.
        try fixture.run(epoch: 1) { journal in
            try journal.add(JournalFixture.decided(1), at: JournalFixture.moment(-1201))
            try journal.add(JournalFixture.ended(2), at: JournalFixture.moment(-1200))
            try journal.add(JournalFixture.decided(2, admitted: false), at: JournalFixture.moment(5))
        }
        try fixture.run(epoch: 2) { try $0.add(JournalFixture.decided(3), at: JournalFixture.moment(2399)) }
        var expected = LaneTotals()
        expected.presented = 2
        expected.admitted = 1
        expected.refused = 1
        expected.passed = 1
        #expect(try fixture.run(epoch: 3, at: JournalFixture.moment(100)).hourTotals == expected)
        #expect(try fixture.run(epoch: 4, at: JournalFixture.moment(2400)).hourTotals == LaneTotals())
    }

    @Test("the newest trusted time is that of the last record written while trusted, not the latest date")
    func trustedTime() throws {
        let fixture = try JournalFixture()
        #expect(try fixture.run(epoch: 1, at: JournalFixture.moment(0, .behindFloor)).newestTrustedWall == nil)
        try fixture.run(epoch: 2, at: JournalFixture.moment(0, .behindFloor)) { journal in
            try journal.add(.stopping, at: JournalFixture.moment(900_000_000))
            try journal.add(.stopping, at: JournalFixture.moment(60))
            try journal.add(.stopping, at: JournalFixture.moment(100_000, .stepped))
        }
        let recovery = try fixture.run(epoch: 3)
        #expect(recovery.newestTrustedWall == JournalFixture.moment(60).wall)
    }
}
