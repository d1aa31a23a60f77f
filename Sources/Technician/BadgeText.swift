import Admission
import Framing

/// A badge as a technician types it.
enum BadgeText {
    /// A chip's numbers have these lengths in bytes (the feed takes no others).
    static let chipLengths = [4, 5, 7, 10]

    /// - Parameters:
    ///   - text: hexadecimal digits for a chip or a vehicle's tag, the text itself for an electronic badge. Blanks,
    ///     colons and dashes between hexadecimal digits are passed over.
    static func identifier(_ text: String, type: IdentifierType) throws(BadgeFailure) -> Identifier {
        let bytes: [UInt8]
        switch type {
        case .code: bytes = Array(text.utf8)
        case .chip:
            bytes = try hexadecimal(text, "a chip", printed: true)
            guard chipLengths.contains(bytes.count) else {
                throw BadgeFailure(
                    "'\(text)' is \(bytes.count) bytes; a chip's number has 4, 5, 7 or 10: give all its digits")
            }
        case .epc: bytes = try hexadecimal(text, "a vehicle's tag", printed: false)
        }
        guard let identifier = Identifier(type, bytes: bytes) else {
            throw BadgeFailure("a badge has 1 to \(Identifier.longest) bytes; '\(text.prefix(20))…' has \(bytes.count)")
        }
        return identifier
    }

    private static func hexadecimal(_ text: String, _ what: String, printed: Bool) throws(BadgeFailure) -> [UInt8] {
        let characters = Array(text.utf8)
        let areDigits = characters.allSatisfy { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ",") }
        if printed, areDigits, characters.contains(UInt8(ascii: ",")) || characters.count == 10 {
            // protocols.md A1: `fff,nnnnn` is the third of the five bytes and the last two; ten digits are the last four.
            // Ten digits are also a chip of five bytes in hexadecimal: which of the two is meant nobody can tell.
            throw BadgeFailure(
                characters.contains(UInt8(ascii: ","))
                    ? "'\(text)' is the number printed on a card: it holds only three of the chip's five bytes. "
                        + "Hold the badge to a reader and take its chip from 'lanectl events', or give all ten "
                        + "hexadecimal digits"
                    : "'\(text)' may be the ten-digit number printed on a card, which holds only four of the chip's "
                        + "five bytes, or ten hexadecimal digits. If it is hexadecimal, write 0x\(text)")
        }
        var digits = text[...]
        if digits.hasPrefix("0x") || digits.hasPrefix("0X") { digits = digits.dropFirst(2) }
        guard let bytes = Hexadecimal.bytes(String(digits.filter { !" :-".contains($0) })), !bytes.isEmpty else {
            throw BadgeFailure(
                "'\(text)' is not \(what) in hexadecimal digits, such as \(printed ? "6f007b3972" : "e2801160600002")"
                    + "; for the text of an electronic badge give --type code")
        }
        return bytes
    }
}

/// Why a text names no badge, and what to type instead.
struct BadgeFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
