import Admission

/// A lane on a virtual clock: carries the machine's effects out in their order, as the shell would, into a journal, a
/// gate and a display that tests can look at.
final class VirtualLane {
    struct Record {
        var sequence: UInt64
        var event: LaneEvent
        var atMilliseconds: Int64
    }

    var machine: LaneMachine
    /// Milliseconds since the test began; both clocks run with it.
    var elapsed: Int64 = 0
    /// What the wall clock says too much.
    var wallError: Int64 = 0
    var wallOverride: WallTime?
    var clock = ClockTrust.trusted
    var says: [UInt32: Credential] = [:]
    /// So long as this says so, the journal takes nothing.
    var isJournalFailing = false
    /// So many records are taken before `failuresInARow` fail.
    var recordsUntilFailure: Int?
    var failuresInARow = 1

    var records: [Record] = []
    var releaseLine = false
    /// The other way, of a two-way lane.
    var backwardLine = false
    var lamps = LampState.outOfService
    var message = LaneMessage.presentBadge
    var buzzes: [Int64] = []
    /// What the newest step asked for, with what failures made of it behind.
    var effects: [LaneEffect] = []
    var mostEffects = 0
    var releases = 0
    /// Times an entrance's line went up although its newest record of a decision or an end was no admission.
    var unrecordedReleases = 0
    /// What the journal did not take and will not get later.
    var hole = (count: UInt64(0), totals: LaneTotals())
    /// What the journal gives the next record.
    var nextSequence: UInt64 = 1

    /// - Parameter isUp: its devices are there, an image is in force, and what was said at the start is forgotten.
    init(
        _ configuration: LaneConfiguration = makeConfiguration(), policy: AdmissionPolicy = makePolicy(),
        credentials: CredentialsInForce? = makeCredentials(), isUp: Bool = true, unfinished: Outcome? = nil
    ) {
        machine = LaneMachine(
            configuration: configuration, policy: policy, nextSequence: 1, hourTotals: LaneTotals(),
            at: Moment(monotonic: Self.monotonic(0), wall: noon, clock: .trusted))
        carryOut(machine.start(unfinished: unfinished, at: moment))
        guard isUp else { return }
        if let credentials { adopt(credentials) }
        handle(.deviceBack(.gate))
        for index in 0..<configuration.readerCount { handle(.deviceBack(.reader(UInt8(index)))) }
        if configuration.hasThermometer { handle(.deviceBack(.thermometer)) }
        buzzes = []
        releases = 0
    }

    static func monotonic(_ milliseconds: Int64) -> MonotonicTime {
        MonotonicTime(milliseconds: UInt64(5_000_000 + milliseconds))
    }

    var wall: WallTime { wallOverride ?? WallTime(milliseconds: noon.milliseconds + elapsed + wallError) }
    var moment: Moment { Moment(monotonic: Self.monotonic(elapsed), wall: wall, clock: clock) }

    var isReleased: Bool { machine.hasRelease }
    var isMeasuring: Bool { machine.isMeasuring }
    var mode: LaneMode { machine.mode.mode }

    // MARK: Inputs

    func handle(_ input: LaneInput) {
        effects = []
        carryOut(machine.handle(input, at: moment))
    }

    /// What the credentials in force say of a holder; whoever is not here may pass.
    func lookup(holder: UInt32) -> BadgeLookup { .found(says[holder] ?? makeCredential(holder: holder)) }

    /// - Parameter lookUp: what these say of a badge; what `says` says when it is left out.
    func adopt(_ credentials: CredentialsInForce, lookUp: ((BadgeTag) -> BadgeLookup)? = nil) {
        effects = []
        carryOut(
            machine.adopt(credentials, at: moment) { tag in
                lookUp?(tag) ?? lookup(holder: UInt32(truncatingIfNeeded: tag.low % 1_000_000))
            })
    }

    func adopt(_ policy: AdmissionPolicy, schedule: [ScheduledMode]? = nil) {
        effects = []
        carryOut(machine.adopt(policy, schedule: schedule, at: moment))
    }

