// The lane machine: everything a lane decides, as a value.
//
// How to read it. Things happen to a lane (`LaneInput`); each is given to `handle` with the present `Moment`, and what
// the shell must do comes back as an ordered list of `LaneEffect`. The machine reads no clock, touches no device and
// allocates nothing. It has three parts that do not mix:
//
//   state      one presentation at a time: waiting → measuring → released → waiting
//   mode       what the lane as a whole does, derived from what is lost, full or burning: normal, free exit,
//              emergency, out of service
//   outputs    release line, lamps and words, derived from the two above at the end of every step; only changes
//              become effects, and after a gate comes back all of them do
//
// The order of effects carries the promises:
//
//   at an entrance   the decision is recorded, then the gate is released; if the record fails nothing is released
//   at an exit and   the gate is released, then the record is written: nobody is locked in by a disk
//   in an emergency
//
// A release ends exactly once: passed, annulled, or interrupted. No second release begins before the first has ended.

public struct LaneMachine: Sendable {
    enum State: Sendable {
        case waiting
        case measuring(Measuring)
        case released(Release)
    }

    /// A badge was presented and its temperature is not settled.
    struct Measuring: Sendable {
        var presentation: Presentation
        /// Samples before this are somebody else's, or were already judged.
        var samplesSince: MonotonicTime
        var deadline: MonotonicTime
        /// The one re-measurement before a refusal is under way.
        var isSecond: Bool
    }

    /// The gate may be walked through by the holder of this decision.
    struct Release: Sendable {
        var presentation: Presentation
        var decisionSequence: UInt64
        var since: MonotonicTime
        /// The release is annulled then.
        var deadline: MonotonicTime
        /// With pulses: when the line falls again although the release still stands.
        var pulseEnds: MonotonicTime
    }

    public let configuration: LaneConfiguration
    public internal(set) var policy: AdmissionPolicy

    var state = State.waiting
    /// One badge read while another was released; judged when that release has ended.
    var nextPresentation: Presentation?
    /// No release begins before this: the gate must see the line fall between two.
    var gapUntil = MonotonicTime(nanoseconds: 0)
    var chips = ChipsInField()
    var temperatures = TemperatureWindow()
    /// Samples before this were used for an earlier decision.
    var temperaturesUsedUntil = MonotonicTime(nanoseconds: 0)
    var credentials = CredentialsInForce.none

    var fireAlarm = false
    var gateLost = false
    var thermometerLost = false
    var readersLost: UInt16 = 0
    var journal = JournalState.roomy
    var journalFault = false

    var forward = PassageContact()
    var backward = PassageContact()
    /// A forward pulse before this follows the passage of `followedDecision`.
    var tailgatingUntil = MonotonicTime(nanoseconds: 0)
    var followedDecision: UInt64 = 0

