import Framing
import Glibc
import Posix

/// Removes what is older than it is to be kept: `lanekeeper-collector prune`, and `serve` once a day.
///
/// In many small transactions with pauses between them that are at least as long, so that intake never waits for more than one
/// of them and always has its turn. What stays
/// right without the records: counts, different holders (`seen`), balances, epochs, holes and which sequences are stored
/// (`stretch`), so that what a lane sends again is still known as sent. No record behind `mark`, which the start reads again,
/// is removed: who passed in it is written to `seen` and the mark moved on first, in the same transaction. The newest block
/// stays, since rows are counted on from it. Killed at any step it has done less, and the next one goes on.
public struct Prune {
    /// What one transaction removes at most: about 4 MiB of records, however few there are in a block.
    static let recordsAtOnce = 16_000
    static let blocksAtOnce = 2000
    static let rowsAtOnce = 2000
    /// Ids that are looked for at once, by whoever holds up nobody.
    private static let idsAtOnce = 100_000
    /// Between two transactions at least.
    private static let pauseMilliseconds: UInt64 = 20
    private static let longestPauseMilliseconds: UInt64 = 1000
    /// Double uses of badges, whatever their age.
    private static let mostFindings = 100_000

    public struct Removed: Sendable, Hashable {
        public var records = 0
        /// Rows of `/v1/records`, the first and the last that went.
        public var firstRow: Int64?
        public var lastRow: Int64?
        /// Spans of five minutes and hours, of all lanes.
        public var spans = 0
        public var entries = 0
        public var images: [String] = []
        /// Alerts that ended, and double uses of badges.
        public var alerts = 0
        public var doubleUses = 0

        var isNothing: Bool { records + spans + entries + images.count + alerts + doubleUses == 0 }

        /// A line, for `audit` and for whoever asked.
        public var text: String {
            var parts: [String] = []
            if let firstRow, let lastRow { parts.append("\(records) records (rows \(firstRow) to \(lastRow))") }
            if spans > 0 { parts.append("counts of \(spans) hours and five minutes") }
            if entries > 0 { parts.append("\(entries) entries of audit") }
            if let first = images.first, let last = images.last {
                parts.append("\(images.count) images (\(first) to \(last))")
            }
            if alerts > 0 { parts.append("\(alerts) alerts that ended") }
            if doubleUses > 0 { parts.append("\(doubleUses) double uses of badges") }
            return parts.isEmpty ? "nothing" : parts.joined(separator: ", ")
        }
    }

    private let data: SiteDirectory
    private let retention: Retention
    private let images: ImageLimits
    private let isDryRun: Bool
    private let calendar: SiteCalendar
    private let intake: Database
    private let writer: IntakeWriter
    private let site: Database
    private let id: SiteID
    private let patienceMilliseconds: Int32

    /// `patienceMilliseconds`: how long it waits for another's transaction, each time.
    public init(
        _ settings: CollectorSettings, isDryRun: Bool = false, patienceMilliseconds: Int32 = 10_000
    ) throws(CollectorFailure) {
        data = settings.data
        retention = settings.keep
        images = settings.images
        calendar = settings.calendar
        self.isDryRun = isDryRun
        self.patienceMilliseconds = patienceMilliseconds
        id = try data.key(.sitePublic, data.publicKeyFile).site
        intake = try Database(data.intakeDatabase, .readWrite)
        try intake.useWriteAheadLog()
        try SiteDirectory.check(
            intake, site: id, version: IntakeSchema.version, older: "start `serve`, which takes it over")
        writer = try IntakeWriter(intake)
        site = try data.openSite().database
        for database in [intake, site] { database.waitForOthers(milliseconds: patienceMilliseconds) }
    }

    /// - Parameters:
    ///   - who: stands in `audit`, with the numbers.
    ///   - now: ms since 1970-01-01 UTC.
    ///   - isStopping: asked between transactions; what is left then goes the next time.
    public func run(
        by who: String, now: Int64 = SystemClock.wallMilliseconds(), isStopping: () -> Bool = { false }
    ) throws(CollectorFailure) -> Removed {
        var removed = Removed()
        var failure: CollectorFailure?
        // What fails of one keeps no other.
        func attempt(_ body: () throws(CollectorFailure) -> Void) {
            do throws(CollectorFailure) { try body() } catch { failure = failure ?? error }
        }
        attempt { () throws(CollectorFailure) in
            try removeRecords(before: retention.oldestRecord(now: now), &removed, isStopping)
        }
        attempt { () throws(CollectorFailure) in
            try removeCounts(before: retention.oldestCount(now: now) / 1000, &removed, isStopping)
        }
        attempt { () throws(CollectorFailure) in
            try removeFlows(before: retention.oldestCount(now: now) / 1000, &removed, isStopping)
        }
        attempt { () throws(CollectorFailure) in try removeAlerts(now: now, &removed, isStopping) }
        attempt { () throws(CollectorFailure) in
            try removeEntries(before: retention.oldestEntry(now: now), &removed, isStopping)
        }
        attempt { () throws(CollectorFailure) in
            guard !isDryRun, let lock = try data.lockIfFree(data.importLock) else { return }
            defer { withExtendedLifetime(lock) {} }
            removed.images = try ImageShelf(data, site, images).prune(now: now)
        }
        // Also what went before something failed.
        if !isDryRun, !removed.isNothing {
            try AuditTrail(site).add(who, "prune", removed.text, at: SystemClock.wallMilliseconds())
        }
        if let failure { throw failure }
        return removed
    }

