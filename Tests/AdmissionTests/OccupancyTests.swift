import Testing

@testable import Admission

private func lane(
    _ configuration: LaneConfiguration = makeConfiguration(), _ change: (inout OccupancyRule) -> Void = { _ in }
) -> VirtualLane {
    VirtualLane(
        configuration,
        policy: makePolicy {
            $0.measuredKinds = KindSet([])
            if configuration.traffic == .vehicles { $0.admittedKinds = KindSet([.vehicle]) }
            $0.occupancy.action = .refuse
            $0.occupancy.people = 100
            $0.occupancy.knowledgeLimitMilliseconds = 120_000
            change(&$0.occupancy)
        })
}

extension VirtualLane {
    fileprivate func hears(_ people: UInt32, vehicles: UInt32 = 0, secondsAgo: Int64 = 0) {
        machine.learn(
            ZoneCount(
                people: people, vehicles: vehicles, asOf: wall.advanced(byMilliseconds: -secondsAgo * 1000)))
    }

    fileprivate func come(_ holder: UInt32, kind: HolderKind = .visitor) {
        present(makePresentation(holder, credential: makeCredential(holder: holder, kind: kind)))
        if isReleased { pulse() }
        wait(5000)
    }
}

@Suite("A zone's occupancy") struct OccupancyTests {
    @Test(
        "below its limit a zone admits; at it, off and report admit and refuse refuses, for that alone",
        arguments: [
            (.refuse, 99, Verdict.admitted, OccupancyFinding.below), (.refuse, 100, .refused, .refused),
            (.refuse, 2000, .refused, .refused), (.report, 99, .admitted, .below),
            (.report, 100, .admitted, .reported), (.off, 100, .admitted, .off),
        ] as [(OccupancyAction, UInt32, Verdict, OccupancyFinding)])
    func limit(action: OccupancyAction, people: UInt32, verdict: Verdict, finding: OccupancyFinding) {
        let lane = lane { $0.action = action }
        lane.hears(people, secondsAgo: 12)
        lane.come(1)
        #expect(lane.decision?.verdict == verdict)
        #expect(lane.decision?.reasons == (verdict == .refused ? .zoneFull : []))
        #expect(lane.decision?.occupancy == OccupancyNote(count: people, ageSeconds: 12, finding: finding))
    }

