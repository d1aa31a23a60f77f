import Framing
import Posix

/// What the lane knows of who is inside, for the uplink: written by lanekeeperd alone.
public enum PresenceFile {
    private static let longest = 256

    /// nil: the lane's rules do not ask who is inside.
    public static func read(_ path: String) throws(StorageError) -> PresenceMark? {
        guard let bytes = try storing({ () throws(SystemFailure) in try smallFile(path, limit: longest) }) else {
            return nil
        }
        do { return try PresenceMark(text: String(decoding: bytes, as: UTF8.self)) } catch {
            throw .malformed(path: path, error, advice: "lanekeeperd writes it anew at its next list")
        }
    }

    /// Replaces the file in one step; nil removes it. What it says is in memory alone: a power cut may take it.
    public static func write(_ mark: PresenceMark?, to path: String) throws(StorageError) {
        try storing { () throws(SystemFailure) in
            if let mark {
                try FileSystem.replace(path, with: Array(mark.text.utf8), mode: LaneDirectory.fileMode)
            } else {
                _ = try FileSystem.unlinkIfPresent(path)
            }
        }
    }
}
