import Admission
import Framing
import Posix
import Storage
import TestSupport
import Testing

@Suite struct JournalRecoveryTests {
    private func hole(_ epoch: UInt64, _ first: UInt64, _ count: UInt64) -> String {
        "\(LaneEvent.hole(epoch: Epoch(low: epoch, high: 7), firstSequence: first, count: count, .damaged, LaneTotals()))"
    }

    @Test("cut off at any byte, the journal keeps every record before the cut and goes on behind it")
    func truncated() throws {
        var fixture = try JournalFixture()
        fixture.settings.recordsPerSegment = 16
        // 16 records fill the first segment, 6 stand in the second.
        try fixture.run(epoch: 1) { try $0.add(21) }
        let whole = try fixture.contents()
        let name = SegmentHeader.fileName(ordinal: 2)
        let bytes = try #require(whole[name])
        for length in 0...bytes.count where length < 10 || (254...520).contains(length) || length % 256 < 2 {
            try fixture.restore(whole)
            try fixture.put(Array(bytes[..<length]), name)
            let recovery = try fixture.run(epoch: 2) { try $0.add(3) }
            // A record that lost only zeros of its end is whole: the journal reads zeros where the file ends.
            let kept =
                length < 256
                ? 0
                : (0..<6).count {
                    bytes[max(length, 256 * ($0 + 1))..<max(length, 256 * ($0 + 2))].allSatisfy { $0 == 0 }
                }
            #expect(recovery.last?.sequence == UInt64(16 + kept), "\(length) bytes")
            #expect(recovery.recordsHeld == 16 + kept)
            #expect(recovery.setAside.count == (length < 256 ? 1 : 0))
            let records = try fixture.records()
            #expect(records.map(\.sequence) == (1...UInt64(16 + kept)) + [1, 2, 3, 4], "\(length) bytes")
            if kept > 0 { #expect(try fixture.contents()[name]?.count == bytes.count) }
        }
    }

    @Test("a bit turned over before the synced mark is a hole, at or behind it the end", arguments: 0..<26)
    func aroundTheMark(slot: Int) throws {
        let fixture = try JournalFixture()
        // Records 0–19 were on disk when record 20 was written; 20–25 never known to be.
        try fixture.handmadeSegment(ordinal: 1, epoch: 1, count: 26, capacity: 32) { $0 < 20 ? 0 : UInt8($0 - 20) }
        try fixture.damageRecord(slot, of: SegmentHeader.fileName(ordinal: 1))
        let recovery = try fixture.run(epoch: 2) { try $0.add(2) }
        // What the second opening finds must be what the first one left.
        let again = try fixture.run(epoch: 3)
        if slot < 20 {
            #expect(recovery.holes.map { "\($0)" } == [hole(1, UInt64(slot) + 1, 1)])
            #expect(recovery.holesRecorded == 1 && recovery.recordsDropped == 0)
            #expect(recovery.last?.sequence == 26 && recovery.recordsHeld == 25)
            #expect(again.recordsHeld == 25 + 2 + 2)
        } else {
            #expect(recovery.holes.isEmpty)
            #expect(recovery.recordsDropped == 25 - slot)
            #expect(recovery.recordsHeld == slot && recovery.last?.sequence == UInt64(slot))
            #expect(again.recordsHeld == slot + 1 + 2)
        }
        // A hole is told once, and nothing stale came back.
        #expect(again.holes.isEmpty && again.recordsDropped == 0)
        let firstEpoch = try fixture.records().filter { $0.epoch.low == 1 }.map(\.sequence)
        let expected = (1...26).filter { slot < 20 ? $0 != slot + 1 : $0 <= slot }.map { UInt64($0) }
        #expect(firstEpoch == expected)
    }

    @Test("damage on both sides of the mark at once: a hole before it, the end at it")
    func straddling() throws {
        let fixture = try JournalFixture()
        try fixture.handmadeSegment(ordinal: 1, epoch: 1, count: 26, capacity: 32) { $0 < 20 ? 0 : UInt8($0 - 20) }
        for slot in 17..<23 { try fixture.damageRecord(slot, of: SegmentHeader.fileName(ordinal: 1)) }
        let recovery = try fixture.run(epoch: 2)
        #expect(recovery.holes.map { "\($0)" } == [hole(1, 18, 3)])
        #expect(recovery.last?.sequence == 17 && recovery.recordsDropped == 3)
        let again = try fixture.run(epoch: 3)
        #expect(again.holes.isEmpty && again.recordsHeld == 17 + 2)
    }

    @Test("records that make no claim prove nothing")
    func noClaim() throws {
        let fixture = try JournalFixture()
        try fixture.handmadeSegment(ordinal: 1, epoch: 1, count: 26, capacity: 32) { $0 < 5 ? 0 : 255 }
        try fixture.damageRecord(10, of: SegmentHeader.fileName(ordinal: 1))
        let recovery = try fixture.run(epoch: 2)
        #expect(recovery.holes.isEmpty && recovery.last?.sequence == 10 && recovery.recordsDropped == 15)
    }

    @Test("behind the end, whole segments with something stale in them are removed")
    func staleSegments() throws {
        let fixture = try JournalFixture()
        try fixture.handmadeSegment(ordinal: 1, epoch: 1, count: 32, capacity: 32) { _ in 255 }
        try fixture.handmadeSegment(ordinal: 2, epoch: 1, firstSequence: 33, count: 5, capacity: 32) { _ in 255 }
        try fixture.damageRecord(30, of: SegmentHeader.fileName(ordinal: 1))
        let recovery = try fixture.run(epoch: 2) { try $0.add(40) }
        #expect(recovery.last?.sequence == 30 && recovery.recordsDropped == 6)
        let again = try fixture.run(epoch: 3)
        #expect(again.recordsHeld == 30 + 41 && again.holes.isEmpty && again.recordsDropped == 0)
        #expect(try fixture.records().filter { $0.epoch.low == 1 }.count == 30)
    }

    @Test("a hole at the end of an epoch is told by the epoch that follows it")
    func endOfEpoch() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { try $0.add(9) }
        try fixture.run(epoch: 2) { try $0.add(9) }
        let name = SegmentHeader.fileName(ordinal: 1)
        // Records 9 and 10 of the first epoch.
        for slot in [8, 9] { try fixture.damageRecord(slot, of: name) }
        let recovery = try fixture.run(epoch: 3)
        #expect(recovery.holes.map { "\($0)" } == [hole(1, 9, 2)])
        #expect(try fixture.run(epoch: 4).holes.isEmpty)
    }

