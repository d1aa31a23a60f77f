import Admission
import Framing
import Posix
import Storage
import TestSupport

/// A lane's directory with a journal in it that the test writes through the daemon's own writer.
final class TestLane {
    let temporary: TemporaryDirectory
    let directory: LaneDirectory
    private var journal: Journal?
    private var lock: LaneLock?
    private(set) var written: [StoredThrough] = []
    private let settings: JournalSettings
    private let name: ShortName

    init(recordsPerSegment: Int = 32, capacity: Int = 20_000) throws {
        temporary = try TemporaryDirectory()
        directory = LaneDirectory(temporary.file("lane"))
        guard let name = ShortName("north-07") else { throw FormatError("lane", "no name") }
        self.name = name
        settings = JournalSettings(
            capacityRecords: capacity, reserveRecords: 128, recordsPerSegment: recordsPerSegment)
    }

    static let epochs = (1...9).map { Epoch(low: UInt64($0), high: 0xE0) }

    /// Opens a new epoch; its first record is written with that.
    func open(_ epoch: Epoch) throws {
        try close()
        try directory.prepareForDaemon()
        // One for all epochs: a journal's own thread lets go of it a moment after its close.
        let held = try lock ?? LaneLock(directory)
        lock = held
        let opened = try Journal.open(
            directory, holding: held, lane: name, from: .outside, to: name, settings: settings,
            epoch: epoch, at: moment)
        journal = opened.journal
        for sequence in 1..<opened.journal.nextSequence {
            written.append(StoredThrough(epoch: epoch, sequence: sequence))
        }
    }

    private var moment: Moment {
        Moment(
            monotonic: MonotonicTime(milliseconds: 1000 + UInt64(written.count)),
            wall: WallTime(seconds: 1_750_000_000 + Int64(written.count)), clock: .trusted)
    }

    func append(_ count: Int) throws {
        guard let journal else { throw FormatError("journal", "not open") }
        for _ in 0..<count {
            let sequence = journal.nextSequence
            // A test writes faster than the keeper's thread makes segments.
            let isWritten = try eventually(on: journal.changed.descriptor) {
                journal.changed.drain()
                do throws(StorageError) {
                    try journal.append(
                        .pulse(.anonymous, .forward, decisionSequence: 0), at: moment, sequence: sequence,
                        for: .entrance)
                    return true
                } catch {
                    guard case .noRoom = error else { throw error }
                    return false
                }
            }
            guard isWritten else { throw FormatError("journal", "full for 5 s") }
            written.append(StoredThrough(epoch: journal.epoch, sequence: sequence))
        }
    }

    func close() throws {
        guard let open = journal else { return }
        journal = nil
        guard open.close(by: SystemClock.deadline(milliseconds: 60_000)) else {
            throw SystemFailure("close", directory.journal, code: 110)
        }
    }

    /// Flips a bit in the record that is the `index`th of the whole journal.
    func damage(record index: Int) throws {
        let names = try FileSystem.list(directory.journal).filter { $0.hasSuffix(".seg") }
        let path = "\(directory.journal)/\(names[index / settings.recordsPerSegment])"
        let offset = 256 + (index % settings.recordsPerSegment) * JournalRecord.size + 100
        let file = try Descriptor.open(path, [.readWrite])
        try withUnsafeBytes(of: UInt8(0xFF)) { try file.writeAll($0, at: Int64(offset)) }
    }

    /// As when the disk is replaced: another directory, with nothing in it.
    func wipe() throws {
        try close()
        lock = nil
        try FileSystem.rename(directory.path, to: "\(directory.path).former")
    }

    func removeFirstSegments(_ count: Int) throws {
        for name in try FileSystem.list(directory.journal).filter({ $0.hasSuffix(".seg") }).prefix(count) {
            try FileSystem.unlink("\(directory.journal)/\(name)")
        }
    }

    var cursor: StoredThrough? {
        if case .stored(let word) = Cursor.read(directory.cursor) { word } else { nil }
    }
}
