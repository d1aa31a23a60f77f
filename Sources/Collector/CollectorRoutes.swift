import Admission
import Framing
import Posix
import Synchronization

/// What the collector serves:
///
///     POST /v1/records     a batch of records → `stored <epoch> <sequence>`
///     GET  /v1/records     stored records as JSON lines: lane=, after=ROW, limit=
///     GET  /v1/records/stream  each record as it is stored (Server-Sent Events): after=ROW, lane=
///     GET  /v1/tallies     counts: in all, today, per lane, per zone
///     GET  /v1/ranking     entrances or lanes by entries: by=today|recent, of=entrance|lane, limit=
///     GET  /v1/flow        counts of each five minutes of a day: day=, lane=
///     GET  /v1/live        what the page shows, as it changes (Server-Sent Events)
///     GET  /v1/occupancy   how many are on site and in each zone; /v1/occupancy/stream: the same as it changes
///     GET  /v1/history     counts of a day or an hour of it by=hour|lane|entrance|kind|reason; /v1/history.csv
///     GET  /v1/decision    one decision in full: lane=, epoch=, sequence=
///     GET  /v1/fleet       each lane with what is wrong with it and what to do, those in trouble first: after=REVISION
///     GET  /v1/lanes       each lane: last seen, stored through, what is missing, counts
///     GET  /v1/journals    which journals a lane's records came from: lane=
///     GET  /v1/inside      holders on site whose keys no longer turn, and where they came in; /v1/inside.csv
///     GET  /v1/alerts      what somebody has to look at: kind, whose, since when, what to do; ended=N: what is over
///     GET  /v1/double-use  badges that were used twice; /v1/double-use.csv
///     GET  /v1/image       the credential image in force (ETag, Range)
///     GET  /v1/images/HEX  an image, a change list by its name, as the statement gives it; /v1/lists/HEX (immutable)
///     GET  /v1/changes     a list of urgent changes behind after=N, or 204 after wait=SECONDS
///     POST /v1/changes     urgent changes, whole or not at all
///     GET  /v1/statement   the newest signed statement
///     GET  /v1/presence    a signed list of who is inside: everybody, or what changed behind after=N
///     GET  /metrics        figures for Prometheus
///     GET  /openapi.json   all of this as OpenAPI 3.1
///     GET  /healthz        whether the collector works
///     POST /v1/renewal     a lane's certificate request → its next certificate (over TLS)
///     GET  /fleet          the page of all lanes, with /fleet.css and /fleet.js
///     GET  /history        the page of days gone by, with /history.js; /desk.css and /desk.js are of both
///     GET  /               the page, with /page.css, /page.js and /chart.js
///     GET, POST /login     asks a person's browser for a token; POST /logout
final class CollectorRoutes: HTTPRoutes {
    private let settings: CollectorSettings
    private let intake: Intake
    private let archive: RecordArchive
    private let publisher: Publisher
    private let changes: ChangeDesk
    private let screen: Screen
    private let gate: Gatekeeper
    private let login: LoginPage
    private let inside: InsideList
    private let published: PublishedDirectory
    private let presence: PresenceDesk
    private let corrections: CorrectionBook
    private let live: LiveDesk
    private let streams: RecordStreams
    private let books: BookDesk
    private let process: ProcessFigures
    private let server = Mutex(Shown())
    private let alerts: AlertDesk
    private let fleet: FleetDesk

    init(
        _ settings: CollectorSettings, intake: Intake, archive: RecordArchive, publisher: Publisher,
        changes: ChangeDesk, gate: Gatekeeper, inside: InsideList, presence: PresenceDesk,
        corrections: CorrectionBook, process: ProcessFigures, screen: Screen, live: LiveDesk,
        streams: RecordStreams, books: BookDesk, alerts: AlertDesk, fleet: FleetDesk
    ) {
        self.screen = screen
        self.live = live
        self.streams = streams
        self.books = books
        self.alerts = alerts
        self.fleet = fleet
        self.corrections = corrections
        self.process = process
        self.presence = presence
        self.changes = changes
        self.gate = gate
        self.inside = inside
        login = LoginPage(isEncrypted: gate.isEncrypted)
        self.settings = settings
        published = PublishedDirectory(settings.data)
        self.intake = intake
        self.archive = archive
        self.publisher = publisher
    }

