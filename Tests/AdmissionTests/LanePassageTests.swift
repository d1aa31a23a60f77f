import Admission
import Testing

/// An entrance without a thermometer's delay: a badge with all keys opens at once.
func makeQuickLane(
    _ kind: LaneKind = .entry, readers: Int = 1, releaseMode: ReleaseMode = .level,
    _ change: (inout LaneConfiguration) -> Void = { _ in }
) -> VirtualLane {
    VirtualLane(
        makeConfiguration(kind, readers: readers, hasThermometer: false, releaseMode: releaseMode, change),
        policy: makePolicy { $0.measuredKinds = KindSet([]) })
}

@Suite("Passage") struct LanePassageTests {
    // MARK: The end of a release

    @Test("a release that is used has passed, and names its decision", arguments: [LaneKind.entry, .exit])
    func passed(kind: LaneKind) throws {
        let lane = makeQuickLane(kind)
        lane.present()
        let decision = try #require(lane.records.last)
        lane.wait(700)
        lane.handle(.contact(.forward, closed: true))
        let outcome = try #require(lane.outcomes.last)
        #expect(outcome.end == .passed)
        #expect(outcome.decisionSequence == decision.sequence)
        #expect(outcome.holder == HolderNumber(1))
        #expect(outcome.kind == .visitor)
        #expect(outcome.openMilliseconds == 700)
        #expect(!lane.releaseLine)
        #expect(lane.lamps == .ready)
    }

    @Test("a release that nobody uses is annulled after 5 s, not a millisecond before", arguments: ReleaseMode.allCases)
    func annulled(mode: ReleaseMode) {
        let lane = makeQuickLane(releaseMode: mode)
        lane.present()
        lane.wait(4999)
        #expect(lane.ends == [])
        lane.wait(1)
        #expect(lane.ends == [.annulled])
        #expect(lane.outcomes.last?.openMilliseconds == 5000)
        #expect(!lane.releaseLine)
        lane.pulse()
        #expect(lane.pulses == [.forced])
    }

    @Test("a chip that stays in the field after an annulled release opens again only when it was taken away")
    func annulledWithChip() {
        let lane = makeQuickLane()
        for _ in 0..<120 {
            lane.present()
            lane.wait(50)
        }
        #expect(lane.decisions.count == 1)
        lane.wait(600)
        lane.present()
        #expect(lane.decisions.count == 2)
    }

