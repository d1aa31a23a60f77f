import Cryptography
import Framing
import Posix

/// The collector at work: intake, archive, publisher and server over one data directory.
public final class CollectorService {
    private static let pruneMilliseconds: Int64 = 60_000

    private let intake: Intake
    private let archive: RecordArchive
    private let publisher: Publisher
    private let changes: ChangeDesk
    private let inside: InsideList
    private let presence: PresenceDesk
    private let corrections: CorrectionBook
    private let prune: PruneThread
    private let live: LiveDesk
    private let streams: RecordStreams
    private let books: BookDesk
    private let alerts: AlertDesk
    private let fleet: FleetDesk
    private let server: HTTPServer
    private let process: ProcessFigures
    private let register: EnrolmentRegister
    private let certificateExpires: Int64?
    private var lastExpiryWarning: Int64 = 0
    private let imageLimits: ImageLimits
    private var pruned: Int64 = 0
    private var leapt: Int64 = 0
    private var noted: Int64 = 0
    /// What a backup left open is made good; nobody brings one in while `serve` runs, but an image may come that another
    /// process could not make good.
    private var isHealed = false
    /// What fails just now, by what was attempted.
    private var failures: [String: String] = [:]
    private var lock: Descriptor?
    private var isRunning = true

    /// `http://127.0.0.1:8480/`
    public let page: String
    public var port: UInt16 { server.port }

