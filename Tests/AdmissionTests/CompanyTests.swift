import Admission
import Testing

private func person(_ holder: UInt32, _ kind: HolderKind, _ type: IdentifierType = .chip) -> Presentation {
    makePresentation(holder, type: type, credential: makeCredential(holder: holder, kind: kind))
}

private let media: UInt32 = 10
private let staff: UInt32 = 20

private func lane(
    measured: Bool = false, secondBadge: SecondBadge = .wait, _ rule: @escaping (inout KindRule) -> Void
) -> VirtualLane {
    VirtualLane(
        makeConfiguration { $0.secondBadge = secondBadge },
        policy: makePolicy {
            if !measured { $0.measuredKinds = KindSet([]) }
            rule(&$0.kindRules[Int(HolderKind.media.rawValue)])
        })
}

private func escorted(by kinds: [HolderKind] = [.staff], _ rule: inout KindRule) {
    rule.escort = EscortRule(kinds: KindSet(kinds), windowMilliseconds: 20_000)
}

@Suite("Escorts") struct EscortTests {
    @Test("a kind that needs an escort waits for one, and both are recorded with the other")
    func after() {
        let lane = lane { escorted(&$0) }
        lane.present(person(media, .media))
        #expect(lane.machine.isAwaitingCompany && !lane.isReleased)
        #expect(lane.message == .awaiting(.escort))
        #expect(lane.lamps == .working)
        #expect(lane.decisions.isEmpty)
        lane.wait(19_999)
        lane.present(person(staff, .staff))
        #expect(lane.decision?.verdict == .admitted)
        #expect(lane.decision?.company == .escort)
        #expect(lane.decision?.partner == HolderNumber(staff))
        lane.pulse()
        lane.wait(200)
        #expect(lane.isReleased)
        #expect(lane.decision?.presentation.credential?.holder == HolderNumber(staff))
        #expect(lane.decision?.partner == HolderNumber(media))
        lane.pulse()
        #expect(lane.ends == [.passed, .passed])
    }

