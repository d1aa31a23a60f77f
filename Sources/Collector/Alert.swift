import Posix

/// What somebody has to look at: a state with a beginning and, once it is over, an end. Counts, no names of people.
struct Alert: Hashable, Sendable {
    /// What it is of. Words of the API and of the database: they do not change.
    enum Kind: String, CaseIterable, Sendable {
        case laneOffline = "lane-offline"
        case daemonSilent = "daemon-silent"
        case laneHangs = "lane-hangs"
        case statementOld = "statement-old"
        case deviceLost = "device-lost"
        case journalFilling = "journal-filling"
        case holes = "holes"
        case clockNotTrusted = "clock-not-trusted"
        case tailgating = "tailgating"
        case zoneNearLimit = "zone-near-limit"
        case insideWithoutKeys = "inside-without-keys"
        case insideNotKnown = "inside-not-known"
        case flowAboveCapacity = "flow-above-capacity"
        case doubleUse = "double-use"
    }

    /// `trouble`: people wait, or records may be lost, if nobody does anything.
    enum Severity: String, CaseIterable, Sendable, Comparable {
        case notice, warning, trouble

        static func < (one: Self, other: Self) -> Bool { one.rank < other.rank }
        private var rank: Int { self == .notice ? 0 : self == .warning ? 1 : 2 }
    }

    /// Whose state it is; there is one alert at a time for each kind and subject.
    struct Subject: Hashable, Sendable {
        enum Kind: String, CaseIterable, Sendable { case site, lane, device, zone, entrance }

        var kind: Kind
        /// A lane's id, `<lane>/<device>`, a zone's or an entrance's name; empty for the site.
        var id: String

        static let site = Subject(kind: .site, id: "")

        /// The id of the lane whose state it is, or whose device's.
        var lane: String? {
            switch kind {
            case .lane: id
            case .device: String(id.prefix { $0 != "/" })
            case .site, .zone, .entrance: nil
            }
        }
    }

    /// A number that it says, by its name in the answer; `by_key.vaccine` is the member `vaccine` of `by_key`.
    struct Figure: Hashable, Sendable {
        var name: String
        var value: Int64
    }

    /// Never used again.
    var id: Int64
    var kind: Kind
    var subject: Subject
    var severity: Severity
    /// Since when it was so, ms since 1970-01-01 UTC.
    var sinceMilliseconds: Int64
    /// Since when it is no longer so; nil: it stands.
    var untilMilliseconds: Int64?
    /// Its place among those that ended, from 1 on; never used again.
    var ending: Int64?
    /// What is so, with numbers and units; of one that ended, as it was last.
    var text: String
    /// What to do.
    var advice: String
    var figures: [Figure] = []

    var json: JSONText {
        var members: [(String, JSONText)] = [
            ("id", .number(id)), ("kind", .text(kind.rawValue)), ("severity", .text(severity.rawValue)),
            ("subject", .object([("kind", .text(subject.kind.rawValue)), ("id", .text(subject.id))])),
            ("since", .text(Timestamp.format(sinceMilliseconds))), ("since_ms", .number(sinceMilliseconds)),
            ("until", untilMilliseconds.map { .text(Timestamp.format($0)) } ?? .null),
            ("until_ms", untilMilliseconds.map { .number($0) } ?? .null),
            ("text", .text(text)), ("advice", .text(advice)),
        ]
        if let ending { members.append(("ending", .number(ending))) }
        var nested: [(String, [(String, JSONText)])] = []
        for figure in figures {
            let parts = figure.name.split(separator: ".", maxSplits: 1).map(String.init)
            guard parts.count == 2 else {
                members.append((figure.name, .number(figure.value)))
                continue
            }
            if let place = nested.firstIndex(where: { $0.0 == parts[0] }) {
                nested[place].1.append((parts[1], .number(figure.value)))
            } else {
                nested.append((parts[0], [(parts[1], .number(figure.value))]))
            }
        }
        return .object(members + nested.map { ($0.0, .object($0.1)) })
    }
}
