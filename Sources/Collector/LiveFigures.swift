import Admission
import Posix

/// What the live stream says next: all of it, or what changed since it was asked before.
///
/// The flow of a day grows by one five minutes after another, but a lane that was cut off tells of earlier ones when it
/// comes back: all 288 are looked at each time, one row of the database each.
struct LiveFigures {
    /// Numbers with their instant and the day's flow, ready to be sent.
    struct Piece {
        /// The whole day's flow is in it.
        var whole: [UInt8]
        /// Of the flow only what changed.
        var change: [UInt8]
        /// Whether anything did.
        var isNews: Bool
    }

    private let counts: FiveMinuteCounts
    private let settings: CollectorSettings
    /// Which document and script belong to these figures.
    private let page: String
    private var day: Int64?
    /// Seconds since 1970 at which the day begins and ends.
    private var seconds: Range<Int64> = 0..<0
    private var flow: [Int64: [Int64]] = [:]
    private var said: [UInt8] = []
    private var number: UInt64 = 0
    /// Streams of an earlier start have other numbers.
    private let start: Int64

    init(_ intake: Database, _ settings: CollectorSettings, page: String, now: Int64) throws(CollectorFailure) {
        counts = try FiveMinuteCounts(intake)
        self.settings = settings
        self.page = page
        start = now
    }

    /// nil: nothing changed since the last time, and `isWanted` is false.
    mutating func next(_ figures: ScreenFigures, now: Int64, isWanted: Bool) throws(CollectorFailure) -> Piece? {
        // Nobody may add a day's change to the flow of the day before.
        let isNewDay = day != figures.day
        let calendar = settings.calendar
        let seconds =
            isNewDay
            ? calendar.start(ofDay: figures.day) / 1000..<calendar.start(ofDay: figures.day + 1) / 1000 : self.seconds
        let members = try figures.members(now: now) { (entrance) throws(CollectorFailure) in
            try counts.recent(of: entrance.lanes, now: now).entries
        }
        let changed = try changedFlow(since: isNewDay ? [:] : flow, seconds)
        // Everything was read: what is noted from here on is said. What a failure kept from being said is still news then.
        let text = JSONText.object(members).bytes
        let isNews = isNewDay || !changed.isEmpty || text != said
        if isNewDay { (day, self.seconds, flow) = (figures.day, seconds, [:]) }
        flow.merge(changed) { $1 }
        guard isWanted || isNews else { return nil }
        said = text
        number += 1
        let head: [(String, JSONText)] = [
            ("as_of", .text(Timestamp.format(now))), ("as_of_ms", .number(now)), ("page", .text(page)),
            ("begins_ms", .number(seconds.lowerBound * 1000)), ("ends_ms", .number(seconds.upperBound * 1000)),
        ]
        let whole = event("whole", head + members + [("flow", json(of: flow.keys.sorted()))])
        return Piece(
            whole: whole,
            change: isNewDay ? whole : event("change", head + members + [("flow", json(of: changed.keys.sorted()))]),
            isNews: isNews)
    }

    /// What a stream says when nothing changes: that it is not cut off. A comment for whoever reads none but events of
    /// their kind.
    static func beat(now: Int64) -> [UInt8] {
        Array(": still here\nevent: beat\ndata: {\"as_of_ms\":\(now)}\n\n".utf8)
    }

    private func event(_ name: String, _ members: [(String, JSONText)]) -> [UInt8] {
        // A browser whose stream ended asks again after `retry` ms.
        Array("event: \(name)\nid: \(start)-\(number)\nretry: 1000\ndata: ".utf8) + JSONText.object(members).bytes
            + Array("\n\n".utf8)
    }

    // MARK: Flow

    private static let counters: [(String, Counter)] = [
        ("in", .peopleIn), ("out", .peopleOut), ("vehicles_in", .vehiclesIn), ("vehicles_out", .vehiclesOut),
    ]

    /// The five minutes of the day that are not as they were known, as they are.
    private func changedFlow(
        since known: [Int64: [Int64]], _ seconds: Range<Int64>
    ) throws(CollectorFailure) -> [Int64: [Int64]] {
        var changed: [Int64: [Int64]] = [:]
        for start in stride(from: seconds.lowerBound, to: seconds.upperBound, by: 300) {
            guard let tally = try counts.tally(lane: 0, start: start) else { continue }
            let values = Self.counters.map { tally[$0.1] }
            guard known[start] != values, known[start] != nil || values.contains(where: { $0 != 0 }) else { continue }
            changed[start] = values
        }
        return changed
    }

    private func json(of starts: [Int64]) -> JSONText {
        .array(
            starts.map { start in
                .object(
                    [("at_ms", .number(start * 1000))]
                        + zip(Self.counters, flow[start] ?? []).map { ($0.0.0, .number($0.1)) })
            })
    }
}
