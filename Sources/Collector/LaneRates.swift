import Admission

/// What was counted at a lane lately, from the five minutes of `tally`.
struct LaneRates: Hashable, Sendable {
    static let windowSeconds: Int64 = 900
    /// Nobody counts more at one lane, whatever it says.
    private static let mostPersons: Int64 = 1_000_000

    /// In the last quarter of an hour, the running five minutes among it.
    var passages: Int64 = 0
    var tailgating: Int64 = 0
    /// In the last five minutes that are over: whoever walked through, however.
    var persons: Int64 = 0

    /// By lane; `now`: ms since 1970-01-01 UTC.
    static func read(_ intake: Database, now: Int64) throws(CollectorFailure) -> [ShortName: LaneRates] {
        let current = SiteCalendar.fiveMinutesStart(ofMilliseconds: now)
        let select = try intake.prepare(
            """
            SELECT lane.name, tally.start, tally.counts FROM tally JOIN lane ON lane.id = tally.lane
            WHERE tally.span = ? AND tally.start > ? AND tally.start <= ?
            """)
        select.bind(1, TallySpan.fiveMinutes.rawValue)
        select.bind(2, current - windowSeconds)
        select.bind(3, current)
        var rates: [ShortName: LaneRates] = [:]
        while try select.step() {
            // Damaged counts of one lane hide no other lane's alerts; the intake says them.
            guard let lane = ShortName(select.text(0)), let tally = select.withBlob(2, { Tally(encoded: $0) }) else {
                continue
            }
            var rate = rates[lane] ?? LaneRates()
            rate.passages += tally[.passed]
            rate.tailgating += tally[.tailgating]
            if select.integer(1) == current - 300 {
                let persons =
                    tally[.passed] + tally[.tailgating] + tally[.anonymousForward] + tally[.anonymousBackward]
                rate.persons = min(persons, mostPersons)
            }
            rates[lane] = rate
        }
        return rates
    }
}
