import Admission
import TestSupport
import Testing

@Suite("Modes that somebody chose") struct LaneModeTests {
    // MARK: The table of precedence

    enum Circumstance: CaseIterable { case fire, gateLost, readersLost, thermometerLost, journalFull, journalFault }

    static func make(_ kind: LaneKind, _ order: OrderedMode, _ circumstances: [Circumstance]) -> VirtualLane {
        let lane = VirtualLane(
            makeConfiguration(kind, hasThermometer: true), policy: makePolicy { $0.withoutThermometer = .outOfService })
        if order != .normal { lane.order(order) }
        for circumstance in circumstances {
            switch circumstance {
            case .fire: lane.handle(.fire(alarm: true))
            case .gateLost: lane.handle(.deviceLost(.gate))
            case .readersLost: lane.handle(.deviceLost(.reader(0)))
            case .thermometerLost: lane.handle(.deviceLost(.thermometer))
            case .journalFull: lane.handle(.journal(.full))
            case .journalFault:
                lane.isJournalFailing = true
                lane.handle(.contact(.backward, closed: true))
            }
        }
        return lane
    }

    @Test(
        "the first row that holds is the mode, whatever holds below it",
        arguments: [LaneKind.entry, .exit], OrderedMode.allCases)
    func precedence(kind: LaneKind, order: OrderedMode) {
        for bits in 0..<(1 << Circumstance.allCases.count) {
            let circumstances = Circumstance.allCases.filter {
                bits & 1 << (Circumstance.allCases.firstIndex(of: $0) ?? 0) != 0
            }
            let lane = Self.make(kind, order, circumstances)
            func has(_ circumstance: Circumstance) -> Bool { circumstances.contains(circumstance) }
            let expected: LaneMode =
                if has(.fire) { .emergency } else if has(.gateLost) { .outOfService } else if order == .maintenance {
                    .maintenance
                } else if order == .heldOpen { .heldOpen } else if kind == .exit && has(.readersLost) {
                    .freeExit
                } else if order == .locked { .locked } else if kind == .exit {
                    .normal
                } else if has(.readersLost) || has(.thermometerLost) || has(.journalFull) || has(.journalFault) {
                    .outOfService
                } else { .normal }
            #expect(lane.mode == expected, "\(circumstances)")
            let isOpen = [.emergency, .freeExit, .heldOpen].contains(expected)
            if !has(.gateLost) || has(.fire) { #expect(lane.releaseLine == isOpen, "\(circumstances)") }
        }
    }

    @Test(
        "an order is recorded with who gave it, then the mode with its cause",
        arguments: [OrderedMode.locked, .heldOpen, .maintenance])
    func recorded(mode: OrderedMode) {
        let lane = VirtualLane()
        let act = TechnicianAct(.ordered(mode, minutes: 30), user: 1000, remark: Remark("broken bar"))
        lane.handle(.technician(act))
        #expect(lane.records.suffix(2).map(\.event) == [.technician(act), .mode(mode.laneMode, .technician)])
        lane.order(.normal)
        #expect(lane.records.last?.event == .mode(.normal, .none))
    }

    @Test("an order that a stronger mode covers is recorded, and holds when that is over")
    func covered() {
        let lane = VirtualLane()
        lane.handle(.fire(alarm: true))
        lane.order(.locked)
        #expect(lane.mode == .emergency)
        #expect(lane.releaseLine)
        #expect(VirtualLane.name(lane.records.last?.event ?? .stopping) == "technician")
        lane.handle(.fire(alarm: false))
        #expect(lane.mode == .locked)
        #expect(!lane.releaseLine)
    }

    @Test("an order for so many minutes ends by itself, whatever the wall clock does", arguments: OrderedMode.allCases)
    func forMinutes(mode: OrderedMode) {
        let lane = VirtualLane()
        lane.order(.locked)
        lane.order(mode, minutes: 10)
        lane.wallError = -90_000_000
        lane.handle(.clock(.trusted, stepMilliseconds: -90_000_000))
        lane.wait(599_999)
        #expect(lane.mode == mode.laneMode)
        lane.wait(1)
        #expect(lane.mode == .normal, "not what was ordered before it")
        #expect(lane.lamps == .ready)
    }

    @Test("an order that the last run was given is resumed for what is left of it")
    func resumed() {
        // Given for so many minutes, so many ms before the start; whether it still stands a minute after it.
        let cases: [(UInt32, Int64, Bool)] = [
            (0, 900_000_000, true), (10, 540_000, false), (10, 539_999, true), (10, 999_000_000, false),
            (2, -999_000_000, true), (1, -999_000_000, false),
        ]
        for (minutes, before, still) in cases {
            var machine = LaneMachine(
                configuration: makeConfiguration(), policy: makePolicy(), nextSequence: 1, hourTotals: LaneTotals(),
                at: Moment(monotonic: VirtualLane.monotonic(0), wall: noon, clock: .trusted))
            machine.resume(
                StandingOrder(
                    mode: .locked, minutes: minutes, user: 7, remark: Remark(),
                    givenAt: noon.advanced(byMilliseconds: -before)), at: at(0))
            func at(_ milliseconds: Int64) -> Moment {
                Moment(monotonic: VirtualLane.monotonic(milliseconds), wall: noon, clock: .trusted)
            }
            _ = machine.start(unfinished: nil, at: at(0))
            _ = machine.handle(.deviceBack(.gate), at: at(1))
            #expect(machine.mode.mode == (before < 999_000_000 ? .locked : .outOfService) || minutes == 0)
            _ = machine.handle(.timePassed, at: at(60_000))
            #expect(machine.chosenMode.mode == (still ? .locked : .normal))
        }
    }

    @Test("no mode that is chosen cuts a release short", arguments: [LaneKind.entry, .exit], OrderedMode.allCases)
    func standingRelease(kind: LaneKind, mode: OrderedMode) {
        let lane = makeQuickLane(kind)
        lane.present()
        lane.order(mode)
        #expect(lane.releaseLine)
        #expect(lane.lamps == .admitted)
        lane.wait(1000)
        lane.pulse()
        #expect(lane.ends == [.passed])
        #expect(lane.releaseLine == (mode == .heldOpen))
    }

    // MARK: Locked

    @Test("a locked entrance refuses with a record and every other reason, and shows that it is locked")
    func locked() {
        let lane = VirtualLane()
        lane.order(.locked)
        #expect(lane.lamps == .locked)
        #expect(lane.message == .locked)
        lane.present(makePresentation(credential: makeCredential(test: .positive)))
        #expect(lane.decision?.reasons == [.laneLocked, .testPositive])
        lane.measure()
        #expect(lane.releases == 0)
        #expect(lane.message == .locked)
        lane.pulse()
        #expect(lane.pulses == [.forced])
    }

    @Test("who is measured or waits when the lane is locked is not let in", arguments: [true, false])
    func lockedMeanwhile(waits: Bool) {
        let lane = waits ? makeQuickLane() : VirtualLane()
        lane.present(1)
        if waits { lane.present(2) }
        lane.order(.locked)
        #expect(lane.decision?.reasons == .laneLocked)
        if waits { lane.pulse() }
        lane.wait(6000)
        #expect(lane.releases == (waits ? 1 : 0))
    }

    @Test("a locked exit lets out whoever comes, with and without a reader")
    func lockedExit() {
        let lane = makeQuickLane(.exit)
        lane.order(.locked)
        #expect(lane.message == .presentBadge)
        lane.present(makePresentation(lookup: .unknown))
        #expect(lane.releaseLine)
        lane.pulse()
        #expect(lane.ends == [.passed])
        #expect(lane.tally["refused"] == nil)
        lane.pulse(.backward)
        #expect(lane.pulses == [.wrongWay])
        lane.handle(.deviceLost(.reader(0)))
        #expect(lane.mode == .freeExit)
        #expect(lane.releaseLine)
    }

    // MARK: Held open

    @Test(
        "a held-open lane reads and counts: who badged passes, who did not is anonymous and nobody's fault",
        arguments: [LaneKind.entry, .exit])
    func heldOpen(kind: LaneKind) {
        let lane = makeQuickLane(kind)
        lane.order(.heldOpen)
        #expect(lane.releaseLine)
        #expect(lane.message == .heldOpen)
        lane.present(1)
        #expect(lane.lamps == .admitted)
        lane.pulse()
        lane.pulse()
        lane.pulse(.backward)
        #expect(lane.ends == [.passed])
        #expect(lane.outcomes.last?.holder == HolderNumber(1))
        #expect(lane.pulses == [.anonymous, .anonymous])
        #expect(lane.buzzes == [])
        #expect(lane.releaseLine)
        lane.present(2)
        lane.wait(5000)
        #expect(lane.ends == [.passed, .annulled])
        #expect(lane.releaseLine)
        lane.order(.normal)
        #expect(!lane.releaseLine)
        #expect(
            lane.tally == [
                "presented": 2, "admitted": 2, "passed": 1, "annulled": 1, "anonymousForward": 1,
                "anonymousBackward": 1,
            ])
    }

