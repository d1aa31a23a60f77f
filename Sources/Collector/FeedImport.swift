import Admission
import Cryptography
import Framing
import Posix
import Storage

/// `lanekeeper-collector import`: one feed, read as a stream, becomes the next image. Works while `serve` runs, which
/// finds the new image in `site.sqlite` within a second.
///
/// A row that is refused is reported with its line, column and reason and does not stop the others. A holder's second
/// row is refused; its first one stands. An image that takes too much, or comes from a feed that is cut off or older
/// than the one in force, is made and *held*: it comes into force by an operator's word alone.
public struct FeedImport {
    public enum Fate: Sendable, Hashable {
        case published
        /// Why, in sentences.
        case held([String])
    }

    /// What came of it.
    public struct Summary: Sendable, Hashable {
        public var version: UInt64
        public var fate: Fate
        /// nothing was written: this is what would have come of it.
        public var isDryRun: Bool
        /// Rows with data, refused ones included.
        public var rows: Int
        public var refused: Int
        public var holders: Int
        public var identifiers: Int
        public var conflicts: Int
        /// nil when there was nothing to report, or nothing was written.
        public var report: String?
        /// Columns of the feed that were not looked at.
        public var unusedColumns: [String]
        /// Against the image in force; nil when there is none that it could be compared with.
        public var changes: ImageChanges?
    }

    /// How far the reading has come.
    public struct Progress: Sendable {
        public var bytes: Int64
        public var ofBytes: Int64
        public var rows: Int
    }

    public struct Options {
        public var rules = FeedGuard()
        /// By which it is judged whether a key turns.
        public var windows = KeyWindows()
        /// Says what would happen and changes nothing.
        public var isDryRun = false
        /// The site's, for a feed with calendar dates; without it they are refused.
        var calendar: SiteCalendar?
        /// What the register of images calls the feed; nil: its path.
        var recordedName: String?
        /// Asked while the feed is read: true ends the import, and nothing comes of it.
        var isStopped: () -> Bool = { false }

        public init() {}

        /// As the collector's configuration has it.
        public init(_ settings: CollectorSettings) {
            rules = settings.feedGuard
            windows = settings.windows
            calendar = settings.calendar
        }
    }

    /// A badge's validity may begin and end from two years before the import to two years and three months after it:
    /// what 27 bits of seconds hold.
    static let validityBaseBeforeNowSeconds: Int64 = 2 * 366 * 86_400

    private let directory: SiteDirectory
    private let feed: String
    private let options: Options

    public init(data directory: SiteDirectory, feed: String, options: Options = Options()) {
        self.directory = directory
        self.feed = feed
        self.options = options
    }

    /// `note` gets the first 20 problems as lines. Throws when no image could be made.
    public func run(
        note: @escaping (String) -> Void, progress: @escaping (Progress) -> Void = { _ in }
    ) throws(CollectorFailure) -> Summary {
        let lock = try directory.lock(directory.importLock)
        defer { withExtendedLifetime(lock) {} }
        let badge = try directory.key(.badge, directory.badgeKeyFile)
        let secret = try directory.key(.siteSecret, directory.secretKeyFile)
        guard badge.site == secret.site, let badgeKey = BadgeKey(bytes: badge.key) else {
            throw CollectorFailure("use", directory.keys, "badge.key and site.key are of different sites")
        }
        let (database, site) = try directory.openSite()
        guard site == secret.site else {
            throw CollectorFailure("use", directory.keys, "site.pub and site.key are of different sites")
        }
        let now = SystemClock.wallMilliseconds()
        let refused = RefusedRows(besideFeed: feed, isWritten: !options.isDryRun)
        if !options.isDryRun {
            // An image in force that cannot be read is no reason to make no other.
            do {
                try NumberLeap(directory: directory, database: database).heal(by: AuditTrail.operatorName, now: now)
            } catch { Log.error("a restored changes.sqlite: \(error.description)") }
            try ActivationOffice(directory).publishRecorded()
        }
        // Before the feed is read: a change that comes later lies on top of the image.
        let standing = try ChangeStore.standingKeys(directory)
        let folded = try ImageRegister(database).changeNumberInForce(directory)
        let changed = try ChangeStore.slots(directory, behind: folded)
        let changeNumber = max(standing.changeNumber, folded)
        let (reading, register) = try read(database, refused, badgeKey, standing, now: now, note, progress)
        let builder: ImageBuilder
        do throws(ImageBuildError) { builder = try reading.build() } catch {
            try refused.finish()
            throw CollectorFailure("build an image from", feed, error.description)
        }
        let conflicts = reading.roster.conflicts
        try reading.report(conflicts)
        try refused.finish()
        let holders = reading.roster.holders
        guard holders > 0 else {
            throw CollectorFailure(
                "publish", feed, "none of its \(reading.rows) rows can be used",
                advice: refused.entries > 0 && !options.isDryRun
                    ? "see \(refused.path)" : "the image in force stays")
        }
        try register.flush()
        let images = ImageRegister(database)
        let inForce = try images.inForce()
        let changes = changes(against: inForce, changed, builder, at: now)
        let reasons = options.rules.reasons(
            reading.frame, rows: reading.rows, made: reading.madeMilliseconds, changes: changes, inForce: inForce,
            now: now)
        let version = try images.nextVersion(directory)
        if !options.isDryRun {
            let digest = try write(
                builder, version: version, change: changeNumber, holders: holders, site: site,
                secret: secret.key, badgeKey: badgeKey,
                now: now)
            let image = ImageRegister.Image(
                version: version, file: SiteDirectory.imageName(version: version), digest: digest,
                issuedMilliseconds: now, identifiers: builder.identifiers, holders: holders,
                conflicts: conflicts.count, rows: reading.rows, refused: refused.rows,
                feed: options.recordedName ?? feed,
                publishedMilliseconds: reasons.isEmpty ? now : nil,
                held: reasons.isEmpty ? nil : reasons.joined(separator: "\n"),
                madeMilliseconds: reading.madeMilliseconds, source: reading.source, basis: version)
            try database.transaction { () throws(CollectorFailure) in
                try images.insert(image)
                if reasons.isEmpty { try ActivationOffice.forget(reading.overruled, database) }
            }
        }
        return Summary(
            version: version, fate: reasons.isEmpty ? .published : .held(reasons), isDryRun: options.isDryRun,
            rows: reading.rows, refused: refused.rows, holders: holders, identifiers: builder.identifiers,
            conflicts: conflicts.count, report: refused.entries > 0 && !options.isDryRun ? refused.path : nil,
            unusedColumns: reading.unusedColumns, changes: try? changes?.get())
    }

