import Cryptography
import Framing
import Posix
import Synchronization

/// What lanes fetch: the image in force, and signed statements of what is current.
///
/// `refresh` looks into `site.sqlite`, where `import` writes a row for every image it has made; so an import shows here
/// within a second. A statement says *as of* the last time that look succeeded, not the time of the request: a collector
/// that cannot read its database does not claim to know what is current.
final class Publisher: Sendable {
    /// The file in `published/` is replaced this often when it says nothing else than before.
    static let shownMilliseconds: Int64 = 10_000

    struct Image: Sendable, Hashable {
        var version: UInt64
        /// SHA-256 of its header.
        var digest: [UInt8]
        var path: String
        var bytes: Int64
        var issuedMilliseconds: Int64
        var identifiers: Int64
        var holders: Int64
        var conflicts: Int64

        var tag: String { "\"\(Hexadecimal.text(digest))\"" }
    }

    private struct State: Sendable {
        var image: Image?
        /// As of the same look.
        var changeNumber: UInt64 = 0
        var changes: PublishedChanges?
        /// The image in force before this one, by its name in `published/`.
        var former: Set<String> = []
        var checkedMilliseconds: Int64 = 0
        var occupancy: ZoneOccupancy?
        var statement: (bytes: [UInt8], asOfMilliseconds: Int64)?
        /// When the file in `published/` is to be replaced though nothing changed.
        var nextShownMilliseconds: Int64 = 0

        /// The next statement says something else than its instant.
        mutating func endStatement() {
            statement = nil
            nextShownMilliseconds = 0
        }
    }

    private let directory: SiteDirectory
    private let site: SiteID
    private let key: Ed25519.SigningKey
    private let database: Database
    private let changes: ChangeStore
    private let publication: Publication
    private let state = Mutex(State())

    init(_ directory: SiteDirectory, site: SiteID, key: Ed25519.SigningKey) throws(CollectorFailure) {
        self.directory = directory
        self.site = site
        self.key = key
        database = try Database(directory.siteDatabase, .readWrite)
        try database.useWriteAheadLog()
        try SiteSchema.upgrade(database)
        try SiteDirectory.check(database, site: site, version: SiteSchema.version)
        changes = try ChangeStore(directory)
        publication = Publication(directory, changes, key: key)
    }

    /// The image in force, by its version and file. Every process that publishes asks this one question.
    static func newestImage(in database: Database) throws(CollectorFailure) -> (version: UInt64, file: String)? {
        let select = try database.prepare(
            "SELECT version, file FROM image WHERE published IS NOT NULL ORDER BY version DESC LIMIT 1")
        guard try select.step() else { return nil }
        defer { select.reset() }
        return (UInt64(clamping: select.integer(0)), select.text(1))
    }

    var image: Image? { state.withLock { $0.image } }
    /// The newest change, as of the same look.
    var changeNumber: UInt64 { state.withLock { $0.changeNumber } }

    /// Decisions of the credential office whose program was killed before they were published.
    func publishDecisions() throws(CollectorFailure) {
        try ActivationOffice.publishLeft(directory, database)
    }

    /// As `NumberLeap`.
    func leap(over ahead: ChangeDesk.Ahead, now: Int64) throws(CollectorFailure) -> String? {
        try NumberLeap(directory: directory, database: database).leap(over: ahead, now: now)
    }

    /// As `ForgottenImages`.
    func note(image ahead: ChangeDesk.Ahead, now: Int64) throws(CollectorFailure) -> String? {
        let lane = ahead.lane.map { "lane \($0)" } ?? "a lane"
        return try ForgottenImages(directory: directory, database: database)
            .note(ahead.number, "\(lane) has image \(ahead.number)", by: "serve", now: now)
    }

    /// As `NumberLeap.healIfFree`; false as well while there is no image to stand on, or it did not help.
    func heal(now: Int64) throws(CollectorFailure) -> Bool {
        guard try Self.newestImage(in: database) != nil else { return false }
        guard try NumberLeap(directory: directory, database: database).healIfFree(by: "serve", now: now) else {
            return false
        }
        return try !isBehind()
    }

    /// As `ChangeStore.isBehind`.
    func isBehind() throws(CollectorFailure) -> Bool { try changes.isBehind() }

    /// Removes images that are kept no longer.
    func prune(_ limits: ImageLimits, now: Int64) throws(CollectorFailure) {
        try ImageShelf(directory, database, limits).pruneIfFree(now: now)
    }

