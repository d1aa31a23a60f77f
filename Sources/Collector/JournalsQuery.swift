import Admission
import Framing
import Posix

/// `GET /v1/journals?lane=`: which journals a lane's records came from, in the order in which they were heard of: more than
/// one means that its controller was swapped, its disk wiped, or put back from a copy.
struct JournalsQuery: Sendable {
    /// Of one journal the newest ones are listed.
    static let mostEpochs = 1000

    var lane: String

    init(_ head: HTTPHead) throws(HTTPRefusal) {
        try head.refuseUnknown(but: ["lane"])
        guard let lane = try head.laneOfQuery() else {
            throw HTTPRefusal(.error(400, "'lane' is not given", advice: "say whose journals: lane=ID"))
        }
        self.lane = lane
    }

    func response(_ intake: Database) throws(CollectorFailure) -> HTTPResponse {
        guard let row = try IntakeLoader(intake).row(ofLane: lane) else { return .unknownLane(lane) }
        let (states, rows) = try IntakeLoader(intake).epochs(ofLane: row)
        let journals = LaneJournals(
            states.map { LaneJournals.Epoch(id: $0.key, state: $0.value, order: rows[$0.key] ?? 0) }
        ).journals
        var shown: [JSONText] = []
        for journal in journals { shown.append(try json(journal, intake)) }
        return .json(.object([("lane", .text(lane)), ("journals", .array(shown))]))
    }

    private func json(_ journal: LaneJournals.Journal, _ intake: Database) throws(CollectorFailure) -> JSONText {
        var epochs: [JSONText] = []
        for epoch in journal.epochs.suffix(Self.mostEpochs) {
            let first = try record(epoch.order, .first, intake)
            let last = try record(epoch.order, .last, intake)
            epochs.append(
                .object([
                    ("epoch", .text(epoch.id.hex)),
                    ("previous_epoch", epoch.state.previous.map { .text($0.epoch.hex) } ?? .null),
                    ("previous_last_sequence", epoch.state.previous.map { .number($0.sequence) } ?? .null),
                    ("first_record", first), ("last_record", last),
                    ("stored", .number(epoch.state.stored.count(through: .max))),
                    ("missing", .number(epoch.state.missing)),
                ]))
        }
        return .object([
            ("beginning", .text(journal.beginning.rawValue)), ("in_words", .text(journal.beginning.words)),
            (
                "branches_from",
                journal.branchesFrom.map {
                    .object([("epoch", .text($0.epoch.hex)), ("sequence", .number($0.sequence))])
                } ?? .null
            ),
            ("epoch_count", .number(journal.epochs.count)), ("epochs", .array(epochs)),
        ])
    }

    private enum End: String {
        case first = "ASC"
        case last = "DESC"
    }

    /// The first or the last record of an epoch that is kept; null: none is, or it is damaged.
    private func record(_ epoch: Int64, _ end: End, _ intake: Database) throws(CollectorFailure) -> JSONText {
        let select = try intake.prepare(
            "SELECT received, bytes FROM block WHERE epoch = ? ORDER BY first \(end.rawValue) LIMIT 1")
        select.bind(1, epoch)
        guard try select.step() else { return .null }
        let found = select.withBlob(1) { block in
            RecordBlock.record(end == .first ? 0 : block.count / JournalRecord.size - 1, of: block)
        }
        guard let record = found else { return .null }
        let wall = record.moment.wall.milliseconds
        return .object([
            ("sequence", .number(record.sequence)), ("wall", .text(Timestamp.format(wall))), ("wall_ms", .number(wall)),
            ("clock", .text(record.moment.clock.name)), ("received_ms", .number(select.integer(0))),
        ])
    }
}
