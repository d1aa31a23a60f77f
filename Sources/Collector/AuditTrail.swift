import Cryptography
import Framing
import Glibc
import Posix

/// Who did what to the site's credentials, and when: the table `audit` of `site.sqlite`, which only grows.
public struct AuditTrail {
    /// The login's own name, also behind sudo and runuser as far as the kernel's audit knows it, and the user as whom
    /// the program runs.
    public static var operatorName: String {
        let running = name(ofUser: getuid())
        var login: String?
        if let text = try? Descriptor.open("/proc/self/loginuid", .read).readAll(limit: 32),
            let user = UInt32(String(decoding: text, as: UTF8.self)), user != UInt32.max
        {
            login = name(ofUser: user)
        }
        if login == nil, let sudo = getenv("SUDO_USER") { login = String(cString: sudo) }
        guard let login, login != running else { return running }
        return OneLineName.isOne(login) ? "\(login) as \(running)" : running
    }

    private static func name(ofUser user: UInt32) -> String {
        guard let entry = getpwuid(user) else { return "uid \(user)" }
        return String(cString: entry.pointee.pw_name)
    }

    private let database: Database

    init(_ database: Database) { self.database = database }

    /// The number of the entry.
    @discardableResult
    func add(_ who: String, _ what: String, _ detail: String, at now: Int64) throws(CollectorFailure) -> Int64 {
        let insert = try database.prepare("INSERT INTO audit(at, who, what, detail) VALUES(?, ?, ?, ?)")
        insert.bind(1, now)
        insert.bind(2, who)
        insert.bind(3, what)
        insert.bind(4, detail)
        try insert.run()
        return database.lastInsertedRow
    }

    /// Adds to what an entry says of itself, once what it began is done.
    func complete(_ entry: Int64, _ detail: String) throws(CollectorFailure) {
        let update = try database.prepare("UPDATE audit SET detail = detail || ? WHERE id = ?")
        update.bind(1, detail)
        update.bind(2, entry)
        try update.run()
    }

    /// The SHA-256 of what stays of an entry whatever is added to it.
    func digest(of entry: Int64) throws(CollectorFailure) -> [UInt8] {
        let select = try database.prepare("SELECT at, who, what FROM audit WHERE id = ?")
        select.bind(1, entry)
        defer { select.reset() }
        guard try select.step() else {
            throw CollectorFailure("read", "entry \(entry) of audit", "there is none")
        }
        let words = "\(select.integer(0))\n\(select.text(1))\n\(select.text(2))"
        do { return try SHA256.hash(Array(words.utf8)) } catch {
            throw CollectorFailure("hash", "entry \(entry) of audit", error.reason)
        }
    }

    /// A line an entry, the newest `count` of them in their order: number, time, who, what, and what of it.
    public static func lines(_ directory: SiteDirectory, count: Int) throws(CollectorFailure) -> [String] {
        let database = try directory.openSite().database
        let select = try database.prepare(
            "SELECT id, at, who, what, detail FROM audit ORDER BY id DESC LIMIT ?")
        select.bind(1, count)
        var lines: [String] = []
        while try select.step() {
            lines.append(
                "\(select.integer(0))\t\(Timestamp.format(select.integer(1)))\t\(select.text(2))\t\(select.text(3))\t"
                    + select.text(4))
        }
        return lines.reversed()
    }
}

extension SiteDirectory {
    /// `site.sqlite` of this site, brought up to date, and the site's id.
    func openSite() throws(CollectorFailure) -> (database: Database, site: SiteID) {
        let site = try key(.sitePublic, publicKeyFile).site
        let database = try Database(siteDatabase, .readWrite)
        try database.useWriteAheadLog()
        try SiteSchema.upgrade(database)
        try SiteDirectory.check(database, site: site, version: SiteSchema.version)
        return (database, site)
    }
}
