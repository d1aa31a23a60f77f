import Admission
import Framing

let deviceTargets: [FuzzTarget] = [
    FuzzTarget(name: "rdm6300") { input in
        play(&input, yields: .chip, RDM6300Peer(), proves: RDM6300Peer.proves) { _ in RDM6300Session() }
    },
    FuzzTarget(name: "pn532") { input in
        play(&input, yields: .chip, PN532Peer(), proves: PN532Peer.proves) { _ in PN532Session() }
    },
    FuzzTarget(name: "scanner") { input in
        play(&input, yields: .code, ScannerPeer(), proves: ScannerPeer.proves) { ScannerSession(scannerOptions(&$0)) }
    },
    FuzzTarget(name: "uhf") { input in
        play(&input, yields: .epc, UHFPeer(), proves: UHFPeer.proves) { UHFSession(uhfOptions(&$0)) }
    },
    FuzzTarget(name: "gy-mcu90615") { input in
        play(&input, yields: nil, GYPeer(), proves: GYPeer.proves) { GYMCU90615Session(asks: $0.byte() & 1 == 0) }
    },
    FuzzTarget(name: "modbus") { input in
        var copy = input
        let options = modbusOptions(&copy)
        play(&input, yields: nil, ModbusPeer(options: options), proves: ModbusPeer.proves(options)) {
            ModbusSession(modbusOptions(&$0))
        }
    },
]

/// Plays the input twice: as it is, and with a loop that wakes up between any two bytes. Both must give the same.
private func play<Session: DeviceSession>(
    _ input: inout FuzzInput, yields: IdentifierType?, _ peer: some Peer,
    proves: @escaping (DeviceEvent, [UInt8]) -> Bool, _ makeSession: (inout FuzzInput) -> Session
) {
    func played(restless: Bool) -> Line<Session> {
        var (input, peer) = (input, peer)
        var line = Line(makeSession(&input), yields: yields, isRestless: restless, proves: proves)
        LineScript.play(&input, on: &line, with: &peer)
        return line
    }
    let (line, restless) = (played(restless: false), played(restless: true))
    expect(line.events == restless.events, "\(line.events) without, \(restless.events) with wake-ups between bytes")
    expect(line.sent == restless.sent, "it writes something else when the loop wakes up between bytes")
    expect(line.session.counters == restless.session.counters, "it counts otherwise with wake-ups between bytes")
}

private func uhfOptions(_ input: inout FuzzInput) -> UHFOptions {
    var options = UHFOptions()
    options.weakestDBm = input.one(of: [nil, -60, -40])
    options.powerCentidBm = input.one(of: [nil, 2000, 0xFFFF])
    return options
}

private func scannerOptions(_ input: inout FuzzInput) -> ScannerOptions {
    var options = ScannerOptions()
    options.ending = input.one(of: ScannerOptions.Ending.allCases)
    options.hasAIM = input.byte() & 1 == 1
    options.prefix = InlineText(input.one(of: ["", "<", "EXPO"]))
    options.suffix = InlineText(input.one(of: ["", ">", "EXPO"]))
    return options
}

private func modbusOptions(_ input: inout FuzzInput) -> ModbusOptions {
    var options = ModbusOptions()
    let flags = input.byte()
    options.function = flags & 1 == 0 ? 4 : 3
    options.isWide = flags & 2 != 0
    options.isSigned = flags & 4 == 0
    if flags & 8 != 0 { options.ambient = .register(7) }
    options.scaleMicrodegrees = input.one(of: [100_000, 10_000, 1_000_000, -100_000, 15_625, 1])
    options.offsetCentidegrees = input.one(of: [0, -27_315])
    return options
}

// MARK: - The devices' frames, written from protocols.md and sharing nothing with the sessions

private func contains(_ bytes: [UInt8], _ part: some Collection<UInt8>) -> Bool {
    guard bytes.count >= part.count else { return false }
    return (0...bytes.count - part.count).contains { bytes[$0...].starts(with: part) }
}

private struct RDM6300Peer: Peer {
    private static let digits = Array("0123456789ABCDEF".utf8)

