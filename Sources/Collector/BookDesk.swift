import Posix
import Synchronization

/// Writes the long answers that tell of every lane, `/v1/tallies`, `/v1/lanes` and `/metrics`, on a thread of its own: with
/// thousands of lanes they take long, and meanwhile the server's thread takes what lanes send.
///
/// Whoever asks for the same while one is being written gets the next one, together; and while the books are as they were
/// an answer is given again, up to `freshMilliseconds` old.
final class BookDesk: Sendable {
    static let mostWaiting = 1024
    static let freshMilliseconds = 1000

    enum Document: Hashable, Sendable {
        case tallies(isNamed: Bool)
        case lanes
        case metrics
    }

    /// What an answer is made of: it stays as it is while this does.
    struct State: Hashable, Sendable {
        /// Of the books.
        var revision: UInt64
        var corrections: Int
        var insideMilliseconds: Int64?
    }

    /// What is asked for; `state` and what `write` writes are of the same instant.
    struct Question: Sendable {
        var document: Document
        /// nil: it is written anew each time.
        var state: State?
        var write: @Sendable () -> HTTPResponse
    }

    private struct Job: Sendable {
        var question: Question
        var answer: @Sendable (HTTPResponse) -> Void
    }

    private struct Written {
        var state: State?
        var response: HTTPResponse
        /// Monotonic ns.
        var at: UInt64
    }

    private let waiting = Mutex<[Job]>([])
    private let thread: DeskThread

    init() throws(CollectorFailure) {
        thread = try DeskThread(name: "books")
        try thread.start { self.run() }
    }

    func stop() { thread.stop() }

    func answer(_ question: Question, to request: HTTPRequest) { answer(question) { request.answer($0) } }

    func answer(_ question: Question, _ answer: @escaping @Sendable (HTTPResponse) -> Void) {
        let isTaken = waiting.withLock {
            guard $0.count < Self.mostWaiting else { return false }
            $0.append(Job(question: question, answer: answer))
            return true
        }
        guard isTaken else {
            return answer(
                .error(
                    503, "more is asked at once than is answered", advice: "ask again in a second",
                    headers: [("Retry-After", "1")]))
        }
        thread.ring()
    }

    // MARK: On its own thread

    private func run() {
        var written: [Document: Written] = [:]
        // Whoever still waits when the collector stops is answered by the server.
        while !thread.isStopping {
            let jobs = waiting.withLock { jobs in
                defer { jobs = [] }
                return jobs
            }
            if jobs.isEmpty {
                thread.wait(milliseconds: Self.freshMilliseconds)
                // What nobody asks for any more is not kept.
                let now = SystemClock.monotonicNanoseconds()
                written = written.filter { Self.isFresh($0.value, now) }
                continue
            }
            // What was asked last is of the newest books: good for all who wait.
            for (document, jobs) in Dictionary(grouping: jobs, by: \.question.document) {
                guard let question = jobs.last?.question else { continue }
                let now = SystemClock.monotonicNanoseconds()
                let response: HTTPResponse
                if let known = written[document], known.state == question.state, Self.isFresh(known, now) {
                    response = known.response
                } else {
                    response = question.write()
                    if question.state != nil {
                        written[document] = Written(state: question.state, response: response, at: now)
                    }
                }
                for job in jobs { job.answer(response) }
            }
        }
    }

    private static func isFresh(_ written: Written, _ now: UInt64) -> Bool {
        now - written.at < UInt64(freshMilliseconds) * 1_000_000
    }
}
