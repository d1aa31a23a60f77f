import Admission
import Devices
import Posix
import Storage
import Wording

/// Gives inputs to the lane machine and carries its effects out, in their order. A record that cannot be written ends
/// the list there: at an entrance nothing is released that is not recorded.
struct EffectRunner {
    private(set) var machine: LaneMachine
    /// nil while the disk lets none be opened.
    private var journal: Journal?
    private var absence: String
    private let gate: Gate
    private let progress: LaneProgress
    private let isExit: Bool
    /// Everything counted since this process began.
    private(set) var total = LaneTotals()
    /// The last decisions, newest last, for `lanectl status`.
    private(set) var recent = RecentDecisions()
    /// What could not be recorded, not even in the reserve; told in one record an hour.
    private var unrecorded = Unrecorded()
    private var buzzerEnds = MonotonicTime.never
    private var hasNewMode = false
    /// Since this process began, be it that the lane is normal again.
    private var wasOrdered = false
    /// A journal that fails at every record is told once a minute.
    private var nextComplaint = MonotonicTime(nanoseconds: 0)

    /// - Parameter absence: why there is no journal.
    init(
        machine: LaneMachine, journal: Journal?, absence: String = "", gate: Gate,
        progress: LaneProgress = LaneProgress()
    ) {
        self.progress = progress
        self.absence = absence
        self.machine = machine
        self.journal = journal
        self.gate = gate
        isExit = machine.configuration.kind == .exit
    }

    private struct Unrecorded {
        var count: UInt64 = 0
        var totals = LaneTotals()
        var nextAttempt = MonotonicTime(nanoseconds: 0)
    }

    // MARK: For the loop

    var deadline: MonotonicTime { min(machine.deadline, buzzerEnds) }
    var isInAlarm: Bool { machine.isInAlarm }
    var credentials: CredentialsInForce { machine.credentialsInForce }
    /// Without a journal there is no room in it.
    var journalState: JournalState { journal?.state ?? .full }
    var journalStatus: JournalStatus { journal.map { JournalStatus($0) } ?? JournalStatus(absence: absence) }

    /// Why there is no journal yet.
    mutating func journalIsAbsent(_ why: String) { absence = why }

    /// The journal could be opened at last. What was not recorded until now is told in it as a hole.
    mutating func take(_ opened: OpenedLane, at moment: Moment) {
        let recovery = opened.recovery
        journal = opened.journal
        var earlier = recovery.hourTotals
        for case let unfinished? in [recovery.outstanding, recovery.outstandingBeside] {
            do {
                try opened.journal.append(
                    .ended(unfinished), at: moment, sequence: opened.journal.nextSequence, for: .reserve)
                total.count(.ended(unfinished))
                earlier.count(.ended(unfinished))
            } catch { Log.error("journal: \(error)") }
        }
        machine.recovered(earlier, nextSequence: opened.journal.nextSequence)
        machine.remember(recovery.passages, at: moment)
        unrecorded.nextAttempt = MonotonicTime(nanoseconds: 0)
        give(.journal(opened.journal.state), at: moment)
    }

    /// An order that could not be read before, unless another was given meanwhile.
    mutating func resume(_ order: StandingOrder, at moment: Moment) {
        guard !wasOrdered else { return }
        machine.resume(order, at: moment)
        give(.timePassed, at: moment)
    }

    /// False when the disk did not answer in time.
    func closeJournal(by deadline: UInt64) -> Bool { journal?.close(by: deadline) ?? true }

    mutating func start(unfinished: Outcome?, beside: Outcome?, at moment: Moment) {
        perform(machine.start(unfinished: unfinished, beside: beside, at: moment), at: moment)
    }

    mutating func give(_ input: LaneInput, at moment: Moment) {
        if case .technician(let act) = input, case .ordered = act.what { wasOrdered = true }
        perform(machine.handle(input, at: moment), at: moment)
    }

    mutating func adopt(_ policy: AdmissionPolicy?, schedule: [ScheduledMode]? = nil, at moment: Moment) {
        perform(machine.adopt(policy, schedule: schedule, at: moment), at: moment)
    }

    mutating func adopt(
        _ credentials: CredentialsInForce, at moment: Moment, lookUp: (BadgeTag) -> BadgeLookup
    ) {
        perform(machine.adopt(credentials, at: moment, lookUp: lookUp), at: moment)
    }

    mutating func learn(_ count: ZoneCount) { machine.learn(count) }

    mutating func timePassed(at moment: Moment) {
        if moment.monotonic >= buzzerEnds {
            buzzerEnds = .never
            gate.set(.buzzer, false, at: moment.monotonic)
        }
        if moment.monotonic >= machine.deadline { give(.timePassed, at: moment) }
    }

    /// Once a second: what room the journal has. After a failure the machine tries it again by itself, unless it is full.
    mutating func lookAtJournal(at moment: Moment) {
        let state = journalState
        if state != machine.journalRoom { give(.journal(state), at: moment) }
        tellUnrecorded(at: moment)
    }

    /// Whether the mode changed since the last call.
    mutating func takeModeChange() -> Bool {
        defer { hasNewMode = false }
        return hasNewMode
    }

    /// For systemd and the log.
    var statusLine: String {
        let (mode, cause) = machine.mode
        return cause == .none ? mode.name : "\(mode.name): \(cause.name)"
    }

