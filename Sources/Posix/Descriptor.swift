import CLinux
import Glibc

/// How a file is opened (open(2)). Close-on-exec is always set.
public struct OpenFlags: OptionSet, Sendable {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    public static let read = OpenFlags(rawValue: O_RDONLY)
    public static let write = OpenFlags(rawValue: O_WRONLY)
    public static let readWrite = OpenFlags(rawValue: O_RDWR)
    public static let create = OpenFlags(rawValue: O_CREAT)
    /// With `create`: fails with EEXIST when the file is there, also when it is a dangling link.
    public static let exclusive = OpenFlags(rawValue: O_EXCL)
    public static let truncate = OpenFlags(rawValue: O_TRUNC)
    public static let append = OpenFlags(rawValue: O_APPEND)
    public static let nonblocking = OpenFlags(rawValue: O_NONBLOCK)
    /// Fails with ELOOP when the last part of the path is a symbolic link.
    public static let noFollow = OpenFlags(rawValue: O_NOFOLLOW)
    public static let directory = OpenFlags(rawValue: O_DIRECTORY)
    /// A terminal that is opened does not become the process's controlling terminal.
    public static let noControllingTerminal = OpenFlags(rawValue: O_NOCTTY)
}

/// What one read gave.
public enum ReadOutcome: Equatable, Sendable {
    /// 1 or more bytes.
    case bytes(Int)
    /// End of file, or the peer closed.
    case end
    /// A nonblocking descriptor has nothing now.
    case wouldBlock
}

/// Owns one file descriptor and closes it when the last reference goes.
///
/// Whoever hands `raw` to poll(2) or a C library must keep the `Descriptor` in a stored property (or
/// `withExtendedLifetime`) meanwhile: Swift may release a local variable right after its last use.
public final class Descriptor: Sendable {
    public let raw: Int32
    /// The path or a description, for errors.
    public let name: String

    /// Takes over a descriptor that nobody else will close.
    public init(adopting raw: Int32, name: String) {
        self.raw = raw
        self.name = name
    }

    deinit {
        // Linux frees the number even when close(2) reports EINTR or EIO: never repeat it.
        _ = Glibc.close(raw)
    }

    public static func open(
        _ path: String, _ flags: OpenFlags, mode: UInt32 = 0o640
    ) throws(SystemFailure) -> Descriptor {
        let raw = try attempt("open", path) { Glibc.open(path, flags.rawValue | O_CLOEXEC, mode_t(mode)) }
        return Descriptor(adopting: raw, name: path)
    }

    // MARK: Reading

