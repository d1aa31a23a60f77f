import Admission
import Framing

/// The passages of the last days by holder, and the double uses among them, in `alerts.sqlite`: what is kept in memory does
/// not grow with them. One thread's own; whoever calls makes the transaction.
struct DoubleUseBook {
    /// What one step of `prune` removes at most.
    private static let rowsAtOnce = 10_000
    /// Of one holder; a badge that passes more often belongs to nobody who walks.
    private static let mostPassages = 500

    /// One that was found.
    struct Finding: Hashable, Sendable {
        var id: Int64
        var holder: UInt32
        var use: DoubleUse
        /// When the record came in that showed it.
        var foundMilliseconds: Int64
        /// Since when it is certain; when it was found while it is not.
        var stoodMilliseconds: Int64
        /// When a record that came in later explained it.
        var withdrawnMilliseconds: Int64?
        /// Between the two somebody left the site whom nobody knows: in an emergency, by a free exit.
        var somebodyLeft = false

        /// Whether it is to be believed.
        var stands: Bool { withdrawnMilliseconds == nil && use.isCertain && !somebodyLeft }
    }

    private let database: Database
    private let distances: WalkingDistances
    private let keep: Retention
    private let insertPassage: SQLStatement
    private let insertAnchor: SQLStatement
    private let selectAnchor: SQLStatement
    private let selectUnknown: SQLStatement
    private let correct: SQLStatement
    private let insertUnnamed: SQLStatement
    private let selectPassages: SQLStatement
    private let selectFindings: SQLStatement
    private let insertFinding: SQLStatement
    private let updateFinding: SQLStatement
    private let withdraw: SQLStatement
    /// Whose passages are news, and when the last of them came in.
    private var touched: [UInt32: Int64] = [:]
    /// When the passages of this transaction came in, by row.
    private var received: [Int64: Int64] = [:]
    private var anchored: Set<Int64> = []
    /// Whether `findings` would answer otherwise than before.
    private(set) var isChanged = true

    init(
        _ database: Database, _ distances: WalkingDistances, _ keep: Retention
    ) throws(CollectorFailure) {
        self.database = database
        self.distances = distances
        self.keep = keep
        insertPassage = try database.prepare("INSERT OR IGNORE INTO passage VALUES(?,?,?,?,?,?,?,?,?)")
        insertAnchor = try database.prepare("INSERT OR IGNORE INTO anchor VALUES(?,?)")
        selectAnchor = try database.prepare("SELECT offset FROM anchor WHERE epoch=?")
        selectUnknown = try database.prepare("SELECT DISTINCT holder FROM passage WHERE epoch=? AND clock=2")
        correct = try database.prepare(
            "UPDATE passage SET at = min(monotonic / 1000000 + ?, ?), clock = 1 WHERE epoch=? AND clock=2")
        insertUnnamed = try database.prepare("INSERT OR IGNORE INTO unnamed VALUES(?)")
        selectPassages = try database.prepare(
            "SELECT row, lane, at, clock, way, driven FROM passage WHERE holder=? ORDER BY row DESC LIMIT ?")
        selectFindings = try database.prepare(
            "SELECT id, kind, first_row, second_row, certain FROM finding WHERE holder=? AND withdrawn IS NULL")
        insertFinding = try database.prepare(
            "INSERT INTO finding VALUES(NULL,?,?,?,?,?,NULL,?,?,?,?,?,?,?,?,?,?,?)")
        updateFinding = try database.prepare(
            """
            UPDATE finding SET certain=?, stood=?, first_at=?, first_clock=?, second_at=?, second_clock=? WHERE id=?
            """)
        withdraw = try database.prepare("UPDATE finding SET withdrawn=? WHERE id=?")
    }

    // MARK: Records

    /// A record with a trusted clock says how its epoch's two clocks stand to each other. `epoch`: its row in `intake.sqlite`.
    /// `received`, `now`: ms since 1970-01-01 UTC.
    mutating func anchor(
        _ moment: Moment, epoch: Int64, received: Int64, now: Int64
    ) throws(CollectorFailure) {
        // Whatever a lane says, sums of its clocks stay far from the end of 64 bits.
        guard moment.clock == .trusted, (1...now).contains(moment.wall.milliseconds), anchored.insert(epoch).inserted
        else { return }
        // A restart costs one look an epoch.
        if anchored.count > 20_000 { anchored = [epoch] }
        let offset = moment.wall.milliseconds - Int64(moment.monotonic.nanoseconds / 1_000_000)
        insertAnchor.bind(1, epoch)
        insertAnchor.bind(2, offset)
        try insertAnchor.run()
        guard database.changes > 0 else { return }
        selectUnknown.bind(1, epoch)
        while try selectUnknown.step() {
            touch(UInt32(truncatingIfNeeded: selectUnknown.integer(0)), received: received)
        }
        correct.bind(1, offset)
        correct.bind(2, now)
        correct.bind(3, epoch)
        try correct.run()
    }

