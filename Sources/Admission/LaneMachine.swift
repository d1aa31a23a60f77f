// The lane machine: everything a lane decides, as a value.
//
// How to read it. Things happen to a lane (`LaneInput`); each is given to `handle` with the present `Moment`, and what
// the shell must do comes back as an ordered list of `LaneEffect`. The machine reads no clock, touches no device and
// allocates nothing. It has three parts that do not mix:
//
//   state      one presentation at a time: waiting → measuring → (awaiting company) → released → waiting;
//              where a vehicle's pass and its driver's badge go together: waiting → pairing → released → waiting
//   mode       what the lane as a whole does, derived from what burns, is lost, was ordered, is scheduled or full
//              (LaneMachine+Modes.swift has the table)
//   outputs    release line, lamps and words, derived from the two above at the end of every step; only changes
//              become effects, and after a gate comes back all of them do
//
// A mode keeps new releases from beginning. One that stands is never cut short by it: somebody may be walking. Only a
// lost gate, which has dropped it, and the end of the program end it.
//
// The order of effects carries the promises:
//
//   at an entrance   the decision is recorded, then the gate is released; if the record fails nothing is released
//   at an exit and   the gate is released, then the record is written: nobody is locked in by a disk
//   in an emergency
//
// A release ends exactly once: passed, annulled, or interrupted. No second release begins before the first has ended.
//
// When the journal fails, what was not recorded is taken back: it is not counted, and at an entrance not done. An end
// whose decision was recorded is owed, and written as soon as the journal takes records again; so is the decision of an
// exit until its release ends. What is lost in spite of that is counted.

public struct LaneMachine: Sendable {
    enum State: Sendable {
        case waiting
        case measuring(Measuring)
        case awaiting(Awaiting)
        case pairing(Pairing)
        case released(Release)
    }

    /// A presentation and the credentials it was looked up in, which are those in force: `adopt` looks it up again. They
    /// stay together, since the bit of a zone means another zone in another image.
    struct Candidate: Sendable {
        var presentation: Presentation
        var credentials: CredentialsInForce
        /// When the lane turned to it.
        var presentedAt = MonotonicTime(nanoseconds: 0)
        /// What came beside it, where its kind's rule asks for that, and who the other one was.
        var company: Company = []
        var partner = HolderNumber.nobody
    }

    /// A badge was presented and its temperature is not settled.
    struct Measuring: Sendable {
        var candidate: Candidate
        /// Samples before this are somebody else's.
        var samplesSince: MonotonicTime
        var deadline: MonotonicTime
        /// What the first measurement found, when the one re-measurement before a refusal is under way.
        var first: TemperatureFinding?
    }

    /// The gate may be walked through by the holder of this decision.
    struct Release: Sendable {
        /// nil: the guard's button, and nobody knows who.
        var decision: Decision?
        /// Of the record that released.
        var decisionSequence: UInt64
        /// At an exit whose journal failed: the decision is written when the release ends.
        var isDecisionOwed = false
        var since: MonotonicTime
        /// The release is annulled then.
        var deadline: MonotonicTime
        /// With pulses: when the line falls again although the release still stands.
        var pulseEnds: MonotonicTime
        /// Who drives the vehicle, or the vehicle that he drives.
        var beside: Beside?

        var direction: PassageDirection { decision?.presentation.direction ?? .forward }

        /// What stands in the record that released.
        var grant: LaneEvent { decision.map(LaneEvent.decided) ?? .releasedByHand(.guardButton, .forward) }
    }

    /// Only its schedule ever changes: by `adopt`.
    public private(set) var configuration: LaneConfiguration
    public internal(set) var policy: AdmissionPolicy

    var state = State.waiting
    /// One badge read while another was released; judged when that release has ended.
    var nextCandidate: Candidate?
    /// No release begins before this: the gate must see the line fall between two.
    var gapUntil = MonotonicTime(nanoseconds: 0)
    var chips = ChipsInField()
    /// Samples that may be of whoever presents a badge next, or is being measured.
    var temperatures = TemperatureWindow()
    /// When that was last judged to be somebody else's.
    var temperaturesUsedUntil = MonotonicTime(nanoseconds: 0)
    var credentials = CredentialsInForce.none
    var passedHolders = PassedHolders()
    /// Who left through this lane lately, or whose passages a technician made it forget.
    var leftHolders = PassedHolders()
    /// When a technician made it forget everybody's.
    var everybodyForgotten: MonotonicTime?
    var recentAdmissions = RecentAdmissions()
    /// nil: nobody told.
    var zoneCount: ZoneCount?
    var ownCrossings = OwnCrossings()