    func framed(_ data: [UInt8], form: UInt8) -> [UInt8] {
        let tag = (data + [0, 0, 0, 0, 0]).prefix(5)
        let check = tag.reduce(0, ^)
        let text = (tag + [check]).flatMap { [Self.digits[Int($0 >> 4)], Self.digits[Int($0 & 15)]] }
        return [0x02] + text + (form & 1 == 0 ? [] : [0x0D, 0x0A]) + [0x03]
    }

    static func proves(_ event: DeviceEvent, in received: [UInt8]) -> Bool {
        guard case .identifier(let chip) = event, chip.count == 5 else { return false }
        let upper = received.map { (0x61...0x66).contains($0) ? $0 - 0x20 : $0 }
        return [0, 1].contains { upper.suffix($0 == 0 ? 14 : 16) == RDM6300Peer().framed(chip.bytes, form: $0)[...] }
    }
}

private struct PN532Peer: Peer {
    private static let again: [UInt8] = [0, 0, 0xFF, 0xFF, 0, 0]
    private var lastAnswer: [UInt8] = []

    static func frame(_ data: [UInt8]) -> [UInt8] {
        let length = UInt8(truncatingIfNeeded: data.count)
        return [0, 0, 0xFF, length, 0 &- length] + data + [0 &- data.reduce(0, &+), 0]
    }

    func framed(_ data: [UInt8], form: UInt8) -> [UInt8] { Self.frame(data) }

    /// Form 0: acknowledges and answers with what comes next in the input; 1: only the first; 2: only the second. Upon a
    /// NACK it says its last answer again, but for form 1.
    mutating func answer(to written: [UInt8], form: UInt8, _ input: inout FuzzInput) -> [UInt8] {
        if written.suffix(6) == Self.again[...], form & 3 != 1 { return lastAnswer }
        let code = written.lastIndex(of: 0xD4).flatMap { $0 + 1 < written.count ? written[$0 + 1] : nil } ?? 0
        let acknowledge: [UInt8] = form & 3 == 2 ? [] : [0, 0, 0xFF, 0, 0xFF, 0]
        guard form & 3 != 1 else { return acknowledge }
        lastAnswer = Self.frame([0xD5, code &+ 1] + input.take(Int(input.byte() & 0x3F)))
        return acknowledge + lastAnswer
    }

    /// Somewhere a frame with a right sum: D5 4B, count, number, SENS_RES, SEL_RES, length, UID.
    static func proves(_ event: DeviceEvent, in received: [UInt8]) -> Bool {
        guard case .identifier(let chip) = event, [4, 7, 10].contains(chip.count) else { return false }
        return received.indices.contains { start in
            let rest = received[start...]
            guard rest.starts(with: [0x00, 0xFF]), rest.count > 4 else { return false }
            let length = Int(received[start + 2])
            guard received[start + 3] &+ received[start + 2] == 0, rest.count >= 4 + length + 1 else { return false }
            let data = received[start + 4..<start + 4 + length]
            guard data.reduce(0, &+) &+ received[start + 4 + length] == 0, data.starts(with: [0xD5, 0x4B]) else {
                return false
            }
            return data.dropFirst(7).first == UInt8(chip.count) && data.dropFirst(8).starts(with: chip.bytes)
        }
    }
}

private struct ScannerPeer: Peer {
    func framed(_ data: [UInt8], form: UInt8) -> [UInt8] {
        let ends: [[UInt8]] = [[0x0D], [0x0A], [0x0D, 0x0A], [0x03]]
        return (form & 4 == 0 ? [] : Array("]Q1".utf8)) + data + ends[Int(form & 3)]
    }

    static func proves(_ event: DeviceEvent, in received: [UInt8]) -> Bool {
        guard case .identifier(let code) = event, String(validating: code.bytes, as: UTF8.self) != nil else {
            return false
        }
        return !code.bytes.contains { $0 < 0x20 && $0 != 0x1D } && contains(received, code.bytes)
    }
}

private struct UHFPeer: Peer {
    static func crc(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var crc: UInt16 = 0xFFFF
        for byte in bytes {
            crc ^= UInt16(byte) << 8
            for _ in 0..<8 { crc = crc & 0x8000 == 0 ? crc << 1 : crc << 1 ^ 0x1021 }
        }
        return [UInt8(~crc >> 8), UInt8(truncatingIfNeeded: ~crc)]
    }