    @Test("who lacks a key is told so by a gate that stands open, and counted as a refusal and as somebody who walked")
    func heldOpenRefuses() {
        let lane = VirtualLane()
        lane.order(.heldOpen)
        lane.present(makePresentation(credential: makeCredential(activation: .revoked)))
        lane.measure()
        #expect(lane.decision?.reasons == .revoked)
        #expect(lane.lamps == .refused)
        #expect(lane.releaseLine)
        lane.pulse()
        #expect(lane.tally == ["presented": 1, "refused": 1, "anonymousForward": 1])
    }

    @Test("who walks while his temperature is taken is judged by what there is", arguments: [0, 2, 3, 4])
    func walksWhileMeasured(samples: Int) {
        let lane = VirtualLane()
        lane.order(.heldOpen)
        lane.present()
        // Three would do, so the last comes with the pulse.
        lane.measure([Int32](repeating: 3640, count: min(samples, 2)))
        if samples > 2 { lane.measure([Int32](repeating: 3640, count: samples - 2)) }
        lane.pulse()
        if samples >= 3 {
            #expect(lane.tally == ["presented": 1, "admitted": 1, "passed": 1])
        } else {
            #expect(lane.decision?.reasons == .temperatureMissing)
            #expect(lane.tally == ["presented": 1, "refused": 1, "anonymousForward": 1])
        }
        #expect(lane.machine.hourTotals.tally == lane.tally)
    }