    var fireAlarm = false
    var gateLost = false
    var thermometerLost = false
    var readersLost: UInt16 = 0
    /// Since the start neither found nor missed: an entrance that said it was ready would lose a badge shown there.
    var readersAwaited: UInt16 = 0
    /// A bit for each contact's code.
    var tampered: UInt32 = 0
    var journal = JournalState.roomy
    var journalFault = false
    /// After a fault the journal is tried again then.
    var journalRetryAt = MonotonicTime(nanoseconds: 0)
    /// The end of a recorded decision that the journal did not take, and that of the decision beside it.
    var owedEnd: Outcome?
    var owedEndBeside: Outcome?
    /// What the journal did not take and nobody will write later. Hours and modes are said again.
    var unrecorded = (count: UInt64(0), totals: LaneTotals())
    /// The records of the newest step, in case one of them fails.
    var written = InlineArray<12, LaneEvent>(repeating: .stopping)
    var writtenCount = 0
    var isStopping = false
    /// What a technician chose, and what the schedule says now; the first stands above the second.
    var order: StandingOrder?
    var scheduled: OrderedMode?
    var scheduleDeadline = MonotonicTime.never
    /// What a technician has moved, in maintenance.
    var test: (what: GateTest, until: MonotonicTime)?

    var forward = PassageContact()
    var backward = PassageContact()
    var beams = BeamPair()
    /// A pulse of `followedDirection` before this follows the passage of `followedDecision`.
    var tailgatingUntil = MonotonicTime(nanoseconds: 0)
    var followedDecision: UInt64 = 0
    var followedDirection = PassageDirection.forward

    var refusal: (reasons: Reasons, until: MonotonicTime)?
    var outputs = Outputs.unknown
    /// What is known is too old to admit anybody by it.
    var isStale = false
    /// It may become so then, when nothing comes.
    private var freshUntil = MonotonicTime.never
    var recordedMode: LaneMode?
    var recordedCause = ModeCause.none

    /// The sequence number of the next record.
    public internal(set) var nextSequence: UInt64
    /// What this lane counted since the beginning of the wall hour `hourStartSeconds`.
    public internal(set) var hourTotals: LaneTotals
    public internal(set) var hourStartSeconds: Int64

    /// - Parameters:
    ///   - nextSequence: what the journal gives the next record.
    ///   - hourTotals: what the records of the present hour already count, as recovered from the journal.
    public init(
        configuration: LaneConfiguration, policy: AdmissionPolicy, nextSequence: UInt64, hourTotals: LaneTotals,
        at moment: Moment
    ) {
        self.configuration = configuration
        self.policy = policy
        self.nextSequence = nextSequence
        self.hourTotals = hourTotals
        hourStartSeconds = Self.hourStart(moment.wall)
        // Nothing is there until it was seen: a lane starts out of service and says so.
        gateLost = true
        thermometerLost = configuration.hasThermometer
        readersLost = Self.allReaders(configuration.readerCount)
        readersAwaited = readersLost
    }

    static func allReaders(_ count: Int) -> UInt16 { UInt16(truncatingIfNeeded: (1 << min(count, 16)) - 1) }

    // MARK: Inputs

    /// The first step: ends a release that the last run left open, and sets all outputs.
    ///
    /// - Parameter beside: the end of the other decision that stood for that release.
    public mutating func start(unfinished: Outcome?, beside: Outcome? = nil, at moment: Moment) -> LaneEffects {
        var step = Step(moment)
        begin(&step)
        if let unfinished { step.record(.ended(unfinished)) }
        if let beside { step.record(.ended(beside)) }
        return finish(&step)
    }

