import Framing
import Glibc
import Posix

/// `lanekeeper-collector backup`: a folder with all that a site needs to go on, made while `serve` and `import` run.
///
/// Each database is copied as of one instant. Their order makes them fit: what lanes sent first, then, while nobody
/// publishes, what the site publishes. So no record names a holder whom `site.sqlite` does not know, and no change an image
/// that it does not know. The folder has its name only when all of it is there and durable.
public struct Backup {
    /// An import may be under way.
    private static let patienceMilliseconds = 60_000
    /// How long `serve` is kept from publishing before it gets another turn.
    private static let lockPatienceMilliseconds: Int32 = 200

    private let data: SiteDirectory
    private let target: String
    private let withKeys: Bool

    public init(_ data: SiteDirectory, to target: String, withKeys: Bool) {
        self.data = data
        self.target = target
        self.withKeys = withKeys
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
            let manifest = try fill(partial, site)
            try collecting { () throws(SystemFailure) in
                try FileSystem.rename(partial, to: target)
                try FileSystem.syncDirectory(FileSystem.parent(of: target))
            }
            return Self.said(manifest, target)
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

    private func fill(_ folder: String, _ site: SiteID) throws(CollectorFailure) -> BackupManifest {
        try collecting { () throws(SystemFailure) in
            for part in ["", "/images", "/keys"] { try FileSystem.makeDirectories(folder + part, mode: 0o700) }
        }
        var manifest = BackupManifest(
            site: site, madeMilliseconds: SystemClock.wallMilliseconds(), hasSecretKeys: withKeys)
        manifest.files.append(
            try copy(data.intakeDatabase, IntakeSchema.version, site, to: folder, "intake.sqlite"))
        let importLock = try lockImport()
        defer { withExtendedLifetime(importLock) {} }
        try whileNobodyPublishes { () throws(CollectorFailure) in
            for (path, version, name) in [
                (data.changeDatabase, ChangeSchema.version, "changes.sqlite"),
                (data.siteDatabase, SiteSchema.version, "site.sqlite"),
                (data.enrolmentDatabase, nil, "enrolment.sqlite"),
            ] as [(String, Int64?, String)] {
                manifest.files.append(try copy(path, version, site, to: folder, name))
            }
        }
        for name in try images() {
            manifest.files.append(
                try BackupManifest.copy(
                    "\(data.images)/\(name)", to: "\(folder)/images/\(name)", as: "images/\(name)"))
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
        return manifest
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

    private func copy(
        _ path: String, _ version: Int64?, _ site: SiteID, to folder: String, _ name: String
    ) throws(CollectorFailure) -> BackupManifest.File {
        let database = try Database(path, .readOnly)
        if let version { try SiteDirectory.check(database, site: site, version: version) }
        let target = "\(folder)/\(name)"
        try database.copy(to: target)
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

extension Database {
    /// All of it as of one instant, to a file of its own, 0600. Others read and write meanwhile.
    func copy(to target: String) throws(CollectorFailure) {
        try collecting { () throws(SystemFailure) in
            // SQLite takes an empty file as it is, with its mode.
            _ = try Descriptor.open(target, [.write, .create, .exclusive, .noFollow], mode: 0o600)
        }
        let copy = try prepare("VACUUM INTO ?")
        copy.bind(1, target)
        try copy.run()
    }
}
