import Posix

/// `GET /v1/alerts`: those that stand; with `ended=N` those that ended instead, N the `ending` of the last one seen (0: all
/// that are kept), in the order in which they ended, `limit` at most.
struct AlertAnswer {
    static let mostEnded = 1000

    private let snapshot: AlertDesk.Snapshot

    init(_ snapshot: AlertDesk.Snapshot) { self.snapshot = snapshot }

    func response(_ query: [String: String]) -> HTTPResponse {
        if let unknown = query.keys.sorted().first(where: { !["ended", "limit"].contains($0) }) {
            return .error(400, "'\(unknown)' is not known here", advice: "ended and limit are")
        }
        guard let ended = query["ended"] else {
            guard query["limit"] == nil else {
                return .error(400, "limit is of use with ended only", advice: "say ended=0, too")
            }
            return .json(standing)
        }
        guard let after = Int64(ended), after >= 0 else {
            return .error(
                400, "ended=\(ended) is not accepted", advice: "expected the ending of the last alert seen, or 0")
        }
        guard let limit = Int(query["limit"] ?? "100"), (1...Self.mostEnded).contains(limit) else {
            return .error(
                400, "limit=\(query["limit"] ?? "") is not accepted", advice: "expected 1 to \(Self.mostEnded)")
        }
        return .json(self.ended(after: after, limit: limit))
    }

    private var head: [(String, JSONText)] {
        [
            ("as_of", .text(Timestamp.format(snapshot.asOfMilliseconds))),
            ("as_of_ms", .number(snapshot.asOfMilliseconds)),
        ]
    }

    var standing: JSONText { .object(head + [("alerts", .array(snapshot.standing.map(\.json)))]) }

    func ended(after: Int64, limit: Int) -> JSONText {
        let page = snapshot.ended.filter { ($0.ending ?? 0) > after }.prefix(limit)
        return .object(head + [("ended", .array(page.map(\.json))), ("next", .number(page.last?.ending ?? after))])
    }
}