    public mutating func handle(_ input: LaneInput, at moment: Moment) -> LaneEffects {
        var step = Step(moment)
        if case .journal(let room) = input {
            journal = room
            if journalFault { tryJournalAgain(&step) }
        }
        begin(&step)
        switch input {
        case .presented(let presentation): presented(presentation, &step)
        case .temperature(let sample): measured(sample, &step)
        case .contact(let direction, let closed): contactChanged(direction, closed, &step)
        case .guardPressed: guardPressed(&step)
        case .tamper(let contact, let opened): tamperChanged(contact, opened, &step)
        case .fire(let alarm): fireChanged(alarm, &step)
        case .deviceLost(let device): deviceChanged(device, lost: true, &step)
        case .deviceBack(let device): deviceChanged(device, lost: false, &step)
        case .journal: break
        case .clock(let trust, let stepMilliseconds): step.record(.clock(trust, stepMilliseconds: stepMilliseconds))
        case .technician(let act): technicianActed(act, &step)
        case .timePassed: timePassed(&step)
        case .forgetPassages(let holder): forgetPassages(of: holder, &step)
        case .stopping: stop(&step)
        }
        return finish(&step)
    }

    /// Other rules come into force, a policy, a schedule, or both in one step: for everything that is decided from here
    /// on, whoever stands there already too. nil leaves what is in force. A policy is on record each time, by its digest;
    /// a schedule where it changes the mode.
    public mutating func adopt(
        _ policy: AdmissionPolicy?, schedule: [ScheduledMode]? = nil, at moment: Moment
    ) -> LaneEffects {
        var step = Step(moment)
        if let schedule {
            configuration.schedule = schedule
            // Without a trusted clock a lane stays locked, but not by a schedule that locks no more.
            if let scheduled, !schedule.contains(where: { $0.mode == scheduled }) { self.scheduled = nil }
        }
        begin(&step)
        if let policy {
            self.policy = policy
            step.record(.policy(policy.digest))
        }
        judgeAgain(&step)
        return finish(&step)
    }

    /// Other credentials come into force, or a newer statement says that they are current: for everything that is decided
    /// from here on. Whoever stands there already is looked up again, so that what opens the gate is what is in force then.
    ///
    /// - Parameter lookUp: what the new credentials say of a badge.
    public mutating func adopt(
        _ new: CredentialsInForce, at moment: Moment, lookUp: (BadgeTag) -> BadgeLookup
    ) -> LaneEffects {
        var step = Step(moment)
        begin(&step)
        let isOther =
            new.imageVersion != credentials.imageVersion || new.changeNumber != credentials.changeNumber
        credentials = new
        if isOther { step.record(.credentials(new)) }
        lookUpAgain(lookUp)
        judgeAgain(&step)
        return finish(&step)
    }

    /// The journal could not take `event` of the newest step; what stood behind it in the list was not done.
    ///
    /// Nothing of it counts. At an entrance a release that is not recorded does not happen. An end, or the decision of
    /// an exit whose gate is open, is owed to the journal and written later; what will never be is in `takeUnrecorded`.
    /// The lane tries the journal again after 5 s, and whenever the shell says `journal`; in a full journal, where only
    /// its reader can make room, it waits for that word. The effects are outputs only.
    ///
    /// - Parameter nextSequence: what the journal gives the next record.
    public mutating func recordFailed(_ event: LaneEvent, nextSequence: UInt64, at moment: Moment) -> LaneEffects {
        let step = Step(moment)
        takeBack(from: event)
        self.nextSequence = nextSequence
        journalFault = true
        journalRetryAt = moment.monotonic.advanced(byMilliseconds: Self.journalRetryMilliseconds)
        recordedMode = nil
        outputs = .unknown
        var effects = LaneEffects()
        appendOutputs(step, to: &effects)
        return effects
    }
    static let journalRetryMilliseconds: Int64 = 5000

    /// How many events, and what of the totals, came to be lost since the last call: the shell tells them as a hole.
    public mutating func takeUnrecorded() -> (count: UInt64, totals: LaneTotals) {
        defer { unrecorded = (0, LaneTotals()) }
        return unrecorded
    }

    /// The shell wrote a record of its own (a hole); the next one's sequence is `next`.
    public mutating func skipSequence(to next: UInt64) { nextSequence = next }

    /// A journal that could be opened only now goes on at `nextSequence`, and holds `totals` of this hour from before.
    public mutating func recovered(_ totals: LaneTotals, nextSequence: UInt64) {
        hourTotals = hourTotals + totals
        self.nextSequence = nextSequence
    }

