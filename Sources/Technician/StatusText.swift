import Control
import Posix
import Wording

/// `lanectl status` for people.
struct StatusText {
    let status: StatusReply

    var text: String {
        let lane = status.lane
        var table = TextTable()
        table.add("lane", "\(lane.id)  \(lane.name), \(lane.kind): \(lane.from) → \(lane.to)")
        let cause = status.modeCause == "none" ? "" : " (\(words(status.modeCause)))"
        table.add("mode", "\(words(status.mode))\(cause); lamps: \(words(status.lamps))")
        if let order = status.order {
            let time = order.minutes == 0 ? "until something else is ordered" : "for \(order.minutes) min"
            table.add(
                "ordered",
                "\(words(order.mode)) \(time), by user \(order.user) \(age(order.givenAtMilliseconds)) ago"
                    + (order.remark.isEmpty ? "" : ": \(order.remark)"))
        }
        table.add("fire", status.fireAlarm ? "ALARM: the lane is open" : "no alarm")
        table.add("clock", status.clock == "trusted" ? "trusted" : "NOT TRUSTED: \(words(status.clock))")
        table.add("credentials", credentials)
        if status.credentials.imageVersion != 0 { table.add("", statement) }
        if let policy = status.policy { table.add("policy", policy) }
        table.add("journal", journal)
        table.add("", "epoch \(status.journal.epoch), next record \(status.journal.nextSequence)")
        table.add(
            "daemon",
            "version \(status.version), process \(status.processId), running for \(age(status.startedAtMilliseconds))")
        return table.text + devices + counters + decisions + alarms
    }

    private var credentials: String {
        let it = status.credentials
        guard it.imageVersion != 0 else { return "NONE: no image yet; nobody is admitted" }
        return "image \(it.imageVersion), change \(it.changeNumber), \(it.identifiers) identifiers, issued "
            + "\(Timestamp.format(it.imageIssuedAtMilliseconds)) (\(age(it.imageIssuedAtMilliseconds)) ago)"
            + (it.knowsDestination ? "" : "; IT KNOWS NO ZONE \(status.lane.to)")
    }

    private var statement: String {
        let it = status.credentials
        let freshness = it.freshness == "fresh" ? "fresh" : it.freshness.uppercased()
        let age = it.statementAgeMilliseconds.map { " (\(Figures.duration(milliseconds: $0)) ago)" } ?? ""
        guard let asOf = it.statementAsOfMilliseconds else { return "no statement yet\(age): \(freshness)" }
        return "statement as of \(Timestamp.format(asOf))\(age): \(freshness)"
    }

    private var journal: String {
        let it = status.journal
        let percent =
            it.recordsTotal == 0
            ? 0
            : it.recordsUsed.multipliedFullWidth(by: 100)
                .low / it.recordsTotal
        return "\(words(it.state)): \(it.recordsUsed) of \(it.recordsTotal) records wait for the collector "
            + "(\(percent) %), \(it.unsynced) not yet on the disk"
    }

    private var devices: String {
        var table = TextTable(indent: 2)
        for device in status.devices {
            let since = device.sinceMilliseconds == 0 ? "" : " for \(age(device.sinceMilliseconds))"
            table.add(
                device.name, device.type, device.state == "present" ? "present\(since)" : "LOST\(since)", device.line,
                device.lastWord)
        }
        return "\ndevices\n\(table.text)"
    }

    private var counters: String {
        var table = TextTable(indent: 2)
        table.add(
            "", "presented", "admitted", "refused", "passed", "annulled", "interrupted", "tailgating", "forced",
            "wrong way", "anonymous", "by hand")
        table.add(["this hour"] + figures(status.hour))
        table.add(["since start"] + figures(status.sinceStart))
        return "\ncounted\n\(table.text)"
    }

    private func figures(_ it: StatusReply.Counters) -> [String] {
        [
            "\(it.presented)", "\(it.admitted)", "\(it.refused)", "\(it.passed)", "\(it.annulled)",
            "\(it.interrupted)", "\(it.tailgating)", "\(it.forced)", "\(it.wrongWay)",
            "\(it.anonymousForward) + \(it.anonymousBackward) back", it.byHand.map { "\($0)" } ?? "-",
        ]
    }

    private var decisions: String {
        guard !status.lastDecisions.isEmpty else { return "\nno decision yet\n" }
        var table = TextTable(indent: 2)
        for decision in status.lastDecisions {
            table.add(
                Timestamp.format(decision.wallMilliseconds), decision.verdict,
                decision.reasons.joined(separator: ", "))
        }
        return "\nlast decisions, the newest first\n\(table.text)"
    }

    private var alarms: String {
        status.alarms.isEmpty ? "\nall is well\n" : "\nALARMS\n" + status.alarms.map { "  \($0)\n" }.joined()
    }

    private func age(_ instant: Int64) -> String {
        Figures.duration(milliseconds: status.nowMilliseconds.subtractingReportingOverflow(instant).partialValue)
    }

    /// `out-of-service` → `out of service`.
    private func words(_ name: String) -> String { String(name.map { $0 == "-" ? " " : $0 }) }
}
