import Admission
import Framing
import Glibc
import Posix

/// A lane's uplink as far as the collector sees it: one connection, a batch, its answer, the next. What is not answered is
/// sent again, on a new connection when the old one ended.
final class SendingLane {
    enum Step {
        case waiting
        case stored(Int, sentAt: UInt64)
        /// 503
        case refused
        case cut
    }

    private let load: Load
    private let number: Int
    private let name: ShortName
    private let epoch: Epoch
    private(set) var socket: Int32 = -1
    /// Records of it that the collector has.
    private(set) var stored = 0
    /// The batch under way: its head and bytes, and how many of them are sent.
    private var request: [UInt8] = []
    private var sent = 0
    private var underWay = 0
    private var sentAt: UInt64 = 0
    private var answer: [UInt8] = []
    /// Monotonic ns; before, nothing is tried again.
    private var resumeAt: UInt64 = 0

    init(_ number: Int, _ load: Load) throws(Mistake) {
        self.load = load
        self.number = number
        guard let name = ShortName("lane-\(number)") else { throw Mistake("lane \(number) has no name") }
        self.name = name
        epoch = Epoch(low: UInt64(number) + 1, high: UInt64(bitPattern: load.start))
    }

    deinit { if socket >= 0 { close(socket) } }

    var isDone: Bool { stored == load.recordsEach }

    /// Negative sockets are ignored by poll(2).
    var interest: Readiness { sent < request.count ? [.readable, .writable] : .readable }

    /// Which holder passes; the decision before says the same.
    static func holder(lane: Int, sequence: UInt64, of holders: UInt32) -> UInt32 {
        // SplitMix64.
        var value = (UInt64(lane) << 32 | (sequence + 1) / 2) &* 0x9E37_79B9_7F4A_7C15
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return UInt32((value ^ (value >> 31)) % UInt64(holders)) + 1
    }

    /// Begins what is to be done next: a connection, a batch.
    func goOn(_ now: UInt64) {
        guard !isDone, now >= resumeAt else { return }
        if socket < 0 {
            guard connect() else {
                resumeAt = now + 50_000_000
                return
            }
            request = []
        }
        if request.isEmpty { begin() }
    }

    private func connect() -> Bool {
        let raw = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { return false }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = load.port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else {
            close(raw)
            return false
        }
        _ = fcntl(raw, F_SETFL, O_NONBLOCK)
        socket = raw
        return true
    }

    private func begin() {
        underWay = min(load.batch, load.recordsEach - stored)
        let size = RecordBatch.headSize + underWay * JournalRecord.size
        let head = RecordBatch(
            site: load.site, lane: name, recordCount: underWay,
            oldestHeld: StoredThrough(epoch: epoch, sequence: UInt64(stored) + 1), lost: nil)
        request = Array(
            """
            POST /v1/records HTTP/1.1\r
            Host: 127.0.0.1\r
            Content-Type: \(RecordBatch.contentType)\r
            Content-Length: \(size)\r
            \r\n
            """.utf8)
        let bodyStart = request.count
        request += head.encodedHead
        request += [UInt8](repeating: 0, count: underWay * JournalRecord.size)
        request.withUnsafeMutableBytes { bytes in
            for index in 0..<underWay {
                let start = bodyStart + RecordBatch.headSize + index * JournalRecord.size
                record(UInt64(stored + index) + 1).encode(
                    into: UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + JournalRecord.size]))
            }
        }
        sent = 0
        answer = []
        sentAt = SystemClock.monotonicNanoseconds()
    }

    /// Odd ones decide, even ones are the passage of whom the one before let in.
    private func record(_ sequence: UInt64) -> JournalRecord {
        let holder = HolderNumber(Self.holder(lane: number, sequence: sequence, of: load.holders))
        let tag = BadgeTag(low: UInt64(holder.number), high: 9)
        let wall = load.start + Int64(sequence) * Load.dayMilliseconds / Int64(load.recordsEach + 1)
        let event: LaneEvent
        if sequence % 2 == 1 {
            let credential = Credential(
                holder: holder, kind: .visitor, vaccine: .full, healthCode: .green,
                assessedAtSeconds: UInt32(wall / 1000),
                test: .negative, sampledAtSeconds: UInt32(wall / 1000 - 3600), activation: .activated, zones: 0,
                validFromSeconds: nil, validUntilSeconds: nil)
            event = .decided(
                Decision(
                    presentation: Presentation(tag: tag, type: .chip, lookup: .found(credential), reader: 0),
                    verdict: .admitted, reasons: [],
                    temperature: TemperatureFinding(
                        outcome: .measured, sampleCount: 5, medianCentidegrees: 3655, ambientCentidegrees: 2100),
                    temperatureOffsetCentidegrees: 0, temperatureLimitCentidegrees: 3730, credentials: .none,
                    policyDigest: .none))
        } else {
            event = .ended(
                Outcome(
                    end: .passed, direction: .forward, decisionSequence: sequence - 1, decisionEpoch: nil, tag: tag,
                    type: .chip, holder: holder, kind: .visitor, reader: 0, openMilliseconds: 900))
        }
        return JournalRecord(
            event: event,
            moment: Moment(
                monotonic: MonotonicTime(nanoseconds: sequence), wall: WallTime(milliseconds: wall), clock: .trusted),
            epoch: epoch, sequence: sequence, lane: name, from: .outside, to: Self.ring, unsyncedBefore: 0)
    }
    private static let ring = ShortName("ring") ?? .outside

    /// Sends and reads what can be.
    func proceed() throws -> Step {
        while sent < request.count {
            let count = request.withUnsafeBytes {
                send(socket, $0.baseAddress.map { $0 + sent }, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count < 0 {
                if errno == EAGAIN { break }
                return end()
            }
            sent += count
        }
        var part = [UInt8](repeating: 0, count: 4096)
        let count = recv(socket, &part, part.count, 0)
        if count < 0 && errno == EAGAIN { return .waiting }
        guard count > 0 else { return end() }
        answer += part[..<count]
        return try read()
    }

    private func end() -> Step {
        close(socket)
        socket = -1
        request = []
        resumeAt = SystemClock.monotonicNanoseconds() + 50_000_000
        return .cut
    }

    private func read() throws -> Step {
        let text = String(decoding: answer, as: UTF8.self)
        guard let headEnd = text.firstRange(of: "\r\n\r\n") else { return .waiting }
        let lines = text[..<headEnd.lowerBound].split(separator: "\r\n")
        let length = lines.first { $0.lowercased().hasPrefix("content-length:") }?.split(separator: ":").last
        guard let length, let count = Int(length.trimmingPrefix(" ")) else {
            throw Mistake("an answer without its length: \(text)")
        }
        guard text[headEnd.upperBound...].utf8.count >= count else { return .waiting }
        request = []
        sent = 0
        switch lines[0].split(separator: " ").dropFirst().first {
        case "200":
            let words = text[headEnd.upperBound...].split(whereSeparator: \.isWhitespace)
            guard words == ["stored", Substring(epoch.hex), "\(stored + underWay)"] else {
                throw Mistake(
                    "lane \(name.text) was answered '\(words.joined(separator: " "))' for \(stored + underWay)")
            }
            stored += underWay
            return .stored(underWay, sentAt: sentAt)
        case "503":
            resumeAt = SystemClock.monotonicNanoseconds() + 1_000_000_000
            return .refused
        default: throw Mistake("lane \(name.text): \(text)")
        }
    }
}
