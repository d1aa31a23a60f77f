import Glibc
import Posix

/// A collector from its start to SIGTERM or SIGINT, as systemd and people run it.
public struct CollectorRun {
    /// What one step of taking an older database over may take; the unit's TimeoutStartSec is as long.
    private static let startingSeconds = 300

    private let settings: CollectorSettings

    public init(_ settings: CollectorSettings) { self.settings = settings }

    public func untilStopped() throws(CollectorFailure) {
        allowManyConnections()
        // Before any thread starts: all of them must block these signals.
        let signals = try collecting { () throws(SystemFailure) in try SignalWatch([.terminate, .interrupt]) }
        let notifier = ServiceNotifier()
        let service = try CollectorService(settings) {
            notifier.starting(status: $0, withinSeconds: Self.startingSeconds)
        }
        Log.notice("the page is at \(service.page)")
        notifier.ready(status: service.status)
        let poll = PollSet(capacity: 1)
        var nextSecond = SystemClock.deadline(milliseconds: 1000)
        var nextWatchdog: UInt64 = 0
        while true {
            poll.removeAll()
            poll.add(signals.raw, .readable)
            try collecting { () throws(SystemFailure) in
                try poll.wait(until: SystemClock.deadline(milliseconds: 250))
            }
            if let signal = signals.next() {
                Log.notice("\(signal == .interrupt ? "SIGINT" : "SIGTERM"): stopping")
                break
            }
            service.tick()
            let now = SystemClock.monotonicNanoseconds()
            if now >= nextSecond {
                nextSecond = now + 1_000_000_000
                service.refresh()
                notifier.status(service.status)
            }
            // An intake that hangs is not fed to the watchdog as life.
            if let interval = notifier.watchdogIntervalNanoseconds, now >= nextWatchdog, service.isWell {
                nextWatchdog = now + interval / 2
                notifier.watchdog()
            }
        }
        notifier.stopping(status: "stopping")
        service.stop()
    }

    /// The soft limit is often 1024, less than lanes and viewers may need.
    private func allowManyConnections() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = min(limit.rlim_max, 8192)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
