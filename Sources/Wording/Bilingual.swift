/// One text in both languages of the site.
public struct Bilingual: Sendable, Hashable {
    public var chinese: String
    public var english: String

    public init(_ chinese: String, _ english: String) {
        self.chinese = chinese
        self.english = english
    }

    /// Both on one line: `请站稳 / Please hold still`.
    public var line: String { "\(chinese) / \(english)" }
}

/// How wide a text is on a display of fixed columns: CJK characters and full-width forms take two (Unicode's
/// East Asian Width W and F, as far as our texts and lanes' names use them), marks that join take none.
public enum Columns {
    public static func count(_ text: String) -> Int {
        var columns = 0
        for scalar in text.unicodeScalars { columns += width(scalar) }
        return columns
    }

    /// The text with blanks behind it, `columns` wide; a wider one stays as it is.
    public static func padded(_ text: String, to columns: Int) -> String {
        text + String(repeating: " ", count: max(0, columns - count(text)))
    }

    private static func width(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.value {
        case 0x0300...0x036F, 0x200B...0x200F, 0xFE00...0xFE0F: 0
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
            0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            2
        default: 1
        }
    }
}
