/// A badge in a reader's field, looked up in the credentials in force.
public struct Presentation: Sendable, Hashable {
    public var tag: BadgeTag
    public var type: IdentifierType
    public var lookup: BadgeLookup
    /// Index of the reader in the configuration.
    public var reader: UInt8
    /// Which way that reader's badges go; the machine sets it.
    public var direction: PassageDirection
    /// Where the collector says that the holder is; nil: nobody told, or nobody asked.
    public var presence: HolderPresence?

    public init(
        tag: BadgeTag, type: IdentifierType, lookup: BadgeLookup, reader: UInt8,
        direction: PassageDirection = .forward
    ) {
        self.tag = tag
        self.type = type
        self.lookup = lookup
        self.reader = reader
        self.direction = direction
    }

    public var credential: Credential? {
        if case .found(let credential) = lookup { credential } else { nil }
    }
}

/// Which way a pulse of the passage contact went, seen from the lane: forward is from → to.
public enum PassageDirection: UInt8, Sendable { case forward = 1, backward = 2 }

/// A device of the lane.
public enum Device: Sendable, Hashable {
    case reader(UInt8)
    case thermometer
    case gate

    /// 0–15 readers, 16 thermometer, 17 gate; stands in records.
    public var code: UInt8 {
        switch self {
        case .reader(let index): min(index, 15)
        case .thermometer: 16
        case .gate: 17
        }
    }

    public init?(code: UInt8) {
        switch code {
        case 0...15: self = .reader(code)
        case 16: self = .thermometer
        case 17: self = .gate
        default: return nil
        }
    }
}

/// A contact that tells whether a cover is open.
public enum TamperContact: Sendable, Hashable {
    /// The lane's own cabinet.
    case cabinet
    /// A reader that watches its own cover and its wall, and says so.
    case reader(UInt8)

    /// 0–15 readers as in `Device`, 18 the cabinet; stands in records.
    public var code: UInt8 {
        switch self {
        case .reader(let index): min(index, 15)
        case .cabinet: 18
        }
    }

    public init?(code: UInt8) {
        switch code {
        case 0...15: self = .reader(code)
        case 18: self = .cabinet
        default: return nil
        }
    }
}

/// What room the journal has.
public enum JournalState: UInt8, Sendable {
    case roomy = 0
    /// 80 % and 90 % filled with records the collector has not stored.
    case filling = 1
    case nearlyFull = 2
    /// Only the reserve is left: exits and fire.
    case reserveOnly = 3
    case full = 4
}

/// What happens to a lane. Everything the machine knows comes in through these.
public enum LaneInput: Sendable {
    case presented(Presentation)
    case temperature(TemperatureSample)
    /// The passage contact of a direction closed or opened, debounced.
    case contact(PassageDirection, closed: Bool)
    /// The guard's button was pressed.
    case guardPressed
    case tamper(TamperContact, opened: Bool)
    case fire(alarm: Bool)
    case deviceLost(Device)
    case deviceBack(Device)
    case journal(JournalState)
    /// The wall clock's trust changed or it jumped, by `stepMilliseconds` where known.
    case clock(ClockTrust, stepMilliseconds: Int64)
    case technician(TechnicianAct)
    /// A deadline may have been reached; harmless when none was.
    case timePassed
    /// A technician lets this holder, or everybody (`nobody`), pass again in spite of anti-passback.
    case forgetPassages(HolderNumber)
    /// The program ends: a release that is out ends as interrupted.
    case stopping
}
