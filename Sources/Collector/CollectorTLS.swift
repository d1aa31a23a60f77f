import Cryptography
import Posix

/// What `serve` speaks TLS with.
struct CollectorTLS {
    let encryption: HTTPServer.Encryption
    /// When its own certificate ends.
    let expiresMilliseconds: Int64

    /// nil without TLS. Also keeps where the collector is, for `lane add`.
    init?(_ settings: CollectorSettings, _ authority: SiteAuthority, port: UInt16) throws(CollectorFailure) {
        guard settings.isEncrypted else { return nil }
        let clients: [UInt8]
        do { clients = try authority.authority.certificate.pem() } catch {
            throw CollectorFailure("use", settings.data.authorityFile, error.description)
        }
        var believed = clients
        if let own = settings.ownCertificate {
            let (certificate, key) = try Self.read(own)
            believed = try Self.file(own.authorityFile)
            encryption = HTTPServer.Encryption(certificate: certificate.pem, key: key, clientAuthority: clients)
            expiresMilliseconds = certificate.expires
        } else {
            let made = try authority.serverIdentity(
                names: (settings.names.filter { !Self.isAddress($0) } + ["localhost"]),
                addresses: settings.names.filter(Self.isAddress) + ["127.0.0.1", "::1"],
                now: SystemClock.wallMilliseconds())
            encryption = HTTPServer.Encryption(certificate: made.certificate, key: made.key, clientAuthority: clients)
            expiresMilliseconds = made.expiresMilliseconds
        }
        try Enrolment(settings.data).setAddress(url: settings.url(port: port), authorities: believed)
    }

    private static func isAddress(_ name: String) -> Bool {
        name.contains(":") || name.split(separator: ".").allSatisfy { part in UInt8(part) != nil }
    }

    private static func file(_ path: String) throws(CollectorFailure) -> [UInt8] {
        try collecting { () throws(SystemFailure) in try FileSystem.read(path, limit: 64 << 10) }
    }

    /// The operator's own; the key may be of any kind that libgnutls reads.
    private static func read(
        _ own: CollectorSettings.OwnCertificate
    ) throws(CollectorFailure) -> (certificate: (pem: [UInt8], expires: Int64), key: [UInt8]) {
        try SiteDirectory.refuseIfOthersRead(own.keyFile)
        let pem = try file(own.certificateFile)
        let key = try file(own.keyFile)
        do throws(CryptographyFailure) {
            return ((pem, try Certificate(pem: pem).notAfterMilliseconds), key)
        } catch {
            throw CollectorFailure("use", own.certificateFile, error.description, advice: "give a PEM file")
        }
    }
}
