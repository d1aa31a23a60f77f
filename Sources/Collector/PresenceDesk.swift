import Admission
import Cryptography
import Framing
import Posix
import Synchronization

/// Tells lanes who is where: numbered, signed lists, on a thread of its own. `InsideList` says who passed; a lane asks for
/// what came behind the number that it has, or for everybody who is inside.
///
/// A list is made once and given to all who ask the same in the same second. A whole one is made every 5 s at most. How
/// often they are given says `PresenceTurns`: who asks too often is told to ask again.
final class PresenceDesk: Sendable {
    /// Passages that are kept for lists of what changed; a lane farther behind gets a whole list.
    static let mostKept = 262_144
    static let mostWaiting = 4096
    static let wholeListMilliseconds: Int64 = 5000
    private static let mostBytesKept = 32 << 20

    /// Where a holder's newest passage led to.
    struct Passage: Sendable {
        var holder: UInt32
        /// ms since 1970-01-01 UTC.
        var atMilliseconds: Int64
        var zone: ShortName
    }

    private struct Question: Sendable {
        var request: HTTPRequest
        var mark: PresenceMark
        /// nil: without TLS nobody says who he is.
        var lane: String?
    }

    private struct Queue: Sendable {
        var questions: [Question] = []
        var passages: [Passage] = []
        /// As of when; nil: nobody told yet.
        var asOf: Int64?
        var isStopping = false
    }

    private let queue = Mutex(Queue())
    private let bell: WakeUp
    private let thread = Mutex<NamedThread?>(nil)

    init(site: SiteID, key: Ed25519.SigningKey) throws(CollectorFailure) {
        bell = try collecting { () throws(SystemFailure) in try WakeUp(name: "presence") }
        let numbering: [UInt8]
        do { numbering = try RandomBytes.make(16) } catch {
            throw CollectorFailure("make", "a numbering", error.reason)
        }
        let book = PresenceBook(site: site, numbering: Epoch(bytes: numbering) ?? .none, key: key)
        let started = try collecting { () throws(SystemFailure) in
            try NamedThread.start(name: "presence") { self.run(book) }
        }
        thread.withLock { $0 = started }
    }

    func stop() {
        queue.withLock { $0.isStopping = true }
        bell.signal()
        thread.withLock { $0 }?.join()
    }

    /// What is known since the last call. `asOf`: every lane had told by then what happened at it.
    func note(_ passages: [Passage], asOf: Int64) {
        queue.withLock {
            $0.passages += passages
            $0.asOf = asOf
        }
        bell.signal()
    }

    /// `GET /v1/presence?numbering=HEX&after=N`; without them a whole list.
    func list(_ request: HTTPRequest, of lane: String?) {
        let query = request.head.query
        if let unknown = query.keys.first(where: { !["numbering", "after"].contains($0) }) {
            return request.answer(.error(400, "'\(unknown)' is not known here", advice: "numbering and after are"))
        }
        guard let after = UInt64(query["after"] ?? "0"), Int64(exactly: after) != nil,
            let numbering = Epoch(hex: query["numbering"] ?? Epoch.none.hex)
        else {
            return request.answer(
                .error(
                    400, "numbering and after are not those of a list",
                    advice: "give those of the list that you have, or neither"))
        }
        let mark = PresenceMark(numbering: numbering, number: after)
        let isTaken = queue.withLock {
            guard !$0.isStopping, $0.questions.count < Self.mostWaiting else { return false }
            $0.questions.append(Question(request: request, mark: mark, lane: lane))
            return true
        }
        guard isTaken else { return request.answer(Self.later("more is asked at once than is answered", seconds: 2)) }
        bell.signal()
    }

    private static func later(_ problem: String, seconds: Int) -> HTTPResponse {
        .error(503, problem, advice: "ask again", headers: [("Retry-After", String(seconds))])
    }

    // MARK: On its own thread

    private func run(_ start: PresenceBook) {
        var book = start
        let poll = PollSet(capacity: 1)
        var lists: [PresenceMark: HTTPResponse] = [:]
        var bytesKept = 0
        var whole: (response: HTTPResponse, made: UInt64)?
        var turns = PresenceTurns()
        while true {
            let (questions, passages, asOf, isStopping) = queue.withLock { queue in
                defer {
                    queue.questions = []
                    queue.passages = []
                }
                return (queue.questions, queue.passages, queue.asOf, queue.isStopping)
            }
            // Whoever still waits when the collector stops is answered by the server.
            if isStopping { return }
            if book.take(passages, asOf: asOf, now: SystemClock.wallMilliseconds()) { (lists, bytesKept) = ([:], 0) }
            let now = SystemClock.monotonicNanoseconds()
            for question in questions {
                guard book.isKnown else {
                    question.request.answer(Self.later("nobody has looked yet who is inside", seconds: 1))
                    continue
                }
                let goesOn = book.goesOn(from: question.mark)
                if let wait = turns.wait(of: question.lane, forWhole: !goesOn, now: now) {
                    question.request.answer(Self.later(wait.reason, seconds: wait.seconds))
                    continue
                }
                do throws(CollectorFailure) {
                    if goesOn {
                        if lists[question.mark] == nil {
                            let list = try book.list(behind: question.mark.number)
                            if bytesKept + list.count > Self.mostBytesKept { (lists, bytesKept) = ([:], 0) }
                            bytesKept += list.count
                            lists[question.mark] = Self.response(list)
                        }
                        if let made = lists[question.mark] { question.request.answer(made) }
                    } else {
                        if whole.map({ now - $0.made > UInt64(Self.wholeListMilliseconds) * 1_000_000 }) ?? true {
                            whole = (Self.response(try book.wholeList()), now)
                        }
                        if let whole { question.request.answer(whole.response) }
                    }
                } catch {
                    Log.error(error.description)
                    question.request.answer(.error(503, error.description, advice: error.advice))
                }
            }
            poll.removeAll()
            poll.add(bell.raw, .readable)
            _ = try? poll.wait(until: SystemClock.deadline(milliseconds: 1000))
            bell.drain()
        }
    }

