import Admission
import Framing
import Posix

/// What of an instant somebody has to look at: from the books, what lanes' newest records say, and the site's limits.
/// Pure; `AlertBook` makes states of it.
struct AlertConditions {
    var settings: CollectorSettings
    var lanes: [LaneBook] = []
    var balances: [ShortName: Balance] = [:]
    var facts: [ShortName: LaneFacts] = [:]
    var rates: [ShortName: LaneRates] = [:]
    /// Lanes that were taken away with `lane remove`.
    var removed: Set<ShortName> = []
    var inside: InsideList.Snapshot?
    var doubleUse = DoubleUseCounts()
    /// Whether what lanes send is stored.
    var isStoring = true
    /// Since when somebody watches, ms since 1970-01-01 UTC.
    var startedMilliseconds: Int64

    private typealias Condition = AlertBook.Condition
    private var limits: AlertLimits { settings.alerts }

    /// `now`: ms since 1970-01-01 UTC.
    func all(now: Int64) -> [AlertBook.Condition] {
        var found = expected(now).flatMap { ofLane($0, now) }
        found += zones
        found += flow(now)
        found += [insideNotKnown(now), insideWithoutKeys(now), twice].compactMap { $0 }
        return found
    }

    private func expected(_ now: Int64) -> [LaneBook] {
        let longest = Int64(limits.laneForgottenHours) * 3_600_000
        return lanes.filter { !removed.contains($0.name) && now - $0.lastSeenMilliseconds <= longest }
    }

    private func isSilent(_ lane: LaneBook, _ now: Int64) -> Bool {
        now - lane.lastSeenMilliseconds >= Int64(limits.laneOfflineSeconds) * 1000
    }

    private func title(_ lane: ShortName) -> String {
        let name = settings.lanes[lane]
        return "lane \(lane.text)" + (name.map { $0 == lane.text ? "" : " (\($0))" } ?? "")
    }

    // MARK: Lanes

    private func ofLane(_ lane: LaneBook, _ now: Int64) -> [Condition] {
        let isSilent = isSilent(lane, now)
        var found: [Condition] = []
        if isSilent { found.append(offline(lane, now)) }
        if let holes = holes(lane, now) { found.append(holes) }
        guard let facts = facts[lane.name] else { return found }
        var told = devices(lane.name, facts) + [clock(lane.name, facts), statement(lane.name, facts)].compactMap { $0 }
        if let journal = journal(lane.name, facts) { told.append(journal) }
        // What a silent lane said last may be otherwise by now.
        if isSilent { for index in told.indices { told[index].certainty = .unknown } }
        if let tailgating = tailgating(lane.name) { told.append(tailgating) }
        return found + told
    }

    private func offline(_ lane: LaneBook, _ now: Int64) -> Condition {
        let limit = limits.laneOfflineSeconds
        var condition = Condition(kind: .laneOffline, subject: Alert.Subject(kind: .lane, id: lane.name.text))
        condition.severity = .trouble
        condition.sinceMilliseconds = lane.lastSeenMilliseconds
        // While the collector was away, or stores nothing, a lane's silence is not the lane's.
        if !isStoring || now - startedMilliseconds < Int64(limit) * 1000 { condition.certainty = .unknown }
        condition.text =
            "\(title(lane.name)) said nothing since \(Timestamp.format(lane.lastSeenMilliseconds)); "
            + "one that works says something every 10 s, the limit is \(limit) s"
        condition.advice =
            "it decides by itself and keeps its records; look at its power, network and uplink: "
            + "`lanectl --lane \(lane.name.text) status`, `journalctl -u lanekeeper-uplink@\(lane.name.text)`; "
            + "a lane that was taken away: `lanekeeper-collector lane remove \(lane.name.text)`"
        return condition
    }

