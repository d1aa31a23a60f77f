import Posix
import Synchronization

/// `prune` once a day while `serve` runs, on a thread of its own: for the first time some minutes after the start.
final class PruneThread: Sendable {
    static let firstMilliseconds: Int64 = 300_000
    static let everyMilliseconds: Int64 = 86_400_000

    private let bell: WakeUp
    private let isStopping = Mutex(false)
    private let thread = Mutex<NamedThread?>(nil)

    /// `first`: ms after the start.
    init(
        _ settings: CollectorSettings, first: Int64 = PruneThread.firstMilliseconds
    ) throws(CollectorFailure) {
        bell = try collecting { () throws(SystemFailure) in try WakeUp(name: "prune") }
        let started = try collecting { () throws(SystemFailure) in
            try NamedThread.start(name: "prune") { self.run(settings, first) }
        }
        thread.withLock { $0 = started }
    }

    func stop() {
        isStopping.withLock { $0 = true }
        bell.signal()
        let running = thread.withLock { $0 }
        running?.join()
    }

    private func run(_ settings: CollectorSettings, _ first: Int64) {
        let poll = PollSet(capacity: 1)
        var due = SystemClock.deadline(milliseconds: Int(first))
        while !isStopping.withLock({ $0 }) {
            poll.removeAll()
            poll.add(bell.raw, .readable)
            _ = try? poll.wait(until: due)
            bell.drain()
            guard !isStopping.withLock({ $0 }), SystemClock.monotonicNanoseconds() >= due else { continue }
            due = SystemClock.deadline(milliseconds: Int(Self.everyMilliseconds))
            do throws(CollectorFailure) {
                let removed = try Prune(settings).run(by: "serve") {
                    isStopping.withLock { $0 }
                }
                if !removed.isNothing { Log.information("pruned: \(removed.text)") }
            } catch { Log.error("prune: \(error.description); it is tried again tomorrow") }
        }
    }
}