    @Test("a crowd at a held-open lane: every walk is counted once")
    func heldOpenCrowd() {
        let lane = makeQuickLane()
        lane.order(.heldOpen)
        for holder in 1...20 as ClosedRange<UInt32> {
            lane.present(holder)
            lane.wait(150)
            lane.pulse()
            if holder % 3 == 0 { lane.pulse() }
            lane.wait(100)
        }
        #expect(lane.tally == ["presented": 20, "admitted": 20, "passed": 20, "anonymousForward": 6])
    }

    @Test("a held-open entrance whose journal fails stays open and counts what it can", arguments: [true, false])
    func heldOpenWithoutJournal(isFull: Bool) {
        let lane = makeQuickLane()
        lane.order(.heldOpen)
        if isFull { lane.handle(.journal(.full)) }
        lane.isJournalFailing = true
        lane.pulse()
        lane.present(1)
        lane.pulse()
        #expect(lane.mode == .heldOpen)
        #expect(lane.releaseLine)
        #expect(lane.hole.totals.anonymousForward == 2)
        lane.isJournalFailing = false
        lane.handle(.journal(.roomy))
        lane.present(2)
        lane.pulse()
        #expect(lane.ends == [.passed])
    }

    // MARK: Maintenance

    @Test("in maintenance nobody is admitted or counted", arguments: [LaneKind.entry, .exit])
    func maintenance(kind: LaneKind) {
        let lane = VirtualLane(makeConfiguration(kind, hasThermometer: true))
        lane.order(.maintenance)
        #expect(lane.lamps == .outOfService)
        #expect(lane.message == .maintenance)
        lane.records = []
        lane.present(1)
        lane.present(1)
        lane.measure()
        lane.present(makePresentation(2, lookup: .unknown))
        lane.pulse()
        lane.pulse(.backward)
        #expect(
            lane.records.map { VirtualLane.name($0.event) } == [
                "seen-maintenance", "seen-maintenance", "maintenance", "maintenance",
            ])
        #expect(lane.tally == [:])
        #expect(lane.machine.hourTotals == LaneTotals())
        #expect(lane.releases == 0)
        #expect(lane.buzzes == [])
        lane.order(.normal)
        lane.wait(600)
        lane.present(1)
        if kind == .entry { lane.measure() }
        #expect(lane.releaseLine)
    }

    @Test(
        "a technician moves one thing of the gate at a time, for a moment, and each is recorded",
        arguments: GateTest.allCases, ReleaseMode.allCases)
    func tests(what: GateTest, mode: ReleaseMode) {
        let lane = makeQuickLane(releaseMode: mode)
        lane.order(.maintenance)
        let act = TechnicianAct(.tested(what), user: 1000)
        lane.handle(.technician(act))
        #expect(lane.records.last?.event == .technician(act))
        #expect(lane.releaseLine == (what == .release))
        let lamps: [GateTest: LampState] = [.lampGreen: .admitted, .lampRed: .refused, .lampAmber: .ready]
        #expect(lane.lamps == lamps[what] ?? .outOfService)
        #expect(lane.buzzes == (what == .buzzer ? [500] : []))
        lane.wait(what == .release && mode == .pulse ? 499 : 499)
        #expect(lane.releaseLine == (what == .release))
        lane.wait(2000)
        #expect(!lane.releaseLine)
        #expect(lane.lamps == .outOfService)
        #expect(lane.wait(10_000) < 3, "it does not spin")
    }

    @Test("nothing is moved outside maintenance, or while somebody may still walk")
    func testsElsewhere() {
        let lane = makeQuickLane()
        for order in [OrderedMode.normal, .locked] {
            lane.order(order)
            #expect(!lane.machine.mayTest)
            lane.handle(.technician(TechnicianAct(.tested(.release), user: 0)))
            #expect(!lane.releaseLine)
        }
        lane.order(.normal)
        lane.present()
        lane.order(.maintenance)
        #expect(!lane.machine.mayTest)
        lane.handle(.technician(TechnicianAct(.tested(.lampRed), user: 0)))
        #expect(lane.lamps == .admitted)
    }

    @Test("a test ends with maintenance, and a fire opens in the middle of one")
    func testEnds() {
        let lane = makeQuickLane()
        lane.order(.maintenance)
        lane.handle(.technician(TechnicianAct(.tested(.release), user: 0)))
        lane.handle(.fire(alarm: true))
        #expect(lane.lamps == .emergency)
        #expect(lane.releaseLine)
        lane.handle(.fire(alarm: false))
        #expect(!lane.releaseLine)
        lane.handle(.technician(TechnicianAct(.tested(.release), user: 0)))
        #expect(lane.releaseLine)
        lane.order(.normal)
        #expect(!lane.releaseLine)
        #expect(lane.lamps == .ready)
    }

    // MARK: The schedule

    static let day: Int64 = 24 * 3_600_000
    /// `noon` and so many minutes.
    static func daily(_ mode: OrderedMode, from: Int64, minutes: Int64) -> ScheduledMode {
        let start = ((noon.milliseconds + from * 60_000) % day + day) % day
        return ScheduledMode(
            mode, OpeningHours(daily: [.init(fromMilliseconds: start, lengthMilliseconds: minutes * 60_000)]))
    }
    static func once(_ mode: OrderedMode, from: Int64, minutes: Int64) -> ScheduledMode {
        let from = noon.advanced(byMilliseconds: from * 60_000)
        return ScheduledMode(
            mode, OpeningHours(dated: [.init(from: from, until: from.advanced(byMilliseconds: minutes * 60_000))]))
    }

    static func scheduled(_ entries: [ScheduledMode], _ kind: LaneKind = .entry) -> VirtualLane {
        let lane = makeQuickLane(kind) { $0.schedule = entries }
        lane.adopt(makeCredentials(issuedSecondsAgo: -900_000, statementSecondsAgo: -900_000))
        return lane
    }

    @Test(
        "the schedule locks and opens to the millisecond, every day, and nobody has to wake it",
        arguments: [false, true])
    func schedule(isDated: Bool) {
        let make = isDated ? Self.once : Self.daily
        let lane = Self.scheduled([make(.locked, 10, 5), make(.heldOpen, 20, 5)])
        lane.wait(599_999)
        #expect(lane.mode == .normal)
        lane.wait(1)
        #expect(lane.machine.mode == (.locked, .schedule))
        lane.wait(299_999)
        #expect(lane.mode == .locked)
        lane.wait(1)
        #expect(lane.mode == .normal)
        lane.wait(300_000)
        #expect(lane.machine.mode == (.heldOpen, .schedule))
        #expect(lane.releaseLine)
        lane.wait(300_000)
        #expect(!lane.releaseLine)
        lane.wait(Self.day - 900_000)
        #expect(lane.mode == (isDated ? .normal : .locked))
        let modes = lane.records.compactMap { if case .mode(let mode, .schedule) = $0.event { mode } else { nil } }
        #expect(modes == (isDated ? [.locked, .heldOpen] : [.locked, .heldOpen, .locked]))
    }

    @Test("of two entries at one time the first holds")
    func overlap() {
        let lane = Self.scheduled([
            Self.once(.normal, from: 1, minutes: 1), Self.daily(.locked, from: -60, minutes: 120),
        ])
        #expect(lane.mode == .locked)
        lane.wait(60_000)
        #expect(lane.mode == .normal)
        lane.wait(60_000)
        #expect(lane.mode == .locked)
    }

    @Test("a technician's order stands above the schedule, until it is over or taken back")
    func orderAboveSchedule() {
        let lane = Self.scheduled([Self.daily(.locked, from: -60, minutes: 120)])
        lane.order(.normal, minutes: 10)
        #expect(lane.machine.mode == (.normal, .none))
        lane.wait(600_000)
        #expect(lane.machine.mode == (.locked, .schedule))
        lane.order(.heldOpen)
        #expect(lane.mode == .heldOpen)
        lane.order(.normal)
        #expect(lane.machine.mode == (.locked, .schedule), "normal without a time gives the lane back to the schedule")
    }

    @Test(
        "what the mode is at another instant: the schedule's, or that of an order that stands then",
        arguments: [
            (0, 30, .normal, .locked, .schedule), (0, 90, .normal, .normal, .none), (0, 29, .normal, .normal, .none),
            (0, -1410, .normal, .locked, .schedule), (20, 30, .heldOpen, .locked, .schedule),
            (40, 30, .heldOpen, .heldOpen, .technician), (40, 39, .heldOpen, .heldOpen, .technician),
            (40, 40, .heldOpen, .locked, .schedule), (40, -1, .heldOpen, .normal, .none),
            (0, 100_000, .maintenance, .maintenance, .technician),
        ] as [(UInt32, Int64, OrderedMode, LaneMode, ModeCause)])
    func atAnotherInstant(
        orderedFor minutes: UInt32, later: Int64, order: OrderedMode, mode: LaneMode, cause: ModeCause
    ) {
        let lane = Self.scheduled([Self.daily(.locked, from: 30, minutes: 60)])
        if order != .normal { lane.order(order, minutes: minutes) }
        let before = lane.machine.mode
        let instant = lane.moment.wall.advanced(byMilliseconds: later * 60_000)
        #expect(lane.machine.laneMode(at: instant, now: lane.moment) == (mode, cause))
        #expect(lane.machine.mode == before)
        // What is lost or burns now is taken as it is.
        lane.handle(.fire(alarm: true))
        #expect(lane.machine.laneMode(at: instant, now: lane.moment) == (.emergency, .fire))
    }

    @Test("a clock that is not trusted says nothing of the mode at another instant")
    func atAnotherInstantWithoutClock() {
        let lane = Self.scheduled([Self.daily(.locked, from: 30, minutes: 60)])
        let instant = lane.moment.wall.advanced(byMilliseconds: 30 * 60_000)
        lane.clock = .stepped
        #expect(lane.machine.laneMode(at: instant, now: lane.moment) == (.normal, .none))
    }

    @Test(
        "a clock that is not trusted begins nothing, keeps a lane locked, and holds none open",
        arguments: [OrderedMode.locked, .heldOpen])
    func scheduleWithoutClock(mode: OrderedMode) {
        let lane = Self.scheduled([Self.daily(mode, from: 10, minutes: 60)])
        lane.clock = .stepped
        lane.wait(900_000)
        #expect(lane.mode == .normal)
        lane.clock = .trusted
        lane.handle(.clock(.trusted, stepMilliseconds: 0))
        #expect(lane.mode == mode.laneMode)
        lane.clock = .behindFloor
        lane.handle(.clock(.behindFloor, stepMilliseconds: 0))
        #expect(lane.mode == (mode == .locked ? .locked : .normal))
        lane.wait(7_200_000)
        #expect(lane.mode == (mode == .locked ? .locked : .normal))
        lane.clock = .trusted
        lane.handle(.clock(.trusted, stepMilliseconds: 0))
        #expect(lane.mode == .normal)
    }

    @Test("a clock that is set takes the schedule with it", arguments: [-3_600_000, 3_600_000])
    func scheduleAfterStep(step: Int64) {
        let lane = Self.scheduled([
            Self.daily(.locked, from: 30, minutes: 60), Self.daily(.heldOpen, from: -60, minutes: 30),
        ])
        lane.wallError = step
        lane.handle(.clock(.trusted, stepMilliseconds: step))
        #expect(lane.mode == (step > 0 ? .locked : .heldOpen))
        lane.wait(1_800_000)
        #expect(lane.mode == .normal)
    }

    @Test("another schedule holds at once, and what it says later comes without being asked for")
    func anotherSchedule() {
        let lane = Self.scheduled([Self.daily(.locked, from: -60, minutes: 120)])
        lane.wait(1000)
        #expect(lane.machine.mode == (.locked, .schedule))
        lane.adopt(schedule: [
            Self.daily(.heldOpen, from: -60, minutes: 90), Self.daily(.locked, from: 60, minutes: 10),
        ])
        #expect(lane.machine.mode == (.heldOpen, .schedule))
        #expect(lane.releaseLine)
        lane.wait(1_800_000)
        #expect(lane.mode == .normal)
        lane.wait(1_800_000)
        #expect(lane.machine.mode == (.locked, .schedule))
        lane.adopt(schedule: [])
        #expect(lane.machine.mode == (.normal, .none))
        // No policy came into force, so none is on record.
        #expect(!lane.records.contains { if case .policy = $0.event { true } else { false } })
    }

    @Test("rules that would let somebody in who waits, and a schedule that locks, come in one step: he is refused")
    func scheduleWithPolicy() {
        var asking = makePolicy { $0.measuredKinds = KindSet([]) }
        let relaxed = asking
        asking.kindRules[Int(HolderKind.visitor.rawValue)].identity = IdentityRule(
            accepts: .guardsButton, windowMilliseconds: 15_000)
        let lane = makeQuickLane()
        lane.adopt(asking)
        lane.present()
        #expect(lane.machine.isAwaitingCompany)
        lane.adopt(relaxed, schedule: [Self.daily(.locked, from: -60, minutes: 120)])
        #expect(lane.mode == .locked)
        #expect(lane.releases == 0)
        #expect(lane.decision?.reasons == .laneLocked)
    }

    @Test(
        "without a trusted clock another schedule begins nothing, and a lane stays locked only if that still locks",
        arguments: [true, false])
    func scheduleWithoutTrust(locksStill: Bool) {
        let lane = Self.scheduled([Self.daily(.locked, from: -60, minutes: 120)])
        lane.wait(1000)
        lane.clock = .stepped
        lane.handle(.clock(.stepped, stepMilliseconds: 3000))
        #expect(lane.mode == .locked)
        lane.adopt(schedule: [Self.daily(locksStill ? .locked : .heldOpen, from: -60, minutes: 120)])
        #expect(lane.mode == (locksStill ? .locked : .normal))
        #expect(!lane.releaseLine)
        lane.clock = .trusted
        lane.handle(.clock(.trusted, stepMilliseconds: 0))
        #expect(lane.mode == (locksStill ? .locked : .heldOpen))
    }

    // MARK: Random hours

    @Test("the next change of hours is the next instant at which they may be other, for any hours and instant")
    func nextChange() {
        var random = SeededGenerator(for: "next change of hours")
        let day = Self.day
        for _ in 0..<2000 {
            let instant = WallTime(milliseconds: Int64.random(in: -3 * day...40_000 * day, using: &random))
            var hours = OpeningHours()
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                hours.daily.append(
                    .init(
                        fromMilliseconds: Int64.random(in: 0..<day, using: &random),
                        lengthMilliseconds: Int64.random(in: 1...day, using: &random)))
            }
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                let from = instant.advanced(byMilliseconds: Int64.random(in: -day...day, using: &random))
                hours.dated.append(
                    .init(from: from, until: from.advanced(byMilliseconds: Int64.random(in: 1...day, using: &random))))
            }
            let now = hours.isOpen(at: instant)
            let next = hours.nextChange(after: instant)
            if let next { #expect(next > instant) }
            for _ in 0..<20 {
                let end = next ?? instant.advanced(byMilliseconds: 5 * day)
                let between = WallTime(
                    milliseconds: Int64.random(in: instant.milliseconds..<end.milliseconds, using: &random))
                #expect(hours.isOpen(at: between) == now, "seed \(random.seed)")
            }
        }
    }

    @Test("a remark is kept as it is written, cut behind a whole character, without control characters")
    func remarks() {
        #expect(Remark("broken bar").text == "broken bar")
        #expect(Remark("闸机维修").text == "闸机维修")
        #expect(Remark(String(repeating: "闸", count: 30)).text == String(repeating: "闸", count: 20))
        #expect(Remark("a\nb\u{1B}[2Jc\u{7F}\u{9B}").text == "ab[2Jc")
        #expect(Remark("").count == 0)
        #expect(Remark("x") != Remark("y") && Remark("x") == Remark("x"))
    }
}
