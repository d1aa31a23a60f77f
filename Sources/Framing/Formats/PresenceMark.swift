import Admission

/// What a lane knows of who is inside: the file `presence` in its directory. There is none where the rules do not ask.
///
///     presence <numbering, 32 hex digits, zeros: nothing yet> <number>\n
public struct PresenceMark: Sendable, Hashable {
    public var numbering: Epoch
    public var number: UInt64

    public init(numbering: Epoch, number: UInt64) {
        self.numbering = numbering
        self.number = number
    }

    public static let none = PresenceMark(numbering: .none, number: 0)

    public var text: String { "presence \(numbering.hex) \(number)\n" }

    public init(text: String) throws(FormatError) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, words[0] == "presence", let numbering = Epoch(hex: String(words[1])),
            words[2].last == "\n", let number = decimal(words[2].dropLast())
        else {
            throw FormatError("presence mark", "expected `presence <32 hex digits> <number>` and a line feed")
        }
        self.init(numbering: numbering, number: number)
    }
}
