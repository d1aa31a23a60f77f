import Admission
import Framing
import Posix
import Synchronization

/// The journal's own thread: brings records to disk, makes the next segment ahead of need, reads the cursor and removes
/// what the collector has stored when room is needed. A disk that hangs holds up this thread and nothing else.
final class JournalKeeper: @unchecked Sendable {
    // Unchecked: everything but `shelf` and the atomics is touched by the keeper's thread alone (by `init` before).

    private let shelf: JournalShelf
    /// Nobody else may write here before this thread has ended.
    private var lock: LaneLock?
    private let cursorPath: String
    private let wait = PollSet(capacity: 1)
    private var maker: SegmentMaker?
    private var nextOrdinal: UInt64
    /// Monotonic ns.
    private var syncDeadline: UInt64?
    private var nextSyncTry: UInt64 = 0
    private var nextRoomTry: UInt64 = 0
    private var nextCursorLook: UInt64 = 0
    private var cursorSeen: FileStatus?

    let isStopping = Atomic<Bool>(false)
    let hasEnded = Atomic<Bool>(false)
    let lookNow = Atomic<Bool>(false)
    let progress: WakeUp

    /// A record is on disk this long after it was written at the latest: half of what is promised, for the disk's part.
    static let syncDelayMilliseconds = 50
    static let mostUnsynced = 10
    static let retryMilliseconds = 1000
    static let cursorMilliseconds = 1000

    init(
        _ shelf: JournalShelf, holding lock: LaneLock, cursorPath: String, nextOrdinal: UInt64
    ) throws(SystemFailure) {
        self.shelf = shelf
        self.lock = lock
        self.cursorPath = cursorPath
        self.nextOrdinal = nextOrdinal
        progress = try WakeUp(name: "journal progress")
    }

    // MARK: The thread

    func run() {
        while true {
            let stopping = isStopping.load(ordering: .acquiring)
            let now = SystemClock.monotonicNanoseconds()
            if stopping {
                _ = syncIfDue(now, atOnce: true)
                maker.take()?.abandon()
                lock = nil
                hasEnded.store(true, ordering: .releasing)
                progress.signal()
                return
            }
            let next = min(syncIfDue(now, atOnce: false), lookAtCursorIfDue(now), makeRoomIfNeeded(now))
            wait.removeAll()
            wait.add(shelf.wake.raw, .readable)
            // A failing poll(2) is out of memory: go on once a second.
            if (try? wait.wait(until: next)) == nil { _ = try? wait.wait(until: now + 1_000_000_000) }
            shelf.wake.drain()
        }
    }

    // MARK: Bringing records to disk

    /// Returns when to come back.
    private func syncIfDue(_ now: UInt64, atOnce: Bool) -> UInt64 {
        let written = shelf.written.load(ordering: .sequentiallyConsistent)
        let pending = written - shelf.synced.load(ordering: .relaxed)
        guard pending > 0 else {
            syncDeadline = nil
            return .max
        }
        let deadline = syncDeadline ?? now + UInt64(Self.syncDelayMilliseconds) * 1_000_000
        syncDeadline = deadline
        guard atOnce || (now >= nextSyncTry && (now >= deadline || pending >= Self.mostUnsynced)) else {
            return max(deadline, nextSyncTry)
        }
        shelf.syncBegan.store(written, ordering: .sequentiallyConsistent)
        do {
            try sync(upTo: written)
            syncDeadline = nil
            shelf.report { $0.sync = nil }
        } catch {
            nextSyncTry = SystemClock.deadline(milliseconds: Self.retryMilliseconds)
            shelf.report { $0.sync = error }
        }
        progress.signal()
        // Records may have come meanwhile.
        return shelf.written.load(ordering: .sequentiallyConsistent) > written ? now : max(nextSyncTry, now)
    }

    private func sync(upTo written: Int) throws(SystemFailure) {
        let synced = shelf.synced.load(ordering: .relaxed)
        let segments = shelf.state.withLock { state in
            state.segments.filter { $0.file != nil && $0.start < written && $0.end > synced }
        }
        for segment in segments {
            guard let file = segment.file else { continue }
            do { try file.syncData() } catch {
                // After a failed fsync(2) the kernel may hold its pages for clean and a second one would say yes to
                // nothing: write what is not on disk once more before that is tried.
                rewrite(segment, file, from: max(synced, segment.start), to: min(written, segment.end))
                throw error
            }
        }
        shelf.synced.store(written, ordering: .releasing)
        shelf.state.withLock { state in
            for index in state.segments.indices where state.segments[index].end <= written {
                state.segments[index].file = nil
            }
        }
    }

    /// Best effort: a slot that cannot be read back whole is left as it is.
    private func rewrite(_ segment: Segment, _ file: Descriptor, from: Int, to: Int) {
        withUnsafeTemporaryAllocation(byteCount: JournalRecord.size, alignment: 8) { buffer in
            for position in from..<max(from, to) {
                guard (try? file.readFully(into: buffer, at: segment.offset(of: position))) == buffer.count,
                    JournalRecord.isWhole(UnsafeRawBufferPointer(buffer))
                else { continue }
                try? file.writeAll(UnsafeRawBufferPointer(buffer), at: segment.offset(of: position))
            }
        }
    }

