import Admission
import Posix
import Synchronization

/// What others see of the lane's thread without asking it: whether it turns, and how the lane was lately. A thread that
/// hangs in a disk answers nobody, and the technician wants to know just then. What the lane says of itself to the
/// collector is made of it, too (`WordThread`).
final class LaneProgress: Sendable {
    /// A thread that is at one turn for longer hangs; usually that takes well under a millisecond.
    static let hangMilliseconds: Int64 = 1500
    /// How old what is known of the lane may be when it begins to hang; what changes of its state is told at once.
    /// Not each second: the next passage copies what the lane remembers of passages, 24 KB, while another holds it too.
    static let publicationMilliseconds: Int64 = 5000

    /// In nanoseconds; 0 while the lane waits for something to happen.
    private let turnBegan = Atomic<UInt64>(0)
    private let isInJournal = Atomic<Bool>(false)
    private let latest = Mutex<LaneSnapshot?>(nil)
    /// Woken by each publication.
    private let listener: WakeUp?

    init(waking listener: WakeUp? = nil) { self.listener = listener }

    // MARK: For the lane's thread

    func beginTurn() { turnBegan.store(MonotonicTime.now().nanoseconds, ordering: .relaxed) }
    func endTurn() { turnBegan.store(0, ordering: .relaxed) }
    func beginRecord() { isInJournal.store(true, ordering: .relaxed) }
    func endRecord() { isInJournal.store(false, ordering: .relaxed) }
    func publish(_ snapshot: LaneSnapshot) {
        latest.withLock { $0 = snapshot }
        listener?.signal()
    }

    // MARK: For the others

    var snapshot: LaneSnapshot? { latest.withLock { $0 } }

    /// nil while the lane turns, or has not been at it for long.
    func hang(at now: MonotonicTime = .now()) -> Hang? {
        let began = MonotonicTime(nanoseconds: turnBegan.load(ordering: .relaxed))
        let milliseconds = now.milliseconds(since: began)
        guard began.nanoseconds != 0, milliseconds >= Self.hangMilliseconds else { return nil }
        return Hang(milliseconds: milliseconds, isInJournal: isInJournal.load(ordering: .relaxed))
    }

    struct Hang: Sendable, Equatable {
        var milliseconds: Int64
        var isInJournal: Bool

        /// - Parameter directory: the lane's.
        func text(_ directory: String) -> String {
            let place =
                isInJournal
                ? "the disk of \(directory) does not take a record" : "probably in the disk of \(directory)"
            return
                "THE LANE HANGS for \(milliseconds / 1000) s: \(place). Nobody is let in or counted until it goes on; "
                + "the fire input opens all the same"
        }
    }
}
