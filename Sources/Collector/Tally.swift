import Admission
import Framing

/// What is counted. Raw values stand in the database: they never change. Reasons of refusals are 64 + the reason's bit,
/// passages by kind of holder 128 + the kind's raw value (128: nobody knows whose).
enum Counter: Int, CaseIterable, Sendable {
    case presented = 1
    case admitted = 2
    case refused = 3
    case passed = 4
    case annulled = 5
    case interrupted = 6
    case tailgating = 7
    case forced = 8
    case wrongWay = 9
    case anonymousForward = 10
    case anonymousBackward = 11
    /// Persons and vehicles that crossed the site's boundary.
    case peopleIn = 12
    case peopleOut = 13
    case vehiclesIn = 14
    case vehiclesOut = 15
    /// Different holders with at least one passage.
    case distinctHolders = 16
    case distinctVehicles = 17
    /// Let through without a badge; each is one of `admitted`.
    case byHand = 18
    /// Of `passed`, those that nothing saw: the gate has no feedback.
    case assumed = 19
    /// Records, of all kinds.
    case stored = 20
    case duplicates = 21
    /// Came under a (lane, epoch, sequence) that holds another record: the first one was kept.
    case conflicting = 22
    /// Written while the lane's clock was not trusted.
    case clockNotTrusted = 23
    /// Events that a lane had no room to record; its counter records tell their totals, which are counted too.
    case unrecorded = 24
    /// Where the lane's own totals are of a part of the hour or of more than it. Of what is counted: the hours in which a
    /// lane began to count anew (JournalRecord.beginsCount); of what the lane states: the hours that it closed late.
    case partHours = 25

    static func reason(bit: Int) -> Int { 64 + bit }
    static func passages(of kind: HolderKind?) -> Int { 128 + Int(kind?.rawValue ?? 0) }
}

/// Counts of one lane or of the site over one span of time.
struct Tally: Hashable, Sendable {
    /// A code beyond it needs a new version of the database's layout.
    static let size = 144
    /// No count of a site comes there; a sum that would be more is this. So sums of all lanes stay within 64 bits, whatever
    /// lanes say, and JSON's readers hold them exactly.
    static let greatest: Int64 = 1 << 48
    private var counts = [Int64](repeating: 0, count: Tally.size)

    subscript(code: Int) -> Int64 {
        get { counts.indices.contains(code) ? counts[code] : 0 }
        set { if counts.indices.contains(code) { counts[code] = newValue } }
    }

    subscript(counter: Counter) -> Int64 {
        get { counts[counter.rawValue] }
        set { counts[counter.rawValue] = newValue }
    }

    var isZero: Bool { counts.allSatisfy { $0 == 0 } }

    var nonzero: [(code: Int, count: Int64)] {
        counts.indices.compactMap { counts[$0] == 0 ? nil : ($0, counts[$0]) }
    }

    static func += (sum: inout Tally, other: Tally) {
        for code in 0..<size { sum.counts[code] = bounded(sum.counts[code] &+ other.counts[code]) }
    }

    /// The nearest that is within it.
    static func bounded(_ sum: Int64) -> Int64 { min(max(sum, -greatest), greatest) }

    /// Events that a lane says it had no room for: no lane has more of them in the hours between two of its records.
    static func unrecorded(_ events: UInt64) -> Int64 { Int64(min(events, UInt64(UInt32.max))) }

    /// Counts one record that was not stored before.
    mutating func count(_ record: JournalRecord) {
        self[.stored] += 1
        if record.beginsCount { self[.partHours] += 1 }
        if record.moment.clock != .trusted { self[.clockNotTrusted] += 1 }
        switch record.event {
        case .decided(let decision):
            self[.presented] += 1
            guard decision.verdict == .refused else {
                self[.admitted] += 1
                return
            }
            self[.refused] += 1
            var reasons = decision.reasons.rawValue
            while reasons != 0 {
                self[Counter.reason(bit: reasons.trailingZeroBitCount)] += 1
                reasons &= reasons - 1
            }
        case .ended(let outcome):
            switch outcome.end {
            case .passed:
                self[.passed] += 1
                self[Counter.passages(of: outcome.kind)] += 1
                if outcome.isAssumed { self[.assumed] += 1 }
            case .annulled: self[.annulled] += 1
            case .interrupted: self[.interrupted] += 1
            }
        case .pulse(let pulse, let direction, _):
            switch pulse {
            case .tailgating: self[.tailgating] += 1
            case .forced: self[.forced] += 1
            case .wrongWay: self[.wrongWay] += 1
            case .anonymous: self[direction == .forward ? .anonymousForward : .anonymousBackward] += 1
            case .maintenance: break
            }
        case .hole(_, _, let events, .noRoom, let totals):
            self[.unrecorded] += Self.unrecorded(events)
            count(totals)
        case .releasedByHand:
            self[.admitted] += 1
            self[.byHand] += 1
        case .epochStarted, .seenInEmergency, .fire, .device, .contact, .mode, .credentials, .clock, .hour, .hole,
            .stopping, .tamper, .policy, .passagesForgotten, .technician, .seenInMaintenance:
            break
        }
        Crossing.forEach(in: record) { count($0) }
    }