    /// Takes a newer image over. Called by one thread, about once a second. Returns it when it is new.
    func refresh(now: Int64) throws(CollectorFailure) -> Image? {
        let select = try database.prepare(
            """
            SELECT version, file, digest, issued, identifiers, holders, conflicts FROM image
            WHERE published IS NOT NULL ORDER BY version DESC LIMIT 1
            """)
        guard try select.step() else {
            state.withLock { $0.checkedMilliseconds = now }
            return nil
        }
        defer { select.reset() }
        let version = UInt64(clamping: select.integer(0))
        let isNew = image?.version != version
        // Before anybody hears of the image: lanes that fetch it find the changes that belong on top of it.
        if isNew { try changes.layOnImage(now: now) }
        let number = try changes.newest()
        if !isNew {
            let (image, isKnown, former) = state.withLock {
                ($0.image, $0.changeNumber == number && publication.isWell, $0.former)
            }
            let said =
                isKnown
                ? nil : image.map { publication.changes(on: $0, through: number, former: former, now: now) }
            state.withLock {
                if let said {
                    if $0.changeNumber != number || $0.changes != said { $0.endStatement() }
                    $0.changes = said
                }
                $0.changeNumber = number
                $0.checkedMilliseconds = now
            }
            try showStatement(now: now)
            publication.tidy(now: now)
            return nil
        }
        let path = "\(directory.images)/\(select.text(1))"
        let size = try collecting { () throws(SystemFailure) in try FileSystem.status(path).size }
        let image = Image(
            version: version, digest: select.blob(2), path: path, bytes: size, issuedMilliseconds: select.integer(3),
            identifiers: select.integer(4), holders: select.integer(5), conflicts: select.integer(6))
        // After a restart, too, somebody may be fetching the one before.
        var before = self.image?.digest
        if before == nil { before = try ImageRegister(database).digestInForce(before: version) }
        let former = Set(before.map { [Hexadecimal.text($0)] } ?? [])
        let said = publication.changes(on: image, through: number, former: former, now: now)
        state.withLock {
            $0.image = image
            $0.changeNumber = number
            $0.changes = said
            $0.former = former
            $0.endStatement()
            $0.checkedMilliseconds = now
        }
        try showStatement(now: now)
        publication.tidy(now: now)
        return image
    }

    /// How full the zones are: said from the next statement on, and that one is not waited for when it is other news.
    func tell(_ occupancy: ZoneOccupancy, now: Int64) {
        state.withLock {
            var occupancy = occupancy
            if let before = $0.occupancy {
                if before.zones != occupancy.zones { $0.endStatement() }
                occupancy.asOf.milliseconds = SiteKnowledge.asOf(
                    occupancy.asOf.milliseconds, after: before.asOf.milliseconds, now: now)
            }
            $0.occupancy = occupancy
        }
    }

    private func showStatement(now: Int64) throws(CollectorFailure) {
        let isDue = state.withLock {
            let wait = $0.nextShownMilliseconds - now
            // A clock that was set back is no reason to wait for it.
            guard wait <= 0 || wait > Self.shownMilliseconds else { return false }
            $0.nextShownMilliseconds = now + Self.shownMilliseconds
            return true
        }
        guard isDue else { return }
        do throws(CryptographyFailure) {
            if let bytes = try statement() { publication.show(statement: bytes) }
        } catch {
            throw CollectorFailure("sign", "a statement", error.reason)
        }
    }

    /// The newest statement, as of the last look into the database; nil while there is no image. A lane learns from it what
    /// time it is, and believes a clock that agrees with it within 2 s: what was signed some looks ago would not do.
    func statement() throws(CryptographyFailure) -> [UInt8]? {
        let (image, number, changes, checked, occupancy, held) = state.withLock {
            ($0.image, $0.changeNumber, $0.changes, $0.checkedMilliseconds, $0.occupancy, $0.statement)
        }
        guard let image else { return nil }
        if let held, held.asOfMilliseconds == checked { return held.bytes }
        let statement = Statement(
            site: site, imageVersion: image.version, changeNumber: number, asOf: .init(milliseconds: checked),
            imageHeaderDigest: image.digest, occupancy: occupancy, changes: changes)
        let signed = statement.signedPart
        let bytes = signed + (try key.sign(signed))
        state.withLock {
            if $0.image == image, $0.changeNumber == number, $0.occupancy == occupancy,
                $0.checkedMilliseconds == checked
            {
                $0.statement = (bytes, checked)
            }
        }
        return bytes
    }
}
