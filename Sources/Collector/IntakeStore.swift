import Admission
import Framing
import Posix

/// The books of what lanes sent, on disk and in memory. One thread owns it and is the only writer of `intake.sqlite`;
/// others get a `snapshot`.
///
/// A group of batches is one transaction: records, ledger, tallies and balances become durable together or not at all,
/// and memory follows the disk only after the commit. What a transaction writes grows with its batches, not with its
/// records: these are written as they came, in blocks; which of them are stored says the ledger; what they count is added
/// up in memory and written once; and who passed is kept by `SeenBook`.
final class IntakeStore {
    /// More lanes than any site has; a sender that makes names up is refused here.
    static let mostLanes = 10_000

    private let database: Database
    private let calendar: SiteCalendar
    private let writer: IntakeWriter
    private(set) var seen: SeenBook
    /// The row of the last record.
    private(set) var lastRow: Int64
    private(set) var lanes: [ShortName: LaneBook]
    private(set) var site: SiteBook
    /// The site day that `today` means.
    private(set) var day: Int64
    /// Why the day could not be turned, as long as it cannot.
    private(set) var dayFailure: CollectorFailure?

    /// What came of one batch.
    struct Answer: Sendable {
        var storedThrough: StoredThrough
        var new = 0
        var duplicates = 0
        var conflicting = 0
        var holes: [StoredThroughLedger.Hole] = []
        /// Journals that begin beside those that are known, by their first epoch.
        var journals: [(epoch: Epoch, beginning: LaneJournals.Beginning)] = []
    }

    /// What came of one batch of a group.
    enum Outcome: Sendable {
        case stored(Answer)
        case refused(IntakeBatch.Refusal)
        /// Not stored, and may be sent again.
        case failed(CollectorFailure)
    }

    /// One batch and the number of the connection it came on.
    struct Request: Sendable {
        var batch: IntakeBatch
        var connection: UInt64
    }

    /// More of a lane than that is refused: it is kept in memory and looked through with each of its batches. A daemon that ends
    /// and begins again every 2 s makes so many epochs in eleven days.
    var mostEpochs = 500_000
    /// Stretches of stored records between which some are missing: a lane that loses every second record of a full journal has
    /// half as many.
    var mostStretches = 1_000_000

    /// Opens `intake.sqlite`, which `init` made, and takes one of an older layout over. `now`: ms since 1970-01-01 UTC.
    /// `starting`: told what is done while that takes long.
    init(
        _ path: String, site: SiteID, calendar: SiteCalendar, now: Int64,
        rounds: SeenBook.Limits = SeenBook.Limits(), starting: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(CollectorFailure) {
        database = try Database(path, .readWrite)
        // Before anything in it is changed.
        try SiteDirectory.check(database, site: site, versions: 1...IntakeSchema.version)
        try database.useWriteAheadLog()
        try IntakeUpgrade(database, calendar: calendar, starting: starting).run()
        // Of a file that an earlier program made; whoever reads needs no other program for it.
        if try database.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'block_epoch'") == 0 {
            starting("the blocks of each epoch are put in order")
            try database.execute(IntakeSchema.blocksOfEpoch)
        }
        self.calendar = calendar
        day = calendar.day(ofMilliseconds: now)
        writer = try IntakeWriter(database)
        let reader = IntakeLoader(database)
        try reader.checkStretches()
        seen = try reader.seen(calendar, writer, limits: rounds)
        lastRow = try reader.lastRow()
        lanes = try reader.lanes(day: day)
        self.site = try reader.site(day: day)
    }

    /// Lets `today` begin anew when the site's day has changed. Returns whether it has.
    func turnDay(now: Int64) throws(CollectorFailure) -> Bool {
        let current = calendar.day(ofMilliseconds: now)
        guard current != day else { return false }
        do {
            let reader = IntakeLoader(database)
            let turned = try reader.lanes(day: current, keeping: lanes)
            site.today = try reader.siteTally(span: .day, start: current)
            lanes = turned
            day = current
            dayFailure = nil
            return true
        } catch {
            dayFailure = error
            throw error
        }
    }

    /// Stores a group of batches durably, in one transaction, or when that fails in one for each: what is wrong with one
    /// lane's counts keeps no other from being stored. Outcomes in their order. `mayGoOn` is asked before each after the first one
    /// that failed; the rest fails as that did.
    func take(_ requests: [Request], now: Int64, while mayGoOn: () -> Bool) -> [Outcome] {
        // A day that cannot be read is no reason to take nothing.
        _ = try? turnDay(now: now)
        do throws(CollectorFailure) {
            return try store(requests, now: now).map(Outcome.init)
        } catch {
            guard requests.count > 1 else { return [.failed(error)] }
            var last = error
            return requests.map { request in
                guard mayGoOn() else { return .failed(last) }
                do throws(CollectorFailure) {
                    return Outcome(try store([request], now: now)[0])
                } catch {
                    last = error
                    return .failed(error)
                }
            }
        }
    }

