/// What an entrance does when the zone that it leads to holds as many as it may.
public enum OccupancyAction: UInt8, Sendable { case off = 0, report = 1, refuse = 2 }

/// How many a zone may hold, and how old the lane's knowledge of that may be.
public struct OccupancyRule: Sendable, Hashable {
    public var action = OccupancyAction.off
    /// With so many inside the next one is one too many; nil: no limit.
    public var people: UInt32?
    public var vehicles: UInt32?
    /// Nobody is refused for what was counted longer ago than this.
    public var knowledgeLimitMilliseconds: Int64 = 120_000
    public init() {}

    /// What it makes of a count of people, or of vehicles, that is so old; nil: nobody told, or the clock does not say.
    public func finding(count: UInt32?, ageMilliseconds: Int64?, ofVehicles isVehicle: Bool) -> OccupancyFinding {
        guard action != .off, let limit = isVehicle ? vehicles : people else { return .off }
        guard let count, let ageMilliseconds, ageMilliseconds <= knowledgeLimitMilliseconds else { return .notKnown }
        return count < limit ? .below : action == .refuse ? .refused : .reported
    }
}

/// What a decision made of the zone's occupancy. Raw values stand in records.
public enum OccupancyFinding: UInt8, Sendable, CaseIterable {
    /// The policy does not ask.
    case off = 0
    case below = 1
    /// At its limit, and not refused for it.
    case reported = 2
    case refused = 3
    /// Nobody told the lane, or too long ago, or its clock does not say how long: not refused for it.
    case notKnown = 4

    /// What it holds against the badge.
    public var reasons: Reasons { self == .refused ? .zoneFull : [] }
}

/// The people and vehicles in the zone that a lane leads to, as the collector counted them.
public struct ZoneCount: Sendable, Hashable {
    public var people: UInt32
    public var vehicles: UInt32
    /// Every lane had told what happened at it until then.
    public var asOf: WallTime

    public init(people: UInt32, vehicles: UInt32, asOf: WallTime) {
        self.people = people
        self.vehicles = vehicles
        self.asOf = asOf
    }
}

/// What a decision knew of the zone's occupancy: of people, or of vehicles where it is about a vehicle.
public struct OccupancyNote: Sendable, Hashable {
    /// The collector's count, and who has passed here since. nil: nobody told.
    public var count: UInt32?
    /// Of the collector's count, rounded up: beside a limit in seconds it says the same as the exact one. nil: the clock is
    /// not trusted, or nobody told.
    public var ageSeconds: UInt32?
    public var finding = OccupancyFinding.off

    public init(count: UInt32? = nil, ageSeconds: UInt32? = nil, finding: OccupancyFinding = .off) {
        self.count = count
        self.ageSeconds = ageSeconds
        self.finding = finding
    }

    /// The greatest count and age that a record holds.
    public static let most = UInt32.max - 1
}

/// Who crossed this lane lately, which a count of the collector that is older than that does not have. 1,024 crossings,
/// in arrays that are made once; with one more the oldest is forgotten, long after a count has it.
struct OwnCrossings: Sendable {
    static let capacity = 1024
    /// So long after a crossing a count may still lack it: the record was under way. Only of those who left, so that the
    /// lane errs to the side of letting in.
    static let underWayMilliseconds: Int64 = 3000

    private struct Crossing {
        var instant = MonotonicTime(nanoseconds: 0)
        var isVehicle = false
        /// 1: came into the zone that the lane leads to; -1: left it; 0: none.
        var change: Int8 = 0
    }
    private var crossings = [Crossing](repeating: Crossing(), count: capacity)
    private var next = 0

    /// As the collector counts the same event.
    mutating func count(_ event: LaneEvent, _ traffic: Traffic, at instant: MonotonicTime) {
        let isVehicle: Bool
        let direction: PassageDirection
        switch event {
        case .ended(let outcome) where outcome.end == .passed:
            isVehicle = outcome.kind.map { $0 == .vehicle } ?? (traffic == .vehicles)
            direction = outcome.direction
        case .pulse(.tailgating, let way, _), .pulse(.anonymous, let way, _):
            isVehicle = traffic == .vehicles
            direction = way
        default: return
        }
        crossings[next] = Crossing(instant: instant, isVehicle: isVehicle, change: direction == .forward ? 1 : -1)
        next = (next + 1) % Self.capacity
    }

    /// The newest one did not get on record: it comes again when its record is written.
    mutating func takeBackNewest() {
        next = (next + Self.capacity - 1) % Self.capacity
        crossings[next] = Crossing()
    }

    /// Who came less who left since a count that is `milliseconds` old.
    func balance(ofVehicles: Bool, since milliseconds: Int64, at now: MonotonicTime) -> Int64 {
        var balance: Int64 = 0
        for step in 1...Self.capacity {
            let crossing = crossings[(next + Self.capacity - step) % Self.capacity]
            let age = now.milliseconds(since: crossing.instant)
            // Newest first: what follows is older still.
            guard crossing.change != 0, age <= milliseconds.addingWithoutWrapping(Self.underWayMilliseconds) else {
                break
            }
            if crossing.isVehicle == ofVehicles && (crossing.change < 0 || age < milliseconds) {
                balance += Int64(crossing.change)
            }
        }
        return balance
    }
}

extension Int64 {
    fileprivate func addingWithoutWrapping(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}

extension LaneMachine {
    /// A newer count of the zone that this lane leads to. Nothing is decided by it but what is decided from here on.
    public mutating func learn(_ count: ZoneCount) { zoneCount = count }

    /// What a decision on this presentation would know of the zone's occupancy, and what the policy makes of it.
    public func occupancy(_ presentation: Presentation, _ moment: Moment) -> OccupancyNote {
        let kind = presentation.credential?.kind
        let isVehicle = kind.map { $0 == .vehicle } ?? (configuration.traffic == .vehicles)
        var note = OccupancyNote()
        let age = zoneCount.flatMap { knowledgeAge(of: $0.asOf, moment) }
        if let zoneCount {
            let counted = Int64(isVehicle ? zoneCount.vehicles : zoneCount.people)
            // Without an age nobody knows which crossings it has: as it was told.
            let since = age.map { ownCrossings.balance(ofVehicles: isVehicle, since: $0, at: moment.monotonic) } ?? 0
            note.count = UInt32(clamping: min(max(0, counted + since), Int64(OccupancyNote.most)))
            note.ageSeconds = age.map { Self.seconds(ofMilliseconds: $0) }
        }
        guard !leaves(presentation.direction), let kind else { return note }
        note.finding = policy.occupancy(for: kind).finding(
            count: note.count, ageMilliseconds: age, ofVehicles: isVehicle)
        return note
    }

    /// How old what was known `asOf` is, ms. nil: the clock does not say, or it is dated farther in the future than two
    /// clocks may differ.
    func knowledgeAge(of asOf: WallTime, _ moment: Moment) -> Int64? {
        guard moment.clock == .trusted else { return nil }
        let age = moment.wall.milliseconds(since: asOf)
        guard age >= -max(0, policy.futureToleranceMilliseconds) else { return nil }
        return max(0, age)
    }
}
