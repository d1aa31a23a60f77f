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
    /// false: what lanes sent is still being read, and what is known of it may be over since long.
    var hasReadAll = true
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
        for index in found.indices {
            let lane = found[index].subject.lane ?? ""
            found[index].advice = found[index].kind.wording.advice(lane: lane).english
        }
        return found
    }

    private func expected(_ now: Int64) -> [LaneBook] {
        let longest = Int64(limits.laneForgottenHours) * 3_600_000
        return lanes.filter { !removed.contains($0.name) && now - $0.lastSeenMilliseconds <= longest }
    }

    private func isSilent(_ lane: LaneBook, _ now: Int64) -> Bool {
        now - lane.lastSeenMilliseconds >= Int64(limits.laneOfflineSeconds) * 1000
    }

    /// It still sends what happened long ago.
    private func isBehind(_ lane: LaneBook, _ now: Int64) -> Bool {
        now - lane.heardThroughMilliseconds >= Int64(limits.laneOfflineSeconds) * 1000
    }

    /// Whether what a lane said last is so now: it is not silent, and its word says it, or records that are of now.
    private func isKnown(_ lane: LaneBook, _ now: Int64) -> Bool {
        !isSilent(lane, now) && (lane.currentWord != nil || (hasReadAll && !isBehind(lane, now)))
    }

    /// States of which nothing is known at this instant: they are not among the conditions, and have not ended either.
    func unknown(now: Int64) -> (Alert.Kind, Alert.Subject) -> Bool {
        let lanes = Set(expected(now).filter { !isKnown($0, now) }.map(\.name.text))
        return { [hasReadAll] kind, subject in
            switch kind {
            case .deviceLost, .clockNotTrusted, .statementOld, .journalFilling:
                lanes.contains(String(subject.id.prefix { $0 != "/" }))
            case .doubleUse: !hasReadAll
            default: false
            }
        }
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
        guard facts[lane.name] != nil || lane.word != nil else { return found }
        let state = LaneState(
            lane, facts[lane.name] ?? LaneFacts(), areFactsOfNow: hasReadAll && !isBehind(lane, now))
        var told =
            devices(state) + [clock(state), statement(state, now), journal(state), hang(state)].compactMap { $0 }
        if !isKnown(lane, now) { for index in told.indices { told[index].certainty = .unknown } }
        if var silence = daemon(lane, now) {
            if isSilent { silence.certainty = .unknown }
            told.append(silence)
        }
        if let tailgating = tailgating(lane.name) { told.append(tailgating) }
        return found + told
    }

    /// What is known of a lane's state: by its word, which is newer than its records, as long as one comes with its batches.
    /// Else its records tell, and of what they do not tell nothing is known.
    private struct LaneState {
        let lane: ShortName
        let facts: LaneFacts
        let word: LaneWord?
        let isWordOfNow: Bool
        /// false: they are of a time long gone, and what began since they do not say.
        let areFactsOfNow: Bool

        init(_ book: LaneBook, _ facts: LaneFacts, areFactsOfNow: Bool) {
            self.areFactsOfNow = areFactsOfNow
            lane = book.name
            self.facts = facts
            word = book.word?.said
            isWordOfNow = book.currentWord != nil
        }

        var now: LaneWord? { isWordOfNow ? word : nil }
        var last: LaneWord? { isWordOfNow ? nil : word }
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
        return condition
    }

    private func daemon(_ lane: LaneBook, _ now: Int64) -> Condition? {
        guard let since = lane.wordlessSinceMilliseconds else { return nil }
        var condition = Condition(kind: .daemonSilent, subject: Alert.Subject(kind: .lane, id: lane.name.text))
        condition.severity = .trouble
        condition.sinceMilliseconds = since
        condition.holdMilliseconds = Int64(limits.daemonSilentSeconds) * 1000
        condition.text =
            "the daemon of \(title(lane.name)) says nothing since \(Timestamp.format(since)), while its uplink comes"
        return condition
    }

    private func hang(_ state: LaneState) -> Condition? {
        guard let word = state.word, word.flags.contains(.hangs) else { return nil }
        var condition = Condition(kind: .laneHangs, subject: Alert.Subject(kind: .lane, id: state.lane.text))
        condition.severity = .trouble
        if !state.isWordOfNow { condition.certainty = .unknown }
        condition.text =
            "\(title(state.lane)) hangs, most often in its disk: nobody is let in or counted there; the fire input opens it"
        return condition
    }

    private func devices(_ state: LaneState) -> [Condition] {
        let isLost = { (code: UInt8) in
            state.now.map { $0.isLost(code) } ?? (state.facts.lost[code] != nil || state.last?.isLost(code) == true)
        }
        return (0..<32 as Range<UInt8>).filter(isLost).compactMap { code in
            guard let device = Device(code: code) else { return nil }
            var condition = Condition(
                kind: .deviceLost, subject: Alert.Subject(kind: .device, id: "\(state.lane.text)/\(device.name)"))
            condition.severity = .trouble
            let since = state.areFactsOfNow || state.now == nil ? state.facts.lost[code] : nil
            condition.sinceMilliseconds = since
            condition.holdMilliseconds = Int64(limits.deviceSeconds) * 1000
            if state.now == nil && since == nil { condition.certainty = .unknown }
            condition.text =
                "\(device.name) of \(title(state.lane)) is lost"
                + (since.map { " since \(Timestamp.format($0))" } ?? "")
            return condition
        }
    }

    private func clock(_ state: LaneState) -> Condition? {
        let told = state.now?.clock ?? state.facts.clock
        let last = state.last?.clock ?? .trusted
        let trust = told == .trusted ? last : told
        guard trust != .trusted else { return nil }
        var condition = Condition(kind: .clockNotTrusted, subject: Alert.Subject(kind: .lane, id: state.lane.text))
        condition.sinceMilliseconds = told != .trusted && state.areFactsOfNow ? state.facts.clockSinceMilliseconds : nil
        condition.holdMilliseconds = Int64(limits.clockSeconds) * 1000
        if told == .trusted { condition.certainty = .unknown }
        condition.text = "the clock of \(title(state.lane)) is not trusted: \(trust.words)"
        return condition
    }

    /// By its word also of a lane at which nobody passes.
    private func statement(_ state: LaneState, _ now: Int64) -> Condition? {
        let limit = Int64(limits.statementSeconds)
        var condition = Condition(kind: .statementOld, subject: Alert.Subject(kind: .lane, id: state.lane.text))
        if let word = state.now {
            guard word.clock == .trusted else {
                // By that clock nobody can tell.
                condition.certainty = .unknown
                return condition
            }
            guard let age = word.statementAgeSeconds, let asOf = word.statementAsOf else {
                condition.holdMilliseconds = limit * 1000
                condition.text =
                    word.imageVersion == 0
                    ? "\(title(state.lane)) has no credential image, so it knows no badge"
                    : "\(title(state.lane)) has no signed statement on the image that it decides by"
                return condition
            }
            guard age > limit else { return nil }
            condition.sinceMilliseconds = now - min(age - limit, 10_000_000) * 1000
            // Not each second another one.
            condition.figures = [Alert.Figure(name: "age_seconds", value: age / 60 * 60)]
            condition.text =
                "\(title(state.lane)) decides by a statement as of \(Timestamp.format(asOf.milliseconds)); the limit is "
                + "\(limit) s"
            return condition
        }
        guard let decided = state.facts.decidedMilliseconds else {
            condition.certainty = .unknown
            return state.last == nil ? nil : condition
        }
        condition.sinceMilliseconds = decided
        guard let statement = state.facts.statementMilliseconds else {
            condition.text =
                "\(title(state.lane)) decided without any signed statement at \(Timestamp.format(decided))"
            return condition
        }
        let age = (decided &- statement) / 1000
        guard age > limit else { return nil }
        condition.text =
            "\(title(state.lane)) decided by a statement \(age) s old at \(Timestamp.format(decided)); the limit is \(limit) s"
        condition.figures = [Alert.Figure(name: "age_seconds", value: age)]
        return condition
    }

    private func journal(_ state: LaneState) -> Condition? {
        let title = title(state.lane)
        var condition = Condition(kind: .journalFilling, subject: Alert.Subject(kind: .lane, id: state.lane.text))
        condition.severity = .trouble
        guard let word = state.now else {
            condition.sinceMilliseconds = state.facts.causeSinceMilliseconds
            switch state.facts.cause {
            case .journalFull:
                condition.text = "the journal of \(title) is full: it is out of service until records are stored"
            case .journalFault: condition.text = "\(title) cannot write its journal: it is out of service"
            default:
                condition.certainty = .unknown
                return state.last == nil ? nil : condition
            }
            return condition
        }
        guard let percent = word.journalPercent else {
            guard word.flags.contains(.hasNoJournal) else { return nil }
            condition.text =
                "\(title) has no journal: its disk could not be opened; what happens there is counted and not recorded"
            return condition
        }
        condition.figures = [
            Alert.Figure(name: "percent", value: percent), Alert.Figure(name: "held", value: Int64(word.recordsHeld)),
            Alert.Figure(name: "room", value: Int64(word.recordsRoom)),
        ]
        let fill = "\(percent) % full: \(word.recordsHeld) records of \(word.recordsRoom) wait for the collector"
        let isFaulty = word.flags.contains(.hasJournalFault) || word.cause == .journalFault
        switch word.journal {
        case .reserveOnly, .full:
            condition.text =
                "the journal of \(title) is full (\(fill)); an entrance is out of service, an exit lets out"
        case .nearlyFull: condition.text = "the journal of \(title) is \(fill); told from 80 %, trouble from 90 %"
        case .filling where isFaulty, .roomy where isFaulty:
            condition.text = "\(title) cannot write its journal as it should: its disk refuses (\(fill))"
        case .filling:
            condition.severity = .warning
            condition.text = "the journal of \(title) is \(fill); told from 80 %, trouble from 90 %"
        case .roomy:
            guard percent >= Self.journalLingersPercent else { return nil }
            condition.severity = .warning
            condition.certainty = .lingers
            condition.text = "the journal of \(title) is \(fill); told from 80 %, trouble from 90 %"
        }
        return condition
    }

    /// Below 80 %, at which a lane says that its journal fills.
    private static let journalLingersPercent: Int64 = 75

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
        if !hasReadAll { condition.certainty = .unknown }
        condition.sinceMilliseconds = doubleUse.recentSinceMilliseconds
        condition.text =
            "\(doubleUse.recent) double uses of badges were found in the last \(limits.doubleUseMinutes) min: one holder "
            + "inside twice, or at two lanes faster than a person walks"
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
