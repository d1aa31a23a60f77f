import Admission

@testable import Framing

let formatTargets: [FuzzTarget] = [
    FuzzTarget(name: "card-form", run: cards),
    FuzzTarget(name: "journal-record", run: records),
    FuzzTarget(name: "segment-header") { input in
        let bytes = checked(&input, count: SegmentHeader.size, checksumAt: 252)
        guard let header = bytes.withUnsafeBytes({ try? SegmentHeader($0) }) else { return }
        expect(header.encoded.withUnsafeBytes { try? SegmentHeader($0) } == header, "written and read it is another")
        expect(SegmentHeader.ordinal(fileName: header.fileName) == header.ordinal, "its file's name is another's")
    },
    FuzzTarget(name: "record-batch") { input in
        let bytes = checked(&input, count: RecordBatch.headSize, checksumAt: 252) + input.rest()
        guard let batch = bytes.withUnsafeBytes({ try? RecordBatch($0) }) else { return }
        expect(batch.recordCount * JournalRecord.size + RecordBatch.headSize == bytes.count, "it counts otherwise")
        let again = batch.encodedHead + bytes.dropFirst(RecordBatch.headSize)
        guard let read = again.withUnsafeBytes({ try? RecordBatch($0) }) else {
            return expect(false, "what was read and written cannot be read")
        }
        expect(
            read.site == batch.site && read.lane == batch.lane && read.oldestHeld == batch.oldestHeld
                && read.lost == batch.lost && read.recordCount == batch.recordCount && read.word == batch.word,
            "written and read it is another")
    },
    FuzzTarget(name: "lane-word") { input in
        let bytes = checked(&input, count: LaneWord.size, checksumAt: 124)
        guard let word = bytes.withUnsafeBytes({ try? LaneWord($0) }) else { return }
        expect(word.encoded.withUnsafeBytes { try? LaneWord($0) } == word, "written and read it is another")
        expect(!word.isNews(after: word), "it is news after itself")
    },
    FuzzTarget(name: "image-header", run: imageHeaders),
    FuzzTarget(name: "image-slot", run: slots),
    FuzzTarget(name: "statement") { input in
        let bytes = input.rest()
        guard let parsed = try? Statement.parse(bytes) else { return }
        expect(parsed.signature.count == 64 && parsed.signedPart + parsed.signature == bytes, "parts that are not all")
        let again = try? Statement.parse(parsed.statement.signedPart + parsed.signature)
        expect(again?.statement == parsed.statement, "written and read it is another")
    },
    FuzzTarget(name: "change-list") { input in
        let bytes = input.rest()
        guard let parsed = try? ChangeList.parse(bytes) else { return }
        expect(parsed.signature.count == 64 && parsed.signedPart + parsed.signature == bytes, "parts that are not all")
        let list = parsed.list
        expect(list.last >= list.first && Int64(exactly: list.last) != nil, "it ends at \(list.last)")
        // Bytes behind a zone's NUL are read as nothing.
        let again = try? ChangeList.parse(list.signedPart + parsed.signature)
        expect(again?.list == list, "written and read it is another")
        list.zoneSets.withUnsafeBufferPointer { sets in
            for change in list.changes {
                _ = change.credential(zoneSets: sets, validityBaseSeconds: list.validityBaseSeconds)
            }
        }
    },
    FuzzTarget(name: "presence-list") { input in
        let bytes = input.rest()
        guard let parsed = try? PresenceList.parse(bytes) else { return }
        expect(parsed.signature.count == 64 && parsed.signedPart + parsed.signature == bytes, "parts that are not all")
        let list = parsed.list
        // Bytes behind a zone's NUL are read as nothing.
        let again = try? PresenceList.parse(list.signedPart + parsed.signature)
        expect(again?.list == list, "written and read it is another")
        expect(list.entries.allSatisfy { Int($0.zone) <= list.zones.count }, "a zone that is not there")
        expect(zip(list.entries, list.entries.dropFirst()).allSatisfy { $0.holder < $1.holder }, "not in their order")
    },
    FuzzTarget(name: "text-files", run: texts),
    FuzzTarget(name: "enrolment-file", run: enrolments),
]

/// So many bytes of the input (zeros behind its end). With an odd first byte the checksum over everything before
/// `checksumAt`, the CRC's place, is made right.
private func checked(_ input: inout FuzzInput, count: Int, checksumAt place: Int) -> [UInt8] {
    let isChecked = input.byte() & 1 == 1
    var bytes = input.take(count)
    bytes += [UInt8](repeating: 0, count: count - bytes.count)
    guard isChecked else { return bytes }
    let crc = bytes.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[..<place])) }
    for index in 0..<4 { bytes[place + index] = UInt8(truncatingIfNeeded: crc >> (8 * UInt32(index))) }
    return bytes
}

