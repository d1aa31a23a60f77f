import Admission
import Framing

/// Reads the books back at the start, and the day's tallies after midnight.
struct IntakeLoader {
    private let database: Database

    init(_ database: Database) { self.database = database }

    func lanes(day: Int64) throws(CollectorFailure) -> [ShortName: LaneBook] {
        var lanes: [ShortName: LaneBook] = [:]
        let select = try database.prepare(
            """
            SELECT id, name, last_seen, last_record, mode, tip, oldest_epoch, oldest_sequence, tampered, word, word_received,
                wordless_since FROM lane
            """)
        while try select.step() {
            guard let name = ShortName(select.text(1)) else { throw damaged("a lane without a name") }
            var lane = LaneBook(row: select.integer(0), name: name, lastSeenMilliseconds: select.integer(2))
            lane.lastRecordMilliseconds = select.isNull(3) ? nil : select.integer(3)
            lane.mode = select.isNull(4) ? nil : LaneMode(rawValue: UInt8(clamping: select.integer(4)))
            lane.tampered.rawValue = select.integer(8)
            // One that does not read is none: the next batch brings another.
            lane.resume(
                word: select.withBlob(9) { try? LaneWord($0) }, receivedMilliseconds: select.integer(10),
                wordlessSinceMilliseconds: select.isNull(11) ? nil : select.integer(11))
            let oldestHeld = Epoch(bytes: select.blob(6)).map {
                StoredThrough(epoch: $0, sequence: UInt64(clamping: select.integer(7)))
            }
            let (epochs, rows) = try epochs(ofLane: lane.row)
            lane.epochRows = rows
            lane.pathRows = try paths(ofLane: lane.row)
            lane.ledger = StoredThroughLedger(
                epochs: epochs, tip: Epoch(bytes: select.blob(5)), oldestHeld: oldestHeld)
            lane.all = try tally(lane: lane.row, span: .all, start: 0)
            lane.today = try tally(lane: lane.row, span: .day, start: day)
            lanes[name] = lane
        }
        return lanes
    }

    /// The same lanes with the tallies of another day.
    func lanes(day: Int64, keeping lanes: [ShortName: LaneBook]) throws(CollectorFailure) -> [ShortName: LaneBook] {
        var turned = lanes
        for (name, lane) in lanes { turned[name]?.today = try tally(lane: lane.row, span: .day, start: day) }
        return turned
    }

    /// nil: nothing was ever heard of this lane.
    func row(ofLane name: String) throws(CollectorFailure) -> Int64? {
        let select = try database.prepare("SELECT id FROM lane WHERE name = ?")
        select.bind(1, name)
        return try select.step() ? select.integer(0) : nil
    }

    func site(day: Int64) throws(CollectorFailure) -> SiteBook {
        var site = SiteBook()
        site.all = try siteTally(span: .all, start: 0)
        site.today = try siteTally(span: .day, start: day)
        let select = try database.prepare("SELECT zone, people, vehicles FROM balance")
        while try select.step() {
            guard let zone = ShortName(select.text(0)) else { throw damaged("a zone without a name") }
            site.balances[zone] = Balance(
                people: Tally.bounded(select.integer(1)),
                vehicles: Tally.bounded(select.integer(2)))
        }
        return site
    }

    func siteTally(span: TallySpan, start: Int64) throws(CollectorFailure) -> Tally {
        try tally(lane: 0, span: span, start: start)
    }

    private func tally(lane: Int64, span: TallySpan, start: Int64) throws(CollectorFailure) -> Tally {
        let select = try database.prepare("SELECT counts FROM tally WHERE span=? AND start=? AND lane=?")
        select.bind(1, span.rawValue)
        select.bind(2, start)
        select.bind(3, lane)
        guard try select.step() else { return Tally() }
        guard let tally = select.withBlob(0, { Tally(encoded: $0) }) else { throw damaged("counts that are none") }
        return tally
    }

    /// `stretch` says which records are stored, and so what is counted only once: it may know of more than `block` holds,
    /// of which old ones may have been removed, but never of less. Looked at are the blocks behind the last mark, of which there
    /// are a bounded number: a start must not take the longer the more is stored.
    func checkStretches() throws(CollectorFailure) {
        let select = try database.prepare(
            """
            SELECT held.epoch, held.records, (SELECT total(last - first + 1) FROM stretch WHERE epoch = held.epoch) AS known
            FROM (SELECT epoch, total(count) AS records FROM block WHERE id > (SELECT row FROM mark) GROUP BY epoch) AS held WHERE known < records
            """)
        if try select.step() {
            throw damaged(
                "\(select.integer(1)) records of epoch \(select.integer(0)), of which it knows \(select.integer(2))")
        }
    }

