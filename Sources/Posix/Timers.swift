import CLinux
import Glibc

/// A one-shot deadline that poll(2) can wait for (timerfd_create(2)), on the monotonic clock.
public final class DeadlineTimer: Sendable {
    public let descriptor: Descriptor

    public init(name: String = "timer") throws(SystemFailure) {
        let raw = try attempt("make a timer for", name) {
            timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC) | Int32(TFD_NONBLOCK))
        }
        descriptor = Descriptor(adopting: raw, name: name)
    }

    public var raw: Int32 { descriptor.raw }

    /// Readable from this instant on (monotonic ns); an earlier arming is forgotten, nil disarms.
    public func arm(at deadlineNanoseconds: UInt64?) throws(SystemFailure) {
        var setting = itimerspec()
        if let deadline = deadlineNanoseconds {
            // All zero would disarm.
            let instant = max(deadline, 1)
            setting.it_value = timespec(tv_sec: Int(instant / 1_000_000_000), tv_nsec: Int(instant % 1_000_000_000))
        }
        try attempt("arm", descriptor.name) {
            timerfd_settime(descriptor.raw, Int32(TFD_TIMER_ABSTIME), &setting, nil)
        }
    }

    /// Whether it went off since the last time.
    @discardableResult
    public func drain() -> Bool {
        var expirations: UInt64 = 0
        guard case .success(8) = repeating({ read(descriptor.raw, &expirations, 8) }) else { return false }
        return expirations > 0
    }
}

/// Becomes readable when the wall clock is set (settimeofday, `date -s`, an NTP step; slewing does not count). How
/// far it went, the owner learns by comparing wall and monotonic readings.
public final class ClockStepWatch: Sendable {
    public let descriptor: Descriptor

    public init() throws(SystemFailure) {
        let raw = try attempt("make a timer for", "steps of the wall clock") {
            timerfd_create(CLOCK_REALTIME, Int32(TFD_CLOEXEC) | Int32(TFD_NONBLOCK))
        }
        descriptor = Descriptor(adopting: raw, name: "steps of the wall clock")
        try arm()
    }

    public var raw: Int32 { descriptor.raw }

    private func arm() throws(SystemFailure) {
        // An instant that never comes; what is waited for is its cancellation (timerfd_create(2)).
        var setting = itimerspec()
        setting.it_value.tv_sec = 1 << 40
        try attempt("arm", descriptor.name) {
            timerfd_settime(
                descriptor.raw, Int32(TFD_TIMER_ABSTIME) | Int32(TFD_TIMER_CANCEL_ON_SET), &setting, nil)
        }
    }

    /// Whether the clock was set since the last time; watches on.
    public func drain() throws(SystemFailure) -> Bool {
        var expirations: UInt64 = 0
        switch repeating({ read(descriptor.raw, &expirations, 8) }) {
        case .failure(let failure) where failure.code == EAGAIN: return false
        case .failure(let failure) where failure.code == ECANCELED:
            try arm()
            return true
        case .failure(let failure): throw SystemFailure("read", descriptor.name, code: failure.code)
        case .success:
            try arm()
            return false
        }
    }
}
