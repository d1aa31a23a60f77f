import Admission
import Framing
import Posix
import Wording

/// `GET /v1/decision?lane=&epoch=&sequence=`: one decision in full: its record, what became of it, and what the visitor and a
/// technician were told, in words.
///
/// The three names are those under which the decision is stored; every passage names its decision by them. What came of it
/// is looked for in the records that follow it in its epoch, and in the first ones of the next, for a restart may have cut
/// it short.
struct DecisionQuery: Sendable {
    var lane: String
    var epoch: Epoch
    var sequence: UInt64

    static let mostFollowing: UInt64 = 2000
    static let mostOfNext: UInt64 = 200

    init(_ head: HTTPHead) throws(HTTPRefusal) {
        let known = ["lane", "epoch", "sequence"]
        try head.refuseUnknown(but: known)
        func value(_ name: String) throws(HTTPRefusal) -> String {
            guard let value = head.query[name] else {
                throw HTTPRefusal(
                    .error(400, "'\(name)' is not given", advice: "a decision's lane, epoch and sequence are needed"))
            }
            return value
        }
        let given = try value("lane")
        lane = try head.laneOfQuery() ?? given
        let hex = try value("epoch")
        guard let epoch = Epoch(hex: hex) else {
            throw HTTPRefusal("epoch", hex, expected: "32 hexadecimal digits, as /v1/records gives them")
        }
        self.epoch = epoch
        _ = try value("sequence")
        sequence = try head.number("sequence", in: 1...UInt64(Int64.max), expected: "a number from 1 on") ?? 1
    }

    /// A record with where it stands.
    private struct Found {
        var record: JournalRecord
        var row: Int64
        var received: Int64
    }

    func response(_ intake: Database, _ site: Database) throws(CollectorFailure) -> HTTPResponse {
        guard let row = try epochRow(intake), let found = try records(intake, row, sequence...sequence).first else {
            return .error(
                404, "no record \(sequence) of epoch \(epoch.hex) of lane '\(lane)' is stored",
                advice: "it may be on its way, or was pruned; /v1/lanes says what is missing")
        }
        guard case .decided(let decision) = found.record.event else {
            return .error(
                404, "record \(sequence) of epoch \(epoch.hex) of lane '\(lane)' is no decision",
                advice: "/v1/records lists it; a passage names its decision as decision_epoch and decision_sequence")
        }
        let (last, _) = sequence.addingReportingOverflow(Self.mostFollowing)
        var following =
            sequence == UInt64(Int64.max) ? [] : try records(intake, row, sequence + 1...max(last, sequence + 1))
        if let next = try nextEpochRow(intake) { following += try records(intake, next, 1...Self.mostOfNext) }
        let names = HolderNames(site)
        let ended = following.first {
            if case .ended(let outcome) = $0.record.event { return isOfThis(outcome, in: $0.record) }
            return false
        }
        let pulses = following.filter {
            guard case .pulse(_, _, let decision) = $0.record.event else { return false }
            return decision == sequence && $0.record.epoch == epoch
        }
        var texts: [JSONText] = []
        for pulse in pulses { texts.append(try names.json(pulse.record, row: pulse.row, received: pulse.received)) }
        return .json(
            .object([
                ("decision", try names.json(found.record, row: found.row, received: found.received)),
                (
                    "ended",
                    try ended.map { (found) throws(CollectorFailure) in
                        try names.json(found.record, row: found.row, received: found.received)
                    } ?? .null
                ),
                ("pulses", .array(texts)),
                ("in_words", Self.words(decision, found.record)),
            ]))
    }

    private func isOfThis(_ outcome: Outcome, in record: JournalRecord) -> Bool {
        outcome.decisionSequence == sequence && (outcome.decisionEpoch ?? record.epoch) == epoch
    }

    private static func words(_ decision: Decision, _ record: JournalRecord) -> JSONText {
        let circumstances = Circumstances(
            decision, policy: nil, clock: record.moment.clock, instant: record.moment.wall,
            destination: record.to.text)
        let visitor = decision.reasons.isEmpty ? nil : VisitorWording.refusal(decision.reasons)
        return .object([
            (
                "visitor",
                visitor.map { .object([("zh", .text($0.chinese)), ("en", .text($0.english))]) } ?? .null
            ),
            (
                "reasons",
                .array(
                    zip(
                        Reasons.ordered.filter { decision.reasons.contains($0) },
                        TechnicianWording.texts(decision.reasons, circumstances)
                    ).map { reason, text in
                        let name = ReasonWording.of(reason)?.name
                        return .object([
                            ("reason", .text("\(reason.name)")),
                            ("zh", name.map { .text($0.chinese) } ?? .null),
                            ("en", name.map { .text($0.english) } ?? .null), ("text", .text(text)),
                        ])
                    })
            ),
        ])
    }

    // MARK: Reading

    private func epochRow(_ intake: Database) throws(CollectorFailure) -> Int64? {
        let select = try intake.prepare(
            "SELECT epoch.id FROM epoch JOIN lane ON lane.id = epoch.lane WHERE lane.name = ? AND epoch.bytes = ?")
        select.bind(1, lane)
        select.bind(2, epoch.bytes)
        return try select.step() ? select.integer(0) : nil
    }

    private func nextEpochRow(_ intake: Database) throws(CollectorFailure) -> Int64? {
        let select = try intake.prepare(
            "SELECT epoch.id FROM epoch JOIN lane ON lane.id = epoch.lane WHERE lane.name = ? AND epoch.previous = ?")
        select.bind(1, lane)
        select.bind(2, epoch.bytes)
        return try select.step() ? select.integer(0) : nil
    }

    /// Those of an epoch that are stored; a damaged one is left out.
    private func records(
        _ intake: Database, _ epoch: Int64, _ sequences: ClosedRange<UInt64>
    ) throws(CollectorFailure) -> [Found] {
        let select = try intake.prepare(
            """
            SELECT id, first, count, received, bytes FROM block WHERE epoch = ?1
            AND first >= coalesce((SELECT max(first) FROM block WHERE epoch = ?1 AND first <= ?2), ?2) AND first <= ?3
            ORDER BY first
            """)
        select.bind(1, epoch)
        select.bind(2, Int64(clamping: sequences.lowerBound))
        select.bind(3, Int64(clamping: sequences.upperBound))
        var found: [Found] = []
        while try select.step() {
            let count = select.withBlob(4) { $0.count / JournalRecord.size }
            for index in 0..<count {
                guard let sequence = UInt64(exactly: select.integer(1) &+ Int64(index)), sequences.contains(sequence),
                    let record = select.withBlob(4, { RecordBlock.record(index, of: $0) })
                else { continue }
                found.append(Found(record: record, row: select.integer(0) + Int64(index), received: select.integer(3)))
            }
        }
        return found
    }
}

/// A holder's id in the feed, by his number.
struct HolderNames {
    private let site: Database

    init(_ site: Database) { self.site = site }

    func json(_ record: JournalRecord, row: Int64, received: Int64) throws(CollectorFailure) -> JSONText {
        var id: String?
        if let number = record.holder {
            let select = try site.prepare("SELECT id FROM holder WHERE number = ?")
            select.bind(1, Int64(number.number))
            id = try select.step() ? select.text(0) : nil
        }
        return RecordJSON(record, row: row, receivedMilliseconds: received, holderID: id).value
    }
}
