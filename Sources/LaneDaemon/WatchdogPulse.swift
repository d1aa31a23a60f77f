import Admission
import Posix

/// Tells systemd that the loop turns, and what the lane does.
struct WatchdogPulse {
    private let notifier: ServiceNotifier
    private var nextPulse: MonotonicTime

    init(_ notifier: ServiceNotifier) {
        self.notifier = notifier
        nextPulse = notifier.watchdogIntervalNanoseconds == nil ? .never : .now()
    }

    /// The loop must turn by then; never without a watchdog.
    var deadline: MonotonicTime { nextPulse }

    mutating func ready(_ status: String) {
        if let failure = notifier.ready(status: status) { Log.warning("service manager: \(failure)") }
    }

    mutating func pulse(at now: MonotonicTime, status: @autoclosure () -> String, isNew: Bool) {
        if isNew {
            let text = status()
            Log.notice(text)
            notifier.status(text)
        }
        guard now >= nextPulse, let interval = notifier.watchdogIntervalNanoseconds else { return }
        nextPulse = MonotonicTime(nanoseconds: now.nanoseconds + interval)
        notifier.watchdog()
    }

    func stopping() { notifier.stopping(status: "stopping") }
}
