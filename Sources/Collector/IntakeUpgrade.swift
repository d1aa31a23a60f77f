import Admission
import Framing
import Posix

/// Takes an `intake.sqlite` of an older layout over, in steps, each a transaction: killed between two, the next start goes on.
///
/// Version 2 had `lane.tampered`. Version 4 keeps records in blocks, counts of a span in one row, and holders in sets; what
/// it has and version 2 had not, counts per five minutes, the lanes' own totals and different holders by lane and day, is
/// counted again from the records. Version 3 is a file on the way: what was not taken yet stands in `tally_2` and `record`,
/// and is removed from there as it is taken, so that the file hardly grows. Version 5 has columns of `lane` more, which takes
/// no time however much is stored.
struct IntakeUpgrade {
    /// What one step takes.
    struct Limits: Sendable {
        var records = 20_000
        var tallies = 1000
    }
    static let recordsBetweenWords: Int64 = 1_000_000

    private let database: Database
    private let calendar: SiteCalendar
    private let limits: Limits
    private let rounds: SeenBook.Limits
    private let starting: (String) -> Void

    /// `starting`: told before each step what is done.
    init(
        _ database: Database, calendar: SiteCalendar, limits: Limits = Limits(),
        rounds: SeenBook.Limits = SeenBook.Limits(), starting: @escaping (String) -> Void = { _ in }
    ) {
        self.database = database
        self.calendar = calendar
        self.limits = limits
        self.rounds = rounds
        self.starting = starting
    }

    func run() throws(CollectorFailure) {
        guard try (1..<IntakeSchema.version).contains(version()) else { return }
        if try version() < 4 { try takeRows() }
        try database.transaction { () throws(CollectorFailure) in
            try addWord()
            try database.execute("PRAGMA user_version=5;")
        }
    }

    /// Every statement of `IntakeWriter` speaks of the columns, so they are added before what else there is to do.
    private func addWord() throws(CollectorFailure) {
        let columns = try database.integer("SELECT count(*) FROM pragma_table_info('lane') WHERE name = 'word'")
        if columns == 0 { try database.execute(IntakeSchema.fifth) }
    }

    private func takeRows() throws(CollectorFailure) {
        starting("an older intake.sqlite is taken over")
        Log.notice(
            "\(database.path) is of an older layout and is taken over now; lanes keep what they have until it is done, and "
                + "the program of before cannot read it any more")
        try begin()
        let writer = try IntakeWriter(database)
        while try takeTallies(writer) { starting("an older intake.sqlite is taken over: counts") }
        try takeRecords(writer)
        try database.transaction { () throws(CollectorFailure) in
            try database.execute("DROP TABLE tally_2; DROP TABLE record; PRAGMA user_version=4;")
        }
        Log.notice("\(database.path) is taken over")
    }

    private func version() throws(CollectorFailure) -> Int64 { try database.integer("PRAGMA user_version") }

    private func begin() throws(CollectorFailure) {
        try database.transaction { () throws(CollectorFailure) in
            if try version() == 1 {
                try database.execute(
                    "ALTER TABLE lane ADD COLUMN tampered INTEGER NOT NULL DEFAULT 0; PRAGMA user_version=2;")
            }
            try addWord()
            guard try version() == 2 else { return }
            try database.execute(
                "ALTER TABLE tally RENAME TO tally_2; DROP TABLE seen; DROP INDEX record_identity;"
                    + IntakeSchema.fourth + "PRAGMA user_version=3;")
        }
    }

    // MARK: Counts

    /// A step: all but the different holders of a lane's hours and days, which were those that passed there never before.
    /// false: there is no more.
    private func takeTallies(_ writer: IntakeWriter) throws(CollectorFailure) -> Bool {
        try database.transaction { () throws(CollectorFailure) in
            let select = try database.prepare(
                "SELECT lane, span, start, counter, count FROM tally_2 ORDER BY lane, span, start")
            var tallies: [TallyKey: Tally] = [:]
            var last: (lane: Int64, span: Int64, start: Int64)?
            while try select.step() {
                let (lane, span, start) = (select.integer(0), select.integer(1), select.integer(2))
                let isOfLast = last.map { $0 == (lane, span, start) } ?? false
                if !isOfLast && tallies.count >= limits.tallies { break }
                last = (lane, span, start)
                guard let span = TallySpan(rawValue: span) else { continue }
                let code = Int(select.integer(3))
                let isDistinct = code == Counter.distinctHolders.rawValue || code == Counter.distinctVehicles.rawValue
                if isDistinct && lane != 0 && span != .all { continue }
                tallies[TallyKey(lane: lane, span: span, start: start), default: Tally()][code] = Tally.bounded(
                    select.integer(4))
            }
            select.reset()
            guard let last else { return false }
            for (key, tally) in tallies { try writer.add(tally, to: key) }
            let delete = try database.prepare("DELETE FROM tally_2 WHERE (lane, span, start) <= (?, ?, ?)")
            delete.bind(1, last.lane)
            delete.bind(2, last.span)
            delete.bind(3, last.start)
            try delete.run()
            return true
        }
    }

