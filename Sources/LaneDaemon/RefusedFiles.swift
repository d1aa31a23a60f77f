import Control
import Posix
import Synchronization

/// What lies in `uplink/incoming` and is not taken, and why: for `lanectl cache info`. Written by the credential thread,
/// read by whoever answers. Bounded, since another user names the files.
package final class RefusedFiles: Sendable {
    static let most = 32
    private static let longestReason = 400
    private let files = Mutex<[CacheReply.Refused]>([])

    package init() {}

    /// A later reason for the same file takes the place of an earlier one.
    func add(_ path: String, _ reason: String) {
        let file = String(path[path.index(after: path.lastIndex(of: "/") ?? path.startIndex)...].prefix(80))
        let refused = CacheReply.Refused(
            file: file, reason: String(reason.prefix(Self.longestReason)),
            atMilliseconds: SystemClock.wallMilliseconds())
        files.withLock { files in
            files.removeAll { $0.file == file }
            files.insert(refused, at: 0)
            if files.count > Self.most { files.removeLast() }
        }
    }

    /// Forgets those that lie in `folder` no more.
    func forgetMissing(in folder: String) {
        let names = all.map(\.file)
        let missing = names.filter { (try? FileSystem.statusIfPresent("\(folder)/\($0)")) == .some(nil) }
        guard !missing.isEmpty else { return }
        files.withLock { files in files.removeAll { missing.contains($0.file) } }
    }

    /// It was taken.
    func forget(_ path: String) {
        files.withLock { files in files.removeAll { path.hasSuffix("/\($0.file)") } }
    }

    /// The newest first.
    var all: [CacheReply.Refused] { files.withLock { $0 } }
}