    func adopt(schedule: [ScheduledMode]) {
        effects = []
        carryOut(machine.adopt(nil, schedule: schedule, at: moment))
    }

    func order(_ mode: OrderedMode, minutes: UInt32 = 0) {
        handle(.technician(TechnicianAct(.ordered(mode, minutes: minutes), user: 1000)))
    }

    func present(_ presentation: Presentation) { handle(.presented(presentation)) }
    func present(_ holder: UInt32 = 1) { present(makePresentation(holder)) }

    /// `samples` of a thermometer that says one every 100 ms.
    func measure(_ samples: [Int32] = [3640, 3640, 3640], ambient: Int32 = 2400) {
        for sample in samples {
            wait(100)
            handle(.temperature(makeSample(sample, ambient: ambient)))
        }
    }

    /// Somebody walks through.
    func pulse(_ direction: PassageDirection = .forward, milliseconds: Int64 = 40) {
        handle(.contact(direction, closed: true))
        let during = effects
        wait(milliseconds)
        handle(.contact(direction, closed: false))
        effects = during + effects
    }

    /// Presents a badge with all keys and a temperature: the gate is released.
    func admit(_ holder: UInt32 = 1) {
        present(holder)
        if machine.isMeasuring { measure() }
    }

    /// Lets time pass, and wakes the machine at each of its deadlines. Says how often it was woken.
    @discardableResult
    func wait(_ milliseconds: Int64) -> Int {
        let end = elapsed + milliseconds
        var wakes = 0
        effects = []
        while machine.deadline <= Self.monotonic(end) {
            elapsed = max(elapsed, Int64(machine.deadline.nanoseconds / 1_000_000) - 5_000_000)
            carryOut(machine.handle(.timePassed, at: moment))
            wakes += 1
            // A deadline that does not move is a loop that eats a processor.
            if wakes > 1000 { break }
        }
        elapsed = end
        return wakes
    }

    // MARK: Effects

    private func carryOut(_ list: LaneEffects) {
        mostEffects = max(mostEffects, list.count)
        for index in 0..<list.count {
            effects.append(list[index])
            switch list[index] {
            case .record(let event, let sequence):
                if fails() {
                    let outputs = machine.recordFailed(event, nextSequence: nextSequence, at: moment)
                    let lost = machine.takeUnrecorded()
                    hole = (hole.count + lost.count, hole.totals + lost.totals)
                    carryOut(outputs)
                    return
                }
                precondition(sequence == nextSequence, "record \(sequence) where \(nextSequence) is next")
                nextSequence += 1
                records.append(Record(sequence: sequence, event: event, atMilliseconds: elapsed))
            case .release(let on):
                if on && !releaseLine { noteRelease() }
                releaseLine = on
            case .releaseBackward(let on): backwardLine = on
            case .lamps(let state): lamps = state
            case .message(let text): message = text
            case .buzzer(let milliseconds): buzzes.append(milliseconds)
            }
        }
    }

    private func noteRelease() {
        releases += 1
        let isOpenForAll = [.emergency, .heldOpen, .maintenance].contains(machine.mode.mode)
        guard machine.configuration.kind == .entry, !isOpenForAll else { return }
        let newest = records.last {
            switch $0.event {
            case .decided(let decision): decision.verdict == .admitted
            case .releasedByHand: true
            default: false
            }
        }
        let isOpen = newest.map { decision in
            !outcomes.contains { $0.decisionSequence == decision.sequence }
        }
        if isOpen != true { unrecordedReleases += 1 }
    }

    private func fails() -> Bool {
        if isJournalFailing { return true }
        guard let left = recordsUntilFailure else { return false }
        recordsUntilFailure = left - 1
        if left <= 1 - failuresInARow { recordsUntilFailure = nil }
        return left <= 0
    }

    // MARK: What was recorded

