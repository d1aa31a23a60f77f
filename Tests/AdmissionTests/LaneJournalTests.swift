import Admission
import Testing

@Suite("A journal that fails or fills") struct LaneJournalTests {
    // MARK: An entrance

    @Test("an admission that is not recorded does not happen")
    func entranceDecisionFails() {
        let lane = VirtualLane()
        lane.present()
        lane.isJournalFailing = true
        lane.measure()
        #expect(lane.releases == 0)
        #expect(!lane.isReleased)
        #expect(lane.machine.mode == (.outOfService, .journalFault))
        #expect(lane.lamps == .outOfService)
        #expect(lane.message == .outOfService(.journalFault))
        #expect(lane.machine.hourTotals == LaneTotals())
        lane.isJournalFailing = false
        lane.handle(.journal(.roomy))
        #expect(lane.mode == .normal)
        #expect(!lane.releaseLine)
        lane.wait(10_000)
        #expect(lane.releases == 0)
        #expect(lane.tally == [:])
    }

    @Test("nor does one whose record stood behind the one that failed")
    func recordBeforeFails() {
        let lane = makeQuickLane()
        lane.elapsed += 3_600_000
        lane.isJournalFailing = true
        lane.present(makePresentation(credential: makeCredential(at: lane.wall)))
        #expect(!lane.isReleased)
        lane.isJournalFailing = false
        lane.handle(.journal(.roomy))
        #expect(!lane.releaseLine)
        #expect(lane.told == ["record hour", "record mode normal", "lamps ready", "message"])
        lane.wait(10_000)
        #expect(lane.releases == 0)
        #expect(lane.ends == [])
    }

