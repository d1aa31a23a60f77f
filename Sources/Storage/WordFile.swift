import Framing
import Posix

/// The file `word`: what the lane says of itself, for the uplink to pass on. Written by lanekeeperd alone, while it runs.
public enum WordFile {
    /// nil: there is none, so no daemon runs.
    public static func read(_ path: String) throws(StorageError) -> LaneWord? {
        guard let bytes = try storing({ () throws(SystemFailure) in try smallFile(path, limit: LaneWord.size) }) else {
            return nil
        }
        do { return try bytes.withBytes { (bytes) throws(FormatError) in try LaneWord(bytes) } } catch {
            throw .malformed(path: path, error, advice: "lanekeeperd writes it anew within seconds")
        }
    }

    /// Replaces the file in one step; nil removes it. Not durably: it says what is so now.
    public static func write(_ word: LaneWord?, to path: String) throws(StorageError) {
        try storing { () throws(SystemFailure) in
            if let word {
                try FileSystem.replace(path, with: word.encoded, mode: LaneDirectory.fileMode, durably: false)
            } else {
                _ = try FileSystem.unlinkIfPresent(path)
            }
        }
    }
}