    /// The newest decision.
    var decision: Decision? { decisions.last }
    var decisions: [Decision] {
        records.compactMap { if case .decided(let decision) = $0.event { decision } else { nil } }
    }
    var outcomes: [Outcome] {
        records.compactMap { if case .ended(let outcome) = $0.event { outcome } else { nil } }
    }
    var ends: [ReleaseEnd] { outcomes.map(\.end) }
    var pulses: [UnreleasedPulse] {
        records.compactMap { if case .pulse(let pulse, _, _) = $0.event { pulse } else { nil } }
    }
    var modes: [LaneMode] {
        records.compactMap { if case .mode(let mode, _) = $0.event { mode } else { nil } }
    }
    /// What the records count, by the test's own addition.
    var tally: [String: Int] {
        var tally: [String: Int] = [:]
        for record in records {
            switch record.event {
            case .decided(let decision):
                tally["presented", default: 0] += 1
                tally[decision.verdict == .admitted ? "admitted" : "refused", default: 0] += 1
            case .releasedByHand:
                tally["admitted", default: 0] += 1
                tally["byHand", default: 0] += 1
            case .ended(let outcome):
                tally["\(outcome.end)", default: 0] += 1
                if outcome.end == .passed && outcome.direction == .backward {
                    tally["passedBackward", default: 0] += 1
                }
            case .pulse(.anonymous, let direction, _):
                tally[direction == .forward ? "anonymousForward" : "anonymousBackward", default: 0] += 1
            case .pulse(.maintenance, _, _): break
            case .pulse(let pulse, let direction, _):
                tally["\(pulse)", default: 0] += 1
                if pulse == .tailgating && direction == .backward { tally["tailgatingBackward", default: 0] += 1 }
            default: break
            }
        }
        return tally
    }

    /// The effects of the newest step, as words: `record decided`, `release 1`.
    var told: [String] { effects.map(Self.words) }

    static func words(_ effect: LaneEffect) -> String {
        switch effect {
        case .record(let event, _): "record \(name(event))"
        case .release(let on): "release \(on ? 1 : 0)"
        case .releaseBackward(let on): "backward \(on ? 1 : 0)"
        case .lamps(let state): "lamps \(state)"
        case .buzzer(let milliseconds): "buzzer \(milliseconds)"
        case .message: "message"
        }
    }

    static func name(_ event: LaneEvent) -> String {
        switch event {
        case .epochStarted: "epoch"
        case .decided(let decision): "\(decision.verdict)"
        case .ended(let outcome): "\(outcome.end)"
        case .pulse(let pulse, _, _): "\(pulse)"
        case .seenInEmergency: "seen"
        case .fire(let alarm): alarm ? "fire" : "fire-over"
        case .device(_, let lost): lost ? "lost" : "back"
        case .contact(_, let stuck): stuck ? "stuck" : "freed"
        case .mode(let mode, _): "mode \(mode)"
        case .credentials: "credentials"
        case .clock: "clock"
        case .hour: "hour"
        case .hole: "hole"
        case .stopping: "stopping"
        case .policy: "policy"
        case .passagesForgotten: "forgotten"
        case .releasedByHand: "by-hand"
        case .tamper(_, let opened): opened ? "tampered" : "closed"
        case .technician: "technician"
        case .seenInMaintenance: "seen-maintenance"
        }
    }
}

extension LaneTotals {
    /// As `VirtualLane.tally` counts: only what is not zero.
    var tally: [String: Int] {
        let all: [(String, UInt32)] = [
            ("presented", presented), ("admitted", admitted), ("refused", refused), ("passed", passed),
            ("annulled", annulled), ("interrupted", interrupted), ("tailgating", tailgating), ("forced", forced),
            ("wrongWay", wrongWay), ("anonymousForward", anonymousForward), ("anonymousBackward", anonymousBackward),
            ("byHand", byHand), ("passedBackward", passedBackward), ("tailgatingBackward", tailgatingBackward),
        ]
        return Dictionary(uniqueKeysWithValues: all.filter { $0.1 != 0 }.map { ($0.0, Int($0.1)) })
    }
}

extension VirtualLane: CustomStringConvertible {
    /// For a failed expectation: the newest records and what is shown.
    var description: String {
        let newest = records.suffix(8).map { "\($0.sequence) \(Self.name($0.event))" }.joined(separator: ", ")
        return "lane(\(mode), release \(releaseLine ? 1 : 0), \(lamps); … \(newest))"
    }
}
