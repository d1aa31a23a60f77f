import Admission
import Framing
import Posix
import Synchronization

/// What an operator put right of a count, with his name and his reason: an entry of `audit` and a row of `correction` in
/// `site.sqlite`. What was counted stays as it was counted; `/v1/tallies` shows both.
///
/// Of a zone it is how many people or vehicles are in it: from then on they are more or fewer by that, wherever that is shown,
/// told to lanes, or compared with a limit.
public struct Correction: Hashable, Sendable {
    /// The counts that can be corrected, by their names in `/v1/tallies`.
    public static let counters = counterNames.map(\.0)
    static let counterNames: [(String, Counter)] = [
        ("in", .peopleIn), ("out", .peopleOut), ("vehicles_in", .vehiclesIn), ("vehicles_out", .vehiclesOut),
        ("presented", .presented), ("admitted", .admitted), ("refused", .refused), ("passed", .passed),
    ]
    /// What can be corrected of a zone.
    public static let zoneCounters = Zone.allCases.map(\.name)
    public static let greatest = 1_000_000

    /// Raw values stand in the database, beside those of `Counter`.
    enum Zone: Int64, CaseIterable {
        case people = 200
        case vehicles = 201

        var name: String { self == .people ? "people" : "vehicles" }
    }

    var entry: Int64
    var atMilliseconds: Int64
    var who: String
    var reason: String
    /// nil: of the site as a whole, or of a zone.
    var lane: String?
    /// nil: of a count.
    var zone: ShortName?
    /// The site day's number.
    var day: Int64
    var counter: String
    /// To be added.
    var count: Int64

    /// Records a correction, `serve` shows it within a second. `day`: `2026-11-21` at the site, nil: today. Returns what was
    /// done, as a line.
    ///
    /// `zone`: whose people or vehicles now are meant; then there is no lane and no day.
    public static func add(
        _ settings: CollectorSettings, _ counter: String, by count: Int, lane: String?, day: String?,
        zone: String? = nil, reason: String, who: String
    ) throws(CollectorFailure) -> String {
        let now = SystemClock.wallMilliseconds()
        let code =
            zone == nil
            ? counterNames.first { $0.0 == counter }.map { Int64($0.1.rawValue) }
            : Zone.allCases.first { $0.name == counter }?.rawValue
        guard let code else {
            let isZones = zone == nil && zoneCounters.contains(counter)
            throw CollectorFailure(
                "correct", "'\(counter)'", zone == nil ? "it is no count that can be" : "it is no count of a zone",
                advice: isZones
                    ? "say of which zone, with --zone"
                    : (zone == nil ? counters : zoneCounters).joined(separator: ", ") + " can")
        }
        if let zone {
            guard lane == nil, day == nil else {
                throw CollectorFailure(
                    "correct", "zone '\(zone)'", "how many are in it now is of no lane and no day",
                    advice: "leave --lane and --day out")
            }
            try checkKnown(zone: zone, settings)
        }
        guard count != 0 else { throw CollectorFailure("correct", counter, "by 0 nothing is corrected") }
        if let lane, ShortName(lane).map(IntakeBatch.isLaneID) != true {
            throw CollectorFailure(
                "correct", "lane '\(lane)'", "that is no lane's id", advice: "1 to 31 of a-z, 0-9 and -")
        }
        guard OneLineName.isOne(reason, most: 200), reason.contains(where: { !$0.isWhitespace }) else {
            throw CollectorFailure(
                "correct", counter, "the reason is empty, or longer than a line of 200 characters",
                advice: "say why, in a line")
        }
        var number = settings.calendar.day(ofMilliseconds: now)
        if let day {
            guard let given = SiteCalendar.day(day) else {
                throw CollectorFailure("correct", "the day '\(day)'", "it is none", advice: "write it as 2026-11-21")
            }
            guard given <= number else {
                throw CollectorFailure(
                    "correct", "the day \(day)", "it has not come yet", advice: "write the day that was counted wrong")
            }
            number = given
        }
        if let lane { try Self.checkKnown(lane, settings) }
        let sign = count > 0 ? "+" : ""
        let what =
            "\(counter) \(sign)\(count), \(lane.map { "lane \($0)" } ?? zone.map { "zone \($0)" } ?? "the site"), "
            + SiteCalendar.text(day: number)
        let database = try settings.data.openSite().database
        let entry = try database.transaction { () throws(CollectorFailure) in
            let entry = try AuditTrail(database).add(who, "correct", "\(what): \(reason)", at: now)
            let insert = try database.prepare(
                "INSERT INTO correction(audit, day, lane, counter, count, reason, zone) VALUES(?,?,?,?,?,?,?)")
            insert.bind(1, entry)
            insert.bind(2, number)
            if let lane { insert.bind(3, lane) } else { insert.bind(3, nil as Int64?) }
            if let zone { insert.bind(7, zone) } else { insert.bind(7, nil as Int64?) }
            insert.bind(4, code)
            insert.bind(5, count)
            insert.bind(6, reason)
            try insert.run()
            return entry
        }
        return "entry \(entry): \(what)\n"
    }
}

