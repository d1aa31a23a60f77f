/// A mode that a lane takes by the clock.
public struct ScheduledMode: Sendable, Hashable {
    public static let mostOfALane = 16
    public var mode: OrderedMode
    public var hours: OpeningHours

    public init(_ mode: OrderedMode, _ hours: OpeningHours) {
        self.mode = mode
        self.hours = hours
    }
}

extension OpeningHours {
    /// The first instant after `instant` at which one of these begins or ends; nil when none does any more.
    public func nextChange(after instant: WallTime) -> WallTime? {
        var next: WallTime?
        func take(_ change: WallTime) { if change > instant, next.map({ change < $0 }) ?? true { next = change } }
        for interval in daily {
            let day = 24 * 3_600_000 as Int64
            guard interval.lengthMilliseconds < day else { continue }
            let since = ((instant.milliseconds % day - interval.fromMilliseconds) % day + day) % day
            let isIn = since < interval.lengthMilliseconds
            take(instant.advanced(byMilliseconds: (isIn ? interval.lengthMilliseconds : day) - since))
        }
        for interval in dated {
            take(interval.from)
            take(interval.until)
        }
        return next
    }
}