    @Test(
        "nobody is refused on knowledge older than its limit, to the millisecond, and the record has its age",
        arguments: [(119_999, Verdict.refused), (120_000, .refused), (120_001, .admitted), (86_400_000, .admitted)]
            as [(Int64, Verdict)])
    func old(age: Int64, verdict: Verdict) {
        let lane = lane()
        lane.machine.learn(ZoneCount(people: 500, vehicles: 0, asOf: noon.advanced(byMilliseconds: -age)))
        lane.present(1)
        #expect(lane.decision?.verdict == verdict)
        #expect(
            lane.decision?.occupancy
                == OccupancyNote(
                    count: 500, ageSeconds: UInt32((age + 999) / 1000),
                    finding: verdict == .refused ? .refused : .notKnown))
    }

    @Test("nobody is refused where nobody told how many are inside")
    func untold() {
        let lane = lane()
        lane.come(1)
        #expect(lane.decision?.verdict == .admitted)
        #expect(lane.decision?.occupancy == OccupancyNote(finding: .notKnown))
    }

    @Test("without a trusted clock the age is not known, and nobody is refused for what may be old")
    func clock() {
        let lane = VirtualLane(
            policy: makePolicy {
                $0.measuredKinds = KindSet([])
                $0.whenClockDistrusted = .admit
                $0.occupancy.action = .refuse
                $0.occupancy.people = 1
            })
        lane.hears(5)
        lane.clock = .stepped
        lane.handle(.clock(.stepped, stepMilliseconds: 0))
        lane.come(1)
        #expect(lane.decision?.verdict == .admitted)
        #expect(lane.decision?.occupancy == OccupancyNote(count: 5, ageSeconds: nil, finding: .notKnown))
    }

    @Test("a count from farther in the future than two clocks may differ has no age")
    func future() {
        let lane = lane()
        lane.hears(500, secondsAgo: -300)
        lane.come(1)
        #expect(lane.decision?.occupancy.finding == .refused)
        lane.hears(500, secondsAgo: -301)
        lane.come(2)
        #expect(lane.decision?.occupancy == OccupancyNote(count: 500, ageSeconds: nil, finding: .notKnown))
        #expect(lane.decision?.verdict == .admitted)
    }

    @Test("who passed here since the count is counted: the last place is given once, and a newer count has them")
    func ownPassages() {
        let lane = lane()
        lane.hears(98)
        lane.wait(1)
        for holder in 1...3 as ClosedRange<UInt32> { lane.come(holder) }
        #expect(lane.decisions.map(\.verdict) == [.admitted, .admitted, .refused])
        #expect(lane.decisions.map(\.occupancy.count) == [98, 99, 100])
        // As of now: those two are in it, and one has left elsewhere.
        lane.hears(99)
        lane.wait(1)
        lane.come(3)
        #expect(lane.decision?.verdict == .admitted)
        lane.come(4)
        #expect(lane.decision?.occupancy.count == 100)
    }

    @Test("a passage whose record comes late takes one place")
    func recordedLate() {
        let lane = lane()
        lane.hears(98)
        lane.wait(1)
        lane.present(1)
        lane.isJournalFailing = true
        lane.pulse()
        lane.wait(3000)
        lane.isJournalFailing = false
        lane.wait(10_000)
        #expect(lane.ends == [.passed])
        lane.come(2)
        #expect(lane.decision?.verdict == .admitted && lane.decision?.occupancy.count == 99)
    }

    @Test("only a passage counts: who was let in and did not walk takes no place")
    func annulled() {
        let lane = lane()
        lane.hears(99)
        lane.present(1)
        lane.wait(10_000)
        #expect(lane.ends == [.annulled])
        lane.come(2)
        #expect(lane.decision?.verdict == .admitted)
    }

    @Test("who leaves by a two-way lane makes room at once, and leaves whatever the zone holds")
    func twoWay() {
        let lane = lane(makeConfiguration(.twoWay, readers: 2))
        lane.hears(100)
        lane.come(1)
        #expect(lane.decision?.reasons == .zoneFull)
        lane.present(makePresentation(2, reader: 1))
        #expect(lane.decision?.verdict == .admitted)
        #expect(lane.decision?.occupancy.finding == .off)
        lane.pulse(.backward)
        lane.wait(5000)
        lane.come(1)
        #expect(lane.decision?.verdict == .admitted)
        #expect(lane.decision?.occupancy.count == 99)
    }

    @Test("a lane counts more crossings than it remembers without refusing anybody for those")
    func many() {
        let lane = lane {
            $0.people = UInt32(OwnCrossings.capacity) + 8
            $0.knowledgeLimitMilliseconds = 86_400_000
        }
        lane.hears(7)
        for _ in 0..<OwnCrossings.capacity + 200 { lane.come(1) }
        #expect(lane.decisions.allSatisfy { $0.verdict == .admitted })
        #expect(lane.decision?.occupancy.count == UInt32(OwnCrossings.capacity) + 7)
        lane.hears(7)
        lane.come(1)
        #expect(lane.decision?.occupancy.count == 7)
    }

    @Test("a kind may have a rule of its own, and vehicles are counted against theirs")
    func kinds() {
        let lane = lane()
        var policy = lane.machine.policy
        policy.admittedKinds = KindSet(HolderKind.allCases)
        policy.occupancy.vehicles = 3
        policy.kindRules[Int(HolderKind.security.rawValue)].occupancy = OccupancyRule()
        lane.adopt(policy)
        lane.hears(100, vehicles: 2)
        lane.wait(1)
        lane.come(1, kind: .security)
        lane.come(2, kind: .vehicle)
        lane.come(3, kind: .vehicle)
        lane.come(4)
        #expect(lane.decisions.map(\.verdict) == [.admitted, .admitted, .refused, .refused])
        #expect(lane.decisions.map(\.occupancy.finding) == [.off, .below, .refused, .refused])
        #expect(lane.decisions.map(\.occupancy.count) == [100, 2, 3, 101])
    }

    @Test("an exit lets out whatever is counted, and records what it knew")
    func exits() {
        let lane = VirtualLane(
            makeConfiguration(.exit),
            policy: makePolicy {
                $0.occupancy.action = .refuse
                $0.occupancy.people = 0
            })
        lane.hears(5)
        lane.come(1)
        #expect(lane.decision?.verdict == .admitted)
        #expect(lane.decision?.occupancy == OccupancyNote(count: 5, ageSeconds: 0, finding: .off))
    }
}