    @Test("a stop interrupts a release, and nothing opens after it", arguments: [LaneKind.entry, .exit])
    func stopping(kind: LaneKind) {
        let lane = makeQuickLane(kind)
        lane.present(1)
        lane.present(2)
        lane.handle(.stopping)
        #expect(lane.ends == [.interrupted])
        #expect(!lane.releaseLine)
        #expect(lane.lamps == .outOfService)
        if kind == .entry { #expect(lane.decision?.reasons == .outOfService, "who waited is told") }
        let count = lane.records.count
        lane.present(3)
        lane.wait(10_000)
        #expect(lane.records.count == count)
        #expect(lane.releases == 1)
    }

    @Test("who waits in the gap, or is measured, is not let in by a stop")
    func stoppingWhileWaiting() {
        let lane = makeQuickLane(.exit)
        lane.present(1)
        lane.present(2)
        lane.handle(.contact(.forward, closed: true))
        lane.elapsed += 100
        // The gap is over, and the stop comes before the deadline is looked at.
        lane.handle(.stopping)
        #expect(lane.ends == [.passed])
        #expect(!lane.releaseLine)

        let entry = VirtualLane()
        entry.present(1)
        entry.handle(.stopping)
        #expect(entry.decision?.reasons == .outOfService)
        entry.measure()
        #expect(entry.releases == 0)
    }

    @Test("a release that the last run left open is recorded as interrupted, first of all")
    func recovered() {
        let unfinished = Outcome(
            end: .interrupted, direction: .forward, decisionSequence: 41, decisionEpoch: Epoch(low: 1, high: 2),
            tag: makeTag(3), type: .chip, holder: HolderNumber(3), kind: .visitor, reader: 0, openMilliseconds: 0)
        let lane = VirtualLane(isUp: false, unfinished: unfinished)
        #expect(lane.records.first?.event == .ended(unfinished))
        #expect(lane.machine.hourTotals.interrupted == 1)
        #expect(!lane.releaseLine)
    }

    @Test("what a passage names is right also when an hour closes within the admission's step")
    func hourInStep() throws {
        let lane = makeQuickLane()
        lane.elapsed += 3_600_000 - 720_000
        lane.present(makePresentation(credential: makeCredential(at: lane.wall)))
        #expect(lane.told.prefix(3) == ["record hour", "record admitted", "release 1"])
        let decision = try #require(lane.records.last)
        lane.pulse()
        #expect(lane.outcomes.last?.decisionSequence == decision.sequence)
    }

    // MARK: Pulses that nobody was let in for

    @Test("two pulses on one release: the second is tailgating and names the passage's decision")
    func tailgating() throws {
        let lane = makeQuickLane()
        lane.present()
        let decision = try #require(lane.records.last?.sequence)
        lane.pulse()
        lane.wait(1900)
        lane.pulse()
        #expect(lane.records.last?.event == .pulse(.tailgating, .forward, decisionSequence: decision))
        #expect(lane.buzzes == [1000])
        #expect(lane.ends == [.passed])
    }

    @Test("2 s after a passage a pulse is forced, a millisecond before it is tailgating", arguments: [1999, 2000])
    func tailgatingWindow(milliseconds: Int64) {
        let lane = makeQuickLane()
        lane.present()
        lane.pulse(milliseconds: 40)
        lane.wait(milliseconds - 40)
        lane.pulse()
        #expect(lane.pulses == [milliseconds == 2000 ? .forced : .tailgating])
    }

    @Test("a pulse without a release is forced, one from the other side wrong way")
    func forced() {
        let lane = makeQuickLane()
        lane.pulse()
        lane.pulse(.backward)
        #expect(lane.pulses == [.forced, .wrongWay])
        #expect(lane.records.last?.event == .pulse(.wrongWay, .backward, decisionSequence: 0))
        #expect(lane.buzzes == [1000, 1000])
    }

    @Test("somebody from the other side does not use up a release")
    func wrongWayDuringRelease() {
        let lane = makeQuickLane()
        lane.present()
        lane.pulse(.backward)
        #expect(lane.ends == [])
        #expect(lane.releaseLine)
        lane.pulse()
        #expect(lane.ends == [.passed])
    }

    @Test("a contact that closes again without having opened is no second pulse")
    func closedTwice() {
        let lane = makeQuickLane()
        lane.present()
        for _ in 0..<3 { lane.handle(.contact(.forward, closed: true)) }
        #expect(lane.ends == [.passed])
        #expect(lane.pulses == [])
    }

    // MARK: Pulse mode

    @Test("with pulses the line falls after 500 ms and the release stands on")
    func pulseMode() {
        let lane = makeQuickLane(releaseMode: .pulse)
        lane.present()
        #expect(lane.releaseLine)
        lane.wait(499)
        #expect(lane.releaseLine)
        lane.wait(1)
        #expect(!lane.releaseLine)
        #expect(lane.isReleased)
        #expect(lane.lamps == .admitted)
        lane.present(2)
        lane.wait(1000)
        #expect(lane.releases == 1, "no second pulse for the gate to queue")
        lane.pulse()
        #expect(lane.ends == [.passed])
        lane.wait(200)
        #expect(lane.releases == 2)
    }

    @Test("who walks within the pulse ends it")
    func pulseCut() {
        let lane = makeQuickLane(releaseMode: .pulse)
        lane.present()
        lane.pulse()
        #expect(!lane.releaseLine)
    }

    // MARK: A stuck contact

    @Test("a contact closed for 30 s is stuck, once, until it opens", arguments: [PassageDirection.forward, .backward])
    func stuck(direction: PassageDirection) {
        let lane = makeQuickLane()
        lane.handle(.contact(direction, closed: true))
        lane.wait(29_999)
        #expect(lane.records.last.map { VirtualLane.name($0.event) } != "stuck")
        lane.wait(1)
        #expect(lane.records.last?.event == .contact(direction, stuck: true))
        let count = lane.records.count
        lane.wait(60_000)
        #expect(lane.records.count == count)
        lane.handle(.contact(direction, closed: false))
        #expect(lane.records.last?.event == .contact(direction, stuck: false))
        lane.handle(.contact(direction, closed: true))
        lane.handle(.contact(direction, closed: false))
        #expect(lane.records.last?.event != .contact(direction, stuck: false))
    }

    @Test("a lane whose contact is stuck still opens, and its releases are annulled")
    func stuckAndOpen() {
        let lane = makeQuickLane(.exit)
        lane.handle(.contact(.forward, closed: true))
        lane.wait(31_000)
        lane.present()
        #expect(lane.releaseLine)
        lane.wait(5000)
        #expect(lane.ends == [.annulled])
    }
}

extension ReleaseMode: CaseIterable {
    public static var allCases: [ReleaseMode] { [.level, .pulse] }
}
