import Admission
import Framing
import Glibc
import Posix
import Storage
import Synchronization
import TestSupport
import Testing

@Suite struct JournalReaderTests {
    private func stored(_ epoch: UInt64, _ sequence: UInt64) -> StoredThrough {
        StoredThrough(epoch: Epoch(low: epoch, high: 7), sequence: sequence)
    }
    private func stretch(_ epoch: UInt64, _ first: UInt64, _ last: UInt64) -> RecordBatch.Stretch {
        RecordBatch.Stretch(epoch: Epoch(low: epoch, high: 7), first: first, last: last)
    }

    @Test("before there is a journal there is nothing to read")
    func nothing() throws {
        let temporary = try TemporaryDirectory()
        let reader = JournalReader(LaneDirectory(temporary.file("lane")), from: .beginning)
        #expect(try reader.read(atMost: 10).isEmpty)
        #expect(try reader.oldestHeld() == nil)
    }

    @Test(
        "a reader follows its writer over segments and epochs, in batches as large as asked for",
        arguments: [1, 7, 500])
    func follows(limit: Int) throws {
        let fixture = try JournalFixture()
        let reader = JournalReader(fixture.directory, from: .beginning)
        var read: [String] = []
        for epoch: UInt64 in 1...3 {
            try fixture.run(epoch: epoch) { journal in
                for count in [0, 1, 40, 3] {
                    try journal.add(count)
                    let rest = try reader.rest(limit: limit)
                    #expect(rest.lost.isEmpty)
                    read += rest.records.map { "\($0.epoch.low):\($0.sequence)" }
                    #expect(read.last == "\(epoch):\(journal.nextSequence - 1)")
                    #expect(try reader.read(atMost: limit).isEmpty)
                }
            }
        }
        #expect(read == (1...3).flatMap { epoch in (1...45).map { "\(epoch):\($0)" } })
        #expect(try reader.oldestHeld() == stored(1, 1))
    }

    @Test("a batch says through which record it goes, and a reader goes on from there")
    func goesOn() throws {
        let fixture = try JournalFixture()
        for epoch: UInt64 in 1...2 { try fixture.run(epoch: epoch) { try $0.add(49) } }
        var through: StoredThrough?
        var count = 0
        while true {
            let reader = JournalReader(fixture.directory, from: through.map { .after($0) } ?? .beginning)
            let batch = try reader.read(atMost: 9)
            if batch.isEmpty { break }
            #expect(batch.lost == nil)
            count += batch.count
            through = batch.through
        }
        #expect(count == 100 && through == stored(2, 50))
    }

    @Test(
        "a start behind a record, at the beginning, or some records before the end",
        arguments: [
            (JournalReader.Start.beginning, "1:1"), (.last(1), "2:50"), (.last(3), "2:48"), (.last(50), "2:1"),
            (.last(51), "1:50"), (.last(1000), "1:1"), (.last(0), ""),
            (.after(StoredThrough(epoch: Epoch(low: 1, high: 7), sequence: 10)), "1:11"),
            (.after(StoredThrough(epoch: Epoch(low: 1, high: 7), sequence: 50)), "2:1"),
            (.after(StoredThrough(epoch: Epoch(low: 2, high: 7), sequence: 0)), "2:1"),
            (.after(StoredThrough(epoch: Epoch(low: 2, high: 7), sequence: 50)), ""),
            (.after(StoredThrough(epoch: Epoch(low: 9, high: 9), sequence: 5)), "1:1"),
        ])
    func starts(start: JournalReader.Start, first: String) throws {
        let fixture = try JournalFixture()
        for epoch: UInt64 in 1...2 { try fixture.run(epoch: epoch) { try $0.add(49) } }
        let rest = try JournalReader(fixture.directory, from: start).rest()
        #expect((rest.records.first.map { "\($0.epoch.low):\($0.sequence)" } ?? "") == first)
        #expect(rest.lost.isEmpty)
    }