    /// One read(2). Allocates nothing unless it fails. An empty buffer gives `.end`.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(SystemFailure) -> ReadOutcome {
        switch repeating({ Glibc.read(raw, buffer.baseAddress, buffer.count) }) {
        case .success(0): return .end
        case .success(let count): return .bytes(count)
        case .failure(let failure) where failure.code == EAGAIN: return .wouldBlock
        case .failure(let failure): throw SystemFailure("read", name, code: failure.code)
        }
    }

    /// Everything up to end of file, at most `limit` bytes; a longer file fails with EFBIG. For blocking descriptors.
    public func readAll(limit: Int) throws(SystemFailure) -> [UInt8] {
        var all: [UInt8] = []
        let expected = max(0, min(limit, (try? status().size).map { Int(clamping: $0) } ?? 0))
        all.reserveCapacity(expected)
        var chunk = [UInt8](repeating: 0, count: min(max(expected, 4096), 1 << 16))
        while true {
            let count = try attempt("read", name) {
                chunk.withUnsafeMutableBytes { Glibc.read(raw, $0.baseAddress, $0.count) }
            }
            if count == 0 { return all }
            guard all.count + count <= limit else {
                throw SystemFailure("read", name, code: EFBIG, advice: "at most \(limit) bytes are accepted")
            }
            all.append(contentsOf: chunk[..<count])
        }
    }

    /// One pread(2): bytes read, 0 at or past the end of the file.
    public func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
    ) throws(SystemFailure) -> Int {
        try attempt("read", name) { pread(raw, buffer.baseAddress, buffer.count, off_t(offset)) }
    }

    /// Fills `buffer` from `offset`; returns the bytes read, fewer only when the file ends before.
    public func readFully(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
    ) throws(SystemFailure) -> Int {
        var filled = 0
        while filled < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
            let count = try read(into: rest, at: offset + Int64(filled))
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    // MARK: Writing

    /// One write(2): how many bytes were taken; 0 when a nonblocking descriptor takes none now. Allocates nothing
    /// unless it fails.
    public func write(_ buffer: UnsafeRawBufferPointer) throws(SystemFailure) -> Int {
        switch repeating({ Glibc.write(raw, buffer.baseAddress, buffer.count) }) {
        case .success(let count): return count
        case .failure(let failure) where failure.code == EAGAIN: return 0
        case .failure(let failure): throw SystemFailure("write", name, code: failure.code)
        }
    }

    /// Writes all of it to a file. A nonblocking descriptor that takes no more fails with EAGAIN: use the one with a
    /// deadline for sockets and pipes.
    public func writeAll(_ buffer: UnsafeRawBufferPointer) throws(SystemFailure) {
        var done = 0
        while done < buffer.count {
            let count = try write(UnsafeRawBufferPointer(rebasing: buffer[done...]))
            guard count > 0 else { throw SystemFailure("write", name, code: EAGAIN) }
            done += count
        }
    }

    public func writeAll(_ bytes: [UInt8]) throws(SystemFailure) {
        try bytes.span.bytes.withUnsafeBytes { (all) throws(SystemFailure) in try writeAll(all) }
    }

    /// Writes all of it to a nonblocking socket or pipe, waiting until `deadline` (monotonic ns) at most; then it
    /// fails with ETIMEDOUT, and some of the bytes may have gone.
    public func writeAll(_ bytes: [UInt8], by deadlineNanoseconds: UInt64) throws(SystemFailure) {
        var done = 0
        while done < bytes.count {
            let count = try bytes.span.bytes.withUnsafeBytes { (all) throws(SystemFailure) in
                try write(UnsafeRawBufferPointer(rebasing: all[done...]))
            }
            done += count
            if count == 0, try !wait(for: .writable, until: deadlineNanoseconds) {
                throw SystemFailure("write", name, code: ETIMEDOUT)
            }
        }
    }

    /// Writes all of it at `offset` (pwrite(2)).
    public func writeAll(_ buffer: UnsafeRawBufferPointer, at offset: Int64) throws(SystemFailure) {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeRawBufferPointer(rebasing: buffer[done...])
            let count = try attempt("write", name) {
                pwrite(raw, rest.baseAddress, rest.count, off_t(offset) + off_t(done))
            }
            guard count > 0 else { throw SystemFailure("write", name, code: EIO) }
            done += count
        }
    }

    // MARK: Durability, size, locks

    public func sync() throws(SystemFailure) {
        try attempt("sync", name) { fsync(raw) }
    }

    /// Data and size, not times (fdatasync(2)).
    public func syncData() throws(SystemFailure) {
        try attempt("sync the data of", name) { fdatasync(raw) }
    }

    /// Asks the kernel to begin writing a part to the disk, and does not wait (sync_file_range(2)). Only a hint, so that a
    /// later `sync` has less to wait for: nothing is durable before that.
    public func beginWriting(_ part: Range<Int>) {
        _ = sync_file_range(raw, Int64(part.lowerBound), Int64(part.count), 2)  // SYNC_FILE_RANGE_WRITE
    }

    public func truncate(to bytes: Int64) throws(SystemFailure) {
        try attempt("truncate", name) { ftruncate(raw, off_t(bytes)) }
    }

    /// Reserves disk space for the first `bytes` bytes; they read as zeros where nothing was written.
    public func allocate(bytes: Int64) throws(SystemFailure) {
        // posix_fallocate(3) returns the errno instead of setting it.
        while true {
            let code = posix_fallocate(raw, 0, off_t(bytes))
            if code == 0 { return }
            if code != EINTR { throw SystemFailure("reserve space for", name, code: code) }
        }
    }

    public func status() throws(SystemFailure) -> FileStatus {
        var status = stat()
        try attempt("examine", name) { fstat(raw, &status) }
        return FileStatus(status)
    }

    public func setMode(_ mode: UInt32) throws(SystemFailure) {
        try attempt("set the mode of", name) { fchmod(raw, mode_t(mode)) }
    }

    public func setNonblocking() throws(SystemFailure) {
        let flags = try attempt("configure", name) { fcntl(raw, F_GETFL) }
        try attempt("configure", name) { fcntl(raw, F_SETFL, flags | O_NONBLOCK) }
    }

    /// Waits until the descriptor is ready, or `deadline` (monotonic ns; nil: for ever) has come: then false. For
    /// one-off waits; loops use `PollSet`.
    public func wait(for interest: Readiness, until deadlineNanoseconds: UInt64?) throws(SystemFailure) -> Bool {
        var entry = pollfd(fd: raw, events: interest.rawValue, revents: 0)
        return try PollSet.poll(&entry, 1, until: deadlineNanoseconds) > 0
    }
}
