import Cryptography
import Framing
import Posix

/// `lanekeeper-collector init`: a new site's id, keys and databases. Refuses to touch a directory that holds any of them.
public enum SiteFounding {
    /// The new site's id. `site.key` is written last: where it stands, the site is complete.
    public static func found(in directory: SiteDirectory) throws(CollectorFailure) -> SiteID {
        try refuseIfFounded(directory)
        let site: SiteID
        let badgeKey: [UInt8]
        let signing: Ed25519.SigningKey
        let seed: [UInt8]
        do throws(CryptographyFailure) {
            guard let made = SiteID(bytes: try RandomBytes.make(16)) else {
                throw CryptographyFailure("make a site id", reason: "it is not 16 bytes")
            }
            site = made
            badgeKey = try RandomBytes.secret(16)
            signing = try Ed25519.SigningKey.generate()
            seed = try signing.seed()
        } catch { throw CollectorFailure("make", "the site's keys", error.description) }
        try collecting { () throws(SystemFailure) in
            try FileSystem.makeDirectories(directory.path, mode: 0o750)
            try FileSystem.makeDirectories(directory.keys, mode: 0o700)
            try FileSystem.makeDirectories(directory.images, mode: 0o750)
        }
        try makeDatabase(directory.intakeDatabase, IntakeSchema.sql, site)
        try makeDatabase(directory.siteDatabase, SiteSchema.sql, site)
        try makeDatabase(directory.changeDatabase, ChangeSchema.sql, site)
        try SiteAuthority.make(in: directory, site: site)
        let files: [(KeyFile, String, UInt32)] = [
            (KeyFile(kind: .badge, site: site, key: badgeKey), directory.badgeKeyFile, 0o600),
            (KeyFile(kind: .sitePublic, site: site, key: signing.publicKey), directory.publicKeyFile, 0o644),
            (KeyFile(kind: .siteSecret, site: site, key: seed), directory.secretKeyFile, 0o600),
        ]
        for (key, path, mode) in files {
            try collecting { () throws(SystemFailure) in
                try FileSystem.replace(path, with: Array(key.text.utf8), mode: mode)
            }
        }
        return site
    }

    private static func refuseIfFounded(_ directory: SiteDirectory) throws(CollectorFailure) {
        let made = [
            directory.secretKeyFile, directory.publicKeyFile, directory.badgeKeyFile, directory.intakeDatabase,
            directory.siteDatabase, directory.changeDatabase, directory.enrolmentDatabase, directory.authorityKeyFile,
        ]
        for path in made {
            let isThere = try collecting { () throws(SystemFailure) in try FileSystem.statusIfPresent(path) != nil }
            guard isThere else { continue }
            let isWhole = (try? FileSystem.statusIfPresent(directory.secretKeyFile)) ?? nil
            throw CollectorFailure(
                "make a site in", directory.path, "\(path) is there already",
                advice: isWhole == nil
                    ? "an init was cut short here; remove what it left, or choose another directory"
                    : "this site exists; choose another directory for a new one")
        }
    }

    static func makeDatabase(_ path: String, _ sql: String, _ site: SiteID) throws(CollectorFailure) {
        let database = try Database(path, .create)
        try database.useWriteAheadLog()
        try database.transaction { () throws(CollectorFailure) in
            try database.execute(sql)
            let insert = try database.prepare("INSERT INTO site(id) VALUES(?)")
            insert.bind(1, site.bytes)
            try insert.run()
        }
    }
}
