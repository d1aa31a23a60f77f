/// Whether a badge may pass. Raw values stand in records.
public enum Verdict: UInt8, Sendable { case admitted = 1, refused = 2 }

/// A decision and everything it used: it can be recomputed from this, the image, the changes and the policy it names.
public struct Decision: Sendable, Hashable {
    public var presentation: Presentation
    public var verdict: Verdict
    public var reasons: Reasons
    public var temperature: TemperatureFinding
    public var temperatureOffsetCentidegrees: Int32
    public var temperatureLimitCentidegrees: Int32
    public var credentials: CredentialsInForce
    public var policyDigest: PolicyDigest
    public var antiPassback = AntiPassbackNote()
    public var occupancy = OccupancyNote()
    /// What was beside the badge, where the policy asks for it.
    public var company: Company = []
    /// Whoever accompanied this holder, or was accompanied; nobody when the policy does not ask.
    public var partner = HolderNumber.nobody

    public init(
        presentation: Presentation, verdict: Verdict, reasons: Reasons, temperature: TemperatureFinding,
        temperatureOffsetCentidegrees: Int32, temperatureLimitCentidegrees: Int32, credentials: CredentialsInForce,
        policyDigest: PolicyDigest
    ) {
        self.presentation = presentation
        self.verdict = verdict
        self.reasons = reasons
        self.temperature = temperature
        self.temperatureOffsetCentidegrees = temperatureOffsetCentidegrees
        self.temperatureLimitCentidegrees = temperatureLimitCentidegrees
        self.credentials = credentials
        self.policyDigest = policyDigest
    }
}

/// Who let somebody walk without a badge. Raw values stand in records.
public enum Releaser: UInt8, Sendable, CaseIterable { case guardButton = 1 }

/// How a release ended. `admitted = passed + annulled + interrupted`, always.
public enum ReleaseEnd: UInt8, Sendable, CaseIterable {
    case passed = 1
    /// Nobody walked within the passage timeout.
    case annulled = 2
    /// Cut short: a restart of the daemon, a stop, or the gate was lost. Nobody knows whether somebody walked.
    case interrupted = 3
}

/// The end of a release; names its decision, or the record of who released by hand.
public struct Outcome: Sendable, Hashable {
    public var end: ReleaseEnd
    public var direction: PassageDirection
    public var decisionSequence: UInt64
    /// The epoch of the decision; nil = the record's own.
    public var decisionEpoch: Epoch?
    public var tag: BadgeTag
    public var type: IdentifierType
    public var holder: HolderNumber
    public var kind: HolderKind?
    /// `noReader` when nobody's badge was read: released by hand.
    public var reader: UInt8
    /// From release to its end; 0 when unknown.
    public var openMilliseconds: UInt32
    /// Nothing saw a passage: the gate has no feedback, and the release counts.
    public var isAssumed: Bool

    public init(
        end: ReleaseEnd, direction: PassageDirection, decisionSequence: UInt64, decisionEpoch: Epoch?, tag: BadgeTag,
        type: IdentifierType, holder: HolderNumber, kind: HolderKind?, reader: UInt8, openMilliseconds: UInt32,
        isAssumed: Bool = false
    ) {
        self.end = end
        self.direction = direction
        self.decisionSequence = decisionSequence
        self.decisionEpoch = decisionEpoch
        self.tag = tag
        self.type = type
        self.holder = holder
        self.kind = kind
        self.reader = reader
        self.openMilliseconds = openMilliseconds
        self.isAssumed = isAssumed
    }

    /// Stands for a reader where none was used.
    public static let noReader: UInt8 = 255
    public var isByHand: Bool { reader == Self.noReader }
}

/// A pulse of the passage contact that no release stood behind.
public enum UnreleasedPulse: UInt8, Sendable, CaseIterable {
    /// Right behind a passage.
    case tailgating = 1
    case forced = 2
    case wrongWay = 3
    /// In an emergency, on an exit without a reader, or where the gate is held open: a person, but nobody knows who.
    case anonymous = 4
    /// In maintenance: a hand or a tool, and nobody who is counted.
    case maintenance = 5
}

/// What a lane does as a whole. Raw values stand in records.
public enum LaneMode: UInt8, Sendable, CaseIterable {
    case normal = 0
    /// An exit whose readers are lost: it stays open and counts anonymously.
    case freeExit = 1
    case emergency = 2
    case outOfService = 3
    /// Nobody is let in. An exit still lets out.
    case locked = 4
    /// The gate stands open; badges are read, judged and counted as always.
    case heldOpen = 5
    /// A technician works at the gate: nobody is let through or counted.
    case maintenance = 6
}

/// Why a lane is out of service, and other causes of a mode.
public enum ModeCause: UInt8, Sendable, CaseIterable {
    case none = 0
    case gateLost = 1
    case readersLost = 2
    case thermometerLost = 3
    case journalFull = 4
    /// A record could not be written.
    case journalFault = 5
    case fire = 6
    case technician = 7
    case schedule = 8
}

/// A random 128-bit id made at every opening of the journal.
public struct Epoch: Sendable, Hashable {
    public var low: UInt64
    public var high: UInt64
    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }
    public static let none = Epoch(low: 0, high: 0)
}

