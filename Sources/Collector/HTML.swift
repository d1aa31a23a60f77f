import Wording

/// Texts as they stand in a document.
enum HTML {
    /// For text and for attributes in quotation marks.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        // By scalars: with a combining mark behind it a `<` is another character.
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// Both languages of a text, Chinese first.
    static func both(_ text: Bilingual) -> String {
        "<span lang=\"zh-Hans\">\(escaped(text.chinese))</span> <span lang=\"en\">\(escaped(text.english))</span>"
    }
}
