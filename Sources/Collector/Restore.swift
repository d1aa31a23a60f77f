import Cryptography
import Framing
import Glibc
import Posix

/// `lanekeeper-collector restore`: makes a data directory of a backup, in an empty place. All is checked before anything
/// has its name; the keys come last, and without them it is no site.
public struct Restore {
    private static let partialName = ".restore.partial"
    /// Holders that feeds named after the backup have numbers that it does not know. None of them is given again as long as
    /// they were fewer.
    static let holderLeap: Int64 = 1_000_000

    private let backup: String
    private let data: SiteDirectory
    private let keys: String?

    /// `keys`: a copy of the site's `keys/`, for a backup without them.
    public init(_ backup: String, to data: SiteDirectory, keys: String?) {
        self.backup = backup
        self.data = data
        self.keys = keys
    }

    /// What was done, in some lines. `who`: stands in `audit`.
    public func run(by who: String) throws(CollectorFailure) -> String {
        let manifest = try readManifest()
        try refuseIfTaken()
        let staged = SiteDirectory("\(data.path)/\(Self.partialName)")
        try Backup.remove(staged.path)
        do throws(CollectorFailure) {
            try fill(staged, manifest)
            try check(staged, manifest, by: who)
            try takePlace(staged, manifest)
        } catch {
            try? Backup.remove(staged.path)
            throw error
        }
        return """
            \(data.path) is site \(manifest.site.hex) as of \(Timestamp.format(manifest.madeMilliseconds)).
            Start `serve`, let the lanes connect, give the urgent changes since then again, and import the newest feed:
            lanes send again what is missing here, as far as their journals still hold it.

            """
    }

    private func readManifest() throws(CollectorFailure) -> BackupManifest {
        let path = "\(backup)/\(BackupManifest.name)"
        let bytes = try collecting { () throws(SystemFailure) in
            try FileSystem.read(path, limit: BackupManifest.mostBytes)
        }
        guard let manifest = BackupManifest(text: String(decoding: bytes, as: UTF8.self)) else {
            throw CollectorFailure(
                "restore from", path, "it is no manifest of a backup, or not all of one", advice: "take another backup")
        }
        return manifest
    }

    private func refuseIfTaken() throws(CollectorFailure) {
        try collecting { () throws(SystemFailure) in try FileSystem.makeDirectories(data.path, mode: 0o750) }
        let names = try collecting { () throws(SystemFailure) in try FileSystem.list(data.path) }
        guard let first = names.first(where: { $0 != Self.partialName }) else { return }
        throw CollectorFailure(
            "restore to", data.path, "it is not empty: \(first) is there",
            advice: "nothing is overwritten; move what is there away, or choose another directory")
    }

    private func fill(_ staged: SiteDirectory, _ manifest: BackupManifest) throws(CollectorFailure) {
        try collecting { () throws(SystemFailure) in
            try FileSystem.makeDirectories(staged.path, mode: 0o750)
            try FileSystem.makeDirectories(staged.images, mode: 0o750)
            try FileSystem.makeDirectories(staged.keys, mode: 0o700)
        }
        for file in manifest.files {
            let copied = try BackupManifest.copy(
                "\(backup)/\(file.name)", to: "\(staged.path)/\(file.name)", as: file.name)
            guard copied == file else {
                throw CollectorFailure(
                    "restore", "\(backup)/\(file.name)", "it is not the file that was backed up",
                    advice: "it is damaged; take another backup")
            }
        }
        if !manifest.hasSecretKeys { try bringKeys(staged) }
        try collecting { () throws(SystemFailure) in
            for name in BackupManifest.publicKeys { try FileSystem.setMode("\(staged.path)/\(name)", 0o644) }
        }
    }

    private func bringKeys(_ staged: SiteDirectory) throws(CollectorFailure) {
        guard let keys else {
            throw CollectorFailure(
                "restore from", backup, "the site's secret keys are not in it",
                advice: "give your copy of the site's keys/ as --keys DIR")
        }
        for name in BackupManifest.secretKeys {
            _ = try BackupManifest.copy(
                "\(keys)/\(FileSystem.name(of: name))", to: "\(staged.path)/\(name)", as: name)
        }
    }

    // MARK: Checked