    /// Whole blocks in the order in which they came, up to the first that is young or that the start needs.
    private func removeRecords(
        before: Int64, _ removed: inout Removed, _ isStopping: () -> Bool
    ) throws(CollectorFailure) {
        let oldest = try intake.prepare(
            """
            SELECT id, count, received FROM block WHERE id > ? AND id < (SELECT max(id) FROM block)
            ORDER BY id LIMIT \(Self.blocksAtOnce)
            """)
        let remove = try intake.prepare("DELETE FROM block WHERE id BETWEEN ? AND ?")
        var last: Int64 = -1
        while !isStopping() {
            let found = try step { () throws(CollectorFailure) in
                oldest.bind(1, last)
                defer { oldest.reset() }
                var found: (first: Int64, last: Int64, end: Int64, records: Int)?
                while try oldest.step() {
                    let (id, count) = (oldest.integer(0), oldest.integer(1))
                    guard oldest.integer(2) < before, (found?.records ?? 0) < Self.recordsAtOnce else { break }
                    found = (found?.first ?? id, id, id + count - 1, (found?.records ?? 0) + Int(count))
                }
                guard let found, !isDryRun else { return found }
                oldest.reset()
                try moveMark(over: found.first, found.last, end: found.end)
                remove.bind(1, found.first)
                remove.bind(2, found.last)
                try remove.run()
                return found
            }
            guard let found else { return }
            last = found.last
            removed.records += found.records
            removed.firstRow = removed.firstRow ?? found.first
            removed.lastRow = found.end
        }
    }

    /// What the start would read again of these blocks stands in `seen` from here on. What intake has in memory has it
    /// already, and writes it again with what comes.
    private func moveMark(over first: Int64, _ last: Int64, end: Int64) throws(CollectorFailure) {
        guard try intake.integer("SELECT row FROM mark") < end else { return }
        let select = try intake.prepare(
            """
            SELECT block.bytes, epoch.lane FROM block JOIN epoch ON epoch.id = block.epoch
            WHERE block.id BETWEEN ? AND ?
            """)
        select.bind(1, first)
        select.bind(2, last)
        var sets: [TallyKey: HolderSet] = [:]
        var changed: [TallyKey: Set<UInt16>] = [:]
        while try select.step() {
            let records = select.withBlob(0) { RecordBlock.records(of: $0, ofKind: JournalRecord.endedKind) }
            for record in records {
                guard let (holder, _) = record.passedHolder else { continue }
                let day = calendar.day(ofMilliseconds: record.moment.wall.milliseconds)
                for key in TallyKey.distinct(lane: select.integer(1), day: day) {
                    if sets[key] == nil { sets[key] = try writer.seen(key) }
                    guard sets[key]?.insert(holder.number) == true else { continue }
                    changed[key, default: []].insert(HolderSet.part(of: holder.number))
                }
            }
        }
        var plan = SeenBook.Plan()
        for (key, numbers) in changed {
            for number in numbers {
                guard let part = sets[key]?.parts[number] else { continue }
                plan.parts.append(SeenBook.Plan.Part(key: key, number: number, bytes: part.encoded))
            }
        }
        plan.mark = end
        try writer.write(plan)
    }

    /// Of five minutes, of hours, and what lanes said of hours. `before`: s since 1970-01-01 UTC.
    private func removeCounts(
        before: Int64, _ removed: inout Removed, _ isStopping: () -> Bool
    ) throws(CollectorFailure) {
        for span in [TallySpan.fiveMinutes, .hour, .stated] {
            guard !isDryRun else {
                removed.spans += Int(
                    try intake.integer(
                        "SELECT count(*) FROM tally WHERE span = \(span.rawValue) AND start < \(before)"))
                continue
            }
            let remove = try intake.prepare(
                """
                DELETE FROM tally WHERE (span, start, lane) IN (
                    SELECT span, start, lane FROM tally WHERE span = ? AND start < ? LIMIT \(Self.rowsAtOnce))
                """)
            while !isStopping() {
                let count = try step { () throws(CollectorFailure) in
                    remove.bind(1, span.rawValue)
                    remove.bind(2, before)
                    try remove.run()
                    return intake.changes
                }
                removed.spans += count
                if count < Self.rowsAtOnce { break }
            }
        }
    }

