import Admission

/// What an OSDP reader can do, from its PDCAP: triples of function, compliance and count.
struct OSDPCapabilities: Sendable {
    var hasLED = true
    var hasBuzzer = true
    /// Rows of 16 columns; 0 without a display.
    var textRows = 0
    var hasCRC = true
    var hasSecureChannel = true

    /// What is assumed of a reader that does not say.
    init() {}

    init(_ report: InlineBytes<512>) {
        hasLED = false
        hasBuzzer = false
        hasSecureChannel = false
        for index in stride(from: 0, to: report.count - 2, by: 3) {
            let compliance = report[index + 1]
            switch report[index] {
            case 0x04: hasLED = compliance > 0
            case 0x05: hasBuzzer = compliance > 0
            // 1: one row of 16, 2: two rows, 3 and up: four rows.
            case 0x06: textRows = compliance == 0 ? 0 : compliance >= 3 ? 4 : Int(compliance)
            case 0x08: hasCRC = compliance & 1 != 0
            case 0x09: hasSecureChannel = compliance & 1 != 0
            default: break
            }
        }
    }
}

/// The lane's state in LED, BUZ and TEXT commands (protocols.md A2; times in units of 100 ms).
///
///     ready           amber                      out of service, stale   red and amber in turn
///     working         amber, blinking            emergency        green and amber in turn
///     admitted        green, one beep            refused          red, three beeps
///     locked          red
enum OSDPFeedback {
    private enum Colour: UInt8 { case black = 0, red, green, amber }

    static func led(_ lamps: LampState) -> OSDPCommand {
        let (on, off, period): (Colour, Colour, UInt8) =
            switch lamps {
            case .ready: (.amber, .amber, 10)
            case .working: (.amber, .black, 2)
            case .admitted: (.green, .green, 10)
            case .refused, .locked: (.red, .red, 10)
            case .outOfService, .stale: (.red, .amber, 10)
            case .emergency: (.green, .amber, 5)
            }
        // Reader 0, LED 0; the temporary state is cancelled; the permanent one is set.
        return OSDPCommand(
            OSDPCode.led, [0, 0, 1, 0, 0, 0, 0, 0, 0, 1, period, period, on.rawValue, off.rawValue])
    }

    static func buzzer(_ lamps: LampState) -> OSDPCommand? {
        switch lamps {
        case .admitted: OSDPCommand(OSDPCode.buzzer, [0, 2, 2, 1, 1])
        case .refused: OSDPCommand(OSDPCode.buzzer, [0, 2, 1, 1, 3])
        case .ready, .working, .outOfService, .emergency, .locked, .stale: nil
        }
    }

    static let columns = 16
    private static let longestText = 32

    /// One command a row, padded with blanks so that nothing of the last text stays. A display of one row gets the whole
    /// text with the mode in which it wraps by itself.
    static func text(_ text: InlineText, rows: Int) -> [OSDPCommand] {
        guard rows > 0 else { return [] }
        let words = String(decoding: text.bytes, as: UTF8.self)
        guard rows > 1 else { return [command(row: 1, mode: 2, fitting(words, bytes: longestText))] }
        return wrapped(words, rows: rows).enumerated().map { command(row: UInt8($0.offset + 1), mode: 1, $0.element) }
    }

    private static func command(row: UInt8, mode: UInt8, _ text: String) -> OSDPCommand {
        let padding = max(0, columns - width(text))
        let padded = Array(text.utf8) + Array(repeating: 0x20, count: padding)
        // Reader 0, permanent, first column.
        return OSDPCommand(OSDPCode.text, [0, mode, 0, row, 1, UInt8(padded.count)] + padded)
    }

    private static func fitting(_ text: String, bytes: Int) -> String {
        var result = ""
        for character in text where result.utf8.count + character.utf8.count <= bytes { result.append(character) }
        return result
    }

    /// Breaks at blanks, and behind any Chinese character; what does not fit into the last row is left out.
    static func wrapped(_ text: String, rows: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        func finish() {
            lines.append(line)
            line = ""
        }
        for piece in pieces(text) {
            let isBlank = piece == " "
            if width(line) + width(piece) > columns {
                if !line.isEmpty { finish() }
                if isBlank { continue }
            }
            if isBlank && line.isEmpty { continue }
            for character in piece {
                if width(line) + width(String(character)) > columns { finish() }
                line.append(character)
            }
        }
        finish()
        return Array((lines + Array(repeating: "", count: rows)).prefix(rows))
    }

    /// Words, blanks and single wide characters.
    private static func pieces(_ text: String) -> [String] {
        var pieces: [String] = []
        var word = ""
        for character in text {
            if character == " " || width(String(character)) == 2 {
                if !word.isEmpty { pieces.append(word) }
                word = ""
                pieces.append(String(character))
            } else {
                word.append(character)
            }
        }
        if !word.isEmpty { pieces.append(word) }
        return pieces
    }

    /// Columns: Chinese and full-width characters take two.
    private static func width(_ text: String) -> Int {
        text.unicodeScalars.reduce(0) { $0 + ($1.value >= 0x2E80 ? 2 : 1) }
    }
}
