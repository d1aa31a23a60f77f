import Framing
import Posix
import Storage

/// Keeps each configuration that decides something, under the digest that its records carry, so that an old decision
/// can be recomputed.
enum PolicyArchive {
    static func keep(_ settings: LaneSettings, in directory: LaneDirectory) throws(SystemFailure) {
        let path = "\(directory.policies)/\(settings.policy.digest.hex).yaml"
        if try FileSystem.statusIfPresent(path) != nil { return }
        try FileSystem.replace(path, with: settings.policyContents, mode: LaneDirectory.fileMode)
    }
}
