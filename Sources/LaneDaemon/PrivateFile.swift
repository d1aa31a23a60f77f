import Framing
import Posix

/// A file with a secret in it.
enum PrivateFile {
    /// Refuses a file that anybody but its owner can read.
    static func check(_ path: String) throws {
        let mode = try FileSystem.statusFollowingLinks(path).mode & 0o777
        guard mode & 0o077 == 0 else {
            let octal = String(mode, radix: 8)
            throw FormatError(path, "its mode is \(octal), so others can read the key in it; do: chmod 600 \(path)")
        }
    }
}