    @Test("who was recorded and let in before the journal failed may walk, and his passage is owed")
    func endOwed() {
        let lane = makeQuickLane()
        lane.present()
        lane.isJournalFailing = true
        lane.pulse(.backward)
        #expect(lane.mode == .outOfService)
        #expect(lane.releaseLine)
        lane.pulse()
        #expect(!lane.releaseLine)
        #expect(lane.ends == [])
        #expect(lane.machine.hourTotals.passed == 0)
        lane.isJournalFailing = false
        lane.handle(.journal(.roomy))
        #expect(lane.ends == [.passed])
        #expect(lane.machine.hourTotals.passed == 1)
        #expect(
            lane.outcomes.last?.decisionSequence
                == lane.records.first { VirtualLane.name($0.event) == "admitted" }?.sequence)
        lane.wait(60_000)
        #expect(lane.ends == [.passed], "once")
    }

    @Test("the lane tries the journal again by itself every 5 s, and nothing opens before it is taken")
    func triesAgain() {
        let lane = makeQuickLane()
        lane.isJournalFailing = true
        lane.present(1)
        var wakes = 0
        for _ in 0..<10 { wakes += lane.wait(1000) }
        #expect(wakes == 2)
        #expect(lane.lamps == .outOfService)
        lane.present(2)
        #expect(lane.decisions.isEmpty)
        lane.isJournalFailing = false
        lane.wait(4999)
        #expect(lane.mode == .outOfService)
        lane.wait(1)
        #expect(lane.told == ["record mode normal", "lamps ready", "message"])
        lane.present(3)
        #expect(lane.releaseLine)
    }

    @Test("in a fire the second try opens nothing less: outputs go first")
    func triesAgainInFire() {
        let lane = makeQuickLane()
        lane.isJournalFailing = true
        lane.present(1)
        lane.handle(.fire(alarm: true))
        #expect(lane.releaseLine)
        for _ in 0..<20 {
            lane.wait(1000)
            #expect(lane.releaseLine)
            #expect(lane.lamps == .emergency)
        }
    }

    @Test("a fire that breaks out as the journal is tried again opens before anything is recorded")
    func fireAtSecondTry() {
        let lane = makeQuickLane()
        lane.isJournalFailing = true
        lane.present(1)
        lane.elapsed += LaneJournalTests.retryMilliseconds
        lane.handle(.fire(alarm: true))
        #expect(lane.told.prefix(2) == ["release 1", "lamps emergency"])
        #expect(lane.releaseLine)
    }
    static let retryMilliseconds: Int64 = 5000

    @Test("after a failure everything that is shown is said again", arguments: [LaneKind.entry, .exit])
    func saidAgain(kind: LaneKind) {
        let lane = makeQuickLane(kind)
        lane.isJournalFailing = true
        lane.pulse(.backward, milliseconds: 0)
        let shown = kind == .entry ? "lamps outOfService" : "lamps ready"
        #expect(lane.told == ["buzzer 1000", "record wrongWay", "release 0", shown, "message"])
    }

    @Test("an hour that closes while the journal fails is not tried at every step", arguments: [LaneKind.entry, .exit])
    func hourWhileFailing(kind: LaneKind) {
        let lane = makeQuickLane(kind)
        lane.handle(.journal(.full))
        lane.isJournalFailing = true
        lane.handle(.clock(.trusted, stepMilliseconds: 0))
        lane.elapsed += 3_600_000
        for _ in 0..<100 {
            lane.handle(.timePassed)
            #expect(lane.told == [])
        }
        lane.isJournalFailing = false
        lane.handle(.journal(.roomy))
        #expect(lane.told.contains("record hour"))
    }

    @Test(
        "an entrance is out of service with only the reserve left, and says why",
        arguments: [JournalState.roomy, .filling, .nearlyFull, .reserveOnly, .full])
    func room(state: JournalState) {
        let lane = makeQuickLane()
        lane.handle(.journal(state))
        let isOut = state == .reserveOnly || state == .full
        #expect(lane.machine.mode == (isOut ? .outOfService : .normal, isOut ? .journalFull : .none))
        lane.present()
        #expect(lane.releaseLine == !isOut)
        #expect(lane.decisions.count == (isOut ? 0 : 1), "refusals take no room from the reserve")
        if isOut { #expect(lane.message == .outOfService(.journalFull)) }
        lane.handle(.journal(.roomy))
        #expect(lane.mode == .normal)
    }

    // MARK: An exit

    @Test("at an exit a decision that was not recorded is recorded when the journal is back, before its end")
    func exitDecisionOwed() {
        let lane = makeQuickLane(.exit)
        lane.recordsUntilFailure = 0
        lane.present()
        #expect(lane.releaseLine)
        #expect(lane.decisions.isEmpty)
        #expect(lane.machine.hourTotals == LaneTotals())
        lane.pulse()
        #expect(lane.decisions.count == 1)
        #expect(lane.ends == [.passed])
        let decision = lane.records.first { VirtualLane.name($0.event) == "admitted" }
        #expect(lane.outcomes.last?.decisionSequence == decision?.sequence)
        #expect(lane.tally == ["presented": 1, "admitted": 1, "passed": 1])
        #expect(lane.machine.hourTotals.tally == lane.tally)
    }

    @Test("while its journal fails an exit opens for everybody, and is not asked for the impossible")
    func exitFailing() {
        let lane = makeQuickLane(.exit)
        lane.isJournalFailing = true
        for holder in 1...20 as ClosedRange<UInt32> {
            lane.present(holder)
            #expect(lane.releaseLine)
            lane.pulse()
            #expect(lane.wait(300) < 3)
        }
        #expect(lane.machine.hourTotals == LaneTotals())
        lane.isJournalFailing = false
        lane.handle(.journal(.roomy))
        lane.present(30)
        lane.pulse()
        #expect(lane.tally == ["presented": 1, "admitted": 1, "passed": 1])
    }

    @Test("what is never recorded is counted, decision and end together, and adds up with what is")
    func exitHole() {
        let lane = makeQuickLane(.exit)
        lane.present(1)
        lane.handle(.journal(.full))
        lane.isJournalFailing = true
        lane.pulse()
        for holder in 2...3 as ClosedRange<UInt32> {
            lane.wait(100)
            lane.present(holder)
            lane.pulse()
        }
        lane.wait(100)
        lane.present(4)
        lane.pulse(.backward)
        lane.isJournalFailing = false
        lane.handle(.journal(.roomy))
        lane.pulse()
        #expect(lane.hole.totals.tally == ["presented": 2, "admitted": 2, "passed": 2, "wrongWay": 1])
        #expect(lane.hole.count == 5)
        #expect(lane.tally == ["presented": 2, "admitted": 2, "passed": 2], "the first passage was owed")
        #expect(lane.machine.hourTotals.tally == lane.tally)
    }

    @Test("in a full journal the lane does not try again by itself")
    func fullWaits() {
        let lane = makeQuickLane(.exit)
        lane.handle(.journal(.full))
        lane.isJournalFailing = true
        lane.present()
        lane.pulse()
        #expect(lane.wait(3_000_000) < 3)
    }

    // MARK: Fail the Nth

    /// Something of everything that a lane can go through in a few minutes.
    static func live(_ lane: VirtualLane) {
        lane.admit(1)
        lane.wait(700)
        lane.present(2)
        lane.pulse()
        lane.pulse()
        lane.wait(100)
        if lane.isMeasuring { lane.measure() }
        lane.wait(6000)
        lane.present(3)
        lane.present(4)
        lane.wait(2000)
        lane.elapsed = 2_879_000
        lane.admit(5)
        lane.elapsed = 2_880_100
        lane.pulse()
        lane.wait(700)
        lane.admit(6)
        lane.handle(.fire(alarm: true))
        lane.present(7)
        lane.pulse()
        lane.pulse()
        lane.handle(.fire(alarm: false))
        lane.wait(700)
        lane.admit(8)
        lane.handle(.deviceLost(.gate))
        lane.handle(.deviceBack(.gate))
        lane.handle(.deviceLost(.reader(0)))
        lane.pulse()
        lane.handle(.deviceBack(.reader(0)))
        lane.wait(700)
        lane.admit(9)
        lane.adopt(makeCredentials(version: 9, at: lane.wall))
        lane.wait(5000)
        lane.wait(700)
        lane.admit(10)
        lane.handle(.stopping)
    }

    @Test(
        "whichever record fails, and for however long: nothing opens unrecorded, what is recorded adds up",
        arguments: [LaneKind.entry, .exit], [1, 2, 3, 1000])
    func failTheNth(kind: LaneKind, failures: Int) {
        let whole = VirtualLane(makeConfiguration(kind))
        Self.live(whole)
        let all = whole.records.count
        #expect(all > 30)
        for failing in 0..<all {
            let lane = VirtualLane(makeConfiguration(kind))
            lane.recordsUntilFailure = failing
            lane.failuresInARow = failures
            Self.live(lane)
            lane.recordsUntilFailure = nil
            lane.handle(.journal(.roomy))
            lane.wait(6000)
            let tally = lane.tally
            let ended = ["passed", "annulled", "interrupted"].reduce(0) { $0 + tally[$1, default: 0] }
            #expect(tally["admitted", default: 0] == ended, "record \(failing + 1) failing: \(tally)")
            var counted = lane.machine.hourTotals
            for record in lane.records { if case .hour(_, let totals) = record.event { counted = counted + totals } }
            #expect(counted.tally == tally, "record \(failing + 1) failing")
            #expect(lane.unrecordedReleases == 0, "record \(failing + 1) failing")
            for outcome in lane.outcomes {
                let decision = lane.records.first { $0.sequence == outcome.decisionSequence }
                #expect(decision.map { VirtualLane.name($0.event) } == "admitted", "record \(failing + 1) failing")
            }
            if failures == 1 {
                // But for what was lost, and an admission that was not done, it is as if nothing had failed.
                #expect(lane.hole.count <= 3, "record \(failing + 1) failing")
            }
            #expect(
                lane.hole.totals.admitted == lane.hole.totals.passed + lane.hole.totals.annulled
                    + lane.hole.totals.interrupted, "record \(failing + 1) failing")
        }
    }
}

