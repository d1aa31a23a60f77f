import Cryptography
import Framing
import Posix

/// The collector at work: intake, archive, publisher and server over one data directory.
public final class CollectorService {
    private let intake: Intake
    private let archive: RecordArchive
    private let publisher: Publisher
    private let server: HTTPServer
    private var lock: Descriptor?
    private var isRunning = true
    private var publisherFailure: String?

    /// `127.0.0.1:8480`
    public let address: String
    public var port: UInt16 { server.port }

    /// Opens everything and serves at once.
    public convenience init(_ settings: CollectorSettings) throws(CollectorFailure) {
        try self.init(settings, limits: HTTPServer.Limits())
    }

    init(_ settings: CollectorSettings, limits: HTTPServer.Limits) throws(CollectorFailure) {
        // The address first: a second collector then says so before it touches any file.
        let listener = try ListeningSocket(address: settings.address, port: settings.port)
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
        let store = try IntakeStore(
            data.intakeDatabase, site: publicKey.site, calendar: settings.calendar, now: now)
        intake = try Intake(store, site: publicKey.site)
        archive = try RecordArchive(data)
        server = try HTTPServer(
            listener, limits: limits,
            routes: CollectorRoutes(settings, intake: intake, archive: archive, publisher: publisher))
        address = listener.text
        refresh()
    }

    deinit { stop() }

    /// To be called a few times a second: ends late connections.
    public func tick() { server.cutLate() }

    /// To be called about once a second: notices an import.
    public func refresh() {
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
        server.stop()
        lock = nil
    }
}
