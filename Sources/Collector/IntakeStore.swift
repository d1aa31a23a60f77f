import Admission
import Framing
import Posix

/// The books of what lanes sent, on disk and in memory. One thread owns it and is the only writer of `intake.sqlite`;
/// others get a `snapshot`.
///
/// A group of batches is one transaction: records, ledger, tallies and balances become durable together or not at all,
/// and memory follows the disk only after the commit.
final class IntakeStore {
    /// More lanes than any site has; a sender that makes names up is refused here.
    static let mostLanes = 10_000

    private let database: Database
    private let calendar: SiteCalendar
    private let writer: IntakeWriter
    private(set) var lanes: [ShortName: LaneBook]
    private(set) var site: SiteBook
    /// The site day that `today` means.
    private(set) var day: Int64

    /// What came of one batch.
    struct Answer: Sendable {
        var storedThrough: StoredThrough
        var new = 0
        var duplicates = 0
        var conflicting = 0
        var holes: [StoredThroughLedger.Hole] = []
    }

    /// One batch and the number of the connection it came on.
    struct Request: Sendable {
        var batch: IntakeBatch
        var connection: UInt64
    }

    /// Opens `intake.sqlite`, which `init` made. `now`: ms since 1970-01-01 UTC.
    init(_ path: String, site: SiteID, calendar: SiteCalendar, now: Int64) throws(CollectorFailure) {
        database = try Database(path, .readWrite)
        try database.useWriteAheadLog()
        try IntakeSchema.bringUp(database)
        try SiteDirectory.check(database, site: site, version: IntakeSchema.version)
        self.calendar = calendar
        day = calendar.day(ofMilliseconds: now)
        writer = try IntakeWriter(database)
        let reader = IntakeLoader(database)
        lanes = try reader.lanes(day: day)
        self.site = try reader.site(day: day)
    }

    /// Lets `today` begin anew when the site's day has changed. Returns whether it has.
    func turnDay(now: Int64) throws(CollectorFailure) -> Bool {
        let current = calendar.day(ofMilliseconds: now)
        guard current != day else { return false }
        let reader = IntakeLoader(database)
        lanes = try reader.lanes(day: current, keeping: lanes)
        site.today = try reader.siteTally(span: .day, start: current)
        day = current
        return true
    }

    /// Stores a group of batches durably; answers in their order. On an error nothing of the group is stored, in memory
    /// nor on disk, and all of it may be sent again.
    func store(
        _ requests: [Request], now: Int64
    ) throws(CollectorFailure) -> [Result<Answer, IntakeBatch.Refusal>] {
        var work = Work(lanes: lanes, site: site)
        var answers: [Result<Answer, IntakeBatch.Refusal>] = []
        try database.transaction { () throws(CollectorFailure) in
            for request in requests { answers.append(try store(request, in: &work, now: now)) }
            try write(work)
        }
        lanes = work.lanes
        site = work.site
        return answers
    }

    /// What a transaction changes: thrown away when it fails.
    private struct Work {
        var lanes: [ShortName: LaneBook]
        var site: SiteBook
        var deltas: [TallyKey: Tally] = [:]
        var zones: Set<ShortName> = []
    }

    private struct TallyKey: Hashable {
        var lane: Int64
        var span: TallySpan
        var start: Int64
    }

    private func store(
        _ request: Request, in work: inout Work, now: Int64
    ) throws(CollectorFailure) -> Result<Answer, IntakeBatch.Refusal> {
        let batch = request.batch
        guard var lane = try lane(batch.head.lane, in: work, now: now) else {
            return .failure(
                IntakeBatch.Refusal(
                    status: 403, problem: "lane '\(batch.head.lane.text)' would be one more than \(Self.mostLanes)",
                    advice: "correct the lane's id"))
        }
        let before = lane.ledger
        var answer = Answer(storedThrough: StoredThrough(epoch: .none, sequence: 0))
        var entries: [StoredThroughLedger.Entry] = []
        entries.reserveCapacity(batch.records.count)
        var counts = Counts(at: now, calendar)
        for (index, record) in batch.records.enumerated() {
            if !counts.isOf(record.moment.wall.milliseconds) {
                add(counts, to: &lane, in: &work)
                counts = Counts(at: record.moment.wall.milliseconds, calendar)
            }
            let isKept = try keep(record, index, of: batch, in: &lane, &work, &counts, &answer, now: now)
            entries.append(
                StoredThroughLedger.Entry(
                    epoch: record.epoch, sequence: record.sequence, event: isKept ? record.event : .stopping))
        }
        add(counts, to: &lane, in: &work)
        counts = Counts(at: now, calendar)
        counts.tally[.duplicates] += Int64(answer.duplicates)
        counts.tally[.conflicting] += Int64(answer.conflicting)
        add(counts, to: &lane, in: &work)
        answer.holes = lane.ledger.take(
            entries, oldestHeld: batch.head.oldestHeld, lost: batch.head.lost,
            heard: lane.conversation.heard(connection: request.connection))
        let storedThrough = lane.ledger.storedThrough
        answer.storedThrough = storedThrough ?? answer.storedThrough
        lane.conversation.answered(
            storedThrough, connection: request.connection, records: batch.records.count, new: answer.new)
        lane.heard(batch.records.last?.moment, now: now)
        try writer.write(lane.ledger, instead: before, of: &lane, holes: answer.holes, now: now)
        try writer.update(lane)
        work.lanes[lane.name] = lane
        return .success(answer)
    }

