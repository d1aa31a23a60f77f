import Framing
import Posix

/// `uplink/cursor`: what the collector has stored, as the uplink says. The uplink is another user and not trusted:
/// whatever stands there is read as one of these and never stops anything.
public enum CursorReading: Sendable, Hashable {
    /// No file: the collector has stored nothing yet.
    case missing
    case stored(StoredThrough)
    /// Something else; it means nothing new.
    case ignored(reason: String)
}

public enum Cursor {
    private static let longest = 64

    public static func read(_ path: String) -> CursorReading {
        do {
            guard let bytes = try smallFile(path, limit: longest) else { return .missing }
            return .stored(try StoredThrough(text: String(decoding: bytes, as: UTF8.self)))
        } catch { return .ignored(reason: "\(error)") }
    }

    /// Replaces the file in one step, durably.
    public static func write(_ stored: StoredThrough, to path: String) throws(StorageError) {
        try storing { () throws(SystemFailure) in
            try FileSystem.replace(path, with: Array(stored.text.utf8), mode: LaneDirectory.fileMode)
        }
    }
}

/// The file `applied`: which image and change are in force, for the uplink to report. Written after they are.
public enum AppliedFile {
    private static let longest = 256

    /// nil when nothing was applied yet. What cannot be read throws; a reader reports it and goes on without.
    public static func read(_ path: String) throws(StorageError) -> AppliedMark? {
        guard let bytes = try storing({ () throws(SystemFailure) in try smallFile(path, limit: longest) }) else {
            return nil
        }
        do { return try AppliedMark(text: String(decoding: bytes, as: UTF8.self)) } catch {
            throw .malformed(path: path, error, advice: "lanekeeperd writes it anew when it starts")
        }
    }

    /// Replaces the file in one step, durably.
    public static func write(_ mark: AppliedMark, to path: String) throws(StorageError) {
        try storing { () throws(SystemFailure) in
            try FileSystem.replace(path, with: Array(mark.text.utf8), mode: LaneDirectory.fileMode)
        }
    }
}
