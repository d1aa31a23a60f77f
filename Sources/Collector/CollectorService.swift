import Cryptography
import Framing
import Posix

/// The collector at work: intake, archive, publisher and server over one data directory.
public final class CollectorService {
    private let intake: Intake
    private let archive: RecordArchive
    private let publisher: Publisher
    private let changes: ChangeDesk
    private let inside: InsideList
    private let server: HTTPServer
    private let register: EnrolmentRegister
    private let certificateExpires: Int64?
    private var lastExpiryWarning: Int64 = 0
    private var registerFailure: String?
    private var lock: Descriptor?
    private var isRunning = true
    private var publisherFailure: String?

    /// `http://127.0.0.1:8480/`
    public let page: String
    public var port: UInt16 { server.port }

    /// Opens everything and serves at once.
    public convenience init(_ settings: CollectorSettings) throws(CollectorFailure) {
        try self.init(settings, limits: HTTPServer.Limits())
    }

    init(_ settings: CollectorSettings, limits: HTTPServer.Limits) throws(CollectorFailure) {
        // The address first: a second collector then says so before it touches any file.
        let listener = try ListeningSocket(
            address: settings.address, port: settings.port, isEncrypted: settings.isEncrypted)
        let data = settings.data
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
            data.intakeDatabase, site: publicKey.site, calendar: settings.calendar, now: now)
        intake = try Intake(store, site: publicKey.site)
        archive = try RecordArchive(data)
        inside = try InsideList(data, publisher)
        let authority = try SiteAuthority(data)
        register = try EnrolmentRegister(data, site: publicKey.site)
        let tls = try CollectorTLS(settings, authority, port: listener.port)
        certificateExpires = tls?.expiresMilliseconds
        let gate = Gatekeeper(authority, register, isEncrypted: tls != nil)
        server = try HTTPServer(
            listener, limits: limits, encryption: tls?.encryption,
            routes: CollectorRoutes(
                settings, intake: intake, archive: archive, publisher: publisher,
                changes: changes, gate: gate, inside: inside))
        page = tls == nil ? "http://\(listener.text)/" : "\(settings.url(port: listener.port))/"
        refresh()
    }

    deinit { stop() }

    /// To be called a few times a second: ends late connections.
    public func tick() { server.cutLate() }

    /// To be called about once a second: notices an import.
    public func refresh() {
        // What cannot be stored is not counted: then what is known grows old.
        if intake.failure == nil, intake.silenceMilliseconds < 10_000 {
            publisher.tell(intake.snapshot.occupancy(now: SystemClock.wallMilliseconds()))
        }
        do {
            if let image = try publisher.refresh(now: SystemClock.wallMilliseconds()) {
                Log.notice(
                    "image \(image.version) is in force: \(image.identifiers) identifiers of \(image.holders) holders, "
                        + "\(image.conflicts) in conflict")
            }
            publisherFailure = nil
        } catch {
            // Once for each failure, not once a second.
            if publisherFailure != error.description { Log.error("images: \(error.description)") }
            publisherFailure = error.description
        }
        do {
            try register.writeUses()
            registerFailure = nil
        } catch {
            if registerFailure != error.description { Log.error("enrolment: \(error.description)") }
            registerFailure = error.description
        }
        warnOfExpiry(now: SystemClock.wallMilliseconds())
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
        intake.stop(withinMilliseconds: 800)
        archive.stop()
        changes.stop()
        inside.stop()
        server.stop()
        lock = nil
    }
}
