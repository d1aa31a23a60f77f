import CCurl
import Glibc

/// Where the collector is: `http://127.0.0.1:8480` or `https://collector.example:8480/site`.
///
/// Taken apart by libcurl's own parser (curl_url_set(3)), so that what is checked here is what is connected to. Plain
/// http is accepted to this machine's loopback only: 127.0.0.0/8, ::1 and `localhost` (which libcurl never asks a name
/// server for). No user, query or fragment: nothing secret may stand in a URL.
public struct CollectorURL: Sendable, Hashable, CustomStringConvertible {
    /// Without a slash at its end.
    private let base: String
    public let isEncrypted: Bool

    public struct Refusal: Error, Hashable, CustomStringConvertible {
        public let description: String
    }

    public init(_ text: String) throws(Refusal) {
        guard text.utf8.count <= 512, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw Refusal(description: "a URL is at most 512 printable ASCII characters")
        }
        guard let parsed = curl_url() else { throw Refusal(description: "not enough memory to read a URL") }
        defer { curl_url_cleanup(parsed) }
        let code = curl_url_set(parsed, CURLUPART_URL, text, 0)
        guard code == CURLUE_OK else {
            throw Refusal(description: "not a URL (\(String(cString: curl_url_strerror(code))))")
        }
        let scheme = Self.part(CURLUPART_SCHEME, of: parsed) ?? ""
        let host = Self.part(CURLUPART_HOST, of: parsed) ?? ""
        guard scheme == "http" || scheme == "https" else {
            throw Refusal(description: "http:// or https:// is expected, not \(scheme)://")
        }
        for (unwanted, name) in [
            (CURLUPART_USER, "a user"), (CURLUPART_PASSWORD, "a password"), (CURLUPART_QUERY, "a query"),
            (CURLUPART_FRAGMENT, "a fragment"),
        ] where Self.part(unwanted, of: parsed) != nil {
            throw Refusal(description: "it must not contain \(name)")
        }
        guard scheme == "https" || Self.isLoopback(host) else {
            throw Refusal(description: "http:// is allowed to 127.0.0.1, [::1] and localhost only; use https://")
        }
        isEncrypted = scheme == "https"
        var whole = Self.part(CURLUPART_URL, of: parsed) ?? text
        while whole.hasSuffix("/") { whole.removeLast() }
        base = whole
    }

    /// For a configuration that is refused anyway: an address that nothing can be sent to.
    static let standIn = CollectorURL(base: "", isEncrypted: false)

    private init(base: String, isEncrypted: Bool) {
        self.base = base
        self.isEncrypted = isEncrypted
    }

    /// The address of a path of the collector's API that begins with a slash.
    func appending(_ path: String) -> String { base + path }

    public var description: String { base }

    private static func part(_ part: CURLUPart, of url: OpaquePointer) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard curl_url_get(url, part, &text, 0) == CURLUE_OK, let text else { return nil }
        defer { curl_free(text) }
        return String(cString: text)
    }

    /// `host` as libcurl gives it: lower case for a name, dotted for IPv4 in any notation, in brackets for IPv6.
    private static func isLoopback(_ host: String) -> Bool {
        if host.lowercased() == "localhost" { return true }
        var four = in_addr()
        if inet_pton(AF_INET, host, &four) == 1 { return UInt32(bigEndian: four.s_addr) >> 24 == 127 }
        guard host.hasPrefix("["), host.hasSuffix("]") else { return false }
        var six = in6_addr()
        guard inet_pton(AF_INET6, String(host.dropFirst().dropLast()), &six) == 1 else { return false }
        return withUnsafeBytes(of: &six) { $0.dropLast().allSatisfy { $0 == 0 } && $0.last == 1 }
    }
}
