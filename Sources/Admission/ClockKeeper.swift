/// Whether the wall clock may decide validity. Sans-I/O: the shell reads the clocks and tells.
///
/// Distrust begins when the clock is behind the floor, more than 5 min ahead of signed time while signed time arrives,
/// or stepped by more than 2 s. It ends when a synchronised kernel clock or fresh signed time agrees within 2 s, or a
/// technician confirms; the floor then follows, so one bad date does not poison the years until then.
///
/// Two clocks that agree within 2 s agree: a lane a second behind the collector is not behind the floor that the
/// collector's statement is. While the kernel's clock is synchronised a statement takes no trust away: one that differs
/// from it would take it, the next look give it back, and the lane refuse people in between.
public struct ClockKeeper: Sendable {
    public static let agreementMilliseconds: Int64 = 2000
    public static let aheadMilliseconds: Int64 = 300_000
    /// Signed time is news for this long after it arrived.
    public static let signedTimeFreshMilliseconds: Int64 = 60_000

    public private(set) var trust: ClockTrust
    /// The clock cannot be earlier than this by more than 2 s.
    public private(set) var floor: WallTime
    private var newestSigned: WallTime?
    private var signedArrival: MonotonicTime?
    private var isKernelSynchronised = false

    /// - Parameters:
    ///   - floor: the newest record written while trusted or the newest signed statement kept, whichever is later; the
    ///     beginning of 1970 when there is none.
    ///   - statement: the newest signed statement kept. What the last run heard is not news: do not give it to
    ///     `signedTime`. That and older ones say nothing when they come again.
    public init(floor: WallTime, wall: WallTime, statement: WallTime? = nil) {
        self.floor = floor
        newestSigned = statement
        trust = Self.isBehind(wall, floor) ? .behindFloor : .trusted
    }

    /// Looks at the clocks; call it at least every second. Returns whether trust changed.
    public mutating func observe(wall: WallTime, monotonic: MonotonicTime, isKernelSynchronised: Bool) -> Bool {
        let before = trust
        self.isKernelSynchronised = isKernelSynchronised
        if isKernelSynchronised {
            regain(wall)
        } else if Self.isBehind(wall, floor) {
            trust = .behindFloor
        } else if isAheadOfSignedTime(wall, monotonic) {
            trust = .aheadOfSignedTime
        }
        if trust == .trusted { floor = max(floor, wall) }
        return trust != before
    }

    /// The wall clock jumped against the monotonic one by this much.
    public mutating func stepped(byMilliseconds step: Int64, isKernelSynchronised: Bool) -> Bool {
        guard step.magnitude > Self.agreementMilliseconds, !isKernelSynchronised, trust == .trusted else {
            return false
        }
        trust = .stepped
        return true
    }

    /// A verified statement arrived now. An older one than known says nothing.
    public mutating func signedTime(_ asOf: WallTime, wall: WallTime, monotonic: MonotonicTime) -> Bool {
        if let newestSigned, asOf <= newestSigned { return false }
        newestSigned = asOf
        signedArrival = monotonic
        let before = trust
        if wall.milliseconds(since: asOf).magnitude <= Self.agreementMilliseconds {
            trust = .trusted
            floor = asOf
        } else if wall < asOf && !isKernelSynchronised {
            trust = .behindFloor
            floor = asOf
        }
        return trust != before
    }

    /// A statement that was kept says that it was `instant` once; it says nothing of how long ago, and when it comes again
    /// it is no news.
    public mutating func notEarlier(than instant: WallTime, wall: WallTime) -> Bool {
        let before = trust
        floor = max(floor, instant)
        newestSigned = max(newestSigned ?? instant, instant)
        if Self.isBehind(wall, floor) && !isKernelSynchronised { trust = .behindFloor }
        return trust != before
    }

    /// A technician looked at the clock and says it is right.
    public mutating func confirmed(wall: WallTime) -> Bool {
        let before = trust
        regain(wall)
        return trust != before
    }

    private mutating func regain(_ wall: WallTime) {
        trust = .trusted
        floor = wall
    }

    private static func isBehind(_ wall: WallTime, _ floor: WallTime) -> Bool {
        wall.advanced(byMilliseconds: agreementMilliseconds) < floor
    }

    private func isAheadOfSignedTime(_ wall: WallTime, _ monotonic: MonotonicTime) -> Bool {
        guard let newestSigned, let signedArrival else { return false }
        let sinceArrival = monotonic.milliseconds(since: signedArrival)
        return sinceArrival <= Self.signedTimeFreshMilliseconds
            && wall > newestSigned.advanced(byMilliseconds: sinceArrival + Self.aheadMilliseconds)
    }
}
