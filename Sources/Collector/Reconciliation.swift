import Admission
import Framing
import Posix

/// `lanekeeper-collector reconcile`: what is counted here of each hour, compared with what the lane itself says of it.
///
/// A lane writes a record of its own totals when an hour closes (not of one in which it was switched off at the end).
/// Both count by the lane's clock. What a lane had no room to record stands in neither record nor totals; its counter records
/// are added to both sides.
public struct Reconciliation: Sendable {
    /// Of what both sides know, by the names of `/v1/tallies`.
    private static let counters: [(Counter, String)] = [
        (.presented, "presented"), (.admitted, "admitted"), (.refused, "refused"), (.passed, "passed"),
        (.annulled, "annulled"), (.interrupted, "interrupted"), (.tailgating, "tailgating"), (.forced, "forced"),
        (.wrongWay, "wrong_way"), (.anonymousForward, "anonymous_forward"),
        (.anonymousBackward, "anonymous_backward"), (.byHand, "by_hand"),
    ]

    /// A count in which both sides do not agree.
    public struct Difference: Hashable, Sendable {
        public var lane: String
        /// ms since 1970-01-01 UTC at which the hour began.
        public var hourMilliseconds: Int64
        public var counter: String
        public var lanes: Int64
        public var ours: Int64
        /// Records of this hour by a clock that was not trusted: the hour may have been another.
        public var untrusted: Int64
    }

    /// Lanes that said anything, and the hours they closed.
    public private(set) var lanes = 0
    public private(set) var hours = 0
    public private(set) var differences: [Difference] = []

    public var agrees: Bool { differences.isEmpty }

    /// `day`: `2026-11-21`, at the site; nil: every day. `lane`: its id; nil: every lane.
    public init(_ settings: CollectorSettings, day: String?, lane: String?) throws(CollectorFailure) {
        let data = settings.data
        let database = try Database(data.intakeDatabase, .readOnly)
        try SiteDirectory.check(
            database, site: try data.key(.sitePublic, data.publicKeyFile).site, version: IntakeSchema.version)
        try self.init(database, settings.calendar, day: day, lane: lane)
    }

    init(_ database: Database, _ calendar: SiteCalendar, day: String?, lane: String?) throws(CollectorFailure) {
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
            SELECT stated.start, stated.counts, counted.counts, lane.name FROM tally AS stated
            JOIN lane ON lane.id = stated.lane
            LEFT JOIN tally AS counted ON counted.span = 1 AND counted.start = stated.start
                AND counted.lane = stated.lane
            WHERE stated.span = 4 AND stated.start >= ? AND stated.start < ? AND (?3 IS NULL OR lane.name = ?3)
            ORDER BY stated.start, lane.name
            """)
        select.bind(1, first)
        select.bind(2, end)
        if let lane { select.bind(3, lane) } else { select.bind(3, nil as Int64?) }
        var seen: Set<String> = []
        while try select.step() {
            guard let stated = select.withBlob(1, { Tally(encoded: $0) }),
                let counted = select.isNull(2) ? Tally() : select.withBlob(2, { Tally(encoded: $0) })
            else {
                throw CollectorFailure(
                    "read", database.path, "it holds counts that are none",
                    advice: "the file is damaged; put a backup in its place")
            }
            // Only what it had no room for: the hour is not closed.
            guard stated[.stored] > 0 else { continue }
            let name = select.text(3)
            seen.insert(name)
            hours += 1
            for (counter, text) in Self.counters where stated[counter] != counted[counter] {
                differences.append(
                    Difference(
                        lane: name, hourMilliseconds: select.integer(0) &* 1000, counter: text, lanes: stated[counter],
                        ours: counted[counter], untrusted: counted[.clockNotTrusted]))
            }
        }
        lanes = seen.count
    }

    /// What the command prints.
    public var text: String {
        guard hours > 0 else { return "no lane has closed an hour there\n" }
        let what = "\(hours) closed \(hours == 1 ? "hour" : "hours") of \(lanes) \(lanes == 1 ? "lane" : "lanes")"
        guard !agrees else { return "\(what): the lanes' own totals and the counts here agree\n" }
        let lines = differences.map { difference in
            let more = difference.ours - difference.lanes
            return "\(Timestamp.format(difference.hourMilliseconds))  \(difference.lane)  \(difference.counter): "
                + "the lane says \(difference.lanes), counted here are \(difference.ours) (\(more > 0 ? "+" : "")\(more))"
                + (difference.untrusted > 0
                    ? "; \(difference.untrusted) records of it by a clock that was not trusted" : "")
        }
        let places = Set(differences.map { "\($0.hourMilliseconds) \($0.lane)" }).count
        return lines.map { $0 + "\n" }.joined() + "\(what): \(places) \(places == 1 ? "does" : "do") not agree; "
            + "what is missing of a lane says GET /v1/lanes\n"
    }
}
