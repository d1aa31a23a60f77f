import Admission
import Framing
import Posix

/// `lanekeeper-collector reconcile`: what is counted here of each hour, compared with what the lane itself says of it.
///
/// A lane writes a record of its own totals when an hour closes (not of one in which it was switched off at the end).
/// Both count by the lane's clock. What a lane had no room to record stands in neither record nor totals; its counter records
/// are added to both sides.
///
/// Where the lane's totals are not of the whole hour and of nothing else, a difference proves nothing: it is shown with
/// the reason, as one that cannot be judged. So are hours of which the lane said nothing.
public struct Reconciliation: Sendable {
    /// Of what both sides know, by the names of `/v1/tallies`.
    private static let counters: [(Counter, String)] = [
        (.presented, "presented"), (.admitted, "admitted"), (.refused, "refused"), (.passed, "passed"),
        (.annulled, "annulled"), (.interrupted, "interrupted"), (.tailgating, "tailgating"), (.forced, "forced"),
        (.wrongWay, "wrong_way"), (.anonymousForward, "anonymous_forward"),
        (.anonymousBackward, "anonymous_backward"), (.byHand, "by_hand"),
    ]
    /// The record of an hour may be under way for so long after its end.
    private static let patienceMilliseconds: Int64 = 600_000
    private static let hourMilliseconds: Int64 = 3_600_000
    private static let mostListed = 100

    /// A count in which both sides do not agree.
    public struct Difference: Hashable, Sendable {
        public var lane: String
        /// ms since 1970-01-01 UTC at which the hour began.
        public var hourMilliseconds: Int64
        public var counter: String
        public var lanes: Int64
        public var ours: Int64
        /// Why it may be none; empty: nothing speaks for that.
        public var doubt: String

        fileprivate var text: String {
            let more = ours - lanes
            return
                "\(Timestamp.format(hourMilliseconds))  \(lane)  \(counter): the lane says \(lanes), counted here are "
                + "\(ours) (\(more > 0 ? "+" : "")\(more))" + (doubt.isEmpty ? "" : "; \(doubt)")
        }
    }

    /// An hour in which something was counted, and of which the lane said nothing.
    public struct Unstated: Hashable, Sendable {
        public var lane: String
        public var hourMilliseconds: Int64
    }

    /// Lanes whose hours were compared, and how many of these.
    public private(set) var lanes = 0
    public private(set) var hours = 0
    public private(set) var differences: [Difference] = []
    public private(set) var unstated: [Unstated] = []

    private var certain: [Difference] { differences.filter(\.doubt.isEmpty) }
    private var doubtful: [Difference] { differences.filter { !$0.doubt.isEmpty } }

    /// Whether nothing differs for certain.
    public var agrees: Bool { certain.isEmpty }
    /// Whether every hour could be judged.
    public var isWhole: Bool { doubtful.isEmpty && unstated.isEmpty }

    /// `day`: `2026-11-21`, at the site; nil: every day. `lane`: its id; nil: every lane.
    public init(_ settings: CollectorSettings, day: String?, lane: String?) throws(CollectorFailure) {
        let data = settings.data
        let database = try Database(data.intakeDatabase, .readOnly)
        try SiteDirectory.check(
            database, site: try data.key(.sitePublic, data.publicKeyFile).site, version: IntakeSchema.version,
            older: "`lanekeeper-collector serve` takes it over when it starts; then ask again")
        try self.init(database, settings.calendar, day: day, lane: lane, now: SystemClock.wallMilliseconds())
    }

