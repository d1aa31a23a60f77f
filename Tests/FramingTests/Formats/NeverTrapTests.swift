import Admission
import Framing
import Testing

/// A decoder that traps on a file or a peer's bytes takes the program with it: each is fed random bytes, true frames
/// with random damage, and damage under a right checksum.
@Suite struct NeverTrapTests {
    private func feed(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { buffer in
            _ = try? JournalRecord(buffer)
            _ = JournalRecord.place(of: buffer)
            _ = try? RecordBatch(buffer)
            _ = try? SegmentHeader(buffer)
            _ = try? ImageHeader.length(of: buffer)
            if let header = try? ImageHeader(buffer) { _ = header.zoneBit(.outside) }
        }
        _ = try? Statement.parse(bytes)
        _ = try? ChangeList.parse(bytes)
        let text = String(decoding: bytes.prefix(70), as: UTF8.self)
        _ = try? StoredThrough(text: text)
        _ = try? AppliedMark(text: text)
        _ = try? KeyFile(text: text, expecting: .badge)
        _ = SegmentHeader.ordinal(fileName: text)
    }

    @Test("random bytes of any length are refused or read, never a trap")
    func randomBytes() {
        var random = RandomRecords()
        for _ in 0..<3000 { feed(random.bytes(random.below(600))) }
        for magic in ["LKIMAGE1", "LKJRNL1\n", "LKBATCH1", "LKSTATE1", "LKCHANG1", "stored ", "applied "] {
            for _ in 0..<500 { feed(Array(magic.utf8) + random.bytes(random.below(600))) }
        }
    }

    @Test("true frames with a few bytes overwritten are refused or read, never a trap")
    func damagedFrames() {
        var random = RandomRecords()
        for _ in 0..<1500 {
            var frames = [random.record().encoded]
            if random.below(20) == 0 { frames.append(random.imageHeader().signedPart + random.bytes(64)) }
            frames.append(SegmentHeader(ordinal: random.word(), capacity: 5, lane: random.name()).encoded)
            for var frame in frames {
                for _ in 0...random.below(4) { frame[random.below(min(frame.count, 400))] = random.byte() }
                feed(frame)
            }
        }
    }

    @Test("any body under a right checksum is refused or read, and what was read can be used")
    func rightChecksum() {
        var random = RandomRecords()
        for _ in 0..<5000 {
            var bytes = random.record().encoded
            bytes[5] = UInt8(random.below(18))
            for _ in 0...random.below(40) { bytes[144 + random.below(112)] = random.byte() }
            if random.below(4) == 0 { for index in 24..<48 { bytes[index] = random.one(of: [0, 0x7F, 0x80, 0xFF]) } }
            let crc = bytes.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[4...])) }
            for index in 0..<4 { bytes[index] = UInt8(truncatingIfNeeded: crc >> (8 * UInt32(index))) }
            bytes.withUnsafeBytes { buffer in
                guard let record = try? JournalRecord(buffer) else { return }
                var totals = LaneTotals()
                totals.count(record.event)
                _ = record.moment.wall.seconds
                _ = record.encoded
            }
        }
    }

    @Test("any 32 bytes as a slot are read without a trap")
    func slots() {
        var random = RandomRecords()
        let zoneSets: [UInt64] = [1, 2, 3]
        for base in [0, 1_700_000_000, ImageHeader.latestValidityBaseSeconds] {
            for _ in 0..<2000 {
                let table = random.bytes(ImageSlot.size * 4)
                table.withUnsafeBytes { buffer in
                    _ = ImageSlot.find(random.tag(), in: buffer, slots: 4)
                    for index in 0..<4 {
                        _ = ImageSlot.at(index, in: buffer).map { slot in
                            zoneSets.withUnsafeBufferPointer {
                                slot.credential(zoneSets: $0, validityBaseSeconds: base)
                            }
                        }
                    }
                }
            }
        }
    }
}
