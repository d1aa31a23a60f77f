import CLinux
import Glibc

/// Operations on paths. Nothing here follows a symbolic link in the last part of a path unless it says so.
public enum FileSystem {
    /// Replaces `new` in one step when it exists (rename(2)). Durable only after `syncDirectory`.
    public static func rename(_ old: String, to new: String) throws(SystemFailure) {
        try attempt("rename", "\(old) to \(new)") { Glibc.rename(old, new) }
    }

    /// Another name of the same file (link(2)). Fails when something has that name.
    public static func link(_ path: String, as name: String) throws(SystemFailure) {
        try attempt("link", "\(path) as \(name)") { Glibc.link(path, name) }
    }

    public static func unlink(_ path: String) throws(SystemFailure) {
        try attempt("remove", path) { Glibc.unlink(path) }
    }

    /// As `unlink`, but a file that is not there is fine: false then.
    @discardableResult
    public static func unlinkIfPresent(_ path: String) throws(SystemFailure) -> Bool {
        switch repeating({ Glibc.unlink(path) }) {
        case .success: return true
        case .failure(let failure) where failure.code == ENOENT: return false
        case .failure(let failure): throw SystemFailure("remove", path, code: failure.code)
        }
    }

    /// Makes the directory and those above it that are missing, each with `mode` (less the umask).
    public static func makeDirectories(_ path: String, mode: UInt32 = 0o750) throws(SystemFailure) {
        switch repeating({ mkdir(path, mode_t(mode)) }) {
        case .success: return
        case .failure(let failure) where failure.code == EEXIST:
            guard try statusFollowingLinks(path).kind == .directory else {
                throw SystemFailure("make directory", path, code: ENOTDIR)
            }
        case .failure(let failure) where failure.code == ENOENT:
            let parent = self.parent(of: path)
            guard parent != path else { throw SystemFailure("make directory", path, code: ENOENT) }
            try makeDirectories(parent, mode: mode)
            if case .failure(let failure) = repeating({ mkdir(path, mode_t(mode)) }), failure.code != EEXIST {
                throw SystemFailure("make directory", path, code: failure.code)
            }
        case .failure(let failure): throw SystemFailure("make directory", path, code: failure.code)
        }
    }

    /// The names in a directory, without `.` and `..`, sorted by their bytes. More than `limit` fails with EFBIG.
    public static func list(_ path: String, limit: Int = 100_000) throws(SystemFailure) -> [String] {
        guard let directory = opendir(path) else { throw SystemFailure("list", path, code: errno) }
        defer { closedir(directory) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(directory) else {
                guard errno == 0 else { throw SystemFailure("list", path, code: errno) }
                return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name == "." || name == ".." { continue }
            guard names.count < limit else {
                throw SystemFailure("list", path, code: EFBIG, advice: "at most \(limit) entries are read")
            }
            names.append(name)
        }
    }

    /// Makes what was renamed, created or removed in this directory survive a power cut.
    public static func syncDirectory(_ path: String) throws(SystemFailure) {
        try Descriptor.open(path, [.read, .directory]).sync()
    }

    public static func status(_ path: String) throws(SystemFailure) -> FileStatus {
        var status = stat()
        try attempt("examine", path) { lstat(path, &status) }
        return FileStatus(status)
    }

    public static func statusFollowingLinks(_ path: String) throws(SystemFailure) -> FileStatus {
        var status = stat()
        try attempt("examine", path) { stat(path, &status) }
        return FileStatus(status)
    }

    /// nil when nothing is there; other failures throw.
    public static func statusIfPresent(_ path: String) throws(SystemFailure) -> FileStatus? {
        var status = stat()
        switch repeating({ lstat(path, &status) }) {
        case .success: return FileStatus(status)
        case .failure(let failure) where failure.code == ENOENT: return nil
        case .failure(let failure): throw SystemFailure("examine", path, code: failure.code)
        }
    }

    /// The path without links, `.` and `..` (realpath(3)). Everything on the way must exist.
    public static func resolve(_ path: String) throws(SystemFailure) -> String {
        guard let resolved = realpath(path, nil) else { throw SystemFailure("resolve", path, code: errno) }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Bytes that an unprivileged user can still write on the file system of `path`.
    public static func freeBytes(_ path: String) throws(SystemFailure) -> Int64 {
        var status = statvfs()
        try attempt("examine the file system of", path) { statvfs(path, &status) }
        return Int64(
            clamping: UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue)
    }

    public static func setMode(_ path: String, _ mode: UInt32) throws(SystemFailure) {
        try attempt("set the mode of", path) { chmod(path, mode_t(mode)) }
    }

    /// The contents, at most `limit` bytes: a longer file fails with EFBIG, a directory with EISDIR, a pipe or device
    /// with EINVAL (it could block for ever).
    public static func read(_ path: String, limit: Int) throws(SystemFailure) -> [UInt8] {
        let file = try Descriptor.open(path, [.read, .nonblocking])
        switch try file.status().kind {
        case .regular: break
        case .directory: throw SystemFailure("read", path, code: EISDIR)
        default: throw SystemFailure("read", path, code: EINVAL, advice: "name a regular file")
        }
        return try file.readAll(limit: limit)
    }

    /// The directory a path lies in: `/a/b` → `/a`, `b` → `.`, `/` → `/`.
    public static func parent(of path: String) -> String {
        var bytes = Array(path.utf8)
        while bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        var end = slash
        while end > 0, bytes[end - 1] == UInt8(ascii: "/") { end -= 1 }
        return end == 0 ? "/" : String(decoding: bytes[..<end], as: UTF8.self)
    }

    /// The last part of a path: `/a/b` → `b`.
    public static func name(of path: String) -> String {
        String(path.split(separator: "/").last ?? "/")
    }
}
