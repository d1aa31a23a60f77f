import Admission
import Framing

/// A batch whose every byte was looked at: nothing of it is stored before all of it is known to be right.
struct IntakeBatch: Sendable {
    let head: RecordBatch
    let records: [JournalRecord]
    /// As it came; record `i` stands at `RecordBatch.headSize + i × JournalRecord.size`.
    let bytes: [UInt8]

    /// What is wrong with a batch, and the HTTP status that says so.
    struct Refusal: Error, Hashable, Sendable {
        var status: Int
        var problem: String
        var advice: String
    }

    static let longestBody = RecordBatch.headSize + RecordBatch.mostRecords * JournalRecord.size

    /// `lane`: whose certificate it came with; nil: nobody was asked.
    init(_ bytes: [UInt8], site: SiteID, of lane: ShortName? = nil) throws(Refusal) {
        self.bytes = bytes
        (head, records) = try bytes.span.bytes.withUnsafeBytes {
            (buffer) throws(Refusal) -> (RecordBatch, [JournalRecord]) in
            let head = try Self.head(buffer, site: site)
            if let lane, head.lane != lane { throw Self.wrongLane(head.lane, lane) }
            var records: [JournalRecord] = []
            records.reserveCapacity(head.recordCount)
            for index in 0..<head.recordCount { records.append(try Self.record(index, of: buffer, head: head)) }
            return (head, records)
        }
    }

    /// The bytes of some of its records.
    func withBytes<Value, Failure: Error>(
        _ places: ClosedRange<Int>, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let start = RecordBatch.headSize + places.lowerBound * JournalRecord.size
        return try bytes.span.bytes.withUnsafeBytes { (all) throws(Failure) in
            try body(UnsafeRawBufferPointer(rebasing: all[start..<start + places.count * JournalRecord.size]))
        }
    }

    private static func head(_ buffer: UnsafeRawBufferPointer, site: SiteID) throws(Refusal) -> RecordBatch {
        let head: RecordBatch
        do { head = try RecordBatch(buffer) } catch {
            throw Refusal(status: 400, problem: error.description, advice: "send a batch as docs/formats.md draws it")
        }
        guard head.site == site else {
            throw Refusal(
                status: 403, problem: "the batch is of site \(head.site.hex), this collector is of site \(site.hex)",
                advice: "point the uplink at its own site's collector, or correct site.id in its configuration")
        }
        guard isLaneID(head.lane) else {
            throw Refusal(
                status: 400, problem: "the lane id '\(head.lane.text)' is not one",
                advice: "a lane id is 1 to 31 of a-z, 0-9 and -")
        }
        for sequence in [head.oldestHeld?.sequence ?? 0, head.lost?.last ?? 0]
        where sequence > StoredThroughLedger.greatestSequence {
            throw Refusal(status: 400, problem: "the head names sequence \(sequence)", advice: sequenceAdvice)
        }
        return head
    }

    private static func wrongLane(_ said: ShortName, _ shown: ShortName) -> Refusal {
        Refusal(
            status: 403, problem: "the batch is of lane '\(said.text)', the certificate of '\(shown.text)'",
            advice: "correct lane.id in the uplink's configuration, or enrol this controller as '\(said.text)'")
    }

    private static func record(
        _ index: Int, of buffer: UnsafeRawBufferPointer, head: RecordBatch
    ) throws(Refusal) -> JournalRecord {
        let record: JournalRecord
        do { record = try JournalRecord(RecordBatch.record(index, of: buffer)) } catch {
            throw Refusal(
                status: 400, problem: "record \(index) of the batch: \(error.problem)",
                advice: "name it in the batch's lost stretch and go on behind it")
        }
        guard record.lane == head.lane else {
            throw Refusal(
                status: 400,
                problem: "record \(index) is of lane '\(record.lane.text)', the batch of '\(head.lane.text)'",
                advice: "send each lane's records in batches of their own")
        }
        guard record.sequence <= StoredThroughLedger.greatestSequence else {
            throw Refusal(
                status: 400, problem: "record \(index) has sequence \(record.sequence)", advice: sequenceAdvice)
        }
        return record
    }

    private static let sequenceAdvice = "no journal comes that far; the sender is not a lane"

    static func isLaneID(_ name: ShortName) -> Bool { LaneIdentity.isLaneID(name) }
}
