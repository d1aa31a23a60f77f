import Admission
import Cryptography
import Framing
import Posix
import Synchronization

/// Takes changes in and gives lists out, on a thread and connections of its own. A lane that has everything waits here, its
/// connection suspended, until there is more: so a code that turns red is on its way to every lane at once.
final class ChangeDesk: Sendable {
    /// Lanes that wait, and requests that are not looked at yet.
    static let mostWaiting = 4096
    static let mostRequests = 16
    /// The longest time a lane may ask to wait: it must hear of a collector that is gone.
    static let longestWaitSeconds = 25
    /// What other processes published is found within this time.
    private static let periodMilliseconds = 200
    private static let mostListsKept = 64
    private static let mostDoubted = 256

    private struct Waiting: Sendable {
        var request: HTTPRequest
        var lane: String?
        var after: UInt64
        /// The version of its image; 0: it does not say.
        var image: UInt64
        /// Monotonic ns.
        var until: UInt64
    }

    private struct Queue: Sendable {
        var lists: [Waiting] = []
        var changes: [HTTPRequest] = []
        var isStopping = false
        var waiting = 0
    }

    /// A lane has a change, or an image, that was never made here, as far as this collector knows.
    struct Ahead: Sendable, Hashable {
        var number: UInt64
        /// nil: without TLS nobody says who he is.
        var lane: String?
    }

    private let queue = Mutex(Queue())
    private let ahead = Mutex<Ahead?>(nil)
    private let aheadByImage = Mutex<Ahead?>(nil)
    private let bell: WakeUp
    private let key: Ed25519.SigningKey
    private let published: PublishedDirectory
    private let thread = Mutex<NamedThread?>(nil)

    private struct Carried: @unchecked Sendable {
        // Unchecked: carried to the one thread that uses it.
        let store: ChangeStore
    }

    init(_ directory: SiteDirectory, key: Ed25519.SigningKey) throws(CollectorFailure) {
        self.key = key
        published = PublishedDirectory(directory)
        bell = try collecting { () throws(SystemFailure) in try WakeUp(name: "changes") }
        let carried = Carried(store: try ChangeStore(directory))
        let started = try collecting { () throws(SystemFailure) in
            try NamedThread.start(name: "changes") { self.run(carried.store) }
        }
        thread.withLock { $0 = started }
    }

    func stop() {
        queue.withLock { $0.isStopping = true }
        bell.signal()
        thread.withLock { $0 }?.join()
    }

    /// The farthest that a lane was ahead since this was asked last.
    func takeAhead() -> Ahead? {
        ahead.withLock { ahead in
            defer { ahead = nil }
            return ahead
        }
    }

    /// As `takeAhead`, by the version of its image.
    func takeAheadByImage() -> Ahead? {
        aheadByImage.withLock { ahead in
            defer { ahead = nil }
            return ahead
        }
    }

    // MARK: On the server's thread

    /// `GET /v1/changes?after=N&wait=SECONDS`
    func list(_ request: HTTPRequest, of lane: String?) {
        let query = request.head.query
        if let unknown = query.keys.first(where: { !["after", "wait"].contains($0) }) {
            return request.answer(.error(400, "'\(unknown)' is not known here", advice: "after and wait are"))
        }
        guard let after = query["after"].flatMap({ UInt64($0) }), Int64(exactly: after) != nil else {
            return request.answer(
                .error(400, "after=\(query["after"] ?? "") is not accepted", advice: "the number of the last change"))
        }
        guard let wait = Int(query["wait"] ?? "0"), (0...Self.longestWaitSeconds).contains(wait) else {
            return request.answer(
                .error(
                    400, "wait=\(query["wait"] ?? "") is not accepted",
                    advice: "seconds, 0 to \(Self.longestWaitSeconds)"))
        }
        let image = request.head.header("lanekeeper-image-version").flatMap { UInt64($0) } ?? 0
        let asked = Waiting(
            request: request, lane: lane, after: after, image: image,
            until: SystemClock.deadline(milliseconds: wait * 1000))
        let isTaken = queue.withLock {
            guard !$0.isStopping, $0.lists.count + $0.waiting < Self.mostWaiting else { return false }
            $0.lists.append(asked)
            return true
        }
        guard isTaken else { return request.answer(Self.busy) }
        bell.signal()
    }

    /// `POST /v1/changes`
    func take(_ request: HTTPRequest) {
        let isTaken = queue.withLock {
            guard !$0.isStopping, $0.changes.count < Self.mostRequests else { return false }
            $0.changes.append(request)
            return true
        }
        guard isTaken else { return request.answer(Self.busy) }
        bell.signal()
    }

