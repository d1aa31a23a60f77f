/// What must be beside a badge, and what was. Raw values stand in records.
public struct Company: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Somebody else's badge, of a kind that may accompany.
    public static let escort = Company(rawValue: 1)
    /// Another type of identifier of the same holder: the chip and the electronic code.
    public static let secondIdentifier = Company(rawValue: 2)
    /// The guard looked and pressed the button.
    public static let guardsButton = Company(rawValue: 4)
    /// Beside a vehicle's pass the badge of who drives it, and beside that the pass.
    public static let driver = Company(rawValue: 8)
    public static let vehicle = Company(rawValue: 16)
}

/// At a lane for vehicles a pass goes only with the badge of a driver, of any other kind that the lane admits, read at
/// most so long before or after it.
public struct DriverRule: Sendable, Hashable {
    public var windowMilliseconds: Int64
    public init(windowMilliseconds: Int64) { self.windowMilliseconds = windowMilliseconds }
}

/// A kind that passes only beside a badge of one of these kinds, presented at most so long before or after.
public struct EscortRule: Sendable, Hashable {
    public var kinds: KindSet
    public var windowMilliseconds: Int64
    public init(kinds: KindSet, windowMilliseconds: Int64) {
        self.kinds = kinds
        self.windowMilliseconds = windowMilliseconds
    }
}

/// A kind whose badge alone does not say who holds it: any of these must come to it in time.
public struct IdentityRule: Sendable, Hashable {
    /// Of `secondIdentifier` and `guardsButton`.
    public var accepts: Company
    public var windowMilliseconds: Int64
    public init(accepts: Company, windowMilliseconds: Int64) {
        self.accepts = accepts
        self.windowMilliseconds = windowMilliseconds
    }
}

/// Who was admitted here lately and may accompany somebody: the newest eight. Each accompanies one.
struct RecentAdmissions: Sendable {
    private struct Entry: Sendable {
        var holder = HolderNumber.nobody
        var kind = HolderKind.visitor
        var at = MonotonicTime(nanoseconds: 0)
        /// Whom they accompanied; nobody yet.
        var partner = HolderNumber.nobody
    }
    private var entries = InlineArray<8, Entry>(repeating: Entry())
    private var next = 0

    mutating func add(_ credential: Credential, at instant: MonotonicTime, partner: HolderNumber) {
        entries[next] = Entry(holder: credential.holder, kind: credential.kind, at: instant, partner: partner)
        next = (next + 1) % 8
    }

    /// The newest one who may accompany this holder.
    func escort(for holder: HolderNumber, _ rule: EscortRule, at now: MonotonicTime) -> HolderNumber? {
        for age in 1...8 {
            let entry = entries[(next - age + 8) % 8]
            if entry.holder != .nobody && entry.holder != holder && rule.kinds.contains(entry.kind)
                && (entry.partner == .nobody || entry.partner == holder)
                && now.milliseconds(since: entry.at) <= rule.windowMilliseconds
            {
                return entry.holder
            }
        }
        return nil
    }

    mutating func pair(_ escort: HolderNumber, with holder: HolderNumber) {
        for index in 0..<8 where entries[index].holder == escort { entries[index].partner = holder }
    }
}
