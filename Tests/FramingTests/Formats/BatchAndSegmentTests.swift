import Admission
import Framing
import Testing

@Suite struct BatchAndSegmentTests {
    private func batch(_ bytes: [UInt8]) throws -> RecordBatch {
        try bytes.withUnsafeBytes { buffer throws(FormatError) in try RecordBatch(buffer) }
    }
    private func segment(_ bytes: [UInt8]) throws -> SegmentHeader {
        try bytes.withUnsafeBytes { buffer throws(FormatError) in try SegmentHeader(buffer) }
    }

    @Test("a batch reads back with its records where they were put", arguments: [0, 1, 3, 500])
    func roundTrip(count: Int) throws {
        var random = RandomRecords()
        let records = (0..<count).map { _ in random.record().encoded }
        let head = RecordBatch(
            site: SiteID(low: random.word(), high: random.word()), lane: random.name(), recordCount: count,
            oldestHeld: count == 0 ? nil : StoredThrough(epoch: random.epoch(), sequence: 7),
            lost: count == 1 ? nil : RecordBatch.Stretch(epoch: random.epoch(), first: 5, last: 9),
            word: count == 3 ? nil : random.laneWord())
        let bytes = head.encodedHead + records.joined()
        let back = try batch(bytes)
        #expect(back.site == head.site && back.lane == head.lane && back.recordCount == count)
        #expect(back.oldestHeld == head.oldestHeld && back.lost == head.lost && back.word == head.word)
        bytes.withUnsafeBytes { buffer in
            for index in 0..<count { #expect(Array(RecordBatch.record(index, of: buffer)) == records[index]) }
        }
    }

    @Test("a batch is refused with a byte too few or too many, or any bit of its head turned over")
    func refusedBatch() throws {
        var random = RandomRecords()
        let head = RecordBatch(
            site: SiteID(low: 1, high: 2), lane: random.name(), recordCount: 1, oldestHeld: nil, lost: nil)
        let bytes = head.encodedHead + random.record().encoded
        #expect(throws: Never.self) { try batch(bytes) }
        #expect(throws: FormatError.self) { try batch(Array(bytes.dropLast())) }
        #expect(throws: FormatError.self) { try batch(bytes + [0]) }
        for bit in 0..<RecordBatch.headSize * 8 {
            #expect(throws: FormatError.self, "bit \(bit)") { try batch(bytes.flipping(bit: bit)) }
        }
    }

    @Test("more records than the format allows are refused, and so is a stretch that ends before it begins")
    func limits() throws {
        var random = RandomRecords()
        var head = RecordBatch(
            site: SiteID(low: 1, high: 2), lane: random.name(), recordCount: RecordBatch.mostRecords + 1,
            oldestHeld: nil, lost: nil)
        #expect(throws: FormatError("record batch", "10001 records; at most 10000 are taken")) {
            try batch(head.encodedHead + [UInt8](repeating: 0, count: (RecordBatch.mostRecords + 1) * 256))
        }
        head.recordCount = 0
        head.lost = RecordBatch.Stretch(epoch: random.epoch(), first: 9, last: 8)
        #expect(throws: FormatError("record batch", "a lost stretch ends before it begins")) {
            try batch(head.encodedHead)
        }
    }

    @Test("a lane's word reads back, is refused with any bit turned over, and takes no batch with it")
    func laneWord() throws {
        func read(_ bytes: [UInt8]) throws -> LaneWord {
            try bytes.withUnsafeBytes { buffer throws(FormatError) in try LaneWord(buffer) }
        }
        var random = RandomRecords()
        for _ in 0..<50 {
            let word = random.laneWord()
            #expect(try read(word.encoded) == word)
        }
        let word = random.laneWord()
        for bit in 0..<LaneWord.size * 8 {
            #expect(throws: FormatError.self, "bit \(bit)") { try read(word.encoded.flipping(bit: bit)) }
        }
        #expect(throws: FormatError.self) { try read(Array(word.encoded.dropLast())) }
        var bytes = RecordBatch(
            site: SiteID(low: 1, high: 2), lane: random.name(), recordCount: 0, oldestHeld: nil, lost: nil, word: word
        ).encodedHead
        bytes[120] = 2
        let checksum = bytes.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[..<252])) }
        withUnsafeBytes(of: checksum.littleEndian) { bytes.replaceSubrange(252..., with: $0) }
        #expect(try batch(bytes).word == nil)
    }

    @Test("later instants and another count of records are no news of a lane, everything else is")
    func news() throws {
        var random = RandomRecords()
        let word = random.laneWord()
        func isNews(_ change: (inout LaneWord) -> Void) -> Bool {
            var other = word
            change(&other)
            return other != word && other.isNews(after: word)
        }
        #expect(!word.isNews(after: word))
        #expect(!isNews { $0.asOf = $0.asOf.advanced(byMilliseconds: 5000) })
        #expect(!isNews { $0.statementAsOf = WallTime(milliseconds: 1) })
        #expect(!isNews { $0.recordsHeld ^= 1 })
        #expect(isNews { $0.lostDevices ^= 1 })
        #expect(isNews { $0.openCovers ^= 1 })
        #expect(isNews { $0.changeNumber ^= 1 })
        #expect(isNews { $0.flags.formSymmetricDifference(.hangs) })
        #expect(isNews { $0.clock = $0.clock == .trusted ? .stepped : .trusted })
        #expect(isNews { $0.freshness = $0.freshness == .stale ? .warn : .stale })
        #expect(isNews { $0.startedAt = WallTime(milliseconds: 5) })
    }

    @Test("a segment header reads back, and is refused with any bit turned over or cut short")
    func segmentHeader() throws {
        var random = RandomRecords()
        for _ in 0..<50 {
            let header = SegmentHeader(
                ordinal: random.word(), capacity: UInt32(truncatingIfNeeded: random.word()), lane: random.name())
            #expect(try segment(header.encoded) == header)
        }
        let bytes = SegmentHeader(ordinal: 3, capacity: 8192, lane: random.name()).encoded
        for bit in 0..<bytes.count * 8 {
            #expect(throws: FormatError.self, "bit \(bit)") { try segment(bytes.flipping(bit: bit)) }
        }
        #expect(throws: FormatError.self) { try segment(Array(bytes.dropLast())) }
    }

    @Test("a segment's file name says its ordinal, and other names say none")
    func segmentNames() {
        for ordinal in [1, 42, UInt64.max] {
            #expect(SegmentHeader.ordinal(fileName: SegmentHeader.fileName(ordinal: ordinal)) == ordinal)
        }
        #expect(SegmentHeader.fileName(ordinal: 1) == "00000000000000000001.seg")
        for name in [
            "", "1.seg", "00000000000000000001.bad", "00000000000000000001.seg.bad", "0000000000000000000x.seg",
            "+0000000000000000001.seg", "99999999999999999999.seg", ".00000000000000000001.seg", "lost+found",
        ] {
            #expect(SegmentHeader.ordinal(fileName: name) == nil, "\(name)")
        }
    }
}