    /// Who went from zone to zone in five minutes.
    private func removeFlows(
        before: Int64, _ removed: inout Removed, _ isStopping: () -> Bool
    ) throws(CollectorFailure) {
        let old = "zone_flow WHERE span = \(TallySpan.fiveMinutes.rawValue) AND start < \(before)"
        guard !isDryRun else {
            removed.spans += Int(try intake.integer("SELECT count(*) FROM \(old)"))
            return
        }
        let remove = try intake.prepare(
            """
            DELETE FROM zone_flow WHERE (span, start, path) IN (
                SELECT span, start, path FROM \(old) LIMIT \(Self.rowsAtOnce))
            """)
        while !isStopping() {
            let count = try step { () throws(CollectorFailure) in
                try remove.run()
                return intake.changes
            }
            removed.spans += count
            if count < Self.rowsAtOnce { return }
        }
    }

    /// What the office decided and operators corrected rests on its entry, as long as it stands. An entry on which nothing
    /// rests stays so: they are looked for while nobody waits.
    private func removeEntries(
        before: Int64, _ removed: inout Removed, _ isStopping: () -> Bool
    ) throws(CollectorFailure) {
        let old = """
            FROM audit WHERE at < \(before) AND id NOT IN (SELECT audit FROM activation)
            AND id NOT IN (SELECT audit FROM correction) AND id NOT IN (SELECT audit FROM unpublished)
            """
        guard !isDryRun else {
            removed.entries = Int(try site.integer("SELECT count(*) \(old)"))
            return
        }
        let remove = try site.prepare("DELETE FROM audit WHERE id = ?")
        while !isStopping() {
            var ids: [Int64] = []
            let select = try site.prepare("SELECT id \(old) LIMIT \(Self.idsAtOnce)")
            while try select.step() { ids.append(select.integer(0)) }
            for start in stride(from: 0, to: ids.count, by: Self.rowsAtOnce) where !isStopping() {
                let part = ids[start..<min(ids.count, start + Self.rowsAtOnce)]
                try step(site) { () throws(CollectorFailure) in
                    for id in part {
                        remove.bind(1, id)
                        try remove.run()
                    }
                }
                removed.entries += part.count
            }
            if ids.count < Self.idsAtOnce { return }
        }
    }

    /// Of `alerts.sqlite`, where it is and can be read: what is damaged `serve` begins anew. The newest one that ended stays:
    /// they are counted on from it.
    private func removeAlerts(
        now: Int64, _ removed: inout Removed, _ isStopping: () -> Bool
    ) throws(CollectorFailure) {
        let isThere = try collecting { () throws(SystemFailure) in
            try FileSystem.statusIfPresent(data.alertDatabase) != nil
        }
        guard isThere else { return }
        let database = try Database(data.alertDatabase, .readWrite)
        try SiteDirectory.check(
            database, site: id, version: AlertSchema.version, older: "start `serve`, which takes it over")
        database.waitForOthers(milliseconds: patienceMilliseconds)
        let alerts = """
            FROM alert WHERE until < \(retention.oldestAlert(now: now))
            AND ending < (SELECT max(ending) FROM alert)
            """
        let findings = """
            FROM finding WHERE found < \(retention.oldestRecord(now: now))
            OR id <= (SELECT max(id) FROM finding) - \(Self.mostFindings)
            """
        guard !isDryRun else {
            removed.alerts = Int(try database.integer("SELECT count(*) \(alerts)"))
            removed.doubleUses = Int(try database.integer("SELECT count(*) \(findings)"))
            return
        }
        for (table, old, count) in [
            ("alert", alerts, \Removed.alerts), ("finding", findings, \Removed.doubleUses),
        ] {
            while !isStopping() {
                let changes = try step(database) { () throws(CollectorFailure) in
                    try database.execute(
                        "DELETE FROM \(table) WHERE id IN (SELECT id \(old) LIMIT \(Self.rowsAtOnce))")
                    return database.changes
                }
                removed[keyPath: count] += changes
                if changes < Self.rowsAtOnce { break }
            }
        }
    }

    private func step<Value>(_ body: () throws(CollectorFailure) -> Value) throws(CollectorFailure) -> Value {
        try step(intake, body)
    }

    /// A transaction, and a pause in which others have theirs.
    private func step<Value>(
        _ database: Database, _ body: () throws(CollectorFailure) -> Value
    ) throws(CollectorFailure) -> Value {
        guard !isDryRun else { return try body() }
        var began: UInt64?
        defer {
            let took = began.map { (SystemClock.monotonicNanoseconds() - $0) / 1_000_000 } ?? 0
            _ = poll(nil, 0, Int32(min(max(Self.pauseMilliseconds, took), Self.longestPauseMilliseconds)))
        }
        return try database.transaction { () throws(CollectorFailure) in
            // Waiting for others is no work.
            began = SystemClock.monotonicNanoseconds()
            return try body()
        }
    }
}
