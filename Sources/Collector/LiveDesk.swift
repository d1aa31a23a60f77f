import Posix
import Synchronization

/// `GET /v1/live`: what the wall screen shows, sent as Server-Sent Events as it changes.
///
/// One thread for all streams, and none runs while nobody looks. The books are looked at every `periodMilliseconds`; what
/// is new is made once and given to every stream, which holds the newest piece and no queue (HTTPStream.swift): who skipped
/// one gets the whole instead of a change he could not apply.
final class LiveDesk: Sendable {
    static let mostStreams = 256
    /// A change shows within this time, and there are no more changes a second than this allows.
    static let periodMilliseconds = 400
    /// A stream that has nothing to say says so this often; then it is also asked whether its token still holds.
    static let beatMilliseconds = 5000

    /// What the figures are made of, asked for anew each time.
    struct Sources: Sendable {
        var books: @Sendable () -> Intake.Snapshot
        var inside: @Sendable () -> InsideList.Snapshot?
        var corrections: @Sendable () -> [Correction]
        /// Whether what lanes send is stored.
        var isStoring: @Sendable () -> Bool
        /// ms since 1970-01-01 UTC.
        var now: @Sendable () -> Int64 = { SystemClock.wallMilliseconds() }
    }

    private struct Queue: Sendable {
        var asked: [HTTPRequest] = []
        /// Those that run, and those that were asked for.
        var streams = 0
        var isStopping = false
    }

    private struct Viewer {
        var head: HTTPHead
        var stream: HTTPStream
        var hasWhole = false
    }

    private struct Carried: @unchecked Sendable {
        // Unchecked: carried to the one thread that uses it.
        var figures: LiveFigures
    }

    private let queue = Mutex(Queue())
    private let settings: CollectorSettings
    private let sources: Sources
    /// Whether a stream may go on.
    private let mayRead: @Sendable (HTTPHead) -> Bool
    private let bell: WakeUp
    private let thread = Mutex<NamedThread?>(nil)

    init(
        _ settings: CollectorSettings, page: String, _ sources: Sources,
        mayRead: @escaping @Sendable (HTTPHead) -> Bool
    ) throws(CollectorFailure) {
        self.settings = settings
        self.sources = sources
        self.mayRead = mayRead
        bell = try collecting { () throws(SystemFailure) in try WakeUp(name: "live") }
        let carried = Carried(
            figures: try LiveFigures(
                Database(settings.data.intakeDatabase, .readOnly), settings, page: page, now: sources.now()))
        let started = try collecting { () throws(SystemFailure) in
            try NamedThread.start(name: "live") { self.run(carried.figures) }
        }
        thread.withLock { $0 = started }
    }

    var streamCount: Int { queue.withLock { $0.streams } }

    /// Ends every stream; what comes later is refused.
    func stop() {
        queue.withLock { $0.isStopping = true }
        bell.signal()
        thread.withLock { $0 }?.join()
    }

    /// On the server's thread.
    func open(_ request: HTTPRequest) {
        if let unknown = request.head.query.keys.first {
            return request.answer(.error(400, "'\(unknown)' is not known here", advice: "ask for /v1/live alone"))
        }
        let isTaken = queue.withLock {
            guard !$0.isStopping, $0.streams < Self.mostStreams else { return false }
            $0.streams += 1
            $0.asked.append(request)
            return true
        }
        guard isTaken else {
            return request.answer(
                .error(
                    503, "\(Self.mostStreams) screens are watched already, or the collector is stopping",
                    advice: "close one, or ask for /v1/tallies", headers: [("Retry-After", "5")]))
        }
        bell.signal()
    }

    // MARK: On its own thread

    private func run(_ start: LiveFigures) {
        var figures = start
        var viewers: [Viewer] = []
        var nextBeat: UInt64 = 0
        var failure: String?
        let poll = PollSet(capacity: 1)
        while true {
            let (asked, isStopping) = queue.withLock { queue in
                defer { queue.asked = [] }
                return (queue.asked, queue.isStopping)
            }
            if isStopping {
                for viewer in viewers { viewer.stream.finish() }
                for request in asked { request.answer(Self.stopping) }
                return
            }
            for request in asked { viewers.append(open(request)) }
            let before = viewers.count
            viewers.removeAll { $0.stream.isOver }
            let now = SystemClock.monotonicNanoseconds()
            if now >= nextBeat {
                nextBeat = now + UInt64(Self.beatMilliseconds) * 1_000_000
                // While the books cannot be read, it would say what is not true: then a bare comment, which no page hears,
                // shows who is still there.
                beat(&viewers, failure == nil ? LiveFigures.beat(now: sources.now()) : Array(":\n\n".utf8))
            }
            if !viewers.isEmpty {
                do throws(CollectorFailure) {
                    try tell(&viewers, &figures)
                    failure = nil
                } catch {
                    if failure != error.description { Log.error("the live stream: \(error.description)") }
                    failure = error.description
                }
            }
            let gone = before - viewers.count
            queue.withLock { $0.streams -= gone }
            poll.removeAll()
            poll.add(bell.raw, .readable)
            // With nobody to tell it sleeps until the bell.
            let deadline = viewers.isEmpty ? nil : SystemClock.deadline(milliseconds: Self.periodMilliseconds)
            _ = try? poll.wait(until: deadline)
            bell.drain()
        }
    }

    private static let stopping = HTTPResponse.error(
        503, "the collector is stopping", advice: "try again in a moment", headers: [("Retry-After", "2")])

    private func open(_ request: HTTPRequest) -> Viewer {
        let stream = HTTPStream()
        var response = HTTPResponse(
            200, "text/event-stream; charset=utf-8", [],
            // A proxy that gathers would hold the news back.
            headers: [("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")])
        response.body = .stream(stream)
        request.answer(response)
        return Viewer(head: request.head, stream: stream)
    }

    private func tell(_ viewers: inout [Viewer], _ figures: inout LiveFigures) throws(CollectorFailure) {
        let now = sources.now()
        let inside = sources.inside().flatMap { $0.isKnown(at: now) ? $0 : nil }
        let isWanted = viewers.contains { !$0.hasWhole }
        let screen = ScreenFigures(
            sources.books(), settings, inside: inside, corrections: sources.corrections(),
            isStoring: sources.isStoring())
        guard let piece = try figures.next(screen, now: now, isWanted: isWanted) else { return }
        for index in viewers.indices {
            let hasWhole = viewers[index].hasWhole
            guard piece.isNews || !hasWhole else { continue }
            viewers[index].hasWhole = true
            viewers[index].stream.offer { isBehind in isBehind || !hasWhole ? piece.whole : piece.change }
        }
    }

    private func beat(_ viewers: inout [Viewer], _ piece: [UInt8]) {
        for viewer in viewers {
            if mayRead(viewer.head) { viewer.stream.offerIfIdle(piece) } else { viewer.stream.finish() }
        }
        viewers.removeAll { $0.stream.isFinished }
    }
}
