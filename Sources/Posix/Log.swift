import Glibc
import Synchronization

/// One line a call to stderr. For the journal each starts with systemd's `<N>` priority (sd-daemon(3)); elsewhere
/// with the UTC time.
///
/// A reader of stderr that hangs cannot hold the program up: a line waits 20 ms at most and is then dropped, later
/// ones are dropped at once, and when the reader is back a line says how many were lost. A closed stderr is
/// ignored. Any thread may log; a line of up to 4096 bytes is one write(2), so lines do not mix.
public enum Log {
    /// syslog(3)'s numbers.
    public enum Level: Int, Sendable {
        case error = 3
        case warning = 4
        case notice = 5
        case information = 6
        case debug = 7

        var word: String {
            switch self {
            case .error: "error"
            case .warning: "warning"
            case .notice: "notice"
            case .information: "info"
            case .debug: "debug"
            }
        }
    }

    /// Something does not work and a person has to act.
    public static func error(_ message: String) { write(.error, message) }
    /// Something is not as it should be; the program goes on.
    public static func warning(_ message: String) { write(.warning, message) }
    /// Normal, but worth knowing later.
    public static func notice(_ message: String) { write(.notice, message) }
    public static func information(_ message: String) { write(.information, message) }
    public static func debug(_ message: String) { write(.debug, message) }

    public static func write(_ level: Level, _ message: String) {
        sink.write(level, message)
    }

    private static let sink = LogSink(descriptor: 2)
}

final class LogSink: Sendable {
    private let descriptor: Int32
    private let isJournal: Bool
    private let dropped = Atomic<Int>(0)

    static let maximumLineBytes = 4096
    static let patienceMilliseconds = 20

    init(descriptor: Int32, stream: String? = Invocation.environment("JOURNAL_STREAM")) {
        self.descriptor = descriptor
        isJournal = LogSink.isJournal(descriptor, stream: stream)
    }

    /// $JOURNAL_STREAM is `device:inode` of the journal's socket. It is inherited by whatever a service or a
    /// terminal starts, so it counts only while this descriptor is that socket (systemd.exec(5)).
    static func isJournal(_ descriptor: Int32, stream: String?) -> Bool {
        var status = stat()
        guard let stream, fstat(descriptor, &status) == 0 else { return false }
        return stream == "\(status.st_dev):\(status.st_ino)"
    }

    func write(_ level: Log.Level, _ message: String) {
        let lost = dropped.load(ordering: .relaxed)
        if lost > 0 {
            guard send(line(.warning, "\(lost) log lines were dropped: stderr was not read"), waiting: 0) else {
                dropped.wrappingAdd(1, ordering: .relaxed)
                return
            }
            dropped.wrappingSubtract(lost, ordering: .relaxed)
        }
        if !send(line(level, message), waiting: LogSink.patienceMilliseconds) {
            dropped.wrappingAdd(1, ordering: .relaxed)
        }
    }

    func line(_ level: Log.Level, _ message: String) -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(message.utf8.count + 48)
        if isJournal {
            line.append(contentsOf: "<\(level.rawValue)>".utf8)
        } else {
            line.append(contentsOf: "\(Timestamp.format(SystemClock.wallMilliseconds())) \(level.word): ".utf8)
        }
        for scalar in message.unicodeScalars {
            let bytes = LogSink.escaped(scalar)
            guard line.count + bytes.count <= LogSink.maximumLineBytes - 4 else {
                line.append(contentsOf: "…".utf8)
                break
            }
            line.append(contentsOf: bytes)
        }
        line.append(0x0A)
        return line
    }

    /// Characters that could break a line, move a terminal's cursor or turn its text around are shown as escapes.
    private static func escaped(_ scalar: Unicode.Scalar) -> String.UTF8View {
        switch scalar.value {
        case 0x0A: "\\n".utf8
        case 0x0D: "\\r".utf8
        case 0x09: "\\t".utf8
        case 0..<0x20, 0x7F..<0xA0, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069:
            "\\u{\(String(scalar.value, radix: 16))}".utf8
        default: String(scalar).utf8
        }
    }

    /// false when the line was dropped because nobody reads. Whatever else is wrong with stderr is nobody's business.
    private func send(_ line: [UInt8], waiting milliseconds: Int) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        let deadline = SystemClock.deadline(milliseconds: milliseconds)
        guard let ready = try? PollSet.poll(&entry, 1, until: deadline) else { return true }
        guard ready > 0 else { return false }
        guard entry.revents & Int16(POLLOUT) != 0, entry.revents & Int16(POLLERR) == 0 else { return true }
        // A socket can be told not to wait. A pipe that polls writable takes PIPE_BUF (4096) bytes without waiting.
        switch repeating({ Glibc.send(descriptor, line, line.count, LogSink.withoutWaiting) }) {
        case .success: return true
        case .failure(let failure) where failure.code == EAGAIN: return false
        case .failure(let failure) where failure.code == ENOTSOCK:
            if case .failure(let failure) = repeating({ Glibc.write(descriptor, line, line.count) }) {
                return failure.code != EAGAIN
            }
            return true
        case .failure: return true
        }
    }

    private static let withoutWaiting = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
}
