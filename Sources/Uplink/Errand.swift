import Admission

/// One of the things the uplink does side by side, on one thread: records up, credentials down. None of them ever waits
/// by itself; the runner does, for all.
protocol Errand: AnyObject {
    /// Starts what is due.
    func step(now: MonotonicTime)

    /// Takes the end of an exchange; false when it is not one of this errand's.
    func take(_ exchange: Exchange, _ outcome: ExchangeOutcome, now: MonotonicTime) -> Bool

    /// When `step` has something to do without an exchange having ended; in the past: at once.
    var nextDue: MonotonicTime { get }

    /// How it stands, in a few words.
    var summary: String { get }

    /// Failures that last.
    var complaints: [String] { get }

    /// The process ends: keep what is worth keeping.
    func stop()
}