    /// The row of the last record.
    func lastRow() throws(CollectorFailure) -> Int64 {
        max(
            try database.integer("SELECT id + count - 1 FROM block ORDER BY id DESC LIMIT 1"),
            try database.integer("SELECT row FROM mark"))
    }

    /// Who was seen, as far as the last mark says, and by the records behind it.
    func seen(
        _ calendar: SiteCalendar, _ writer: IntakeWriter, limits: SeenBook.Limits
    ) throws(CollectorFailure) -> SeenBook {
        var seen = SeenBook(mark: try database.integer("SELECT row FROM mark"), limits: limits)
        let select = try database.prepare(
            """
            SELECT block.bytes, epoch.lane FROM block JOIN epoch ON epoch.id = block.epoch
            WHERE block.id >= coalesce((SELECT max(id) FROM block WHERE id <= ?), 0) ORDER BY block.id
            """)
        select.bind(1, seen.mark)
        while try select.step() {
            let lane = select.integer(1)
            seen.begin()
            for (holder, day) in select.withBlob(0, { Self.passages($0, calendar) }) {
                for key in TallyKey.distinct(lane: lane, day: day) {
                    _ = try seen.insert(holder, in: key) { (key) throws(CollectorFailure) in try writer.seen(key) }
                }
            }
        }
        seen.begin()
        return seen
    }

    private static func passages(
        _ block: UnsafeRawBufferPointer, _ calendar: SiteCalendar
    ) -> [(holder: HolderNumber, day: Int64)] {
        RecordBlock.records(of: block, ofKind: JournalRecord.endedKind).compactMap { record in
            record.passedHolder.map {
                ($0.holder, calendar.day(ofMilliseconds: record.moment.wall.milliseconds))
            }
        }
    }

    func epochs(
        ofLane lane: Int64
    ) throws(CollectorFailure) -> ([Epoch: StoredThroughLedger.EpochState], [Epoch: Int64]) {
        var epochs: [Epoch: StoredThroughLedger.EpochState] = [:]
        var rows: [Epoch: Int64] = [:]
        let select = try database.prepare(
            "SELECT id, bytes, previous, previous_last, stated_end FROM epoch WHERE lane=?")
        select.bind(1, lane)
        while try select.step() {
            guard let epoch = Epoch(bytes: select.blob(1)) else { throw damaged("an epoch that is not 16 bytes") }
            let row = select.integer(0)
            var state = StoredThroughLedger.EpochState()
            state.previous = Epoch(bytes: select.blob(2)).map {
                StoredThrough(epoch: $0, sequence: UInt64(clamping: select.integer(3)))
            }
            state.statedEnd = UInt64(clamping: select.integer(4))
            state.stored = SequenceSet(try ranges("SELECT first, last FROM stretch WHERE epoch=? ORDER BY first", row))
            state.passedOver = SequenceSet(try ranges("SELECT first, last FROM hole WHERE epoch=? ORDER BY first", row))
            state.neighbours = try neighbours(of: row)
            epochs[epoch] = state
            rows[epoch] = row
        }
        return (epochs, rows)
    }

    private func paths(ofLane lane: Int64) throws(CollectorFailure) -> [ZonePath: Int64] {
        let select = try database.prepare("SELECT id, came_from, went_to FROM path WHERE lane=?")
        select.bind(1, lane)
        var rows: [ZonePath: Int64] = [:]
        while try select.step() {
            guard let from = ShortName(select.text(1)), let to = ShortName(select.text(2)) else {
                throw damaged("a zone without a name")
            }
            rows[ZonePath(from: from, to: to)] = select.integer(0)
        }
        return rows
    }

    private func ranges(_ sql: String, _ epoch: Int64) throws(CollectorFailure) -> [ClosedRange<UInt64>] {
        let select = try database.prepare(sql)
        select.bind(1, epoch)
        var ranges: [ClosedRange<UInt64>] = []
        while try select.step() {
            let (first, last) = (select.integer(0), select.integer(1))
            guard first > 0, first <= last else { throw damaged("a stretch from \(first) to \(last)") }
            ranges.append(UInt64(first)...UInt64(last))
        }
        return ranges
    }

    private func neighbours(of epoch: Int64) throws(CollectorFailure) -> [StoredThrough] {
        let select = try database.prepare("SELECT before, last FROM neighbour WHERE epoch=?")
        select.bind(1, epoch)
        var neighbours: [StoredThrough] = []
        while try select.step() {
            guard let before = Epoch(bytes: select.blob(0)) else { throw damaged("an epoch that is not 16 bytes") }
            neighbours.append(StoredThrough(epoch: before, sequence: UInt64(clamping: select.integer(1))))
        }
        return neighbours
    }

    private func damaged(_ what: String) -> CollectorFailure {
        CollectorFailure(
            "read", database.path, "it holds \(what)", advice: "the file is damaged; put a backup in its place")
    }
}
