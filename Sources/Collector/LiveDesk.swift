import Posix
import Synchronization

/// `GET /v1/live`, what the wall screen shows, and `GET /v1/occupancy/stream`, how full the site is: sent as Server-Sent
/// Events as they change.
///
/// One thread for all streams, and none runs while nobody looks. The books are looked at every `periodMilliseconds`; what
/// is new is made once and given to every stream, which holds the newest piece and no queue (HTTPStream.swift): who skipped
/// one gets the whole instead of a change he could not apply.
final class LiveDesk: Sendable {
    /// What a stream is of.
    enum Topic: Sendable {
        case screen, occupancy
    }

    /// Of each topic.
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
        var asked: [(HTTPRequest, Topic)] = []
        /// Those that run, and those that were asked for.
        var streams: [Topic: Int] = [:]
    }

    private struct Viewer {
        var topic: Topic
        var head: HTTPHead
        var stream: HTTPStream
        /// Of the screen: what a change applies to was sent.
        var hasWhole = false
        /// Of the occupancy that was sent.
        var revision: Int64?
    }

    private struct Carried: @unchecked Sendable {
        // Unchecked: carried to the one thread that uses it.
        var figures: LiveFigures
    }

    private let queue = Mutex(Queue())
    private let settings: CollectorSettings
    private let sources: Sources
    private let occupancy: Occupancy
    /// Whether a stream may go on.
    private let mayRead: @Sendable (HTTPHead) -> Bool
    private let thread: DeskThread

    init(
        _ settings: CollectorSettings, page: String, _ sources: Sources,
        mayRead: @escaping @Sendable (HTTPHead) -> Bool
    ) throws(CollectorFailure) {
        self.settings = settings
        self.sources = sources
        self.mayRead = mayRead
        occupancy = Occupancy(now: sources.now())
        thread = try DeskThread(name: "live")
        let carried = Carried(
            figures: try LiveFigures(
                Database(settings.data.intakeDatabase, .readOnly), settings, page: page, now: sources.now()))
        try thread.start { self.run(carried.figures) }
    }

    /// How full the site is now.
    var occupancyNow: Occupancy.Document {
        let now = sources.now()
        return occupancy.document(screen(now), now: now)
    }

    /// Ends every stream; what comes later is refused.
    func stop() { thread.stop() }

    /// On the server's thread.
    func open(_ request: HTTPRequest, _ topic: Topic) {
        do throws(HTTPRefusal) { try request.head.refuseUnknown(but: []) } catch {
            return request.answer(error.response)
        }
        let isTaken = queue.withLock {
            guard !thread.isStopping, $0.streams[topic, default: 0] < Self.mostStreams else { return false }
            $0.streams[topic, default: 0] += 1
            $0.asked.append((request, topic))
            return true
        }
        guard isTaken else {
            let (what, instead) =
                switch topic {
                case .screen: ("screens are watched", "/v1/tallies")
                case .occupancy: ("subscribers are told", "/v1/occupancy")
                }
            return request.answer(
                .error(
                    503, "\(Self.mostStreams) \(what) already, or the collector is stopping",
                    advice: "close one, or ask for \(instead)", headers: [("Retry-After", "5")]))
        }
        thread.ring()
    }

    // MARK: On its own thread

    private func run(_ start: LiveFigures) {
        var figures = start
        var viewers: [Viewer] = []
        var nextBeat: UInt64 = 0
        var failure: String?
        while true {
            let asked = queue.withLock { queue in
                defer { queue.asked = [] }
                return queue.asked
            }
            if thread.isStopping {
                for viewer in viewers { viewer.stream.finish() }
                for (request, _) in asked { request.answer(Self.stopping) }
                return
            }
            for (request, topic) in asked {
                viewers.append(Viewer(topic: topic, head: request.head, stream: HTTPStream.events(to: request)))
            }
            removeGone(&viewers) { $0.stream.isOver }
            let now = SystemClock.monotonicNanoseconds()
            if now >= nextBeat {
                nextBeat = now + UInt64(Self.beatMilliseconds) * 1_000_000
                beat(&viewers, isFailing: failure != nil)
            }
            tellOccupancy(&viewers)
            if viewers.contains(where: { $0.topic == .screen }) {
                do throws(CollectorFailure) {
                    try tellScreens(&viewers, &figures)
                    failure = nil
                } catch {
                    if failure != error.description { Log.error("the live stream: \(error.description)") }
                    failure = error.description
                }
            }
            // With nobody to tell it sleeps until the bell.
            thread.wait(until: viewers.isEmpty ? nil : SystemClock.deadline(milliseconds: Self.periodMilliseconds))
        }
    }

    static let stopping = HTTPResponse.error(
        503, "the collector is stopping", advice: "try again in a moment", headers: [("Retry-After", "2")])

    private func removeGone(_ viewers: inout [Viewer], _ isGone: (Viewer) -> Bool) {
        var gone: [Topic: Int] = [:]
        viewers.removeAll { viewer in
            guard isGone(viewer) else { return false }
            gone[viewer.topic, default: 0] += 1
            return true
        }
        guard !gone.isEmpty else { return }
        queue.withLock { for (topic, count) in gone { $0.streams[topic, default: 0] -= count } }
    }

    private func screen(_ now: Int64) -> ScreenFigures {
        ScreenFigures(
            sources.books(), settings, inside: sources.inside().flatMap { $0.isKnown(at: now) ? $0 : nil },
            corrections: sources.corrections(), isStoring: sources.isStoring())
    }

    private func tellScreens(_ viewers: inout [Viewer], _ figures: inout LiveFigures) throws(CollectorFailure) {
        let now = sources.now()
        let isWanted = viewers.contains { $0.topic == .screen && !$0.hasWhole }
        guard let piece = try figures.next(screen(now), now: now, isWanted: isWanted) else { return }
        for index in viewers.indices where viewers[index].topic == .screen {
            let hasWhole = viewers[index].hasWhole
            guard piece.isNews || !hasWhole else { continue }
            viewers[index].hasWhole = true
            viewers[index].stream.offer { isBehind in isBehind || !hasWhole ? piece.whole : piece.change }
        }
    }

    /// Every event is all of it: who skipped some needs none of them.
    private func tellOccupancy(_ viewers: inout [Viewer]) {
        guard viewers.contains(where: { $0.topic == .occupancy }) else { return }
        let document = occupancyNow
        let event = document.event
        for index in viewers.indices where viewers[index].topic == .occupancy {
            guard viewers[index].revision != document.revision else { continue }
            viewers[index].revision = document.revision
            viewers[index].stream.offer { _ in event }
        }
    }

    /// `isFailing`: the screens' books cannot be read, and a beat would say what is not true: then a bare comment, which no
    /// page hears, shows who is still there.
    private func beat(_ viewers: inout [Viewer], isFailing: Bool) {
        let now = sources.now()
        let ofScreen = isFailing ? Array(":\n\n".utf8) : LiveFigures.beat(now: now)
        let hasOccupancy = viewers.contains { $0.topic == .occupancy }
        let ofOccupancy = hasOccupancy ? occupancyNow.beat(now: now) : []
        for viewer in viewers {
            guard mayRead(viewer.head) else {
                viewer.stream.finish()
                continue
            }
            switch viewer.topic {
            case .screen: viewer.stream.offerIfIdle(ofScreen)
            // A beat names a revision that was sent before it.
            case .occupancy: if viewer.revision != nil { viewer.stream.offerIfIdle(ofOccupancy) }
            }
        }
        removeGone(&viewers) { $0.stream.isFinished }
    }
}
