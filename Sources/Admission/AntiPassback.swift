/// What an entrance does with somebody who passed through it shortly before.
public enum AntiPassbackAction: UInt8, Sendable { case off = 0, report = 1, refuse = 2 }

/// Whose passages count. Raw values mean nothing outside.
public enum AntiPassbackScope: UInt8, Sendable {
    /// Those through this lane, as it remembers them.
    case thisLane = 0
    /// Those through all lanes: whoever is inside does not come in again, whoever has left does.
    case acrossLanes = 1
}

/// Timed anti-passback: a badge that was handed back over the fence does not open again at once.
public struct AntiPassbackRule: Sendable, Hashable {
    public var action = AntiPassbackAction.off
    public var scope = AntiPassbackScope.thisLane
    /// A passage this long ago is forgotten.
    public var forgetMilliseconds: Int64 = 1_800_000
    /// Across lanes: nobody is refused on knowledge older than this.
    public var knowledgeLimitMilliseconds: Int64 = 120_000
    public init() {}
}

/// What a decision knew of the holder's last passage. Raw values stand in records.
public enum AntiPassbackFinding: UInt8, Sendable, CaseIterable {
    /// The policy does not ask.
    case off = 0
    /// Not through this lane, or across lanes: he is not inside.
    case notPassed = 1
    /// Passed through this lane within the time, and not refused for it.
    case reported = 2
    case refused = 3
    /// Across lanes: nobody told where he is, or too long ago, or the clock does not say how long. Not refused.
    case notKnown = 4
    /// He is inside, by whichever lane he came, and not refused for it.
    case reportedInside = 5
    case refusedInside = 6

    /// What it holds against the badge.
    public var reasons: Reasons {
        switch self {
        case .refused: .passedAlready
        case .refusedInside: .insideAlready
        case .off, .notPassed, .reported, .notKnown, .reportedInside: []
        }
    }
}

/// What a decision made of the holder's passages.
public struct AntiPassbackNote: Sendable, Hashable {
    public var finding = AntiPassbackFinding.off
    /// Across lanes: how old the lane's knowledge of the others was. nil: there was none, or the clock does not say.
    public var ageSeconds: UInt32?

    public init(_ finding: AntiPassbackFinding = .off, ageSeconds: UInt32? = nil) {
        self.finding = finding
        self.ageSeconds = ageSeconds
    }
}

/// Where the collector's list says that a holder is.
public struct HolderPresence: Sendable, Hashable {
    public enum Whereabouts: Sendable, Hashable {
        case outside
        /// In the zone that the lane leads to, since a passage.
        case destination(since: WallTime)
        /// In another zone of the site.
        case elsewhere(since: WallTime)
    }

    /// Every lane had told by then what happened at it.
    public var asOf: WallTime
    public var whereabouts: Whereabouts

    public init(asOf: WallTime, whereabouts: Whereabouts) {
        self.asOf = asOf
        self.whereabouts = whereabouts
    }
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
    public func antiPassback(_ presentation: Presentation, _ moment: Moment) -> AntiPassbackNote {
        guard !leaves(presentation.direction), let credential = presentation.credential else {
            return AntiPassbackNote()
        }
        let rule = policy.antiPassback(for: credential.kind)
        guard rule.action != .off else { return AntiPassbackNote() }
        let passedAgo = passedHolders.passage(of: credential.holder).map { moment.monotonic.milliseconds(since: $0) }
        if rule.scope == .acrossLanes { return acrossLanes(presentation, credential.holder, rule, passedAgo, moment) }
        guard let passedAgo, passedAgo < rule.forgetMilliseconds else { return AntiPassbackNote(.notPassed) }
        return AntiPassbackNote(rule.action == .refuse ? .refused : .reported)
    }

