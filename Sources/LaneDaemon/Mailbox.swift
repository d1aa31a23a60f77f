import Posix
import Synchronization

/// Hands values from other threads to the one that polls `wakeUp`. Bounded: with `capacity` letters waiting, `post`
/// refuses, and whoever posts decides what that means.
final class Mailbox<Letter: Sendable>: Sendable {
    let wakeUp: WakeUp
    private let capacity: Int
    private let letters: Mutex<[Letter]>

    init(name: String, capacity: Int) throws(SystemFailure) {
        wakeUp = try WakeUp(name: name)
        self.capacity = capacity
        letters = Mutex([])
    }

    /// False when the box is full.
    @discardableResult
    func post(_ letter: Letter) -> Bool {
        let taken = letters.withLock { waiting in
            guard waiting.count < capacity else { return false }
            waiting.append(letter)
            return true
        }
        if taken { wakeUp.signal() }
        return taken
    }

    /// All that waits, oldest first. Called by the one thread that reads.
    func takeAll() -> [Letter] {
        _ = wakeUp.drain()
        return letters.withLock { waiting in
            let all = waiting
            waiting.removeAll(keepingCapacity: true)
            return all
        }
    }
}
