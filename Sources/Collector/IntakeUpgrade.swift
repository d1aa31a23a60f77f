import Admission
import Framing

/// Takes an `intake.sqlite` of an older layout over, in one transaction: killed in it, the next start begins again.
///
/// Version 2 had `lane.tampered`. Version 3 keeps records in blocks, counts of a span in one row, and holders in sets; what
/// it has and version 2 had not, counts per five minutes, the lanes' own totals and different holders by lane and day, is
/// counted again from the records.
struct IntakeUpgrade {
    private static let recordsAtOnce = 20_000

    private let database: Database
    private let calendar: SiteCalendar

    init(_ database: Database, calendar: SiteCalendar) {
        self.database = database
        self.calendar = calendar
    }

    func run() throws(CollectorFailure) {
        guard try (1...2).contains(database.integer("PRAGMA user_version")) else { return }
        try database.transaction { () throws(CollectorFailure) in
            if try database.integer("PRAGMA user_version") == 1 {
                try database.execute(
                    "ALTER TABLE lane ADD COLUMN tampered INTEGER NOT NULL DEFAULT 0; PRAGMA user_version=2;")
            }
            try database.execute(
                "ALTER TABLE tally RENAME TO tally_2; ALTER TABLE seen RENAME TO seen_2;" + IntakeSchema.third)
            let writer = try IntakeWriter(database)
            try takeTallies(writer)
            try takeRecords(writer)
            try database.execute("DROP TABLE tally_2; DROP TABLE seen_2; DROP TABLE record;")
        }
    }

    /// All but the different holders of a lane's hours and days, which were those that passed there never before.
    private func takeTallies(_ writer: IntakeWriter) throws(CollectorFailure) {
        let select = try database.prepare(
            "SELECT lane, span, start, counter, count FROM tally_2 ORDER BY lane, span, start")
        var tallies: [TallyKey: Tally] = [:]
        while try select.step() {
            guard let span = TallySpan(rawValue: select.integer(1)) else { continue }
            let key = TallyKey(lane: select.integer(0), span: span, start: select.integer(2))
            let code = Int(select.integer(3))
            let isDistinct = code == Counter.distinctHolders.rawValue || code == Counter.distinctVehicles.rawValue
            if isDistinct && key.lane != 0 && span != .all { continue }
            if tallies[key] == nil, tallies.count >= 1000 {
                try write(&tallies, writer)
            }
            tallies[key, default: Tally()][code] = select.integer(4)
        }
        try write(&tallies, writer)
    }

    private func write(_ tallies: inout [TallyKey: Tally], _ writer: IntakeWriter) throws(CollectorFailure) {
        for (key, tally) in tallies { try writer.add(tally, to: key) }
        tallies = [:]
    }

    /// A block under way.
    private struct Block {
        var row: Int64
        var epoch: Int64
        var first: Int64
        var received: Int64
        var bytes: [UInt8] = []
        var count: Int { bytes.count / JournalRecord.size }
    }

    private func takeRecords(_ writer: IntakeWriter) throws(CollectorFailure) {
        let select = try database.prepare(
            """
            SELECT record.id, record.epoch, record.sequence, record.received, record.bytes, epoch.lane
            FROM record JOIN epoch ON epoch.id = record.epoch ORDER BY record.id
            """)
        var block: Block?
        var tallies: [TallyKey: Tally] = [:]
        var seen = SeenBook(mark: 0)
        var count = 0
        while try select.step() {
            let (row, epoch, sequence) = (select.integer(0), select.integer(1), select.integer(2))
            let (received, bytes, lane) = (select.integer(3), select.blob(4), select.integer(5))
            guard let record = bytes.withUnsafeBytes({ try? JournalRecord($0) }) else {
                throw CollectorFailure(
                    "read", database.path, "record \(row) is damaged",
                    advice: "put a backup of the database in its place")
            }
            if let open = block,
                open.epoch != epoch || open.received != received || open.row + Int64(open.count) != row
                    || open.first + Int64(open.count) != sequence || open.count == IntakeWriter.mostInBlock
            {
                try write(open, writer)
                block = nil
            }
            var open = block ?? Block(row: row, epoch: epoch, first: sequence, received: received)
            block = nil
            open.bytes += bytes
            block = open
            try countAnew(record, lane: lane, &tallies, &seen, writer)
            count += 1
            if count % Self.recordsAtOnce == 0 {
                try write(&tallies, writer)
                let plan = seen.plan(last: row)
                try writer.write(plan)
                seen.written(plan)
            }
        }
        if let block { try write(block, writer) }
        try write(&tallies, writer)
        let last = try database.integer("SELECT max(id) FROM record")
        let plan = seen.plan(last: last, isAll: true)
        try writer.write(plan)
    }

    private func write(_ block: Block, _ writer: IntakeWriter) throws(CollectorFailure) {
        try block.bytes.span.bytes.withUnsafeBytes { (bytes) throws(CollectorFailure) in
            try writer.insert(
                row: block.row, epoch: block.epoch, first: UInt64(block.first), bytes, received: block.received)
        }
    }

    /// What version 2 did not count.
    private func countAnew(
        _ record: JournalRecord, lane: Int64, _ tallies: inout [TallyKey: Tally], _ seen: inout SeenBook,
        _ writer: IntakeWriter
    ) throws(CollectorFailure) {
        let time = RecordTime(record.moment.wall.milliseconds, calendar)
        var tally = Tally()
        tally.count(record)
        for lane in [lane, 0] {
            let key = TallyKey(lane: lane, span: .fiveMinutes, start: time.fiveMinutes)
            tallies[key, default: Tally()] += tally
        }
        if let (start, stated) = record.statedTotals {
            tallies[TallyKey(lane: lane, span: .stated, start: start), default: Tally()] += stated
        }
        guard let (holder, counter) = record.passedHolder else { return }
        for key in TallyKey.distinct(lane: lane, day: time.day) {
            let isNew = try seen.insert(holder, in: key) { (key) throws(CollectorFailure) in try writer.seen(key) }
            if isNew && key.lane == lane && key.span == .day { tallies[key, default: Tally()][counter] += 1 }
        }
    }
}
