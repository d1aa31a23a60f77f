import Admission
import Framing
import Glibc
import Posix

/// One journal segment on disk. It is written by one process; a `Segment` may be used from several of its threads.
struct Segment: Sendable {
    var ordinal: UInt64
    var path: String
    /// Position of its first slot.
    var start: Int
    /// Slots.
    var capacity: Int
    /// Open for writing; nil once everything in it is on disk.
    var file: Descriptor?

    var end: Int { start + capacity }

    /// Where the slot of `position` lies in the file.
    func offset(of position: Int) -> Int64 { Segment.offset(slot: position - start) }

    static func offset(slot: Int) -> Int64 { Int64(SegmentHeader.size + slot * JournalRecord.size) }
    static func fileLength(capacity: Int) -> Int64 { offset(slot: capacity) }

    /// Writes zeros over the slots from `slot` on, to the segment's full length.
    static func zero(_ file: Descriptor, from slot: Int, capacity: Int) throws(SystemFailure) {
        var offset = offset(slot: slot)
        let end = fileLength(capacity: capacity)
        while offset < end {
            let count = min(Int(end - offset), zeros.count)
            try zeros.withBytes { (bytes) throws(SystemFailure) in
                try file.writeAll(UnsafeRawBufferPointer(rebasing: bytes[..<count]), at: offset)
            }
            offset += Int64(count)
        }
    }

    static let zeros = [UInt8](repeating: 0, count: 1 << 18)
}

/// Makes a new segment step by step, so that the thread that also syncs records is never away for long: each step
/// writes a quarter of a MiB of zeros and brings it to disk. Only a whole segment gets its name.
struct SegmentMaker: ~Copyable {
    let ordinal: UInt64
    private let header: SegmentHeader
    private let directory: String
    private let partial: String
    private let file: Descriptor
    private var offset: Int64 = 0

    var path: String { "\(directory)/\(header.fileName)" }
    private var length: Int64 { Segment.fileLength(capacity: Int(header.capacity)) }

    init(directory: String, ordinal: UInt64, capacity: Int, lane: ShortName) throws(SystemFailure) {
        self.ordinal = ordinal
        self.directory = directory
        header = SegmentHeader(ordinal: ordinal, capacity: UInt32(capacity), lane: lane)
        partial = "\(directory)/.\(header.fileName).partial"
        try FileSystem.unlinkIfPresent(partial)
        file = try Descriptor.open(
            partial, [.readWrite, .create, .exclusive, .noFollow], mode: LaneDirectory.fileMode)
    }

    /// nil while there is more to write; then the segment's open file. After a failure call `abandon`.
    mutating func step() throws(SystemFailure) -> Descriptor? {
        if offset < length {
            let count = min(Int(length - offset), Segment.zeros.count)
            try Segment.zeros.withBytes { (bytes) throws(SystemFailure) in
                try file.writeAll(UnsafeRawBufferPointer(rebasing: bytes[..<count]), at: offset)
            }
            offset += Int64(count)
            try file.syncData()
            return nil
        }
        try header.encoded.withBytes { (bytes) throws(SystemFailure) in try file.writeAll(bytes, at: 0) }
        try file.sync()
        try FileSystem.rename(partial, to: path)
        try FileSystem.syncDirectory(directory)
        return file
    }

    consuming func abandon() { _ = try? FileSystem.unlinkIfPresent(partial) }
}
