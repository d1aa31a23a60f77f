import Framing
import Glibc
import Posix

/// `lanekeeper-collector backup`: a folder with all that a site needs to go on, made while `serve` and `import` run.
///
/// Each database is copied as of one instant. Their order makes them fit: how far alerts have read what lanes sent, then what
/// lanes sent, then, of an instant in which nobody publishes, what the site publishes. So no record names a holder whom
/// `site.sqlite` does not know, and no change an image that it does not know. However slow the target is, nobody waits for
/// more than that instant. The folder has its name only when all of it is there and durable.
public struct Backup {
    /// An import may be under way.
    private static let patienceMilliseconds = 60_000
    /// How long `serve` is kept from publishing before it gets another turn.
    private static let lockPatienceMilliseconds: Int32 = 200

    private let data: SiteDirectory
    private let target: String
    private let withKeys: Bool
    private let copying: (_ name: String) -> Void

    public init(_ data: SiteDirectory, to target: String, withKeys: Bool) {
        self.init(data, to: target, withKeys: withKeys) { _ in }
    }

    /// `copying`: called while each database and image is copied, and once after it.
    init(_ data: SiteDirectory, to target: String, withKeys: Bool, copying: @escaping (_ name: String) -> Void) {
        self.data = data
        self.target = target
        self.withKeys = withKeys
        self.copying = copying
    }

    /// What was done, in a line or two.
    public func run() throws(CollectorFailure) -> String {
        let site = try data.key(.sitePublic, data.publicKeyFile).site
        let isThere = try collecting { () throws(SystemFailure) in try FileSystem.statusIfPresent(target) != nil }
        if isThere {
            throw CollectorFailure(
                "back up to", target, "it is there already", advice: "give each backup a name of its own")
        }
        let lock = try data.lock("\(data.path)/backup.lock")
        defer { withExtendedLifetime(lock) {} }
        let partial = "\(FileSystem.parent(of: target))/.\(FileSystem.name(of: target)).partial"
        // Of one that was killed: the lock says that none is under way.
        try Self.remove(partial)
        do throws(CollectorFailure) {
            let (manifest, withoutAlerts) = try fill(partial, site)
            try collecting { () throws(SystemFailure) in
                try FileSystem.rename(partial, to: target)
                try FileSystem.syncDirectory(FileSystem.parent(of: target))
            }
            return Self.said(manifest, target) + (withoutAlerts.map { "alerts.sqlite is not in it: \($0)\n" } ?? "")
        } catch {
            try? Self.remove(partial)
            throw error
        }
    }

    private static func said(_ manifest: BackupManifest, _ target: String) -> String {
        let bytes = manifest.files.reduce(0) { $0 + $1.bytes }
        let keys =
            manifest.hasSecretKeys
            ? "The site's secret keys are in it: whoever has it can let in whom he likes. Keep it as you keep them."
            : "The site's secret keys are not in it; `restore` needs a copy of keys/ beside it."
        return "\(target): \(manifest.files.count) files, \(bytes) bytes\n\(keys)\n"
    }

    /// `withoutAlerts`: why these are not in it though they are there.
    private func fill(
        _ folder: String, _ site: SiteID
    ) throws(CollectorFailure) -> (BackupManifest, withoutAlerts: String?) {
        try collecting { () throws(SystemFailure) in
            for part in ["", "/images", "/keys"] { try FileSystem.makeDirectories(folder + part, mode: 0o700) }
        }
        var manifest = BackupManifest(
            site: site, madeMilliseconds: SystemClock.wallMilliseconds(), hasSecretKeys: withKeys)
        let withoutAlerts = try copyAlerts(site, to: folder, &manifest)
        manifest.files.append(
            try copy(data.intakeDatabase, IntakeSchema.readable, site, to: folder, "intake.sqlite"))
        let held = try holdInstant(site)
        for (name, database) in held.databases {
            let target = "\(folder)/\(name)"
            try database.copyHeldInstant(to: target)
            manifest.files.append(try BackupManifest.seal(target, as: name))
            copying(name)
        }
        for (name, file) in held.images {
            manifest.files.append(
                try BackupManifest.copy(file, to: "\(folder)/images/\(name)", as: "images/\(name)"))
            copying("images/\(name)")
        }
        for name in BackupManifest.publicKeys + (withKeys ? BackupManifest.secretKeys : []) {
            manifest.files.append(try BackupManifest.copy("\(data.path)/\(name)", to: "\(folder)/\(name)", as: name))
        }
        let text = manifest.text
        try collecting { () throws(SystemFailure) in
            try FileSystem.syncDirectory("\(folder)/images")
            try FileSystem.syncDirectory("\(folder)/keys")
            try FileSystem.replace("\(folder)/\(BackupManifest.name)", with: Array(text.utf8), mode: 0o600)
        }
        return (manifest, withoutAlerts)
    }

    /// What speaks of each other, as of one instant: to be copied by and by.
    private struct Held {
        var databases: [(name: String, database: Database)] = []
        var images: [(name: String, file: Descriptor)] = []
    }

