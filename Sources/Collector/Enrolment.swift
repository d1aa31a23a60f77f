import Admission
import Cryptography
import Framing
import Posix

/// `lanekeeper-collector lane …` and `token …`. A collector that runs follows at once.
public struct Enrolment {
    private let directory: SiteDirectory
    private let authority: SiteAuthority
    private let database: Database

    public init(_ directory: SiteDirectory) throws(CollectorFailure) {
        self.directory = directory
        authority = try SiteAuthority(directory)
        database = try Database(directory.enrolmentDatabase, .readWrite)
        try database.useWriteAheadLog()
        try SiteDirectory.check(database, site: authority.site, version: EnrolmentSchema.version)
    }

    // MARK: Lanes

    public struct Added: Sendable {
        public var url: String
        public var expiresMilliseconds: Int64
        /// The lane was enrolled already: that controller is refused from now on.
        public var replacesAnother: Bool
    }

    public static let laneDays = SiteAuthority.laneDays

    /// Makes the enrolment file. `url`: nil for what `serve` listens at.
    public func addLane(
        _ id: String, name: String, url: String?, days: Int, file: String
    ) throws(CollectorFailure) -> Added {
        let lane = try Self.lane(id)
        let (known, authorities) = try address()
        guard let url = url ?? known else {
            throw CollectorFailure(
                "enrol", id, "it is not known where this site's collector is",
                advice: "start `serve` with listen.tls once, or give --url https://NAME:PORT")
        }
        guard url.hasPrefix("https://"), !url.contains(where: { $0.isWhitespace }) else {
            throw CollectorFailure(
                "enrol", id, "'\(url)' is not an https:// address", advice: "give --url https://NAME:PORT")
        }
        guard OneLineName.isOne(name) else {
            throw CollectorFailure(
                "enrol", id, "the name is not 1 to 64 characters in one line", advice: "give another --name")
        }
        let isTaken = try collecting { () throws(SystemFailure) in try FileSystem.statusIfPresent(file) != nil }
        guard !isTaken else {
            throw CollectorFailure("write", file, "it is there already", advice: "remove it, or give another --out")
        }
        let now = SystemClock.wallMilliseconds()
        let badge = try directory.key(.badge, directory.badgeKeyFile)
        let publicKey = try directory.key(.sitePublic, directory.publicKeyFile)
        let number: [UInt8]
        do { number = try RandomBytes.make(8) } catch { throw CollectorFailure("enrol", id, error.description) }
        let identity = LaneIdentity(
            site: authority.site, lane: lane, enrolment: number.reduce(0) { $0 << 8 | UInt64($1) }, issue: 1)
        let own = try authority.enrol(identity, days: days, now: now)
        let certificate: Certificate
        let ownAuthority: [UInt8]
        do throws(CryptographyFailure) {
            certificate = try Certificate(pem: own)
            ownAuthority = try authority.authority.certificate.pem()
        } catch { throw CollectorFailure("enrol", id, error.description) }
        let contents = EnrolmentFile(
            lane: lane, name: name, url: url, site: authority.site, sitePublicKey: publicKey.key,
            badgeKey: badge.key, authorities: authorities ?? ownAuthority, identity: own)
        return try database.transaction { () throws(CollectorFailure) in
            let former = try database.prepare("SELECT 1 FROM lane WHERE id = ? AND removed IS NULL")
            former.bind(1, id)
            let replacesAnother = try former.step()
            former.reset()
            let insert = try database.prepare(
                """
                INSERT OR REPLACE INTO lane(id, name, enrolment, issue, days, expires, added, removed, used)
                VALUES(?, ?, ?, 1, ?, ?, ?, NULL, NULL)
                """)
            insert.bind(1, id)
            insert.bind(2, name)
            insert.bind(3, Int64(bitPattern: identity.enrolment))
            insert.bind(4, days)
            insert.bind(5, certificate.notAfterMilliseconds)
            insert.bind(6, now)
            try insert.run()
            try collecting { () throws(SystemFailure) in
                try FileSystem.replace(file, with: contents.bytes, mode: 0o600)
            }
            return Added(
                url: url, expiresMilliseconds: certificate.notAfterMilliseconds, replacesAnother: replacesAnother)
        }
    }

    /// Its certificates are refused from the next request on. false: it was removed already.
    public func removeLane(_ id: String) throws(CollectorFailure) -> Bool {
        _ = try Self.lane(id)
        let known = try database.prepare("SELECT removed FROM lane WHERE id = ?")
        known.bind(1, id)
        guard try known.step() else {
            throw CollectorFailure("remove", id, "no such lane is enrolled", advice: "see `lane list`")
        }
        known.reset()
        let update = try database.prepare("UPDATE lane SET removed = ? WHERE id = ? AND removed IS NULL")
        update.bind(1, SystemClock.wallMilliseconds())
        update.bind(2, id)
        try update.run()
        return database.changes > 0
    }