    /// Opens everything and serves at once.
    /// `starting`: told what is done before it serves, as long as that lasts.
    public convenience init(
        _ settings: CollectorSettings, starting: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(CollectorFailure) {
        try self.init(
            settings, limits: HTTPServer.Limits(connectionsOfAddress: settings.connectionsOfAddress),
            starting: starting)
    }

    init(
        _ settings: CollectorSettings, limits: HTTPServer.Limits,
        starting: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(CollectorFailure) {
        // The address first: a second collector then says so before it touches any file.
        let listener = try ListeningSocket(
            address: settings.address, port: settings.port, isEncrypted: settings.isEncrypted)
        let data = settings.data
        imageLimits = settings.images
        let publicKey = try data.key(.sitePublic, data.publicKeyFile)
        let secretKey = try data.key(.siteSecret, data.secretKeyFile)
        guard publicKey.site == secretKey.site else {
            throw CollectorFailure(
                "use", data.keys, "site.key and site.pub are of different sites", advice: "restore them from a backup")
        }
        let signing: Ed25519.SigningKey
        do { signing = try Ed25519.SigningKey(seed: secretKey.key) } catch {
            throw CollectorFailure("use", data.secretKeyFile, error.reason)
        }
        guard signing.publicKey == publicKey.key else {
            throw CollectorFailure(
                "use", data.keys, "site.pub is not the public part of site.key", advice: "restore them from a backup")
        }
        lock = try data.lock(data.serveLock)
        let now = SystemClock.wallMilliseconds()
        publisher = try Publisher(data, site: publicKey.site, key: signing)
        changes = try ChangeDesk(data, key: signing)
        let store = try IntakeStore(
            data.intakeDatabase, site: publicKey.site, calendar: settings.calendar, now: now, starting: starting)
        intake = try Intake(store, site: publicKey.site)
        archive = try RecordArchive(data)
        corrections = try CorrectionBook(data)
        presence = try PresenceDesk(site: publicKey.site, key: signing)
        inside = try InsideList(data, publisher, settings.windows, telling: presence) { [intake] in
            intake.knownThrough
        }
        let authority = try SiteAuthority(data)
        register = try EnrolmentRegister(data, site: publicKey.site)
        alerts = try AlertDesk(
            settings, site: publicKey.site,
            AlertDesk.Sources(
                books: { [intake] in intake.snapshot }, corrections: { [corrections] in corrections.all },
                isStoring: { [intake] in intake.isWhole },
                inside: { [inside] in inside.snapshot },
                removed: { [register] in
                    Set(register.current().lanes.filter { $0.value.removedMilliseconds != nil }.map(\.key))
                }), now: now)
        let tls = try CollectorTLS(settings, authority, port: listener.port)
        certificateExpires = tls?.expiresMilliseconds
        let gate = Gatekeeper(authority, register, isEncrypted: tls != nil)
        let screen = try Screen(settings)
        live = try LiveDesk(
            settings, page: screen.tag,
            LiveDesk.Sources(
                books: { [intake] in intake.snapshot }, inside: { [inside] in inside.snapshot },
                corrections: { [corrections] in corrections.all }, isStoring: { [intake] in intake.isWhole }),
            mayRead: { head in
                guard case .may = gate.person(head, needs: .viewer, now: SystemClock.wallMilliseconds()) else {
                    return false
                }
                return true
            })
        streams = try RecordStreams(data) { head in
            guard case .may = gate.person(head, needs: .operator, now: SystemClock.wallMilliseconds()) else {
                return false
            }
            return true
        }
        books = try BookDesk()
        fleet = try FleetDesk(
            settings, page: screen.fleetTag,
            FleetDesk.Sources(
                books: { [intake] in intake.snapshot }, alerts: { [alerts] in alerts.snapshot },
                enrolled: { [register] in register.current().lanes },
                image: { [publisher] in (publisher.image, publisher.changeNumber) },
                isStoring: { [intake] in intake.isWhole }))
        process = ProcessFigures(data, now: now)
        process.look()
        try corrections.refresh()
        prune = try PruneThread(settings)
        let routes = CollectorRoutes(
            settings, intake: intake, archive: archive, publisher: publisher,
            changes: changes, gate: gate, inside: inside, presence: presence, corrections: corrections,
            process: process, screen: screen, live: live, streams: streams,
            books: books, alerts: alerts, fleet: fleet)
        server = try HTTPServer(listener, limits: limits, encryption: tls?.encryption, routes: routes)
        routes.show(server)
        page = tls == nil ? "http://\(listener.text)/" : "\(settings.url(port: listener.port))/"
        refresh()
    }

    deinit { stop() }

    /// To be called a few times a second: ends late connections.
    public func tick() { server.cutLate() }

    /// To be called about once a second: notices an import.
    public func refresh() {
        let now = SystemClock.wallMilliseconds()
        // What cannot be stored is not counted: then what is known grows old.
        if intake.isWhole {
            publisher.tell(intake.snapshot.occupancy(now: now, corrections: corrections.all), now: now)
        }
        attempt("a restored changes.sqlite") { () throws(CollectorFailure) in
            if isHealed { isHealed = try !publisher.isBehind() }
            if !isHealed { isHealed = try publisher.heal(now: now) }
        }
        attempt("the credential office") { () throws(CollectorFailure) in try publisher.publishDecisions() }
        attempt("corrections") { () throws(CollectorFailure) in try corrections.refresh() }
        attempt("changes") { () throws(CollectorFailure) in
            guard let ahead = changes.takeAhead(), !(0..<NumberLeap.periodMilliseconds).contains(now - leapt) else {
                return
            }
            guard let said = try publisher.leap(over: ahead, now: now) else { return }
            leapt = now
            Log.error(said)
        }
        attempt("forgotten images") { () throws(CollectorFailure) in
            guard let ahead = changes.takeAheadByImage(), !(0..<NumberLeap.periodMilliseconds).contains(now - noted)
            else { return }
            guard let said = try publisher.note(image: ahead, now: now) else { return }
            noted = now
            Log.error(said)
        }
        attempt("images") { () throws(CollectorFailure) in
            guard let image = try publisher.refresh(now: now) else { return }
            Log.notice(
                "image \(image.version) is in force: \(image.identifiers) identifiers of \(image.holders) holders, "
                    + "\(image.conflicts) in conflict")
            pruned = 0
        }
        if !(0..<Self.pruneMilliseconds).contains(now - pruned) {
            pruned = now
            attempt("old images") { () throws(CollectorFailure) in try publisher.prune(imageLimits, now: now) }
        }
        attempt("enrolment") { () throws(CollectorFailure) in try register.writeUses() }
        warnOfExpiry(now: now)
        process.look()
    }

    /// A failure is said once, not once a second.
    private func attempt(_ subject: String, _ body: () throws(CollectorFailure) -> Void) {
        do throws(CollectorFailure) {
            try body()
            failures[subject] = nil
        } catch {
            if failures[subject] != error.description { Log.error("\(subject): \(error.description)") }
            failures[subject] = error.description
        }
    }

    /// Once a day in its last 30 days.
    private func warnOfExpiry(now: Int64) {
        let day: Int64 = 86_400_000
        guard let certificateExpires, certificateExpires - now < 30 * day, now - lastExpiryWarning > day else { return }
        lastExpiryWarning = now
        Log.warning(
            "the collector's certificate expires \(Timestamp.format(certificateExpires)): restart the collector, which "
                + "makes a new one, or put a new one in listen.certificate_file first")
    }

    /// Whether batches are being taken in; for the watchdog.
    public var isWell: Bool { intake.silenceMilliseconds < 20_000 }

    public var status: String {
        let snapshot = intake.snapshot
        let stored = snapshot.lanes.values.reduce(0) { $0 + $1.all[.stored] }
        let image = publisher.image.map { "image \($0.version)" } ?? "no image"
        return "\(snapshot.lanes.count) lanes, \(stored) records, \(image), \(server.connectionCount) connections"
    }

    /// What was taken in is made durable and answered; then the connections end.
    public func stop() {
        guard isRunning else { return }
        isRunning = false
        prune.stop()
        intake.stop(withinMilliseconds: 800)
        archive.stop()
        changes.stop()
        inside.stop()
        presence.stop()
        // Streams end before the server does: it must not stop while a connection is suspended.
        live.stop()
        streams.stop()
        books.stop()
        fleet.stop()
        alerts.stop()
        server.stop()
        lock = nil
    }
}
