import Admission
import Testing

@Suite("The guard's button and open covers")
struct LaneByHandTests {
    @Test("a press releases one person, on record before the gate, and the tally stays whole", arguments: LaneKind.all)
    func press(kind: LaneKind) {
        let lane = VirtualLane(makeConfiguration(kind))
        lane.handle(.guardPressed)
        #expect(
            lane.told.prefix(2)
                == (kind == .entry ? ["record by-hand", "release 1"] : ["release 1", "lamps admitted"]))
        #expect(lane.releaseLine && lane.lamps == .admitted)
        let released = lane.records.last
        #expect(released?.event == .releasedByHand(.guardButton, .forward))
        lane.wait(800)
        lane.pulse()
        #expect(lane.ends == [.passed])
        let outcome = lane.outcomes.last
        #expect(outcome?.decisionSequence == released?.sequence && outcome?.isByHand == true)
        #expect(outcome?.holder == .nobody && outcome?.kind == nil && outcome?.openMilliseconds == 800)
        #expect(!lane.releaseLine)
        #expect(lane.tally == ["admitted": 1, "byHand": 1, "passed": 1])
        #expect(lane.machine.hourTotals.tally == lane.tally)
    }

    @Test("a press while somebody is let through does nothing, and one behind it releases again")
    func once() {
        let lane = VirtualLane()
        lane.handle(.guardPressed)
        for _ in 0..<3 {
            lane.wait(300)
            lane.handle(.guardPressed)
        }
        #expect(lane.releases == 1)
        lane.pulse()
        // Before the gate has seen its line fall.
        lane.handle(.guardPressed)
        #expect(lane.releases == 1)
        lane.wait(200)
        lane.handle(.guardPressed)
        lane.wait(6000)
        #expect(lane.ends == [.passed, .annulled] && lane.releases == 2)
        lane.admit()
        lane.handle(.guardPressed)
        #expect(lane.releases == 3 && lane.tally["byHand"] == 2)
    }

    @Test("it lets in whom the lane refused, without his badge, and shows no refusal any more")
    func afterRefusal() {
        let lane = VirtualLane()
        lane.present(makePresentation(3, lookup: .unknown))
        #expect(lane.lamps == .refused)
        lane.handle(.guardPressed)
        #expect(lane.lamps == .admitted && lane.releaseLine)
        // The chip is still in the field: it is the same presentation.
        lane.wait(300)
        lane.present(makePresentation(3, lookup: .unknown))
        lane.pulse()
        #expect(lane.decisions.count == 1 && lane.ends == [.passed])
    }

    @Test(
        "it works while readers or the thermometer are lost, and in no other trouble",
        arguments: [
            ([.deviceLost(.reader(0))], true), ([.deviceLost(.thermometer)], true), ([], true),
            ([.deviceLost(.gate)], false), ([.journal(.reserveOnly)], false), ([.fire(alarm: true)], false),
            ([.deviceLost(.reader(0)), .journal(.full)], false), ([.stopping], false),
            ([.deviceLost(.reader(0)), .deviceLost(.gate)], false),
        ] as [([LaneInput], Bool)])
    func modes(trouble: [LaneInput], releases: Bool) {
        let lane = VirtualLane(policy: makePolicy { $0.withoutThermometer = .outOfService })
        for input in trouble { lane.handle(input) }
        lane.handle(.guardPressed)
        #expect((lane.tally["byHand"] == 1) == releases)
        #expect(lane.isReleased == releases)
    }

    @Test("while somebody is measured it does nothing")
    func measuring() {
        let lane = VirtualLane()
        lane.present()
        lane.handle(.guardPressed)
        #expect(!lane.isReleased)
        lane.measure()
        #expect(lane.isReleased && lane.tally["byHand"] == nil)
    }

    @Test("what cannot be recorded at an entrance is not released")
    func unrecorded() {
        let lane = VirtualLane()
        lane.isJournalFailing = true
        lane.handle(.guardPressed)
        #expect(!lane.releaseLine && lane.releases == 0 && lane.mode == .outOfService)
        lane.isJournalFailing = false
        lane.wait(5000)
        #expect(lane.tally["admitted"] == nil && lane.machine.hourTotals == LaneTotals())
    }

    @Test("an exit opens although its record fails, and the record comes with its end")
    func owed() {
        let lane = VirtualLane(makeConfiguration(.exit))
        lane.isJournalFailing = true
        lane.handle(.guardPressed)
        #expect(lane.releaseLine)
        lane.isJournalFailing = false
        lane.wait(500)
        lane.pulse()
        #expect(lane.tally == ["admitted": 1, "byHand": 1, "passed": 1])
        let record = lane.records.first { if case .releasedByHand = $0.event { true } else { false } }
        #expect(lane.outcomes.last?.decisionSequence == record?.sequence)
    }

    @Test("who holds a badge there meanwhile is judged when the way is free")
    func badgeMeanwhile() {
        let lane = VirtualLane(
            makeConfiguration(hasThermometer: false),
            policy: makePolicy {
                $0.withoutThermometer = .admitMarked
            })
        lane.handle(.guardPressed)
        lane.present(2)
        #expect(lane.decisions.isEmpty)
        lane.pulse()
        lane.wait(200)
        #expect(lane.decision?.verdict == .admitted)
    }

    @Test("a cover that opens and closes is recorded once each, and changes nothing else")
    func tamper() {
        let lane = VirtualLane()
        for contact in [TamperContact.cabinet, .reader(0), .reader(3)] {
            lane.handle(.tamper(contact, opened: true))
            #expect(lane.told == ["record tampered"])
            #expect(lane.machine.isTampered(contact))
            lane.handle(.tamper(contact, opened: true))
            #expect(lane.told == [])
        }
        lane.admit()
        #expect(lane.releaseLine)
        lane.handle(.tamper(.cabinet, opened: false))
        #expect(lane.told == ["record closed"] && lane.releaseLine)
        #expect(!lane.machine.isTampered(.cabinet) && lane.machine.isTampered(.reader(3)))
        lane.handle(.fire(alarm: true))
        #expect(lane.releaseLine)
    }
}

extension LaneKind {
    static let all: [LaneKind] = [.entry, .exit]
}
