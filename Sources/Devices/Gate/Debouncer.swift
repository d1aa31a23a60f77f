import Admission

/// A contact's level after the bounces: a new level counts when it has stood for the whole period since its last edge.
///
/// Edges carry the instant at which they happened, so that a loop that comes late still sees a pulse which was long
/// enough: give it all edges that wait, in order, and only then the time. A period of 0 lets every edge through.
public struct Debouncer: Sendable, Hashable {
    public let milliseconds: Int64
    /// The settled level.
    public private(set) var level: Bool
    /// Since when the other level stands.
    private var otherSince: MonotonicTime?

    public init(milliseconds: Int64, level: Bool) {
        self.milliseconds = milliseconds
        self.level = level
    }

    /// When the level may change without another edge; `.never` when it stands.
    public var nextDeadline: MonotonicTime {
        otherSince?.advanced(byMilliseconds: milliseconds) ?? .never
    }

    /// An edge to `raw`. True when `level` changed by it: at once without a period, or because the level before this
    /// edge had stood long enough.
    public mutating func edge(_ raw: Bool, at instant: MonotonicTime) -> Bool {
        let settled = timePassed(at: instant)
        if raw == level {
            otherSince = nil
            return settled
        }
        guard milliseconds > 0 else {
            level = raw
            return true
        }
        otherSince = instant
        return settled
    }

    /// The other level did not stand after all, and its edge back was lost.
    public mutating func dropUnsettled() { otherSince = nil }

    /// True when `level` changed because the other one has stood long enough.
    public mutating func timePassed(at now: MonotonicTime) -> Bool {
        guard now >= nextDeadline, otherSince != nil else { return false }
        level.toggle()
        otherSince = nil
        return true
    }
}
