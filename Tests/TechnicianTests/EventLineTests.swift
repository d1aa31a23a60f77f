import Admission
import Foundation
import Framing
import Testing

@testable import Technician

@Suite("A record as a line")
struct EventLineTests {
    private func fields(_ line: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }

    @Test("every kind of record reads as a sentence", arguments: everyEvent.indices)
    func text(index: Int) {
        let (event, expected) = everyEvent[index]
        let line = EventText(record: makeRecord(event)).line
        #expect(line.hasPrefix("2027-01-15T08:00:00.123Z       123  "))
        #expect(line.contains(expected), "\(line)")
        #expect(!line.contains("\n"))
    }

    @Test("every kind of record is one line of JSON that says where it stands", arguments: everyEvent.indices)
    func json(index: Int) throws {
        // As the file holds it.
        let record = try makeRecord(everyEvent[index].0).encoded.withUnsafeBytes { try JournalRecord($0) }
        let line = EventJSON(record: record).line
        #expect(!line.contains("\n"))
        let object = try fields(line)
        #expect(object["sequence"] as? UInt64 == 123)
        #expect(object["epoch"] as? String == "01000000000000000200000000000000")
        #expect(object["lane"] as? String == "north-07")
        #expect(object["wall_milliseconds"] as? Int64 == someWall.milliseconds)
        #expect((object["event"] as? String)?.isEmpty == false)
        #expect(object["event"] as? String != "unreadable")
    }

    @Test("a decision's JSON has everything it used")
    func decision() throws {
        let record = makeRecord(.decided(makeDecision(reasons: [.testExpired, .laneBusy])))
        let object = try fields(EventJSON(record: record).line)
        #expect(object["event"] as? String == "decided")
        #expect(object["verdict"] as? String == "refused")
        #expect(object["reasons"] as? [String] == ["lane-busy", "test-expired"])
        #expect(object["holder"] as? Int == 4711)
        #expect(object["kind"] as? String == "visitor")
        #expect(object["temperature_median_centidegrees"] as? Int == 3650)
        #expect(object["image_version"] as? Int == 12)
        #expect(object["policy"] as? String == "01000000000000000200000000000000")
    }

    @Test("a record of an untrusted clock says so")
    func clock() {
        #expect(EventText(record: makeRecord(.stopping, clock: .behindFloor)).line.hasSuffix("[clock behind-floor]"))
    }
}
