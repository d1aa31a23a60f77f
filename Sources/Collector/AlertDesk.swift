import Admission
import Framing
import Posix
import Synchronization

/// Watches the site: a thread of its own reads what lanes sent, asks once a second which conditions hold
/// (`AlertConditions`), lets `AlertBook` make states of them and keeps these in `alerts.sqlite`.
final class AlertDesk: Sendable {
    private static let rowsAtOnce: Int64 = 20_000
    /// While there is much to read alerts are looked at so often.
    private static let lookMilliseconds: Int64 = 1000
    private static let ratesMilliseconds: Int64 = 5000
    private static let pruneMilliseconds: Int64 = 3_600_000
    static let mostFindings = 10_000

    /// Everything as of the last look.
    struct Snapshot: Sendable {
        /// ms since 1970-01-01 UTC.
        var asOfMilliseconds: Int64
        /// The worst first.
        var standing: [Alert]
        /// In the order of their ends, newest last.
        var ended: [Alert]
        /// What the newest records of each lane say.
        var facts: [ShortName: LaneFacts] = [:]
        var doubleUses: [NamedDoubleUse] = []
        var counts = DoubleUseCounts()
    }

    /// What is watched beside the records; asked by the desk's thread.
    struct Sources: Sendable {
        var books: @Sendable () -> Intake.Snapshot
        var corrections: @Sendable () -> [Correction]
        var isStoring: @Sendable () -> Bool
        var inside: @Sendable () -> InsideList.Snapshot?
        /// Lanes that were taken away.
        var removed: @Sendable () -> Set<ShortName>
    }

    private struct State {
        var snapshot: Snapshot
        var isStopping = false
    }

    private let state: Mutex<State>
    private let settings: CollectorSettings
    private let sources: Sources
    private let bell: WakeUp
    private let thread = Mutex<NamedThread?>(nil)

    var snapshot: Snapshot { state.withLock { $0.snapshot } }

    init(
        _ settings: CollectorSettings, site: SiteID, _ sources: Sources, now: Int64
    ) throws(CollectorFailure) {
        self.settings = settings
        self.sources = sources
        bell = try collecting { () throws(SystemFailure) in try WakeUp(name: "alerts") }
        let work = try Work(settings, site: site, now: now)
        state = Mutex(
            State(
                snapshot: Snapshot(
                    asOfMilliseconds: now, standing: work.book.standing, ended: work.book.ended,
                    facts: work.facts)))
        let started = try collecting { () throws(SystemFailure) in
            try NamedThread.start(name: "alerts") { self.run(work) }
        }
        thread.withLock { $0 = started }
    }

    func stop() {
        state.withLock { $0.isStopping = true }
        bell.signal()
        let running = thread.withLock { $0 }
        running?.join()
    }

    // MARK: The thread

    private struct Work: @unchecked Sendable {
        // Unchecked: carried to the one thread that uses it.
        let intake: Database
        let names: SQLStatement
        let store: AlertStore
        var book: AlertBook
        var doubleUse: DoubleUseBook
        var facts: [ShortName: LaneFacts]
        var rates: [ShortName: LaneRates] = [:]
        var ratesRead: Int64 = 0
        /// Of the last block that was read.
        var row: Int64
        var looked: Int64 = 0
        var pruned: Int64 = 0
        let started: Int64
        var found: [NamedDoubleUse] = []
        var failure: String?
        /// Whether all that was stored at some time since the start was read: before, facts may be long over.
        var hasReadAll = false
        /// `alerts.sqlite` knew nothing of what lanes sent: since when records are missing say the books.
        var isAnew: Bool
        /// Of `alerts.sqlite`: another number when another program wrote it.
        var version: Int64 = 0

        init(_ settings: CollectorSettings, site: SiteID, now: Int64) throws(CollectorFailure) {
            let intake = try Database(settings.data.intakeDatabase, .readOnly)
            self.intake = intake
            names = try Database(settings.data.siteDatabase, .readOnly).prepare(
                "SELECT id FROM holder WHERE number = ?")
            let kept = try AlertStore.orAnew(settings.data) { () throws(CollectorFailure) in
                let store = try AlertStore(settings.data, site: site)
                return Kept(
                    store: store, row: try store.mark(intake), book: try store.book(),
                    doubleUse: try DoubleUseBook(store.database, settings.distances, settings.keep),
                    facts: try store.lanes())
            }
            isAnew = kept.row == 0
            (store, row, book, doubleUse, facts) = (kept.store, kept.row, kept.book, kept.doubleUse, kept.facts)
            started = now
        }
    }

