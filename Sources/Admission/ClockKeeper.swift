/// Whether the wall clock may decide validity. Sans-I/O: the shell reads the clocks and tells.
///
/// Distrust begins when the clock is behind the floor, more than 5 min ahead of signed time while signed time arrives,
/// or stepped by more than 2 s. It ends when a synchronised kernel clock or fresh signed time agrees within 2 s, or a
/// technician confirms; the floor then follows, so one bad date does not poison the years until then.
///
/// Two clocks that agree within 2 s agree: a lane a second behind the collector is not behind the floor that the
/// collector's statement is. While the kernel's clock is synchronised a statement takes no trust away: one that differs
/// from it would take it, the next look give it back, and the lane refuse people in between.
///
/// Beside trust there is being *sure*: a trusted clock that the kernel keeps synchronised, or that a technician confirmed
/// and that was trusted since. A clock that is merely trusted may be hours late and has to learn from signed time; one
/// that is sure knows better than a collector whose clock is wrong. What is dated more than 5 min ahead of it is not
/// believed, and if it was, it is forgotten: else every rightly dated statement would be an old one until that date.
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
    /// By a technician; until trust is lost or the clock steps.
    private var isConfirmed = false

    /// Whether what is dated more than `aheadMilliseconds` ahead of this clock is wrong, and not the clock.
    public var isSure: Bool { trust == .trusted && (isKernelSynchronised || isConfirmed) }

    /// Whether something signed `asOf` contradicts a clock that is sure and says `wall`.
    public func contradicts(_ asOf: WallTime, wall: WallTime) -> Bool {
        isSure && asOf > wall.advanced(byMilliseconds: Self.aheadMilliseconds)
    }

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
        if trust == .trusted { floor = max(floor, wall) } else { isConfirmed = false }
        forgetWhatIsAhead(of: wall)
        return trust != before
    }

    /// The wall clock jumped against the monotonic one by this much.
    public mutating func stepped(byMilliseconds step: Int64, isKernelSynchronised: Bool) -> Bool {
        guard step.magnitude > Self.agreementMilliseconds else { return false }
        isConfirmed = false
        guard !isKernelSynchronised, trust == .trusted else { return false }
        trust = .stepped
        return true
    }

    /// A verified statement arrived now. An older one than known says nothing.
    public mutating func signedTime(_ asOf: WallTime, wall: WallTime, monotonic: MonotonicTime) -> Bool {
        if contradicts(asOf, wall: wall) { return false }
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
            isConfirmed = false
        }
        return trust != before
    }

    /// A statement that was kept says that it was `instant` once; it says nothing of how long ago, and when it comes again
    /// it is no news.
    public mutating func notEarlier(than instant: WallTime, wall: WallTime) -> Bool {
        if contradicts(instant, wall: wall) { return false }
        let before = trust
        floor = max(floor, instant)
        newestSigned = max(newestSigned ?? instant, instant)
        if Self.isBehind(wall, floor) && !isKernelSynchronised {
            trust = .behindFloor
            isConfirmed = false
        }
        return trust != before
    }

    /// A technician looked at the clock and says it is right.
    public mutating func confirmed(wall: WallTime) -> Bool {
        let before = trust
        regain(wall)
        isConfirmed = true
        forgetWhatIsAhead(of: wall)
        return trust != before
    }

    /// Not earlier than now: what was signed before says nothing when it comes again, be the clock set back or not.
    private mutating func forgetWhatIsAhead(of wall: WallTime) {
        guard let newestSigned, contradicts(newestSigned, wall: wall) else { return }
        self.newestSigned = wall
        signedArrival = nil
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
