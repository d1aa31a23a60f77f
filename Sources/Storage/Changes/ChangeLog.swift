import Framing
import Posix

/// The lists that are in force on top of an image, as the site signed them, in the file `changes` of the lane's directory.
/// One owner: the thread that takes them over.
///
///       0  u32  length of the list · 4 u32 CRC-32C of it · 8 the list, signature and all; then the next one
///
/// A list counts when `append` has returned: then it is on disk. What a cut left behind the last whole one is dropped at
/// the next opening. A newer image takes changes in, and `keep` lets go of them.
public final class ChangeLog {
    /// 5,000 changes are 160 KB, one alone 200 bytes: far more than the overlay takes in, and little of a lane's disk.
    public static let mostBytes = 16 << 20
    private static let headSize = 8

    private let path: String
    private let file: Descriptor
    private var end: Int64

    public struct Opened {
        public var log: ChangeLog
        /// Oldest first, each verified and going on where the one before ends.
        public var lists: [ChangeList]
        /// Behind the last whole list: how many bytes were dropped, and why if it is more than a cut.
        public var droppedBytes: Int64
        public var refusal: ChangeRefusal?
    }

    private init(path: String, file: Descriptor, end: Int64) {
        self.path = path
        self.file = file
        self.end = end
    }

    /// Reads and verifies what is there; makes the file when there is none.
    public static func open(_ directory: LaneDirectory, trusting trust: SiteTrust) throws(StorageError) -> Opened {
        let path = directory.changes
        let (file, bytes) = try storing { () throws(SystemFailure) in
            let file = try Descriptor.open(path, [.readWrite, .create, .noFollow], mode: LaneDirectory.fileMode)
            // Its name must outlast a power cut before anything in it counts.
            try FileSystem.syncDirectory(directory.path)
            return (file, try FileSystem.read(path, limit: mostBytes))
        }
        let (lists, place, refusal) = verified(bytes, trusting: trust)
        let dropped = Int64(bytes.count - place)
        if dropped > 0 { try storing { () throws(SystemFailure) in try file.truncate(to: Int64(place)) } }
        return Opened(
            log: ChangeLog(path: path, file: file, end: Int64(place)), lists: lists, droppedBytes: dropped,
            refusal: refusal)
    }

    /// The lists of a log that another process may be writing; nothing is changed.
    public static func lists(_ directory: LaneDirectory, trusting trust: SiteTrust) throws(StorageError) -> [ChangeList]
    {
        let path = directory.changes
        let bytes = try storing { () throws(SystemFailure) in try smallFile(path, limit: mostBytes) ?? [] }
        return verified(bytes, trusting: trust).lists
    }

    /// The whole lists at the beginning, where they end, and why there is no more if that is more than a cut.
    private static func verified(
        _ bytes: [UInt8], trusting trust: SiteTrust
    ) -> (lists: [ChangeList], end: Int, refusal: ChangeRefusal?) {
        var lists: [ChangeList] = []
        var refusal: ChangeRefusal?
        var place = 0
        while let list = frame(in: bytes, at: place) {
            do throws(ChangeRefusal) {
                let verified = try ChangeList.verified(list, trusting: trust)
                if let before = lists.last, verified.first > before.last + 1 {
                    throw .gap(first: verified.first, inForce: before.last)
                }
                lists.append(verified)
            } catch {
                refusal = error
                break
            }
            place += headSize + list.count
        }
        return (lists, place, refusal)
    }

    /// The whole frame at `place`; nil when there is none.
    private static func frame(in bytes: [UInt8], at place: Int) -> [UInt8]? {
        guard bytes.count - place >= headSize + ChangeList.shortest else { return nil }
        func word(_ offset: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[place + offset + $1]) << UInt32(8 * $1) }
        }
        let length = Int(word(0))
        guard (ChangeList.shortest...ChangeList.longest).contains(length), bytes.count - place - headSize >= length
        else { return nil }
        let list = Array(bytes[(place + headSize)..<(place + headSize + length)])
        return list.withBytes { CRC32C.checksum($0) } == word(4) ? list : nil
    }

    private static func framed(_ list: [UInt8]) -> [UInt8] {
        let crc = list.withBytes { CRC32C.checksum($0) }
        return [UInt32(list.count), crc].flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
            + list
    }

    /// On disk when it returns. When it throws, the list does not count, and the next one takes its place.
    public func append(_ list: [UInt8]) throws(StorageError) {
        let frame = Self.framed(list)
        guard end + Int64(frame.count) <= Int64(Self.mostBytes) else {
            throw .changes(path: path, .full(limit: ChangeOverlay.mostIdentifiers))
        }
        do throws(SystemFailure) {
            try frame.withBytes { (bytes) throws(SystemFailure) in try file.writeAll(bytes, at: end) }
            try file.sync()
        } catch {
            // Part of it may be there. It is written over, and until then its checksum or its number tells.
            _ = try? file.truncate(to: end)
            throw .system(error)
        }
        end += Int64(frame.count)
    }

    /// A log of these signed lists alone, oldest first, instead of what there was. One durable step, as with `keep`.
    public static func replace(
        with lists: [[UInt8]], in directory: LaneDirectory, trusting trust: SiteTrust
    ) throws(StorageError) -> Opened {
        let path = directory.changes
        let contents = lists.flatMap { framed($0) }
        guard contents.count <= mostBytes else {
            throw .changes(path: path, .full(limit: ChangeOverlay.mostIdentifiers))
        }
        try storing { () throws(SystemFailure) in
            try FileSystem.replace(path, with: contents, mode: LaneDirectory.fileMode)
        }
        return try open(directory, trusting: trust)
    }

    /// The log with only those lists that have changes above `number`; nothing when all have, or the log is empty.
    /// One durable step: a crash leaves the old file or the new one.
    public static func keep(
        above number: UInt64, in directory: LaneDirectory, trusting trust: SiteTrust
    ) throws(StorageError) -> Opened {
        let path = directory.changes
        let bytes = try storing { () throws(SystemFailure) in try smallFile(path, limit: mostBytes) ?? [] }
        var kept: [UInt8] = []
        var place = 0
        while let list = frame(in: bytes, at: place) {
            let isWanted = (try? ChangeList.parse(list)).map { $0.list.last > number } ?? false
            if isWanted { kept += bytes[place..<(place + headSize + list.count)] }
            place += headSize + list.count
        }
        if kept.count != bytes.count {
            let contents = kept
            try storing { () throws(SystemFailure) in
                try FileSystem.replace(path, with: contents, mode: LaneDirectory.fileMode)
            }
        }
        return try open(directory, trusting: trust)
    }
}