    /// Stores a group of batches durably; answers in their order. On an error nothing of the group is stored, in memory
    /// nor on disk, and all of it may be sent again.
    func store(
        _ requests: [Request], now: Int64
    ) throws(CollectorFailure) -> [Result<Answer, IntakeBatch.Refusal>] {
        var work = Work(lanes: lanes, site: site, lastRow: lastRow)
        var answers: [Result<Answer, IntakeBatch.Refusal>] = []
        var plan = SeenBook.Plan()
        seen.begin()
        writer.begin()
        do throws(CollectorFailure) {
            try database.transaction { () throws(CollectorFailure) in
                for request in requests { answers.append(try store(request, in: &work, now: now)) }
                try write(work)
                plan = seen.plan(last: work.lastRow)
                try writer.write(plan)
            }
        } catch {
            seen.rollBack()
            throw error
        }
        seen.written(plan)
        lanes = work.lanes
        site = work.site
        lastRow = work.lastRow
        return answers
    }

    /// What a transaction changes: thrown away when it fails.
    private struct Work {
        var lanes: [ShortName: LaneBook]
        var site: SiteBook
        var lastRow: Int64
        var deltas: [TallyKey: Tally] = [:]
        var zones: Set<ShortName> = []
        var flows: [ZoneFlowKey: ZoneFlow] = [:]
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
        if let refusal = refusal(lane, batch) { return .failure(refusal) }
        let before = lane.ledger
        var answer = Answer(storedThrough: StoredThrough(epoch: .none, sequence: 0))
        var entries: [StoredThroughLedger.Entry] = []
        entries.reserveCapacity(batch.records.count)
        var news = News(batch)
        let fates = try fates(&news, lane)
        var counts = Counts(at: now, calendar)
        // Of the epoch under way, see `StoredThroughLedger.newest`.
        var (stateEpoch, newest): (Epoch?, UInt64?) = (nil, nil)
        for (index, record) in batch.records.enumerated() {
            let fate = fates[index]
            switch fate {
            case .new:
                if !counts.time.isOf(record.moment.wall.milliseconds) {
                    try add(counts, to: &lane, in: &work)
                    counts = Counts(at: record.moment.wall.milliseconds, calendar)
                }
                try count(record, in: &lane, &work, &counts)
                if record.epoch != stateEpoch {
                    stateEpoch = record.epoch
                    newest = lane.ledger.newest(of: record.epoch)
                }
                if let from = newest, record.sequence >= from {
                    newest = record.sequence
                    lane.note(record)
                }
            case .duplicate: answer.duplicates += 1
            case .conflicting: answer.conflicting += 1
            }
            entries.append(
                StoredThroughLedger.Entry(
                    epoch: record.epoch, sequence: record.sequence,
                    event: fate == .conflicting ? .stopping : record.event))
        }
        answer.new = news.count
        try add(counts, to: &lane, in: &work)
        try write(news, of: &lane, in: &work, now: now)
        if answer.duplicates + answer.conflicting > 0 {
            counts = Counts(at: now, calendar)
            counts.tally[.duplicates] += Int64(answer.duplicates)
            counts.tally[.conflicting] += Int64(answer.conflicting)
            try add(counts, to: &lane, in: &work)
        }
        answer.holes = lane.ledger.take(
            entries, oldestHeld: batch.head.oldestHeld, lost: batch.head.lost,
            heard: lane.conversation.heard(connection: request.connection))
        for entry in entries {
            guard case .epochStarted(let previous, _) = entry.event,
                before.epochs[entry.epoch]?.stored.contains(1) != true,
                let beginning = before.beginning(of: entry.epoch, after: previous)
            else { continue }
            answer.journals.append((entry.epoch, beginning))
        }
        let storedThrough = lane.ledger.storedThrough
        answer.storedThrough = storedThrough ?? answer.storedThrough
        lane.conversation.answered(
            storedThrough, connection: request.connection, records: batch.records.count, new: answer.new)
        lane.heard(batch.records.last?.moment, now: now)
        lane.heard(word: batch.head.word, now: now)
        try writer.write(lane.ledger, instead: before, of: &lane, holes: answer.holes, now: now)
        try writer.update(lane)
        work.lanes[lane.name] = lane
        return .success(answer)
    }

