import Admission
import Framing
import Wording

/// What the wall screen shows, of the books at one instant: counts as `/v1/tallies` has them, nobody's name or number.
struct ScreenFigures {
    /// A lane that told nothing for so long is shown as silent; one that has nothing to tell says so every 10 s.
    static let silentMilliseconds: Int64 = 60_000
    /// What a screen has room for; how many there are is said beside them.
    static let mostEntrances = 24
    static let mostNamed = 8

    private let snapshot: Intake.Snapshot
    private let settings: CollectorSettings
    private let inside: InsideList.Snapshot?
    private let corrections: [Correction]
    private let isStoring: Bool

    /// `inside`: nil when nobody has looked yet, or not for long.
    init(
        _ snapshot: Intake.Snapshot, _ settings: CollectorSettings, inside: InsideList.Snapshot? = nil,
        corrections: [Correction] = [], isStoring: Bool = true
    ) {
        self.isStoring = isStoring
        self.snapshot = snapshot
        self.settings = settings
        self.inside = inside
        self.corrections = corrections
    }

    var day: Int64 { snapshot.day }

    // MARK: Zones, badges, reasons

    /// Each zone of the site that somebody was in or that the configuration names, by its name.
    var zones: JSONText {
        let corrected = corrections.added(to: snapshot.site.balances)
        let names = Set(corrected.keys).union(settings.zones.keys).subtracting([.outside])
        return .array(
            names.sorted { $0.text < $1.text }.map { zone in
                let counted = snapshot.site.balances[zone] ?? Balance()
                let balance = corrected[zone] ?? Balance()
                let limit = settings.zoneLimits[zone]
                return .object([
                    ("zone", .text(zone.text)),
                    ("name_zh", .text(settings.zones[zone]?.chinese ?? zone.text)),
                    ("name_en", .text(settings.zones[zone]?.english ?? zone.text)),
                    ("people", .number(balance.people)),
                    ("vehicles", .number(balance.vehicles)),
                    ("counted_people", .number(counted.people)),
                    ("counted_vehicles", .number(counted.vehicles)),
                    ("limit", limit?.people.map { .number($0) } ?? .null),
                    ("vehicle_limit", limit?.vehicles.map { .number($0) } ?? .null),
                    ("percent", Self.percent(balance.people, of: limit?.people)),
                    ("vehicle_percent", Self.percent(balance.vehicles, of: limit?.vehicles)),
                ])
            })
    }

    /// Of the limit, rounded down; nobody is less than nobody.
    private static func percent(_ count: Int64, of limit: Int?) -> JSONText {
        limit.map { .number(max(0, count) * 100 / Int64(max(1, $0))) } ?? .null
    }

    // MARK: Occupancy

    /// Until when every lane has told what happened at it, ms since 1970-01-01 UTC; nil while what they tell is not stored.
    func knownThrough(now: Int64) -> Int64? { isStoring ? SiteKnowledge.asOf(snapshot.lanes.values, now: now) : nil }

    /// Who is on site, as the wall screen says it, and in each zone.
    func occupancy(now: Int64) -> [(String, JSONText)] {
        let counted = corrections.added(to: snapshot.crossings)
        return [
            ("is_storing", .truth(isStoring)),
            ("is_corrected", .truth(!corrections.isEmpty)),
            ("silent_lanes", .number(silentLanes(now: now).count)),
            ("people", .number(counted.onSitePeople)), ("vehicles", .number(counted.onSiteVehicles)),
            ("zones", zones),
        ]
    }

    private func silentLanes(now: Int64) -> [LaneBook] {
        snapshot.lanes.values.filter { now - $0.lastSeenMilliseconds > Self.silentMilliseconds }
    }

    /// Badges of each kind: issued (in the image in force), activated (the fourth key turns), used (passed at least once).
    var badges: JSONText {
        guard let inside else { return .null }
        return .array(
            HolderKind.allCases.map { kind in
                let count = inside.badges[kind] ?? InsideList.Badges()
                return .object([
                    ("kind", .text("\(kind.name)")), ("issued", .number(count.issued)),
                    ("activated", .number(count.activated)), ("used", .number(count.used)),
                ])
            })
    }

    /// How often each key was a reason of a refusal, and what else was. One refusal may have several reasons.
    static func refusalsByKey(_ tally: Tally) -> JSONText {
        func count(_ reasons: Reasons) -> Int64 {
            Reasons.ordered.filter(reasons.contains).reduce(0) {
                $0 + tally[Counter.reason(bit: $1.rawValue.trailingZeroBitCount)]
            }
        }
        let known = Key.allCases.reduce(Reasons.temperature) { $0.union($1.reasons) }
        var others = Reasons()
        for reason in Reasons.ordered where !known.contains(reason) { others.insert(reason) }
        return .object(
            Key.allCases.map { ($0.name, .number(count($0.reasons))) }
                + [("temperature", .number(count(.temperature))), ("other", .number(count(others)))])
    }

    // MARK: Entrances

    struct Entrance {
        var id: ShortName
        var name: Bilingual
        /// Rows of its lanes.
        var lanes: [Int64] = []
        var peopleIn: Int64 = 0
        var peopleOut: Int64 = 0
        var vehiclesIn: Int64 = 0
        var vehiclesOut: Int64 = 0

