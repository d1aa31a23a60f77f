import CLinux
import Glibc

/// What to wait for, and what poll(2) found. `failed`, `hungUp` and `invalid` are always reported.
public struct Readiness: OptionSet, Sendable {
    public let rawValue: Int16
    public init(rawValue: Int16) { self.rawValue = rawValue }

    public static let readable = Readiness(rawValue: Int16(POLLIN))
    public static let writable = Readiness(rawValue: Int16(POLLOUT))
    /// sysfs GPIO and some devices report a change so.
    public static let priority = Readiness(rawValue: Int16(POLLPRI))
    public static let failed = Readiness(rawValue: Int16(POLLERR))
    /// The peer is gone; bytes it sent before may still be readable.
    public static let hungUp = Readiness(rawValue: Int16(POLLHUP))
    /// The descriptor is not open: a bug in the caller.
    public static let invalid = Readiness(rawValue: Int16(POLLNVAL))
}

/// A fixed number of descriptors for poll(2), refilled before each wait. Allocates once, at its making; adding,
/// waiting and looking allocate nothing.
///
///     set.removeAll()
///     let reader = set.add(serial.raw, .readable)
///     try set.wait(until: deadline)
///     if set[reader].contains(.readable) { … }
public final class PollSet {
    public let capacity: Int
    public private(set) var count = 0
    private let entries: UnsafeMutablePointer<pollfd>

    public init(capacity: Int) {
        self.capacity = capacity
        entries = .allocate(capacity: capacity)
        entries.initialize(repeating: pollfd(fd: -1, events: 0, revents: 0), count: capacity)
    }

    deinit { entries.deallocate() }

    public var isFull: Bool { count == capacity }

    public func removeAll() { count = 0 }

    /// The place to look the result up at. A negative descriptor is ignored by poll(2) and never ready. The caller
    /// bounds what it adds (connections it accepts) by `capacity`: beyond it is a mistake in the program.
    @discardableResult
    public func add(_ descriptor: Int32, _ interest: Readiness) -> Int {
        precondition(count < capacity, "PollSet holds at most \(capacity) descriptors")
        entries[count] = pollfd(fd: descriptor, events: interest.rawValue, revents: 0)
        count += 1
        return count - 1
    }

    /// Waits until something is ready (their number) or the deadline has come (0). `deadline`: monotonic ns as
    /// `SystemClock.monotonicNanoseconds`; a past one only looks; nil waits for ever. A signal does not end it.
    @discardableResult
    public func wait(until deadlineNanoseconds: UInt64?) throws(SystemFailure) -> Int {
        try PollSet.poll(entries, count, until: deadlineNanoseconds)
    }

    /// What the last `wait` found at the place that `add` returned.
    public subscript(place: Int) -> Readiness {
        precondition(place >= 0 && place < count, "no such place in the PollSet")
        return Readiness(rawValue: entries[place].revents)
    }

    static func poll(
        _ entries: UnsafeMutablePointer<pollfd>, _ count: Int, until deadlineNanoseconds: UInt64?
    ) throws(SystemFailure) -> Int {
        while true {
            let ready: Int32
            if let deadline = deadlineNanoseconds {
                let now = SystemClock.monotonicNanoseconds()
                let rest = deadline > now ? deadline - now : 0
                // Years at most: a larger number of seconds is refused with EINVAL.
                var timeout = timespec(
                    tv_sec: Int(min(rest / 1_000_000_000, 1_000_000_000)), tv_nsec: Int(rest % 1_000_000_000))
                ready = ppoll(entries, nfds_t(count), &timeout, nil)
            } else {
                ready = ppoll(entries, nfds_t(count), nil, nil)
            }
            if ready >= 0 { return Int(ready) }
            let code = errno
            // The rest of the time is computed anew, so this is not `repeating`.
            if code != EINTR { throw SystemFailure("wait for", "\(count) descriptors", code: code) }
        }
    }
}
