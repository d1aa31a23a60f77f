import Cryptography
import Testing

@Suite("Certificates of an authority of one's own")
struct CertificateTests {
    private let subject = Certificate.Subject(organisation: "site", commonName: "北登录厅-07", serialNumber: "ab.1")
    private let end: Int64 = 4_000_000_000_000

    private func makeAuthority(_ name: String = "authority") throws -> CertificateAuthority {
        try CertificateAuthority.make(Certificate.Subject(organisation: "site", commonName: name), until: end)
    }

    @Test("a certificate says what it was made to say, through PEM and DER")
    func says() throws {
        let authority = try makeAuthority()
        let key = try PrivateKey.generate()
        let made = try authority.issue(subject, for: key, use: .client, from: 1_000_000_000_000, until: end)
        for certificate in [try Certificate(pem: made.pem()), try Certificate(der: made.der())] {
            #expect(certificate.subject == subject)
            #expect(certificate.notBeforeMilliseconds == 1_000_000_000_000)
            #expect(certificate.notAfterMilliseconds == end)
            #expect(certificate.isForClient)
            #expect(certificate.isSigned(by: authority.certificate))
            #expect(try PrivateKey(pem: key.pem()).belongs(to: certificate))
        }
    }

    @Test("an authority of the same name did not sign it")
    func foreign() throws {
        let made = try makeAuthority().issue(subject, for: PrivateKey.generate(), use: .client, until: end)
        #expect(!made.isSigned(by: try makeAuthority().certificate))
        #expect(!made.isSigned(by: try makeAuthority("another").certificate))
    }

    @Test("a server's certificate and an authority's are no client's")
    func uses() throws {
        let authority = try makeAuthority()
        let use = CertificateAuthority.Use.server(names: ["a.example"], addresses: ["127.0.0.1", "::1"])
        #expect(!(try authority.issue(subject, for: PrivateKey.generate(), use: use, until: end).isForClient))
        #expect(!authority.certificate.isForClient)
        // Valid on a machine whose clock begins in 1970.
        #expect(authority.certificate.notBeforeMilliseconds == 0)
    }

    @Test("a request brings its key and nothing else")
    func request() throws {
        let authority = try makeAuthority()
        let key = try PrivateKey.generate()
        let request = try CertificateRequest(pem: CertificateRequest.make(for: key))
        let certificate = try authority.issue(subject, for: request, use: .client, until: end)
        #expect(key.belongs(to: certificate))
        #expect(!(try PrivateKey.generate().belongs(to: certificate)))
        #expect(certificate.subject == subject)
    }

    @Test("bytes that are damaged are refused, and never crash")
    func damaged() throws {
        let authority = try makeAuthority()
        let der = try authority.certificate.der()
        for place in stride(from: 0, to: der.count, by: 3) {
            var changed = der
            changed[place] ^= 0x11
            let read = try? Certificate(der: changed)
            #expect(read?.isSigned(by: authority.certificate) != true, "byte \(place)")
            #expect(throws: CryptographyFailure.self) { try Certificate(der: Array(der[..<place])) }
        }
        #expect(throws: CryptographyFailure.self) { try Certificate(der: der + [0]) }
        #expect(throws: CryptographyFailure.self) { try Certificate(pem: Array("no certificate".utf8)) }
        #expect(throws: CryptographyFailure.self) { try PrivateKey(pem: []) }
        #expect(throws: CryptographyFailure.self) { try CertificateRequest(pem: authority.certificate.pem()) }
    }

    @Test("a certificate and another's key make no authority")
    func pairs() throws {
        let first = try makeAuthority()
        let second = try makeAuthority()
        #expect(throws: CryptographyFailure.self) {
            try CertificateAuthority(certificate: first.certificate, key: second.key)
        }
    }
}
