import Framing
import Glibc
import Posix

/// The collector's data directory.
///
///     keys/site.key  keys/badge.key     0600: whoever has them is the site
///     keys/site.pub                     0644: what lanes verify images and statements with
///     keys/ca.key                       0600: the site's authority for certificates, keys/ca.pem its certificate
///     intake.sqlite                     what lanes sent          (written by `serve` alone)
///     site.sqlite                       holders, images          (written by `import` alone)
///     changes.sqlite                    urgent changes           (written by whoever publishes one, and by `serve`)
///     alerts.sqlite                     what was noticed         (written by `serve` alone)
///     enrolment.sqlite                  lanes' certificates, tokens  (written by `lane` and `token`, and by `serve`)
///     images/<version, 20 digits>.img   the images that are kept; `….seen`: see `ForgottenImages`
///     published/                        what any HTTP server may give out, see `PublishedDirectory`  (by `serve` alone)
///     import.lock  serve.lock           flock: one of each at a time
public struct SiteDirectory: Sendable {
    public let path: String

    public init(_ path: String) { self.path = path }

    public var keys: String { "\(path)/keys" }
    public var publicKeyFile: String { "\(path)/keys/site.pub" }
    public var secretKeyFile: String { "\(path)/keys/site.key" }
    public var badgeKeyFile: String { "\(path)/keys/badge.key" }
    public var authorityKeyFile: String { "\(path)/keys/ca.key" }
    public var authorityFile: String { "\(path)/keys/ca.pem" }
    public var enrolmentDatabase: String { "\(path)/enrolment.sqlite" }
    public var intakeDatabase: String { "\(path)/intake.sqlite" }
    var alertDatabase: String { "\(path)/alerts.sqlite" }
    public var changeDatabase: String { "\(path)/changes.sqlite" }
    public var siteDatabase: String { "\(path)/site.sqlite" }
    public var images: String { "\(path)/images" }
    public var published: String { "\(path)/published" }
    var importLock: String { "\(path)/import.lock" }
    var serveLock: String { "\(path)/serve.lock" }

    func imageFile(version: UInt64) -> String { "\(images)/\(Self.imageName(version: version))" }

    static func imageName(version: UInt64) -> String {
        let digits = String(version)
        return String(repeating: "0", count: 20 - digits.count) + digits + ".img"
    }

    /// A key file that belongs to this site. A secret one that others may read is refused.
    func key(_ kind: KeyFile.Kind, _ path: String) throws(CollectorFailure) -> KeyFile {
        let text = try collecting { () throws(SystemFailure) -> String in
            String(decoding: try FileSystem.read(path, limit: 4096), as: UTF8.self)
        }
        if kind != .sitePublic {
            try SiteDirectory.refuseIfOthersRead(path)
        }
        do { return try KeyFile(text: text, expecting: kind) } catch {
            throw CollectorFailure("use", path, error.problem, advice: "restore it from a backup of the keys")
        }
    }

    static func refuseIfOthersRead(_ path: String) throws(CollectorFailure) {
        let mode = try collecting { () throws(SystemFailure) in try FileSystem.statusFollowingLinks(path).mode }
        guard mode & 0o077 == 0 else {
            throw CollectorFailure("use", path, "others than its owner can read it", advice: "chmod 600 \(path)")
        }
    }

    /// Takes a lock for as long as the returned descriptor lives; fails when another process holds it for longer than a
    /// moment. A moment: `serve` takes the import's lock for what a killed program left, and to remove old images.
    func lock(_ file: String) throws(CollectorFailure) -> Descriptor {
        try collecting { () throws(SystemFailure) in
            let descriptor = try Descriptor.open(file, [.readWrite, .create, .noFollow], mode: 0o600)
            let end = SystemClock.deadline(milliseconds: Self.lockPatienceMilliseconds)
            while true {
                do throws(SystemFailure) {
                    try descriptor.lockExclusively()
                    return descriptor
                } catch {
                    guard error.code == EWOULDBLOCK, SystemClock.monotonicNanoseconds() < end else { throw error }
                    _ = poll(nil, 0, 20)
                }
            }
        }
    }
    private static let lockPatienceMilliseconds = 3000

    /// As `lock`; nil when another process holds it.
    func lockIfFree(_ file: String) throws(CollectorFailure) -> Descriptor? {
        do throws(SystemFailure) {
            let descriptor = try Descriptor.open(file, [.readWrite, .create, .noFollow], mode: 0o600)
            try descriptor.lockExclusively()
            return descriptor
        } catch {
            guard error.code == EWOULDBLOCK else { throw CollectorFailure(error) }
            return nil
        }
    }

    /// Whether a database is of this site and of a version that this program reads. `older`: what can be done with one of
    /// an earlier version.
    static func check(
        _ database: Database, site: SiteID, version: Int64, older: String = "make it anew with init"
    ) throws(CollectorFailure) {
        try check(database, site: site, versions: version...version, older: older)
    }

    static func check(
        _ database: Database, site: SiteID, versions: ClosedRange<Int64>, older: String = "make it anew with init"
    ) throws(CollectorFailure) {
        let found = try database.integer("PRAGMA user_version")
        guard versions.contains(found) else {
            throw CollectorFailure(
                "use", database.path, "its layout is version \(found), this program reads \(versions.upperBound)",
                advice: found > versions.upperBound
                    ? "install the newer program again" : found > 0 ? older : "make it anew with init")
        }
        let select = try database.prepare("SELECT id FROM site")
        guard try select.step() else {
            throw CollectorFailure("use", database.path, "it does not say of which site it is")
        }
        defer { select.reset() }
        guard select.blob(0) == site.bytes else {
            throw CollectorFailure(
                "use", database.path, "it is of site \(Hexadecimal.text(select.blob(0))), the keys are of \(site.hex)",
                advice: "keep each site's keys and databases together")
        }
    }
}