    @Test(
        "an escort who was admitted shortly before will do, once",
        arguments: [(20_000, Verdict.admitted), (20_001, nil)] as [(Int64, Verdict?)])
    func before(after: Int64, verdict: Verdict?) {
        let lane = lane { escorted(&$0) }
        lane.present(person(staff, .staff))
        lane.pulse()
        lane.wait(after - lane.elapsed)
        lane.present(person(media, .media))
        #expect(lane.decisions.count == (verdict == nil ? 1 : 2))
        guard verdict != nil else { return #expect(lane.machine.isAwaitingCompany) }
        #expect(lane.decision?.partner == HolderNumber(staff))
        lane.pulse()
        lane.wait(1000)
        lane.present(person(media + 1, .media))
        #expect(lane.machine.isAwaitingCompany)
    }

    @Test("nobody in time: refused as that, to the millisecond")
    func nobody() {
        let lane = lane { escorted(&$0) }
        lane.present(person(media, .media))
        lane.wait(19_999)
        #expect(lane.decisions.isEmpty)
        lane.wait(1)
        #expect(lane.decision?.reasons == .escortMissing)
        #expect(lane.message == .refused(.escortMissing))
    }

    @Test(
        "who is no escort does not help: another kind, one whose keys do not turn, an unknown badge",
        arguments: [
            person(staff, .visitor),
            makePresentation(
                staff, credential: makeCredential(holder: staff, kind: .staff, healthCode: .red)),
            makePresentation(staff, lookup: .unknown), makePresentation(staff, lookup: .conflict),
        ])
    func noEscort(other: Presentation) {
        let lane = lane { escorted(&$0) }
        lane.present(person(media, .media))
        lane.present(other)
        #expect(lane.machine.isAwaitingCompany && !lane.isReleased)
        lane.wait(20_000)
        #expect(lane.decisions.first?.reasons == .escortMissing)
    }

    @Test("where a second badge is refused, one that is no escort is, and the lane goes on waiting")
    func refusesOthers() {
        let lane = lane(secondBadge: .refuse) { escorted(&$0) }
        lane.present(person(media, .media))
        lane.present(person(30, .visitor))
        #expect(lane.decision?.reasons == .laneBusy)
        lane.present(person(staff, .staff))
        #expect(lane.decisions.map(\.verdict) == [.refused, .admitted])
    }

    @Test("who is refused anyway does not wait for an escort")
    func refusedAnyway() {
        let lane = lane { escorted(&$0) }
        lane.present(makePresentation(media, credential: makeCredential(holder: media, kind: .media, vaccine: .none)))
        #expect(lane.decision?.reasons == .vaccineNotRecorded)
    }

    @Test("an escort's badge while the other is measured is two people before one thermometer")
    func whileMeasured() {
        let lane = lane(measured: true) { escorted(&$0) }
        lane.present(person(media, .media))
        lane.present(person(staff, .staff))
        #expect(lane.decisions.map(\.verdict) == [.refused, .refused])
        #expect(lane.decisions.allSatisfy { $0.reasons == .twoHolders })
    }

    @Test("after the measurement the escort comes, and is measured for himself")
    func measured() {
        let lane = lane(measured: true) { escorted(&$0) }
        lane.present(person(media, .media))
        lane.measure()
        #expect(lane.machine.isAwaitingCompany)
        lane.present(person(staff, .staff))
        #expect(lane.decision?.temperature.outcome == .measured)
        lane.pulse()
        lane.wait(200)
        #expect(lane.isMeasuring)
        lane.measure([3800, 3800, 3800])
        lane.measure([3800, 3800, 3800])
        #expect(lane.decision?.reasons == .temperatureHigh)
        #expect(lane.decision?.partner == HolderNumber(media))
    }

    @Test("two of a kind that needs two are each other's company, and a third is not")
    func twoPersons() {
        let lane = lane { escorted(by: [.media], &$0) }
        lane.present(person(1, .media))
        lane.present(person(2, .media))
        lane.pulse()
        lane.wait(200)
        lane.pulse()
        #expect(lane.decisions.map(\.verdict) == [.admitted, .admitted])
        #expect(lane.decisions.map(\.partner) == [HolderNumber(2), HolderNumber(1)])
        #expect(lane.decisions.allSatisfy { $0.company == .escort })
        lane.wait(1000)
        lane.present(person(3, .media))
        #expect(lane.machine.isAwaitingCompany)
    }

    @Test("nobody is his own escort, with whatever identifier")
    func ownEscort() {
        let lane = lane { escorted(by: [.media], &$0) }
        lane.present(person(1, .media))
        lane.present(person(1, .media, .code))
        #expect(lane.machine.isAwaitingCompany)
    }

    @Test(
        "a fire, a lost gate and the end leave the wait",
        arguments: [LaneInput.fire(alarm: true), .deviceLost(.gate), .stopping])
    func left(input: LaneInput) {
        let lane = lane { escorted(&$0) }
        lane.present(person(media, .media))
        lane.handle(input)
        #expect(!lane.machine.isAwaitingCompany)
        #expect(lane.ends.isEmpty)
    }

    @Test("an exit asks for no company")
    func exits() {
        let lane = VirtualLane(
            makeConfiguration(.exit),
            policy: makePolicy { escorted(&$0.kindRules[Int(HolderKind.media.rawValue)]) })
        lane.present(person(media, .media))
        #expect(lane.decision?.verdict == .admitted)
    }
}

@Suite("Identity beside the badge") struct IdentityTests {
    private func lane(_ accepts: Company, measured: Bool = false) -> VirtualLane {
        AdmissionTests.lane(measured: measured) {
            $0.identity = IdentityRule(accepts: accepts, windowMilliseconds: 10_000)
        }
    }