    /// When `timePassed` must be called at the latest.
    public var deadline: MonotonicTime {
        var earliest = min(hourDeadline, ordersDeadline, freshUntil)
        switch state {
        case .waiting: if nextCandidate != nil { earliest = min(earliest, gapUntil) }
        case .measuring(let measuring): earliest = min(earliest, measuring.deadline)
        case .awaiting(let awaiting): earliest = min(earliest, awaiting.deadline)
        case .pairing(let pairing): earliest = min(earliest, pairing.wakesAt)
        case .released(let release):
            if !isOccupied { earliest = min(earliest, release.deadline) }
            if configuration.releaseMode == .pulse && isPulsing(release.direction) {
                earliest = min(earliest, release.pulseEnds)
            }
        }
        if let refusal { earliest = min(earliest, refusal.until) }
        if !gateLost { earliest = min(earliest, forward.stuckAt(configuration), backward.stuckAt(configuration)) }
        if triesJournalAgain { earliest = min(earliest, journalRetryAt) }
        return earliest
    }
    private var hourDeadline = MonotonicTime(nanoseconds: 0)

    // MARK: What an observer may ask

    public var hasRelease: Bool { if case .released = state { true } else { false } }
    /// Somebody's temperature is not settled.
    public var isMeasuring: Bool {
        switch state {
        case .measuring: true
        case .pairing(let pairing): pairing.measuring != nil
        case .waiting, .awaiting, .released: false
        }
    }
    /// A vehicle's pass waits for the driver's badge, or that for the pass.
    public var isPairing: Bool { if case .pairing = state { true } else { false } }
    public var isAwaitingCompany: Bool { if case .awaiting = state { true } else { false } }
    public var credentialsInForce: CredentialsInForce { credentials }
    public var isInAlarm: Bool { fireAlarm }
    public func isTampered(_ contact: TamperContact) -> Bool { tampered & (1 << UInt32(contact.code)) != 0 }
    public var journalRoom: JournalState { journal }
    public var hasJournalFault: Bool { journalFault }

    public func isLost(_ device: Device) -> Bool {
        switch device {
        case .reader(let index): readersLost & (1 << UInt16(min(index, 15))) != 0
        case .thermometer: thermometerLost
        case .gate: gateLost
        }
    }

    // MARK: Begin and end of a step

    /// What is due before the input: another try of the journal, the hour that closed, and an end that is owed.
    private mutating func begin(_ step: inout Step) {
        if triesJournalAgain && step.moment.monotonic >= journalRetryAt { tryJournalAgain(&step) }
        closeHour(&step)
        lookAtOrders(step.moment)
        if !journalFault { payOwedEnd(&step) }
    }

    /// Derives mode and outputs and puts the effects in the order that the head comment promises.
    private mutating func finish(_ step: inout Step) -> LaneEffects {
        leaveStateThatModeForbids(&step)
        beginNext(&step)
        lookAtFreshness(step.moment)
        let (mode, cause) = mode
        if (recordedMode != mode || recordedCause != cause)
            && !(journalFault || (configuration.kind != .exit && journal >= .full))
        {
            recordedMode = mode
            recordedCause = cause
            step.record(.mode(mode, cause))
        }
        // A fire waits for no record, not even when it breaks out while the journal is tried again.
        let recordsFirst = step.recordsFirst && !fireAlarm
        var effects = LaneEffects()
        if recordsFirst { appendRecords(step, to: &effects) }
        appendOutputs(step, to: &effects)
        if !recordsFirst { appendRecords(step, to: &effects) }
        return effects
    }

    private mutating func lookAtFreshness(_ moment: Moment) {
        isStale = false
        freshUntil = .never
        guard policy.showsStale, configuration.kind != .exit else { return }
        guard credentials.imageVersion != 0 else {
            isStale = true
            return
        }
        // A clock that is not trusted tells no ages; whoever is refused for that learns it at his badge.
        guard policy.whenStale == .refuse, moment.clock == .trusted else { return }
        guard let rest = Freshness.rest(credentials, policy: policy, at: moment.wall) else {
            isStale = true
            return
        }
        freshUntil = moment.monotonic.advanced(byMilliseconds: rest)
    }

    /// Judges the badge that waited, when the way is free.
    mutating func beginNext(_ step: inout Step) {
        guard case .waiting = state, let next = nextCandidate, step.moment.monotonic >= gapUntil, !isStopping else {
            return
        }
        guard judgesBadges || mayLeave(next) else { return }
        nextCandidate = nil
        // What was measured while it waited was of whoever walked.
        forgetTemperatures(step.moment.monotonic)
        begin(next, &step)
    }

