import Posix
import Synchronization

/// The one thread of a desk and the bell that wakes it: how it begins, waits and ends.
final class DeskThread: Sendable {
    private let name: String
    private let bell: WakeUp
    private let stopping = Atomic<Bool>(false)
    private let thread = Mutex<NamedThread?>(nil)

    /// The kernel keeps the first 15 bytes of the name.
    init(name: String) throws(CollectorFailure) {
        self.name = name
        bell = try collecting { () throws(SystemFailure) in try WakeUp(name: name) }
    }

    /// Whether `stop` was called: `body` returns then.
    var isStopping: Bool { stopping.load(ordering: .acquiring) }

    /// Once. `body` goes round until it `isStopping`.
    func start(_ body: @escaping @Sendable () -> Void) throws(CollectorFailure) {
        let started = try collecting { () throws(SystemFailure) in try NamedThread.start(name: name, body) }
        thread.withLock { $0 = started }
    }

    /// Ends the thread's wait, or the next one. Any thread may.
    func ring() { bell.signal() }

    /// On the thread itself: until the bell rings, this deadline (monotonic ns) at the latest; nil: there is none.
    func wait(until deadline: UInt64?) {
        let poll = PollSet(capacity: 1)
        poll.add(bell.raw, .readable)
        // An error here only makes the round shorter.
        _ = try? poll.wait(until: deadline)
        bell.drain()
    }

    func wait(milliseconds: Int) { wait(until: SystemClock.deadline(milliseconds: milliseconds)) }

    /// Lets the thread end and waits until it has.
    func stop() {
        stopping.store(true, ordering: .releasing)
        bell.signal()
        thread.withLock { $0 }?.join()
    }
}