    var refusal: (reasons: Reasons, until: MonotonicTime)?
    var outputs = Outputs.unknown
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
    }

    static func allReaders(_ count: Int) -> UInt16 { UInt16(truncatingIfNeeded: (1 << min(count, 16)) - 1) }

    // MARK: Inputs

    /// The first step: ends a release that the last run left open, and sets all outputs.
    public mutating func start(unfinished: Outcome?, at moment: Moment) -> LaneEffects {
        var step = Step(moment)
        if let unfinished { step.record(.ended(unfinished)) }
        return finish(&step)
    }

    public mutating func handle(_ input: LaneInput, at moment: Moment) -> LaneEffects {
        var step = Step(moment)
        switch input {
        case .presented(let presentation): presented(presentation, &step)
        case .temperature(let sample): measured(sample, &step)
        case .contact(let direction, let closed): contactChanged(direction, closed, &step)
        case .fire(let alarm): fireChanged(alarm, &step)
        case .deviceLost(let device): deviceChanged(device, lost: true, &step)
        case .deviceBack(let device): deviceChanged(device, lost: false, &step)
        case .credentials(let new): credentialsChanged(new, &step)
        case .journal(let room):
            journal = room
            journalFault = false
        case .clock(let trust, let stepMilliseconds): step.record(.clock(trust, stepMilliseconds: stepMilliseconds))
        case .timePassed: timePassed(&step)
        case .stopping:
            if case .released(let release) = state { end(release, .interrupted, .forward, &step) }
            step.record(.stopping)
        }
        return finish(&step)
    }

    /// The journal could not take `event`; what stood behind it in the list was not done. At an entrance a release that
    /// is not recorded does not happen. `nextSequence` is the journal's.
    public mutating func recordFailed(_ event: LaneEvent, nextSequence: UInt64, at moment: Moment) -> LaneEffects {
        var step = Step(moment)
        self.nextSequence = nextSequence
        if case .hour(let start, let totals) = event {
            hourStartSeconds = start
            hourTotals = hourTotals + totals
        } else {
            hourTotals = hourTotals - LaneTotals(event)
        }
        journalFault = true
        if configuration.kind == .entry, case .decided = event, case .released = state { state = .waiting }
        outputs = .unknown
        return finish(&step, recordingMode: false)
    }

    /// When `timePassed` must be called at the latest.
    public var deadline: MonotonicTime {
        var earliest = hourDeadline
        switch state {
        case .waiting: if nextPresentation != nil { earliest = min(earliest, gapUntil) }
        case .measuring(let measuring): earliest = min(earliest, measuring.deadline)
        case .released(let release):
            earliest = min(earliest, release.deadline)
            if configuration.releaseMode == .pulse && outputs.release == true {
                earliest = min(earliest, release.pulseEnds)
            }
        }
        if let refusal { earliest = min(earliest, refusal.until) }
        earliest = min(earliest, forward.stuckAt(configuration), backward.stuckAt(configuration))
        return earliest
    }
    private(set) var hourDeadline = MonotonicTime(nanoseconds: 0)

    // MARK: What an observer may ask

    public var hasRelease: Bool { if case .released = state { true } else { false } }
    public var isMeasuring: Bool { if case .measuring = state { true } else { false } }
    public var credentialsInForce: CredentialsInForce { credentials }
    public var isInAlarm: Bool { fireAlarm }

    public func isLost(_ device: Device) -> Bool {
        switch device {
        case .reader(let index): readersLost & (1 << UInt16(min(index, 15))) != 0
        case .thermometer: thermometerLost
        case .gate: gateLost
        }
    }

    /// What the lane as a whole does, and why.
    public var mode: (mode: LaneMode, cause: ModeCause) {
        if fireAlarm { return (.emergency, .fire) }
        if gateLost { return (.outOfService, .gateLost) }
        let noReader = readersLost == Self.allReaders(configuration.readerCount)
        if configuration.kind == .exit { return noReader ? (.freeExit, .readersLost) : (.normal, .none) }
        if journal >= .reserveOnly { return (.outOfService, .journalFull) }
        if journalFault { return (.outOfService, .journalFault) }
        if noReader { return (.outOfService, .readersLost) }
        if thermometerLost && configuration.hasThermometer && policy.withoutThermometer == .outOfService {
            return (.outOfService, .thermometerLost)
        }
        return (.normal, .none)
    }

    // MARK: End of a step

    /// Derives mode and outputs and puts the effects in the order that the head comment promises.
    private mutating func finish(_ step: inout Step, recordingMode: Bool = true) -> LaneEffects {
        leaveStateThatModeForbids(&step)
        if case .waiting = state, let waiting = nextPresentation, mode.mode == .normal,
            step.moment.monotonic >= gapUntil
        {
            nextPresentation = nil
            temperaturesUsedUntil = max(temperaturesUsedUntil, step.moment.monotonic)
            begin(waiting, &step)
        }
        closeHour(&step)
        let (mode, cause) = mode
        if recordingMode && (recordedMode != mode || recordedCause != cause)
            && !(journalFault || (configuration.kind == .entry && journal >= .full))
        {
            recordedMode = mode
            recordedCause = cause
            step.record(.mode(mode, cause))
        }
        var effects = LaneEffects()
        if step.recordsFirst { appendRecords(step, to: &effects) }
        appendOutputs(step, to: &effects)
        if !step.recordsFirst { appendRecords(step, to: &effects) }
        return effects
    }

    private mutating func appendRecords(_ step: Step, to effects: inout LaneEffects) {
        for index in 0..<step.recordCount {
            let event = step.records[index]
            hourTotals.count(event)
            if case .hour = event { hourTotals = LaneTotals() }
            effects.append(.record(event, sequence: nextSequence))
            nextSequence += 1
        }
    }

    private mutating func closeHour(_ step: inout Step) {
        let moment = step.moment
        let hour = Self.hourStart(moment.wall)
        if hour != hourStartSeconds && moment.clock == .trusted {
            step.recordAtFront(.hour(startSeconds: hourStartSeconds, hourTotals))
            hourStartSeconds = hour
        }
        let rest = (hour + 3600) * 1000 - moment.wall.milliseconds
        hourDeadline = moment.monotonic.advanced(byMilliseconds: max(1, rest))
    }

    static func hourStart(_ wall: WallTime) -> Int64 {
        let seconds = wall.seconds
        return seconds - (seconds % 3600 + 3600) % 3600
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
    private(set) var records = InlineArray<10, LaneEvent>(repeating: .stopping)
    private(set) var recordCount = 0

    init(_ moment: Moment) { self.moment = moment }

    mutating func record(_ event: LaneEvent) {
        precondition(recordCount < 10, "a step of the lane machine writes at most 10 records")
        records[recordCount] = event
        recordCount += 1
    }

    /// For the hour's totals: they close before what happened in the new hour is counted.
    mutating func recordAtFront(_ event: LaneEvent) {
        record(event)
        var place = recordCount - 1
        while place > 0 {
            records.swapAt(place, place - 1)
            place -= 1
        }
    }
}
