import CCrypto
import Glibc

/// An X.509 certificate. Any thread may use it.
public final class Certificate: @unchecked Sendable {
    // Unchecked: libcrypto's cached parts of a certificate are made by `init`, later it is only read.
    let pointer: OpaquePointer

    /// Whom it names: one organisation, one common name, one serial number, each possibly empty.
    public struct Subject: Sendable, Hashable {
        public var organisation: String
        public var commonName: String
        public var serialNumber: String

        public init(organisation: String, commonName: String, serialNumber: String = "") {
            self.organisation = organisation
            self.commonName = commonName
            self.serialNumber = serialNumber
        }
    }

    public let subject: Subject
    /// Its last valid instant, ms since 1970-01-01 UTC.
    public let notAfterMilliseconds: Int64
    /// Its first.
    public let notBeforeMilliseconds: Int64

    /// Takes over the reference.
    init(owning pointer: OpaquePointer) throws(CryptographyFailure) {
        do throws(CryptographyFailure) {
            // Makes libcrypto parse and keep the extensions now, on this thread.
            guard X509_check_purpose(pointer, -1, 0) == 1 else { throw .ofLibrary("read a certificate") }
            guard let after = Certificate.milliseconds(X509_get0_notAfter(pointer)),
                let before = Certificate.milliseconds(X509_get0_notBefore(pointer))
            else { throw CryptographyFailure("read a certificate", reason: "its dates cannot be read") }
            notAfterMilliseconds = after
            notBeforeMilliseconds = before
        } catch {
            X509_free(pointer)
            throw error
        }
        self.pointer = pointer
        let name = X509_get_subject_name(pointer)
        subject = Subject(
            organisation: Certificate.text(name, NID_organizationName),
            commonName: Certificate.text(name, NID_commonName),
            serialNumber: Certificate.text(name, NID_serialNumber))
    }

    deinit { X509_free(pointer) }

    /// From its DER bytes, all of them.
    public convenience init(der: [UInt8]) throws(CryptographyFailure) {
        let read = der.withUnsafeBufferPointer { buffer -> OpaquePointer? in
            var next = buffer.baseAddress
            guard let made = d2i_X509(nil, &next, buffer.count) else { return nil }
            guard next == buffer.baseAddress.map({ $0 + buffer.count }) else {
                X509_free(made)
                return nil
            }
            return made
        }
        guard let read else { throw .ofLibrary("read a certificate") }
        try self.init(owning: read)
    }

    /// The first one in a PEM text.
    public convenience init(pem: [UInt8]) throws(CryptographyFailure) {
        guard let read = try readingPEM(pem, ccrypto_read_certificate) else { throw .ofLibrary("read a certificate") }
        try self.init(owning: read)
    }

    public func pem() throws(CryptographyFailure) -> [UInt8] {
        try written("write a certificate") { PEM_write_bio_X509($0, pointer) }
    }

    public func der() throws(CryptographyFailure) -> [UInt8] {
        try written("write a certificate") { i2d_X509_bio($0, pointer) }
    }

    /// Whether that authority signed it. Nothing else is looked at.
    public func isSigned(by authority: Certificate) -> Bool {
        guard let key = X509_get0_pubkey(authority.pointer),
            X509_NAME_cmp(X509_get_issuer_name(pointer), X509_get_subject_name(authority.pointer)) == 0,
            X509_verify(pointer, key) == 1
        else {
            ERR_clear_error()
            return false
        }
        return true
    }

    /// Whether it was made for a client of TLS, and for nothing else.
    public var isForClient: Bool {
        X509_get_extended_key_usage(pointer) == UInt32(XKU_SSL_CLIENT)
            && X509_get_extension_flags(pointer) & UInt32(EXFLAG_CA) == 0
    }

    private static func milliseconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        var parts = tm()
        guard ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
        return Int64(timegm(&parts)) * 1000
    }

    /// Empty when the name has none or several of these, or what it has is no UTF-8 of a sane length.
    private static func text(_ name: OpaquePointer?, _ kind: Int32) -> String {
        let place = X509_NAME_get_index_by_NID(name, kind, -1)
        guard place >= 0, X509_NAME_get_index_by_NID(name, kind, place) < 0,
            let entry = X509_NAME_get_entry(name, place)
        else { return "" }
        var bytes: UnsafeMutablePointer<UInt8>?
        let count = ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(entry))
        guard count >= 0, let bytes else { return "" }
        defer { CRYPTO_free(bytes, nil, 0) }
        return count <= 128 ? String(decoding: UnsafeBufferPointer(start: bytes, count: Int(count)), as: UTF8.self) : ""
    }
}
