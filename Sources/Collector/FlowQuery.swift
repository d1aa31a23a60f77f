import Admission
import Framing
import Posix

/// `GET /v1/flow`: what was counted in each five minutes of a day, of the site or of one lane, from the table `tally`.
struct FlowQuery: Sendable {
    /// nil: the site.
    var lane: String?
    /// The site day's number.
    var day: Int64
    /// Seconds since 1970: the day's beginning and the next one's.
    var seconds: Range<Int64>
    var timeZone: String

    /// Today when no day is given. What is wrong with the request, as an answer.
    init(_ head: HTTPHead, _ calendar: SiteCalendar, now: Int64) throws(HTTPRefusal) {
        try head.refuseUnknown(but: ["day", "lane"])
        lane = try head.laneOfQuery()
        day = try head.dayOfQuery(calendar, now: now)
        seconds = calendar.start(ofDay: day) / 1000..<calendar.start(ofDay: day + 1) / 1000
        timeZone = calendar.zone.identifier
    }

    static let members: [(String, Counter)] = [
        ("in", .peopleIn), ("out", .peopleOut), ("vehicles_in", .vehiclesIn), ("vehicles_out", .vehiclesOut),
        ("presented", .presented), ("admitted", .admitted), ("refused", .refused), ("passed", .passed),
        ("tailgating", .tailgating),
    ]

    func response(_ intake: Database) throws(CollectorFailure) -> HTTPResponse {
        var row: Int64 = 0
        if let lane {
            guard let known = try IntakeLoader(intake).row(ofLane: lane) else { return .unknownLane(lane) }
            row = known
        }
        let counts = try FiveMinuteCounts(intake)
        var flow: [JSONText] = []
        for start in stride(from: seconds.lowerBound, to: seconds.upperBound, by: 300) {
            guard let tally = try counts.tally(lane: row, start: start) else { continue }
            flow.append(
                .object(
                    [("at", .text(Timestamp.format(start * 1000))), ("at_ms", .number(start * 1000))]
                        + Self.members.map { ($0.0, .number(tally[$0.1])) }))
        }
        return .json(
            .object([
                ("day", .text(SiteCalendar.text(day: day))), ("time_zone", .text(timeZone)),
                ("begins_ms", .number(seconds.lowerBound * 1000)), ("ends_ms", .number(seconds.upperBound * 1000)),
                ("lane", lane.map { .text($0) } ?? .null), ("flow", .array(flow)),
            ]))
    }
}