    // MARK: Effects

    private mutating func perform(_ effects: LaneEffects, at moment: Moment) {
        for index in 0..<effects.count {
            switch effects[index] {
            case .record(let event, let sequence):
                guard write(event, sequence, moment) else {
                    let outputs = machine.recordFailed(event, nextSequence: journal?.nextSequence ?? 1, at: moment)
                    let lost = machine.takeUnrecorded()
                    unrecorded.count += lost.count
                    unrecorded.totals = unrecorded.totals + lost.totals
                    perform(outputs, at: moment)
                    return
                }
            case .release(let on): gate.set(.release, on, at: moment.monotonic)
            case .releaseBackward(let on): gate.set(.releaseBackward, on, at: moment.monotonic)
            case .lamps(let state): setLamps(state, at: moment.monotonic)
            case .buzzer(let milliseconds):
                gate.set(.buzzer, true, at: moment.monotonic)
                buzzerEnds = moment.monotonic.advanced(byMilliseconds: milliseconds)
            case .message: break
            }
        }
    }

    private mutating func write(_ event: LaneEvent, _ sequence: UInt64, _ moment: Moment) -> Bool {
        // What there is not was told when it was looked for.
        guard let journal else { return false }
        progress.beginRecord()
        defer { progress.endRecord() }
        do {
            try journal.append(event, at: moment, sequence: sequence, for: purpose(of: event))
        } catch {
            if moment.monotonic >= nextComplaint {
                nextComplaint = moment.monotonic.advanced(byMilliseconds: 60_000)
                Log.error("journal: \(error)")
            }
            return false
        }
        total.count(event)
        switch event {
        case .decided(let decision): recent.append(decision, moment.wall)
        case .mode: hasNewMode = true
        default: break
        }
        return true
    }

    /// New people at an entrance use the room; what must be told in any case may use the reserve.
    private func purpose(of event: LaneEvent) -> RecordPurpose {
        switch event {
        case .decided(let decision) where !isExit && decision.presentation.direction == .forward: .entrance
        case .releasedByHand where !isExit: .entrance
        default: .reserve
        }
    }

    private mutating func tellUnrecorded(at moment: Moment) {
        guard let journal, unrecorded.count > 0, moment.monotonic >= unrecorded.nextAttempt else { return }
        let roomy = journal.state < .reserveOnly
        unrecorded.nextAttempt = moment.monotonic.advanced(byMilliseconds: roomy ? 5000 : 3_600_000)
        let hole = LaneEvent.hole(
            epoch: journal.epoch, firstSequence: journal.nextSequence, count: unrecorded.count, .noRoom,
            unrecorded.totals)
        do {
            try journal.append(hole, at: moment, sequence: journal.nextSequence, for: .counter)
            machine.skipSequence(to: journal.nextSequence)
            // Not the time of the next: in a full journal every one takes a slot of the few that are kept for these.
            unrecorded.count = 0
            unrecorded.totals = LaneTotals()
        } catch {
            Log.error("journal: \(error); \(unrecorded.count) events are counted but not recorded")
        }
    }

    private func setLamps(_ state: LampState, at now: MonotonicTime) {
        let (green, red, amber) =
            switch state {
            case .ready: (false, false, true)
            case .working: (false, false, true)
            case .admitted: (true, false, false)
            case .refused, .locked: (false, true, false)
            case .outOfService, .stale: (false, true, true)
            case .emergency: (true, false, true)
            }
        gate.set(.lampGreen, green, at: now)
        gate.set(.lampRed, red, at: now)
        gate.set(.lampAmber, amber, at: now)
    }
}

/// What the journal says of itself, as a value for other threads.
struct JournalStatus: Sendable {
    var epoch: Epoch
    var nextSequence: UInt64
    var used: UInt64
    var unsynced: UInt64
    var state: JournalState
    var faults: JournalFaults
    /// Why there is none; nil while there is one.
    var absence: String?

    init(_ journal: Journal) {
        epoch = journal.epoch
        nextSequence = journal.nextSequence
        used = UInt64(journal.unacknowledged)
        unsynced = UInt64(journal.unsynced)
        state = journal.state
        faults = journal.faults
    }

    init(absence: String) {
        epoch = .none
        nextSequence = 0
        used = 0
        unsynced = 0
        state = .full
        faults = JournalFaults()
        self.absence = absence
    }
}

/// The last ten decisions, without identifiers.
struct RecentDecisions: Sendable {
    static let capacity = 10
    struct Entry: Sendable {
        var wall = WallTime(milliseconds: 0)
        var verdict = Verdict.refused
        var reasons: Reasons = []
        var kind: HolderKind?
    }
    private var entries = InlineArray<10, Entry>(repeating: Entry())
    private var next = 0
    private var count = 0

    mutating func append(_ decision: Decision, _ wall: WallTime) {
        entries[next] = Entry(
            wall: wall, verdict: decision.verdict, reasons: decision.reasons,
            kind: decision.presentation.credential?.kind)
        next = (next + 1) % Self.capacity
        count = min(count + 1, Self.capacity)
    }

    /// Newest first; allocates.
    var all: [Entry] { (0..<count).map { entries[(next - 1 - $0 + 2 * Self.capacity) % Self.capacity] } }
}
