import Admission
import Testing

/// Reader 0 lets in, reader 1 lets out.
private func makeLane(
    policy: AdmissionPolicy = makePolicy(), releaseMode: ReleaseMode = .level,
    _ change: (inout LaneConfiguration) -> Void = { _ in }
) -> VirtualLane {
    VirtualLane(makeConfiguration(.twoWay, readers: 2, releaseMode: releaseMode, change), policy: policy)
}

extension VirtualLane {
    fileprivate func leave(_ holder: UInt32 = 9, lookup: BadgeLookup? = nil) {
        present(makePresentation(holder, lookup: lookup, reader: 1))
    }
}

@Suite("A two-way lane")
struct LaneTwoWayTests {
    @Test("one way it is an entry: measured, judged, and on record before the gate opens that way alone")
    func inward() {
        let lane = makeLane()
        lane.present(makePresentation(1, lookup: .unknown))
        #expect(lane.decision?.reasons == .unknownBadge && !lane.releaseLine && !lane.backwardLine)
        lane.wait(4000)
        lane.present(2)
        #expect(lane.isMeasuring)
        lane.measure()
        #expect(lane.releaseLine && !lane.backwardLine)
        #expect(lane.told.prefix(2) == ["record admitted", "release 1"])
        lane.pulse()
        #expect(lane.ends == [.passed] && lane.outcomes.last?.direction == .forward)
    }

    @Test("the other way it is an exit: nobody is measured or refused, and the gate opens before the record")
    func outward() {
        let lane = makeLane()
        for (holder, lookup) in [(3, nil), (4, .unknown), (5, .conflict)] as [(UInt32, BadgeLookup?)] {
            lane.leave(holder, lookup: lookup)
            #expect(lane.told.prefix(2) == ["backward 1", "lamps admitted"])
            #expect(!lane.releaseLine && lane.decision?.presentation.direction == .backward)
            lane.wait(500)
            lane.pulse(.backward)
            #expect(!lane.backwardLine)
            lane.wait(200)
        }
        #expect(lane.ends == [.passed, .passed, .passed])
        #expect(lane.outcomes.allSatisfy { $0.direction == .backward })
        #expect(lane.tally == ["presented": 3, "admitted": 3, "passed": 3, "passedBackward": 3])
        #expect(lane.machine.hourTotals.tally == lane.tally)
    }

    @Test("one person walks at a time, and whoever leaves waits for who comes in, measured or walking")
    func oneAtATime() {
        let lane = makeLane()
        lane.present(1)
        lane.leave()
        #expect(lane.decisions.isEmpty && lane.isMeasuring)
        lane.measure()
        #expect(lane.releaseLine && !lane.backwardLine)
        lane.pulse()
        lane.wait(150)
        #expect(!lane.releaseLine && lane.backwardLine)
        #expect(lane.decision?.presentation.reader == 1)
        lane.present(2)
        #expect(lane.releases == 1)
        lane.pulse(.backward)
        lane.wait(150)
        #expect(lane.isMeasuring)
    }

    @Test("a lane that refuses second badges never refuses who leaves: the chip is read again")
    func neverRefused() {
        let lane = makeLane { $0.secondBadge = .refuse }
        lane.admit()
        lane.leave()
        lane.pulse()
        lane.wait(150)
        #expect(lane.decisions.count == 1)
        lane.leave()
        #expect(lane.backwardLine && lane.decisions.count == 2)
    }

    @Test(
        "whoever leaves is let out while nobody is let in",
        arguments: [
            .deviceLost(.reader(0)), .deviceLost(.thermometer), .journal(.reserveOnly), .journal(.full),
        ] as [LaneInput])
    func outOfService(trouble: LaneInput) {
        let lane = makeLane(policy: makePolicy { $0.withoutThermometer = .outOfService })
        lane.handle(trouble)
        #expect(lane.mode == .outOfService)
        lane.leave()
        #expect(lane.backwardLine && !lane.releaseLine)
        lane.pulse(.backward)
        #expect(lane.ends == [.passed] && !lane.backwardLine)
    }

    @Test(
        "locked bars inward only: whoever leaves is let out, judged or not",
        arguments: [nil, .unknown] as [BadgeLookup?])
    func locked(lookup: BadgeLookup?) {
        let lane = makeLane()
        lane.order(.locked)
        lane.present(1)
        #expect(lane.decision?.reasons == .laneLocked && !lane.releaseLine && !lane.backwardLine)
        lane.leave(9, lookup: lookup)
        #expect(lane.backwardLine && !lane.releaseLine && lane.mode == .locked)
        lane.pulse(.backward)
        #expect(lane.ends == [.passed] && !lane.backwardLine && lane.mode == .locked)
    }

    @Test("a journal that takes nothing keeps nobody in, and is told later who left")
    func journalFault() {
        let lane = makeLane()
        lane.isJournalFailing = true
        lane.leave()
        #expect(lane.backwardLine && lane.mode == .outOfService)
        lane.isJournalFailing = false
        lane.wait(100)
        lane.pulse(.backward)
        lane.wait(6000)
        #expect(lane.tally == ["presented": 1, "admitted": 1, "passed": 1, "passedBackward": 1])
        #expect(lane.mode == .normal)
    }

    @Test("without a reader on the way out it stands open that way, and counts who leaves without a name")
    func freeOut() {
        let lane = makeLane()
        lane.handle(.deviceLost(.reader(1)))
        #expect(lane.backwardLine && !lane.releaseLine && lane.mode == .normal)
        lane.pulse(.backward)
        #expect(lane.pulses == [.anonymous] && lane.tally["anonymousBackward"] == 1)
        lane.admit()
        #expect(lane.releaseLine)
        lane.pulse()
        lane.handle(.deviceBack(.reader(1)))
        #expect(!lane.backwardLine)
        lane.pulse(.backward)
        #expect(lane.pulses.last == .forced)
    }

