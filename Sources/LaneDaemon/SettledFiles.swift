import Admission
import Posix

/// Files that the uplink brought and that were refused. One is looked at again when it has changed, and before that where
/// the reason may pass by itself: never at every look, since an image may be hundreds of megabytes.
struct SettledFiles {
    enum Again {
        case whenItChanges
        /// It may have been the disk or the memory.
        case after(milliseconds: Int64)
        /// It was the date: by then it is right, if the clock is; a clock that was set judges it at once.
        case byTheClock(milliseconds: Int64)
    }

    private struct Entry {
        var status: FileStatus
        var reason: String
        var until = UInt64.max
        var clock: ClockReading?
    }
    private var entries: [String: Entry] = [:]
    private static let most = 64

    /// When the next one is to be looked at again, on the monotonic clock in ns: later than `now`, so that one which was
    /// not looked at then wakes nobody again and again.
    func nextLook(after now: UInt64) -> UInt64 { entries.values.map(\.until).filter { $0 > now }.min() ?? .max }

    func has(_ path: String, _ status: FileStatus, at now: ClockReading) -> Bool {
        guard let entry = entries[path], entry.status == status else { return false }
        return now.moment.monotonic.nanoseconds < entry.until && entry.clock?.agrees(with: now) != false
    }

    /// Whether that is news: not the same file for the same reason once more.
    mutating func settle(
        _ path: String, _ status: FileStatus, _ reason: String, _ again: Again, at now: ClockReading
    ) -> Bool {
        let former = entries[path]
        if former == nil, entries.count >= Self.most { entries = [:] }
        var entry = Entry(status: status, reason: reason)
        switch again {
        case .whenItChanges: break
        case .after(let milliseconds):
            entry.until = now.moment.monotonic.advanced(byMilliseconds: milliseconds).nanoseconds
        case .byTheClock(let milliseconds):
            entry.until = now.moment.monotonic.advanced(byMilliseconds: milliseconds).nanoseconds
            entry.clock = now
        }
        entries[path] = entry
        return former?.status != status || former?.reason != reason
    }

    mutating func forget(_ path: String) { entries[path] = nil }
    mutating func forgetAll() { entries = [:] }
}
