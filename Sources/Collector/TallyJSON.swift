import Admission
import Framing
import Posix

/// `GET /v1/tallies` and `GET /v1/lanes`: the books as JSON.
///
/// Every tally has the same members: `presented + by_hand = admitted + refused`, `admitted = passed + annulled +
/// interrupted` (less what is still open), `by_hand` (let through by the guard's button), `tailgating`, `forced`, `wrong_way`, `anonymous` (forward and backward together), `in` and `out`
/// `assumed` (of `passed`: behind a gate without feedback, where a release counts), `in` and `out`
/// (people who crossed the site's boundary), `vehicles_in` and `vehicles_out`, `on_site_people = in - out`,
/// `on_site_vehicles`, `distinct_holders` and `distinct_vehicles` (different holders with at least one passage),
/// `stored`, `duplicates`, `conflicting`, `missing` (sequences known to have been written and not stored),
/// `clock_not_trusted` (records), `unrecorded` (events that a lane had no room to record, counted from its totals).
///
/// `corrected` and `corrected_today` are the counts of the site with what operators put right of them (CorrectionBook.swift),
/// `corrections` the newest of these: which count and by how much, and for operators who and why. The other counts stay as they were counted.
///
/// `zones` with their limits, `entrances` (that with most entries today first) and `badges` of each kind are what the wall
/// screen shows beside them (ScreenFigures.swift).
///
/// What counts as a crossing: a passage, an anonymous passage, and a tailgater, each in the direction it went (Tally.swift).
struct TallyJSON {
    private let snapshot: Intake.Snapshot
    private let settings: CollectorSettings
    private let inside: InsideList.Snapshot?
    private let corrections: [Correction]
    private let isNamed: Bool

    /// `inside`: who of those on site has no keys any more; nil: nobody has looked yet, or not for long. `isNamed`: with who
    /// corrected what and why.
    init(
        _ snapshot: Intake.Snapshot, _ settings: CollectorSettings, inside: InsideList.Snapshot? = nil,
        corrections: [Correction] = [], isNamed: Bool = false
    ) {
        self.corrections = corrections
        self.isNamed = isNamed
        self.inside = inside
        self.snapshot = snapshot
        self.settings = settings
    }

    private var sorted: [LaneBook] { snapshot.lanes.values.sorted { $0.name.text < $1.name.text } }

    /// `now`: ms since 1970-01-01 UTC.
    func tallies(now: Int64) -> JSONText {
        let figures = ScreenFigures(snapshot, settings, inside: inside, corrections: corrections)
        let counted = SiteCounts(snapshot)
        let (all, today) = (counted.all, counted.today)
        return .object([
            ("as_of", .text(Timestamp.format(now))),
            ("as_of_ms", .number(now)),
            ("revision", .number(snapshot.revision)),
            ("day", .text(SiteCalendar.text(day: snapshot.day))),
            ("time_zone", .text(settings.calendar.zone.identifier)),
            ("total", .object(members(of: all, missing: counted.missing))),
            ("today", .object(members(of: today, missing: nil))),
            ("corrected", corrections.applied(to: all)),
            ("corrected_today", corrections.applied(to: today, day: snapshot.day)),
            ("corrections", corrections.json(isNamed: isNamed)),
            ("refusals", refusals(all)),
            ("passages", passages(all)),
            ("refusals_today", refusals(today)),
            ("passages_today", passages(today)),
            ("refusals_today_by_key", ScreenFigures.refusalsByKey(today)),
            ("zones", figures.zones),
            ("entrances", .array(figures.entrances.map { $0.json(recent: nil) })),
            ("badges", figures.badges),
            ("inside_without_keys", inside.map { .number($0.count) } ?? .null),
            ("lanes", .array(sorted.map { lane($0, today: true) })),
        ])
    }

    func lanes(now: Int64) -> JSONText {
        .object([
            ("as_of", .text(Timestamp.format(now))),
            ("as_of_ms", .number(now)),
            ("lanes", .array(sorted.map { detail(of: $0, now: now) })),
        ])
    }

    private func lane(_ lane: LaneBook, today: Bool) -> JSONText {
        .object(
            [
                ("lane", .text(lane.name.text)),
                ("name", .text(settings.lanes[lane.name] ?? lane.name.text)),
                ("last_seen_ms", .number(lane.lastSeenMilliseconds)),
                ("tampered", tampered(lane)),
            ] + members(of: lane.all, missing: lane.ledger.missing)
                + (today ? [("today", .object(members(of: lane.today, missing: nil)))] : []))
    }

