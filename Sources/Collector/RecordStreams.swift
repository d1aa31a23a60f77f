import Posix
import Synchronization

/// `GET /v1/records/stream?after=ROW&lane=`: each record as it is stored, as Server-Sent Events.
///
/// A stream is a cursor in the database and no queue: what is behind it is read in pages, and the next one only when the
/// peer began to take the one before. So nothing is lost between what was and what comes, who reads slowly is read on for
/// at his pace, and whoever was cut off goes on from the `id` of the last event that he had. Only what is durable is read.
/// One thread for all streams, on connections of its own.
final class RecordStreams: Sendable {
    static let mostStreams = 64
    /// A record shows within this time.
    static let periodMilliseconds = LiveDesk.periodMilliseconds
    static let beatMilliseconds = LiveDesk.beatMilliseconds

    /// What is asked for.
    struct Query: Sendable {
        var lane: String?
        /// The row of the last record that was seen; nil: what was stored by now.
        var after: Int64?

        /// `after=` goes before `Last-Event-ID`: what a browser sends by itself when it comes back names the newer row. What is wrong
        /// with the request, as an answer.
        init(_ head: HTTPHead) throws(HTTPRefusal) {
            try head.refuseUnknown(but: ["after", "lane"])
            lane = try head.laneOfQuery()
            let given = try head.number("after", in: 0...Int64.max, expected: "the row of the last record seen, or 0")
            guard let last = head.header("last-event-id"), !last.isEmpty else {
                after = given
                return
            }
            guard let row = Int64(last), row >= 0 else {
                throw HTTPRefusal("Last-Event-ID", last, expected: "the id of an event of this stream")
            }
            after = max(row, given ?? row)
        }
    }

    private struct Queue: Sendable {
        var asked: [(HTTPRequest, Query)] = []
        /// Those that run, and those that were asked for.
        var streams = 0
    }

    private struct Reading {
        var head: HTTPHead
        var stream: HTTPStream
        /// Its row; nil: every lane.
        var lane: Int64?
        /// Everything up to this row was offered.
        var cursor: Int64
    }

    private struct Carried: @unchecked Sendable {
        // Unchecked: carried to the one thread that uses it.
        let reader: RecordReader
    }

    private let queue = Mutex(Queue())
    private let limits: RecordReader.PageLimits
    /// Whether a stream may go on.
    private let mayRead: @Sendable (HTTPHead) -> Bool
    private let thread: DeskThread

    init(
        _ directory: SiteDirectory, limits: RecordReader.PageLimits = .init(),
        mayRead: @escaping @Sendable (HTTPHead) -> Bool
    ) throws(CollectorFailure) {
        self.limits = limits
        self.mayRead = mayRead
        thread = try DeskThread(name: "records")
        let carried = Carried(
            reader: try RecordReader(
                intake: Database(directory.intakeDatabase, .readOnly),
                site: Database(directory.siteDatabase, .readOnly)))
        try thread.start { self.run(carried.reader) }
    }

    /// Ends every stream; what comes later is refused.
    func stop() { thread.stop() }

    /// On the server's thread.
    func open(_ request: HTTPRequest) {
        let query: Query
        do throws(HTTPRefusal) { query = try Query(request.head) } catch { return request.answer(error.response) }
        let isTaken = queue.withLock {
            guard !thread.isStopping, $0.streams < Self.mostStreams else { return false }
            $0.streams += 1
            $0.asked.append((request, query))
            return true
        }
        guard isTaken else {
            return request.answer(
                .error(
                    503, "\(Self.mostStreams) streams of records are read already, or the collector is stopping",
                    advice: "close one, or ask for /v1/records", headers: [("Retry-After", "5")]))
        }
        thread.ring()
    }

    // MARK: On its own thread

    private func run(_ reader: RecordReader) {
        var readings: [Reading] = []
        var nextBeat: UInt64 = 0
        var failure: String?
        while true {
            let asked = queue.withLock { queue in
                defer { queue.asked = [] }
                return queue.asked
            }
            if thread.isStopping {
                for reading in readings { reading.stream.finish() }
                for (request, _) in asked { request.answer(LiveDesk.stopping) }
                return
            }
            let before = readings.count + asked.count
            var isMore = false
            do throws(CollectorFailure) {
                let last = try reader.lastRow()
                for (request, query) in asked {
                    if let reading = try open(request, query, last: last, reader) { readings.append(reading) }
                }
                for index in readings.indices {
                    if try readOn(&readings[index], to: last, reader) { isMore = true }
                }
                failure = nil
            } catch {
                if failure != error.description { Log.error("the stream of records: \(error.description)") }
                failure = error.description
                // Those that were opened have been answered, and take no second answer.
                for (request, _) in asked { request.answer(.error(500, error.description, advice: error.advice)) }
            }
            let now = SystemClock.monotonicNanoseconds()
            if now >= nextBeat {
                nextBeat = now + UInt64(Self.beatMilliseconds) * 1_000_000
                for reading in readings { beat(reading, isFailing: failure != nil) }
            }
            readings.removeAll { $0.stream.isOver || $0.stream.isFinished }
            let gone = before - readings.count
            queue.withLock { $0.streams -= gone }
            if isMore { continue }
            // With nobody to tell it sleeps until the bell.
            thread.wait(until: readings.isEmpty ? nil : SystemClock.deadline(milliseconds: Self.periodMilliseconds))
        }
    }

    /// nil: it was refused.
    private func open(
        _ request: HTTPRequest, _ query: Query, last: Int64, _ reader: RecordReader
    ) throws(CollectorFailure) -> Reading? {
        var lane: Int64?
        if let name = query.lane {
            lane = try reader.row(ofLane: name)
            guard lane != nil else {
                request.answer(.unknownLane(name))
                return nil
            }
        }
        let cursor = query.after ?? last
        guard cursor <= last else {
            request.answer(
                .error(
                    410, "row \(cursor) is not stored, the last one is \(last)",
                    advice: "the database is another one or from a backup: begin with after=\(last) or earlier"))
            return nil
        }
        let stream = HTTPStream.events(to: request) { [thread] in thread.ring() }
        // Whoever is cut off before the first record goes on from here.
        stream.offer { _ in Array(": records behind row \(cursor)\nid: \(cursor)\nretry: 1000\n\n".utf8) }
        return Reading(head: request.head, stream: stream, lane: lane, cursor: cursor)
    }

    /// A page more, when there is one and room for it. true: it held nothing, and there is more behind it.
    private func readOn(
        _ reading: inout Reading, to last: Int64, _ reader: RecordReader
    ) throws(CollectorFailure) -> Bool {
        guard reading.cursor < last, reading.stream.hasRoom else { return false }
        let page = try reader.page(after: reading.cursor, lane: reading.lane, limits)
        let isEmpty = page.events.isEmpty
        let isFurther = page.through > reading.cursor
        reading.cursor = page.through
        if !isEmpty { reading.stream.offer { _ in page.events } }
        return isEmpty && isFurther && page.through < last
    }

    /// What a stream says when nothing comes: that it is not cut off, and from where to go on.
    private func beat(_ reading: Reading, isFailing: Bool) {
        guard mayRead(reading.head) else { return reading.stream.finish() }
        let data = "{\"as_of_ms\":\(SystemClock.wallMilliseconds()),\"row\":\(reading.cursor)}"
        reading.stream.offerIfIdle(
            Array(isFailing ? ":\n\n".utf8 : "event: beat\nid: \(reading.cursor)\ndata: \(data)\n\n".utf8))
    }
}
