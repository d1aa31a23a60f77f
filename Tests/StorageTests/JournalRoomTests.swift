import Admission
import Framing
import Posix
import Storage
import TestSupport
import Testing

@Suite struct JournalRoomTests {
    /// 200 ordinary records, 128 in reserve, the last 64 of these for the hourly counter.
    private func fixture() throws -> JournalFixture {
        var fixture = try JournalFixture()
        fixture.settings = JournalSettings(capacityRecords: 200, reserveRecords: 128, recordsPerSegment: 16)
        return fixture
    }

    private func store(_ fixture: JournalFixture, _ journal: Journal, _ stored: StoredThrough) throws {
        try Cursor.write(stored, to: fixture.directory.cursor)
        journal.lookAtCursor()
    }

    @Test("room goes from roomy to full as designed, and each purpose stops at its own line")
    func states() throws {
        let fixture = try fixture()
        try fixture.run(epoch: 1) { journal in
            // Between two segments, until the keeper has made the next one, room may look smaller.
            for (count, state) in [
                (0, JournalState.roomy), (158, .roomy), (1, .filling), (19, .filling), (1, .nearlyFull),
                (19, .nearlyFull),
                (1, .reserveOnly),
            ] {
                try journal.add(count)
                #expect(try eventually { journal.state == state }, "\(journal.unacknowledged) records")
            }
            #expect(journal.unacknowledged == 200)
            let next = journal.nextSequence
            #expect(throws: StorageError.noRoom(.entrance)) { try journal.add(.fire(alarm: true)) }
            #expect(journal.nextSequence == next)
            try journal.add(64, for: .reserve)
            #expect(try eventually { journal.state == .full })
            #expect(throws: StorageError.noRoom(.reserve)) { try journal.add(.stopping, for: .reserve) }
            try journal.add(64, for: .counter)
            #expect(throws: StorageError.noRoom(.counter)) { try journal.add(.stopping, for: .counter) }
            #expect(journal.state == .full && journal.unacknowledged == 200 + 128)
        }
        // A full journal still opens, and takes nothing more.
        try fixture.run(epoch: 2) { journal in
            #expect(journal.state == .full && journal.nextSequence == 2)
            for purpose in [RecordPurpose.entrance, .reserve, .counter] {
                #expect(throws: StorageError.noRoom(purpose)) { try journal.add(.stopping, for: purpose) }
            }
        }
    }

    @Test("what the collector has stored makes room, and a cursor that moves back takes it again")
    func cursor() throws {
        let fixture = try fixture()
        try fixture.run(epoch: 1) { journal in
            try journal.add(199)
            #expect(journal.state == .reserveOnly)
            journal.changed.drain()
            try store(fixture, journal, StoredThrough(epoch: journal.epoch, sequence: 150))
            #expect(try eventually(on: journal.changed.descriptor) { journal.unacknowledged == 50 })
            #expect(journal.state == .roomy)
            try journal.add(10)
            try store(fixture, journal, StoredThrough(epoch: journal.epoch, sequence: 20))
            #expect(try eventually { journal.unacknowledged == 190 })
            #expect(journal.state == .nearlyFull)
        }
    }

    /// Written as fast as it goes, the last slot is used again and again in the very moment in which the next segment
    /// is made.
    @Test("a writer that waits for room is told when there is some, whenever it began to wait")
    func toldOfRoom() throws {
        var fixture = try JournalFixture()
        fixture.settings = JournalSettings(capacityRecords: 20_000, reserveRecords: 128, recordsPerSegment: 16)
        try fixture.run(epoch: 1) { journal in
            var waits = 0
            while journal.nextSequence < 6000 {
                journal.changed.drain()
                do { try journal.add(.fire(alarm: true)) } catch StorageError.noRoom {
                    waits += 1
                    let isTold = try journal.changed.descriptor.wait(
                        for: .readable, until: SystemClock.deadline(milliseconds: 60_000))
                    try #require(isTold, "in wait \(waits), at record \(journal.nextSequence)")
                }
            }
            #expect(waits > 0)
        }
    }

    @Test("stored segments are kept while there is room and go first, the oldest of them, when it is needed")
    func removal() throws {
        let fixture = try fixture()
        try fixture.run(epoch: 1) { journal in
            try journal.add(150)
            try store(fixture, journal, StoredThrough(epoch: journal.epoch, sequence: 140))
            #expect(try eventually { journal.unacknowledged == 11 })
            #expect(try fixture.segmentNames().first == SegmentHeader.fileName(ordinal: 1))
            try journal.add(180)
        }
        #expect(try fixture.segmentNames().count * 16 <= 200 + 128 + 3 * 16)
        let first = try #require(fixture.records().first)
        // Nothing that is not stored has gone.
        #expect(first.sequence > 1 && first.sequence <= 141)
        let recovery = try fixture.run(epoch: 2)
        #expect(recovery.holes.isEmpty)
    }

    @Test("records of several epochs count as stored up to the one the cursor names")
    func cursorOverEpochs() throws {
        let fixture = try fixture()
        for epoch: UInt64 in 1...3 { try fixture.run(epoch: epoch) { try $0.add(9) } }
        for (epoch, sequence, left) in [(1, 4, 27), (1, 10, 21), (2, 0, 21), (2, 10, 11), (3, 10, 1), (1, 99, 21)] {
            try Cursor.write(
                StoredThrough(epoch: Epoch(low: UInt64(epoch), high: 7), sequence: UInt64(sequence)),
                to: fixture.directory.cursor)
            let (journal, _) = try fixture.open(epoch: 4)
            #expect(journal.unacknowledged == left, "\(epoch) \(sequence)")
            journal.close(by: SystemClock.deadline(milliseconds: 60_000))
            // Back to what it was.
            let name = SegmentHeader.fileName(ordinal: 2)
            var bytes = try #require(fixture.contents()[name])
            for index in 256 * 15..<bytes.count { bytes[index] = 0 }
            try fixture.put(bytes, name)
        }
    }

    @Test(
        "a cursor that says nothing usable counts as nothing new",
        arguments: [
            "", "stored", "stored 00000000000000000000000000000000 5\n", "\u{0}\u{0}\u{0}",
            "stored 0100000000000000070000000000000 5\n", "stored 01000000000000000700000000000000 -5\n",
        ])
    func garbage(text: String) throws {
        let fixture = try fixture()
        try fixture.run(epoch: 1) { journal in
            try journal.add(100)
            try store(fixture, journal, StoredThrough(epoch: journal.epoch, sequence: 51))
            #expect(try eventually { journal.unacknowledged == 50 })
            try FileSystem.replace(fixture.directory.cursor, with: Array(text.utf8), mode: 0o640)
            journal.lookAtCursor()
            #expect(try eventually { journal.faults.cursor != nil })
            #expect(journal.unacknowledged == 50)
            try store(fixture, journal, StoredThrough(epoch: journal.epoch, sequence: 61))
            #expect(try eventually { journal.faults.isEmpty && journal.unacknowledged == 40 })
        }
    }

    @Test("a cursor that claims more than was written never counts more than was written")
    func boasting() throws {
        let fixture = try fixture()
        try fixture.run(epoch: 1) { journal in
            try journal.add(10)
            try store(fixture, journal, StoredThrough(epoch: journal.epoch, sequence: .max))
            #expect(try eventually { journal.unacknowledged == 0 })
            try journal.add(5)
            #expect(journal.unacknowledged == 5 || journal.unacknowledged == 0)
            #expect(journal.unacknowledged >= 0)
        }
    }
}
