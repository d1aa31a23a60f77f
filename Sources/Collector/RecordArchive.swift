import Admission
import Framing
import Posix
import Synchronization

/// Reads stored records for technicians and tests, on a thread and a connection of its own: a long list holds nobody up.
final class RecordArchive: Sendable {
    static let mostWaiting = 64
    static let mostRecords = 10_000

    struct Query: Sendable {
        var lane: String?
        /// The `row` of the last record already seen.
        var after: Int64
        var limit: Int
    }

    private struct Queue {
        var jobs: [(HTTPRequest, Query)] = []
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

    func list(_ query: Query, for request: HTTPRequest) {
        let isTaken = queue.withLock {
            guard !$0.isStopping, $0.jobs.count < Self.mostWaiting else { return false }
            $0.jobs.append((request, query))
            return true
        }
        guard isTaken else {
            request.answer(
                .error(
                    503, "too many lists of records are being read", advice: "ask again in a second",
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
            guard let (request, query) = job else {
                if isStopping { return }
                poll.removeAll()
                poll.add(bell.raw, .readable)
                _ = try? poll.wait(until: SystemClock.deadline(milliseconds: 1000))
                bell.drain()
                continue
            }
            do {
                let lines = try read(query, connections)
                request.answer(HTTPResponse(200, "application/jsonl; charset=utf-8", lines))
            } catch {
                Log.error(error.description)
                request.answer(.error(500, error.description, advice: error.advice))
            }
        }
    }

    private func read(_ query: Query, _ connections: Connections) throws(CollectorFailure) -> [UInt8] {
        let columns = "SELECT record.id, record.bytes, record.received FROM record"
        let select: SQLStatement
        if let lane = query.lane {
            select = try connections.intake.prepare(
                """
                \(columns) WHERE epoch IN (SELECT epoch.id FROM epoch JOIN lane ON lane.id = epoch.lane
                WHERE lane.name = ?) AND record.id > ? ORDER BY record.id LIMIT ?
                """)
            select.bind(1, lane)
            select.bind(2, query.after)
            select.bind(3, query.limit)
        } else {
            select = try connections.intake.prepare("\(columns) WHERE record.id > ? ORDER BY record.id LIMIT ?")
            select.bind(1, query.after)
            select.bind(2, query.limit)
        }
        let holder = try connections.site.prepare("SELECT id FROM holder WHERE number = ?")
        var lines: [UInt8] = []
        while try select.step() {
            let row = select.integer(0)
            let received = select.integer(2)
            guard let record = select.withBlob(1, { try? JournalRecord($0) }) else {
                throw CollectorFailure(
                    "read", connections.intake.path, "record \(row) is damaged",
                    advice: "put a backup of the database in its place")
            }
            let holderID = try record.holder.map { (number) throws(CollectorFailure) -> String? in
                holder.bind(1, Int64(number.number))
                defer { holder.reset() }
                return try holder.step() ? holder.text(0) : nil
            }
            RecordJSON(record, row: row, receivedMilliseconds: received, holderID: holderID ?? nil).value
                .write(to: &lines)
            lines.append(0x0A)
        }
        return lines
    }
}
