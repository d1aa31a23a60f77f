import Admission
import Posix
import Wording

/// `GET /v1/ranking`: entrances or lanes, that with most entries first: today's, or those of the last quarter of an hour.
struct RankingQuery: Sendable {
    enum Order: String, CaseIterable, Sendable {
        case today, recent
    }

    enum Subject: String, CaseIterable, Sendable {
        case entrance, lane
    }

    static let most = IntakeStore.mostLanes

    private let order: Order
    private let subject: Subject
    private let limit: Int
    private let figures: ScreenFigures
    private let now: Int64

    /// What is wrong with the request, as an answer.
    init(_ head: HTTPHead, _ figures: ScreenFigures, now: Int64) throws(HTTPRefusal) {
        try head.refuseUnknown(but: ["by", "of", "limit"])
        order = try head.choice("by") ?? .today
        subject = try head.choice("of") ?? .entrance
        limit = try head.limitOfQuery(most: Self.most, otherwise: Self.most)
        self.figures = figures
        self.now = now
    }

    func response(_ intake: Database) throws(CollectorFailure) -> HTTPResponse {
        let counts = try FiveMinuteCounts(intake)
        var ranked = (subject == .entrance ? figures.entrances : figures.lanesRanked).map {
            (entrance: $0, recent: nil as Tally?)
        }
        if order == .recent {
            for index in ranked.indices {
                ranked[index].recent = try counts.recent(of: ranked[index].entrance.lanes, now: now)
            }
            // Who came in lately; among equals those with more today stay first.
            ranked = ranked.enumerated().sorted {
                let (first, second) = ($0.element.recent?.entries ?? 0, $1.element.recent?.entries ?? 0)
                return (second, $0.offset) < (first, $1.offset)
            }.map(\.element)
        }
        var rows: [JSONText] = []
        for (index, (entrance, known)) in ranked.prefix(limit).enumerated() {
            let recent: Tally
            if let known { recent = known } else { recent = try counts.recent(of: entrance.lanes, now: now) }
            let label: [(String, JSONText)] =
                subject == .entrance
                ? entrance.label : [("lane", .text(entrance.id.text)), ("name", .text(entrance.name.chinese))]
            rows.append(
                .object(
                    [("rank", .number(index + 1))] + label + entrance.counts
                        + [("recent", .number(recent.entries)), ("recent_out", .number(recent.exits))]))
        }
        return .json(
            .object([
                ("as_of", .text(Timestamp.format(now))), ("as_of_ms", .number(now)),
                ("day", .text(SiteCalendar.text(day: figures.day))), ("by", .text(order.rawValue)),
                ("of", .text(subject.rawValue)), ("count", .number(ranked.count)), ("ranking", .array(rows)),
            ]))
    }
}
