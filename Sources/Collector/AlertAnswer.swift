import Posix

/// `GET /v1/alerts`: those that stand, the worst first, `limit` of them or all; with `ended=N` those that ended instead, N
/// the `ending` of the last one seen (0: all that are kept), in the order in which they ended, `limit` or 100 at most.
struct AlertAnswer {
    static let most = 1000

    private let snapshot: AlertDesk.Snapshot

    init(_ snapshot: AlertDesk.Snapshot) { self.snapshot = snapshot }

    func response(_ query: [String: String]) -> HTTPResponse {
        if let unknown = query.keys.sorted().first(where: { !["ended", "limit"].contains($0) }) {
            return .error(400, "'\(unknown)' is not known here", advice: "ended and limit are")
        }
        if let text = query["limit"], Int(text).map((1...Self.most).contains) != true {
            return .error(400, "limit=\(text) is not accepted", advice: "expected 1 to \(Self.most)")
        }
        let limit = query["limit"].flatMap { Int($0) }
        guard let ended = query["ended"] else { return .json(standing(limit: limit ?? .max)) }
        guard let after = Int64(ended), after >= 0 else {
            return .error(
                400, "ended=\(ended) is not accepted", advice: "expected the ending of the last alert seen, or 0")
        }
        return .json(self.ended(after: after, limit: limit ?? 100))
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
