/// A page of this collector with what stands behind the `?` of its address: where a login goes on to. Only what is served
/// here is one, so that no link to the login leads anywhere else.
struct LocalPage: Hashable, Sendable {
    static let paths = ["/", "/fleet", "/history"]
    static let longest = 1024

    /// As it stands in an address: path, then `?` and escaped parameters if there are any.
    let text: String

    /// The page that a browser asks for; nil: it is none.
    init?(_ head: HTTPHead) {
        guard Self.paths.contains(head.path) else { return nil }
        let parameters = head.query.sorted { $0.key < $1.key }.map {
            "\(Self.escaped($0.key))=\(Self.escaped($0.value))"
        }
        let whole = head.path + (parameters.isEmpty ? "" : "?" + parameters.joined(separator: "&"))
        text = whole.utf8.count <= Self.longest ? whole : head.path
    }

    /// As somebody wrote it into the address of the login.
    init?(asked: String?) {
        guard let asked, asked.utf8.count <= Self.longest else { return nil }
        let parts = asked.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard Self.paths.contains(String(parts[0])) else { return nil }
        let isPlain = parts.count < 2 || parts[1].utf8.allSatisfy { Self.isUnreserved($0) || "=&%+".utf8.contains($0) }
        text = isPlain ? asked : String(parts[0])
    }

    /// RFC 3986, section 2.1.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for byte in text.utf8 {
            if isUnreserved(byte) {
                escaped.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                escaped += digits.utf8.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return escaped
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || "-._~".utf8.contains(byte)
    }
}