    // MARK: Records

    /// A block under way.
    private struct Block {
        var row: Int64
        var epoch: Int64
        var first: Int64
        var received: Int64
        var bytes: [UInt8] = []
        var count: Int64 { Int64(bytes.count / JournalRecord.size) }
    }

    private func takeRecords(_ writer: IntakeWriter) throws(CollectorFailure) {
        // What was taken before this start, as after any other.
        var seen = try IntakeLoader(database).seen(calendar, writer, limits: rounds)
        let last = try database.integer("SELECT max(id) FROM record")
        var told: Int64 = 0
        var isMore = true
        while isMore {
            seen.begin()
            var plan = SeenBook.Plan()
            isMore = try database.transaction { () throws(CollectorFailure) in
                guard let row = try takeStep(&seen, writer) else { return false }
                plan = seen.plan(last: row)
                try writer.write(plan)
                starting("an older intake.sqlite is taken over: record \(row) of \(last)")
                if row - told >= Self.recordsBetweenWords || told == 0 {
                    told = row
                    Log.notice("\(database.path): record \(row) of \(last) is taken over")
                }
                return true
            }
            seen.written(plan)
        }
    }

    /// Returns the row of the last record that was taken; nil: there is none.
    private func takeStep(_ seen: inout SeenBook, _ writer: IntakeWriter) throws(CollectorFailure) -> Int64? {
        let select = try database.prepare(
            """
            SELECT record.id, record.epoch, record.sequence, record.received, record.bytes, epoch.lane
            FROM record LEFT JOIN epoch ON epoch.id = record.epoch ORDER BY record.id LIMIT ?
            """)
        select.bind(1, limits.records)
        var block: Block?
        var tallies: [TallyKey: Tally] = [:]
        var last: Int64?
        while try select.step() {
            let (row, epoch, sequence) = (select.integer(0), select.integer(1), select.integer(2))
            let (received, lane) = (select.integer(3), select.integer(5))
            var bytes = select.blob(4)
            last = row
            if let open = block,
                open.epoch != epoch || open.received != received || open.row &+ open.count != row
                    || open.first &+ open.count != sequence || open.count == IntakeWriter.mostInBlock
            {
                try write(open, writer)
                block = nil
            }
            var open = block ?? Block(row: row, epoch: epoch, first: sequence, received: received)
            block = nil
            if let record = bytes.withUnsafeBytes({ try? JournalRecord($0) }) {
                if !select.isNull(5) { try countAnew(record, lane: lane, &tallies, &seen, writer) }
            } else {
                // It was counted when it came; what only this layout counts lacks it.
                Log.error("\(database.path): record \(row) is damaged; its bytes are kept")
                bytes = Array((bytes + [UInt8](repeating: 0, count: JournalRecord.size)).prefix(JournalRecord.size))
            }
            open.bytes += bytes
            block = open
        }
        if let block { try write(block, writer) }
        for (key, tally) in tallies { try writer.add(tally, to: key) }
        guard let last else { return nil }
        let delete = try database.prepare("DELETE FROM record WHERE id <= ?")
        delete.bind(1, last)
        try delete.run()
        return last
    }

    private func write(_ block: Block, _ writer: IntakeWriter) throws(CollectorFailure) {
        try block.bytes.span.bytes.withUnsafeBytes { (bytes) throws(CollectorFailure) in
            try writer.insert(
                row: block.row, epoch: block.epoch, first: block.first, bytes, received: block.received)
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
        if record.beginsCount {
            for (span, start) in [(TallySpan.all, 0), (.day, time.day), (.hour, time.hour)] {
                tallies[TallyKey(lane: lane, span: span, start: start), default: Tally()][.partHours] += 1
            }
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
