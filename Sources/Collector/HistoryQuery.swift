import Admission
import Framing
import Posix
import Wording

/// `GET /v1/history` and `/v1/history.csv`: what was counted on a day at the site or in an hour of it, of the site or of one
/// lane, from the tables `tally` and `zone_flow`: by hour, by lane, by entrance, by kind of holder, by zone or by reason of
/// refusal.
struct HistoryQuery: Sendable {
    enum Grouping: String, CaseIterable, Sendable {
        case hour, lane, entrance, kind, zone, reason
    }

    /// nil: the site.
    var lane: String?
    /// The site day's number.
    var day: Int64
    /// Of the site's clock: which hour behind the day's beginning; nil: the whole day.
    var hour: Int?
    var grouping: Grouping
    var isCSV: Bool
    /// Seconds since 1970, of the day's beginning and of the next one's.
    private let seconds: Range<Int64>
    private let timeZone: String
    private let settings: CollectorSettings

    /// Where the clocks go back a day has one more than 24.
    static let mostHours = 25

    /// Today when no day is given. What is wrong with the request, as an answer.
    init(_ head: HTTPHead, _ settings: CollectorSettings, now: Int64) throws(HTTPRefusal) {
        try head.refuseUnknown(but: ["day", "hour", "lane", "by"])
        let lane = try head.laneOfQuery()
        let day = try head.dayOfQuery(settings.calendar, now: now)
        let hour = try head.number(
            "hour", in: 0...Self.mostHours - 1,
            expected: "which hour of the day: 0 to 23, 24 where the clocks go back")
        let grouping: Grouping = try head.choice("by") ?? .hour
        self.init(
            lane: lane, day: day, hour: hour, grouping: grouping, isCSV: head.path.hasSuffix(".csv"), settings)
    }

    init(lane: String?, day: Int64, hour: Int?, grouping: Grouping, isCSV: Bool, _ settings: CollectorSettings) {
        self.lane = lane
        self.day = day
        self.hour = hour
        self.grouping = grouping
        self.isCSV = isCSV
        self.settings = settings
        timeZone = settings.calendar.zone.identifier
        let whole = settings.calendar.start(ofDay: day) / 1000..<settings.calendar.start(ofDay: day + 1) / 1000
        guard let hour else {
            seconds = whole
            return
        }
        let begin = min(whole.lowerBound + Int64(hour) * 3600, whole.upperBound)
        seconds = begin..<min(begin + 3600, whole.upperBound)
    }

    /// One line of the answer: what it is of, and its counts.
    private struct Row {
        /// As CSV.
        var cells: [String]
        var label: [(String, JSONText)]
        var counts: [(String, Int64)]
    }

    func response(_ intake: Database) throws(CollectorFailure) -> HTTPResponse {
        var only: Int64?
        if let lane {
            only = try IntakeLoader(intake).row(ofLane: lane)
            guard only != nil else { return .unknownLane(lane) }
        }
        let rows: [Row]
        var since: Int64?
        switch grouping {
        case .hour: rows = try hours(intake, lane: only ?? 0)
        case .lane: rows = try lanes(intake, only: only)
        case .entrance: rows = try entrances(intake, only: only)
        case .kind: rows = Self.kinds(try sum(intake, only: only))
        case .reason: rows = Self.reasons(try sum(intake, only: only))
        case .zone:
            rows = try zones(intake, only: only)
            since = try intake.integer("SELECT at FROM zone_since")
        }
        return isCSV ? csv(rows) : json(rows, since: since)
    }

    // MARK: Reading

    /// `body` has the start, in seconds since 1970, and the counts of each five minutes in which anything was.
    private func eachFiveMinutes(
        _ intake: Database, lane: Int64, _ body: (Int64, Tally) -> Void
    ) throws(CollectorFailure) {
        let counts = try FiveMinuteCounts(intake)
        for start in stride(from: seconds.lowerBound, to: seconds.upperBound, by: 300) {
            if let tally = try counts.tally(lane: lane, start: start) { body(start, tally) }
        }
    }

    private func tally(_ select: SQLStatement, _ column: Int32, _ intake: Database) throws(CollectorFailure) -> Tally {
        guard let tally = select.withBlob(column, { Tally(encoded: $0) }) else {
            throw CollectorFailure(
                "read", intake.path, "it holds counts that are none",
                advice: "the file is damaged; put a backup in its place")
        }
        return tally
    }

    /// Of a whole day from the lanes' days, which are kept longer than its five minutes.
    private func sum(_ intake: Database, only: Int64?) throws(CollectorFailure) -> Tally {
        var sum = Tally()
        if hour == nil {
            for lane in try ofLanes(intake, only: only) { sum += lane.tally }
        } else {
            try eachFiveMinutes(intake, lane: only ?? 0) { sum += $1 }
        }
        return sum
    }