    private mutating func appendRecords(_ step: Step, to effects: inout LaneEffects) {
        for index in 0..<step.recordCount {
            let event = step.records[index]
            hourTotals.count(event)
            ownCrossings.count(event, configuration.traffic, at: step.moment.monotonic)
            if case .hour = event { hourTotals = LaneTotals() }
            effects.append(.record(event, sequence: nextSequence))
            nextSequence += 1
            written[index] = event
        }
        writtenCount = step.recordCount
    }

    private mutating func closeHour(_ step: inout Step) {
        let moment = step.moment
        let hour = Self.hourStart(moment.wall)
        if hour != hourStartSeconds && moment.clock == .trusted && !journalFault {
            step.record(.hour(startSeconds: hourStartSeconds, hourTotals))
            hourStartSeconds = hour
        }
        let milliseconds = moment.wall.milliseconds % 3_600_000
        hourDeadline = moment.monotonic.advanced(
            byMilliseconds: milliseconds < 0 ? -milliseconds : 3_600_000 - milliseconds)
    }

    static func hourStart(_ wall: WallTime) -> Int64 {
        let seconds = wall.seconds
        return seconds - (seconds % 3600 + 3600) % 3600
    }

    // MARK: A journal that fails

    private var triesJournalAgain: Bool { journalFault && journal < .full }

    private mutating func tryJournalAgain(_ step: inout Step) {
        journalFault = false
        // The record of the mode is the attempt: nothing opens before it is taken.
        step.recordsFirst = configuration.kind != .exit
    }

    /// Undoes what the records of the newest step meant, from `event` on.
    private mutating func takeBack(from event: LaneEvent) {
        var first = 0
        while first < writtenCount && written[first] != event { first += 1 }
        let firstSequence = nextSequence - UInt64(writtenCount - first)
        var standing: Release?
        if case .released(let release) = state { standing = release }
        for index in first..<writtenCount {
            hourTotals = hourTotals - LaneTotals(written[index])
            switch written[index] {
            case .hour(let start, let totals):
                hourStartSeconds = start
                hourTotals = hourTotals + totals
                continue
            case .mode: continue
            case .decided where takeBack(standing, of: firstSequence + UInt64(index - first)),
                .releasedByHand where takeBack(standing, of: firstSequence + UInt64(index - first)):
                continue
            case .ended(let outcome) where outcome.decisionSequence < firstSequence:
                owe(outcome)
                if outcome.end == .passed { ownCrossings.takeBackNewest() }
                continue
            default: break
            }
            unrecorded.count += 1
            unrecorded.totals.count(written[index])
        }
        writtenCount = 0
    }

    /// Before every decision, so that no second release's ends can come to be owed.
    mutating func payOwedEnd(_ step: inout Step) {
        if let end = owedEnd { step.record(.ended(end)) }
        if let end = owedEndBeside { step.record(.ended(end)) }
        owedEnd = nil
        owedEndBeside = nil
    }

    private mutating func owe(_ end: Outcome) {
        if owedEnd == nil { owedEnd = end } else { owedEndBeside = end }
    }

    /// Whether the release that `standing` was stands for this decision. At an entrance it was not done and is
    /// forgotten; at an exit the gate is open, and the decision is owed.
    private mutating func takeBack(_ standing: Release?, of sequence: UInt64) -> Bool {
        guard let standing, standing.decisionSequence == sequence || standing.beside?.sequence == sequence else {
            return false
        }
        guard case .released(var release) = state else { return true }
        guard leaves(release.direction) else {
            // Of two the first is on record already: nobody used it.
            if standing.decisionSequence != sequence {
                owe(outcome(of: release.decision, release.decisionSequence, release, .annulled, 0))
            }
            state = .waiting
            return true
        }
        if standing.decisionSequence == sequence {
            release.isDecisionOwed = true
            release.decisionSequence = 0
        } else {
            release.beside?.isOwed = true
            release.beside?.sequence = 0
        }
        state = .released(release)
        return true
    }
}

extension JournalState: Comparable {
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// What one call of `handle` gathers before its effects are put in order.
struct Step {
    let moment: Moment
    /// An admission at an entrance: its record stands before the release.
    var recordsFirst = false
    var buzzerMilliseconds: Int64 = 0
    private(set) var records = InlineArray<12, LaneEvent>(repeating: .stopping)
    private(set) var recordCount = 0

    init(_ moment: Moment) { self.moment = moment }

    mutating func record(_ event: LaneEvent) {
        precondition(recordCount < 12, "a step of the lane machine writes at most 12 records")
        records[recordCount] = event
        recordCount += 1
    }
}
