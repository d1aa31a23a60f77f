import Framing
import Glibc
import Posix

/// Removes what is older than it is to be kept: `lanekeeper-collector prune`, and `serve` once a day.
///
/// In many small transactions with pauses between them, so that intake never waits for more than one of them. What stays
/// right without the records: counts, different holders (`seen`), balances, epochs, holes and which sequences are stored
/// (`stretch`), so that what a lane sends again is still known as sent. No record behind `mark`, which the start reads again,
/// is removed: who passed in it is written to `seen` and the mark moved on first, in the same transaction. The newest block
/// stays, since rows are counted on from it. Killed at any step it has done less, and the next one goes on.
public struct Prune {
    /// What one transaction removes at most: about 4 MiB of records.
    static let blocksAtOnce = 32
    static let rowsAtOnce = 2000
    /// Between two transactions; intake's are not longer.
    private static let pauseMilliseconds: Int32 = 20
    private static let day: Int64 = 86_400_000

    public struct Removed: Sendable, Hashable {
        public var records = 0
        /// Rows of `/v1/records`, the first and the last that went.
        public var firstRow: Int64?
        public var lastRow: Int64?
        /// Spans of five minutes and hours, of all lanes.
        public var spans = 0
        public var entries = 0
        public var images: [String] = []

        var isNothing: Bool { records + spans + entries + images.count == 0 }

        /// A line, for `audit` and for whoever asked.
        public var text: String {
            var parts: [String] = []
            if let firstRow, let lastRow { parts.append("\(records) records (rows \(firstRow) to \(lastRow))") }
            if spans > 0 { parts.append("counts of \(spans) hours and five minutes") }
            if entries > 0 { parts.append("\(entries) entries of audit") }
            if let first = images.first, let last = images.last {
                parts.append("\(images.count) images (\(first) to \(last))")
            }
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

    public init(_ settings: CollectorSettings, isDryRun: Bool = false) throws(CollectorFailure) {
        data = settings.data
        retention = settings.keep
        images = settings.images
        calendar = settings.calendar
        self.isDryRun = isDryRun
        let id = try data.key(.sitePublic, data.publicKeyFile).site
        intake = try Database(data.intakeDatabase, .readWrite)
        try intake.useWriteAheadLog()
        try SiteDirectory.check(intake, site: id, version: IntakeSchema.version)
        writer = try IntakeWriter(intake)
        site = try data.openSite().database
    }

    /// - Parameters:
    ///   - who: stands in `audit`, with the numbers.
    ///   - now: ms since 1970-01-01 UTC.
    ///   - isStopping: asked between transactions; what is left then goes the next time.
    public func run(
        by who: String, now: Int64 = SystemClock.wallMilliseconds(), isStopping: () -> Bool = { false }
    ) throws(CollectorFailure) -> Removed {
        var removed = Removed()
        let records = now - Int64(retention.recordsDays) * Self.day
        let counts = (now - Int64(retention.countsDays) * Self.day) / 1000
        let audit = now - Int64(retention.auditDays) * Self.day
        var failure: CollectorFailure?
        do throws(CollectorFailure) {
            try removeRecords(before: records, &removed, isStopping)
            try removeCounts(before: counts, &removed, isStopping)
            try removeFlows(before: counts, &removed, isStopping)
            try removeEntries(before: audit, &removed, isStopping)
            if !isDryRun, let lock = try data.lockIfFree(data.importLock) {
                defer { withExtendedLifetime(lock) {} }
                removed.images = try ImageShelf(data, site, images).prune(now: now)
            }
        } catch { failure = error }
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
                    guard oldest.integer(2) < before else { break }
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

    /// What the office decided and operators corrected rests on its entry, as long as it stands.
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
        while !isStopping() {
            try site.execute("DELETE FROM audit WHERE id IN (SELECT id \(old) LIMIT \(Self.rowsAtOnce))")
            let count = site.changes
            removed.entries += count
            if count < Self.rowsAtOnce { return }
            pause()
        }
    }

    private func step<Value>(_ body: () throws(CollectorFailure) -> Value) throws(CollectorFailure) -> Value {
        defer { pause() }
        return try intake.transaction(body)
    }

    private func pause() { if !isDryRun { _ = poll(nil, 0, Self.pauseMilliseconds) } }
}
