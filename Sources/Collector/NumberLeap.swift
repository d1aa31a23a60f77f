import Framing
import Posix

/// Goes above numbers that were given and are not known here any more: a new image, as this collector knows the site, has
/// a number above them, and lanes that have it let go of what they had.
struct NumberLeap {
    /// Beyond what was shown: others may have been a little further.
    static let margin: UInt64 = 1000
    /// A lane that is ahead by more is not believed: numbers must not run out.
    static let farthest: UInt64 = 1 << 32
    /// A lane that lies makes an image at most so often.
    static let periodMilliseconds: Int64 = 600_000
    private static let mostTries = 5

    let directory: SiteDirectory
    /// `site.sqlite`
    let database: Database

    /// Over what a lane has. What was done, in a sentence; nil: nothing was to be done, or another process works on images
    /// just now.
    func leap(over ahead: ChangeDesk.Ahead, now: Int64) throws(CollectorFailure) -> String? {
        guard let lock = try directory.lockIfFree(directory.importLock) else { return nil }
        defer { withExtendedLifetime(lock) {} }
        let lane = ahead.lane.map { "lane \($0)" } ?? "a lane"
        return try goAbove(
            ahead.number, "\(lane) has change \(ahead.number)", ChangeStore(directory), by: "serve", now: now)
    }

    /// As `heal`; false when another process works on images just now.
    func healIfFree(by who: String, now: Int64) throws(CollectorFailure) -> Bool {
        guard let lock = try directory.lockIfFree(directory.importLock) else { return false }
        defer { withExtendedLifetime(lock) {} }
        try heal(by: who, now: now)
        return true
    }

    /// Makes good what a `changes.sqlite` from a backup leaves open, as far as this directory shows it; what is lost is
    /// logged and stands in `audit`. Only under the import's lock. Does nothing the second time.
    func heal(by who: String, now: Int64) throws(CollectorFailure) {
        let register = ImageRegister(database)
        let folded = try register.changeNumberInForce(directory)
        let (changes, published) = try collecting { () throws(SystemFailure) in
            (
                try FileSystem.statusIfPresent(directory.changeDatabase),
                try FileSystem.statusIfPresent(directory.published)
            )
        }
        guard changes != nil || published != nil || folded > 0 else { return }
        // Takes back what can be.
        let store = try ChangeStore(directory)
        let images = ForgottenImages(directory: directory, database: database)
        if let said = try images.note(
            store.reachedImage, "published/ shows image \(store.reachedImage)", by: who, now: now)
        {
            Log.error(said)
        }
        if try store.reached > max(folded, store.lastNumber()) {
            let shown = "published/ shows change \(store.reached)"
            if let said = try goAbove(store.reached, shown, store, by: who, now: now) { Log.error(said) }
        }
        var lost: [String] = []
        do {
            try store.transaction {
                let image = try register.inForce()?.version ?? 0
                for numbers in try store.holes() + [store.missing(folded: folded)].compactMap(\.self) {
                    let what =
                        "changes \(numbers.lowerBound) to \(numbers.upperBound) stand in image \(image) and not in "
                        + "changes.sqlite, which is older than that: the next feed does not know them"
                    try store.noteLoss(numbers, now: now)
                    try AuditTrail(database).add(who, Self.auditWord, what, at: now)
                    lost.append(what)
                }
            }
        } catch let failure as CollectorFailure { throw failure } catch {
            throw CollectorFailure("note what is lost in", directory.changeDatabase, "\(error)")
        }
        for what in lost { Log.error(what + ". Give them again") }
    }
    private static let auditWord = "changes were lost"

    /// `shown`: who says so, in words. nil: nothing beyond what is here was given.
    private func goAbove(
        _ reached: UInt64, _ shown: String, _ store: ChangeStore, by who: String, now: Int64
    ) throws(CollectorFailure) -> String? {
        let newest = try store.newest()
        let register = ImageRegister(database)
        guard reached > newest, let inForce = try register.inForce() else { return nil }
        let (number, isOver) = reached.addingReportingOverflow(Self.margin)
        guard !isOver, Int64(exactly: number) != nil else {
            throw CollectorFailure("go above", "change \(reached)", "there are no numbers above it")
        }
        let version = try register.nextVersion(directory)
        for _ in 0..<Self.mostTries {
            let (image, folded) = try ImageRevision(directory, of: inForce, as: version)
                .writeFolded(publishedAt: now, changeNumber: number)
            let what =
                "\(shown), the newest here was \(newest): changes.sqlite is older than what was published; image "
                + "\(version) goes on above, at \(number)"
            let isDone = try enter(
                image, ifStill: folded, lost: newest + 1...number, store, by: who, saying: what, now: now)
            if isDone { return what + ". Urgent changes since the backup are lost: give them again" }
        }
        throw CollectorFailure(
            "go above", "change \(reached)", "others publish changes all the time",
            advice: "it is tried again; let a second pass without any")
    }

    /// Puts an image into force that has all changes up to `folded`. False when one came since: it has a number below the
    /// image's own and is not in it.
    func enter(
        _ image: ImageRegister.Image, ifStill folded: UInt64, lost: ClosedRange<UInt64>, _ store: ChangeStore,
        by who: String, saying what: String, now: Int64
    ) throws(CollectorFailure) -> Bool {
        do {
            // Nobody publishes between the look and the entry.
            return try store.transaction {
                guard try store.newest() == folded else { return false }
                try store.noteLoss(lost, now: now)
                try database.transaction { () throws(CollectorFailure) in
                    try AuditTrail(database).add(who, Self.auditWord, what, at: now)
                    try ImageRegister(database).insert(image)
                }
                return true
            }
        } catch let failure as CollectorFailure { throw failure } catch {
            throw CollectorFailure("put into force", image.file, "\(error)")
        }
    }
}
