/// Which texts a setting accepts.
public struct TextRule: Sendable {
    /// In words that follow "expected".
    public let expected: String
    public let accepts: @Sendable (String) -> Bool

    public init(expected: String, accepts: @escaping @Sendable (String) -> Bool) {
        self.expected = expected
        self.accepts = accepts
    }

    /// 1 to 1024 characters on one line.
    public static let line = characters(1...1024)

    /// A lane's id: it names units, paths and records (design.md §4).
    public static let laneID = TextRule(expected: "1 to 31 of a-z, 0-9 and -") { text in
        (1...31).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
    }

    /// A name that people read, in any language.
    public static let displayName = TextRule(
        expected: "1 to 64 characters of any language, none of them a control character, no blank at either end"
    ) { text in
        guard let first = text.first, let last = text.last else { return false }
        return characters(1...64).accepts(text) && !first.isWhitespace && !last.isWhitespace
    }

    /// A number of characters (Unicode scalars) on one line, without control characters.
    public static func characters(_ range: ClosedRange<Int>) -> TextRule {
        TextRule(
            expected: "\(range.lowerBound) to \(range.upperBound) characters without control characters"
        ) { text in
            range.contains(text.unicodeScalars.count) && !text.unicodeScalars.contains(where: isDisturbing)
        }
    }

    /// Lower-case hexadecimal digits, exactly so many.
    public static func hex(digits: Int) -> TextRule {
        TextRule(expected: "\(digits) hexadecimal digits (0-9, a-f)") { text in
            text.utf8.count == digits
                && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        }
    }

    /// 1 to 4095 bytes without control characters.
    public static let path = TextRule(expected: "a path") { text in
        (1...4095).contains(text.utf8.count) && !text.unicodeScalars.contains(where: isDisturbing)
    }
}
