import Admission
import Framing
import Posix
import Synchronization

/// What the writer and its keeper thread share. Nobody holds the lock over a system call, so neither waits for the
/// other's disk.
final class JournalShelf: Sendable {
    let folder: JournalFolder
    let lane: ShortName
    let settings: JournalSettings

    /// Position of the next record. The writer's.
    let written: Atomic<Int>
    /// Everything before this position is on disk. The keeper's.
    let synced: Atomic<Int>
    /// Where the sync under way, or the last one, began. The keeper's.
    let syncBegan: Atomic<Int>
    /// Everything before this position is stored by the collector. The keeper's.
    let acknowledged = Atomic<Int>(0)
    /// Where preallocated slots end. The keeper's.
    let allocated: Atomic<Int>
    /// The next segment could not be made. The keeper's.
    let isShort = Atomic<Bool>(false)

    struct State: Sendable {
        var segments: [Segment]
        /// The last one is the writer's own: its count is what is written.
        var runs: [RecordRun]
        var faults = JournalFaults()
    }
    let state: Mutex<State>

    /// Wakes the keeper.
    let wake: WakeUp
    /// Tells the lane loop that room or faults changed.
    let changed: WakeUp

    init(
        folder: JournalFolder, lane: ShortName, settings: JournalSettings, segments: [Segment], runs: [RecordRun],
        written: Int
    ) throws(SystemFailure) {
        self.folder = folder
        self.lane = lane
        self.settings = settings
        self.written = Atomic(written)
        synced = Atomic(written)
        syncBegan = Atomic(written)
        allocated = Atomic(segments.last?.end ?? 0)
        state = Mutex(State(segments: segments, runs: runs))
        wake = try WakeUp(name: "journal keeper")
        changed = try WakeUp(name: "journal room")
    }

    var room: JournalRoom {
        JournalRoom(
            settings: settings, written: written.load(ordering: .relaxed),
            acknowledged: acknowledged.load(ordering: .relaxed), allocated: allocated.load(ordering: .relaxed),
            isShort: isShort.load(ordering: .relaxed))
    }

    /// The segment that holds `position`, open.
    func segment(at position: Int) -> Segment? {
        state.withLock { state in
            state.segments.last { $0.start <= position && position < $0.end && $0.file != nil }
        }
    }

    /// Replaces what is known of a kind of fault; wakes the lane loop when it changed.
    func report(_ change: (inout JournalFaults) -> Void) {
        let changed = state.withLock { state in
            let before = state.faults
            change(&state.faults)
            return state.faults != before
        }
        if changed { self.changed.signal() }
    }
}

/// What keeps a journal from doing its work; each is gone when it works again.
public struct JournalFaults: Equatable, Sendable {
    /// Records are written and not on disk; it is tried again every second.
    public var sync: SystemFailure?
    /// The next segment cannot be made: room shrinks to what is preallocated.
    public var room: SystemFailure?
    /// The cursor file says nothing that can be used.
    public var cursor: String?

    public init() {}
    public var isEmpty: Bool { self == JournalFaults() }
}