    private static func response(_ signed: [UInt8]) -> HTTPResponse {
        var response = HTTPResponse(200, "application/octet-stream", signed)
        // 9 MB at most.
        response.patienceMilliseconds = 60_000
        return response
    }
}

/// Who is where, numbered: every batch of passages is one number more.
struct PresenceBook {
    private let site: SiteID
    private let numbering: Epoch
    private let key: Ed25519.SigningKey
    private(set) var number: UInt64 = 1
    private(set) var asOf: Int64?
    private var zones: [ShortName] = []
    private var places: [ShortName: UInt8] = [:]
    private var inside: [UInt32: PresenceList.Entry] = [:]
    /// Who passed with which number, oldest first, from `keptFrom` on.
    private var kept: [(number: UInt64, holder: UInt32)] = []
    private var keptFrom = 0
    /// What came behind this number is kept.
    private var keptBehind: UInt64 = 1

    init(site: SiteID, numbering: Epoch, key: Ed25519.SigningKey) {
        self.site = site
        self.numbering = numbering
        self.key = key
    }

    var isKnown: Bool { asOf != nil }

    /// Whether anything is new. `now`: by this machine's clock, ms since 1970-01-01 UTC.
    mutating func take(_ passages: [PresenceDesk.Passage], asOf: Int64?, now: Int64) -> Bool {
        let before = self.asOf
        if let asOf { self.asOf = SiteKnowledge.asOf(asOf, after: before, now: now) }
        let isNew = !passages.isEmpty || before != self.asOf
        guard !passages.isEmpty else { return isNew }
        number += 1
        for passage in passages {
            if let zone = place(of: passage.zone) {
                inside[passage.holder] = PresenceList.Entry(
                    holder: passage.holder, passedAtSeconds: UInt32(clamping: passage.atMilliseconds / 1000), zone: zone
                )
            } else {
                inside[passage.holder] = nil
            }
            kept.append((number, passage.holder))
        }
        while kept.count - keptFrom > PresenceDesk.mostKept {
            keptBehind = kept[keptFrom].number
            keptFrom += 1
        }
        if keptFrom > PresenceDesk.mostKept {
            kept.removeFirst(keptFrom)
            keptFrom = 0
        }
        return true
    }

    /// nil: outside, or a zone more than a list has room for, of which nothing is said.
    private mutating func place(of zone: ShortName) -> UInt8? {
        if let known = places[zone] { return known }
        guard zone != .outside, zones.count < PresenceList.mostZones else { return nil }
        zones.append(zone)
        places[zone] = UInt8(zones.count)
        return UInt8(zones.count)
    }

    func goesOn(from mark: PresenceMark) -> Bool {
        mark.numbering == numbering && mark.number >= keptBehind && mark.number <= number
    }

    /// Signed: where everybody is now who passed behind this number, which `goesOn` has accepted.
    func list(behind: UInt64) throws(CollectorFailure) -> [UInt8] {
        var holders: Set<UInt32> = []
        for index in stride(from: kept.count - 1, through: keptFrom, by: -1) {
            guard kept[index].number > behind else { break }
            holders.insert(kept[index].holder)
        }
        return try signed(
            after: behind,
            holders.sorted().map { inside[$0] ?? PresenceList.Entry(holder: $0, passedAtSeconds: 0, zone: 0) })
    }

    /// Signed: everybody who is inside.
    func wholeList() throws(CollectorFailure) -> [UInt8] {
        guard inside.count <= PresenceList.mostHolders else {
            throw CollectorFailure(
                "list", "\(inside.count) holders inside", "a list takes \(PresenceList.mostHolders)",
                advice: "lanes know nothing of each other's holders, and refuse nobody for that")
        }
        return try signed(after: 0, inside.values.sorted { $0.holder < $1.holder })
    }

    private func signed(after: UInt64, _ entries: [PresenceList.Entry]) throws(CollectorFailure) -> [UInt8] {
        let part = PresenceList(
            site: site, numbering: numbering, after: after, number: number,
            asOf: WallTime(milliseconds: asOf ?? 0), zones: zones, entries: entries
        ).signedPart
        do { return part + (try key.sign(part)) } catch {
            throw CollectorFailure("sign", "a presence list", error.reason)
        }
    }
}
