/// Which way a lane lets people through. A lane stands between two zones and leads from the one to the other.
public enum LaneKind: UInt8, Sendable {
    case entry = 1
    case exit = 2
    /// An entry from → to, and an exit to → from: each reader serves one of the two.
    case twoWay = 3
}

/// How the gate board understands a release.
public enum ReleaseMode: UInt8, Sendable {
    /// Open while the line is held; we drop it at the passage.
    case level = 0
    /// A pulse starts the board's own wait for a passage.
    case pulse = 1
}

/// How a lane learns that somebody walked or drove through.
public enum PassageSensor: UInt8, Sendable, CaseIterable {
    /// A contact for each direction, or one alone, closes as somebody passes: a turnstile's, or a single beam.
    case contacts = 0
    /// Two beams behind each other; their order is the direction.
    case beams = 1
    /// A loop in the ground, free again when a vehicle has passed it.
    case loop = 2
    /// The gate tells nothing: a release counts as a passage when its time is over.
    case absent = 3
}

/// What goes through a lane. Raw values stand in records.
public enum Traffic: UInt8, Sendable, CaseIterable { case people = 0, vehicles = 1 }

/// What happens to a badge that is read while somebody else may walk.
public enum SecondBadge: UInt8, Sendable {
    /// It is judged when the first release has ended; one badge can wait.
    case wait = 0
    case refuse = 1
}

/// What the lane machine must know of its lane. Durations in milliseconds.
public struct LaneConfiguration: Sendable {
    public var kind: LaneKind
    public var from: ShortName
    public var to: ShortName
    public var readerCount: Int
    /// A bit for each reader of a two-way lane whose badges go out, to → from.
    public var outwardReaders: UInt16 = 0
    public var hasThermometer: Bool
    public var releaseMode: ReleaseMode
    public var traffic = Traffic.people
    public var passageSensor = PassageSensor.contacts
    public var secondBadge = SecondBadge.wait
    public var pulseMilliseconds: Int64 = 500
    public var passageTimeoutMilliseconds: Int64 = 5000
    /// A chip that was not read for this long has left the field; readers repeat it every 50–65 ms (protocols.md A1).
    public var chipGoneMilliseconds: Int64 = 600
    /// A forward pulse this soon after a passage follows it: tailgating, not forced.
    public var tailgatingWindowMilliseconds: Int64 = 2000
    public var stuckContactMilliseconds: Int64 = 30_000
    /// Between the end of a release and the next: a gate board must see the line fall.
    public var releaseGapMilliseconds: Int64 = 100
    /// Modes by the clock; the first whose hours it is holds.
    public var schedule: [ScheduledMode] = []
    /// How long the lamp and the words of a refusal stay.
    public var refusalShownMilliseconds: Int64 = 3000

    public init(
        kind: LaneKind, from: ShortName, to: ShortName, readerCount: Int, hasThermometer: Bool,
        releaseMode: ReleaseMode = .level
    ) {
        self.kind = kind
        self.from = from
        self.to = to
        self.readerCount = readerCount
        self.hasThermometer = hasThermometer
        self.releaseMode = releaseMode
    }

    /// Which way who holds a badge to this reader wants to go.
    public func direction(ofReader reader: UInt8) -> PassageDirection {
        kind == .twoWay && outwardReaders & (1 << UInt16(min(reader, 15))) != 0 ? .backward : .forward
    }
}
