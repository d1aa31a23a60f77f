import Admission
import Framing
import Posix

/// `alerts.sqlite`: alerts, what lanes' newest records say, and how far these were read. One thread's own.
final class AlertStore {
    let database: Database
    private let insertAlert: SQLStatement
    private let updateAlert: SQLStatement
    private let setLane: SQLStatement
    private let setMark: SQLStatement

    /// Makes the file when it is not there.
    init(_ directory: SiteDirectory, site: SiteID) throws(CollectorFailure) {
        database = try Database(directory.alertDatabase, .create)
        try database.useWriteAheadLog()
        // A power cut may take the last moments: what they held is read again, together with its mark.
        try database.execute("PRAGMA synchronous=NORMAL")
        if try database.integer("PRAGMA user_version") == 0 {
            try database.transaction { [database] () throws(CollectorFailure) in
                try database.execute(AlertSchema.sql)
                let insert = try database.prepare("INSERT INTO site VALUES(?)")
                insert.bind(1, site.bytes)
                try insert.run()
            }
        }
        try SiteDirectory.check(database, site: site, versions: AlertSchema.readable)
        try AlertSchema.upgrade(database)
        insertAlert = try database.prepare("INSERT INTO alert VALUES(?,?,?,?,?,?,?,?,?,?,?)")
        updateAlert = try database.prepare(
            "UPDATE alert SET severity=?, until=?, text=?, advice=?, figures=?, ending=? WHERE id=?")
        setLane = try database.prepare("INSERT OR REPLACE INTO lane VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")
        setMark = try database.prepare("UPDATE mark SET row=?, received=?")
    }

    /// What `open` gives; where it cannot be opened or read, it is put aside as `alerts.sqlite.damaged` and begun anew: all of it
    /// but the history comes again from what lanes sent, and no gate or count waits for it.
    static func orAnew<Value>(
        _ directory: SiteDirectory, _ open: () throws(CollectorFailure) -> Value
    ) throws(CollectorFailure) -> Value {
        do throws(CollectorFailure) { return try open() } catch {
            let file = directory.alertDatabase
            Log.error("\(error.description); it is put aside as \(file).damaged, and alerts begin anew")
            try collecting { () throws(SystemFailure) in
                for suffix in ["-wal", "-shm"] { try FileSystem.unlinkIfPresent(file + suffix) }
                if try FileSystem.statusIfPresent(file) != nil { try FileSystem.rename(file, to: file + ".damaged") }
            }
            return try open()
        }
    }

    // MARK: Alerts

    func book() throws(CollectorFailure) -> AlertBook {
        let next = try database.integer("SELECT seq + 1 FROM sqlite_sequence WHERE name = 'alert'")
        return AlertBook(
            standing: try alerts("until IS NULL ORDER BY id"),
            ended: try alerts("until IS NOT NULL ORDER BY ending DESC LIMIT \(AlertBook.mostEnded)").reversed(),
            nextID: max(1, next))
    }

    private func alerts(_ which: String) throws(CollectorFailure) -> [Alert] {
        let select = try database.prepare(
            "SELECT id, kind, subject_kind, subject, severity, since, until, text, advice, figures, ending FROM alert WHERE "
                + which)
        var alerts: [Alert] = []
        while try select.step() {
            // A kind that another program made up is not shown.
            guard let kind = Alert.Kind(rawValue: select.text(1)),
                let subject = Alert.Subject.Kind(rawValue: select.text(2)),
                let severity = Alert.Severity(rawValue: select.text(4))
            else { continue }
            alerts.append(
                Alert(
                    id: select.integer(0), kind: kind, subject: Alert.Subject(kind: subject, id: select.text(3)),
                    severity: severity, sinceMilliseconds: select.integer(5),
                    untilMilliseconds: select.isNull(6) ? nil : select.integer(6),
                    ending: select.isNull(10) ? nil : select.integer(10), text: select.text(7),
                    advice: select.text(8),
                    figures: Self.pairs(select.text(9)).map { Alert.Figure(name: $0, value: $1) }))
        }
        return alerts
    }

    func write(_ effects: [AlertBook.Effect]) throws(CollectorFailure) {
        guard !effects.isEmpty else { return }
        try database.transaction { () throws(CollectorFailure) in
            for effect in effects {
                switch effect {
                case .begin(let alert): try insert(alert)
                case .change(let alert), .end(let alert): try update(alert)
                }
            }
            try database.execute(
                """
                DELETE FROM alert WHERE ending <= (SELECT max(ending) FROM alert) - \(AlertBook.mostEnded)
                """)
        }
    }

    private func insert(_ alert: Alert) throws(CollectorFailure) {
        insertAlert.bind(1, alert.id)
        insertAlert.bind(2, alert.kind.rawValue)
        insertAlert.bind(3, alert.subject.kind.rawValue)
        insertAlert.bind(4, alert.subject.id)
        insertAlert.bind(5, alert.severity.rawValue)
        insertAlert.bind(6, alert.sinceMilliseconds)
        insertAlert.bind(7, alert.untilMilliseconds)
        insertAlert.bind(8, alert.text)
        insertAlert.bind(9, alert.advice)
        insertAlert.bind(10, Self.text(alert.figures.map { ($0.name, $0.value) }))
        insertAlert.bind(11, alert.ending)
        try insertAlert.run()
    }