    private func detail(of lane: LaneBook, now: Int64) -> JSONText {
        let storedThrough = lane.ledger.storedThrough
        return .object(
            [
                ("lane", .text(lane.name.text)),
                ("name", .text(settings.lanes[lane.name] ?? lane.name.text)),
                ("mode", lane.currentMode.map { .text($0.name) } ?? .null),
                ("tampered", tampered(lane)),
                ("last_seen", .text(Timestamp.format(lane.lastSeenMilliseconds))),
                ("last_seen_ms", .number(lane.lastSeenMilliseconds)),
                ("last_record", lane.lastRecordMilliseconds.map { .text(Timestamp.format($0)) } ?? .null),
                ("last_record_ms", lane.lastRecordMilliseconds.map { .number($0) } ?? .null),
                ("stored_through", storedThrough.map(position) ?? .null),
                ("oldest_held", lane.ledger.oldestHeld.map(position) ?? .null),
                ("epochs", .number(lane.ledger.epochs.count)),
                ("missing", .number(lane.ledger.missing)),
                ("holes", holes(of: lane)),
                ("duplicates", .number(lane.all[.duplicates])),
                ("conflicting", .number(lane.all[.conflicting])),
                ("tallies", .object(members(of: lane.all, missing: lane.ledger.missing))),
                ("today", .object(members(of: lane.today, missing: nil))),
                ("refusals", refusals(lane.all)),
                ("passages", passages(lane.all)),
            ] + lane.wordMembers(at: now))
    }

    /// Covers that are open: `cabinet`, `reader-0` …
    private func tampered(_ lane: LaneBook) -> JSONText {
        .array(lane.tampered.contacts.map { .text($0.name) })
    }

    /// The first stretches that are missing; `expected`: the lane may still send it.
    private func holes(of lane: LaneBook) -> JSONText {
        let most = 100
        var holes: [JSONText] = []
        for (epoch, state) in lane.ledger.epochs.sorted(by: { $0.key.hex < $1.key.hex }) where state.missing > 0 {
            for gap in state.stored.gaps(in: 1...state.knownEnd) where holes.count < most {
                let isPassedOver = state.passedOver.end(ofRunFrom: gap.lowerBound).map { $0 >= gap.upperBound } ?? false
                holes.append(
                    .object([
                        ("epoch", .text(epoch.hex)), ("first", .number(gap.lowerBound)),
                        ("last", .number(gap.upperBound)), ("expected", .truth(!isPassedOver)),
                    ]))
            }
        }
        return .array(holes)
    }

    private func position(_ position: StoredThrough) -> JSONText {
        .object([("epoch", .text(position.epoch.hex)), ("sequence", .number(position.sequence))])
    }

    private func members(of tally: Tally, missing: UInt64?) -> [(String, JSONText)] {
        let anonymous = tally[.anonymousForward] + tally[.anonymousBackward]
        var members: [(String, JSONText)] = [
            ("presented", .number(tally[.presented])),
            ("admitted", .number(tally[.admitted])),
            ("refused", .number(tally[.refused])),
            ("passed", .number(tally[.passed])),
            ("assumed", .number(tally[.assumed])),
            ("annulled", .number(tally[.annulled])),
            ("interrupted", .number(tally[.interrupted])),
            ("tailgating", .number(tally[.tailgating])),
            ("forced", .number(tally[.forced])),
            ("wrong_way", .number(tally[.wrongWay])),
            ("anonymous", .number(anonymous)),
            ("anonymous_forward", .number(tally[.anonymousForward])),
            ("anonymous_backward", .number(tally[.anonymousBackward])),
            ("by_hand", .number(tally[.byHand])),
            ("in", .number(tally[.peopleIn])),
            ("out", .number(tally[.peopleOut])),
            ("vehicles_in", .number(tally[.vehiclesIn])),
            ("vehicles_out", .number(tally[.vehiclesOut])),
            ("distinct_holders", .number(tally[.distinctHolders])),
            ("distinct_vehicles", .number(tally[.distinctVehicles])),
            ("stored", .number(tally[.stored])),
            ("duplicates", .number(tally[.duplicates])),
            ("conflicting", .number(tally[.conflicting])),
            ("clock_not_trusted", .number(tally[.clockNotTrusted])),
            ("unrecorded", .number(tally[.unrecorded])),
        ]
        // Who is on site now and what is missing are states, not counts of a day.
        if let missing {
            members += [
                ("on_site_people", .number(tally.onSitePeople)),
                ("on_site_vehicles", .number(tally.onSiteVehicles)),
                ("missing", .number(missing)),
            ]
        }
        return members
    }

    private func refusals(_ tally: Tally) -> JSONText {
        .object(
            Reasons.ordered.compactMap { reason in
                let count = tally[Counter.reason(bit: reason.rawValue.trailingZeroBitCount)]
                return count == 0 ? nil : ("\(reason.name)", .number(count))
            })
    }

    private func passages(_ tally: Tally) -> JSONText {
        let kinds: [HolderKind?] = HolderKind.allCases.map { $0 } + [nil]
        return .object(
            kinds.map { ($0.map { "\($0.name)" } ?? "unknown", .number(tally[Counter.passages(of: $0)])) })
    }
}
