import Admission

/// One badge used twice: judged from a holder's passages alone, whatever the order in which they came in. So lanes that were
/// cut off from each other at the time are judged when their records arrive, and a leaving that arrives late takes back what
/// it explains.
///
///     inside-twice   he came into the site, and came in again without having left between
///     too-fast       he passed at two lanes in less time than a person walks from the one to the other
struct DoubleUse: Hashable, Sendable {
    /// Raw values stand in the database, names in the answer.
    enum Kind: Int64, CaseIterable, Sendable {
        case insideTwice = 1
        case tooFast = 2

        var name: String { self == .insideTwice ? "inside-twice" : "too-fast" }
    }

    var kind: Kind
    var first: Passage
    var second: Passage
    /// false: a clock that was not trusted told one of the two, or a leaving of which nobody knows when it was.
    var isCertain: Bool
    /// Of `too-fast`: how long it takes at least, ms.
    var walkingMilliseconds: Int64 = 0

    /// A holder's passage, as far as this needs it.
    struct Passage: Hashable, Sendable {
        /// How its time is known. Raw values stand in the database.
        enum Clock: Int64, Sendable {
            case trusted = 0
            /// The lane's clock was not trusted; later records of the same run of the lane say by how much it was wrong.
            case corrected = 1
            /// Nobody knows when it was; `at` is when the record came in.
            case notTrusted = 2
        }

        enum Way: Int64, Sendable {
            case within = 0
            case enters = 1
            case leaves = 2
        }

        /// Its record, as GET /v1/records numbers them.
        var row: Int64
        var lane: ShortName
        /// ms since 1970-01-01 UTC.
        var at: Int64
        var clock: Clock
        var way: Way
        /// At a lane for vehicles, or of one: how fast these are nobody says.
        var isDriven: Bool

        var isKnown: Bool { clock != .notTrusted }
    }

    /// All that one holder's passages show, in the order of their second passages.
    static func judge(_ passages: [Passage], _ distances: WalkingDistances) -> [DoubleUse] {
        let sorted = passages.sorted { ($0.at, $0.row) < ($1.at, $1.row) }
        return insideTwice(sorted, distances.longestInsideMilliseconds) + tooFast(sorted.filter(\.isKnown), distances)
    }

    private static func insideTwice(_ sorted: [Passage], _ longest: Int64) -> [DoubleUse] {
        let crossings = sorted.filter { $0.way != .within }
        let hasUnknownLeaving = crossings.contains { $0.way == .leaves && !$0.isKnown }
        return zip(crossings, crossings.dropFirst()).compactMap { first, second in
            // After a night he has left by a way that nobody saw.
            guard first.way == .enters, second.way == .enters, second.at - first.at <= longest else { return nil }
            return DoubleUse(
                kind: .insideTwice, first: first, second: second,
                isCertain: first.isKnown && second.isKnown && !hasUnknownLeaving)
        }
    }

    private static func tooFast(_ sorted: [Passage], _ distances: WalkingDistances) -> [DoubleUse] {
        zip(sorted, sorted.dropFirst()).compactMap { first, second in
            guard first.lane != second.lane, !first.isDriven, !second.isDriven,
                let walking = distances.milliseconds(first, second), second.at - first.at < walking
            else { return nil }
            return DoubleUse(
                kind: .tooFast, first: first, second: second, isCertain: true, walkingMilliseconds: walking)
        }
    }
}

/// How many double uses there are to tell of.
struct DoubleUseCounts: Hashable, Sendable {
    /// Certain ones that were found within the last `alerts.double_use_minutes`.
    var recent = 0
    /// When the first of these was found.
    var recentSinceMilliseconds: Int64?
}
