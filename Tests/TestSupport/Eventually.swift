import Posix

/// Waits until `condition` holds, `within` ms at most; false when it did not.
///
/// With a descriptor, the condition is looked at again whenever that has something to read (or hung up), and the
/// caller's condition has to read it. Without one it is looked at every millisecond: prefer a descriptor.
public func eventually(
    within milliseconds: Int = 60_000, on descriptor: Descriptor? = nil, _ condition: () throws -> Bool
) throws -> Bool {
    let deadline = SystemClock.deadline(milliseconds: milliseconds)
    let wait = PollSet(capacity: 1)
    while true {
        if try condition() { return true }
        if SystemClock.monotonicNanoseconds() >= deadline { return try condition() }
        wait.removeAll()
        wait.add(descriptor?.raw ?? -1, .readable)
        let next = descriptor == nil ? min(deadline, SystemClock.deadline(milliseconds: 1)) : deadline
        try wait.wait(until: next)
    }
}
