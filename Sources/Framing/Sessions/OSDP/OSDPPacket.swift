/// One OSDP packet as it stands on the wire, SOM to check (protocols.md A2).
///
///     off  0     1      2  3    4       5 …            …             … last 1–2
///        ┌─────┬──────┬──────┬───────┬─ ─ ─ ─ ─ ─ ─ ─ ┬──────┬──────┬ ─ ─ ─ ─ ┬───────────┐
///        │ SOM │ ADDR │ LEN  │ CTRL  │ security block │ code │ data │ MAC      │ CRC LE or │
///        │ 53  │      │  LE  │       │ len, type,     │      │      │ 4 bytes  │ checksum  │
///        │     │      │      │       │ (key kind)     │      │      │ 15…18    │           │
///        └─────┴──────┴──────┴───────┴─ ─ ─ ─ ─ ─ ─ ─ ┴──────┴──────┴ ─ ─ ─ ─ ┴───────────┘
///          ADDR: bit 7 = reply.  LEN: all of it.  CTRL: bits 0–1 sequence, 2 = CRC, 3 = security block.
///
/// A mark byte FF may stand before SOM; it belongs to neither LEN, CRC nor MAC.
public struct OSDPPacket: Sendable {
    /// Replies to what we ask are short; a packet that says it is longer is taken for noise.
    public static let longest = 512
    static let startOfMessage: UInt8 = 0x53
    static let mark: UInt8 = 0xFF
    static let headerBytes = 5
    static let macBytes = 4

    /// Types of the security block.
    enum Security: UInt8 {
        case challenge = 0x11
        case readerCryptogram = 0x12
        case panelCryptogram = 0x13
        case initialMAC = 0x14
        case command = 0x15
        case reply = 0x16
        case commandWithData = 0x17
        case replyWithData = 0x18

        var hasMAC: Bool { rawValue >= Security.command.rawValue }
        var isEncrypted: Bool { self == .commandWithData || self == .replyWithData }
    }

    public private(set) var bytes: InlineBytes<512>
    private let securityBytes: Int

    /// Checks length, security block and CRC or checksum of a whole packet.
    public init(_ bytes: InlineBytes<512>) throws(FrameFault) {
        self.bytes = bytes
        guard bytes.count > Self.headerBytes, bytes[0] == Self.startOfMessage else { throw .unexpectedByte }
        let usesCRC = bytes[4] & 0x04 != 0
        guard bytes.count == Int(bytes[2]) | Int(bytes[3]) << 8 else { throw .unexpectedByte }
        let checkBytes = usesCRC ? 2 : 1
        guard bytes.count > Self.headerBytes + checkBytes else { throw .unexpectedByte }
        let body = bytes.count - checkBytes
        if usesCRC {
            let crc = OSDPCheck.crc16(bytes, count: body)
            guard bytes[body] == UInt8(truncatingIfNeeded: crc), bytes[body + 1] == UInt8(crc >> 8) else {
                throw .check
            }
        } else {
            guard bytes[body] == OSDPCheck.checksum(bytes, count: body) else { throw .check }
        }
        var securityBytes = 0
        if bytes[4] & 0x08 != 0 {
            securityBytes = Int(bytes[5])
            guard securityBytes >= 2, Self.headerBytes + securityBytes < body else { throw .unexpectedByte }
            let mac = Security(rawValue: bytes[6])?.hasMAC == true ? Self.macBytes : 0
            guard Self.headerBytes + securityBytes + 1 + mac <= body else { throw .unexpectedByte }
        }
        self.securityBytes = securityBytes
    }

    public var address: UInt8 { bytes[1] & 0x7F }
    public var isReply: Bool { bytes[1] & 0x80 != 0 }
    public var sequence: UInt8 { bytes[4] & 0x03 }
    public var usesCRC: Bool { bytes[4] & 0x04 != 0 }
    public var code: UInt8 { bytes[Self.headerBytes + securityBytes] }
    public var hasSecurityBlock: Bool { securityBytes > 0 }

    /// nil without a security block, or with a type that nobody knows.
    var security: Security? { hasSecurityBlock ? Security(rawValue: bytes[6]) : nil }
    /// The byte behind the security block's type; nil when there is none.
    var securityDetail: UInt8? { securityBytes >= 3 ? bytes[7] : nil }

    /// The data behind the code, still encrypted where it is.
    var dataRange: Range<Int> { Self.headerBytes + securityBytes + 1..<macStart }
    /// Where the MAC begins, or would; it covers everything before.
    var macStart: Int {
        bytes.count - (usesCRC ? 2 : 1) - (security?.hasMAC == true ? Self.macBytes : 0)
    }
}

/// Commands, replies and error codes by their numbers.
enum OSDPCode {
    static let poll: UInt8 = 0x60
    static let id: UInt8 = 0x61
    static let capabilities: UInt8 = 0x62
    static let localStatus: UInt8 = 0x64
    static let led: UInt8 = 0x69
    static let buzzer: UInt8 = 0x6A
    static let text: UInt8 = 0x6B
    static let keySet: UInt8 = 0x75
    static let challenge: UInt8 = 0x76
    static let panelCryptogram: UInt8 = 0x77

    static let ack: UInt8 = 0x40
    static let nak: UInt8 = 0x41
    static let idReport: UInt8 = 0x45
    static let capabilityReport: UInt8 = 0x46
    static let localStatusReport: UInt8 = 0x48
    static let raw: UInt8 = 0x50
    static let keypad: UInt8 = 0x53
    static let readerCryptogram: UInt8 = 0x76
    static let initialMAC: UInt8 = 0x78
    static let busy: UInt8 = 0x79

    static let nakCheck: UInt8 = 1
    static let nakUnknownCommand: UInt8 = 3
    static let nakSequence: UInt8 = 4
    static let nakNoSecureChannel: UInt8 = 5
    static let nakSecurityConditions: UInt8 = 6
}

/// The two checks a packet may end with.
enum OSDPCheck {
    /// Polynomial 1021, begins with 1D0F, most significant bit first, nothing reflected or inverted.
    static func crc16<let capacity: Int>(_ bytes: InlineBytes<capacity>, count: Int) -> UInt16 {
        var crc: UInt16 = 0x1D0F
        for index in 0..<count { crc = CRC16.appending(bytes[index], to: crc) }
        return crc
    }

    /// What makes the sum of all bytes 0 modulo 256.
    static func checksum<let capacity: Int>(_ bytes: InlineBytes<capacity>, count: Int) -> UInt8 {
        var sum: UInt8 = 0
        for index in 0..<count { sum &+= bytes[index] }
        return ~sum &+ 1
    }
}