    private func hours(_ intake: Database, lane: Int64) throws(CollectorFailure) -> [Row] {
        var hours: [(start: Int64, tally: Tally)] = []
        try eachFiveMinutes(intake, lane: lane) { start, tally in
            let begin = seconds.lowerBound + (start - seconds.lowerBound) / 3600 * 3600
            if hours.last?.start == begin {
                hours[hours.count - 1].tally += tally
            } else {
                hours.append((begin, tally))
            }
        }
        return hours.map { start, tally in
            let at = Timestamp.format(start * 1000)
            return Row(
                cells: [at], label: [("at", .text(at)), ("at_ms", .number(start * 1000))],
                counts: Self.counts(of: tally))
        }
    }

    /// Of a whole day from the lanes' days, of an hour from their five minutes.
    private func ofLanes(_ intake: Database, only: Int64?) throws(CollectorFailure) -> [(name: String, tally: Tally)] {
        let select = try intake.prepare(
            """
            SELECT lane.name, tally.counts FROM tally JOIN lane ON lane.id = tally.lane
            WHERE tally.span = ? AND tally.start >= ? AND tally.start < ? AND tally.lane = coalesce(?, tally.lane)
            ORDER BY lane.name
            """)
        select.bind(1, hour == nil ? TallySpan.day.rawValue : TallySpan.fiveMinutes.rawValue)
        select.bind(2, hour == nil ? day : seconds.lowerBound)
        select.bind(3, hour == nil ? day + 1 : seconds.upperBound)
        select.bind(4, only)
        var lanes: [(name: String, tally: Tally)] = []
        while try select.step() {
            let name = select.text(0)
            let tally = try tally(select, 1, intake)
            if lanes.last?.name == name {
                lanes[lanes.count - 1].tally += tally
            } else {
                lanes.append((name, tally))
            }
        }
        return lanes
    }

    private func lanes(_ intake: Database, only: Int64?) throws(CollectorFailure) -> [Row] {
        try ofLanes(intake, only: only).map { lane in
            let name = ShortName(lane.name).flatMap { settings.lanes[$0] } ?? lane.name
            return Row(
                cells: [lane.name, Self.quoted(name)], label: [("lane", .text(lane.name)), ("name", .text(name))],
                counts: Self.counts(of: lane.tally))
        }
    }

    /// A lane that belongs to no entrance of the configuration is one by itself, as on the wall screen.
    private func entrances(_ intake: Database, only: Int64?) throws(CollectorFailure) -> [Row] {
        var sums: [String: Tally] = [:]
        var names: [String: Bilingual] = [:]
        for (lane, tally) in try ofLanes(intake, only: only) {
            let id = ShortName(lane)
            let entrance = id.flatMap { settings.entranceOfLane[$0] }
            let key = entrance?.text ?? lane
            let own = id.flatMap { settings.lanes[$0] } ?? lane
            sums[key, default: Tally()] += tally
            names[key] = entrance.flatMap { settings.entrances[$0] } ?? Bilingual(own, own)
        }
        return sums.keys.sorted().map { key in
            let name = names[key] ?? Bilingual(key, key)
            return Row(
                cells: [key, Self.quoted(name.chinese), Self.quoted(name.english)],
                label: [
                    ("entrance", .text(key)), ("name_zh", .text(name.chinese)), ("name_en", .text(name.english)),
                ], counts: Self.counts(of: sums[key] ?? Tally()))
        }
    }

    /// Who came into each zone and who left it, and what that makes of those in it.
    private func zones(_ intake: Database, only: Int64?) throws(CollectorFailure) -> [Row] {
        let select = try intake.prepare(
            """
            SELECT path.came_from, path.went_to, sum(zone_flow.people), sum(zone_flow.vehicles)
            FROM zone_flow JOIN path ON path.id = zone_flow.path
            WHERE zone_flow.span = ? AND zone_flow.start >= ? AND zone_flow.start < ?
            AND path.lane = coalesce(?, path.lane) GROUP BY path.came_from, path.went_to
            """)
        select.bind(1, hour == nil ? TallySpan.day.rawValue : TallySpan.fiveMinutes.rawValue)
        select.bind(2, hour == nil ? day : seconds.lowerBound)
        select.bind(3, hour == nil ? day + 1 : seconds.upperBound)
        select.bind(4, only)
        var zones: [String: (came: ZoneFlow, went: ZoneFlow)] = [:]
        while try select.step() {
            let flow = ZoneFlow(people: select.integer(2), vehicles: select.integer(3))
            zones[select.text(0), default: (ZoneFlow(), ZoneFlow())].went += flow
            zones[select.text(1), default: (ZoneFlow(), ZoneFlow())].came += flow
        }
        zones[ShortName.outside.text] = nil
        return zones.sorted { $0.key < $1.key }.map { zone, flows in
            let name = ShortName(zone).flatMap { settings.zones[$0] } ?? Bilingual(zone, zone)
            let (came, went) = flows
            return Row(
                cells: [Self.quoted(zone), Self.quoted(name.chinese), Self.quoted(name.english)],
                label: [("zone", .text(zone)), ("name_zh", .text(name.chinese)), ("name_en", .text(name.english))],
                counts: Self.zoneCounts(came, went))
        }
    }

