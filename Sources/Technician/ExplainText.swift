import Control
import Posix

/// `lanectl explain` for people: a row for each thing that is looked at, then the verdict.
struct ExplainText {
    let reply: ExplainReply
    /// As it was typed.
    let badge: String

    var text: String {
        var text = "\(reply.type) \(badge) at \(reply.laneId) \(reply.laneName), \(reply.laneKind): "
        text += "\(reply.from) → \(reply.to), judged for \(Timestamp.format(reply.atMilliseconds))\n"
        text +=
            "image \(reply.imageVersion), change \(reply.changeNumber)\(reply.policy.map { ", policy \($0)" } ?? "")\n\n"
        var table = TextTable(indent: 2)
        table.add("", "", "IS", "FIGURE", "NEEDS")
        for row in reply.rows {
            table.add(
                mark(row), row.name, row.state, row.figure, row.isRequired ? row.needs : "(not asked here) \(row.needs)"
            )
        }
        text += table.text
        text += "\nverdict: \(reply.verdict)\(condition)\n"
        for reason in reply.reasons { text += "  \(reason.text)\n" }
        return text + "the visitor reads: \(reply.display)\n"
    }

    private func mark(_ row: ExplainReply.Row) -> String {
        switch row.turns {
        case true?: "yes"
        case false?: row.isRequired ? "NO" : "no"
        case nil: "-"
        }
    }

    /// What was not judged and may still stand against it.
    private var condition: String {
        let open = reply.rows.filter { $0.isRequired && $0.turns == nil }.map(\.name)
        return open.isEmpty || reply.verdict != "admitted"
            ? "" : ", if nothing is wrong with: \(open.joined(separator: ", "))"
    }
}
