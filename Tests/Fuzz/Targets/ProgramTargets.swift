import Admission
import Foundation
import Framing
import Posix

@testable import Collector
@testable import Configuration
@testable import Control

let programTargets: [FuzzTarget] = [
    FuzzTarget(name: "control-request") { input in
        let bytes = input.rest()
        do throws(ErrorReply) {
            let request = try ControlRequest.parse(bytes)
            let again = (try? request.encoded()).flatMap { try? ControlRequest.parse($0) }
            expect(again == request, "written and read it is another")
        } catch {
            let line = ControlReply.error(error).encoded()
            expect(!line.contains(0x0A), "the refusal has more than one line")
            expect((try? ControlReply.parse(line)) == .error(error), "the refusal cannot be read")
        }
    },
    FuzzTarget(name: "control-reply") { input in
        guard let reply = try? ControlReply.parse(input.rest()) else { return }
        let line = reply.encoded()
        expect(line.count <= ControlProtocol.longestReply && !line.contains(0x0A), "a reply that is no line")
        expect((try? ControlReply.parse(line)) == reply, "written and read it is another")
    },
    FuzzTarget(name: "configuration", run: configurations),
    FuzzTarget(name: "csv", run: csv),
    FuzzTarget(name: "feed-row", run: feedRows),
    FuzzTarget(name: "timestamp") { input in
        guard let instant = try? Timestamp.parse(String(decoding: input.rest(), as: UTF8.self)) else { return }
        let text = Timestamp.format(instant)
        // The offset may lead a day beyond the four digits of a year.
        guard text.first?.isNumber == true else { return }
        expect((try? Timestamp.parse(text)) == instant, "\(text) is another instant")
    },
    FuzzTarget(name: "intake", run: intake),
    FuzzTarget(name: "http-range") { input in
        let size = Int64(truncatingIfNeeded: input.number(UInt64.self) >> UInt64(input.byte() & 63)) & .max
        let text = String(decoding: input.rest(), as: UTF8.self)
        let head = HTTPHead(
            method: "GET", path: "/v1/image", query: [:], repeatedQuery: [], headers: [("range", text)])
        guard case .part(let part) = ImageAnswer.range(head, size) else { return }
        expect(part.lowerBound >= 0 && part.upperBound < size, "\(part) of \(size) bytes")
    },
]

// MARK: - Configuration

private enum Choice: String, CaseIterable { case locked, open }

/// Every getter is asked for a key of its own; what is wrong is said within bounds and at places that exist.
private func configurations(_ input: inout FuzzInput) {
    let bytes = input.rest()
    do {
        let reader = try ConfigurationReader(contents: bytes, path: "lane.yaml")
        let root = reader.root
        let milliseconds = root.duration("duration", defaultMilliseconds: 5, inMilliseconds: 0...86_400_000)
        let integer = root.integer("integer", default: 1, in: -10...10, unit: "s")
        let number = root.number("number", default: 0, in: -2.5...2.5)
        let text = root.text("text", default: "a")
        let id = root.text("id", default: "north-1", rule: .laneID)
        _ = (root.truth("truth", default: true), root.path("path", default: "/"), root.optionalPath("other"))
        _ = root.choice("choice", default: Choice.open)
        _ = root.choices("choices", default: [Choice.open])
        _ = (root.texts("texts", count: 0...3), root.optionalInteger("count", in: 0...9))
        for section in root.sections("readers", count: 0...4) {
            _ = (section.text("port"), section.integer("baud", in: 300...115_200), section.optionalText("name"))
            _ = section.optionalSection("more", orWord: "absent")?.text("key", rule: .hex(digits: 32))
        }
        for (name, section) in root.namedSections("zones", names: .laneID) {
            expect(TextRule.laneID.accepts(name), "a name that is not accepted is given")
            _ = section.text("name", rule: .displayName)
        }
        _ = root.namedTexts("colours", names: .laneID)
        try reader.finish()
        expect((0...86_400_000).contains(milliseconds) && (-10...10).contains(integer), "out of range")
        expect((-2.5...2.5).contains(number) && TextRule.line.accepts(text), "out of range")
        expect(TextRule.laneID.accepts(id), "an id that is not accepted")
    } catch {
        expect((1...ConfigurationFailure.maximumProblems).contains(error.problems.count), "no problem, or too many")
        let lines = bytes.reduce(1) { $0 + ($1 == 0x0A || $1 == 0x0D ? 1 : 0) }
        for problem in error.problems {
            expect(!problem.description.unicodeScalars.contains { $0.value < 0x20 }, "a message of several lines")
            // libyaml also counts U+0085, U+2028 and U+2029 as line ends.
            if let position = problem.position, bytes.allSatisfy({ $0 < 0x80 }) {
                expect((1...lines + 1).contains(position.line) && position.column >= 1, "a place outside of the file")
            }
        }
    }
}

// MARK: - Feed

private enum CSVOutcome: Equatable {
    case row(line: Int, fields: [[UInt8]])
    case fault(CSVFault)
}

