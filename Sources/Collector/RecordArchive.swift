import Admission
import Framing
import Posix
import Synchronization

/// Reads stored records, and counts of days gone by, on a thread and a connection of its own: a long list holds nobody up.
final class RecordArchive: Sendable {
    static let mostWaiting = 64
    static let mostRecords = 10_000

    struct Query: Sendable {
        var lane: String?
        /// The `row` of the last record already seen.
        var after: Int64
        var limit: Int

        /// What is wrong with the request, as an answer.
        init(_ head: HTTPHead) throws(HTTPRefusal) {
            try head.refuseUnknown(but: ["lane", "after", "limit"])
            lane = try head.laneOfQuery()
            after = try head.number("after", in: 0...Int64.max, expected: "the row of the last record seen, or 0") ?? 0
            limit = try head.limitOfQuery(most: RecordArchive.mostRecords, otherwise: 1000)
        }
    }

    enum Question: Sendable {
        case records(Query)
        case flow(FlowQuery)
        case history(HistoryQuery)
        case decision(DecisionQuery)
        case journals(JournalsQuery)
    }

    private struct Queue {
        var jobs: [(HTTPRequest, Question)] = []
        var isStopping = false
    }

    private let queue = Mutex(Queue())
    private let bell: WakeUp
    private let thread = Mutex<NamedThread?>(nil)

    private struct Connections: @unchecked Sendable {
        // Unchecked: carried to the one thread that uses them.
        let intake: Database
        let site: Database
    }

    init(_ directory: SiteDirectory) throws(CollectorFailure) {
        bell = try collecting { () throws(SystemFailure) in try WakeUp(name: "archive") }
        let connections = Connections(
            intake: try Database(directory.intakeDatabase, .readOnly),
            site: try Database(directory.siteDatabase, .readOnly))
        let started = try collecting { () throws(SystemFailure) in
            try NamedThread.start(name: "archive") { self.run(connections) }
        }
        thread.withLock { $0 = started }
    }

    func answer(_ question: Question, to request: HTTPRequest) {
        let isTaken = queue.withLock {
            guard !$0.isStopping, $0.jobs.count < Self.mostWaiting else { return false }
            $0.jobs.append((request, question))
            return true
        }
        guard isTaken else {
            request.answer(
                .error(
                    503, "too many lists are being read", advice: "ask again in a second",
                    headers: [("Retry-After", "1")]))
            return
        }
        bell.signal()
    }

    func stop() {
        queue.withLock { $0.isStopping = true }
        bell.signal()
        let running = thread.withLock { $0 }
        running?.join()
    }

    private func run(_ connections: Connections) {
        let poll = PollSet(capacity: 1)
        while true {
            let (job, isStopping) = queue.withLock {
                // Whoever still waits when the collector stops is answered by the server.
                if $0.isStopping { $0.jobs = [] }
                return ($0.jobs.isEmpty ? nil : $0.jobs.removeFirst(), $0.isStopping)
            }
            guard let (request, question) = job else {
                if isStopping { return }
                poll.removeAll()
                poll.add(bell.raw, .readable)
                _ = try? poll.wait(until: SystemClock.deadline(milliseconds: 1000))
                bell.drain()
                continue
            }
            do {
                switch question {
                case .records(let query):
                    let lines = try read(query, connections)
                    request.answer(HTTPResponse(200, "application/jsonl; charset=utf-8", lines))
                case .flow(let query): request.answer(try query.response(connections.intake))
                case .history(let query): request.answer(try query.response(connections.intake))
                case .decision(let query):
                    request.answer(try query.response(connections.intake, connections.site))
                case .journals(let query): request.answer(try query.response(connections.intake))
                }
            } catch {
                Log.error(error.description)
                request.answer(.error(500, error.description, advice: error.advice))
            }
        }
    }

    private func read(_ query: Query, _ connections: Connections) throws(CollectorFailure) -> [UInt8] {
        // From the block on that holds the row, or the first behind it.
        let blocks = """
            SELECT id, received, bytes FROM block
            WHERE id >= coalesce((SELECT max(id) FROM block WHERE id <= ?), 0)
            """
        let select: SQLStatement
        if let lane = query.lane {
            select = try connections.intake.prepare(
                """
                \(blocks) AND epoch IN (SELECT epoch.id FROM epoch JOIN lane ON lane.id = epoch.lane
                WHERE lane.name = ?) ORDER BY id
                """)
            select.bind(2, lane)
        } else {
            select = try connections.intake.prepare("\(blocks) ORDER BY id")
        }
        let (first, overflow) = query.after.addingReportingOverflow(1)
        guard !overflow else { return [] }
        select.bind(1, first)
        let holder = try connections.site.prepare("SELECT id FROM holder WHERE number = ?")
        var lines: [UInt8] = []
        var left = query.limit
        while left > 0, try select.step() {
            let received = select.integer(1)
            let count = Int64(select.withBlob(2) { $0.count / JournalRecord.size })
            // All of the block, when it lies before the row asked for.
            let skipped = min(count, max(0, first &- select.integer(0)))
            for index in skipped..<skipped + min(count - skipped, Int64(left)) {
                left -= 1
                let row = select.integer(0) &+ index
                guard let record = select.withBlob(2, { RecordBlock.record(Int(index), of: $0) }) else {
                    throw CollectorFailure(
                        "read", connections.intake.path, "record \(row) is damaged",
                        advice: "put a backup of the database in its place")
                }
                try write(record, row: row, received: received, holder, to: &lines)
            }
        }
        return lines
    }

    private func write(
        _ record: JournalRecord, row: Int64, received: Int64, _ holder: SQLStatement, to lines: inout [UInt8]
    ) throws(CollectorFailure) {
        let holderID = try record.holder.map { (number) throws(CollectorFailure) -> String? in
            holder.bind(1, Int64(number.number))
            defer { holder.reset() }
            return try holder.step() ? holder.text(0) : nil
        }
        RecordJSON(record, row: row, receivedMilliseconds: received, holderID: holderID ?? nil).value.write(to: &lines)
        lines.append(0x0A)
    }
}
