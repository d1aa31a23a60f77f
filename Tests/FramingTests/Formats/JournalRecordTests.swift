import Admission
import Framing
import Testing

@Suite struct JournalRecordTests {
    @Test("every kind of record reads back as it was written", arguments: 1...RandomRecords.eventKinds)
    func roundTrip(kind: Int) throws {
        var random = RandomRecords()
        for _ in 0..<200 {
            let record = random.record(kind: kind)
            let bytes = record.encoded
            let back = try bytes.withUnsafeBytes { buffer throws(FormatError) in try JournalRecord(buffer) }
            #expect("\(back.event)" == "\(record.event)", "seed \(random.seed)")
            #expect(back.encoded == bytes)
            #expect(back.epoch == record.epoch)
            #expect(back.sequence == record.sequence)
            #expect(back.lane == record.lane && back.from == record.from && back.to == record.to)
            #expect(back.moment.wall == record.moment.wall && back.moment.clock == record.moment.clock)
            #expect(back.moment.monotonic == record.moment.monotonic)
            #expect(back.unsyncedBefore == record.unsyncedBefore)
        }
    }

    @Test("any single bit turned over is refused", arguments: 1...RandomRecords.eventKinds)
    func bitFlips(kind: Int) {
        var random = RandomRecords()
        let bytes = random.record(kind: kind).encoded
        for bit in 0..<bytes.count * 8 {
            bytes.flipping(bit: bit).withUnsafeBytes { flipped in
                #expect(!JournalRecord.isWhole(flipped), "bit \(bit)")
                #expect(JournalRecord.place(of: flipped) == nil, "bit \(bit)")
                #expect(throws: FormatError.self) { try JournalRecord(flipped) }
            }
        }
    }

    @Test("256 zeros are no record, and neither are 255 or 257 bytes")
    func notRecords() {
        for count in [0, 255, 256, 257] {
            [UInt8](repeating: 0, count: count).withUnsafeBytes { zeros in
                #expect(!JournalRecord.isWhole(zeros))
                #expect(throws: FormatError.self) { try JournalRecord(zeros) }
            }
        }
    }

    @Test("a record's fields lie where the layout draws them")
    func layout() throws {
        let name = try #require(ShortName("north-07"))
        let record = JournalRecord(
            event: .epochStarted(previous: Epoch(low: 0x11, high: 0x22), lastSequence: 0x33),
            moment: Moment(
                monotonic: MonotonicTime(nanoseconds: 5), wall: WallTime(milliseconds: -2), clock: .behindFloor),
            epoch: Epoch(low: 0x0102_0304_0506_0708, high: 0x090A_0B0C_0D0E_0F10), sequence: 0x77, lane: name,
            from: .outside, to: name, unsyncedBefore: 9)
        let bytes = record.encoded
        #expect(hex(Array(bytes[4..<8])) == "01010109")
        #expect(hex(Array(bytes[8..<24])) == "0807060504030201" + "100f0e0d0c0b0a09")
        #expect(hex(Array(bytes[24..<32])) == "7700000000000000")
        #expect(hex(Array(bytes[32..<40])) == "feffffffffffffff")
        #expect(hex(Array(bytes[40..<48])) == "0500000000000000")
        #expect(Array(bytes[48..<57]) == Array("north-07\0".utf8))
        #expect(Array(bytes[80..<88]) == Array("outside\0".utf8))
        #expect(
            hex(Array(bytes[144..<168])) == "11" + "00000000000000" + "22" + "00000000000000" + "33" + "00000000000000")
    }

    @Test("the place of a whole record is read without its event, also when a newer program wrote that")
    func place() throws {
        var random = RandomRecords()
        let record = random.record(kind: 14)
        var bytes = record.encoded
        bytes[5] = 200
        let crc = bytes.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[4...])) }
        for index in 0..<4 { bytes[index] = UInt8(truncatingIfNeeded: crc >> (8 * UInt32(index))) }
        try bytes.withUnsafeBytes { buffer in
            let place = try #require(JournalRecord.place(of: buffer))
            #expect(place.epoch == record.epoch && place.sequence == record.sequence)
            #expect(place.unsyncedBefore == record.unsyncedBefore)
            #expect(throws: FormatError("record", "kind 200 is not known; a newer program wrote it")) {
                try JournalRecord(buffer)
            }
        }
    }

    @Test("a name read from a record is the one made from its text, and the same bytes are refused")
    func names() {
        for text in [
            "", "a", "north-07", String(repeating: "x", count: 31), String(repeating: "x", count: 32), "a\0b", "北",
        ] {
            #expect(Array(text.utf8).withUnsafeBytes { ShortName($0) } == ShortName(text), "\(text)")
        }
    }

    @Test("temperatures beyond what a record holds are written as the nearest it does")
    func clamped() throws {
        var random = RandomRecords()
        var decision = random.decision()
        decision.temperature.medianCentidegrees = 1_000_000
        decision.temperature.ambientCentidegrees = -1_000_000
        var record = random.record(kind: 14)
        record.event = .decided(decision)
        let back = try record.encoded.withUnsafeBytes { buffer throws(FormatError) in try JournalRecord(buffer) }
        guard case .decided(let read) = back.event else {
            Issue.record("not a decision")
            return
        }
        #expect(read.temperature.medianCentidegrees == 32_767)
        #expect(read.temperature.ambientCentidegrees == -32_768)
    }
}