    @Test("who is refused on the one side and goes to the other is let out at once")
    func otherSide() {
        let lane = makeLane()
        lane.present(makePresentation(3, lookup: .unknown))
        lane.wait(100)
        lane.leave(3, lookup: .unknown)
        #expect(lane.backwardLine && lane.decisions.map(\.verdict) == [.refused, .admitted])
        // The same chip heard by both sides' readers while its holder walks is no second person.
        lane.present(makePresentation(3, lookup: .unknown))
        lane.pulse(.backward)
        lane.wait(200)
        #expect(lane.decisions.count == 2)
    }

    @Test("nobody who leaves waits for the escort of somebody who comes in")
    func escort() {
        let lane = makeLane(
            policy: makePolicy {
                $0.kindRules[Int(HolderKind.media.rawValue)].escort = EscortRule(
                    kinds: KindSet([.staff]), windowMilliseconds: 10_000)
            })
        lane.present(makePresentation(1, credential: makeCredential(holder: 1, kind: .media)))
        lane.measure()
        #expect(lane.machine.isAwaitingCompany)
        // A member of the staff on the way out is nobody's escort in.
        lane.present(makePresentation(9, credential: makeCredential(holder: 9, kind: .staff), reader: 1))
        #expect(lane.backwardLine && !lane.releaseLine)
        #expect(lane.decisions.map(\.reasons) == [.escortMissing, []])
    }

    @Test("who has left may come in again, whatever anti-passback says; who has not may not")
    func antiPassback() {
        for leaves in [true, false] {
            let lane = makeLane(policy: makePolicy { $0.antiPassback.action = .refuse })
            lane.admit(4)
            lane.pulse()
            lane.wait(3000)
            if leaves {
                lane.leave(4)
                lane.pulse(.backward)
                lane.wait(3000)
            }
            lane.admit(4)
            #expect(lane.releaseLine == leaves)
        }
    }

    @Test("what is walked without a release is told by the way it went")
    func pulses() {
        let lane = makeLane()
        lane.pulse()
        lane.pulse(.backward)
        #expect(lane.pulses == [.forced, .forced])
        lane.leave()
        lane.pulse()
        #expect(lane.pulses.last == .wrongWay && lane.backwardLine)
        lane.pulse(.backward)
        lane.pulse(.backward)
        #expect(lane.pulses.last == .tailgating && lane.tally["tailgatingBackward"] == 1)
        // Behind somebody who left, nobody follows inward.
        lane.pulse()
        #expect(lane.pulses.last == .forced)
        lane.wait(3000)
        lane.admit()
        lane.pulse(.backward)
        #expect(lane.pulses.last == .wrongWay && lane.releaseLine)
        lane.pulse()
        lane.pulse()
        #expect(lane.pulses.last == .tailgating && lane.tally["tailgatingBackward"] == 1)
        #expect(lane.machine.hourTotals.tally == lane.tally)
    }

    @Test("fire opens both ways, and both close when it is over")
    func fire() {
        let lane = makeLane()
        lane.handle(.fire(alarm: true))
        #expect(lane.releaseLine && lane.backwardLine)
        lane.leave()
        lane.pulse(.backward)
        #expect(lane.decisions.isEmpty && lane.pulses == [.anonymous])
        lane.handle(.fire(alarm: false))
        #expect(!lane.releaseLine && !lane.backwardLine)
    }

    @Test("a pulse falls by itself on either line, and nothing spins")
    func pulseMode() {
        let lane = makeLane(releaseMode: .pulse)
        lane.leave()
        #expect(lane.wait(499) == 0 && lane.backwardLine)
        #expect(lane.wait(1) == 1 && !lane.backwardLine && lane.isReleased)
        lane.wait(6000)
        #expect(lane.ends == [.annulled] && lane.outcomes.last?.direction == .backward)
        lane.leave(8)
        lane.wait(600)
        lane.handle(.deviceLost(.reader(1)))
        #expect(lane.backwardLine)
        #expect(lane.wait(100_000) < 10)
    }

    @Test("each side's readers show what concerns who stands there")
    func display() {
        let lane = makeLane(policy: makePolicy { $0.withoutThermometer = .outOfService })
        func shown() -> [LampState] { [.forward, .backward].map { lane.machine.display(for: $0).lamps } }
        #expect(shown() == [.ready, .ready])
        lane.present(makePresentation(1, lookup: .unknown))
        #expect(shown() == [.refused, .ready])
        lane.leave()
        #expect(shown() == [.working, .admitted])
        lane.pulse(.backward)
        lane.wait(200)
        lane.admit(2)
        #expect(shown() == [.admitted, .working])
        lane.pulse()
        lane.handle(.deviceLost(.thermometer))
        #expect(shown() == [.outOfService, .ready])
        lane.handle(.deviceLost(.reader(1)))
        #expect(lane.machine.display(for: .backward).message == .walkThrough)
        lane.handle(.fire(alarm: true))
        #expect(shown() == [.emergency, .emergency])
    }

    @Test("a gate that is lost ends a release either way, and comes back closed")
    func gateLost() {
        let lane = makeLane()
        lane.leave()
        lane.handle(.deviceLost(.gate))
        #expect(lane.ends == [.interrupted] && lane.outcomes.last?.direction == .backward)
        lane.leave(8)
        #expect(lane.decisions.count == 1)
        lane.handle(.deviceBack(.gate))
        #expect(!lane.backwardLine && !lane.releaseLine)
    }
}