@Suite("Hours") struct LaneHourTests {
    static let restOfHour: Int64 = 3_600_000 - 720_000

    @Test("an hour closes at its end with its own totals, and the next counts from nothing")
    func closes() {
        let lane = makeQuickLane()
        lane.present(1)
        lane.pulse()
        lane.pulse()
        lane.wait(Self.restOfHour - 81)
        #expect(!lane.records.contains { VirtualLane.name($0.event) == "hour" })
        lane.wait(1)
        var totals = LaneTotals()
        totals.presented = 1
        totals.admitted = 1
        totals.passed = 1
        totals.tailgating = 1
        #expect(lane.records.last?.event == .hour(startSeconds: noon.seconds - 720, totals))
        #expect(lane.machine.hourTotals == LaneTotals())
        #expect(lane.machine.hourStartSeconds == noon.seconds + 2880)
    }

    @Test("what happens in the first step of a new hour counts in the new hour")
    func firstStep() {
        let lane = makeQuickLane()
        lane.elapsed += Self.restOfHour
        lane.pulse()
        #expect(lane.told.prefix(3) == ["buzzer 1000", "record hour", "record forced"])
        #expect(lane.records.suffix(2).first?.event == .hour(startSeconds: noon.seconds - 720, LaneTotals()))
        #expect(lane.machine.hourTotals.forced == 1)
    }

