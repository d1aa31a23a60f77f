import Posix
import Synchronization

/// What one thread finds out and another waits for, a bounded time: for work on a disk that may hang.
final class LateResult<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let ended: WakeUp

    init(name: String) throws(SystemFailure) { ended = try WakeUp(name: name) }

    func end(_ found: Value) {
        value.withLock { $0 = found }
        ended.signal()
    }

    /// nil when it was not found out in time; it may still be.
    func wait(milliseconds: Int) -> Value? {
        _ = try? ended.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: milliseconds))
        return value.withLock { $0 }
    }
}
