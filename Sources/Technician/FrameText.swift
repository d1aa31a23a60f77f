import Control
import Framing

/// What kind of frame it is, by its own bytes: for those in which the lane finds nothing to say, and for what it sends.
/// Nothing is decided on it.
enum FrameText {
    static func text(_ frame: TapReply.Frame, type: String) -> String {
        guard let bytes = Hexadecimal.bytes(frame.hex) else { return "" }
        switch type {
        case "osdp": return osdp(bytes)
        case "pn532": return pn532(bytes)
        case "uhf": return uhf(bytes)
        case "modbus": return modbus(bytes)
        case "gy-mcu90615", "gy-mcu90614":
            return frame.direction == .toDevice && bytes.starts(with: [0xA5, 0x45]) ? "measure all the time" : ""
        default: return ""
        }
    }

    // MARK: OSDP: 53, address, length LE, control, (security block), code

    private static func osdp(_ bytes: [UInt8]) -> String {
        guard let start = bytes.firstIndex(of: 0x53), bytes.count >= start + 8 else { return "" }
        let packet = Array(bytes[start...])
        let (address, control) = (packet[1], packet[4])
        var at = 5
        var security = ""
        if control & 0x08 != 0 {
            guard packet.count > at + 1, packet[at] >= 2, packet.count > at + Int(packet[at]) else { return "" }
            security = ", SCS_\(packet[at + 1] < 16 ? "0" : "")\(String(packet[at + 1], radix: 16))"
            at += Int(packet[at])
        }
        let names = address & 0x80 == 0 ? commands : replies
        let name = names[packet[at]] ?? "code \(Hexadecimal.text([packet[at]]))"
        return "\(name) \(address & 0x80 == 0 ? "to" : "from") \(address & 0x7F), sequence \(control & 3)\(security)"
    }

    private static let commands: [UInt8: String] = [
        0x60: "POLL", 0x61: "ID", 0x62: "CAP", 0x64: "LSTAT", 0x68: "OUT", 0x69: "LED", 0x6A: "BUZ", 0x6B: "TEXT",
        0x6E: "COMSET", 0x75: "KEYSET", 0x76: "CHLNG", 0x77: "SCRYPT",
    ]
    private static let replies: [UInt8: String] = [
        0x40: "ACK", 0x41: "NAK", 0x45: "PDID", 0x46: "PDCAP", 0x48: "LSTATR", 0x50: "RAW", 0x53: "KEYPAD",
        0x54: "COM", 0x76: "CCRYPT", 0x78: "RMAC_I", 0x79: "BUSY",
    ]

    // MARK: PN532: 00 FF, length, its check, D4 or D5, code

    private static func pn532(_ bytes: [UInt8]) -> String {
        var words: [String] = []
        var at = 0
        while at + 3 < bytes.count {
            guard bytes[at] == 0x00, bytes[at + 1] == 0xFF else {
                at += 1
                continue
            }
            if bytes[at + 2] == 0x00, bytes[at + 3] == 0xFF {
                words.append("ACK")
                at += 4
            } else if bytes[at + 2] == 0xFF, bytes[at + 3] == 0x00 {
                words.append("NACK")
                at += 4
            } else if bytes[at + 2] &+ bytes[at + 3] == 0, at + 5 < bytes.count {
                let (tfi, code) = (bytes[at + 4], bytes[at + 5])
                let name = pn532Names[tfi == 0xD5 ? code &- 1 : code] ?? "command \(Hexadecimal.text([code]))"
                words.append(tfi == 0xD4 ? name : tfi == 0xD5 ? "\(name) answered" : "error frame")
                at += 4 + Int(bytes[at + 2])
            } else {
                at += 2
            }
        }
        return words.joined(separator: ", ")
    }

    private static let pn532Names: [UInt8: String] = [
        0x02: "GetFirmwareVersion", 0x14: "SAMConfiguration", 0x32: "RFConfiguration", 0x4A: "InListPassiveTarget",
    ]

    // MARK: UHF: BB, type, command

    private static func uhf(_ bytes: [UInt8]) -> String {
        guard let start = bytes.firstIndex(of: 0xBB), bytes.count >= start + 7 else { return "" }
        let command = bytes[start + 2]
        switch (bytes[start + 1], command) {
        case (2, _): return "tag"
        case (1, 0xFF): return bytes[start + 5] == 0x15 ? "no tag" : "error \(Hexadecimal.text([bytes[start + 5]]))"
        case (let type, _):
            let name = uhfNames[command] ?? "command \(Hexadecimal.text([command]))"
            return type == 0 ? name : "\(name) answered"
        }
    }

    private static let uhfNames: [UInt8: String] = [
        0x22: "poll once", 0x27: "poll many rounds", 0x28: "stop", 0xB6: "power", 0x03: "module",
    ]

    // MARK: Modbus: unit, function

    private static func modbus(_ bytes: [UInt8]) -> String {
        guard bytes.count >= 4 else { return "" }
        if bytes[1] & 0x80 != 0 { return "unit \(bytes[0]), exception \(bytes[2])" }
        return "unit \(bytes[0]), function \(bytes[1])"
    }
}