/// Small limits, so that they are reached; the bytes in one piece and in pieces give the same rows and faults.
private func csv(_ input: inout FuzzInput) {
    let limits = CSVReader.Limits(fieldBytes: 24, rowBytes: 60, fields: 5)
    let piece = 1 + Int(input.byte() & 0x1F)
    let bytes = input.rest()
    func outcomes(pieces: Int) -> [CSVOutcome] {
        var reader = CSVReader(limits: limits)
        var row = CSVRow()
        var outcomes: [CSVOutcome] = []
        func drain() {
            while let outcome = reader.next(into: &row) {
                switch outcome {
                case .success: outcomes.append(.row(line: row.line, fields: (0..<row.count).map { Array(row[$0]) }))
                case .failure(let fault): outcomes.append(.fault(fault))
                }
                expect(outcomes.count <= bytes.count, "more rows than bytes")
            }
        }
        for start in stride(from: 0, to: bytes.count, by: pieces) {
            reader.append(bytes[start..<min(bytes.count, start + pieces)])
            drain()
        }
        reader.finish()
        drain()
        return outcomes
    }
    let whole = outcomes(pieces: max(1, bytes.count))
    expect(outcomes(pieces: piece) == whole, "other rows in pieces of \(piece) bytes than in one")
    var line = 0
    for case .row(let at, let fields) in whole {
        expect(at > line, "rows out of order")
        line = at
        expect(fields.count <= limits.fields && fields.allSatisfy { $0.count <= limits.fieldBytes }, "beyond a limit")
        expect(fields.reduce(0) { $0 + $1.count } <= limits.rowBytes + limits.fieldBytes, "a row beyond its limit")
    }
}

/// Rows under the header of a feed: what is read fits a badge.
private func feedRows(_ input: inout FuzzInput) {
    var csv = CSVReader()
    csv.append(Array((FeedColumn.allCases.map(\.rawValue).joined(separator: ",") + "\n").utf8))
    csv.append(input.rest())
    csv.finish()
    var row = CSVRow()
    guard case .success = csv.next(into: &row), let header = try? FeedHeader(row) else {
        return expect(false, "the header is not read")
    }
    let validity: ClosedRange<Int64> = 1_700_000_000...1_700_000_000 + ImageSlot.longestValidity
    var reader = FeedRowReader(header, validity: validity)
    let key = BadgeKey(bytes: [UInt8](repeating: 7, count: 16))
    while let outcome = csv.next(into: &row) {
        guard case .success = outcome else { continue }
        do {
            let read = try reader.read(row)
            expect((1...3).contains(read.identifiers.count), "\(read.identifiers.count) identifiers")
            expect((1...64).contains(read.holder.utf8.count), "a holder of \(read.holder.utf8.count) bytes")
            let slot = ImageSlot(
                tag: key?.tag(of: read.identifiers[0]) ?? .none, credential: read.credential(HolderNumber(1)),
                zoneSet: 0, validityBaseSeconds: validity.lowerBound - 1)
            expect(slot != nil, "a row that was read does not fit a slot")
        } catch {
            expect(!error.all.isEmpty, "refused without a reason")
            for problem in error.all {
                expect(!problem.reason.utf8.contains { $0 < 0x20 }, "a reason of several lines")
            }
        }
    }
    expect(reader.zones.names.count <= ImageHeader.mostZones, "more zones than an image has")
}

// MARK: - Intake

/// A batch whose checksums are made right where the first byte says so: its records are all of its lane, and each can be
/// shown as JSON.
private func intake(_ input: inout FuzzInput) {
    let flags = input.byte()
    var bytes = input.take(RecordBatch.headSize + 8 * JournalRecord.size)
    if flags & 1 != 0 {
        let wanted = max(1, (bytes.count + 255) / 256) * 256
        bytes += [UInt8](repeating: 0, count: wanted - bytes.count)
        func fix(_ range: Range<Int>, at place: Int) {
            let crc = bytes.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[range])) }
            for index in 0..<4 { bytes[place + index] = UInt8(truncatingIfNeeded: crc >> (8 * UInt32(index))) }
        }
        if flags & 4 != 0 { fix(120..<244, at: 244) }
        if flags & 2 != 0 { bytes[12] = UInt8(bytes.count / 256 - 1) }
        fix(0..<252, at: 252)
        for start in stride(from: 256, to: bytes.count, by: 256) { fix(start + 4..<start + 256, at: start) }
    }
    guard let batch = try? IntakeBatch(bytes, site: SiteID(low: 0, high: 0)) else { return }
    expect(batch.records.count == batch.head.recordCount, "not as many records as the head says")
    if let word = batch.head.word {
        var lane = LaneBook(row: 1, name: batch.head.lane, lastSeenMilliseconds: 0)
        lane.heard(word: word, now: 0)
        let json = JSONText.object(lane.wordMembers(at: 1)).bytes
        expect((try? JSONSerialization.jsonObject(with: Data(json))) != nil, "a lane's word is shown as no JSON")
    }
    for record in batch.records {
        expect(record.lane == batch.head.lane && record.sequence > 0, "a record that does not belong here")
        let json = RecordJSON(record, row: 1, receivedMilliseconds: 0, holderID: nil).value.bytes
        expect((try? JSONSerialization.jsonObject(with: Data(json))) != nil, "it is shown as no JSON")
        expect(!json.contains(0x0A), "it is shown in several lines")
    }
}
