/// An instant of the machine's monotonic clock, in nanoseconds since an unspecified start. Deadlines are of this kind.
public struct MonotonicTime: Comparable, Hashable, Sendable {
    public var nanoseconds: UInt64

    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }
    public init(milliseconds: UInt64) { self.nanoseconds = milliseconds &* 1_000_000 }

    public static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }

    /// The instant `milliseconds` later (earlier when negative); stays at the last or first instant instead of wrapping.
    public func advanced(byMilliseconds milliseconds: Int64) -> MonotonicTime {
        let (product, isTooMuch) = milliseconds.magnitude.multipliedReportingOverflow(by: 1_000_000)
        let distance = isTooMuch ? .max : product
        if milliseconds < 0 { return MonotonicTime(nanoseconds: nanoseconds > distance ? nanoseconds - distance : 0) }
        let (sum, overflow) = nanoseconds.addingReportingOverflow(distance)
        return MonotonicTime(nanoseconds: overflow ? .max : sum)
    }

    /// Milliseconds from `earlier` to this instant, 0 when it is not earlier.
    public func milliseconds(since earlier: MonotonicTime) -> Int64 {
        nanoseconds > earlier.nanoseconds ? Int64((nanoseconds - earlier.nanoseconds) / 1_000_000) : 0
    }

    public static let never = MonotonicTime(nanoseconds: .max)
}

/// An instant of the wall clock: milliseconds since 1970-01-01 00:00 UTC. Validity is judged on this; no time zone
/// takes part in any decision.
public struct WallTime: Comparable, Hashable, Sendable {
    public var milliseconds: Int64

    public init(milliseconds: Int64) { self.milliseconds = milliseconds }
    /// The nearest instant that can be told, for seconds beyond ±292 million years.
    public init(seconds: Int64) {
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        milliseconds = overflow ? (seconds > 0 ? .max : .min) : product
    }

    public static func < (a: Self, b: Self) -> Bool { a.milliseconds < b.milliseconds }

    /// Whole seconds since 1970, rounded down.
    public var seconds: Int64 {
        milliseconds / 1000 - (milliseconds % 1000 < 0 ? 1 : 0)
    }

    /// The instant `milliseconds` later; stays at the last or first instant instead of wrapping.
    public func advanced(byMilliseconds milliseconds: Int64) -> WallTime {
        let (sum, overflow) = self.milliseconds.addingReportingOverflow(milliseconds)
        return WallTime(milliseconds: overflow ? (milliseconds > 0 ? .max : .min) : sum)
    }

    /// Milliseconds from `earlier` to this instant; the greatest or least number instead of wrapping.
    public func milliseconds(since earlier: WallTime) -> Int64 {
        let (difference, overflow) = milliseconds.subtractingReportingOverflow(earlier.milliseconds)
        return overflow ? (milliseconds > earlier.milliseconds ? .max : .min) : difference
    }
}

/// Whether the wall clock may decide validity, and if not, why.
public enum ClockTrust: UInt8, Sendable, CaseIterable {
    case trusted = 0
    /// Behind the newest signed statement or the newest record written while trusted: it cannot be that early.
    case behindFloor = 1
    /// More than 5 min ahead of signed time while the uplink delivers.
    case aheadOfSignedTime = 2
    /// It jumped by more than 2 s.
    case stepped = 3
}

/// One instant on both clocks, and whether the wall clock is trusted.
public struct Moment: Sendable {
    public var monotonic: MonotonicTime
    public var wall: WallTime
    public var clock: ClockTrust

    public init(monotonic: MonotonicTime, wall: WallTime, clock: ClockTrust) {
        self.monotonic = monotonic
        self.wall = wall
        self.clock = clock
    }
}
