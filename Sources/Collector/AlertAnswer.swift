import Posix

/// `GET /v1/alerts`: those that stand, the worst first, `limit` of them or all; with `ended=N` those that ended instead, N
/// the `ending` of the last one seen (0: all that are kept), in the order in which they ended, `limit` or 100 at most.
struct AlertAnswer {
    static let most = 1000

    private let snapshot: AlertDesk.Snapshot

    init(_ snapshot: AlertDesk.Snapshot) { self.snapshot = snapshot }

    func response(_ head: HTTPHead) throws(HTTPRefusal) -> HTTPResponse {
        try head.refuseUnknown(but: ["ended", "limit"])
        let limit = try head.number("limit", in: 1...Self.most, expected: "1 to \(Self.most)")
        let after = try head.number("ended", in: 0...Int64.max, expected: "the ending of the last alert seen, or 0")
        guard let after else { return .json(standing(limit: limit ?? .max)) }
        return .json(ended(after: after, limit: limit ?? 100))
    }

    private var head: [(String, JSONText)] {
        [
            ("as_of", .text(Timestamp.format(snapshot.asOfMilliseconds))),
            ("as_of_ms", .number(snapshot.asOfMilliseconds)),
        ]
    }

    func standing(limit: Int) -> JSONText {
        .object(head + [("alerts", .array(snapshot.standing.prefix(limit).map(\.json)))])
    }

    func ended(after: Int64, limit: Int) -> JSONText {
        let page = snapshot.ended.filter { ($0.ending ?? 0) > after }.prefix(limit)
        return .object(head + [("ended", .array(page.map(\.json))), ("next", .number(page.last?.ending ?? after))])
    }
}