    /// `now`: ms since 1970-01-01 UTC.
    init(
        _ database: Database, _ calendar: SiteCalendar, day: String?, lane: String?, now: Int64
    ) throws(CollectorFailure) {
        var (first, end) = (Int64.min, Int64.max)
        if let day {
            guard let number = SiteCalendar.day(day) else {
                throw CollectorFailure("compare", "the day '\(day)'", "it is none", advice: "write it as 2026-11-21")
            }
            first = calendar.start(ofDay: number) / 1000
            end = calendar.start(ofDay: number + 1) / 1000
        }
        if let lane {
            let known = try database.prepare("SELECT 1 FROM lane WHERE name = ?")
            known.bind(1, lane)
            guard try known.step() else {
                throw CollectorFailure(
                    "compare", "lane '\(lane)'", "nothing was ever heard of it", advice: "see its id")
            }
            known.reset()
        }
        let select = try database.prepare(
            """
            SELECT hour.start, stated.counts, counted.counts, lane.name
            FROM (SELECT DISTINCT lane, start FROM tally
                WHERE span IN (1, 4) AND lane > 0 AND start >= ?1 AND start < ?2) AS hour
            JOIN lane ON lane.id = hour.lane
            LEFT JOIN tally AS stated ON stated.span = 4 AND stated.start = hour.start AND stated.lane = hour.lane
            LEFT JOIN tally AS counted ON counted.span = 1 AND counted.start = hour.start AND counted.lane = hour.lane
            WHERE ?3 IS NULL OR lane.name = ?3
            ORDER BY hour.start, lane.name
            """)
        select.bind(1, first)
        select.bind(2, end)
        if let lane { select.bind(3, lane) } else { select.bind(3, nil as Int64?) }
        var seen: Set<String> = []
        while try select.step() {
            let tallies: [Tally?] = [1, 2].map { column in
                select.isNull(column) ? Tally() : select.withBlob(column) { Tally(encoded: $0) }
            }
            guard let stated = tallies[0], let counted = tallies[1] else {
                throw CollectorFailure(
                    "read", database.path, "it holds counts that are none",
                    advice: "the file is damaged; put a backup in its place")
            }
            let (name, start) = (select.text(3), select.integer(0) &* 1000)
            // Only what it had no room for says a lane before it closes the hour.
            guard stated[.stored] > 0 else {
                let isOpen = (now - Self.patienceMilliseconds - Self.hourMilliseconds...now + Self.hourMilliseconds)
                    .contains(start)
                if !isOpen, Self.counters.contains(where: { counted[$0.0] > stated[$0.0] }) {
                    unstated.append(Unstated(lane: name, hourMilliseconds: start))
                }
                continue
            }
            seen.insert(name)
            hours += 1
            let doubt = Self.doubt(stated, counted)
            for (counter, text) in Self.counters where stated[counter] != counted[counter] {
                differences.append(
                    Difference(
                        lane: name, hourMilliseconds: start, counter: text, lanes: stated[counter],
                        ours: counted[counter], doubt: doubt))
            }
        }
        lanes = seen.count
    }

    private static func doubt(_ stated: Tally, _ counted: Tally) -> String {
        var doubts: [String] = []
        if counted[.partHours] > 0 { doubts.append("within this hour the lane began to count anew") }
        if stated[.partHours] > 0 { doubts.append("the lane closed this hour late, with what came after it") }
        if counted[.clockNotTrusted] > 0 {
            doubts.append("\(counted[.clockNotTrusted]) records of it by a clock that was not trusted")
        }
        return doubts.joined(separator: "; ")
    }

    // MARK: What the command prints

    public var text: String {
        let what = "\(hours) closed \(hours == 1 ? "hour" : "hours") of \(lanes) \(lanes == 1 ? "lane" : "lanes")"
        var lines: [String] = []
        if hours == 0 {
            lines.append("no lane has closed an hour there")
        } else if differences.isEmpty {
            lines.append("\(what): the lanes' own totals and the counts here agree")
        } else {
            lines += differences.map(\.text)
            let (wrong, open) = (Self.places(certain), Self.places(doubtful))
            lines.append(
                "\(what): "
                    + [
                        wrong == 0 ? nil : "\(wrong) \(wrong == 1 ? "does" : "do") not agree",
                        open == 0 ? nil : "\(open) cannot be judged",
                    ].compactMap { $0 }.joined(separator: ", ") + "; what is missing of a lane says GET /v1/lanes")
        }
        lines += unstatedLines
        return lines.map { $0 + "\n" }.joined()
    }

    private static func places(_ differences: [Difference]) -> Int {
        Set(differences.map { "\($0.hourMilliseconds) \($0.lane)" }).count
    }

    private var unstatedLines: [String] {
        guard !unstated.isEmpty else { return [] }
        let (hours, lanes) = (unstated.count, Set(unstated.map(\.lane)).count)
        var lines = unstated.prefix(Self.mostListed).map {
            "\(Timestamp.format($0.hourMilliseconds))  \($0.lane)  the lane said nothing of this hour"
        }
        if hours > lines.count { lines.append("… and \(hours - lines.count) more") }
        lines.append(
            "\(hours) \(hours == 1 ? "hour" : "hours") of \(lanes) \(lanes == 1 ? "lane" : "lanes") could not be compared: "
                + "switched off when it ended, its clock not trusted, or its record did not come")
        return lines
    }
}