    /// Stores and counts a record unless its identity is taken. false when another record holds it.
    private func keep(
        _ record: JournalRecord, _ index: Int, of batch: IntakeBatch, in lane: inout LaneBook, _ work: inout Work,
        _ counts: inout Counts, _ answer: inout Answer, now: Int64
    ) throws(CollectorFailure) -> Bool {
        let epoch = try writer.row(of: record.epoch, in: &lane)
        let outcome = try batch.bytes.span.bytes.withUnsafeBytes { (bytes) throws(CollectorFailure) in
            try writer.insert(record, RecordBatch.record(index, of: bytes), epoch: epoch, received: now)
        }
        switch outcome {
        case .new: answer.new += 1
        case .duplicate:
            answer.duplicates += 1
            return true
        case .conflicting:
            answer.conflicting += 1
            return false
        }
        counts.tally.count(record)
        Crossing.forEach(in: record) { crossing in
            work.site.balances[crossing.from, default: Balance()].add(-crossing.count, isVehicle: crossing.isVehicle)
            work.site.balances[crossing.to, default: Balance()].add(crossing.count, isVehicle: crossing.isVehicle)
            work.zones.insert(crossing.from)
            work.zones.insert(crossing.to)
        }
        if case .ended(let outcome) = record.event, outcome.end == .passed, outcome.holder != .nobody {
            let counter: Counter = outcome.kind == .vehicle ? .distinctVehicles : .distinctHolders
            if try writer.isNew(outcome.holder, in: -lane.row) { counts.tally[counter] += 1 }
            if counts.day > 0, try writer.isNew(outcome.holder, in: counts.day) {
                work.deltas[TallyKey(lane: 0, span: .day, start: counts.day), default: Tally()][counter] += 1
                if counts.day == day { work.site.today[counter] += 1 }
            }
            if try writer.isNew(outcome.holder, in: 0) {
                work.deltas[TallyKey(lane: 0, span: .all, start: 0), default: Tally()][counter] += 1
                work.site.all[counter] += 1
            }
        }
        lane.lastRecordMilliseconds = record.moment.wall.milliseconds
        switch record.event {
        case .mode(let mode, _): lane.mode = mode
        case .epochStarted:
            lane.mode = .normal
            lane.tampered = TamperSet()
        case .tamper(let contact, let opened): lane.tampered[contact] = opened
        default: break
        }
        return true
    }

    /// What a run of records counted that lie in one quarter of an hour: in one hour and, since no time zone's offset is
    /// finer, in one day of the site.
    private struct Counts {
        let quarter: Int64
        let hour: Int64
        let day: Int64
        var tally = Tally()

        init(at instant: Int64, _ calendar: SiteCalendar) {
            quarter = SiteCalendar.quarter(ofMilliseconds: instant)
            hour = SiteCalendar.hourStart(ofMilliseconds: instant)
            day = calendar.day(ofMilliseconds: instant)
        }

        func isOf(_ instant: Int64) -> Bool { SiteCalendar.quarter(ofMilliseconds: instant) == quarter }
    }

    private func add(_ counts: Counts, to lane: inout LaneBook, in work: inout Work) {
        lane.all += counts.tally
        if counts.day == day { lane.today += counts.tally }
        for (span, start) in [(TallySpan.all, 0), (.hour, counts.hour), (.day, counts.day)] {
            work.deltas[TallyKey(lane: lane.row, span: span, start: start), default: Tally()] += counts.tally
        }
    }

    /// A new one when it was never heard of; nil when there are too many.
    private func lane(_ name: ShortName, in work: Work, now: Int64) throws(CollectorFailure) -> LaneBook? {
        if let lane = work.lanes[name] { return lane }
        guard work.lanes.count < Self.mostLanes else { return nil }
        return LaneBook(row: try writer.addLane(name, now: now), name: name, lastSeenMilliseconds: now)
    }

    private func write(_ work: Work) throws(CollectorFailure) {
        for (key, counts) in work.deltas {
            for (code, count) in counts.nonzero {
                try writer.add(count, lane: key.lane, span: key.span, start: key.start, counter: code)
            }
        }
        for zone in work.zones {
            if let balance = work.site.balances[zone] { try writer.set(balance, of: zone) }
        }
    }
}

/// The spans of time that are tallied. Raw values stand in the database.
enum TallySpan: Int64, Sendable {
    case all = 0
    /// Start: seconds since 1970 (UTC).
    case hour = 1
    /// Start: the site day's number.
    case day = 2
}
