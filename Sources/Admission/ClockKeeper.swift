/// Whether the wall clock may decide validity. Sans-I/O: the shell reads the clocks and tells.
///
/// Distrust begins when the clock is behind the floor, more than 5 min ahead of signed time while signed time arrives,
/// or stepped by more than 2 s. It ends when a synchronised kernel clock or fresh signed time agrees within 2 s, or a
/// technician confirms; the floor then follows, so one bad date does not poison the years until then.
public struct ClockKeeper: Sendable {
    public static let agreementMilliseconds: Int64 = 2000
    public static let aheadMilliseconds: Int64 = 300_000
    /// Signed time is news for this long after it arrived.
    public static let signedTimeFreshMilliseconds: Int64 = 60_000

    public private(set) var trust: ClockTrust
    /// The clock cannot be earlier than this.
    public private(set) var floor: WallTime
    private var signed: (asOf: WallTime, arrived: MonotonicTime)?

    /// - Parameter floor: the newest record written while trusted or the newest signed statement kept, whichever is
    ///   later; the beginning of 1970 when there is none.
    public init(floor: WallTime, wall: WallTime) {
        self.floor = floor
        trust = wall < floor ? .behindFloor : .trusted
    }

    /// Looks at the clocks; call it at least every second. Returns whether trust changed.
    public mutating func observe(wall: WallTime, monotonic: MonotonicTime, isKernelSynchronised: Bool) -> Bool {
        let before = trust
        if isKernelSynchronised {
            regain(wall)
        } else if wall < floor {
            trust = .behindFloor
        } else if let signed, monotonic.milliseconds(since: signed.arrived) <= Self.signedTimeFreshMilliseconds,
            wall.milliseconds(since: signed.asOf) - monotonic.milliseconds(since: signed.arrived)
                > Self.aheadMilliseconds
        {
            trust = .aheadOfSignedTime
        }
        if trust == .trusted { floor = max(floor, wall) }
        return trust != before
    }

    /// The wall clock jumped against the monotonic one by this much.
    public mutating func stepped(byMilliseconds step: Int64, isKernelSynchronised: Bool) -> Bool {
        guard abs(step) > Self.agreementMilliseconds, !isKernelSynchronised, trust == .trusted else { return false }
        trust = .stepped
        return true
    }

    /// A verified statement arrived. An older one than known says nothing.
    public mutating func signedTime(_ asOf: WallTime, wall: WallTime, monotonic: MonotonicTime) -> Bool {
        if let signed, asOf <= signed.asOf { return false }
        signed = (asOf, monotonic)
        let before = trust
        if abs(wall.milliseconds(since: asOf)) <= Self.agreementMilliseconds {
            trust = .trusted
            floor = asOf
        } else if wall < asOf {
            trust = .behindFloor
            floor = asOf
        }
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
}