    /// The reading done; its tables of holders are gone when this returns, but for the numbers that are not written yet.
    private func read(
        _ database: Database, _ refused: RefusedRows, _ badgeKey: BadgeKey, _ standing: StandingKeys, now: Int64,
        _ note: @escaping (String) -> Void, _ progress: @escaping (Progress) -> Void
    ) throws(CollectorFailure) -> (FeedReading, HolderRegister) {
        let register = try HolderRegister(database, isKept: !options.isDryRun)
        let reading = FeedReading(
            feed, refused: refused, register: register, badgeKey: badgeKey,
            validityBaseSeconds: now / 1000 - Self.validityBaseBeforeNowSeconds,
            calendar: options.calendar, decided: try ActivationOffice.decided(database), standing: standing,
            isStopped: options.isStopped,
            note: note, progress: progress)
        do throws(CollectorFailure) { try reading.read() } catch {
            refused.abandon()
            throw error
        }
        register.forgetHolders()
        return (reading, register)
    }

    /// nil: there is nothing in force.
    private func changes(
        against inForce: ImageRegister.Image?, _ changed: [BadgeTag: ImageSlot], _ builder: borrowing ImageBuilder,
        at now: Int64
    ) -> Result<ImageChanges, CollectorFailure>? {
        guard let inForce else { return nil }
        var after = HolderKeys(at: WallTime(milliseconds: now), windows: options.windows)
        let base = builder.validityBaseSeconds
        builder.zoneSets.withUnsafeBufferPointer { sets in
            builder.forEachSlot { after.add($0, zoneSets: sets, validityBaseSeconds: base) }
        }
        return Result { () throws(CollectorFailure) in
            let image = try PublishedImageFile("\(directory.images)/\(inForce.file)", digest: inForce.digest)
            // With what lies on top of it: that was not the feed's doing.
            let before = try HolderKeys(
                of: image, at: WallTime(milliseconds: now), changed: changed, windows: options.windows)
            return ImageChanges(from: before, of: inForce.version, to: after)
        }
    }

    private func write(
        _ builder: borrowing ImageBuilder, version: UInt64, change: UInt64, holders: Int, site: SiteID,
        secret: [UInt8], badgeKey: BadgeKey, now: Int64
    ) throws(CollectorFailure) -> [UInt8] {
        let path = directory.imageFile(version: version)
        do {
            return try builder.write(
                to: path,
                title: ImageBuilder.Title(
                    site: site, version: version, changeNumber: change, issuedAt: WallTime(milliseconds: now),
                    holders: holders, badgeKeyFingerprint: badgeKey.fingerprint),
                signingWith: try Ed25519.SigningKey(seed: secret))
        } catch { throw CollectorFailure("write", path, "\(error)") }
    }
}
