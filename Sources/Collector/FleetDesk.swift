import Admission
import Framing
import Posix
import Synchronization

/// `GET /v1/fleet`: made on a thread of its own, which sleeps while nobody asks; however many ask, it looks once a second.
final class FleetDesk: Sendable {
    static let mostWaiting = 256
    private static let periodNanoseconds: UInt64 = 1_000_000_000

    /// What the figures are made of, asked for anew each time.
    struct Sources: Sendable {
        var books: @Sendable () -> Intake.Snapshot
        var alerts: @Sendable () -> AlertDesk.Snapshot
        var enrolled: @Sendable () -> [ShortName: EnrolmentRegister.Lane]
        var image: @Sendable () -> (Publisher.Image?, UInt64)
        /// Whether what lanes send is stored.
        var isStoring: @Sendable () -> Bool
        /// ms since 1970-01-01 UTC.
        var now: @Sendable () -> Int64 = { SystemClock.wallMilliseconds() }
    }

    private struct Queue: Sendable {
        var asked: [HTTPRequest] = []
        var isStopping = false
    }

    private let queue = Mutex(Queue())
    private let sources: Sources
    private let bell: WakeUp
    private let thread = Mutex<NamedThread?>(nil)

    init(_ settings: CollectorSettings, page: String, _ sources: Sources) throws(CollectorFailure) {
        self.sources = sources
        bell = try collecting { () throws(SystemFailure) in try WakeUp(name: "fleet") }
        let figures = FleetFigures(settings, page: page, now: sources.now())
        let started = try collecting { () throws(SystemFailure) in
            try NamedThread.start(name: "fleet") { self.run(figures) }
        }
        thread.withLock { $0 = started }
    }

    func stop() {
        queue.withLock { $0.isStopping = true }
        bell.signal()
        let running = thread.withLock { $0 }
        running?.join()
    }

    /// On the server's thread.
    func answer(_ request: HTTPRequest) {
        let query = request.head.query
        if let unknown = query.keys.sorted().first(where: { $0 != "after" }) {
            return request.answer(.error(400, "'\(unknown)' is not known here", advice: "after is"))
        }
        if let after = query["after"], !Self.isRevision(after) {
            return request.answer(
                .error(400, "after=\(after) is not accepted", advice: "expected the revision of the last answer"))
        }
        let isTaken = queue.withLock {
            guard !$0.isStopping, $0.asked.count < Self.mostWaiting else { return false }
            $0.asked.append(request)
            return true
        }
        guard isTaken else {
            return request.answer(
                .error(
                    503, "too many ask at once, or the collector is stopping", advice: "ask again in a second",
                    headers: [("Retry-After", "1")]))
        }
        bell.signal()
    }

    /// Digits, `-`, digits.
    static func isRevision(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        return parts.count == 2
            && parts.allSatisfy {
                (1...20).contains($0.utf8.count) && $0.utf8.allSatisfy { (0x30...0x39).contains($0) }
            }
    }

    // MARK: On its own thread

    private func run(_ start: FleetFigures) {
        var figures = start
        var looked: UInt64?
        let poll = PollSet(capacity: 1)
        while true {
            let (asked, isStopping) = queue.withLock { queue in
                defer { queue.asked = [] }
                return (queue.asked, queue.isStopping)
            }
            // Whoever still waits when the collector stops is answered by the server.
            if isStopping { return }
            if !asked.isEmpty {
                let now = SystemClock.monotonicNanoseconds()
                if looked.map({ now - $0 >= Self.periodNanoseconds }) ?? true {
                    looked = now
                    let (image, changeNumber) = sources.image()
                    figures.look(
                        FleetFigures.Sight(
                            books: sources.books(), alerts: sources.alerts(), enrolled: sources.enrolled(),
                            image: image, changeNumber: changeNumber, isStoring: sources.isStoring()),
                        now: sources.now())
                }
                for request in asked {
                    request.answer(
                        HTTPResponse(
                            200, "application/json", figures.body(after: request.head.query["after"]),
                            headers: [("Cache-Control", "no-store")]))
                }
                continue
            }
            poll.removeAll()
            poll.add(bell.raw, .readable)
            _ = try? poll.wait(until: nil)
            bell.drain()
        }
    }
}
