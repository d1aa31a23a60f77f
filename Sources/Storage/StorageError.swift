import Framing
import Posix

/// What went wrong in what a lane keeps: the operation, the path, and what a person can do.
public enum StorageError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A system call failed; it says which, on what, and what to do.
    case system(SystemFailure)
    /// Another process writes this lane directory. `holder` is its pid and name as far as they are known.
    case locked(path: String, holder: String)
    /// A file's bytes are not what they should be.
    case malformed(path: String, FormatError, advice: String)
    case image(path: String, ImageRefusal)
    case statement(path: String, StatementRefusal)
    case changes(path: String, ChangeRefusal)
    /// The journal in this directory was written by another lane.
    case foreignJournal(path: String, lane: String, expected: String)
    /// The journal takes no record of this purpose now.
    case noRoom(RecordPurpose)
    /// A record came with a number that is not the next one.
    case sequence(given: UInt64, next: UInt64)
    /// The settings cannot be.
    case settings(String)

    public var description: String {
        switch self {
        case .system(let failure): failure.description
        case .locked(let path, let holder):
            "cannot lock \(path): \(holder) writes this lane directory; stop that process first"
        case .malformed(let path, let error, let advice): "\(path): \(error)" + (advice.isEmpty ? "" : "; \(advice)")
        case .image(let path, let refusal): "\(path): \(refusal.reason); \(refusal.advice)"
        case .statement(let path, let refusal): "\(path): \(refusal.reason); \(refusal.advice)"
        case .changes(let path, let refusal): "\(path): \(refusal.reason); \(refusal.advice)"
        case .foreignJournal(let path, let lane, let expected):
            "\(path) was written by lane \(lane), and this is lane \(expected): give each lane a directory of its own"
        case .noRoom(.entrance):
            "the journal is full but for its reserve: the collector must store records, or the disk needs room"
        case .noRoom(.reserve), .noRoom(.counter):
            "the journal and its reserve are full: the collector must store records, or the disk needs room"
        case .sequence(let given, let next): "record \(given) was to be written where record \(next) belongs"
        case .settings(let problem): problem
        }
    }
}

/// Runs Posix calls under the room's own error.
func storing<T: ~Copyable>(_ body: () throws(SystemFailure) -> T) throws(StorageError) -> T {
    do { return try body() } catch { throw .system(error) }
}

/// A small text file that another user may have put there: a regular file (no link, no pipe) of at most `limit` bytes.
/// nil when nothing is there.
func smallFile(_ path: String, limit: Int) throws(SystemFailure) -> [UInt8]? {
    guard try FileSystem.statusIfPresent(path) != nil else { return nil }
    let file: Descriptor
    do { file = try Descriptor.open(path, [.read, .nonblocking, .noFollow]) } catch {
        if error.isMissing { return nil }
        throw error
    }
    guard try file.status().kind == .regular else {
        throw SystemFailure("read", path, code: 22, advice: "only a regular file is read here")
    }
    return try file.readAll(limit: limit)
}
