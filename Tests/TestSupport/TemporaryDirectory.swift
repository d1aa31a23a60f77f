import Glibc
import Posix

/// A directory of its own for a test, removed with everything in it when the last reference goes.
public final class TemporaryDirectory: Sendable {
    public let path: String

    /// `inMemory`: where fsync(2) costs nothing, if this machine has such a place. For tests that do not ask what a disk
    /// keeps.
    public init(inMemory: Bool = false) throws {
        let parent = inMemory && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        // Short, since a Unix socket's path has 107 bytes at most.
        var template = Array("\(parent)/lanekeeper-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemFailure("make", "a directory in \(parent)", code: errno) }
        path = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }

    /// `directory.file("a/b")` → its path; nothing is made.
    public func file(_ name: String) -> String { "\(path)/\(name)" }

    deinit { TemporaryDirectory.remove(path) }

    private static func remove(_ path: String) {
        guard (try? FileSystem.statusIfPresent(path))??.kind == .directory else {
            _ = unlink(path)
            return
        }
        _ = chmod(path, 0o700)
        for name in (try? FileSystem.list(path)) ?? [] { remove("\(path)/\(name)") }
        _ = rmdir(path)
    }
}
