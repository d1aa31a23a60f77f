/// What an entrance does with somebody who passed through it shortly before.
public enum AntiPassbackAction: UInt8, Sendable { case off = 0, report = 1, refuse = 2 }

/// Timed anti-passback at one lane: a badge that was handed back over the fence does not open it again at once.
public struct AntiPassbackRule: Sendable, Hashable {
    public var action = AntiPassbackAction.off
    /// A passage this long ago is forgotten.
    public var forgetMilliseconds: Int64 = 1_800_000
    public init() {}
}

/// What a decision knew of the holder's last passage. Raw values stand in records.
public enum AntiPassbackFinding: UInt8, Sendable, CaseIterable {
    /// The policy does not ask.
    case off = 0
    case notPassed = 1
    /// Passed within the time, and not refused for it.
    case reported = 2
    case refused = 3
}

/// Who passed through this lane lately, by holder, so that all identifiers of a person are that person. 2,048 of them, in
/// arrays that are made once: in place they would be most of the machine, and copied with it. With one more the oldest passage is forgotten before its time, and somebody is let in who would have been
/// refused: never the other way round. On the monotonic clock, so that no leap of the wall clock shortens it.
struct PassedHolders: Sendable {
    static let capacity = 2048
    private var holders = [UInt32](repeating: HolderNumber.nobody.number, count: capacity)
    private var instants = [MonotonicTime](repeating: MonotonicTime(nanoseconds: 0), count: capacity)
    private var next = 0
    /// The youngest passage that had to make room.
    private(set) var madeRoom: MonotonicTime?

    mutating func add(_ holder: HolderNumber, at instant: MonotonicTime) {
        guard holder != .nobody else { return }
        forget(holder)
        if holders[next] != HolderNumber.nobody.number { madeRoom = instants[next] }
        holders[next] = holder.number
        instants[next] = instant
        next = (next + 1) % Self.capacity
    }

    /// When this holder passed last; nil when that is not remembered.
    func passage(of holder: HolderNumber) -> MonotonicTime? {
        guard holder != .nobody else { return nil }
        for index in 0..<Self.capacity where holders[index] == holder.number { return instants[index] }
        return nil
    }

    mutating func forget(_ holder: HolderNumber) {
        guard holder != .nobody else { return }
        for index in 0..<Self.capacity where holders[index] == holder.number {
            holders[index] = HolderNumber.nobody.number
        }
    }

    mutating func forgetAll() {
        for index in 0..<Self.capacity { holders[index] = HolderNumber.nobody.number }
        madeRoom = nil
    }
}

extension LaneMachine {
    /// What a decision on this presentation would know of the holder's last passage.
    public func antiPassback(_ presentation: Presentation, _ now: MonotonicTime) -> AntiPassbackFinding {
        guard !leaves(presentation.direction), let credential = presentation.credential else { return .off }
        let rule = policy.antiPassback(for: credential.kind)
        guard rule.action != .off else { return .off }
        guard let passage = passedHolders.passage(of: credential.holder),
            now.milliseconds(since: passage) < rule.forgetMilliseconds
        else { return .notPassed }
        return rule.action == .refuse ? .refused : .reported
    }

    /// For a lane that starts: what its journal says of an earlier passage. Without a trusted clock, and beyond the start
    /// of the monotonic clock, nobody knows how long ago it was, and it is not remembered.
    public mutating func remember(_ holder: HolderNumber, passedAt passage: WallTime, at moment: Moment) {
        let age = moment.wall.milliseconds(since: passage)
        guard moment.clock == .trusted, age >= 0, age <= Int64(clamping: moment.monotonic.nanoseconds / 1_000_000)
        else { return }
        passedHolders.add(holder, at: moment.monotonic.advanced(byMilliseconds: -age))
    }

    /// Whether passages that still count had to make room for newer ones: more people pass here within the time than can
    /// be remembered.
    public func forgetsPassagesEarly(at now: MonotonicTime) -> Bool {
        guard let madeRoom = passedHolders.madeRoom else { return false }
        var longest: Int64 = 0
        for kind in HolderKind.allCases {
            let rule = policy.antiPassback(for: kind)
            if rule.action != .off { longest = max(longest, rule.forgetMilliseconds) }
        }
        return now.milliseconds(since: madeRoom) < longest
    }
}