/// A card that is read is, written as 26, 34 or 37 bits with their parities, read as the same chip; one turned bit under
/// a parity is not read.
private func cards(_ input: inout FuzzInput) {
    let form: CardForm = input.byte() & 1 == 0 ? .wiegand : .raw
    let bits = Int(input.number(UInt16.self))
    var bytes = InlineBytes<512>()
    for byte in input.rest() { bytes.append(byte) }
    guard let chip = try? form.identifier(bits: bits, of: bytes, from: 0) else { return }
    expect(chip.type == .chip, "a card that is no chip")
    expect(bits <= 512 && (bits + 7) / 8 <= bytes.count, "more bits than were given")
    guard form == .wiegand, [26, 34, 37].contains(bits) else {
        expect(chip.count == (bits + 7) / 8, "\(bits) bits became \(chip.count) bytes")
        if bits % 8 != 0 { expect(chip[chip.count - 1] << UInt8(bits % 8) == 0, "bits behind the last one") }
        return
    }
    let count = bits - 2
    let number = chip.bytes.reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    expect(number >> UInt64(count) == 0, "a number of more than \(count) bits")
    for position in 0..<bits {
        var turned = InlineBytes<512>()
        for (index, byte) in bytes.enumerated() {
            turned.append(index == position / 8 ? byte ^ 0x80 >> UInt8(position % 8) : byte)
        }
        // The middle bit of 37 stands under both parities.
        expect((try? form.identifier(bits: bits, of: turned, from: 0)) == nil, "bit \(position) turned, and still read")
    }
}

/// Bytes 4–255 are the input's; with an odd first byte the checksum is right.
private func records(_ input: inout FuzzInput) {
    let isChecked = input.byte() & 1 == 1
    var bytes = input.take(JournalRecord.size)
    bytes += [UInt8](repeating: 0, count: JournalRecord.size - bytes.count)
    if isChecked {
        let crc = bytes.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[4...])) }
        for index in 0..<4 { bytes[index] = UInt8(truncatingIfNeeded: crc >> (8 * UInt32(index))) }
    }
    let place = bytes.withUnsafeBytes { JournalRecord.place(of: $0) }
    guard let record = bytes.withUnsafeBytes({ try? JournalRecord($0) }) else { return }
    expect(place?.sequence == record.sequence && place?.epoch == record.epoch, "it stands at another place")
    var totals = LaneTotals()
    totals.count(record.event)
    _ = record.moment.wall.seconds
    let encoded = record.encoded
    expect(Array(encoded[4..<48]) == Array(bytes[4..<48]), "its head is written otherwise than it was read")
    guard let again = encoded.withUnsafeBytes({ try? JournalRecord($0) }) else {
        return expect(false, "what was read and written cannot be read")
    }
    expect(again.encoded == encoded, "written and read it is another")
}

private func imageHeaders(_ input: inout FuzzInput) {
    var bytes = input.rest()
    // Headers have a multiple of 4096 bytes, most of them zeros: they need not stand in the input.
    let pages = (bytes.count + 4095) / 4096
    bytes += [UInt8](repeating: 0, count: pages * 4096 - bytes.count)
    guard let length = bytes.withUnsafeBytes({ try? ImageHeader.length(of: $0) }) else { return }
    expect(length % 4096 == 0 && (4096...1 << 20).contains(length), "a header of \(length) bytes")
    guard let header = bytes.withUnsafeBytes({ try? ImageHeader($0) }) else { return }
    expect(header.headerLength == length, "its tables need another length than it has")
    let again = header.signedPart + [UInt8](repeating: 0, count: 64)
    expect(again.withUnsafeBytes { try? ImageHeader($0) } == header, "written and read it is another")
    for zone in header.zones { expect(header.zoneBit(zone) != 0, "a zone without a bit") }
}

