/// Whether a request's head is written in lines as RFC 9112 wants them. What another reader of the same bytes, such as a
/// proxy, could divide in another way is refused.
///
///     method SP target SP version CR LF
///     name ":" blanks value CR LF          any number of them
///     CR LF
///
/// libmicrohttpd 0.9.75 takes a lone CR or LF for the end of a line, joins folded lines, and ends a value at a NUL; what
/// it hands over shows none of that. But it divides the head where it lies, so a line that ended as it should is followed
/// by the next one after two bytes. Other versions may lay things out in another way, and refuse such heads by themselves
/// when they are told to be strict: `HTTPSelfCheck` finds out.
struct HTTPHeadLines {
    /// Addresses of the first byte and of the one behind the last.
    typealias Place = Range<UInt>

    /// RFC 9112, section 3, asks for at least 8000.
    static let longestTarget = 8192
    /// Nothing that is served has ten.
    static let mostParameters = 256

    var method: Place
    /// As it came, up to its first NUL.
    var target: Place
    var version: Place
    var fields: [(name: Place, value: Place)] = []
    /// Bytes from the method to the end of the empty line.
    var size: Int

    /// What is wrong with how it lies; nil: nothing.
    var problem: String? {
        guard method.upperBound + 1 == target.lowerBound else {
            return "more than one blank between method and address"
        }
        guard target.upperBound + 1 == version.lowerBound else { return "a NUL in the request line" }
        var end = version.upperBound
        for field in fields {
            guard end + 2 == field.name.lowerBound else { return Self.badLine }
            // A colon, and blanks.
            guard field.name.upperBound < field.value.lowerBound else { return Self.badLine }
            end = field.value.upperBound
        }
        return end + 4 == method.lowerBound + UInt(size) ? nil : Self.badLine
    }

    private static let badLine = "a line that is folded, has a NUL, or does not end with CR LF"

    static let longestMethod = 32

    static func isMethod(_ text: String) -> Bool { text.utf8.count <= longestMethod && isToken(text) }

    /// RFC 9110, section 5.6.2.
    static func isToken(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20)
                    || "!#$%&'*+-.^_`|~".utf8.contains($0)
            }
    }

    /// RFC 9110, section 5.5. A CR alone is no end of a line.
    static func isValue(_ text: String) -> Bool { text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 } }

    /// No control characters, and ASCII only: what else is meant is escaped.
    static func isTarget(_ bytes: UnsafeBufferPointer<CChar>) -> Bool {
        bytes.allSatisfy { (0x21...0x7E).contains($0) }
    }
}