/// What stands in the journal. One event is one record.
public enum LaneEvent: Sendable, Hashable {
    /// First record of an epoch; written by the journal itself.
    case epochStarted(previous: Epoch, lastSequence: UInt64)
    case decided(Decision)
    case ended(Outcome)
    /// `decisionSequence` is the passage that was followed, 0 when there is none.
    case pulse(UnreleasedPulse, PassageDirection, decisionSequence: UInt64)
    /// A badge held to a reader in an emergency: seen, not decided.
    case seenInEmergency(Presentation)
    case fire(alarm: Bool)
    case device(Device, lost: Bool)
    /// A passage contact closed for more than 30 s (`stuck`), or free again.
    case contact(PassageDirection, stuck: Bool)
    case mode(LaneMode, ModeCause)
    case credentials(CredentialsInForce)
    case clock(ClockTrust, stepMilliseconds: Int64)
    /// An hour closed: the lane's own totals of it.
    case hour(startSeconds: Int64, LaneTotals)
    /// Records that are not there: found damaged at recovery, or not written because no room was left.
    case hole(epoch: Epoch, firstSequence: UInt64, count: UInt64, HoleCause, LaneTotals)
    case stopping
    /// Somebody was let through without a badge.
    case releasedByHand(Releaser, PassageDirection)
    /// A cover was opened, or is closed again. Nobody is let in or kept out by it.
    case tamper(TamperContact, opened: Bool)
    /// These rules are in force from here on.
    case policy(PolicyDigest)
    /// A technician made the lane forget this holder's passages, or everybody's (`nobody`).
    case passagesForgotten(HolderNumber)
    case technician(TechnicianAct)
    /// A badge held to a reader in maintenance: the reader works, and nobody is decided.
    case seenInMaintenance(Presentation)
}

/// Why records are missing.
public enum HoleCause: UInt8, Sendable, CaseIterable {
    /// Found with a wrong CRC before the synced mark.
    case damaged = 1
    /// Not written: even the reserve was full. The totals say what they would have counted.
    case noRoom = 2
}

/// What a lane counted. `presented + byHand = admitted + refused`.
public struct LaneTotals: Sendable, Hashable {
    public var presented: UInt32 = 0
    public var admitted: UInt32 = 0
    public var refused: UInt32 = 0
    public var passed: UInt32 = 0
    public var annulled: UInt32 = 0
    public var interrupted: UInt32 = 0
    public var tailgating: UInt32 = 0
    public var forced: UInt32 = 0
    public var wrongWay: UInt32 = 0
    public var anonymousForward: UInt32 = 0
    public var anonymousBackward: UInt32 = 0
    /// Let through without a badge; each is one of `admitted`.
    public var byHand: UInt32 = 0
    /// Of `passed` and of `tailgating`, those that went to → from.
    public var passedBackward: UInt32 = 0
    public var tailgatingBackward: UInt32 = 0

    public init() {}

    private static func combined(_ a: Self, _ b: Self, _ operation: (UInt32, UInt32) -> UInt32) -> Self {
        var result = Self()
        result.presented = operation(a.presented, b.presented)
        result.admitted = operation(a.admitted, b.admitted)
        result.refused = operation(a.refused, b.refused)
        result.passed = operation(a.passed, b.passed)
        result.annulled = operation(a.annulled, b.annulled)
        result.interrupted = operation(a.interrupted, b.interrupted)
        result.tailgating = operation(a.tailgating, b.tailgating)
        result.forced = operation(a.forced, b.forced)
        result.wrongWay = operation(a.wrongWay, b.wrongWay)
        result.anonymousForward = operation(a.anonymousForward, b.anonymousForward)
        result.anonymousBackward = operation(a.anonymousBackward, b.anonymousBackward)
        result.byHand = operation(a.byHand, b.byHand)
        result.passedBackward = operation(a.passedBackward, b.passedBackward)
        result.tailgatingBackward = operation(a.tailgatingBackward, b.tailgatingBackward)
        return result
    }

    public static func + (a: Self, b: Self) -> Self { combined(a, b, &+) }
    public static func - (a: Self, b: Self) -> Self { combined(a, b, &-) }

    /// What one event alone counts.
    public init(_ event: LaneEvent) {
        self.init()
        count(event)
    }

    /// Counts one event. The collector counts the same records by its own code.
    public mutating func count(_ event: LaneEvent) {
        switch event {
        case .decided(let decision):
            presented &+= 1
            if decision.verdict == .admitted { admitted &+= 1 } else { refused &+= 1 }
        case .ended(let outcome):
            switch outcome.end {
            case .passed:
                passed &+= 1
                if outcome.direction == .backward { passedBackward &+= 1 }
            case .annulled: annulled &+= 1
            case .interrupted: interrupted &+= 1
            }
        case .pulse(let pulse, let direction, _):
            switch pulse {
            case .tailgating:
                tailgating &+= 1
                if direction == .backward { tailgatingBackward &+= 1 }
            case .forced: forced &+= 1
            case .wrongWay: wrongWay &+= 1
            case .anonymous: if direction == .forward { anonymousForward &+= 1 } else { anonymousBackward &+= 1 }
            case .maintenance: break
            }
        case .releasedByHand:
            admitted &+= 1
            byHand &+= 1
        case .epochStarted, .seenInEmergency, .fire, .device, .contact, .mode, .credentials, .clock, .hour, .hole,
            .stopping, .tamper, .policy, .passagesForgotten, .technician, .seenInMaintenance:
            break
        }
    }
}
