import CLinux
import Glibc

/// Lets one thread wake another's poll(2) (eventfd(2)). Any thread may `signal`.
public final class WakeUp: Sendable {
    public let descriptor: Descriptor

    public init(name: String = "wake-up") throws(SystemFailure) {
        let raw = try attempt("make an event descriptor for", name) {
            eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        }
        descriptor = Descriptor(adopting: raw, name: name)
    }

    public var raw: Int32 { descriptor.raw }

    /// Makes the descriptor readable until `drain`. Never blocks; safe in a signal handler.
    public func signal() {
        var one: UInt64 = 1
        // EAGAIN means that 2^64-2 signals wait already: readable all the same.
        _ = repeating { write(descriptor.raw, &one, 8) }
    }

    /// How many signals came since the last time; 0 when none.
    @discardableResult
    public func drain() -> UInt64 {
        var count: UInt64 = 0
        guard case .success(8) = repeating({ read(descriptor.raw, &count, 8) }) else { return 0 }
        return count
    }
}