    /// Nothing is lost by it: what is stored stays stored, and the lane keeps the rest.
    private func refusal(_ lane: LaneBook, _ batch: IntakeBatch) -> IntakeBatch.Refusal? {
        let (epochs, stretches) = (lane.ledger.epochs.count, lane.ledger.stretches)
        guard epochs >= mostEpochs || stretches >= mostStretches else { return nil }
        // Known epochs go on where they are whole.
        let isOfKnown =
            stretches < mostStretches && batch.records.allSatisfy { lane.ledger.epochs[$0.epoch] != nil }
        guard !isOfKnown else { return nil }
        return IntakeBatch.Refusal(
            status: 403,
            problem: "lane '\(lane.name.text)' has \(epochs) epochs and \(stretches) stretches of records; "
                + "\(mostEpochs) and \(mostStretches) are kept of one",
            advice: "its daemon ends and begins again all the time, or its records have gaps everywhere: mend that "
                + "(`journalctl -u lanekeeperd@\(lane.name.text)`), and enrol its controller under a new id")
    }

    // MARK: Records

    private enum Fate { case new, duplicate, conflicting }

    /// Which of a batch's records are new.
    private struct News {
        let batch: IntakeBatch
        /// Their places in the batch, ascending.
        private(set) var places: [Int] = []
        private var sequences: [Epoch: SequenceSet] = [:]
        /// Where each of them stands; made when the first record comes twice.
        private var placeOf: [StoredThrough: Int] = [:]

        init(_ batch: IntakeBatch) {
            self.batch = batch
            places.reserveCapacity(batch.records.count)
        }

        var count: Int { places.count }

        /// false when an earlier record of the batch has its identity.
        mutating func add(_ index: Int) -> Bool {
            let record = batch.records[index]
            guard sequences[record.epoch, default: SequenceSet()].insertIfAbsent(record.sequence) else { return false }
            places.append(index)
            return true
        }

        /// Whether the earlier record of the batch with the identity of this one is the same.
        mutating func isSame(_ index: Int) -> Bool {
            if placeOf.isEmpty { for place in places { placeOf[identity(place)] = place } }
            guard let place = placeOf[identity(index)] else { return false }
            return batch.withBytes(place...place) { first in
                batch.withBytes(index...index) { first.elementsEqual($0) }
            }
        }

        private func identity(_ index: Int) -> StoredThrough {
            StoredThrough(epoch: batch.records[index].epoch, sequence: batch.records[index].sequence)
        }

        /// Stretches of the batch whose records are new, of one epoch, and follow each other in it.
        var stretches: [ClosedRange<Int>] {
            var stretches: [ClosedRange<Int>] = []
            for place in places {
                if let last = stretches.last, last.upperBound + 1 == place,
                    batch.records[place].epoch == batch.records[last.upperBound].epoch,
                    batch.records[place].sequence == batch.records[last.upperBound].sequence + 1
                {
                    stretches[stretches.count - 1] = last.lowerBound...place
                } else {
                    stretches.append(place...place)
                }
            }
            return stretches
        }
    }

    /// A record is new unless its identity is taken, by an earlier batch or by an earlier record of this one.
    private func fates(_ news: inout News, _ lane: LaneBook) throws(CollectorFailure) -> [Fate] {
        var fates = [Fate](repeating: .new, count: news.batch.records.count)
        var stored: [(epoch: Int64, sequence: UInt64, index: Int)] = []
        var repeated: [Int] = []
        for (index, record) in news.batch.records.enumerated() {
            if lane.ledger.isStored(record.epoch, record.sequence) {
                // Without a row nothing of the epoch is left to compare with.
                fates[index] = .duplicate
                if let epoch = lane.epochRows[record.epoch] { stored.append((epoch, record.sequence, index)) }
            } else if !news.add(index) {
                repeated.append(index)
            }
        }
        for index in repeated { fates[index] = news.isSame(index) ? .duplicate : .conflicting }
        // Each stored block is read once, in whatever order the batch has its records.
        stored.sort { ($0.epoch, $0.sequence) < ($1.epoch, $1.sequence) }
        for (epoch, sequence, index) in stored {
            let isSame = try news.batch.withBytes(index...index) { (bytes) throws(CollectorFailure) in
                try writer.holds(bytes, epoch: epoch, sequence: sequence)
            }
            if isSame == false { fates[index] = .conflicting }
        }
        return fates
    }