    @Test("an idle lane closes every hour, once")
    func idle() {
        let lane = makeQuickLane()
        #expect(lane.wait(24 * 3_600_000) <= 24 + 2)
        #expect(lane.records.filter { VirtualLane.name($0.event) == "hour" }.count == 24)
    }

    @Test("without a trusted clock no hour closes; its totals are in the next that does")
    func untrusted() {
        let lane = makeQuickLane()
        lane.clock = .stepped
        lane.pulse()
        lane.wait(2 * 3_600_000)
        #expect(lane.wait(2 * 3_600_000) <= 4)
        #expect(!lane.records.contains { VirtualLane.name($0.event) == "hour" })
        lane.clock = .trusted
        lane.handle(.clock(.trusted, stepMilliseconds: 0))
        var totals = LaneTotals()
        totals.forced = 1
        #expect(lane.records.suffix(2).first?.event == .hour(startSeconds: noon.seconds - 720, totals))
    }

    @Test("a leap of the clock is recorded, and its hours add up", arguments: [-7_200_000, -1, 7_200_000] as [Int64])
    func leap(milliseconds: Int64) {
        let lane = makeQuickLane()
        lane.pulse()
        lane.wallError += milliseconds
        lane.handle(.clock(.trusted, stepMilliseconds: milliseconds))
        #expect(lane.records.last?.event == .clock(.trusted, stepMilliseconds: milliseconds))
        lane.pulse(.backward)
        lane.wait(2 * 3_600_000)
        var sum = lane.machine.hourTotals
        for record in lane.records { if case .hour(_, let totals) = record.event { sum = sum + totals } }
        #expect(sum.tally == lane.tally)
    }

    @Test("before 1970, and at the ends of time, hours have a beginning", arguments: [Int64.min, -1, 0, 1, .max])
    func strangeClocks(milliseconds: Int64) {
        let lane = makeQuickLane()
        lane.wallOverride = WallTime(milliseconds: milliseconds)
        lane.pulse()
        #expect(lane.machine.hourStartSeconds <= lane.wall.seconds)
        #expect(lane.machine.deadline > VirtualLane.monotonic(lane.elapsed))
        #expect(lane.machine.deadline <= VirtualLane.monotonic(lane.elapsed + 3_600_000))
    }
}