    private func update(_ alert: Alert) throws(CollectorFailure) {
        updateAlert.bind(1, alert.severity.rawValue)
        updateAlert.bind(2, alert.untilMilliseconds)
        updateAlert.bind(3, alert.text)
        updateAlert.bind(4, alert.advice)
        updateAlert.bind(5, Self.text(alert.figures.map { ($0.name, $0.value) }))
        updateAlert.bind(6, alert.ending)
        updateAlert.bind(7, alert.id)
        try updateAlert.run()
    }

    // MARK: What was read of `intake.sqlite`

    /// The block up to which everything was read, 0: nothing. When `intake.sqlite` was restored from an older backup, its
    /// rows are given anew: then what was read of it is forgotten, and read again.
    func mark(_ intake: Database) throws(CollectorFailure) -> Int64 {
        let row = try database.integer("SELECT row FROM mark")
        guard row > 0 else { return 0 }
        let select = try intake.prepare("SELECT received FROM block WHERE id = ?")
        select.bind(1, row)
        var isSame = try select.step()
        if isSame {
            isSame = try select.integer(0) == database.integer("SELECT received FROM mark")
            select.reset()
        } else {
            // Pruned since, or not there yet: rows go up.
            isSame = try intake.integer("SELECT max(id) FROM block") > row
        }
        if isSame { return row }
        Log.notice("alerts: intake.sqlite is another one than before, its records are read again")
        try database.transaction { () throws(CollectorFailure) in
            try database.execute(
                """
                UPDATE mark SET row=0, received=0; DELETE FROM lane; DELETE FROM passage; DELETE FROM anchor;
                DELETE FROM unnamed; DELETE FROM finding;
                """)
        }
        return 0
    }

    func set(mark row: Int64, received: Int64) throws(CollectorFailure) {
        setMark.bind(1, row)
        setMark.bind(2, received)
        try setMark.run()
    }

    func lanes() throws(CollectorFailure) -> [ShortName: LaneFacts] {
        let select = try database.prepare(
            """
            SELECT name, epoch, sequence, past, zone_from, zone_to, clock, lost, cause, decided, statement, missing,
            missing_since, missing_grew, clock_since, cause_since FROM lane
            """)
        var lanes: [ShortName: LaneFacts] = [:]
        while try select.step() {
            guard let name = ShortName(select.text(0)), let epoch = Epoch(bytes: select.blob(1)) else { continue }
            let past = select.blob(3)
            var facts = LaneFacts(
                epoch: epoch, sequence: UInt64(clamping: select.integer(2)),
                pastEpochs: stride(from: 0, through: past.count - 16, by: 16).compactMap {
                    Epoch(bytes: Array(past[$0..<$0 + 16]))
                })
            facts.from = ShortName(select.text(4)) ?? .outside
            facts.to = ShortName(select.text(5)) ?? .outside
            facts.clock = ClockTrust(rawValue: UInt8(clamping: select.integer(6))) ?? .trusted
            for (code, since) in Self.pairs(select.text(7)) { if let code = UInt8(code) { facts.lost[code] = since } }
            facts.cause = ModeCause(rawValue: UInt8(clamping: select.integer(8))) ?? .none
            facts.decidedMilliseconds = select.isNull(9) ? nil : select.integer(9)
            facts.statementMilliseconds = select.isNull(10) ? nil : select.integer(10)
            facts.missing = UInt64(clamping: select.integer(11))
            facts.missingSinceMilliseconds = select.integer(12)
            facts.missingGrewMilliseconds = select.integer(13)
            facts.clockSinceMilliseconds = select.isNull(14) ? nil : select.integer(14)
            facts.causeSinceMilliseconds = select.isNull(15) ? nil : select.integer(15)
            lanes[name] = facts
        }
        return lanes
    }

    func set(_ facts: LaneFacts, of lane: ShortName) throws(CollectorFailure) {
        setLane.bind(1, lane.text)
        setLane.bind(2, facts.epoch.bytes)
        setLane.bind(3, Int64(clamping: facts.sequence))
        setLane.bind(4, facts.pastEpochs.flatMap(\.bytes))
        setLane.bind(5, facts.from.text)
        setLane.bind(6, facts.to.text)
        setLane.bind(7, Int64(facts.clock.rawValue))
        setLane.bind(8, Self.text(facts.lost.sorted { $0.key < $1.key }.map { ("\($0.key)", $0.value) }))
        setLane.bind(9, Int64(facts.cause.rawValue))
        setLane.bind(10, facts.decidedMilliseconds)
        setLane.bind(11, facts.statementMilliseconds)
        setLane.bind(12, Int64(clamping: facts.missing))
        setLane.bind(13, facts.missingSinceMilliseconds)
        setLane.bind(14, facts.missingGrewMilliseconds)
        setLane.bind(15, facts.clockSinceMilliseconds)
        setLane.bind(16, facts.causeSinceMilliseconds)
        try setLane.run()
    }

    /// `name=value`, a line each.
    private static func text(_ pairs: [(String, Int64)]) -> String {
        pairs.map { "\($0)=\($1)" }.joined(separator: "\n")
    }

    private static func pairs(_ text: String) -> [(String, Int64)] {
        text.split(separator: "\n").compactMap { line in
            guard let sign = line.lastIndex(of: "="), let value = Int64(line[line.index(after: sign)...]) else {
                return nil
            }
            return (String(line[..<sign]), value)
        }
    }
}
