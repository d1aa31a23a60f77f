import Framing
import Glibc
import Posix

extension SystemFailure {
    var isMissing: Bool { code == ENOENT }
    var isNoSpace: Bool { code == ENOSPC || code == EDQUOT }
    /// A bad sector: what stood there is lost, the rest of the file is not.
    var isUnreadable: Bool { code == EIO }
}

/// The one writer's right to a lane directory: an exclusive flock(2) on `lane.lock`, held as long as this lives and
/// gone with the process, however that ends.
public final class LaneLock: Sendable {
    private let file: Descriptor

    /// Makes the directory when it is missing. Fails at once, naming the holder, when another process has the lock.
    public init(_ directory: LaneDirectory) throws(StorageError) {
        let path = directory.lockFile
        file = try storing { () throws(SystemFailure) in
            try FileSystem.makeDirectories(directory.path, mode: LaneDirectory.directoryMode)
            return try Descriptor.open(path, [.readWrite, .create, .noFollow], mode: LaneDirectory.fileMode)
        }
        do { try file.lockExclusively() } catch {
            guard error.code == EWOULDBLOCK else { throw .system(error) }
            throw .locked(path: path, holder: Self.holder(file))
        }
        // For people; a full disk does not take it, and the lock holds without.
        do throws(SystemFailure) {
            try file.truncate(to: 0)
            try Array("\(getpid())\n".utf8).withBytes { (text) throws(SystemFailure) in
                try file.writeAll(text, at: 0)
            }
        } catch {
            guard error.isNoSpace else { throw .system(error) }
        }
    }

    /// What the holder wrote into the file. It may be another's by a hair, so its name in /proc is asked as well.
    private static func holder(_ file: Descriptor) -> String {
        let text = (try? file.readAll(limit: 64)) ?? []
        guard let process = Int32(String(decoding: text.prefix { $0 != 10 }, as: UTF8.self)), process > 0 else {
            return "another process"
        }
        guard let name = try? FileSystem.read("/proc/\(process)/comm", limit: 64) else { return "process \(process)" }
        return "process \(process) (\(String(decoding: name.prefix { $0 != 10 }, as: UTF8.self)))"
    }
}