    private func devices(_ lane: ShortName, _ facts: LaneFacts) -> [Condition] {
        facts.lost.sorted { $0.key < $1.key }.compactMap { code, since in
            guard let device = Device(code: code) else { return nil }
            var condition = Condition(
                kind: .deviceLost, subject: Alert.Subject(kind: .device, id: "\(lane.text)/\(device.name)"))
            condition.severity = .trouble
            condition.sinceMilliseconds = since
            condition.holdMilliseconds = Int64(limits.deviceSeconds) * 1000
            condition.text = "\(device.name) of \(title(lane)) is lost since \(Timestamp.format(since))"
            condition.advice =
                "its cable and power; `lanectl --lane \(lane.text) status` names the port; it comes back by itself"
            return condition
        }
    }

    private func clock(_ lane: ShortName, _ facts: LaneFacts) -> Condition? {
        guard facts.clock != .trusted else { return nil }
        var condition = Condition(kind: .clockNotTrusted, subject: Alert.Subject(kind: .lane, id: lane.text))
        condition.holdMilliseconds = Int64(limits.clockSeconds) * 1000
        condition.text = "the clock of \(title(lane)) is not trusted: \(facts.clock.words)"
        condition.advice =
            "entrances refuse while it is so, unless the policy says otherwise: time synchronisation of the controller; "
            + "`lanectl --lane \(lane.text) clock confirm` when its time is right"
        return condition
    }

    private func statement(_ lane: ShortName, _ facts: LaneFacts) -> Condition? {
        guard let decided = facts.decidedMilliseconds else { return nil }
        let limit = Int64(limits.statementSeconds)
        var condition = Condition(kind: .statementOld, subject: Alert.Subject(kind: .lane, id: lane.text))
        condition.sinceMilliseconds = decided
        condition.advice =
            "its uplink fetches one every 30 s: `journalctl -u lanekeeper-uplink@\(lane.text)`; "
            + "`lanectl --lane \(lane.text) status` says why it was not believed"
        guard let statement = facts.statementMilliseconds else {
            condition.text = "\(title(lane)) decided without any signed statement at \(Timestamp.format(decided))"
            return condition
        }
        let age = (decided &- statement) / 1000
        guard age > limit else { return nil }
        condition.text =
            "\(title(lane)) decided by a statement \(age) s old at \(Timestamp.format(decided)); the limit is \(limit) s"
        condition.figures = [Alert.Figure(name: "age_seconds", value: age)]
        return condition
    }

    private func journal(_ lane: ShortName, _ facts: LaneFacts) -> Condition? {
        var condition = Condition(kind: .journalFilling, subject: Alert.Subject(kind: .lane, id: lane.text))
        switch facts.cause {
        case .journalFull:
            condition.text = "the journal of \(title(lane)) is full: it is out of service until records are stored"
        case .journalFault: condition.text = "\(title(lane)) cannot write its journal: it is out of service"
        default: return nil
        }
        condition.severity = .trouble
        condition.advice =
            "the connection to the collector, and the disk of the controller: `lanectl --lane \(lane.text) status`, `df`"
        return condition
    }

    private func holes(_ lane: LaneBook, _ now: Int64) -> Condition? {
        guard let facts = facts[lane.name], facts.missing > 0 else { return nil }
        let awaited = lane.ledger.awaited
        let isLong = now - facts.missingGrewMilliseconds > Int64(limits.holesHours) * 3_600_000
        guard awaited > 0 || !isLong else { return nil }
        var condition = Condition(kind: .holes, subject: Alert.Subject(kind: .lane, id: lane.name.text))
        condition.sinceMilliseconds = facts.missingSinceMilliseconds
        condition.holdMilliseconds = Int64(limits.holesSeconds) * 1000
        condition.text =
            "\(facts.missing) records of \(title(lane.name)) are missing, \(awaited) of them may still come"
        condition.advice =
            "/v1/lanes names them; what cannot come was damaged or lost with a disk: "
            + "`lanekeeper-collector reconcile --lane \(lane.name.text)` says what it changes in the counts"
        condition.figures = [
            Alert.Figure(name: "missing", value: Int64(clamping: facts.missing)),
            Alert.Figure(name: "awaited", value: Int64(clamping: awaited)),
        ]
        return condition
    }

