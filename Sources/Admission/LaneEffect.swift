/// What the lamps over a lane say. The shell maps it to lines.
public enum LampState: UInt8, Sendable {
    /// Ready for the next badge.
    case ready = 0
    /// A badge is being judged.
    case working = 1
    case admitted = 2
    case refused = 3
    case outOfService = 4
    case emergency = 5
    case locked = 6
    /// Every badge is refused here at present, because what the lane knows is too old, or it knows nothing yet.
    case stale = 7
}

/// What a visitor is told. The words are in Wording.
public enum LaneMessage: Sendable, Hashable {
    case presentBadge
    case holdStill
    case measureAgain
    /// Keys and temperature would do; this is still to come.
    case awaiting(Company)
    case admitted
    case refused(Reasons)
    case outOfService(ModeCause)
    case emergency
    case walkThrough
    /// The gate stands open, and badges are read.
    case heldOpen
    case locked
    case maintenance
    case stale
}

/// One thing the shell must do. Effects are carried out in the order of their list: what stands first is done first.
public enum LaneEffect: Sendable, Hashable {
    /// Write this to the journal, under this sequence number. When that fails, nothing behind it in the list is done and
    /// `LaneMachine.recordFailed` is called.
    case record(LaneEvent, sequence: UInt64)
    case release(Bool)
    /// The other way, to → from; of a two-way lane only.
    case releaseBackward(Bool)
    case lamps(LampState)
    case buzzer(milliseconds: Int64)
    case message(LaneMessage)
}

/// An ordered list of at most 18 effects, held inline.
public struct LaneEffects: Sendable {
    public static let capacity = 18
    private var storage = InlineArray<18, LaneEffect>(repeating: .release(false))
    public private(set) var count = 0

    public init() {}

    public subscript(index: Int) -> LaneEffect { storage[index] }

    mutating func append(_ effect: LaneEffect) {
        precondition(count < Self.capacity, "a step of the lane machine has at most \(Self.capacity) effects")
        storage[count] = effect
        count += 1
    }

    /// A copy for tests; allocates.
    public var all: [LaneEffect] { (0..<count).map { storage[$0] } }
}