    /// Forms 0 and 1: a tag with this EPC; others: any parameters.
    func framed(_ data: [UInt8], form: UInt8) -> [UInt8] {
        var parameters = data
        if form < 2 {
            let epc = data.prefix(62).count.isMultiple(of: 2) ? data.prefix(62) : data.prefix(62).dropLast()
            let coded = [UInt8(epc.count / 2) << 3, 0] + epc
            parameters = [0xC9] + coded + Self.crc(coded)
        }
        let body =
            [form == 3 ? 1 : 2, form == 1 ? 0x27 : 0x22, 0, UInt8(truncatingIfNeeded: parameters.count)] + parameters
        return [0xBB] + body + [body.reduce(0, &+), 0x7E]
    }

    static func proves(_ event: DeviceEvent, in received: [UInt8]) -> Bool {
        guard case .identifier(let epc) = event else { return false }
        let length = epc.count + 5
        return received.indices.contains { start in
            let rest = received[start...]
            guard rest.count >= 7 + length, rest.starts(with: [0xBB, 0x02]),
                [0x22, 0x27].contains(received[start + 2]),
                received[start + 3] == 0, received[start + 4] == UInt8(length)
            else { return false }
            let coded = received[start + 6..<start + 8 + epc.count]
            return coded.dropFirst(2).elementsEqual(epc.bytes)
                && received[start + 8 + epc.count..<start + 10 + epc.count].elementsEqual(crc(coded))
                && received[start + 1..<start + 5 + length].reduce(0, &+) == received[start + 5 + length]
                && received[start + 6 + length] == 0x7E
        }
    }
}

private struct GYPeer: Peer {
    func framed(_ data: [UInt8], form: UInt8) -> [UInt8] {
        let head = [0x5A, 0x5A, 0x45, 0x04] + (data + [0, 0, 0, 0]).prefix(4)
        return head + [head.reduce(0, &+)]
    }

    static func proves(_ event: DeviceEvent, in received: [UInt8]) -> Bool {
        guard case .temperature(let sample) = event else { return false }
        let values = [sample.objectCentidegrees, sample.ambientCentidegrees].flatMap {
            [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)]
        }
        return received.suffix(9) == GYPeer().framed(values, form: 0)[...]
    }
}

private struct ModbusPeer: Peer {
    let options: ModbusOptions

    static func crc(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var crc: UInt16 = 0xFFFF
        for byte in bytes {
            crc ^= UInt16(byte)
            for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0xA001 }
        }
        return [UInt8(truncatingIfNeeded: crc), UInt8(crc >> 8)]
    }

    /// Forms 0 and 1: the reply with this value; 2: an exception; others: any bytes with their CRC.
    func framed(_ data: [UInt8], form: UInt8) -> [UInt8] {
        let width = options.isWide ? 4 : 2
        let body: [UInt8] =
            switch form {
            case 0, 1: [options.unit, options.function, UInt8(width)] + (data + [0, 0, 0, 0]).prefix(width)
            case 2: [options.unit, options.function | 0x80, data.first ?? 2]
            default: data
            }
        return body + Self.crc(body)
    }

    static func proves(_ options: ModbusOptions) -> (DeviceEvent, [UInt8]) -> Bool {
        { event, received in
            guard case .temperature(let sample) = event else { return false }
            let width = options.isWide ? 4 : 2
            let frame = Array(received.suffix(5 + width))
            guard frame.count == 5 + width, frame.starts(with: [options.unit, options.function, UInt8(width)]),
                Array(frame.suffix(2)) == crc(frame.dropLast(2))
            else { return false }
            let raw = frame[3..<3 + width].reduce(0) { $0 << 8 | Int64($1) }
            let sign = Int64(1) << (8 * Int64(width) - 1)
            let value = options.isSigned && raw >= sign ? raw - 2 * sign : raw
            let exact = Double(value) * Double(options.scaleMicrodegrees) / 10_000
            let expected = exact.rounded(.toNearestOrAwayFromZero) + Double(options.offsetCentidegrees)
            return sample.objectCentidegrees == Int32(clamping: Int64(expected))
        }
    }
}
