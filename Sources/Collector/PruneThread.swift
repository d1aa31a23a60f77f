import Posix
import Synchronization

/// `prune` once a day while `serve` runs, on a thread of its own: for the first time some minutes after the start. What fails is
/// tried again soon, and then less and less often.
final class PruneThread: Sendable {
    static let firstMilliseconds: Int64 = 300_000
    static let everyMilliseconds: Int64 = 86_400_000
    static let retryMilliseconds: Int64 = 60_000
    static let longestRetryMilliseconds: Int64 = 3_600_000

    private let bell: WakeUp
    private let isStopping = Mutex(false)
    private let thread = Mutex<NamedThread?>(nil)
    private let failed = Mutex(0)

    /// How often it failed.
    var failures: Int { failed.withLock { $0 } }

    /// - Parameters:
    ///   - first: ms after the start.
    ///   - retry: ms after the first failure.
    ///   - patience: how long it waits for another's transaction, ms.
    init(
        _ settings: CollectorSettings, first: Int64 = PruneThread.firstMilliseconds,
        retry: Int64 = PruneThread.retryMilliseconds, patience: Int32 = 10_000
    ) throws(CollectorFailure) {
        bell = try collecting { () throws(SystemFailure) in try WakeUp(name: "prune") }
        let started = try collecting { () throws(SystemFailure) in
            try NamedThread.start(name: "prune") { self.run(settings, first, retry, patience) }
        }
        thread.withLock { $0 = started }
    }

    func stop() {
        isStopping.withLock { $0 = true }
        bell.signal()
        let running = thread.withLock { $0 }
        running?.join()
    }

    private func run(_ settings: CollectorSettings, _ first: Int64, _ firstRetry: Int64, _ patience: Int32) {
        let poll = PollSet(capacity: 1)
        var retry = firstRetry
        var due = SystemClock.deadline(milliseconds: Int(first))
        while !isStopping.withLock({ $0 }) {
            poll.removeAll()
            poll.add(bell.raw, .readable)
            _ = try? poll.wait(until: due)
            bell.drain()
            guard !isStopping.withLock({ $0 }), SystemClock.monotonicNanoseconds() >= due else { continue }
            do throws(CollectorFailure) {
                let removed = try Prune(settings, patienceMilliseconds: patience).run(by: "serve") {
                    isStopping.withLock { $0 }
                }
                if !removed.isNothing { Log.information("pruned: \(removed.text)") }
                retry = firstRetry
                due = SystemClock.deadline(milliseconds: Int(Self.everyMilliseconds))
            } catch {
                Log.error("prune: \(error.description); it is tried again in \(retry / 1000) s")
                due = SystemClock.deadline(milliseconds: Int(retry))
                failed.withLock { $0 += 1 }
                retry = min(retry * 2, Self.longestRetryMilliseconds)
            }
        }
    }
}
