import Admission
import Framing
import Posix
import Storage

/// Keeps each file whose policy was in force, under the digest that records carry, so that an old decision can be
/// recomputed: `policies/<digest>.yaml` in the lane's directory. A file is there, whole and durable, before its policy
/// comes into force.
struct PolicyArchive: Sendable {
    /// The newest of them are kept, beside the one in force.
    static let most = 100
    /// Longer than any record waits for anybody who asks.
    static let longestMilliseconds: Int64 = 400 * 86_400_000

    let directory: LaneDirectory

    init(_ directory: LaneDirectory) { self.directory = directory }

    func path(_ digest: PolicyDigest) -> String { "\(directory.policies)/\(digest.hex).yaml" }

    /// Writes it anew also where it is: what came into force last is then the newest, and a damaged copy is healed.
    func keep(_ contents: [UInt8], _ digest: PolicyDigest) throws(SystemFailure) {
        try FileSystem.replace(path(digest), with: contents, mode: LaneDirectory.fileMode)
    }

    /// Removes those that are too many or too old, never the one in force. Returns the names removed. Without a trusted
    /// clock (`now` nil) nothing is old.
    @discardableResult
    func removeExpired(inForce: PolicyDigest, now: WallTime?) throws(SystemFailure) -> [String] {
        var kept: [(name: String, modified: Int64)] = []
        for name in try FileSystem.list(directory.policies) {
            guard name.utf8.count == 37, name.hasSuffix(".yaml"), name != "\(inForce.hex).yaml",
                let status = try FileSystem.statusIfPresent("\(directory.policies)/\(name)"), status.kind == .regular
            else { continue }
            kept.append((name, status.modifiedNanoseconds / 1_000_000))
        }
        kept.sort { ($0.modified, $0.name) > ($1.modified, $1.name) }
        var removed: [String] = []
        for (place, file) in kept.enumerated() {
            let age = now.map { $0.milliseconds(since: WallTime(milliseconds: file.modified)) } ?? 0
            guard place >= Self.most || age > Self.longestMilliseconds else { continue }
            try FileSystem.unlinkIfPresent("\(directory.policies)/\(file.name)")
            removed.append(file.name)
        }
        if !removed.isEmpty { try FileSystem.syncDirectory(directory.policies) }
        return removed
    }
}