    private func tailgating(_ lane: ShortName) -> Condition? {
        guard let rate = rates[lane], rate.tailgating >= limits.tailgatingLeast else { return nil }
        let percent = rate.tailgating * 100 / max(1, rate.passages)
        let limit = Int64(limits.tailgatingPercent)
        guard percent * 5 >= limit * 4 else { return nil }
        var condition = Condition(kind: .tailgating, subject: Alert.Subject(kind: .lane, id: lane.text))
        condition.certainty = percent >= limit ? .holds : .lingers
        condition.releaseMilliseconds = 60_000
        condition.text =
            "\(rate.tailgating) tailgaters behind \(rate.passages) passages at \(title(lane)) in the last 15 min "
            + "(\(percent) %, the limit is \(limit) %)"
        condition.advice = "somebody should stand there; who was followed says GET /v1/records?lane=\(lane.text)"
        condition.figures = [
            Alert.Figure(name: "tailgating", value: rate.tailgating),
            Alert.Figure(name: "passages", value: rate.passages), Alert.Figure(name: "percent", value: percent),
        ]
        return condition
    }

    // MARK: Zones and entrances

    private var zones: [Condition] {
        settings.zoneLimits.sorted { $0.key.text < $1.key.text }.compactMap { zone, limit in
            let balance = balances[zone] ?? Balance()
            // The fuller of the two counts.
            return [
                limit.people.flatMap { near(zone, "people", balance.people, Int64($0)) },
                limit.vehicles.flatMap { near(zone, "vehicles", balance.vehicles, Int64($0)) },
            ].compactMap { $0 }.max { $0.percent < $1.percent }?.condition
        }
    }

    private func near(
        _ zone: ShortName, _ what: String, _ count: Int64, _ limit: Int64
    ) -> (percent: Int64, condition: Condition)? {
        let percent = count * 100 / max(1, limit)
        let threshold = Int64(limits.zonePercent)
        guard percent >= threshold - 3 else { return nil }
        var condition = Condition(kind: .zoneNearLimit, subject: Alert.Subject(kind: .zone, id: zone.text))
        condition.severity = percent >= 100 ? .trouble : .warning
        condition.certainty = percent >= threshold ? .holds : .lingers
        condition.holdMilliseconds = 5000
        condition.releaseMilliseconds = 5000
        let name = settings.zones[zone]?.english ?? zone.text
        condition.text =
            "\(count) \(what) are in \(name), which is for \(limit) (\(percent) %, told from \(threshold) %)"
        condition.advice =
            "send people elsewhere, or close its entrances; lanes refuse at a limit only where their policy says so"
        condition.figures = [
            Alert.Figure(name: what, value: count), Alert.Figure(name: "limit", value: limit),
            Alert.Figure(name: "percent", value: percent),
        ]
        return (percent, condition)
    }

    private struct Carried {
        var persons: Int64 = 0
        var capacity: Int64 = 0
        var lanes = 0
    }

    /// Entrances and exits apart: lanes that stand empty the other way help nobody.
    private func flow(_ now: Int64) -> [Condition] {
        let entrances = Entrances(settings.entranceOfLane)
        var carried: [String: Carried] = [:]
        for lane in expected(now) where !isSilent(lane, now) {
            guard let facts = facts[lane.name] else { continue }
            let way = "\(entrances.entrance(of: lane.name))/\(facts.to == .outside ? "out" : "in")"
            carried[way, default: Carried()].persons += rates[lane.name]?.persons ?? 0
            carried[way, default: Carried()].capacity += Int64(
                settings.personsPerMinuteOfLane[lane.name] ?? limits.personsPerMinute)
            carried[way, default: Carried()].lanes += 1
        }
        return carried.sorted { $0.key < $1.key }.compactMap { way, carried in
            let percent = carried.persons * 100 / max(1, carried.capacity * 5)
            let threshold = Int64(limits.flowPercent)
            guard percent >= threshold - 10 else { return nil }
            var condition = Condition(kind: .flowAboveCapacity, subject: Alert.Subject(kind: .entrance, id: way))
            condition.severity = percent >= 100 ? .trouble : .warning
            condition.certainty = percent >= threshold ? .holds : .lingers
            let perMinute = carried.persons / 5
            condition.text =
                "\(perMinute) persons a minute went through \(way) in the last full 5 min; its \(carried.lanes) "
                + "lanes that work carry \(carried.capacity) (\(percent) %, told from \(threshold) %)"
            condition.advice = "open more lanes there, or send people to another entrance: a queue is growing"
            condition.figures = [
                Alert.Figure(name: "persons_per_minute", value: perMinute),
                Alert.Figure(name: "capacity_per_minute", value: carried.capacity),
                Alert.Figure(name: "percent", value: percent),
            ]
            return condition
        }
    }

