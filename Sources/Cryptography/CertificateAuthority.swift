import CCrypto
import Glibc

/// An authority of one's own: its certificate and key, and what it issues. Everything is EC P-256 with SHA-256.
///
/// The authority itself and certificates of servers are valid from 1970-01-01 on: a controller without a battery clock
/// boots in that year, and the signed time that heals its clock comes over a connection that it must trust before.
public struct CertificateAuthority: Sendable {
    public let certificate: Certificate
    public let key: PrivateKey

    public enum Use: Sendable {
        case client
        /// For these DNS names and IP addresses, at least one.
        case server(names: [String], addresses: [String])
    }

    /// The authority of a certificate and its key.
    public init(certificate: Certificate, key: PrivateKey) throws(CryptographyFailure) {
        guard key.belongs(to: certificate) else {
            throw CryptographyFailure("use an authority", reason: "its certificate and its key do not belong together")
        }
        self.certificate = certificate
        self.key = key
    }

    /// A new one, which signs itself.
    public static func make(
        _ subject: Certificate.Subject, until notAfterMilliseconds: Int64
    ) throws(CryptographyFailure) -> CertificateAuthority {
        let key = try PrivateKey.generate()
        let draft = try Draft(subject, key.pointer, 0, notAfterMilliseconds)
        try draft.setIssuer(X509_get_subject_name(draft.pointer))
        try draft.add(NID_basic_constraints, "critical,CA:TRUE,pathlen:0", issuer: draft.pointer)
        try draft.add(NID_key_usage, "critical,keyCertSign,cRLSign", issuer: draft.pointer)
        try draft.add(NID_subject_key_identifier, "hash", issuer: draft.pointer)
        return try CertificateAuthority(certificate: try draft.signed(with: key), key: key)
    }

    /// A certificate for somebody else's key.
    public func issue(
        _ subject: Certificate.Subject, for request: CertificateRequest, use: Use,
        from notBeforeMilliseconds: Int64 = 0, until notAfterMilliseconds: Int64
    ) throws(CryptographyFailure) -> Certificate {
        try issue(subject, publicKey: request.publicKey, use, notBeforeMilliseconds, notAfterMilliseconds)
    }

    /// A certificate for a key of one's own.
    public func issue(
        _ subject: Certificate.Subject, for key: PrivateKey, use: Use,
        from notBeforeMilliseconds: Int64 = 0, until notAfterMilliseconds: Int64
    ) throws(CryptographyFailure) -> Certificate {
        try issue(subject, publicKey: key.pointer, use, notBeforeMilliseconds, notAfterMilliseconds)
    }

    private func issue(
        _ subject: Certificate.Subject, publicKey: OpaquePointer?, _ use: Use, _ notBeforeMilliseconds: Int64,
        _ notAfterMilliseconds: Int64
    ) throws(CryptographyFailure) -> Certificate {
        let draft = try Draft(subject, publicKey, notBeforeMilliseconds, notAfterMilliseconds)
        let issuer = certificate.pointer
        try draft.setIssuer(X509_get_subject_name(issuer))
        try draft.add(NID_basic_constraints, "critical,CA:FALSE", issuer: issuer)
        try draft.add(NID_key_usage, "critical,digitalSignature", issuer: issuer)
        switch use {
        case .client: try draft.add(NID_ext_key_usage, "clientAuth", issuer: issuer)
        case .server(let names, let addresses):
            try draft.add(NID_ext_key_usage, "serverAuth", issuer: issuer)
            let all = names.map { "DNS:\($0)" } + addresses.map { "IP:\($0)" }
            try draft.add(NID_subject_alt_name, all.joined(separator: ","), issuer: issuer)
        }
        try draft.add(NID_subject_key_identifier, "hash", issuer: issuer)
        try draft.add(NID_authority_key_identifier, "keyid", issuer: issuer)
        return try draft.signed(with: key)
    }

    /// A certificate in the making.
    private final class Draft {
        let pointer: OpaquePointer

        init(
            _ subject: Certificate.Subject, _ publicKey: OpaquePointer?, _ notBeforeMilliseconds: Int64,
            _ notAfterMilliseconds: Int64
        ) throws(CryptographyFailure) {
            guard let made = X509_new() else { throw .ofLibrary("make a certificate") }
            pointer = made
            // 127 random bits, so that no number comes twice; not 0, and positive.
            var number = try RandomBytes.make(16)
            number[0] = number[0] & 0x7F | 0x40
            guard X509_set_version(made, 2) == 1,
                ASN1_STRING_set(X509_get_serialNumber(made), number, Int32(number.count)) == 1,
                ASN1_TIME_set(X509_getm_notBefore(made), time_t(notBeforeMilliseconds / 1000)) != nil,
                ASN1_TIME_set(X509_getm_notAfter(made), time_t(notAfterMilliseconds / 1000)) != nil,
                X509_set_pubkey(made, publicKey) == 1
            else { throw .ofLibrary("make a certificate") }
            let name = X509_get_subject_name(made)
            let parts = [
                (NID_organizationName, subject.organisation), (NID_commonName, subject.commonName),
                (NID_serialNumber, subject.serialNumber),
            ]
            for (kind, text) in parts where !text.isEmpty {
                let bytes = Array(text.utf8)
                guard X509_NAME_add_entry_by_NID(name, kind, MBSTRING_UTF8, bytes, Int32(bytes.count), -1, 0) == 1
                else { throw .ofLibrary("name a certificate") }
            }
        }

        deinit { X509_free(pointer) }

        func setIssuer(_ name: OpaquePointer?) throws(CryptographyFailure) {
            guard X509_set_issuer_name(pointer, name) == 1 else { throw .ofLibrary("make a certificate") }
        }

        func add(_ kind: Int32, _ value: String, issuer: OpaquePointer) throws(CryptographyFailure) {
            var context = X509V3_CTX()
            X509V3_set_ctx(&context, issuer, pointer, nil, nil, 0)
            guard let made = X509V3_EXT_conf_nid(nil, &context, kind, value) else {
                throw .ofLibrary("make a certificate's extension '\(value)'")
            }
            defer { X509_EXTENSION_free(made) }
            guard X509_add_ext(pointer, made, -1) == 1 else { throw .ofLibrary("make a certificate") }
        }

        func signed(with key: PrivateKey) throws(CryptographyFailure) -> Certificate {
            guard X509_sign(pointer, key.pointer, EVP_sha256()) > 0, X509_up_ref(pointer) == 1 else {
                throw .ofLibrary("sign a certificate")
            }
            return try Certificate(owning: pointer)
        }
    }
}
