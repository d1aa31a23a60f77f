import Posix

/// How long image files are kept so that an old decision can be recomputed.
struct ImageLimits: Sendable, Hashable {
    static let defaultDays = 8
    static let defaultMost = 60

    /// After another took an image's place.
    var days = Self.defaultDays
    /// Of all that are not in force, held or not, however young.
    var most = Self.defaultMost
}

/// The files in `images/`. What is in force stays, and what is held and may still be published; of the others those that
/// were in force within some days. Never more than so many. What the register says of an image stays for ever.
struct ImageShelf {
    private let directory: SiteDirectory
    private let database: Database
    private let limits: ImageLimits

    init(_ directory: SiteDirectory, _ database: Database, _ limits: ImageLimits) {
        self.directory = directory
        self.database = database
        self.limits = limits
    }

    /// Removes what is not to be kept; the names. Only under the import's lock: nobody is writing an image then.
    func prune(now: Int64) throws(CollectorFailure) -> [String] {
        let images = try ImageRegister(database).all()
        guard let inForce = images.last(where: { $0.publishedMilliseconds != nil }) else { return [] }
        var kept: Set<String> = [inForce.file]
        var room = limits.most
        // When an image's place was taken, going back from the newest.
        var takenAt: Int64?
        let isWaiting = { (image: ImageRegister.Image) in
            image.publishedMilliseconds == nil && image.version > inForce.basis
        }
        // An operator may still publish them: before all that only recomputes old decisions.
        for image in images.reversed() where isWaiting(image) && room > 0 {
            kept.insert(image.file)
            room -= 1
        }
        for image in images.reversed() {
            let ended = image.publishedMilliseconds == nil ? image.issuedMilliseconds : takenAt ?? now
            if let published = image.publishedMilliseconds { takenAt = published }
            guard image.version != inForce.version, !isWaiting(image) else { continue }
            // A clock that was set back makes nothing older.
            let isYoung = now - ended <= Int64(limits.days) * 86_400_000
            guard room > 0, isYoung else { continue }
            kept.insert(image.file)
            room -= 1
        }
        return try collecting { () throws(SystemFailure) in
            try FileSystem.removePartialFiles(in: directory.images)
            var removed: [String] = []
            // Also files that nobody knows: of an import that was killed before it said so.
            for name in try FileSystem.list(directory.images) where name.hasSuffix(".img") && !kept.contains(name) {
                try FileSystem.unlinkIfPresent("\(directory.images)/\(name)")
                removed.append(name)
            }
            return removed.sorted()
        }
    }

    /// What `serve` does from time to time; not while another process imports or decides.
    func pruneIfFree(now: Int64) throws(CollectorFailure) {
        guard let lock = try directory.lockIfFree(directory.importLock) else { return }
        defer { withExtendedLifetime(lock) {} }
        let removed = try prune(now: now)
        guard let first = removed.first, let last = removed.last else { return }
        Log.information(
            "\(removed.count) old images are removed, \(first)" + (removed.count > 1 ? " to \(last)" : ""))
    }
}