    private static func zoneCounts(_ came: ZoneFlow, _ went: ZoneFlow) -> [(String, Int64)] {
        [
            ("in", came.people), ("out", went.people), ("vehicles_in", came.vehicles), ("vehicles_out", went.vehicles),
            ("people_change", came.people - went.people), ("vehicle_change", came.vehicles - went.vehicles),
        ]
    }

    private static func counts(of tally: Tally) -> [(String, Int64)] {
        FlowQuery.members.map { ($0.0, tally[$0.1]) }
            + [
                ("by_hand", tally[.byHand]), ("annulled", tally[.annulled]), ("interrupted", tally[.interrupted]),
                ("forced", tally[.forced]), ("wrong_way", tally[.wrongWay]),
                ("anonymous", tally[.anonymousForward] &+ tally[.anonymousBackward]),
            ]
    }

    private static func kinds(_ tally: Tally) -> [Row] {
        (HolderKind.allCases.map { $0 } + [nil]).map { kind in
            let name = kind.map { "\($0.name)" } ?? "unknown"
            return Row(
                cells: [name], label: [("kind", .text(name))], counts: [("passed", tally[Counter.passages(of: kind)])])
        }
    }

    private static func reasons(_ tally: Tally) -> [Row] {
        Reasons.ordered.compactMap { reason in
            let count = tally[Counter.reason(bit: reason.rawValue.trailingZeroBitCount)]
            guard count != 0 else { return nil }
            return Row(
                cells: ["\(reason.name)"], label: [("reason", .text("\(reason.name)"))], counts: [("refused", count)])
        }
    }

    // MARK: Telling

    /// `since`: from when on this is counted, ms since 1970-01-01 UTC; 0: from the beginning.
    private func json(_ rows: [Row], since: Int64?) -> HTTPResponse {
        let counted = since.map { since in
            [("counted_since_ms", since == 0 ? JSONText.null : .number(since))]
        }
        return .json(
            .object(
                (counted ?? []) + [
                    ("day", .text(SiteCalendar.text(day: day))), ("hour", hour.map { .number($0) } ?? .null),
                    ("time_zone", .text(timeZone)),
                    ("begins_ms", .number(seconds.lowerBound * 1000)), ("ends_ms", .number(seconds.upperBound * 1000)),
                    ("lane", lane.map { .text($0) } ?? .null), ("by", .text(grouping.rawValue)),
                    ("rows", .array(rows.map { .object($0.label + $0.counts.map { ($0.0, .number($0.1)) }) })),
                ]))
    }

    /// RFC 4180, one header line; a lane's name in quotation marks as it may hold anything.
    private func csv(_ rows: [Row]) -> HTTPResponse {
        let first =
            switch grouping {
            case .hour: ["at"]
            case .lane: ["lane", "name"]
            case .entrance: ["entrance", "name_zh", "name_en"]
            case .kind: ["kind"]
            case .zone: ["zone", "name_zh", "name_en"]
            case .reason: ["reason"]
            }
        let columns: [String] =
            switch grouping {
            case .hour, .lane, .entrance: Self.counts(of: Tally()).map(\.0)
            case .kind: ["passed"]
            case .zone: Self.zoneCounts(ZoneFlow(), ZoneFlow()).map(\.0)
            case .reason: ["refused"]
            }
        var text = (first + columns).joined(separator: ",") + "\r\n"
        for row in rows {
            text += (row.cells + row.counts.map { String($0.1) }).joined(separator: ",") + "\r\n"
        }
        let name = "history-\(SiteCalendar.text(day: day))\(hour.map { "-\($0)h" } ?? "")-\(grouping.rawValue).csv"
        return HTTPResponse(
            200, "text/csv; charset=utf-8", Array(text.utf8),
            headers: [("Content-Disposition", "attachment; filename=\"\(name)\"")])
    }

    /// A spreadsheet takes a field that begins with one of these for a formula.
    private static func quoted(_ text: String) -> String {
        let isFormula = text.unicodeScalars.first.map { "=+-@\t\r".unicodeScalars.contains($0) } ?? false
        var quoted = isFormula ? "\"'" : "\""
        // By scalars: with a combining mark behind it a quotation mark is another character.
        for scalar in text.unicodeScalars { quoted += scalar == "\"" ? "\"\"" : String(scalar) }
        return quoted + "\""
    }
}