    /// While nobody publishes or imports; when it returns, everybody may again.
    private func holdInstant(_ site: SiteID) throws(CollectorFailure) -> Held {
        let importLock = try lockImport()
        defer { withExtendedLifetime(importLock) {} }
        var held = Held()
        try whileNobodyPublishes { () throws(CollectorFailure) in
            for (path, version, name) in [
                (data.changeDatabase, ChangeSchema.version, "changes.sqlite"),
                (data.siteDatabase, SiteSchema.version, "site.sqlite"),
                (data.enrolmentDatabase, EnrolmentSchema.version, "enrolment.sqlite"),
            ] {
                let database = try Database(path, .readOnly)
                try SiteDirectory.check(database, site: site, version: version)
                try database.holdInstant()
                held.databases.append((name, database))
            }
        }
        // One that is removed from here on is still read by its descriptor.
        for name in try images() {
            let path = "\(data.images)/\(name)"
            held.images.append(
                (name, try collecting { () throws(SystemFailure) in try Descriptor.open(path, [.read, .noFollow]) }))
        }
        return held
    }

    /// The one in force, its basis, and those that an operator may still publish; others only recompute old decisions.
    private func images() throws(CollectorFailure) -> [String] {
        let all = try ImageRegister(try data.openSite().database).all()
        guard let inForce = all.last(where: { $0.publishedMilliseconds != nil }) else { return all.map(\.file) }
        let wanted = all.filter {
            $0.version == inForce.version || $0.version == inForce.basis
                || ($0.publishedMilliseconds == nil && $0.version > inForce.basis)
        }
        return try collecting { () throws(SystemFailure) in
            var names: [String] = []
            for name in wanted.map(\.file) {
                // Too many that wait are removed like any other; the one in force must be there.
                let isThere = try FileSystem.statusIfPresent("\(data.images)/\(name)") != nil
                if isThere || name == inForce.file { names.append(name) }
            }
            return names
        }
    }

    // MARK: Databases

    /// Before what lanes sent: then they never say of a row that is not in the backup that it was read. They come again from
    /// what lanes sent, all but the history: what is wrong with them is no reason to have no backup. Returns that, nil when
    /// they were copied or are not there.
    private func copyAlerts(
        _ site: SiteID, to folder: String, _ manifest: inout BackupManifest
    ) throws(CollectorFailure) -> String? {
        do throws(CollectorFailure) {
            let isThere = try collecting { () throws(SystemFailure) in
                try FileSystem.statusIfPresent(data.alertDatabase) != nil
            }
            guard isThere else { return nil }
            manifest.files.append(
                try copy(data.alertDatabase, AlertSchema.readable, site, to: folder, "alerts.sqlite"))
            return nil
        } catch {
            try collecting { () throws(SystemFailure) in try FileSystem.unlinkIfPresent("\(folder)/alerts.sqlite") }
            return error.description
        }
    }

    /// `versions`: those that `restore` brings back.
    private func copy(
        _ path: String, _ versions: ClosedRange<Int64>, _ site: SiteID, to folder: String, _ name: String
    ) throws(CollectorFailure) -> BackupManifest.File {
        let database = try Database(path, .readOnly)
        try SiteDirectory.check(database, site: site, versions: versions)
        let target = "\(folder)/\(name)"
        database.whileRunning { copying(name) }
        try database.copy(to: target)
        database.whileRunning(nil)
        copying(name)
        return try BackupManifest.seal(target, as: name)
    }

    /// No import, no decision of the office, no removal of images meanwhile.
    private func lockImport() throws(CollectorFailure) -> Descriptor {
        let end = SystemClock.deadline(milliseconds: Self.patienceMilliseconds)
        while true {
            if let lock = try data.lockIfFree(data.importLock) { return lock }
            guard SystemClock.monotonicNanoseconds() < end else {
                throw CollectorFailure(
                    "back up", data.path, "an import has been running for a minute",
                    advice: "try again when it has ended")
            }
            _ = poll(nil, 0, 100)
        }
    }

    /// Holds the write locks of both databases that speak of each other. Readers go on, and so does intake.
    private func whileNobodyPublishes(_ body: () throws(CollectorFailure) -> Void) throws(CollectorFailure) {
        let changes = try Database(data.changeDatabase, .readWrite)
        let siteDatabase = try data.openSite().database
        siteDatabase.waitForOthers(milliseconds: Self.lockPatienceMilliseconds)
        let end = SystemClock.deadline(milliseconds: Self.patienceMilliseconds)
        while true {
            try changes.execute("BEGIN IMMEDIATE")
            do throws(CollectorFailure) { try siteDatabase.execute("BEGIN IMMEDIATE") } catch {
                // Whoever holds that one may be waiting for this one.
                try changes.execute("ROLLBACK")
                guard SystemClock.monotonicNanoseconds() < end else { throw error }
                _ = poll(nil, 0, 50)
                continue
            }
            defer {
                // Nothing was written; closing would do the same.
                _ = try? siteDatabase.execute("ROLLBACK")
                _ = try? changes.execute("ROLLBACK")
            }
            return try body()
        }
    }

    /// A folder of the shape of a backup, or nothing.
    static func remove(_ folder: String) throws(CollectorFailure) {
        try collecting { () throws(SystemFailure) in
            guard try FileSystem.statusIfPresent(folder)?.kind == .directory else { return }
            for part in ["/images", "/keys", ""] {
                guard try FileSystem.statusIfPresent(folder + part) != nil else { continue }
                for name in try FileSystem.list(folder + part) {
                    let path = "\(folder)\(part)/\(name)"
                    guard try FileSystem.statusIfPresent(path)?.kind != .directory else { continue }
                    try FileSystem.unlinkIfPresent(path)
                }
                guard Glibc.rmdir(folder + part) == 0 else {
                    throw SystemFailure("remove", folder + part, code: errno)
                }
            }
        }
    }
}