    /// What this lane saw itself stands above the list, as far as it is newer than that.
    private func acrossLanes(
        _ presentation: Presentation, _ holder: HolderNumber, _ rule: AntiPassbackRule, _ passedAgo: Int64?,
        _ moment: Moment
    ) -> AntiPassbackNote {
        let listAge = presentation.presence.flatMap { knowledgeAge(of: $0.asOf, moment) }
        var note = AntiPassbackNote(.notKnown, ageSeconds: listAge.map { Self.seconds(ofMilliseconds: $0) })
        let isListFresh = listAge.map { $0 <= rule.knowledgeLimitMilliseconds } ?? false
        // Without a fresh list he may have left by another lane since: then this is as old as it says itself.
        let ownLimit = isListFresh ? listAge ?? 0 : rule.knowledgeLimitMilliseconds
        if let passedAgo, passedAgo <= ownLimit {
            let isForgotten = passedAgo >= rule.forgetMilliseconds
            note.finding = isForgotten ? .notPassed : rule.action == .refuse ? .refused : .reported
            return note
        }
        guard isListFresh, let presence = presentation.presence else { return note }
        note.finding = .notPassed
        let since: WallTime
        switch presence.whereabouts {
        case .outside: return note
        case .destination(let instant): since = instant
        case .elsewhere(let instant):
            // Within the site nobody tells whether a zone lies inside another.
            guard configuration.from == .outside else { return note }
            since = instant
        }
        let insideFor = max(0, moment.wall.milliseconds(since: since))
        guard insideFor < rule.forgetMilliseconds else { return note }
        let mayStillCome = insideFor + Self.clocksDifferMilliseconds
        if let left = leftHolders.passage(of: holder), moment.monotonic.milliseconds(since: left) <= mayStillCome {
            return note
        }
        if let forgotten = everybodyForgotten, moment.monotonic.milliseconds(since: forgotten) <= mayStillCome {
            return note
        }
        note.finding = rule.action == .refuse ? .refusedInside : .reportedInside
        return note
    }

    /// How far the clocks of two lanes that are trusted may differ, and what the list cuts off of an instant.
    private static let clocksDifferMilliseconds: Int64 = 3000

    /// Rounded up, as far as a record holds it.
    static func seconds(ofMilliseconds milliseconds: Int64) -> UInt32 {
        UInt32(clamping: min(milliseconds / 1000 + (milliseconds % 1000 > 0 ? 1 : 0), Int64(OccupancyNote.most)))
    }

    /// For a lane that starts: what its journal says of an earlier passage. Without a trusted clock, and beyond the start
    /// of the monotonic clock, nobody knows how long ago it was, and it is not remembered.
    public mutating func remember(_ holder: HolderNumber, passedAt passage: WallTime, at moment: Moment) {
        let age = moment.wall.milliseconds(since: passage)
        guard moment.clock == .trusted, age >= 0, age <= Int64(clamping: moment.monotonic.nanoseconds / 1_000_000)
        else { return }
        let instant = moment.monotonic.advanced(byMilliseconds: -age)
        // A journal that opened late says nothing of what this lane has seen since it began.
        let seen = [passedHolders.passage(of: holder), leftHolders.passage(of: holder)].compactMap { $0 }
        guard seen.allSatisfy({ $0 < instant }) else { return }
        leftHolders.forget(holder)
        passedHolders.add(holder, at: instant)
    }

    /// For a lane that starts: what its journal says of somebody who left by it, or whose passages it was made to forget;
    /// nobody: everybody's. It counts since the beginning of the monotonic clock when it was before that, and from now on
    /// when nobody knows when it was: somebody is let in who would have been refused, never the other way round.
    public mutating func remember(_ holder: HolderNumber, leftAt left: WallTime?, at moment: Moment) {
        let age = left.map { moment.wall.milliseconds(since: $0) } ?? -1
        let isKnown = moment.clock == .trusted && age >= 0
        let instant = isKnown ? moment.monotonic.advanced(byMilliseconds: -age) : moment.monotonic
        guard holder != .nobody else {
            everybodyForgotten = max(everybodyForgotten ?? instant, instant)
            return
        }
        // Who passed here before he left is not told any more: that was since.
        guard passedHolders.passage(of: holder) == nil else { return }
        leftHolders.add(holder, at: max(instant, leftHolders.passage(of: holder) ?? instant))
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