        var entries: Int64 { peopleIn + vehiclesIn }

        mutating func add(_ lane: LaneBook) {
            lanes.append(lane.row)
            peopleIn = Tally.bounded(peopleIn &+ lane.today[.peopleIn])
            peopleOut = Tally.bounded(peopleOut &+ lane.today[.peopleOut])
            vehiclesIn = Tally.bounded(vehiclesIn &+ lane.today[.vehiclesIn])
            vehiclesOut = Tally.bounded(vehiclesOut &+ lane.today[.vehiclesOut])
        }

        var label: [(String, JSONText)] {
            [("entrance", .text(id.text)), ("name_zh", .text(name.chinese)), ("name_en", .text(name.english))]
        }

        var counts: [(String, JSONText)] {
            [
                ("lanes", .number(lanes.count)), ("entries", .number(entries)), ("in", .number(peopleIn)),
                ("out", .number(peopleOut)), ("vehicles_in", .number(vehiclesIn)),
                ("vehicles_out", .number(vehiclesOut)),
            ]
        }

        /// `recent`: how many came in during the last three five minutes, the running one among them.
        func json(recent: Int64?) -> JSONText {
            .object(label + counts + (recent.map { [("recent", .number($0))] } ?? []))
        }
    }

    /// The entrances that the configuration names, and each other lane by which somebody ever came in from outside: that
    /// with most today first.
    var entrances: [Entrance] {
        var found: [ShortName: Entrance] = [:]
        for (id, name) in settings.entrances { found[id] = Entrance(id: id, name: name) }
        for lane in snapshot.lanes.values {
            let id = settings.entranceOfLane[lane.name] ?? lane.name
            guard found[id] != nil || lane.all[.peopleIn] + lane.all[.vehiclesIn] > 0 else { continue }
            found[id, default: Entrance(id: id, name: name(of: lane))].add(lane)
        }
        return Self.ranked(found.values)
    }

    /// Every lane by itself, in the same order.
    var lanesRanked: [Entrance] {
        Self.ranked(
            snapshot.lanes.values.map { lane in
                var one = Entrance(id: lane.name, name: name(of: lane))
                one.add(lane)
                return one
            })
    }

    private func name(of lane: LaneBook) -> Bilingual {
        let name = settings.lanes[lane.name] ?? lane.name.text
        return Bilingual(name, name)
    }

    private static func ranked(_ entrances: some Sequence<Entrance>) -> [Entrance] {
        entrances.sorted { ($1.entries, $0.id.text) < ($0.entries, $1.id.text) }
    }

    // MARK: All of it

    /// `recent`: of an entrance, as `Entrance.json` says.
    func members(
        now: Int64, recent: (Entrance) throws(CollectorFailure) -> Int64
    ) throws(CollectorFailure) -> [(String, JSONText)] {
        let counted = SiteCounts(snapshot)
        let all = corrections.added(to: counted.all)
        let today = corrections.added(to: counted.today, day: day)
        let ranked = entrances
        var shown: [JSONText] = []
        for entrance in ranked.prefix(Self.mostEntrances) { shown.append(entrance.json(recent: try recent(entrance))) }
        return [
            ("day", .text(SiteCalendar.text(day: day))),
            ("time_zone", .text(settings.calendar.zone.identifier)),
            (
                "today",
                .object([
                    ("in", .number(today[.peopleIn])), ("out", .number(today[.peopleOut])),
                    ("vehicles_in", .number(today[.vehiclesIn])), ("vehicles_out", .number(today[.vehiclesOut])),
                    ("distinct_holders", .number(today[.distinctHolders])),
                    ("distinct_vehicles", .number(today[.distinctVehicles])),
                    ("refused", .number(today[.refused])),
                ])
            ),
            ("on_site_people", .number(all.onSitePeople)),
            ("on_site_vehicles", .number(all.onSiteVehicles)),
            ("is_storing", .truth(isStoring)),
            ("is_corrected", .truth(!corrections.isEmpty)),
            ("refusals_today_by_key", Self.refusalsByKey(counted.today)),
            ("zones", zones),
            ("entrances", .array(shown)),
            ("entrance_count", .number(ranked.count)),
            ("badges", badges),
            ("inside_without_keys", inside.map { .number($0.count) } ?? .null),
            ("lanes", lanes(now: now, missing: counted.missing)),
        ]
    }

    private func lanes(now: Int64, missing: UInt64) -> JSONText {
        let sorted = snapshot.lanes.values.sorted { $0.name.text < $1.name.text }
        func names(_ lanes: [LaneBook]) -> JSONText {
            .array(lanes.prefix(Self.mostNamed).map { .text(settings.lanes[$0.name] ?? $0.name.text) })
        }
        let silent = silentLanes(now: now).sorted { $0.name.text < $1.name.text }
        let tampered = sorted.filter { !$0.tampered.contacts.isEmpty }
        return .object([
            ("known", .number(sorted.count)),
            ("silent", .number(silent.count)), ("silent_names", names(silent)),
            ("tampered", .number(tampered.count)), ("tampered_names", names(tampered)),
            ("missing", .number(missing)),
        ])
    }
}