    private func check(
        _ staged: SiteDirectory, _ manifest: BackupManifest, by who: String
    ) throws(CollectorFailure) {
        let publicKey = try staged.key(.sitePublic, staged.publicKeyFile)
        for (kind, path) in [(KeyFile.Kind.siteSecret, staged.secretKeyFile), (.badge, staged.badgeKeyFile)] {
            guard try staged.key(kind, path).site == manifest.site, publicKey.site == manifest.site else {
                throw CollectorFailure(
                    "restore", FileSystem.name(of: path), "it is of another site than the backup",
                    advice: "give the keys of site \(manifest.site.hex)")
            }
        }
        let seed = try staged.key(.siteSecret, staged.secretKeyFile).key
        guard let signing = try? Ed25519.SigningKey(seed: seed), signing.publicKey == publicKey.key else {
            throw CollectorFailure(
                "restore", "site.key", "site.pub is not its public part", advice: "give the keys of this site")
        }
        for name in manifest.presentDatabases {
            let database = try Database("\(staged.path)/\(name)", .readWrite)
            let words = try database.prepare("PRAGMA integrity_check(1)")
            let isWhole = try words.step() && words.text(0) == "ok"
            words.reset()
            guard isWhole else {
                throw CollectorFailure(
                    "restore", "\(backup)/\(name)", "its pages are not whole", advice: "take another backup")
            }
        }
        try checkLayouts(staged, manifest)
        try note(staged, manifest, by: who)
    }

    /// `serve` takes older ones over at its start.
    private func checkLayouts(_ staged: SiteDirectory, _ manifest: BackupManifest) throws(CollectorFailure) {
        for (path, versions) in [
            (staged.intakeDatabase, IntakeSchema.readable), (staged.siteDatabase, SiteSchema.readable),
            (staged.changeDatabase, ChangeSchema.version...ChangeSchema.version),
            (staged.alertDatabase, AlertSchema.readable),
        ] where manifest.presentDatabases.contains(FileSystem.name(of: path)) {
            let name = "\(backup)/\(FileSystem.name(of: path))"
            let database = try Database(path, .readOnly)
            let found = try database.integer("PRAGMA user_version")
            guard versions.contains(found) else {
                throw CollectorFailure(
                    "restore", name, "its layout is version \(found), this program reads \(versions.upperBound)",
                    advice: found > versions.upperBound
                        ? "a newer program made the backup: restore it with that one, or a newer one"
                        : "restore it with the program that made the backup")
            }
            try SiteDirectory.check(database, site: manifest.site, versions: versions)
        }
    }

    private func note(
        _ staged: SiteDirectory, _ manifest: BackupManifest, by who: String
    ) throws(CollectorFailure) {
        let database = try staged.openSite().database
        try database.transaction { () throws(CollectorFailure) in
            try database.execute(
                "UPDATE sqlite_sequence SET seq = min(seq + \(Self.holderLeap), \(UInt32.max / 2)) WHERE name = 'holder'"
            )
            try AuditTrail(database).add(
                who, "restore",
                "as of \(Timestamp.format(manifest.madeMilliseconds)); new holders' numbers go on "
                    + "\(Self.holderLeap) above", at: SystemClock.wallMilliseconds())
        }
        // One file again: the log beside it would have to move with it.
        try database.execute("PRAGMA journal_mode=DELETE")
    }

    private func takePlace(_ staged: SiteDirectory, _ manifest: BackupManifest) throws(CollectorFailure) {
        try collecting { () throws(SystemFailure) in
            let file = try Descriptor.open(staged.siteDatabase, [.readWrite, .noFollow])
            try file.sync()
            for folder in [staged.images, staged.keys, staged.path] { try FileSystem.syncDirectory(folder) }
            for name in manifest.presentDatabases + ["images"] {
                try FileSystem.rename("\(staged.path)/\(name)", to: "\(data.path)/\(name)")
            }
            try FileSystem.syncDirectory(data.path)
            try FileSystem.rename(staged.keys, to: data.keys)
            guard Glibc.rmdir(staged.path) == 0 else { throw SystemFailure("remove", staged.path, code: errno) }
            try FileSystem.syncDirectory(data.path)
        }
    }
}
