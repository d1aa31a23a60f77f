import Admission
import Devices
import Posix
import Synchronization

/// Owns the fire line and the emergency output. It opens without asking anybody, then tells the lane: a disk that hangs,
/// a machine that is wrong or a start-up that takes its time cannot hold it up. Started before anything else of the
/// daemon, stopped after everything else.
final class FireThread: Sendable {
    /// What the lane's thread reads after `told` woke it.
    let isAlarm = Atomic<Bool>(false)
    let told: WakeUp
    private let failure = Mutex<String?>(nil)
    /// Why the loop cannot be read; nil while it can.
    var failureText: String? { failure.withLock { $0 } }
    private let stopping = Atomic<Bool>(false)
    private let stop: WakeUp

    init() throws(SystemFailure) {
        told = try WakeUp(name: "fire alarm")
        stop = try WakeUp(name: "fire thread's stop")
    }

    func start(_ line: FireLine) throws(SystemFailure) -> NamedThread {
        try NamedThread.start(name: "fire") { [self] in run(line) }
    }

    /// The thread lets go of the line and ends at once.
    func end() {
        stopping.store(true, ordering: .releasing)
        stop.signal()
    }

    private func run(_ line: FireLine) {
        let set = PollSet(capacity: 9)
        while !stopping.load(ordering: .acquiring) {
            set.removeAll()
            set.add(stop.raw, .readable)
            line.add(to: set)
            let deadline = line.nextDeadline
            do {
                try set.wait(until: deadline == .never ? nil : deadline.nanoseconds)
            } catch {
                // poll itself failing leaves no way to see the loop: that is an alarm.
                Log.error("fire thread: \(error)")
                change(true, line, MonotonicTime.now())
                _ = try? stop.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: 1000))
                continue
            }
            let now = MonotonicTime.now()
            let reading = line.service(set, at: now)
            if reading != .unknown { change(reading == .alarm, line, now) }
            tell(line.failure)
        }
        line.close()
    }

    private func tell(_ found: DeviceFailure?) {
        let isNew = failure.withLock { known in
            guard (known == nil) != (found == nil) else { return false }
            known = found?.description
            return true
        }
        guard isNew else { return }
        if let found {
            Log.error("fire line: \(found); this counts as an alarm")
        } else {
            Log.notice("fire line: read again")
        }
    }

    private func change(_ alarm: Bool, _ line: FireLine, _ now: MonotonicTime) {
        line.setEmergency(alarm, at: now)
        if isAlarm.exchange(alarm, ordering: .acquiringAndReleasing) != alarm { told.signal() }
    }
}

extension MonotonicTime {
    /// The machine's monotonic clock, read.
    static func now() -> MonotonicTime { MonotonicTime(nanoseconds: SystemClock.monotonicNanoseconds()) }
}