    mutating func count(_ totals: LaneTotals) {
        let counts: [(Counter, UInt32)] = [
            (.presented, totals.presented), (.admitted, totals.admitted), (.refused, totals.refused),
            (.passed, totals.passed), (.annulled, totals.annulled), (.interrupted, totals.interrupted),
            (.tailgating, totals.tailgating), (.forced, totals.forced), (.wrongWay, totals.wrongWay),
            (.anonymousForward, totals.anonymousForward), (.anonymousBackward, totals.anonymousBackward),
            (.byHand, totals.byHand),
        ]
        for (counter, count) in counts { self[counter] += Int64(count) }
    }

    private mutating func count(_ crossing: Crossing) {
        if crossing.entersSite { self[crossing.isVehicle ? .vehiclesIn : .peopleIn] += crossing.count }
        if crossing.leavesSite { self[crossing.isVehicle ? .vehiclesOut : .peopleOut] += crossing.count }
    }
}

/// Somebody went from one zone to another.
///
/// These are crossings: a passage, an anonymous passage (emergency, free exit), a tailgater, who is inside however he
/// came, and what a lane's counter record tells of such while it had no room to record them. Forced and wrong-way pulses
/// are not: nobody knows whether a person walked or a bar was shaken; they are counted by themselves. A backward crossing
/// goes from the lane's `to` to its `from`. Whoever's badge is not known is what the lane carries: a person, or at a lane
/// for vehicles a vehicle.
struct Crossing: Hashable, Sendable {
    var from: ShortName
    var to: ShortName
    var isVehicle: Bool
    var count: Int64

    private init(_ record: JournalRecord, _ direction: PassageDirection, kind: HolderKind? = nil, count: Int64 = 1) {
        from = direction == .forward ? record.from : record.to
        to = direction == .forward ? record.to : record.from
        isVehicle = kind.map { $0 == .vehicle } ?? (record.traffic == .vehicles)
        self.count = count
    }

    static func forEach(in record: JournalRecord, _ body: (Crossing) -> Void) {
        guard record.from != record.to else { return }
        switch record.event {
        case .ended(let outcome) where outcome.end == .passed:
            body(Crossing(record, outcome.direction, kind: outcome.kind))
        case .pulse(.tailgating, let direction, _), .pulse(.anonymous, let direction, _):
            body(Crossing(record, direction))
        case .hole(_, _, _, .noRoom, let totals):
            // A damaged body may say more of the one than there is of the whole; no lane does.
            let backward =
                Int64(totals.passedBackward) + Int64(totals.tailgatingBackward) + Int64(totals.anonymousBackward)
            let forward =
                Int64(totals.passed) - Int64(totals.passedBackward) + Int64(totals.tailgating)
                - Int64(totals.tailgatingBackward) + Int64(totals.anonymousForward)
            if forward > 0 { body(Crossing(record, .forward, count: forward)) }
            if backward > 0 { body(Crossing(record, .backward, count: backward)) }
        default: break
        }
    }

    var entersSite: Bool { from == .outside }
    var leavesSite: Bool { to == .outside }
}

/// People and vehicles in a zone: who came less who went. It can fall below zero when people were inside before the
/// counting began.
struct Balance: Hashable, Sendable {
    var people: Int64 = 0
    var vehicles: Int64 = 0

    mutating func add(_ count: Int64, isVehicle: Bool) {
        if isVehicle {
            vehicles = Tally.bounded(vehicles &+ count)
        } else {
            people = Tally.bounded(people &+ count)
        }
    }
}
