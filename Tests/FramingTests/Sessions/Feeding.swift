import Admission
import Framing

/// A session on a virtual line: bytes one millisecond apart, everything it asked for kept.
struct Feed {
    var session: any DeviceSession
    var now = MonotonicTime(milliseconds: 1000)
    private(set) var events: [DeviceEvent] = []
    private(set) var sent: [UInt8] = []

    init(_ session: any DeviceSession) {
        self.session = session
        var output = SessionOutput()
        self.session.start(at: now, into: &output)
        take(output)
    }

    mutating func receive(_ bytes: some Sequence<UInt8>) {
        for byte in bytes {
            var output = SessionOutput()
            session.receive(byte, at: now, into: &output)
            take(output)
            now = now.advanced(byMilliseconds: 1)
        }
    }

    mutating func wait(milliseconds: Int64) {
        now = now.advanced(byMilliseconds: milliseconds)
        var output = SessionOutput()
        session.timePassed(at: now, into: &output)
        take(output)
    }

    /// Lets time pass until it has written more; gives up after 5 s.
    mutating func waitUntilItWrites() {
        let before = sent.count
        for _ in 0..<500 where sent.count == before { wait(milliseconds: 10) }
    }

    private mutating func take(_ output: SessionOutput) {
        for index in 0..<output.eventCount { events.append(output.event(index)) }
        sent.append(contentsOf: output.bytes)
    }

    /// Chips read, as hex.
    var chips: [String] {
        events.compactMap { if case .identifier(let chip) = $0, chip.type == .chip { hex(chip.bytes) } else { nil } }
    }

    /// Object and ambient of every sample, in hundredths of a degree.
    var samples: [[Int32]] {
        events.compactMap {
            if case .temperature(let sample) = $0 {
                [sample.objectCentidegrees, sample.ambientCentidegrees]
            } else {
                nil
            }
        }
    }

    var faults: [FrameFault] {
        events.compactMap { if case .rejected(let fault) = $0 { fault } else { nil } }
    }
}

/// The events of a session that was given these bytes and nothing else.
func fed(_ session: any DeviceSession, _ bytes: some Sequence<UInt8>) -> Feed {
    var feed = Feed(session)
    feed.receive(bytes)
    return feed
}

/// Bytes written as hex digits, blanks ignored.
func bytes(_ text: String) -> [UInt8] {
    let digits = text.utf8.filter { $0 != 0x20 }.map { UInt8($0 <= 0x39 ? $0 - 0x30 : ($0 | 0x20) - 0x61 + 10) }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

/// SplitMix64: the same seed gives the same bytes everywhere.
struct SeededBytes: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