    /// `received`, `now`: ms since 1970-01-01 UTC.
    mutating func note(
        _ record: JournalRecord, row: Int64, epoch: Int64, received: Int64, now: Int64
    ) throws(CollectorFailure) {
        var crossing: Crossing?
        Crossing.forEach(in: record) { crossing = $0 }
        guard let crossing else { return }
        let isTrusted = record.moment.clock == .trusted
        if case .pulse(.anonymous, _, _) = record.event, crossing.leavesSite {
            let at = isTrusted ? min(max(0, record.moment.wall.milliseconds), received) : received
            insertUnnamed.bind(1, SiteCalendar.fiveMinutesStart(ofMilliseconds: at))
            try insertUnnamed.run()
            isChanged = isChanged || database.changes > 0
        }
        guard let holder = record.passedHolder?.holder else { return }
        var (at, clock) = (received, DoubleUse.Passage.Clock.notTrusted)
        let monotonic = Int64(clamping: record.moment.monotonic.nanoseconds)
        if isTrusted {
            (at, clock) = (min(record.moment.wall.milliseconds, received), .trusted)
        } else {
            selectAnchor.bind(1, epoch)
            if try selectAnchor.step() {
                (at, clock) = (min(monotonic / 1_000_000 + selectAnchor.integer(0), received), .corrected)
                selectAnchor.reset()
            }
        }
        guard at > keep.oldestPassage(now: now) else { return }
        let way: DoubleUse.Passage.Way = crossing.entersSite ? .enters : crossing.leavesSite ? .leaves : .within
        insertPassage.bind(1, Int64(holder.number))
        insertPassage.bind(2, row)
        insertPassage.bind(3, record.lane.text)
        insertPassage.bind(4, at)
        insertPassage.bind(5, clock.rawValue)
        insertPassage.bind(6, way.rawValue)
        insertPassage.bind(7, crossing.isVehicle || record.traffic == .vehicles ? 1 : 0)
        insertPassage.bind(8, epoch)
        insertPassage.bind(9, monotonic)
        try insertPassage.run()
        touch(holder.number, received: received)
        self.received[row] = received
    }

    private mutating func touch(_ holder: UInt32, received: Int64) {
        touched[holder] = max(touched[holder] ?? received, received)
    }

    // MARK: Findings

    /// Judges everybody whose passages are news. What is found is found when it came in, also when it is read later.
    mutating func judge() throws(CollectorFailure) {
        for (holder, received) in touched { try judge(holder, received: received) }
        touched = [:]
        received = [:]
    }

    /// After a transaction that failed, or when somebody else removed something: what was noted is not there.
    mutating func forget() {
        touched = [:]
        received = [:]
        anchored = []
        isChanged = true
    }

    private struct Key: Hashable {
        var kind: Int64
        var first: Int64
        var second: Int64
    }

    private mutating func judge(_ holder: UInt32, received last: Int64) throws(CollectorFailure) {
        let passages = try passages(of: holder)
        let rows = Set(passages.map(\.row))
        var known: [Key: (id: Int64, isCertain: Bool)] = [:]
        selectFindings.bind(1, Int64(holder))
        while try selectFindings.step() {
            let key = Key(
                kind: selectFindings.integer(1), first: selectFindings.integer(2), second: selectFindings.integer(3))
            known[key] = (selectFindings.integer(0), selectFindings.integer(4) != 0)
        }
        for use in DoubleUse.judge(passages, distances) {
            let key = Key(kind: use.kind.rawValue, first: use.first.row, second: use.second.row)
            guard let before = known.removeValue(forKey: key) else {
                try insert(use, of: holder, found: received[max(use.first.row, use.second.row)] ?? last)
                continue
            }
            guard before.isCertain != use.isCertain else { continue }
            updateFinding.bind(1, use.isCertain ? 1 : 0)
            updateFinding.bind(2, use.isCertain ? last : nil as Int64?)
            updateFinding.bind(3, use.first.at)
            updateFinding.bind(4, use.first.clock.rawValue)
            updateFinding.bind(5, use.second.at)
            updateFinding.bind(6, use.second.clock.rawValue)
            updateFinding.bind(7, before.id)
            try updateFinding.run()
            isChanged = true
        }
        // One whose passages are kept no longer stays as it was found.
        for (key, finding) in known where rows.contains(key.first) && rows.contains(key.second) {
            withdraw.bind(1, last)
            withdraw.bind(2, finding.id)
            try withdraw.run()
            isChanged = true
        }
    }