    private func write(
        _ news: News, of lane: inout LaneBook, in work: inout Work, now: Int64
    ) throws(CollectorFailure) {
        for stretch in news.stretches {
            let first = news.batch.records[stretch.lowerBound]
            let epoch = try writer.row(of: first.epoch, in: &lane)
            let row = work.lastRow + 1
            try news.batch.withBytes(stretch) { (bytes) throws(CollectorFailure) in
                try writer.insert(row: row, epoch: epoch, first: Int64(clamping: first.sequence), bytes, received: now)
            }
            work.lastRow += Int64(stretch.count)
        }
    }

    // MARK: Counts

    /// Counts a record that is new.
    private func count(
        _ record: JournalRecord, in lane: inout LaneBook, _ work: inout Work, _ counts: inout Counts
    ) throws(CollectorFailure) {
        counts.tally.count(record)
        Crossing.forEach(in: record) { crossing in
            work.site.balances[crossing.from, default: Balance()].add(-crossing.count, isVehicle: crossing.isVehicle)
            work.site.balances[crossing.to, default: Balance()].add(crossing.count, isVehicle: crossing.isVehicle)
            work.zones.insert(crossing.from)
            work.zones.insert(crossing.to)
            counts.flows[ZonePath(from: crossing.from, to: crossing.to), default: ZoneFlow()].add(
                crossing.count, isVehicle: crossing.isVehicle)
        }
        if let (holder, counter) = record.passedHolder {
            for key in TallyKey.distinct(lane: lane.row, day: counts.time.day) where try isNew(holder, in: key) {
                work.deltas[key, default: Tally()][counter] += 1
                let isToday = key.span == .day && key.start == day
                switch (key.lane == 0, key.span) {
                case (true, .all): work.site.all[counter] += 1
                case (true, _): if isToday { work.site.today[counter] += 1 }
                case (false, .all): lane.all[counter] += 1
                case (false, _): if isToday { lane.today[counter] += 1 }
                }
            }
        }
        if let (start, stated) = record.statedTotals {
            work.deltas[TallyKey(lane: lane.row, span: .stated, start: start), default: Tally()] += stated
        }
    }

    private func isNew(_ holder: HolderNumber, in key: TallyKey) throws(CollectorFailure) -> Bool {
        try seen.insert(holder, in: key) { (key) throws(CollectorFailure) in try writer.seen(key) }
    }

    /// What a run of records counted that lie in the same five minutes.
    private struct Counts {
        let time: RecordTime
        var tally = Tally()
        var flows: [ZonePath: ZoneFlow] = [:]

        init(at instant: Int64, _ calendar: SiteCalendar) { time = RecordTime(instant, calendar) }
    }

    private func add(
        _ counts: Counts, to lane: inout LaneBook, in work: inout Work
    ) throws(CollectorFailure) {
        guard !counts.tally.isZero else { return }
        let time = counts.time
        lane.all += counts.tally
        if time.day == day { lane.today += counts.tally }
        for (span, start) in [
            (TallySpan.all, 0), (.day, time.day), (.hour, time.hour), (.fiveMinutes, time.fiveMinutes),
        ] {
            work.deltas[TallyKey(lane: lane.row, span: span, start: start), default: Tally()] += counts.tally
        }
        work.deltas[.site(.fiveMinutes, time.fiveMinutes), default: Tally()] += counts.tally
        for (path, flow) in counts.flows {
            let row = try writer.row(of: path, in: &lane)
            for (span, start) in [(TallySpan.day, time.day), (.fiveMinutes, time.fiveMinutes)] {
                work.flows[ZoneFlowKey(path: row, span: span, start: start), default: ZoneFlow()] += flow
            }
        }
    }

    /// A new one when it was never heard of; nil when there are too many.
    private func lane(_ name: ShortName, in work: Work, now: Int64) throws(CollectorFailure) -> LaneBook? {
        if let lane = work.lanes[name] { return lane }
        guard work.lanes.count < Self.mostLanes else { return nil }
        return LaneBook(row: try writer.addLane(name, now: now), name: name, lastSeenMilliseconds: now)
    }

    private func write(_ work: Work) throws(CollectorFailure) {
        for (key, counts) in work.deltas { try writer.add(counts, to: key) }
        for (key, flow) in work.flows { try writer.add(flow, to: key) }
        for zone in work.zones {
            if let balance = work.site.balances[zone] { try writer.set(balance, of: zone) }
        }
    }
}

extension IntakeStore.Outcome {
    fileprivate init(_ result: Result<IntakeStore.Answer, IntakeBatch.Refusal>) {
        switch result {
        case .success(let answer): self = .stored(answer)
        case .failure(let refusal): self = .refused(refusal)
        }
    }
}
