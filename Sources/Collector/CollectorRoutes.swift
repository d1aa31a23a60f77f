import Admission
import Framing
import Posix

/// What the collector serves:
///
///     POST /v1/records     a batch of records → `stored <epoch> <sequence>`
///     GET  /v1/records     stored records as JSON lines: lane=, after=ROW, limit=
///     GET  /v1/tallies     counts: in all, today, per lane, per zone
///     GET  /v1/lanes       each lane: last seen, stored through, what is missing, counts
///     GET  /v1/image       the credential image in force (ETag, Range)
///     GET  /v1/statement   the newest signed statement
///     GET  /healthz        whether the collector works
///     GET  /               the page, with /page.css and /page.js
final class CollectorRoutes: HTTPRoutes {
    private let settings: CollectorSettings
    private let intake: Intake
    private let archive: RecordArchive
    private let publisher: Publisher
    private let screen: Screen

    init(
        _ settings: CollectorSettings, intake: Intake, archive: RecordArchive, publisher: Publisher
    ) {
        self.settings = settings
        self.intake = intake
        self.archive = archive
        self.publisher = publisher
        screen = Screen(settings)
    }

    /// The methods of each path.
    private static let methods: [String: [String]] = [
        "/v1/records": ["GET", "HEAD", "POST"],
        "/v1/tallies": ["GET", "HEAD"],
        "/v1/lanes": ["GET", "HEAD"],
        "/v1/image": ["GET", "HEAD"],
        "/v1/statement": ["GET", "HEAD"],
        "/healthz": ["GET", "HEAD"],
        "/": ["GET", "HEAD"],
        "/page.css": ["GET", "HEAD"],
        "/page.js": ["GET", "HEAD"],
    ]

    func admit(_ head: HTTPHead) -> HTTPAdmission {
        // A page elsewhere whose name was made to point here must not read what stands here.
        if let host = head.header("host"), !LoopbackAddress.isHost(host) {
            return .refuse(
                .error(
                    421, "this collector is not '\(host)'",
                    advice: "use 127.0.0.1, [::1] or localhost in the address"))
        }
        guard let methods = Self.methods[head.path] else {
            return .refuse(
                .error(404, "there is nothing at \(head.path)", advice: "see docs/formats.md for what is served"))
        }
        guard methods.contains(head.method) else {
            return .refuse(
                .error(
                    405, "\(head.path) does not take \(head.method)", advice: "use \(methods.joined(separator: ", "))",
                    headers: [("Allow", methods.joined(separator: ", "))]))
        }
        if let repeated = head.repeatedQuery.first {
            return .refuse(.error(400, "'\(repeated)' is given twice", advice: "give it once"))
        }
        guard head.method == "POST" else { return .accept(bodyLimit: 0) }
        guard head.header("content-type") == RecordBatch.contentType else {
            return .refuse(
                .error(
                    415, "the body's type is '\(head.header("content-type") ?? "not given")'",
                    advice: "send a batch as \(RecordBatch.contentType)"))
        }
        return .accept(bodyLimit: IntakeBatch.longestBody)
    }

    func handle(_ request: HTTPRequest) {
        let now = SystemClock.wallMilliseconds()
        switch request.head.path {
        case "/v1/records" where request.head.method == "POST": intake.take(request)
        case "/v1/records": list(request)
        case "/v1/tallies":
            request.answer(.json(TallyJSON(intake.snapshot, settings).tallies(now: now)))
        case "/v1/lanes": request.answer(.json(TallyJSON(intake.snapshot, settings).lanes(now: now)))
        case "/v1/image": request.answer(ImageAnswer(request.head, publisher.image).response)
        case "/v1/statement": request.answer(statement)
        case "/healthz": request.answer(health)
        default:
            request.answer(
                screen.answer(request.head.path)
                    ?? .error(404, "there is nothing at \(request.head.path)", advice: ""))
        }
    }

    private func list(_ request: HTTPRequest) {
        let query = request.head.query
        func refuse(_ name: String, _ expected: String) {
            request.answer(.error(400, "\(name)=\(query[name] ?? "") is not accepted", advice: "expected \(expected)"))
        }
        if let unknown = query.keys.first(where: { !["lane", "after", "limit"].contains($0) }) {
            return request.answer(
                .error(400, "'\(unknown)' is not known here", advice: "lane, after and limit are"))
        }
        if let lane = query["lane"], ShortName(lane).map(IntakeBatch.isLaneID) != true {
            return refuse("lane", "a lane's id: 1 to 31 of a-z, 0-9 and -")
        }
        guard let after = Int64(query["after"] ?? "0"), after >= 0 else {
            return refuse("after", "the row of the last record seen, or 0")
        }
        guard let limit = Int(query["limit"] ?? "1000"), (1...RecordArchive.mostRecords).contains(limit) else {
            return refuse("limit", "1 to \(RecordArchive.mostRecords)")
        }
        archive.list(RecordArchive.Query(lane: query["lane"], after: after, limit: limit), for: request)
    }

    private var statement: HTTPResponse {
        do {
            guard let bytes = try publisher.statement() else { return ImageAnswer.none }
            return HTTPResponse(200, "application/octet-stream", bytes)
        } catch {
            Log.error(error.description)
            return .error(500, error.description, advice: "see the collector's log")
        }
    }

    /// 503 when batches cannot be stored: the last ones failed, or the intake's thread has not gone round for long.
    private var health: HTTPResponse {
        let silence = intake.silenceMilliseconds
        let snapshot = intake.snapshot
        let failure = intake.failure
        let isWell = silence < 10_000 && failure == nil
        let body = JSONText.object([
            ("status", .text(isWell ? "ok" : failure == nil ? "stuck" : "failing")),
            ("failure", failure.map { .text($0) } ?? .null),
            ("intake_silent_ms", .number(silence)),
            ("lanes", .number(snapshot.lanes.count)),
            ("image_version", publisher.image.map { .number($0.version) } ?? .null),
        ])
        return HTTPResponse(isWell ? 200 : 503, "application/json", body.bytes + [0x0A])
    }
}
