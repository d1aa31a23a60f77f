import Cryptography
import Framing
import Posix

/// The site's own authority: who is one of its lanes, and which server is its collector.
struct SiteAuthority: Sendable {
    let site: SiteID
    let authority: CertificateAuthority

    private static let dayMilliseconds: Int64 = 86_400_000
    /// The authority outlives an expo's fair years; whoever must end it makes a new site.
    private static let ownDays: Int64 = 20 * 365
    /// The collector's own certificate is made anew at each start.
    static let serverDays: Int64 = 825
    /// A lane's certificate, unless `lane add --days` says otherwise.
    static let laneDays = 365

    /// The key and certificate of a new site, and the register of its lanes and tokens.
    static func make(in directory: SiteDirectory, site: SiteID) throws(CollectorFailure) {
        let made: (certificate: [UInt8], key: [UInt8])
        do throws(CryptographyFailure) {
            let authority = try CertificateAuthority.make(
                Certificate.Subject(organisation: site.hex, commonName: "Lanekeeper site authority"),
                until: SystemClock.wallMilliseconds() + ownDays * dayMilliseconds)
            made = (try authority.certificate.pem(), try authority.key.pem())
        } catch { throw CollectorFailure("make", directory.authorityFile, error.description) }
        try SiteFounding.makeDatabase(directory.enrolmentDatabase, EnrolmentSchema.sql, site)
        try collecting { () throws(SystemFailure) in
            try FileSystem.replace(directory.authorityFile, with: made.certificate, mode: 0o644)
            try FileSystem.replace(directory.authorityKeyFile, with: made.key, mode: 0o600)
        }
    }

    /// Opens it. A site that was made before there were authorities gets one now; one that lost a part of it does not:
    /// its lanes would not believe another.
    init(_ directory: SiteDirectory) throws(CollectorFailure) {
        site = try directory.key(.sitePublic, directory.publicKeyFile).site
        let parts = [directory.authorityKeyFile, directory.authorityFile, directory.enrolmentDatabase]
        var missing: [String] = []
        for part in parts {
            let isThere = try collecting { () throws(SystemFailure) in try FileSystem.statusIfPresent(part) != nil }
            if !isThere { missing.append(part) }
        }
        if missing.count == parts.count {
            try SiteAuthority.make(in: directory, site: site)
        } else if let lost = missing.first {
            throw CollectorFailure(
                "use", lost, "it is not there, though the rest of the site's authority is",
                advice: "restore it from a backup of \(directory.path)")
        }
        try SiteDirectory.refuseIfOthersRead(directory.authorityKeyFile)
        let key = try collecting { () throws(SystemFailure) in
            try FileSystem.read(directory.authorityKeyFile, limit: 65_536)
        }
        let certificate = try collecting { () throws(SystemFailure) in
            try FileSystem.read(directory.authorityFile, limit: 65_536)
        }
        do throws(CryptographyFailure) {
            authority = try CertificateAuthority(
                certificate: try Certificate(pem: certificate), key: try PrivateKey(pem: key))
        } catch {
            throw CollectorFailure(
                "use", directory.authorityFile, error.description, advice: "restore it from a backup of the keys")
        }
        guard authority.certificate.subject.organisation == site.hex else {
            throw CollectorFailure(
                "use", directory.authorityFile, "it is of another site", advice: "restore it from a backup of the keys")
        }
    }

    private func subject(_ identity: LaneIdentity) -> Certificate.Subject {
        Certificate.Subject(
            organisation: site.hex, commonName: identity.lane.text, serialNumber: identity.serialNumber)
    }

    /// A day of leeway before now: the collector that judges it may be another machine's after a restore.
    private func validity(_ days: Int, _ now: Int64) -> (from: Int64, until: Int64) {
        (now - Self.dayMilliseconds, now + Int64(days) * Self.dayMilliseconds)
    }

    /// A lane's first certificate, with a new key: PEM of both, certificate first.
    func enrol(_ identity: LaneIdentity, days: Int, now: Int64) throws(CollectorFailure) -> [UInt8] {
        do throws(CryptographyFailure) {
            let key = try PrivateKey.generate()
            let (from, until) = validity(days, now)
            let certificate = try authority.issue(subject(identity), for: key, use: .client, from: from, until: until)
            return try certificate.pem() + key.pem()
        } catch { throw CollectorFailure("make", "the certificate of \(identity.lane.text)", error.description) }
    }

    /// The next certificate of a lane, for the key of its request; in PEM.
    func renew(
        _ identity: LaneIdentity, for request: CertificateRequest, days: Int, now: Int64
    ) throws(CryptographyFailure) -> [UInt8] {
        let (from, until) = validity(days, now)
        return try authority.issue(subject(identity), for: request, use: .client, from: from, until: until).pem()
    }

    /// What a TLS server shows: PEM.
    struct ServerIdentity: Sendable {
        var certificate: [UInt8]
        var key: [UInt8]
        var expiresMilliseconds: Int64
    }

    /// A new key and certificate of the collector for these names and addresses; kept in memory only.
    func serverIdentity(names: [String], addresses: [String], now: Int64) throws(CollectorFailure) -> ServerIdentity {
        do throws(CryptographyFailure) {
            let key = try PrivateKey.generate()
            let until = now + Self.serverDays * Self.dayMilliseconds
            let certificate = try authority.issue(
                Certificate.Subject(organisation: site.hex, commonName: "Lanekeeper collector"), for: key,
                use: .server(names: names, addresses: addresses), until: until)
            return ServerIdentity(certificate: try certificate.pem(), key: try key.pem(), expiresMilliseconds: until)
        } catch { throw CollectorFailure("make", "the collector's certificate", error.description) }
    }
}
