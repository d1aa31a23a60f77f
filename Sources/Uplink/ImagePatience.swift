import Admission

/// How long a whole image may wait for a daemon that does not take it over, before it is looked at once more, and fetched
/// once more if it is damaged: a disk or a memory may have done that after it was checked here. Every time twice as long,
/// since the daemon may be away, or have another reason that does not pass.
struct ImagePatience {
    static let milliseconds: Int64 = 300_000
    static let mostDoublings = 5

    private var waiting: (name: ImageName, since: MonotonicTime)?
    private var fetched: (name: ImageName, times: Int)?

    /// Whether this image, which waits now, has waited long enough; then it is to be looked at.
    mutating func isOver(for name: ImageName, now: MonotonicTime) -> Bool {
        if waiting?.name != name { waiting = (name, now) }
        let times = fetched?.name == name ? fetched?.times ?? 0 : 0
        guard let since = waiting?.since, now.milliseconds(since: since) >= Self.milliseconds << Int64(times) else {
            return false
        }
        waiting = nil
        fetched = (name, min(times + 1, Self.mostDoublings))
        return true
    }
}