    @Test("a torn record at the end is waited for")
    func torn() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { try $0.add(9) }
        let name = SegmentHeader.fileName(ordinal: 1)
        let whole = try #require(fixture.contents()[name])
        var bytes = whole
        for index in 256 * 10 + 100..<256 * 11 { bytes[index] = 0xAA }
        try fixture.put(bytes, name)
        let reader = JournalReader(fixture.directory, from: .beginning)
        #expect(try reader.rest().records.count == 9)
        #expect(try reader.read(atMost: 10).isEmpty)
        try fixture.put(whole, name)
        #expect(try reader.rest().records.map(\.sequence) == [10])
    }

    @Test(
        "damage that a later record proves is passed over, and told before the record behind it", arguments: [1, 5, 31])
    func damage(first: Int) throws {
        let fixture = try JournalFixture()
        try fixture.handmadeSegment(ordinal: 1, epoch: 1, count: 32, capacity: 32) { _ in 0 }
        try fixture.handmadeSegment(ordinal: 2, epoch: 1, firstSequence: 33, count: 8, capacity: 32) { _ in 0 }
        let name = SegmentHeader.fileName(ordinal: 1)
        for slot in first..<min(32, first + 3) { try fixture.damageRecord(slot, of: name) }
        let last = UInt64(min(32, first + 3))
        let reader = JournalReader(fixture.directory, from: .beginning)
        let before = try reader.read(atMost: 100)
        #expect(before.lost == nil && before.through == stored(1, UInt64(first)))
        let after = try reader.read(atMost: 100)
        #expect(after.lost == stretch(1, UInt64(first) + 1, last))
        #expect(after.through == stored(1, 40) || after.through == stored(1, 32))
        let rest = try reader.rest()
        #expect(rest.lost.isEmpty)
        #expect(rest.records.last?.sequence == 40 || after.through == stored(1, 40))
        // The same from a cursor before the damage.
        let again = try JournalReader(fixture.directory, from: .after(stored(1, UInt64(first)))).rest()
        #expect(again.lost == [stretch(1, UInt64(first) + 1, last)] && again.records.first?.sequence == last + 1)
    }

    @Test("damage that nothing proves to have been on disk is the end")
    func unproven() throws {
        let fixture = try JournalFixture()
        try fixture.handmadeSegment(ordinal: 1, epoch: 1, count: 20, capacity: 32) { $0 < 10 ? 0 : UInt8($0 - 10) }
        try fixture.damageRecord(12, of: SegmentHeader.fileName(ordinal: 1))
        let reader = JournalReader(fixture.directory, from: .beginning)
        #expect(try reader.rest().records.count == 12)
        // The writer recovers there, and the reader goes on with its epoch.
        try fixture.run(epoch: 2) { try $0.add(1) }
        let rest = try reader.rest()
        #expect(rest.records.map { "\($0.epoch.low):\($0.sequence)" } == ["2:1", "2:2"] && rest.lost.isEmpty)
    }

    @Test("a cursor behind the recovered end goes on with the next epoch, and so does a reader that was there already")
    func cutEnd() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { try $0.add(39) }
        let reader = JournalReader(fixture.directory, from: .beginning)
        #expect(try reader.rest().records.count == 40)
        // A power cut takes the last twelve records, which had been read and sent: the second segment and four more.
        let first = SegmentHeader.fileName(ordinal: 1)
        var bytes = try #require(fixture.contents()[first])
        for index in 256 * 29..<bytes.count { bytes[index] = 0 }
        try fixture.put(bytes, first)
        let second = SegmentHeader.fileName(ordinal: 2)
        bytes = try #require(fixture.contents()[second])
        for index in 256..<bytes.count { bytes[index] = 0 }
        try fixture.put(bytes, second)
        let recovery = try fixture.run(epoch: 2) { try $0.add(30) }
        #expect(recovery.last == stored(1, 28))
        for reader in [reader, JournalReader(fixture.directory, from: .after(stored(1, 40)))] {
            let rest = try reader.rest()
            #expect(rest.records.map(\.sequence) == Array(1...31) && rest.lost.isEmpty)
            #expect(rest.records.allSatisfy { $0.epoch.low == 2 })
        }
    }

    @Test("records never written for want of a header or a file are told by the numbers beside them")
    func missingSegments() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { try $0.add(99) }
        try FileSystem.unlink("\(fixture.directory.journal)/\(SegmentHeader.fileName(ordinal: 2))")
        let deleted = try JournalReader(fixture.directory, from: .beginning).rest()
        #expect(deleted.lost == [stretch(1, 33, 64)] && deleted.records.count == 68)
        try fixture.damage(SegmentHeader.fileName(ordinal: 3), at: 9)
        let damaged = try JournalReader(fixture.directory, from: .beginning).rest()
        #expect(damaged.lost == [stretch(1, 33, 96)] && damaged.records.count == 36)
    }

    @Test("a whole epoch lost between two is told, with what was lost on both sides of it")
    func lostEpoch() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { try $0.add(9) }
        try fixture.run(epoch: 2) { try $0.add(4) }
        try fixture.run(epoch: 3) { try $0.add(9) }
        try fixture.run(epoch: 4)
        for slot in 10..<15 { try fixture.damageRecord(slot, of: SegmentHeader.fileName(ordinal: 1)) }
        let rest = try JournalReader(fixture.directory, from: .beginning).rest()
        #expect(rest.lost == [stretch(2, 1, 5)])
        #expect(rest.records.map { "\($0.epoch.low):\($0.sequence)" }[10] == "3:1")
    }

    @Test("a reader far behind reads a segment to its end after it was deleted, and goes on")
    func deletedUnderIt() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { journal in
            try journal.add(99)
            let reader = JournalReader(fixture.directory, from: .beginning)
            #expect(try reader.read(atMost: 5).count == 5)
            try FileSystem.unlink("\(fixture.directory.journal)/\(SegmentHeader.fileName(ordinal: 1))")
            let rest = try reader.rest(limit: 5)
            #expect(rest.records.map(\.sequence) == Array(6...100) && rest.lost.isEmpty)
            #expect(try reader.oldestHeld() == stored(1, 33))
        }
    }

    @Test("a reader at the full speed of a writer sees every record once and in order")
    func concurrent() throws {
        var fixture = try JournalFixture()
        fixture.settings = JournalSettings(capacityRecords: 20_000, reserveRecords: 1000, recordsPerSegment: 256)
        let directory = fixture.directory
        let result = ReadNumbers()
        let last: UInt64 = 6000
        let thread = try NamedThread.start(name: "reader") {
            let reader = JournalReader(directory, from: .beginning)
            let deadline = SystemClock.deadline(milliseconds: 60_000)
            while result.last < last && SystemClock.monotonicNanoseconds() < deadline {
                guard let rest = try? reader.rest(limit: 33) else { return }
                result.take(rest.records.map(\.sequence), lost: rest.lost.count)
            }
        }
        try fixture.run(epoch: 1) { try $0.add(Int(last) - 1) }
        thread.join()
        #expect(result.inOrder && result.last == last)
    }

    private final class ReadNumbers: Sendable {
        private let state = Mutex<(last: UInt64, inOrder: Bool)>((0, true))
        func take(_ numbers: [UInt64], lost: Int) {
            state.withLock { state in
                for number in numbers {
                    if number != state.last + 1 || lost > 0 { state.inOrder = false }
                    state.last = number
                }
            }
        }
        var last: UInt64 { state.withLock { $0.last } }
        var inOrder: Bool { state.withLock { $0.inOrder } }
    }
}