    /// What `alerts.sqlite` holds.
    private struct Kept {
        var store: AlertStore
        var row: Int64
        var book: AlertBook
        var doubleUse: DoubleUseBook
        var facts: [ShortName: LaneFacts]
    }

    private func run(_ start: Work) {
        var work = start
        let poll = PollSet(capacity: 1)
        while !state.withLock({ $0.isStopping }) {
            let now = SystemClock.wallMilliseconds()
            var isWhole = true
            var failure: String?
            // Asked before: what they say is stored is read now.
            let books = sources.books()
            do throws(CollectorFailure) {
                isWhole = try read(&work, now: now)
                work.hasReadAll = isWhole
            } catch { failure = error.description }
            // Records that cannot be read hold up no alert that needs none.
            do throws(CollectorFailure) {
                if isWhole || !(0..<Self.lookMilliseconds).contains(now - work.looked) {
                    try look(&work, books, now: now)
                }
                if !(0..<Self.pruneMilliseconds).contains(now - work.pruned) {
                    // A step at a time: alerts go on between.
                    if try work.doubleUse.prune(now: now) { work.pruned = now }
                }
            } catch { failure = failure ?? error.description }
            if let failure {
                isWhole = true
                // Said once, not once a second.
                if work.failure != failure { Log.error("alerts: \(failure)") }
            }
            work.failure = failure
            guard isWhole else { continue }
            poll.removeAll()
            poll.add(bell.raw, .readable)
            _ = try? poll.wait(until: SystemClock.deadline(milliseconds: Int(Self.lookMilliseconds)))
            bell.drain()
        }
    }

    // MARK: Records

    /// What came in since. false: there is more.
    private func read(_ work: inout Work, now: Int64) throws(CollectorFailure) -> Bool {
        var (facts, doubleUse, row) = (work.facts, work.doubleUse, work.row)
        var isWhole = false
        do throws(CollectorFailure) {
            let select = try work.intake.prepare(
                "SELECT id, count, received, epoch, bytes FROM block WHERE id > ? ORDER BY id")
            select.bind(1, row)
            guard try select.step() else { return true }
            try work.store.database.transaction { [work] () throws(CollectorFailure) in
                var told: Set<ShortName> = []
                var (count, marked): (Int64, Int64) = (0, 0)
                repeat {
                    row = select.integer(0)
                    count += select.integer(1)
                    // One that came while this machine's clock was ahead came now at the latest.
                    marked = select.integer(2)
                    let received = min(marked, now)
                    let epoch = select.integer(3)
                    for (index, record) in select.withBlob(4, Self.telling) {
                        facts[record.lane, default: LaneFacts()].note(record, received: received)
                        told.insert(record.lane)
                        try doubleUse.anchor(record.moment, epoch: epoch, received: received, now: now)
                        try doubleUse.note(
                            record, row: row + Int64(index), epoch: epoch, received: received, now: now)
                    }
                    if count >= Self.rowsAtOnce { break }
                    isWhole = try !select.step()
                } while !isWhole
                if !isWhole { select.reset() }
                try doubleUse.judge()
                for lane in told { if let facts = facts[lane] { try work.store.set(facts, of: lane) } }
                try work.store.set(mark: row, received: marked)
            }
        } catch {
            work.doubleUse.forget()
            throw error
        }
        (work.facts, work.doubleUse, work.row) = (facts, doubleUse, row)
        return isWhole
    }

    /// The records of a block that tell of a lane's state or of somebody's way; its last one always does.
    private static func telling(_ block: UnsafeRawBufferPointer) -> [(Int, JournalRecord)] {
        let count = block.count / JournalRecord.size
        return (0..<count).compactMap { index in
            let kind = block[index * JournalRecord.size + JournalRecord.kindOffset]
            guard
                index == count - 1 || LaneFacts.isTelling(kind) || kind == JournalRecord.endedKind
                    || kind == JournalRecord.pulseKind
            else { return nil }
            return RecordBlock.record(index, of: block).map { (index, $0) }
        }
    }

    // MARK: Alerts