    /// A line a lane: id, name, state, when its certificate expires, when it was last seen.
    public func lanes() throws(CollectorFailure) -> [String] {
        let now = SystemClock.wallMilliseconds()
        let register = try EnrolmentRegister(directory, site: authority.site).current()
        return register.lanes.sorted { $0.key.text < $1.key.text }.map { id, lane in
            let state =
                lane.removedMilliseconds.map { "removed \(Timestamp.format($0))" }
                ?? (lane.expiresMilliseconds < now ? "EXPIRED " : "expires ")
                + Timestamp.format(lane.expiresMilliseconds)
            let used = lane.usedMilliseconds.map { "last seen \(Timestamp.format($0))" } ?? "never seen"
            return "\(id.text)\t\(lane.name)\t\(state)\t\(used)"
        }
    }

    private static func lane(_ id: String) throws(CollectorFailure) -> ShortName {
        guard let lane = ShortName(id), LaneIdentity.isLaneID(lane) else {
            throw CollectorFailure("enrol", "'\(id)'", "it is not a lane's id", advice: "use 1 to 31 of a-z, 0-9 and -")
        }
        return lane
    }

    private func address() throws(CollectorFailure) -> (url: String?, authorities: [UInt8]?) {
        let select = try database.prepare("SELECT url, authorities FROM address")
        guard try select.step() else { return (nil, nil) }
        defer { select.reset() }
        return (select.text(0), select.blob(1))
    }

    /// What `serve` says of itself.
    func setAddress(url: String, authorities: [UInt8]) throws(CollectorFailure) {
        let (known, former) = try address()
        guard known != url || former != authorities else { return }
        try database.transaction { () throws(CollectorFailure) in
            try database.execute("DELETE FROM address")
            let insert = try database.prepare("INSERT INTO address(url, authorities) VALUES(?, ?)")
            insert.bind(1, url)
            insert.bind(2, authorities)
            try insert.run()
        }
    }

    // MARK: Tokens

    public static let roles = EnrolmentRegister.Role.allCases.map(\.rawValue)

    /// The new token: shown now and never again.
    public func addToken(_ name: String, role: String, days: Int?) throws(CollectorFailure) -> String {
        guard OneLineName.isOne(name), let role = EnrolmentRegister.Role(rawValue: role) else {
            throw CollectorFailure(
                "make", "a token", "'\(name)' is not a name of 1 to 64 characters in one line",
                advice: "name the person or program it is for")
        }
        let token: String
        let hash: [UInt8]
        do throws(CryptographyFailure) {
            token = AccessToken.prefix + Hexadecimal.text(try RandomBytes.secret(32))
            hash = try AccessToken.hash(token)
        } catch { throw CollectorFailure("make", "a token", error.description) }
        let now = SystemClock.wallMilliseconds()
        try database.transaction { () throws(CollectorFailure) in
            let count = try database.integer("SELECT count(*) FROM token")
            guard count < EnrolmentRegister.mostTokens else {
                throw CollectorFailure(
                    "make", "a token", "there are \(count) already", advice: "remove some: `token list`")
            }
            let same = try database.prepare("SELECT 1 FROM token WHERE name = ?")
            same.bind(1, name)
            guard try !same.step() else {
                same.reset()
                throw CollectorFailure(
                    "make", "a token", "there is one of the name '\(name)'",
                    advice: "choose another name, or remove that one first")
            }
            let insert = try database.prepare(
                "INSERT INTO token(name, role, hash, added, expires) VALUES(?, ?, ?, ?, ?)")
            insert.bind(1, name)
            insert.bind(2, role.rawValue)
            insert.bind(3, hash)
            insert.bind(4, now)
            insert.bind(5, days.map { now + Int64($0) * 86_400_000 })
            try insert.run()
        }
        return token
    }

    /// A line a token: name, role, until when. No token can be shown again.
    public func tokens() throws(CollectorFailure) -> [String] {
        let now = SystemClock.wallMilliseconds()
        return try EnrolmentRegister(directory, site: authority.site).current().tokens.map { token in
            let until =
                token.expiresMilliseconds.map { ($0 < now ? "EXPIRED " : "expires ") + Timestamp.format($0) }
                ?? "does not expire"
            return "\(token.name)\t\(token.role.rawValue)\t\(until)\tmade \(Timestamp.format(token.addedMilliseconds))"
        }
    }

    public func removeToken(_ name: String) throws(CollectorFailure) {
        let delete = try database.prepare("DELETE FROM token WHERE name = ?")
        delete.bind(1, name)
        try delete.run()
        guard database.changes > 0 else {
            throw CollectorFailure("remove", "the token '\(name)'", "there is none", advice: "see `token list`")
        }
    }
}

/// Names of lanes and tokens as they stand in files of one line each.
enum OneLineName {
    static func isOne(_ text: String, most: Int = 64) -> Bool {
        (1...most).contains(text.count)
            && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F && !(0x80...0x9F ~= $0.value) }
    }
}

/// 256 random bits. SHA-256 is enough to store it by: a slow hash protects what people choose, and nobody can try 2^256.
enum AccessToken {
    static let prefix = "lk_"
    static let longest = 128

    static func hash(_ token: String) throws(CryptographyFailure) -> [UInt8] { try SHA256.hash(Array(token.utf8)) }
}