/// A table of up to eight slots and a tag that is looked for.
private func slots(_ input: inout FuzzInput) {
    let base = Int64(input.number(UInt32.self))
    let wanted = Int(input.byte())
    var bytes = input.take(8 * ImageSlot.size)
    let count = max(1, bytes.count / ImageSlot.size)
    bytes += [UInt8](repeating: 0, count: max(0, count * ImageSlot.size - bytes.count))
    let zoneSets: [UInt64] = (0..<1024).map { UInt64($0) &* 0x9E37_79B9 }
    bytes.withUnsafeBytes { table in
        for index in 0..<count {
            guard let slot = ImageSlot.at(index, in: table) else { continue }
            var copy = [UInt8](repeating: 0, count: ImageSlot.size)
            copy.withUnsafeMutableBytes { slot.encode(into: $0) }
            expect(
                copy.elementsEqual(table[index * ImageSlot.size..<(index + 1) * ImageSlot.size]),
                "it is written otherwise than it was read")
            let credential = zoneSets.withUnsafeBufferPointer {
                slot.credential(zoneSets: $0, validityBaseSeconds: base)
            }
            // A validity that begins at the very last second is read, but never written: it is kept for "for ever".
            guard let credential, slot.validityAndZones & 0x7FF_FFFF != 0x7FF_FFFF else { continue }
            let zoneSet = zoneSets.firstIndex(of: credential.zones) ?? 0
            let made = ImageSlot(
                tag: slot.tag, credential: credential, zoneSet: zoneSet, validityBaseSeconds: base)
            expect(made?.validityAndZones == slot.validityAndZones, "its validity or zones become others")
            expect(made?.holder == slot.holder && made?.tag == slot.tag, "it becomes another's")
            // Bit 1, conflict, and bits 14 and 15 are no part of a credential.
            expect(made.map { $0.states & 0x3FFC } == slot.states & 0x3FFC, "its states become others")
        }
        let tag = ImageSlot.at(wanted % count, in: table)?.tag ?? .none
        if let found = ImageSlot.find(tag, in: table, slots: count) {
            expect(found.tag == tag, "another tag was found than was looked for")
        }
    }
}

private func texts(_ input: inout FuzzInput) {
    let kind = input.byte()
    let text = String(decoding: input.rest(), as: UTF8.self)
    switch kind % 6 {
    case 0:
        guard let read = try? StoredThrough(text: text) else { return }
        expect((try? StoredThrough(text: read.text)) == read, "written and read it is another")
    case 1:
        guard let read = try? AppliedMark(text: text) else { return }
        expect((try? AppliedMark(text: read.text)) == read, "written and read it is another")
    case 2:
        guard let read = try? ReaderKeyFile(text: text) else { return }
        expect((try? ReaderKeyFile(text: read.text))?.key == read.key, "written and read it is another")
    case 3:
        guard let ordinal = SegmentHeader.ordinal(fileName: text) else { return }
        expect(SegmentHeader.fileName(ordinal: ordinal) == text, "the ordinal's file has another name")
    case 4:
        if let bytes = Hexadecimal.bytes(text) { expect(Hexadecimal.text(bytes) == text.lowercased(), "other digits") }
    default:
        let kinds: [KeyFile.Kind] = [.badge, .sitePublic, .siteSecret]
        let wanted = kinds[Int(kind / 6) % 3]
        do {
            let read = try KeyFile(text: text, expecting: wanted)
            let again = try? KeyFile(text: read.text, expecting: wanted)
            expect(again?.key == read.key && again?.site == read.site, "written and read it is another")
            if wanted == .badge { expect(BadgeKey(bytes: read.key) != nil, "a badge key that is none") }
        } catch {
            expectNoKey(of: text, in: error)
        }
    }
}

/// With an odd first byte the last line, the checksum, is made right.
private func enrolments(_ input: inout FuzzInput) {
    let isChecked = input.byte() & 1 == 1
    var bytes = input.rest()
    if isChecked {
        let sum = bytes.withUnsafeBytes { CRC32C.checksum($0) }
        let digits = (0..<4).reversed().map { UInt8(truncatingIfNeeded: sum >> (8 * UInt32($0))) }
        bytes += Array("crc32c \(Hexadecimal.text(digits))\n".utf8)
    }
    do {
        let read = try EnrolmentFile(bytes)
        let again = try? EnrolmentFile(read.bytes)
        expect(again == read, "written and read it is another")
        expect(LaneIdentity.isLaneID(read.lane), "a lane without an id")
        expect(BadgeKey(bytes: read.badgeKey) != nil, "a badge key that is none")
        expect(read.authorities.count + read.identity.count < bytes.count, "more was read than was there")
    } catch {
        for line in bytes.split(separator: 0x0A) { expectNoKey(of: String(decoding: line, as: UTF8.self), in: error) }
    }
}

/// A key that is only mistyped must not come into a log.
private func expectNoKey(of text: String, in error: FormatError) {
    let word = text.split(separator: " ").last.map(String.init) ?? ""
    // By bytes: Foundation's own `contains` takes no notice of characters it ignores, NUL among them.
    let isRepeated = Array(error.description.utf8).contains(Array(word.utf8))
    let isHeading = word.hasPrefix("lanekeeper-")
    expect(word.utf8.count < 24 || isHeading || !isRepeated, "the error repeats the key")
}
