import Admission
import Testing

@Suite("Exits") struct LaneExitTests {
    /// Whatever can stand against a person at an entrance.
    enum Obstacle: CaseIterable {
        case none, unknownBadge, conflict, noImage, allKeysMissing, untrustedClock, staleCredentials, reserveOnly,
            fullJournal, failingJournal, lostThermometer
    }

    static func present(_ obstacle: Obstacle, to lane: VirtualLane) {
        var presentation = makePresentation()
        switch obstacle {
        case .none: break
        case .unknownBadge: presentation.lookup = .unknown
        case .conflict: presentation.lookup = .conflict
        case .noImage:
            lane.adopt(.none)
            presentation.lookup = .noImage
        case .allKeysMissing:
            presentation = makePresentation(
                credential: makeCredential(
                    vaccine: .none, healthCode: .red, test: .positive, activation: .revoked, zones: 0))
        case .untrustedClock: lane.clock = .behindFloor
        case .staleCredentials:
            lane.adopt(makeCredentials(issuedSecondsAgo: 900_000, statementSecondsAgo: nil))
        case .reserveOnly: lane.handle(.journal(.reserveOnly))
        case .fullJournal:
            lane.handle(.journal(.full))
            lane.isJournalFailing = true
        case .failingJournal: lane.isJournalFailing = true
        case .lostThermometer: lane.handle(.deviceLost(.thermometer))
        }
        lane.present(presentation)
    }

    @Test("an exit lets out, whatever stands against it: the gate first, then the record", arguments: Obstacle.allCases)
    func letsOut(obstacle: Obstacle) {
        let lane = VirtualLane(makeConfiguration(.exit, hasThermometer: true))
        Self.present(obstacle, to: lane)
        #expect(lane.releaseLine)
        #expect(lane.told.prefix(4) == ["release 1", "lamps admitted", "message", "record admitted"])
        #expect(lane.decisions.allSatisfy { $0.verdict == .admitted && $0.reasons == [] })
        if !lane.isJournalFailing { #expect(lane.decision?.temperature.outcome == .notTaken) }
        lane.pulse()
        #expect(!lane.releaseLine)
        lane.wait(100)
        lane.present(2)
        #expect(lane.releaseLine, "and so the next")
        #expect(lane.buzzes == [])
    }

    @Test("an exit has no pairing and no temperature: two people one after the other are not two holders")
    func noPairing() {
        let lane = makeQuickLane(.exit)
        lane.present(1)
        lane.pulse()
        lane.wait(100)
        lane.present(2)
        #expect(lane.decisions.map(\.verdict) == [.admitted, .admitted])
    }

    @Test("a badge that cannot wait at an exit is read again while it is held", arguments: SecondBadge.allCases)
    func heldAtExit(secondBadge: SecondBadge) {
        let lane = makeQuickLane(.exit) { $0.secondBadge = secondBadge }
        lane.present(1)
        lane.present(2)
        lane.present(3)
        lane.pulse()
        for _ in 0..<200 where lane.decisions.count < 3 {
            lane.wait(50)
            if lane.isReleased { lane.pulse() }
            for holder in 2...3 as ClosedRange<UInt32> { lane.present(holder) }
        }
        #expect(Set(lane.decisions.map(\.presentation.tag)) == [makeTag(1), makeTag(2), makeTag(3)])
        #expect(lane.tally["refused"] == nil)
    }

    @Test("an exit without readers is free: it stands open and counts who walks")
    func freeExit() {
        let lane = makeQuickLane(.exit, readers: 2)
        lane.handle(.deviceLost(.reader(0)))
        #expect(lane.mode == .normal)
        lane.handle(.deviceLost(.reader(1)))
        #expect(lane.mode == .freeExit)
        #expect(lane.releaseLine)
        #expect(lane.lamps == .ready)
        #expect(lane.message == .walkThrough)
        lane.pulse()
        lane.pulse()
        lane.pulse(.backward)
        #expect(lane.pulses == [.anonymous, .anonymous, .wrongWay])
        lane.handle(.deviceBack(.reader(0)))
        #expect(!lane.releaseLine)
        lane.pulse()
        #expect(lane.pulses.last == .forced)
    }

    @Test("who was let out before the reader was lost passes as himself", arguments: ReleaseMode.allCases)
    func freeExitDuringRelease(mode: ReleaseMode) {
        let lane = makeQuickLane(.exit, releaseMode: mode)
        lane.present(1)
        lane.present(2)
        lane.handle(.deviceLost(.reader(0)))
        #expect(lane.wait(2000) < 5, "it does not spin")
        lane.pulse()
        #expect(lane.ends == [.passed])
        #expect(lane.wait(1000) < 5)
        lane.pulse()
        #expect(lane.ends == [.passed, .passed], "who waited is let out too")
        lane.pulse()
        #expect(lane.pulses == [.anonymous])
    }

    @Test("an exit whose gate is lost shows it, refuses nobody, and works when the gate is back")
    func gateLost() {
        let lane = makeQuickLane(.exit)
        lane.handle(.deviceLost(.gate))
        lane.present(1)
        #expect(lane.decisions.isEmpty)
        #expect(lane.lamps == .outOfService)
        #expect(lane.buzzes == [])
        lane.handle(.deviceBack(.gate))
        #expect(lane.lamps == .ready)
        lane.wait(600)
        lane.present(1)
        #expect(lane.releaseLine)
    }

    @Test("somebody who comes in by an exit goes the wrong way")
    func wrongWay() {
        let lane = makeQuickLane(.exit)
        lane.pulse(.backward)
        #expect(lane.pulses == [.wrongWay])
    }
}