    private static let busy = HTTPResponse.error(
        503, "more is asked at once than is answered", advice: "ask again in a second", headers: [("Retry-After", "1")])

    // MARK: On its own thread

    private func run(_ store: ChangeStore) {
        var waiting: [Waiting] = []
        var lists: [UInt64: HTTPResponse] = [:]
        var listsUpTo: UInt64 = 0
        var kept = Kept()
        var doubted: Set<String> = []
        let poll = PollSet(capacity: 1)
        while true {
            let (asked, posted, isStopping) = queue.withLock { queue in
                defer {
                    queue.lists = []
                    queue.changes = []
                }
                return (queue.lists, queue.changes, queue.isStopping)
            }
            // Whoever still waits when the collector stops is answered by the server.
            if isStopping { return }
            for request in posted { request.answer(answer(request, store)) }
            waiting += asked
            let now = SystemClock.monotonicNanoseconds()
            do throws(CollectorFailure) {
                let newest = try store.newest()
                if newest != listsUpTo {
                    lists = [:]
                    listsUpTo = newest
                }
                var rest: [Waiting] = []
                let image = store.image?.version ?? 0
                for one in waiting {
                    if one.image > image { note(image: one, image) }
                    if one.after == newest {
                        if one.until > now {
                            rest.append(one)
                        } else {
                            one.request.answer(Self.nothing(newest))
                        }
                        continue
                    }
                    // It takes no image that could be made here for it before it takes one of a higher version.
                    if one.after > newest, one.image <= image { note(one, newest, &doubted) }
                    if lists.count >= Self.mostListsKept { lists = [:] }
                    if lists[one.after] == nil {
                        try keep(&kept, through: newest, store)
                        lists[one.after] = try list(after: one.after, store)
                    }
                    if let made = lists[one.after] { one.request.answer(made) }
                }
                waiting = rest
            } catch {
                Log.error(error.description)
                for one in waiting { one.request.answer(.error(503, error.description, advice: error.advice)) }
                waiting = []
            }
            let count = waiting.count
            queue.withLock { $0.waiting = count }
            poll.removeAll()
            poll.add(bell.raw, .readable)
            let period = waiting.isEmpty ? 1000 : Self.periodMilliseconds
            _ = try? poll.wait(until: SystemClock.deadline(milliseconds: period))
            bell.drain()
        }
    }

    /// Of all lanes that are ahead the farthest counts, but for one that says what cannot be: it hides no other. The log
    /// names such a lane once.
    private func note(_ one: Waiting, _ newest: UInt64, _ doubted: inout Set<String>) {
        let new = Ahead(number: one.after, lane: one.lane)
        guard new.number - newest <= NumberLeap.farthest else {
            let lane = one.lane.map { "lane \($0)" } ?? "a lane"
            if doubted.count >= Self.mostDoubted { doubted = [] }
            guard doubted.insert(lane).inserted else { return }
            let failure = CollectorFailure(
                "believe", lane, "it has change \(new.number), and the newest here is \(newest)",
                advice: "look at that lane: it is damaged, or lies")
            return Log.error("changes: \(failure.description)")
        }
        ahead.withLock { if $0.map({ $0.number < new.number }) ?? true { $0 = new } }
    }

    /// What cannot be hides nobody here, either.
    private func note(image one: Waiting, _ newest: UInt64) {
        guard one.image - newest <= NumberLeap.farthest else { return }
        let new = Ahead(number: one.image, lane: one.lane)
        aheadByImage.withLock { if $0.map({ $0.number < new.number }) ?? true { $0 = new } }
    }

    /// Which changes stand in `published/`.
    private struct Kept {
        var through: UInt64 = 0
        var failure: String?
    }

    /// Before any lane has a change, a list with it stands in `published/`. What the image in force has is in its file. A
    /// disk that does not take a list is logged, and does not keep it from lanes.
    private func keep(_ kept: inout Kept, through newest: UInt64, _ store: ChangeStore) throws(CollectorFailure) {
        kept.through = max(kept.through, store.image?.header.changeNumber ?? 0)
        while kept.through < newest, var list = try store.cut(after: kept.through) {
            // The same however often it is made, but never from the future.
            list.issuedAt.milliseconds = min(list.issuedAt.milliseconds, SystemClock.wallMilliseconds())
            let bytes = try list.signed(by: key)
            do throws(CollectorFailure) {
                _ = try published.put(list: bytes)
                (kept.through, kept.failure) = (list.last, nil)
            } catch {
                if kept.failure != error.description { Log.error("published files: \(error.description)") }
                kept.failure = error.description
                return
            }
        }
    }