extension Correction {
    /// A lane that stands neither in the configuration nor in what was ever sent is a slip.
    fileprivate static func checkKnown(_ lane: String, _ settings: CollectorSettings) throws(CollectorFailure) {
        if let name = ShortName(lane), settings.lanes[name] != nil { return }
        let select = try Database(settings.data.intakeDatabase, .readOnly).prepare("SELECT 1 FROM lane WHERE name = ?")
        select.bind(1, lane)
        guard try select.step() else {
            throw CollectorFailure(
                "correct", "lane '\(lane)'", "nothing was ever heard of it", advice: "see the ids at GET /v1/lanes")
        }
    }
}

extension Correction {
    /// One that neither the configuration nor anybody's passage names is a slip.
    fileprivate static func checkKnown(zone: String, _ settings: CollectorSettings) throws(CollectorFailure) {
        guard let name = ShortName(zone), name != .outside else {
            throw CollectorFailure("correct", "zone '\(zone)'", "it is no zone of the site")
        }
        if settings.zones[name] != nil { return }
        let select = try Database(settings.data.intakeDatabase, .readOnly).prepare(
            "SELECT 1 FROM balance WHERE zone = ?")
        select.bind(1, zone)
        guard try select.step() else {
            throw CollectorFailure(
                "correct", "zone '\(zone)'", "nobody was ever in it, and the configuration does not name it",
                advice: "see the zones at GET /v1/tallies")
        }
    }
}

/// The corrections as `serve` shows them: looked for once a second by its main thread, read by all.
final class CorrectionBook: Sendable {
    private let database: Database
    private let known = Mutex<[Correction]>([])
    private let version = Mutex<Int64?>(nil)

    init(_ directory: SiteDirectory) throws(CollectorFailure) { database = try directory.openSite().database }

    /// In the order in which they were made.
    var all: [Correction] { known.withLock { $0 } }

    /// To be called by one thread. Reads only when another program has written the database.
    func refresh() throws(CollectorFailure) {
        let current = try database.integer("PRAGMA data_version")
        guard version.withLock({ $0 != current }) else { return }
        let select = try database.prepare(
            """
            SELECT correction.audit, audit.at, audit.who, reason, lane, day, counter, count, zone
            FROM correction JOIN audit ON audit.id = correction.audit ORDER BY correction.audit
            """)
        var found: [Correction] = []
        while try select.step() {
            let code = select.integer(6)
            let zone = select.isNull(8) ? nil : ShortName(select.text(8))
            let counter =
                zone == nil
                ? Correction.counterNames.first { Int64($0.1.rawValue) == code }?.0
                : Correction.Zone(rawValue: code)?.name
            guard let counter else { continue }
            found.append(
                Correction(
                    entry: select.integer(0), atMilliseconds: select.integer(1), who: select.text(2),
                    reason: select.text(3), lane: select.isNull(4) ? nil : select.text(4), zone: zone,
                    day: select.integer(5), counter: counter, count: select.integer(7)))
        }
        known.withLock { $0 = found }
        version.withLock { $0 = current }
    }
}

extension [Correction] {
    /// What was counted with what was corrected of it; `day`: only corrections of that day.
    func added(to tally: Tally, day: Int64? = nil) -> Tally {
        var corrected = tally
        for correction in self where correction.zone == nil && (day == nil || correction.day == day) {
            guard let counter = Correction.counterNames.first(where: { $0.0 == correction.counter })?.1 else {
                continue
            }
            corrected[counter] = Tally.bounded(corrected[counter] &+ correction.count)
        }
        return corrected
    }

    /// The same by the names of `/v1/tallies`.
    func applied(to tally: Tally, day: Int64? = nil) -> JSONText {
        let corrected = added(to: tally, day: day)
        var members: [(String, JSONText)] = Correction.counterNames.map { ($0.0, .number(corrected[$0.1])) }
        if day == nil {
            members += [
                ("on_site_people", .number(corrected.onSitePeople)),
                ("on_site_vehicles", .number(corrected.onSiteVehicles)),
            ]
        }
        return .object(members)
    }

    /// How many are in each zone, with what was corrected of it.
    func added(to balances: [ShortName: Balance]) -> [ShortName: Balance] {
        var corrected = balances
        for correction in self {
            guard let zone = correction.zone else { continue }
            let isVehicle = correction.counter == Correction.Zone.vehicles.name
            corrected[zone, default: Balance()].add(correction.count, isVehicle: isVehicle)
        }
        return corrected
    }

    /// The newest ones, each as what and by how much. `isNamed`: who and why, too; a reason may name anybody.
    func json(isNamed: Bool) -> JSONText {
        .array(
            suffix(100).map { correction in
                .object(
                    [
                        ("entry", .number(correction.entry)),
                        ("at", .text(Timestamp.format(correction.atMilliseconds))),
                    ]
                        + (isNamed ? [("who", .text(correction.who)), ("reason", .text(correction.reason))] : [])
                        + [
                            ("lane", correction.lane.map { .text($0) } ?? .null),
                            ("zone", correction.zone.map { .text($0.text) } ?? .null),
                            ("day", .text(SiteCalendar.text(day: correction.day))),
                            ("counter", .text(correction.counter)), ("count", .number(correction.count)),
                        ])
            })
    }
}