    /// The methods of each path.
    static let methods: [String: [String]] = [
        "/v1/records": ["GET", "HEAD", "POST"],
        "/v1/records/stream": ["GET"],
        "/v1/tallies": ["GET", "HEAD"],
        "/v1/ranking": ["GET", "HEAD"],
        "/v1/flow": ["GET", "HEAD"],
        "/v1/live": ["GET"],
        "/v1/occupancy": ["GET", "HEAD"],
        "/v1/occupancy/stream": ["GET"],
        "/v1/history": ["GET", "HEAD"],
        "/v1/history.csv": ["GET", "HEAD"],
        "/v1/decision": ["GET", "HEAD"],
        "/v1/fleet": ["GET", "HEAD"],
        "/v1/lanes": ["GET", "HEAD"],
        "/v1/journals": ["GET", "HEAD"],
        "/v1/alerts": ["GET", "HEAD"],
        "/v1/double-use": ["GET", "HEAD"],
        "/v1/double-use.csv": ["GET", "HEAD"],
        "/v1/inside": ["GET", "HEAD"],
        "/v1/inside.csv": ["GET", "HEAD"],
        "/v1/image": ["GET", "HEAD"],
        "/v1/images": ["GET", "HEAD"],
        "/v1/lists": ["GET", "HEAD"],
        "/v1/changes": ["GET", "POST"],
        "/v1/statement": ["GET", "HEAD"],
        "/v1/presence": ["GET"],
        "/v1/renewal": ["POST"],
        "/login": ["GET", "HEAD", "POST"],
        "/logout": ["POST"],
        "/healthz": ["GET", "HEAD"],
        "/metrics": ["GET", "HEAD"],
        "/openapi.json": ["GET", "HEAD"],
        "/": ["GET", "HEAD"],
        "/page.css": ["GET", "HEAD"],
        "/page.js": ["GET", "HEAD"],
        "/chart.js": ["GET", "HEAD"],
        "/desk.css": ["GET", "HEAD"],
        "/desk.js": ["GET", "HEAD"],
        "/fleet": ["GET", "HEAD"],
        "/fleet.css": ["GET", "HEAD"],
        "/fleet.js": ["GET", "HEAD"],
        "/history": ["GET", "HEAD"],
        "/history.js": ["GET", "HEAD"],
    ]