    @Test("the beginning of an epoch lost: its numbers tell how many, and the slots how much of the one before")
    func beginningOfEpoch() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { try $0.add(9) }
        try fixture.run(epoch: 2) { journal in
            try journal.add(8)
            #expect(journal.waitUntilSynced(by: SystemClock.deadline(milliseconds: 60_000)))
            try journal.add()
        }
        let name = SegmentHeader.fileName(ordinal: 1)
        for slot in 8..<13 { try fixture.damageRecord(slot, of: name) }
        let recovery = try fixture.run(epoch: 3)
        #expect(Set(recovery.holes.map { "\($0)" }) == [hole(1, 9, 2), hole(2, 1, 3)])
        #expect(try fixture.run(epoch: 4).holes.isEmpty)
    }

    // MARK: Segment headers

    @Test("a segment with a damaged header is set aside unchanged, its records told as a hole, once")
    func headerInTheMiddle() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { try $0.add(99) }
        let name = SegmentHeader.fileName(ordinal: 2)
        try fixture.damage(name, at: 20)
        let before = try fixture.contents()[name]
        let recovery = try fixture.run(epoch: 2) { try $0.add(3) }
        #expect(recovery.holes.map { "\($0)" } == [hole(1, 33, 32)])
        #expect(recovery.setAside == ["\(fixture.directory.journal)/00000000000000000002.bad"])
        #expect(recovery.last?.sequence == 100)
        #expect(try fixture.contents()["00000000000000000002.bad"] == before)
        let again = try fixture.run(epoch: 3)
        #expect(again.holes.isEmpty && again.setAside.isEmpty && again.recordsHeld == 68 + 5)
        #expect(try fixture.contents()["00000000000000000002.bad"] == before)
    }

    @Test("when it was the last segment, what can be read in it tells what the hole is")
    func headerOfTheLast() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { try $0.add(49) }
        try fixture.run(epoch: 2) { try $0.add(4) }
        try fixture.damage(SegmentHeader.fileName(ordinal: 2), at: 100)
        let recovery = try fixture.run(epoch: 3) { try $0.add(3) }
        #expect(recovery.last == StoredThrough(epoch: Epoch(low: 1, high: 7), sequence: 32))
        #expect(Set(recovery.holes.map { "\($0)" }) == [hole(1, 33, 18), hole(2, 1, 5)])
        #expect(recovery.holesRecorded == 2)
        let again = try fixture.run(epoch: 4)
        #expect(again.holes.isEmpty && again.recordsHeld == 32 + 6)
        // Ordinals are never reused.
        #expect(try !fixture.segmentNames().contains(SegmentHeader.fileName(ordinal: 2)))
    }

    @Test("a blank segment with a damaged header is set aside and nothing is missing")
    func headerOfABlank() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { try $0.add(4) }
        try fixture.damage(SegmentHeader.fileName(ordinal: 3), at: 0)
        let recovery = try fixture.run(epoch: 2) { try $0.add(100) }
        #expect(recovery.holes.isEmpty && recovery.setAside.count == 1 && recovery.last?.sequence == 5)
        #expect(try fixture.run(epoch: 3).recordsHeld == 5 + 101)
    }

    @Test("a segment somebody deleted is told as a hole, once")
    func deletedSegment() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { try $0.add(99) }
        try FileSystem.unlink("\(fixture.directory.journal)/\(SegmentHeader.fileName(ordinal: 2))")
        #expect(try fixture.run(epoch: 2).holes.map { "\($0)" } == [hole(1, 33, 32)])
        #expect(try fixture.run(epoch: 3).holes.isEmpty)
    }

    @Test("nothing but garbage in every slot: the journal starts anew and the garbage is gone")
    func garbage() throws {
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { try $0.add(40) }
        var random = SeededGenerator()
        for name in try fixture.segmentNames() {
            let header = SegmentHeader(
                ordinal: SegmentHeader.ordinal(fileName: name) ?? 0, capacity: 32, lane: JournalFixture.lane)
            try fixture.put(header.encoded + random.bytes(32 * 256), name)
        }
        let recovery = try fixture.run(epoch: 2) { try $0.add(40) }
        #expect(recovery.last == nil && recovery.holes.isEmpty)
        #expect(try fixture.records().map(\.sequence) == Array(1...41))
    }

    /// 2269277513: a hole that was told whole, seen smaller once a segment with part of it had been set aside.
    @Test(
        "any damage at all, and the journal opens, tells what it holds truly, and finds the same again",
        arguments: [nil, 2_269_277_513] as [UInt64?])
    func randomDamage(seed: UInt64?) throws {
        var random = SeededGenerator(seed: seed)
        let fixture = try JournalFixture()
        try fixture.run(epoch: 1) { try $0.add(70) }
        try fixture.run(epoch: 2) { try $0.add(20) }
        let whole = try fixture.contents()
        for round in 0..<150 {
            try fixture.restore(whole)
            for _ in 0...random.next() % 5 {
                let name = SegmentHeader.fileName(ordinal: 1 + random.next() % 3)
                guard var bytes = try fixture.contents()[name] else { continue }
                let start = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 4 {
                case 0: bytes[start] ^= 1 << UInt8(random.next() % 8)
                case 1: bytes = Array(bytes[..<start])
                case 2: for index in start..<min(bytes.count, start + 4096) { bytes[index] = 0 }
                default: for index in start..<min(bytes.count, start + 700) { bytes[index] = random.bytes(1)[0] }
                }
                try fixture.put(bytes, name)
            }
            let recovery = try fixture.run(epoch: 3) { try $0.add(3) }
            let held = try fixture.records().filter { $0.epoch.low != 3 }
            #expect(held.count == recovery.recordsHeld, "round \(round), seed \(random.seed)")
            #expect(Set(held.map { "\($0.epoch.hex) \($0.sequence)" }).count == held.count)
            let again = try fixture.run(epoch: 4)
            #expect(again.holes.isEmpty && again.recordsDropped == 0, "round \(round), seed \(random.seed)")
            #expect(
                again.last == StoredThrough(epoch: Epoch(low: 3, high: 7), sequence: UInt64(4 + recovery.holesRecorded))
            )
        }
    }
}