    private static func nothing(_ newest: UInt64) -> HTTPResponse {
        HTTPResponse(204, "application/octet-stream", [], headers: [("Lanekeeper-Change-Number", String(newest))])
    }

    private func list(after number: UInt64, _ store: ChangeStore) throws(CollectorFailure) -> HTTPResponse {
        switch try store.list(after: number, now: SystemClock.wallMilliseconds()) {
        case .nothingNewer: return Self.nothing(number)
        case .missing(let newest):
            return .error(
                410, "what comes behind change \(number) is not here; the newest is \(newest)",
                advice: "fetch the image", headers: [("Lanekeeper-Change-Number", String(newest))])
        case .list(let list):
            let bytes = try list.signed(by: key)
            let digest: [UInt8]
            do throws(CryptographyFailure) { digest = try SHA256.hash(bytes) } catch {
                throw CollectorFailure("name", "a change list", error.reason)
            }
            return HTTPResponse(
                200, "application/octet-stream", bytes,
                headers: [
                    ("ETag", "\"\(Hexadecimal.text(digest))\""),
                    ("Lanekeeper-Change-Number", String(list.last)),
                ])
        }
    }

    // MARK: Changes

    private func answer(_ request: HTTPRequest, _ store: ChangeStore) -> HTTPResponse {
        let advice = "send [{\"holder\":\"…\",\"health_code\":\"red\"}], see docs/formats.md"
        let name = request.head.header("idempotency-key")
        if let name,
            !(1...ChangeRequest.longestName).contains(name.utf8.count)
                || name.utf8.contains(where: { $0 < 0x21 || $0 > 0x7E })
        {
            return .error(
                400, "Idempotency-Key is not 1 to \(ChangeRequest.longestName) printable characters",
                advice: "send a name of your own for this request, such as a UUID")
        }
        let now = SystemClock.wallMilliseconds()
        let asked: ChangeRequest
        do throws(ChangeRequest.Malformed) { asked = try ChangeRequest(request.takeBody()) } catch {
            return .error(400, error.reason, advice: advice)
        }
        do {
            let changes = try asked.read(store, now: now)
            let published = try store.publish(changes, request: name, digest: asked.digest, now: now)
            if !published.isRepeated, published.count > 0 {
                Log.notice("\(changes.count) changes of holders: \(published.words)")
            }
            return .json(
                .object([
                    ("changes", .number(changes.count)), ("identifiers", .number(published.count)),
                    ("first", published.count > 0 ? .number(published.first) : .null),
                    ("last", published.count > 0 ? .number(published.last) : .null),
                    ("repeated", .truth(published.isRepeated)),
                ]))
        } catch let problems as ChangeProblems {
            return ChangeRequest.answer(
                422, "nothing was changed: \(problems.all.count) problems", problems.all,
                advice: "put them right and send all again")
        } catch let refusal as ChangeStore.Refusal {
            return Self.response(to: refusal)
        } catch let failure as CollectorFailure {
            Log.error(failure.description)
            return .error(503, failure.description, advice: failure.advice, headers: [("Retry-After", "5")])
        } catch { return .error(500, "\(error)", advice: "see the collector's log") }
    }

    private static func response(to refusal: ChangeStore.Refusal) -> HTTPResponse {
        switch refusal {
        case .problems(let problems):
            return ChangeRequest.answer(
                422, "nothing was changed: \(problems.count) problems",
                problems.map { ChangeRequest.Problem(index: $0.index, field: "holder", reason: $0.reason) },
                advice: "put them right and send all again")
        case .behind: return .error(503, refusal.reason, advice: refusal.advice, headers: [("Retry-After", "2")])
        case .failure(let failure):
            Log.error(failure.description)
            return .error(503, failure.description, advice: failure.advice, headers: [("Retry-After", "5")])
        default: return .error(409, refusal.reason, advice: refusal.advice)
        }
    }
}

/// What is wrong with changes, all of it.
struct ChangeProblems: Error {
    var all: [ChangeRequest.Problem]
}

extension ChangeRequest {
    /// Every change read, or every problem.
    func read(_ store: ChangeStore, now: Int64) throws -> [HolderChange] {
        var all = problems
        var read: [HolderChange] = []
        var fields = ChangeFields(nowMilliseconds: now)
        for (index, texts) in changes.enumerated() where !problems.contains(where: { $0.index == index }) {
            let number = try texts[FeedColumn.holder.rawValue].flatMap { try store.holder($0) }
            if let change = fields.read(texts, holder: number) {
                read.append(change)
            } else {
                all += fields.problems.map { Problem(index: index, field: $0.field, reason: $0.reason) }
            }
        }
        guard all.isEmpty else { throw ChangeProblems(all: all) }
        return read
    }
}