    func admit(_ head: HTTPHead) -> HTTPAdmission {
        // A page elsewhere whose name was made to point here must not read what stands here.
        if let host = head.header("host"), !LoopbackAddress.isHost(host), !settings.isHost(host) {
            return .refuse(
                .error(
                    421, "this collector is not '\(host)'",
                    advice: "use \((settings.names + ["127.0.0.1", "[::1]", "localhost"]).joined(separator: ", ")) in "
                        + "the address, or add this one to listen.names"))
        }
        guard let methods = Self.methods[PublishedFileAnswer.family(ofPath: head.path)] else {
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
        if let refusal = refusal(head) { return .refuse(refusal) }
        guard head.method == "POST" else { return .accept(bodyLimit: 0) }
        let (type, limit) =
            switch head.path {
            case "/v1/renewal": (RenewalAnswer.contentType, RenewalAnswer.longestRequest)
            case "/v1/changes": (ChangeRequest.contentType, ChangeRequest.longestBody)
            case "/login": (LoginPage.formType, LoginPage.longestForm)
            case "/logout": ("", LoginPage.longestForm)
            default: (RecordBatch.contentType, IntakeBatch.longestBody)
            }
        guard type.isEmpty || head.header("content-type") == type else {
            return .refuse(
                .error(
                    415, "the body's type is '\(head.header("content-type") ?? "not given")'",
                    advice: "send \(head.path == "/v1/records" ? "a batch" : "it") as \(type)"))
        }
        return .accept(bodyLimit: limit)
    }

    /// Whom each path is for.
    private func refusal(_ head: HTTPHead) -> HTTPResponse? {
        let now = SystemClock.wallMilliseconds()
        let answer: Gatekeeper.Answer
        switch PublishedFileAnswer.family(ofPath: head.path) {
        case "/v1/records" where head.method == "POST", "/v1/changes" where head.method == "GET", "/v1/image",
            "/v1/images", "/v1/lists", "/v1/statement", "/v1/presence", "/v1/renewal":
            guard case .mayNot(let refusal) = gate.lane(head, now: now) else { return nil }
            return refusal
        case "/healthz", "/openapi.json", "/login", "/logout", "/page.css", "/page.js", "/chart.js", "/desk.css",
            "/desk.js", "/fleet.css", "/fleet.js", "/history.js":
            return nil
        // Who walked where, and with what temperature, is not for a screen on a wall.
        case "/v1/records", "/v1/records/stream", "/v1/changes", "/v1/inside.csv", "/v1/double-use.csv", "/v1/decision":
            answer = gate.person(head, needs: .operator, now: now)
        default: answer = gate.person(head, needs: .viewer, now: now)
        }
        guard case .mayNot(let refusal) = answer else { return nil }
        guard refusal.status == 401, let page = LocalPage(head) else { return refusal }
        return LoginPage.redirect(comingBackTo: page)
    }

    func handle(_ request: HTTPRequest) {
        let now = SystemClock.wallMilliseconds()
        switch request.head.path {
        case "/v1/records" where request.head.method == "POST":
            switch gate.lane(request.head, now: now) {
            case .lane(let identity): intake.take(request, of: identity?.lane)
            case .mayNot(let refusal): request.answer(refusal)
            }
        case "/v1/renewal": request.answer(RenewalAnswer(request, gate, now: now).response)
        case "/login" where request.head.method == "POST": request.answer(entrance(request, now))
        case "/login": request.answer(login.page(to: LocalPage(asked: request.head.query["to"])))
        case "/logout": request.answer(login.left)
        case "/v1/records":
            ask(request) { () throws(HTTPRefusal) in .records(try RecordArchive.Query(request.head)) }
        case "/v1/records/stream": streams.open(request)
        case "/v1/tallies": books.answer(tallies(isNamed: isOperator(request.head, now), now), to: request)
        case "/v1/ranking":
            ask(request) { () throws(HTTPRefusal) in
                .ranking(try RankingQuery(request.head, ScreenFigures(intake.snapshot, settings), now: now))
            }
        case "/v1/flow":
            ask(request) { () throws(HTTPRefusal) in
                .flow(try FlowQuery(request.head, settings.calendar, now: now))
            }
        case "/v1/live": live.open(request, .screen)
        case "/v1/occupancy":
            answer(request) { () throws(HTTPRefusal) in
                try request.head.refuseUnknown(but: [])
                return HTTPResponse(200, "application/json", live.occupancyNow.bytes)
            }
        case "/v1/occupancy/stream": live.open(request, .occupancy)
        case "/v1/history", "/v1/history.csv":
            ask(request) { () throws(HTTPRefusal) in .history(try HistoryQuery(request.head, settings, now: now)) }
        case "/v1/decision":
            ask(request) { () throws(HTTPRefusal) in .decision(try DecisionQuery(request.head)) }
        case "/v1/fleet": fleet.answer(request)
        case "/v1/lanes": books.answer(lanes(now), to: request)
        case "/v1/journals":
            ask(request) { () throws(HTTPRefusal) in .journals(try JournalsQuery(request.head)) }
        case "/v1/changes" where request.head.method == "POST": changes.take(request)
        case "/v1/changes":
            switch gate.lane(request.head, now: now) {
            case .lane(let identity): changes.list(request, of: identity?.lane.text)
            case .mayNot(let refusal): request.answer(refusal)
            }
        case "/v1/inside", "/v1/inside.csv": request.answer(whoIsInside(request.head, now))
        case "/v1/alerts":
            answer(request) { () throws(HTTPRefusal) in try AlertAnswer(alerts.snapshot).response(request.head) }
        case "/v1/double-use":
            answer(request) { () throws(HTTPRefusal) in try doubleUse(request.head, now) }
        case "/v1/double-use.csv":
            request.answer(
                HTTPResponse(200, "text/csv; charset=utf-8", DoubleUseJSON(alerts.snapshot).csv))
        case "/v1/image": request.answer(ImageAnswer(request.head, publisher.image).response)
        case "/v1/statement": request.answer(statement)
        case "/v1/presence":
            switch gate.lane(request.head, now: now) {
            case .lane(let identity): presence.list(request, of: identity?.lane.text)
            case .mayNot(let refusal): request.answer(refusal)
            }
        case "/healthz": request.answer(health)
        case "/metrics":
            let metrics = metrics
            books.answer(
                BookDesk.Question(document: .metrics) { HTTPResponse(200, MetricsText.contentType, metrics.text) },
                to: request)
        case "/openapi.json": request.answer(Self.openAPI)
        default:
            request.answer(
                PublishedFileAnswer.response(request.head, published) ?? screen.answer(request.head.path)
                    ?? .error(404, "there is nothing at \(request.head.path)", advice: ""))
        }
    }

    private func entrance(_ request: HTTPRequest, _ now: Int64) -> HTTPResponse {
        let page = LocalPage(asked: request.head.query["to"])
        guard let token = LoginPage.token(request.takeBody()) else { return login.again(to: page) }
        switch gate.check(token, from: request.head.peer.address, now: now) {
        case .known: return login.entered(token, to: page)
        case .unknown(let refusal): return refusal.status == 429 ? login.tooOften(to: page) : login.again(to: page)
        }
    }

    private func ask(
        _ request: HTTPRequest, _ question: () throws(HTTPRefusal) -> RecordArchive.Question
    ) {
        do { archive.answer(try question(), to: request) } catch { request.answer(error.response) }
    }

    private func answer(_ request: HTTPRequest, _ make: () throws(HTTPRefusal) -> HTTPResponse) {
        do { request.answer(try make()) } catch { request.answer(error.response) }
    }

    private func tallies(isNamed: Bool, _ now: Int64) -> BookDesk.Question {
        let snapshot = intake.snapshot
        let inside = inside.snapshot.flatMap { $0.isKnown(at: now) ? $0 : nil }
        let corrections = corrections.all
        let state = BookDesk.State(
            revision: snapshot.revision, corrections: corrections.count,
            insideMilliseconds: inside?.asOfMilliseconds)
        return BookDesk.Question(document: .tallies(isNamed: isNamed), state: state) { [settings] in
            .json(
                TallyJSON(snapshot, settings, inside: inside, corrections: corrections, isNamed: isNamed)
                    .tallies(now: now))
        }
    }

    private func lanes(_ now: Int64) -> BookDesk.Question {
        let snapshot = intake.snapshot
        let state = BookDesk.State(revision: snapshot.revision, corrections: 0)
        return BookDesk.Question(document: .lanes, state: state) { [settings] in
            .json(TallyJSON(snapshot, settings).lanes(now: now))
        }
    }

    private static let openAPI = HTTPResponse(
        200, OpenAPIDocument.contentType, OpenAPIDocument.collector.json.bytes,
        headers: [("Cache-Control", "no-cache")])

    private var metrics: Metrics {
        Metrics(
            intake: intake.snapshot, zoneLimits: settings.zoneLimits,
            intakeSilenceMilliseconds: intake.silenceMilliseconds,
            isStoring: intake.failure == nil, image: publisher.image, changeNumber: publisher.changeNumber,
            inside: inside.snapshot, alerts: alerts.snapshot.standing, http: server.withLock { $0.server?.figures },
            process: process.current,
            startedMilliseconds: process.startedMilliseconds)
    }

    /// Whose figures `/metrics` shows. The server holds its routes, so these hold no server.
    func show(_ server: HTTPServer) { self.server.withLock { $0.server = server } }

    private struct Shown { weak var server: HTTPServer? }

    /// A viewer hears how many; names are for operators.
    private func doubleUse(_ head: HTTPHead, _ now: Int64) throws(HTTPRefusal) -> HTTPResponse {
        try head.refuseUnknown(but: ["after", "limit"])
        let after = try head.number("after", in: 0...Int64.max, expected: "the id of the last one, or 0") ?? 0
        let limit = try head.limitOfQuery(most: AlertDesk.mostFindings, otherwise: 1000)
        return .json(
            DoubleUseJSON(alerts.snapshot).json(after: after, limit: limit, isNamed: isOperator(head, now)))
    }

    private func isOperator(_ head: HTTPHead, _ now: Int64) -> Bool {
        if case .may = gate.person(head, needs: .operator, now: now) { true } else { false }
    }

    private static let notLookedYet = HTTPResponse.error(
        503, "nobody has looked yet who is inside", advice: "ask again in a second; is an image published?",
        headers: [("Retry-After", "1")])

    /// A viewer hears how many; names are for operators.
    private func whoIsInside(_ head: HTTPHead, _ now: Int64) -> HTTPResponse {
        guard let snapshot = inside.snapshot else { return Self.notLookedYet }
        if head.path.hasSuffix(".csv") { return HTTPResponse(200, "text/csv; charset=utf-8", snapshot.csv) }
        return .json(snapshot.json(isNamed: isOperator(head, now)))
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
