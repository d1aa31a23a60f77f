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
        case ranking(RankingQuery)
        case decision(DecisionQuery)
        case journals(JournalsQuery)
    }

    private let jobs = Mutex<[(HTTPRequest, Question)]>([])
    private let thread: DeskThread

    private struct Connections: @unchecked Sendable {
        // Unchecked: carried to the one thread that uses them.
        let intake: Database
        let site: Database
    }

    init(_ directory: SiteDirectory) throws(CollectorFailure) {
        thread = try DeskThread(name: "archive")
        let connections = Connections(
            intake: try Database(directory.intakeDatabase, .readOnly),
            site: try Database(directory.siteDatabase, .readOnly))
        try thread.start { self.run(connections) }
    }

    func answer(_ question: Question, to request: HTTPRequest) {
        let isTaken = jobs.withLock {
            guard !thread.isStopping, $0.count < Self.mostWaiting else { return false }
            $0.append((request, question))
            return true
        }
        guard isTaken else {
            request.answer(
                .error(
                    503, "too many lists are being read", advice: "ask again in a second",
                    headers: [("Retry-After", "1")]))
            return
        }
        thread.ring()
    }

    func stop() { thread.stop() }

    private func run(_ connections: Connections) {
        // Whoever still waits when the collector stops is answered by the server.
        while !thread.isStopping {
            guard let (request, question) = jobs.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else {
                thread.wait(milliseconds: 1000)
                continue
            }
            do {
                switch question {
                case .records(let query):
                    let lines = try RecordReader(intake: connections.intake, site: connections.site).lines(
                        after: query.after, lane: query.lane, limit: query.limit)
                    request.answer(HTTPResponse(200, "application/jsonl; charset=utf-8", lines))
                case .flow(let query): request.answer(try query.response(connections.intake))
                case .ranking(let query): request.answer(try query.response(connections.intake))
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
}
