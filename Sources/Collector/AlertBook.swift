/// Which alerts stand and which ended: a state machine that is told, a time at a time, which conditions hold.
///
///                  holds                    held for `holdMilliseconds`
///     (nothing) ─────────► noticed ──────────────────────────────────────► stands ──► still holds: says it anew
///         ▲                   │ holds no longer                            │    ▲
///         └───────────────────┘                                            │    │ holds again
///         ▲                                       holds no longer ▼    │
///         └──────────────── ended ◄── not for `releaseMilliseconds` ── ceasing
///
/// A condition near its threshold neither begins an alert nor ends it (`isLingering`), and one of which nothing is known
/// just now neither (`isUnknown`): so an alert that stood when the collector stopped stands on, with its old beginning,
/// until somebody knows better.
struct AlertBook: Sendable {
    /// What holds at one instant.
    struct Condition: Sendable {
        var kind: Alert.Kind
        var subject: Alert.Subject
        var severity: Alert.Severity = .warning
        /// Since when it is so, where that is known; else from when it was first told.
        var sinceMilliseconds: Int64?
        /// How long it must be so before an alert begins.
        var holdMilliseconds: Int64 = 0
        /// How long it must not be so before the alert ends.
        var releaseMilliseconds: Int64 = 0
        var certainty = Certainty.holds
        var text = ""
        var advice = ""
        var figures: [Alert.Figure] = []

        enum Certainty: Sendable {
            case holds
            /// Back below the threshold, but not by enough: an alert that stands stands on.
            case lingers
            /// Nothing is known of it just now: an alert that stands stands on, as it was.
            case unknown
        }
    }

    /// In this order to the store.
    enum Effect: Hashable, Sendable {
        case begin(Alert)
        /// It stands on and says something else.
        case change(Alert)
        case end(Alert)
    }

    /// More conditions than that are not taken in: a site of 10,000 lanes with two troubles each.
    static let mostStanding = 20_000
    /// What is kept of those that ended, newest last.
    static let mostEnded = 10_000

    private struct Key: Hashable {
        var kind: Alert.Kind
        var subject: Alert.Subject
    }

    private struct Standing {
        var alert: Alert
        var releaseMilliseconds: Int64
        /// Since when it does not hold.
        var ceased: Int64?
    }

    private var noticed: [Key: Int64] = [:]
    private var standingByKey: [Key: Standing] = [:]
    private(set) var ended: [Alert] = []
    private var nextID: Int64
    private var nextEnding: Int64

    /// As a store gives it back: those that stand and those that ended, in the order of their ends.
    init(standing: [Alert] = [], ended: [Alert] = [], nextID: Int64 = 1) {
        nextEnding = (ended.compactMap(\.ending).max() ?? 0) + 1
        for alert in standing {
            standingByKey[Key(kind: alert.kind, subject: alert.subject)] = Standing(
                alert: alert, releaseMilliseconds: 0)
        }
        self.ended = ended.suffix(Self.mostEnded)
        self.nextID = nextID
    }

    /// The worst first, then the oldest.
    var standing: [Alert] {
        standingByKey.values.map(\.alert).sorted {
            ($1.severity, $0.sinceMilliseconds, $0.id) < ($0.severity, $1.sinceMilliseconds, $1.id)
        }
    }

    func stands(_ kind: Alert.Kind, _ subject: Alert.Subject) -> Bool {
        standingByKey[Key(kind: kind, subject: subject)] != nil
    }

    /// `conditions`: all that hold now; what is not among them does not, unless `isUnknown` says that nobody can tell. `now`:
    /// ms since 1970-01-01 UTC; it may go back.
    mutating func step(
        _ conditions: [Condition], now: Int64,
        isUnknown: (Alert.Kind, Alert.Subject) -> Bool = { _, _ in false }
    ) -> [Effect] {
        var effects: [Effect] = []
        var met: Set<Key> = []
        var stillNoticed: [Key: Int64] = [:]
        for condition in conditions {
            let key = Key(kind: condition.kind, subject: condition.subject)
            guard met.insert(key).inserted else { continue }
            if standingByKey[key] != nil {
                if let change = goOn(key, condition) { effects.append(change) }
                continue
            }
            guard condition.certainty == .holds else {
                // What was noticed waits for what is known next.
                if condition.certainty == .unknown { stillNoticed[key] = noticed[key].map { min($0, now) } }
                continue
            }
            let since = min(noticed[key] ?? now, condition.sinceMilliseconds ?? now, now)
            guard now - since >= condition.holdMilliseconds else {
                stillNoticed[key] = since
                continue
            }
            guard standingByKey.count < Self.mostStanding else { continue }
            effects.append(begin(key, condition, since))
        }
        noticed = stillNoticed
        for (key, standing) in standingByKey where !met.contains(key) && !isUnknown(key.kind, key.subject) {
            let ceased = min(standing.ceased ?? now, now)
            guard now - ceased >= standing.releaseMilliseconds else {
                standingByKey[key]?.ceased = ceased
                continue
            }
            effects.append(end(key, standing.alert, at: ceased))
        }
        return effects
    }

    /// Those that ended before are no longer given.
    mutating func forget(endedBefore instant: Int64) {
        ended.removeAll { ($0.untilMilliseconds ?? instant) < instant }
    }

    private mutating func begin(_ key: Key, _ condition: Condition, _ since: Int64) -> Effect {
        let alert = Alert(
            id: nextID, kind: key.kind, subject: key.subject, severity: condition.severity, sinceMilliseconds: since,
            text: condition.text, advice: condition.advice, figures: condition.figures)
        nextID += 1
        standingByKey[key] = Standing(alert: alert, releaseMilliseconds: condition.releaseMilliseconds)
        return .begin(alert)
    }

    private mutating func goOn(_ key: Key, _ condition: Condition) -> Effect? {
        standingByKey[key]?.ceased = nil
        guard condition.certainty != .unknown, var standing = standingByKey[key] else { return nil }
        let before = standing.alert
        standing.alert.severity = condition.severity
        standing.alert.text = condition.text
        standing.alert.advice = condition.advice
        standing.alert.figures = condition.figures
        standing.releaseMilliseconds = condition.releaseMilliseconds
        standingByKey[key] = standing
        return standing.alert == before ? nil : .change(standing.alert)
    }

    private mutating func end(_ key: Key, _ alert: Alert, at ceased: Int64) -> Effect {
        var alert = alert
        alert.untilMilliseconds = max(ceased, alert.sinceMilliseconds)
        alert.ending = nextEnding
        nextEnding += 1
        standingByKey[key] = nil
        ended.append(alert)
        if ended.count > Self.mostEnded { ended.removeFirst(ended.count - Self.mostEnded) }
        return .end(alert)
    }
}