    private func look(
        _ work: inout Work, _ books: Intake.Snapshot, now: Int64
    ) throws(CollectorFailure) {
        work.looked = now
        if !(0..<Self.ratesMilliseconds).contains(now - work.ratesRead) {
            work.ratesRead = now
            work.rates = try LaneRates.read(work.intake, now: now)
        }
        try noteMissing(books, &work, now: now)
        try noteRemoved(&work, now: now)
        if work.doubleUse.isChanged {
            work.found = try name(work.doubleUse.findings(most: Self.mostFindings), work)
        }
        var conditions = AlertConditions(settings: settings, startedMilliseconds: work.started)
        conditions.lanes = books.lanes.values.sorted { $0.row < $1.row }
        conditions.balances = sources.corrections().added(to: books.site.balances)
        conditions.facts = work.facts
        conditions.rates = work.rates
        conditions.removed = sources.removed()
        conditions.inside = sources.inside()
        conditions.isStoring = sources.isStoring()
        conditions.doubleUse = counts(work.found, now: now)
        conditions.hasReadAll = work.hasReadAll
        var book = work.book
        let effects = book.step(
            conditions.all(now: now), now: now, isUnknown: conditions.unknown(now: now))
        try work.store.write(effects)
        work.book = book
        let snapshot = Snapshot(
            asOfMilliseconds: now, standing: book.standing, ended: book.ended, facts: work.facts,
            doubleUses: work.found, counts: conditions.doubleUse)
        state.withLock { $0.snapshot = snapshot }
        for effect in effects { say(effect) }
    }

    private func noteMissing(
        _ books: Intake.Snapshot, _ work: inout Work, now: Int64
    ) throws(CollectorFailure) {
        for lane in books.lanes.values {
            let missing = lane.ledger.missing
            guard missing != work.facts[lane.name]?.missing ?? 0 else { continue }
            var facts = work.facts[lane.name] ?? LaneFacts()
            let noticed = work.isAnew ? try noticed(lane, work) : nil
            facts.note(missing: missing, at: now, since: noticed?.first, grew: noticed?.last)
            try work.store.set(facts, of: lane.name)
            work.facts[lane.name] = facts
        }
        if work.hasReadAll { work.isAnew = false }
    }

    /// When the first and the last hole of a lane were noticed.
    private func noticed(_ lane: LaneBook, _ work: Work) throws(CollectorFailure) -> (first: Int64, last: Int64)? {
        let select = try work.intake.prepare(
            "SELECT min(noticed), max(noticed) FROM hole WHERE epoch IN (SELECT id FROM epoch WHERE lane = ?)")
        select.bind(1, lane.row)
        defer { select.reset() }
        guard try select.step(), !select.isNull(0) else { return nil }
        return (select.integer(0), select.integer(1))
    }

    /// `prune` removed what was too old: it is given out no more.
    private func noteRemoved(_ work: inout Work, now: Int64) throws(CollectorFailure) {
        let version = try work.store.database.integer("PRAGMA data_version")
        guard version != work.version else { return }
        work.version = version
        work.book.forget(endedBefore: settings.keep.oldestAlert(now: now))
        work.doubleUse.forget()
    }

    private func counts(_ found: [NamedDoubleUse], now: Int64) -> DoubleUseCounts {
        let oldest = now - Int64(settings.alerts.doubleUseMinutes) * 60_000
        let recent = found.filter { $0.finding.stands }.map(\.finding.stoodMilliseconds).filter { $0 > oldest }
        return DoubleUseCounts(recent: recent.count, recentSinceMilliseconds: recent.min())
    }

    private func name(
        _ findings: [DoubleUseBook.Finding], _ work: Work
    ) throws(CollectorFailure) -> [NamedDoubleUse] {
        try findings.map { (finding) throws(CollectorFailure) in
            work.names.bind(1, Int64(finding.holder))
            let id = try work.names.step() ? work.names.text(0) : "#\(finding.holder)"
            work.names.reset()
            return NamedDoubleUse(finding: finding, holder: id)
        }
    }

    /// `InsideList` says its own.
    private func say(_ effect: AlertBook.Effect) {
        switch effect {
        case .begin(let alert) where alert.kind != .insideWithoutKeys:
            Log.write(alert.severity == .trouble ? .error : .warning, "alert begins: \(alert.text)")
        case .end(let alert) where alert.kind != .insideWithoutKeys:
            Log.notice("alert ends, since \(Timestamp.format(alert.sinceMilliseconds)): \(alert.text)")
        case .begin, .end, .change: break
        }
    }
}
