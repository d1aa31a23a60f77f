import Admission
import Posix

/// A double use and the holder as the feed names him.
struct NamedDoubleUse: Hashable, Sendable {
    var finding: DoubleUseBook.Finding
    var holder: String
}

/// `GET /v1/double-use` and `/v1/double-use.csv`: numbers for a viewer, holders for an operator.
struct DoubleUseJSON {
    private let found: [NamedDoubleUse]
    private let asOf: Int64

    init(_ snapshot: AlertDesk.Snapshot) {
        found = snapshot.doubleUses
        asOf = snapshot.asOfMilliseconds
    }

    /// `after`: the id of the last one seen; `isNamed`: who they are, too.
    func json(after: Int64, limit: Int, isNamed: Bool) -> JSONText {
        let standing = found.filter(\.finding.stands)
        var members: [(String, JSONText)] = [
            ("as_of", .text(Timestamp.format(asOf))), ("as_of_ms", .number(asOf)), ("count", .number(standing.count)),
            (
                "by_kind",
                .object(
                    DoubleUse.Kind.allCases.map { kind in
                        (kind.name, .number(standing.count { $0.finding.use.kind == kind }))
                    })
            ),
            ("uncertain", .number(found.count { $0.finding.withdrawnMilliseconds == nil && !$0.finding.stands })),
            ("withdrawn", .number(found.count { $0.finding.withdrawnMilliseconds != nil })),
        ]
        if isNamed {
            let page = found.filter { $0.finding.id > after }.prefix(limit)
            members.append(("findings", .array(page.map(\.json))))
            members.append(("next", .number(page.last?.finding.id ?? after)))
        }
        return .object(members)
    }

    /// RFC 4180, as the feed.
    var csv: [UInt8] {
        var text =
            "id,kind,state,holder,number,first_lane,first_at,first_clock,second_lane,second_at,second_clock,"
            + "seconds,walking_seconds,found_at\r\n"
        for one in found {
            let (finding, use) = (one.finding, one.finding.use)
            let cells = [
                "\(finding.id)", use.kind.name, finding.state, one.holder, "\(finding.holder)", use.first.lane.text,
                Timestamp.format(use.first.at), use.first.clock.name, use.second.lane.text,
                Timestamp.format(use.second.at), use.second.clock.name, "\((use.second.at - use.first.at) / 1000)",
                use.kind == .tooFast ? "\(use.walkingMilliseconds / 1000)" : "",
                Timestamp.format(finding.foundMilliseconds),
            ]
            text += cells.map { "\"\($0.replacing("\"", with: "\"\""))\"" }.joined(separator: ",") + "\r\n"
        }
        return Array(text.utf8)
    }
}

extension DoubleUse.Passage.Clock {
    var name: String {
        switch self {
        case .trusted: "trusted"
        case .corrected: "corrected"
        case .notTrusted: "not-trusted"
        }
    }
}

extension DoubleUseBook.Finding {
    /// A word of the API.
    var state: String {
        if withdrawnMilliseconds != nil { return "withdrawn" }
        return stands ? "certain" : somebodyLeft ? "somebody-left" : "clock-not-trusted"
    }
}

extension NamedDoubleUse {
    fileprivate var json: JSONText {
        let use = finding.use
        return .object([
            ("id", .number(finding.id)), ("kind", .text(use.kind.name)), ("state", .text(finding.state)),
            ("holder", .text(holder)), ("number", .number(Int64(finding.holder))),
            ("first", use.first.json), ("second", use.second.json),
            ("milliseconds", .number(use.second.at - use.first.at)),
            ("walking_milliseconds", use.kind == .tooFast ? .number(use.walkingMilliseconds) : .null),
            ("found_at", .text(Timestamp.format(finding.foundMilliseconds))),
            ("withdrawn_at", finding.withdrawnMilliseconds.map { .text(Timestamp.format($0)) } ?? .null),
        ])
    }
}

extension DoubleUse.Passage {
    fileprivate var json: JSONText {
        let ways: [Way: String] = [.enters: "in", .leaves: "out", .within: "within"]
        return .object([
            ("row", .number(row)), ("lane", .text(lane.text)), ("at", .text(Timestamp.format(at))),
            ("at_ms", .number(at)), ("clock", .text(clock.name)), ("way", .text(ways[way] ?? "")),
        ])
    }
}
