import Admission
import Framing
import Posix
import Synchronization

/// Stored records as `/v1/records` writes them, read on connections of its own.
struct RecordReader {
    let intake: Database
    private let holder: SQLStatement

    init(intake: Database, site: Database) throws(CollectorFailure) {
        self.intake = intake
        holder = try site.prepare("SELECT id FROM holder WHERE number = ?")
    }

    /// The row of the last record that was ever stored.
    func lastRow() throws(CollectorFailure) -> Int64 { try IntakeLoader(intake).lastRow() }

    func row(ofLane name: String) throws(CollectorFailure) -> Int64? { try IntakeLoader(intake).row(ofLane: name) }

    /// Up to `limit` records behind row `after`, of one lane or of all: one line of JSON each.
    func lines(after: Int64, lane: String?, limit: Int) throws(CollectorFailure) -> [UInt8] {
        let (first, overflow) = after.addingReportingOverflow(1)
        guard !overflow else { return [] }
        var order = try BlockOrder(intake, lane: lane, from: first)
        let select = try intake.prepare("SELECT received, bytes FROM block WHERE id = ?")
        var lines: [UInt8] = []
        var left = limit
        while left > 0, let id = try order.next() {
            select.bind(1, id)
            // It may have been pruned meanwhile.
            guard try select.step() else { continue }
            defer { select.reset() }
            let block = Block(id: id, received: select.integer(0), column: 1)
            try eachRecord(of: block, in: select, from: first, most: left) { (line, _) in
                left -= 1
                lines += line
                lines.append(0x0A)
            }
        }
        return lines
    }

    /// A part of what is behind a row, for a stream.
    struct Page {
        /// Server-Sent Events.
        var events: [UInt8] = []
        /// Everything up to this row was looked at.
        var through: Int64
    }

    /// What one page looks at and holds at most.
    struct PageLimits: Sendable {
        var blocks = 256
        var records = 200
    }

    /// `lane`: its row; nil: all lanes. Blocks of other lanes are passed over unread, but no more of them at once than
    /// `limits` say.
    func page(after: Int64, lane: Int64?, _ limits: PageLimits) throws(CollectorFailure) -> Page {
        var page = Page(through: after)
        let select = try intake.prepare(
            """
            SELECT block.id, block.received, block.count, epoch.lane, block.bytes
            FROM block LEFT JOIN epoch ON epoch.id = block.epoch
            WHERE block.id >= coalesce((SELECT max(id) FROM block WHERE id <= ?), 0) ORDER BY block.id LIMIT ?
            """)
        let (first, overflow) = after.addingReportingOverflow(1)
        guard !overflow else { return page }
        select.bind(1, first)
        select.bind(2, limits.blocks)
        var left = limits.records
        while left > 0, try select.step() {
            let block = Block(id: select.integer(0), received: select.integer(1), column: 4)
            if let lane, select.integer(3) != lane {
                page.through = max(page.through, block.id + select.integer(2) - 1)
                continue
            }
            try eachRecord(of: block, in: select, from: first, most: left) { line, row in
                left -= 1
                page.through = row
                page.events += "event: record\nid: \(row)\ndata: ".utf8
                page.events += line
                page.events += "\n\n".utf8
            }
        }
        return page
    }

    private struct Block {
        var id: Int64
        var received: Int64
        /// Which one of the statement has its bytes.
        var column: Int32
    }

    /// `body` has each record from row `first` on as JSON, and its row.
    private func eachRecord(
        of block: Block, in select: SQLStatement, from first: Int64, most: Int, _ body: ([UInt8], Int64) -> Void
    ) throws(CollectorFailure) {
        let count = Int64(select.withBlob(block.column) { $0.count / JournalRecord.size })
        // All of the block, when it lies before the row asked for.
        let skipped = min(count, max(0, first &- block.id))
        for index in skipped..<skipped + min(count - skipped, Int64(most)) {
            let row = block.id &+ index
            if let record = select.withBlob(block.column, { RecordBlock.record(Int(index), of: $0) }) {
                body(try json(record, row: row, received: block.received), row)
            } else {
                body(try damaged(Int64(index), of: block), row)
            }
        }
    }

    /// Rows of damaged records that the log has told of, once of each as far as so many are remembered.
    private static let said = Mutex<Set<Int64>>([])
    private static let mostRemembered = 10_000
    private static let advice =
        "it was whole when it came, and is in all counts; the disk may be failing: look at the kernel's log, and put a "
        + "backup of the database in its place when you need this record"

    /// A record whose bytes are not those that came: what its block says of it.
    private func damaged(_ index: Int64, of block: Block) throws(CollectorFailure) -> [UInt8] {
        let select = try intake.prepare(
            """
            SELECT lane.name, epoch.bytes, block.first FROM block LEFT JOIN epoch ON epoch.id = block.epoch
            LEFT JOIN lane ON lane.id = epoch.lane WHERE block.id = ?
            """)
        select.bind(1, block.id)
        defer { select.reset() }
        let isThere = try select.step()
        let lane = isThere ? select.text(0) : ""
        let epoch = (isThere ? Epoch(bytes: select.blob(1)) : nil) ?? .none
        let (row, sequence) = (block.id &+ index, isThere ? select.integer(2) &+ index : 0)
        let isNews = Self.said.withLock {
            if $0.count >= Self.mostRemembered { $0 = [] }
            return $0.insert(row).inserted
        }
        if isNews {
            Log.error(
                "\(intake.path): record \(row) is damaged, of lane \(lane), epoch \(epoch.hex), sequence \(sequence); "
                    + Self.advice)
        }
        return JSONText.object([
            ("row", .number(row)), ("lane", .text(lane)), ("epoch", .text(epoch.hex)), ("sequence", .number(sequence)),
            ("event", .text("damaged")), ("error", .text("the record is damaged")), ("advice", .text(Self.advice)),
        ]).bytes
    }

    private func json(_ record: JournalRecord, row: Int64, received: Int64) throws(CollectorFailure) -> [UInt8] {
        let holderID = try record.holder.map { (number) throws(CollectorFailure) -> String? in
            holder.bind(1, Int64(number.number))
            defer { holder.reset() }
            return try holder.step() ? holder.text(0) : nil
        }
        return RecordJSON(record, row: row, receivedMilliseconds: received, holderID: holderID ?? nil).value.bytes
    }
}