    private func passages(of holder: UInt32) throws(CollectorFailure) -> [DoubleUse.Passage] {
        selectPassages.bind(1, Int64(holder))
        selectPassages.bind(2, Self.mostPassages)
        var passages: [DoubleUse.Passage] = []
        while try selectPassages.step() {
            passages.append(Self.passage(selectPassages, 0, isDriven: selectPassages.integer(5) != 0))
        }
        return passages
    }

    /// Row, lane, time, clock and way from `column` on.
    private static func passage(
        _ select: SQLStatement, _ column: Int32, isDriven: Bool = false
    ) -> DoubleUse.Passage {
        DoubleUse.Passage(
            row: select.integer(column), lane: ShortName(select.text(column + 1)) ?? .outside,
            at: select.integer(column + 2),
            clock: DoubleUse.Passage.Clock(rawValue: select.integer(column + 3)) ?? .notTrusted,
            way: DoubleUse.Passage.Way(rawValue: select.integer(column + 4)) ?? .within, isDriven: isDriven)
    }

    private mutating func insert(_ use: DoubleUse, of holder: UInt32, found: Int64) throws(CollectorFailure) {
        insertFinding.bind(1, use.kind.rawValue)
        insertFinding.bind(2, Int64(holder))
        insertFinding.bind(3, use.isCertain ? 1 : 0)
        insertFinding.bind(4, use.walkingMilliseconds)
        insertFinding.bind(5, found)
        insertFinding.bind(16, use.isCertain ? found : nil as Int64?)
        for (place, passage) in [(Int32(6), use.first), (11, use.second)] {
            insertFinding.bind(place, passage.row)
            insertFinding.bind(place + 1, passage.lane.text)
            insertFinding.bind(place + 2, passage.at)
            insertFinding.bind(place + 3, passage.clock.rawValue)
            insertFinding.bind(place + 4, passage.way.rawValue)
        }
        try insertFinding.run()
        isChanged = true
    }

    /// The newest `most`, newest last.
    mutating func findings(most: Int) throws(CollectorFailure) -> [Finding] {
        var unnamed: [Int64] = []
        let starts = try database.prepare("SELECT start FROM unnamed ORDER BY start")
        while try starts.step() { unnamed.append(starts.integer(0)) }
        let select = try database.prepare(
            """
            SELECT id, kind, holder, certain, walking, found, withdrawn, first_row, first_lane, first_at, first_clock,
            first_way, second_row, second_lane, second_at, second_clock, second_way, coalesce(stood, found) FROM finding
            ORDER BY id DESC LIMIT ?
            """)
        select.bind(1, most)
        var findings: [Finding] = []
        while try select.step() {
            guard let kind = DoubleUse.Kind(rawValue: select.integer(1)) else { continue }
            let use = DoubleUse(
                kind: kind, first: Self.passage(select, 7), second: Self.passage(select, 12),
                isCertain: select.integer(3) != 0, walkingMilliseconds: select.integer(4))
            findings.append(
                Finding(
                    id: select.integer(0), holder: UInt32(truncatingIfNeeded: select.integer(2)), use: use,
                    foundMilliseconds: select.integer(5), stoodMilliseconds: select.integer(17),
                    withdrawnMilliseconds: select.isNull(6) ? nil : select.integer(6),
                    somebodyLeft: kind == .insideTwice
                        && unnamed.contains { ($0 + 300) * 1000 > use.first.at && $0 * 1000 < use.second.at }))
        }
        isChanged = false
        return findings.reversed()
    }

    /// Forgets passages that are compared no longer, a bounded step of them; false: there are more. Findings are removed by
    /// `prune`, and alerts.
    mutating func prune(now: Int64) throws(CollectorFailure) -> Bool {
        let oldest = keep.oldestPassage(now: now)
        let isWhole = try database.transaction { [database] () throws(CollectorFailure) in
            try database.execute(
                """
                DELETE FROM passage WHERE (holder, row) IN
                    (SELECT holder, row FROM passage WHERE at < \(oldest) LIMIT \(Self.rowsAtOnce));
                """)
            guard database.changes < Self.rowsAtOnce else { return false }
            try database.execute(
                """
                DELETE FROM unnamed WHERE start < \(oldest / 1000);
                DELETE FROM anchor WHERE epoch < (SELECT max(epoch) FROM anchor) - 100000;
                """)
            return true
        }
        // What `findings` says of who left rests on it.
        if isWhole { isChanged = true }
        return isWhole
    }
}