    // MARK: What the collector has stored

    private func lookAtCursorIfDue(_ now: UInt64) -> UInt64 {
        guard lookNow.exchange(false, ordering: .relaxed) || now >= nextCursorLook else { return nextCursorLook }
        nextCursorLook = now + UInt64(Self.cursorMilliseconds) * 1_000_000
        readCursor()
        return nextCursorLook
    }

    /// Also called once before the thread starts.
    func readCursor() {
        let status = (try? FileSystem.statusIfPresent(cursorPath)) ?? nil
        if let status, status == cursorSeen { return }
        cursorSeen = status
        switch Cursor.read(cursorPath) {
        case .missing: shelf.report { $0.cursor = nil }
        case .ignored(let reason): shelf.report { $0.cursor = reason }
        case .stored(let stored):
            let written = shelf.written.load(ordering: .acquiring)
            let position = shelf.state.withLock { state -> Int? in
                if let last = state.runs.indices.last { state.runs[last].count = written - state.runs[last].start }
                return state.runs.position(behind: stored)
            }
            if let position {
                shelf.acknowledged.store(position, ordering: .relaxed)
                shelf.changed.signal()
                shelf.report { $0.cursor = nil }
            } else {
                shelf.report { $0.cursor = "it names an epoch of which this journal holds no record" }
            }
        }
    }

    // MARK: Room

    /// One step towards the next segment, when one is wanted. Returns when to come back.
    private func makeRoomIfNeeded(_ now: UInt64) -> UInt64 {
        let room = shelf.room
        guard maker != nil || room.allocated - room.written < shelf.settings.wantedFreeSlots else { return .max }
        guard now >= nextRoomTry else { return nextRoomTry }
        do {
            return try makeRoom() ? now : SystemClock.deadline(milliseconds: Self.retryMilliseconds)
        } catch {
            // A full disk gets room from what is stored already; the oldest goes first.
            if error.isNoSpace, (try? removeOldestAcknowledged()) == true { return now }
            nextRoomTry = SystemClock.deadline(milliseconds: Self.retryMilliseconds)
            shelf.isShort.store(true, ordering: .relaxed)
            shelf.report { $0.room = error }
            shelf.changed.signal()
            return nextRoomTry
        }
    }

    /// Makes room until there is enough, or as much as there can be. For the opening, before the thread runs; throws
    /// only what kept it from making any.
    func makeRoomAtOnce() throws(SystemFailure) {
        while shelf.room.allocated - shelf.room.written < shelf.settings.wantedFreeSlots {
            do { guard try makeRoom() else { return } } catch {
                if error.isNoSpace, try removeOldestAcknowledged() { continue }
                shelf.isShort.store(true, ordering: .relaxed)
                shelf.report { $0.room = error }
                if shelf.room.allocated == shelf.room.written { throw error }
                return
            }
        }
    }

    /// One step. false when the journal is as large as it may be and nothing in it is acknowledged.
    private func makeRoom() throws(SystemFailure) -> Bool {
        if maker == nil {
            let slots = shelf.state.withLock { $0.segments.reduce(0) { $0 + $1.capacity } }
            if slots + shelf.settings.recordsPerSegment > shelf.settings.mostSlots {
                return try removeOldestAcknowledged()
            }
            maker = try SegmentMaker(
                directory: shelf.folder.path, ordinal: nextOrdinal, capacity: shelf.settings.recordsPerSegment,
                lane: shelf.lane)
        }
        do {
            guard let file = try maker?.step() else { return true }
            let path = shelf.folder.path(ordinal: nextOrdinal)
            maker = nil
            let end = shelf.state.withLock { state in
                // The first segment of all begins where the next record goes.
                let start = state.segments.last?.end ?? shelf.written.load(ordering: .relaxed)
                let segment = Segment(
                    ordinal: nextOrdinal, path: path, start: start, capacity: shelf.settings.recordsPerSegment,
                    file: file)
                state.segments.append(segment)
                return segment.end
            }
            nextOrdinal += 1
            shelf.allocated.store(end, ordering: .releasing)
            shelf.isShort.store(false, ordering: .relaxed)
            shelf.report { $0.room = nil }
        } catch {
            maker.take()?.abandon()
            throw error
        }
        // Whatever the room looked like when this began: the writer may have used it up meanwhile, and waits.
        shelf.changed.signal()
        return true
    }

    /// false when the oldest segment is not wholly acknowledged and on disk, or is the one being written.
    private func removeOldestAcknowledged() throws(SystemFailure) -> Bool {
        let synced = shelf.synced.load(ordering: .relaxed)
        let acknowledged = shelf.acknowledged.load(ordering: .relaxed)
        let oldest = shelf.state.withLock { $0.segments.first }
        guard let oldest, oldest.end <= min(acknowledged, synced) else { return false }
        try FileSystem.unlinkIfPresent(oldest.path)
        shelf.state.withLock { state in
            state.segments.removeFirst()
            // The last one is the writer's, which grows.
            let live = state.runs.removeLast()
            state.runs.removeAll { $0.end <= oldest.end }
            state.runs.append(live)
        }
        try FileSystem.syncDirectory(shelf.folder.path)
        return true
    }
}