    @Test(
        "chip and code of the same holder, in either order, during the measurement or after it",
        arguments: [(IdentifierType.chip, IdentifierType.code, false), (.code, .chip, false), (.chip, .code, true)])
    func second(first: IdentifierType, second: IdentifierType, early: Bool) {
        let lane = lane(.secondIdentifier, measured: true)
        lane.present(person(media, .media, first))
        if early { lane.present(person(media, .media, second)) }
        lane.measure()
        #expect(lane.isReleased == early)
        if !early {
            #expect(lane.message == .awaiting(.secondIdentifier))
            lane.present(person(media, .media, second))
        }
        #expect(lane.decision?.verdict == .admitted)
        #expect(lane.decision?.company == .secondIdentifier)
        #expect(lane.decisions.count == 1)
    }

    @Test(
        "the same type again, somebody else's code, or a button that the rule does not take confirm nothing",
        arguments: [
            LaneInput.presented(person(media, .media, .chip)), .presented(person(11, .media, .code)), .guardPressed,
        ])
    func confirmsNothing(input: LaneInput) {
        let lane = lane(.secondIdentifier)
        lane.present(person(media, .media))
        lane.wait(1000)
        lane.handle(input)
        #expect(lane.machine.isAwaitingCompany)
        lane.wait(9000)
        #expect(lane.decisions.first?.reasons == .identityNotConfirmed)
        #expect(lane.decisions.first?.company == [])
    }

    @Test(
        "the guard's button confirms who stands there and lets nobody else through",
        arguments: [(0, true), (9999, true), (10_000, false)] as [(Int64, Bool)])
    func button(after: Int64, isAdmitted: Bool) {
        let lane = lane(.guardsButton)
        lane.present(person(media, .media))
        lane.wait(after)
        lane.handle(.guardPressed)
        #expect(lane.isReleased)
        let byHand = lane.records.contains { if case .releasedByHand = $0.event { true } else { false } }
        #expect(byHand != isAdmitted)
        #expect(lane.decision?.company == (isAdmitted ? .guardsButton : []))
        #expect(lane.decision?.verdict == (isAdmitted ? .admitted : .refused))
    }

    @Test("a button before the badge confirms nothing: it lets one person through, as always")
    func tooEarly() {
        let lane = lane(.guardsButton)
        lane.handle(.guardPressed)
        #expect(lane.isReleased)
        lane.pulse()
        lane.wait(1000)
        lane.present(person(media, .media))
        #expect(lane.machine.isAwaitingCompany)
    }

    @Test("either of two proofs will do")
    func either() {
        let both: Company = [.secondIdentifier, .guardsButton]
        for isButton in [true, false] {
            let lane = lane(both)
            lane.present(person(media, .media))
            #expect(lane.message == .awaiting(both))
            lane.handle(isButton ? .guardPressed : .presented(person(media, .media, .code)))
            #expect(lane.decision?.company == (isButton ? .guardsButton : .secondIdentifier))
        }
    }

    @Test("escort and identity are both needed where both are asked for, each in its own time")
    func both() {
        let lane = AdmissionTests.lane {
            escorted(&$0)
            $0.identity = IdentityRule(accepts: .guardsButton, windowMilliseconds: 5000)
        }
        lane.present(person(media, .media))
        lane.handle(.guardPressed)
        #expect(lane.machine.isAwaitingCompany)
        lane.wait(15_000)
        lane.present(person(staff, .staff))
        #expect(lane.decision?.company == [.escort, .guardsButton])
        lane.pulse()
        lane.wait(30_000)
        lane.present(person(media + 1, .media))
        lane.wait(5000)
        #expect(lane.decision?.reasons == [.escortMissing, .identityNotConfirmed])
    }

    @Test("rules that come into force meanwhile decide, and are on record")
    func otherRules() {
        let lane = lane(.guardsButton)
        lane.present(person(media, .media))
        let policy = makePolicy {
            $0.digest = PolicyDigest(low: 1, high: 2)
            $0.measuredKinds = KindSet([])
        }
        lane.adopt(policy)
        #expect(lane.told.prefix(3) == ["record policy", "record admitted", "release 1"])
        #expect(lane.decision?.verdict == .admitted)
        #expect(lane.decision?.policyDigest == policy.digest)
    }
}
