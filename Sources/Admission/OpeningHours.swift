/// When a lane lets a kind of badge in. No time zone takes part: where the site's clock stands was said with an offset in
/// the policy's file, and turned into instants and times of the UTC day when it was read. Open from the first
/// millisecond of an interval to the last before its end.
public struct OpeningHours: Sendable, Hashable {
    /// The same stretch of every UTC day. It may run over midnight.
    public struct Daily: Sendable, Hashable {
        /// 0 to 86,399,999 ms after midnight UTC.
        public var fromMilliseconds: Int64
        /// 1 ms to 24 h.
        public var lengthMilliseconds: Int64
        /// East of UTC, as it was written: for telling, never for judging.
        public var toldOffsetMinutes: Int64

        public init(fromMilliseconds: Int64, lengthMilliseconds: Int64, toldOffsetMinutes: Int64 = 0) {
            self.fromMilliseconds = fromMilliseconds
            self.lengthMilliseconds = lengthMilliseconds
            self.toldOffsetMinutes = toldOffsetMinutes
        }

        func contains(_ instant: WallTime) -> Bool {
            let day: Int64 = 86_400_000
            let inDay = (instant.milliseconds % day + day) % day
            return (inDay - fromMilliseconds + day) % day < lengthMilliseconds
        }
    }

    /// From an instant to another, the last one not included.
    public struct Dated: Sendable, Hashable {
        public var from: WallTime
        public var until: WallTime

        public init(from: WallTime, until: WallTime) {
            self.from = from
            self.until = until
        }
    }

    public static let mostIntervals = 32
    public var daily: [Daily]
    public var dated: [Dated]

    /// Open in any of these; always with none at all.
    public init(daily: [Daily] = [], dated: [Dated] = []) {
        self.daily = daily
        self.dated = dated
    }

    public static let always = OpeningHours()
    public var isAlways: Bool { daily.isEmpty && dated.isEmpty }

    public func isOpen(at instant: WallTime) -> Bool {
        if isAlways { return true }
        for interval in daily where interval.contains(instant) { return true }
        for interval in dated where instant >= interval.from && instant < interval.until { return true }
        return false
    }
}
