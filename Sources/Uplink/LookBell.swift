import Admission
import Glibc
import Posix

/// Wakes the daemon: connects to its `look.sock`, writes the one word it knows and hangs up. Whatever is wrong there is
/// the daemon's affair; it looks by itself when it starts, and the uplink rings again with every statement. All errands of
/// a lane ring one bell, so that what is wrong with it is said once.
final class LookBell {
    private let path: String
    private var report = FailureReport("waking lanekeeperd")

    init(runDirectory: String) { path = "\(runDirectory)/look.sock" }

    /// What is wrong with it; nil while all is well.
    var complaint: String? { report.current }

    /// A daemon that does not run is no failure; any other is logged.
    func ring(now: MonotonicTime) {
        if let failure = Self.failure(path) {
            if let line = report.failed(key: "\(failure.code)", failure.description, now: now) { Log.warning(line) }
        } else if let line = report.succeeded() {
            Log.notice(line)
        }
    }

    private static func failure(_ path: String) -> SystemFailure? {
        do throws(SystemFailure) {
            let socket = try UnixSocket.connect(path)
            // A fresh socket's buffer takes five bytes at once.
            try socket.writeAll(Array("look\n".utf8))
            return nil
        } catch {
            switch error.code {
            // Not running, just going, or so busy that other rings wait already.
            case ENOENT, ECONNREFUSED, EPIPE, ECONNRESET, EAGAIN: return nil
            default: return error
            }
        }
    }
}
