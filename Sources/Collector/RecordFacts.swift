import Admission
import Framing

/// To which spans a wall time belongs. Since 1972 no time zone's offset is finer than five minutes, so records of the same
/// five minutes are of one hour and, at the site, of one day.
struct RecordTime: Sendable {
    /// Seconds since 1970.
    let fiveMinutes: Int64
    let hour: Int64
    /// The site day's number.
    let day: Int64

    /// `instant`: ms since 1970-01-01 UTC.
    init(_ instant: Int64, _ calendar: SiteCalendar) {
        fiveMinutes = SiteCalendar.fiveMinutesStart(ofMilliseconds: instant)
        hour = SiteCalendar.hourStart(ofMilliseconds: instant)
        day = calendar.day(ofMilliseconds: instant)
    }

    func isOf(_ instant: Int64) -> Bool { SiteCalendar.fiveMinutesStart(ofMilliseconds: instant) == fiveMinutes }
}

extension JournalRecord {
    /// The byte of an encoded record that says its kind, and the kind of an ended release (JournalRecord.swift).
    static let kindOffset = 5
    static let endedKind: UInt8 = 3
    /// Of a pulse of the passage contact that no release stood behind.
    static let pulseKind: UInt8 = 4

    /// Whom the record is about, nil when nobody knows.
    var holder: HolderNumber? {
        switch event {
        case .decided(let decision): decision.presentation.credential?.holder
        case .ended(let outcome): outcome.holder == .nobody ? nil : outcome.holder
        case .seenInEmergency(let presentation): presentation.credential?.holder
        default: nil
        }
    }

    /// A known holder who passed, and where he counts as a different one; nil: nobody, or nobody known.
    var passedHolder: (holder: HolderNumber, counter: Counter)? {
        guard case .ended(let outcome) = event, outcome.end == .passed, outcome.holder != .nobody else { return nil }
        return (outcome.holder, outcome.kind == .vehicle ? .distinctVehicles : .distinctHolders)
    }

    /// The lane closes an hour when the next one begins, at once while its clock is trusted. How long after that it may say
    /// so: beyond it, what it counted meanwhile stands in the totals of the hour before.
    private static let closingMilliseconds: Int64 = 1000

    /// Whether these totals are of another stretch than the whole hour that they name.
    private var closesLate: Bool {
        guard case .hour(let start, _) = event else { return false }
        let wall = moment.wall.milliseconds
        let present = SiteCalendar.hourStart(ofMilliseconds: wall)
        return start != present - 3600 || wall &- present &* 1000 > Self.closingMilliseconds
    }

    /// Whether the lane's own count of this record's hour begins with it: a new controller or a wiped disk knows nothing of
    /// what was before, and a lane whose clock was not trusted for a time begins when it is again.
    var beginsCount: Bool {
        if case .epochStarted(let previous, _) = event { return previous == .none }
        return closesLate
    }

    /// What the lane says it counted in the hour that began at `start` (seconds since 1970), or had no room to record in the
    /// record's own hour; nil: this record says nothing of the kind. The totals of closed hours are without what was not
    /// recorded, the collector's counts are with it.
    var statedTotals: (start: Int64, Tally)? {
        var tally = Tally()
        switch event {
        case .hour(let start, let totals):
            tally.count(totals)
            tally[.stored] = 1
            if closesLate { tally[.partHours] = 1 }
            return (start, tally)
        case .hole(_, _, let events, .noRoom, let totals):
            tally.count(totals)
            tally[.unrecorded] = Tally.unrecorded(events)
            return (SiteCalendar.hourStart(ofMilliseconds: moment.wall.milliseconds), tally)
        default: return nil
        }
    }
}

extension TallyKey {
    /// Where a holder counts as a different one, once in each.
    static func distinct(lane: Int64, day: Int64) -> [TallyKey] {
        [
            TallyKey(lane: lane, span: .all, start: 0), TallyKey(lane: lane, span: .day, start: day),
            .site(.all, 0), .site(.day, day),
        ]
    }
}