    // MARK: Who is inside

    private func insideNotKnown(_ now: Int64) -> Condition? {
        if let inside, inside.isKnown(at: now) { return nil }
        let since = inside?.asOfMilliseconds ?? startedMilliseconds
        var condition = Condition(kind: .insideNotKnown, subject: .site)
        condition.sinceMilliseconds = since
        condition.holdMilliseconds = InsideList.Snapshot.longestMilliseconds + 1
        condition.text =
            inside == nil
            ? "nobody has looked yet whether the keys of those inside turn"
            : "nobody has looked since then whether the keys of those inside turn"
        condition.advice =
            inside == nil
            ? "is an image published? `lanekeeper-collector images`; else the collector's log says what fails"
            : "the collector's log says what fails: `who is inside: …`"
        return condition
    }

    private func insideWithoutKeys(_ now: Int64) -> Condition? {
        var condition = Condition(kind: .insideWithoutKeys, subject: .site)
        guard let inside, inside.isKnown(at: now) else {
            condition.certainty = .unknown
            return condition
        }
        guard inside.count > 0 else { return nil }
        condition.sinceMilliseconds = inside.sinceMilliseconds
        condition.text = "\(inside.count) of \(inside.onSite) holders on site have keys that do not turn"
        condition.advice =
            "who they are and where they came in says GET /v1/inside or /v1/inside.csv, with an operator's token; "
            + "the alert ends when they have left, or their keys turn again"
        condition.figures =
            [Alert.Figure(name: "count", value: Int64(inside.count))]
            + (0..<4).map {
                Alert.Figure(
                    name: "by_key.\(HolderKeys.names[$0].replacing(" ", with: "-"))", value: Int64(inside.byKey[$0]))
            }
        return condition
    }

    private var twice: Condition? {
        guard doubleUse.recent > 0 else { return nil }
        var condition = Condition(kind: .doubleUse, subject: .site)
        condition.sinceMilliseconds = doubleUse.recentSinceMilliseconds
        condition.text =
            "\(doubleUse.recent) double uses of badges were found in the last \(limits.doubleUseMinutes) min: one holder "
            + "inside twice, or at two lanes faster than a person walks"
        condition.advice = "who says GET /v1/double-use or /v1/double-use.csv, with an operator's token"
        condition.figures = [Alert.Figure(name: "count", value: Int64(doubleUse.recent))]
        return condition
    }
}

extension ClockTrust {
    fileprivate var words: String {
        switch self {
        case .trusted: "trusted"
        case .behindFloor: "it is behind what was signed or recorded before"
        case .aheadOfSignedTime: "it is more than 5 min ahead of signed time"
        case .stepped: "it jumped by more than 2 s"
        }
    }
}

extension StoredThroughLedger {
    /// Of what is missing, what nobody has said can never come.
    var awaited: UInt64 {
        var awaited: UInt64 = 0
        for state in epochs.values where state.missing > 0 {
            let known = state.stored.union(state.passedOver)
            for gap in known.gaps(in: 1...state.knownEnd) {
                let (sum, isTooMany) = awaited.addingReportingOverflow(gap.upperBound - gap.lowerBound + 1)
                awaited = isTooMany ? .max : sum
            }
        }
        return awaited
    }
}
