import Admission
import Framing
import Posix
import Synchronization

/// The lane's journal: one writer appends records of 256 bytes to preallocated, zero-filled segments.
///
/// `append` is one pwrite(2) and nothing else: when it returns, a killed process loses nothing. The keeper's thread
/// brings records to disk within 100 ms or 10 records, so a power cut loses at most those. What happens at the next
/// opening is told in `RecordScan`, who may use which room in `JournalRoom`, and what the keeper does in `JournalKeeper`.
///
/// Used by one thread; only `changed` may be waited for elsewhere.
public final class Journal {
    public let epoch: Epoch
    public let lane: ShortName
    /// The number that the next record must have, from 1.
    public private(set) var nextSequence: UInt64 = 1
    /// Readable when `state` or `faults` may have changed; drain it and look.
    public var changed: WakeUp { shelf.changed }

    private let from: ShortName
    private let to: ShortName
    private let traffic: Traffic
    private let shelf: JournalShelf
    private let keeper: JournalKeeper
    private var current: Segment
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: JournalRecord.size, alignment: 8)

    /// Opens the journal of a lane: recovers what is there, writes the first record of the new epoch and a record for
    /// each hole, and brings these to disk. `epoch` is 128 fresh random bits.
    ///
    /// On a full disk this still succeeds when one preallocated slot is left: nobody is locked in by a full disk.
    public static func open(
        _ directory: LaneDirectory, holding lock: LaneLock, lane: ShortName, from: ShortName, to: ShortName,
        traffic: Traffic = .people, settings: JournalSettings, epoch: Epoch, at moment: Moment
    ) throws(StorageError) -> (journal: Journal, recovery: JournalRecovery) {
        try settings.check()
        let folder = JournalFolder(path: directory.journal)
        let opening = JournalOpening(folder: folder, lane: lane, settings: settings)
        try storing { () throws(SystemFailure) in
            try FileSystem.makeDirectories(directory.journal, mode: LaneDirectory.directoryMode)
            try FileSystem.removePartialFiles(in: directory.journal)
        }
        let opened = try opening.run(now: moment.wall)
        let live = RecordRun(epoch: epoch, first: 1, start: opened.scan.stop, count: 0)
        let (shelf, keeper) = try storing { () throws(SystemFailure) in
            let shelf = try JournalShelf(
                folder: folder, lane: lane, settings: settings, segments: opened.segments,
                runs: opened.scan.runs + [live], written: opened.scan.stop)
            let keeper = try JournalKeeper(
                shelf, holding: lock, cursorPath: directory.cursor, nextOrdinal: opened.nextOrdinal)
            keeper.readCursor()
            try keeper.makeRoomAtOnce()
            return (shelf, keeper)
        }
        guard let first = shelf.segment(at: opened.scan.stop) else { throw .noRoom(.counter) }
        let journal = Journal(
            epoch: epoch, lane: lane, from: from, to: to, traffic: traffic, shelf: shelf, keeper: keeper,
            current: first)
        return (journal, try storing { () throws(SystemFailure) in try journal.begin(opened, folder, at: moment) })
    }

    private init(
        epoch: Epoch, lane: ShortName, from: ShortName, to: ShortName, traffic: Traffic, shelf: JournalShelf,
        keeper: JournalKeeper,
        current: Segment
    ) {
        self.epoch = epoch
        self.lane = lane
        self.from = from
        self.to = to
        self.traffic = traffic
        self.shelf = shelf
        self.keeper = keeper
        self.current = current
    }

    deinit {
        buffer.deallocate()
        keeper.isStopping.store(true, ordering: .releasing)
        shelf.wake.signal()
    }

    /// The records that the journal itself writes, and the thread.
    private func begin(
        _ opened: JournalOpening.Opened, _ folder: JournalFolder, at moment: Moment
    ) throws(SystemFailure) -> JournalRecovery {
        let facts = opened.scan.facts
        try write(
            .epochStarted(previous: facts.last?.epoch ?? .none, lastSequence: facts.last?.sequence ?? 0), moment)
        var recorded = 0
        for hole in opened.scan.holes.prefix(Self.mostHoleRecords) where shelf.room.left(for: .entrance) > 0 {
            try write(hole.event, moment)
            recorded += 1
        }
        try current.file?.syncData()
        shelf.synced.store(shelf.written.load(ordering: .relaxed), ordering: .releasing)
        // Now that their holes stand here, they may lose their names.
        var setAside: [String] = []
        for ordinal in opened.setAside {
            try FileSystem.rename(folder.path(ordinal: ordinal), to: folder.setAsidePath(ordinal: ordinal))
            setAside.append(folder.setAsidePath(ordinal: ordinal))
        }
        if !setAside.isEmpty { try FileSystem.syncDirectory(folder.path) }
        let keeper = keeper
        _ = try NamedThread.start(name: "journal") { keeper.run() }
        return JournalRecovery(
            last: facts.last, holes: opened.scan.holes.map(\.event), holesRecorded: recorded,
            newestTrustedWall: facts.newestTrustedWall, outstanding: facts.outstanding,
            outstandingBeside: facts.outstandingBeside, hourTotals: facts.hourTotals,
            passages: facts.passages.newest, setAside: setAside, recordsHeld: opened.scan.recordsHeld,
            recordsDropped: opened.scan.recordsDropped)
    }

    /// Holes beyond these are recorded at the next openings.
    static let mostHoleRecords = 256

    // MARK: Writing

    /// Writes one record under its number, which must be `nextSequence`. When this throws, no such record is in the
    /// journal and the number is still the next. Allocates nothing and waits for no disk.
    public func append(
        _ event: LaneEvent, at moment: Moment, sequence: UInt64, for purpose: RecordPurpose
    ) throws(StorageError) {
        guard sequence == nextSequence else { throw .sequence(given: sequence, next: nextSequence) }
        guard shelf.room.left(for: purpose) > 0 else { throw .noRoom(purpose) }
        do { try write(event, moment) } catch { throw .system(error) }
    }

    private func write(_ event: LaneEvent, _ moment: Moment) throws(SystemFailure) {
        let position = shelf.written.load(ordering: .relaxed)
        if position >= current.end {
            guard let next = shelf.segment(at: position) else {
                throw SystemFailure("find room in", shelf.folder.path, code: noSpace)
            }
            current = next
        }
        guard let file = current.file else { throw SystemFailure("write", current.path, code: noSpace) }
        let unsynced = position - shelf.synced.load(ordering: .acquiring)
        let record = JournalRecord(
            event: event, moment: moment, epoch: epoch, sequence: nextSequence, lane: lane, from: from, to: to,
            unsyncedBefore: unsynced < 255 ? UInt8(unsynced) : 255, traffic: traffic)
        record.encode(into: buffer)
        try file.writeAll(UnsafeRawBufferPointer(buffer), at: current.offset(of: position))
        nextSequence += 1
        shelf.written.store(position + 1, ordering: .sequentiallyConsistent)
        // The keeper looks again after each sync, so it is told of the first record since, and when it may wait no more.
        let pending = position + 1 - shelf.syncBegan.load(ordering: .sequentiallyConsistent)
        if pending == 1 || pending == JournalKeeper.mostUnsynced { shelf.wake.signal() }
    }

    // MARK: What others may ask

    /// What room there is; a few loads.
    public var state: JournalState { shelf.room.state }
    /// Records of this purpose that still fit.
    public func room(for purpose: RecordPurpose) -> Int { shelf.room.left(for: purpose) }
    /// Records that the collector has not stored yet.
    public var unacknowledged: Int { shelf.room.written - shelf.room.acknowledged }
    public var faults: JournalFaults { shelf.state.withLock { $0.faults } }
    /// Records written and not known to be on disk.
    public var unsynced: Int {
        shelf.written.load(ordering: .relaxed) - shelf.synced.load(ordering: .relaxed)
    }

    /// Has the cursor file read now instead of within a second.
    public func lookAtCursor() {
        keeper.lookNow.store(true, ordering: .relaxed)
        shelf.wake.signal()
    }

    /// Waits until everything written is on disk; false when `deadline` (monotonic ns) came first. For an orderly end
    /// and for tests, not for the lane's loop.
    public func waitUntilSynced(by deadline: UInt64) -> Bool {
        while unsynced > 0 {
            guard (try? keeper.progress.descriptor.wait(for: .readable, until: deadline)) == true else { return false }
            keeper.progress.drain()
        }
        return true
    }

    /// Ends the keeper after a last sync; false when that took longer than `deadline` (monotonic ns): a disk that hangs
    /// does not hold up the end of the program. Nothing may be appended afterwards.
    @discardableResult
    public func close(by deadline: UInt64) -> Bool {
        keeper.isStopping.store(true, ordering: .releasing)
        shelf.wake.signal()
        while !keeper.hasEnded.load(ordering: .acquiring) {
            guard (try? keeper.progress.descriptor.wait(for: .readable, until: deadline)) == true else { return false }
            keeper.progress.drain()
        }
        return unsynced == 0
    }
}

/// ENOSPC
private let noSpace: Int32 = 28
