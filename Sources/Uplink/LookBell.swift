import Glibc
import Posix

/// Wakes the daemon: connects to its `look.sock`, writes the one word it knows and hangs up. Whatever is wrong there is
/// the daemon's affair; it looks by itself when it starts, and the uplink rings again with every statement.
struct LookBell: Sendable {
    let path: String

    /// The failure is for the log; a daemon that does not run is none.
    func ring() -> SystemFailure? {
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
