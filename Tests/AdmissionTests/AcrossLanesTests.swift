import Testing

@testable import Admission

private let minute: Int64 = 60_000

private func lane(
    _ configuration: LaneConfiguration = makeConfiguration(), _ change: (inout AntiPassbackRule) -> Void = { _ in }
) -> VirtualLane {
    VirtualLane(
        configuration,
        policy: makePolicy {
            $0.measuredKinds = KindSet([])
            $0.antiPassback.action = .refuse
            $0.antiPassback.scope = .acrossLanes
            $0.antiPassback.forgetMilliseconds = 60 * minute
            change(&$0.antiPassback)
        })
}

extension VirtualLane {
    /// Presents with what the list said some seconds ago, and walks when let.
    fileprivate func come(
        _ whereabouts: HolderPresence.Whereabouts?, holder: UInt32 = 1, listSecondsAgo: Int64 = 10,
        reader: UInt8 = 0
    ) {
        var presentation = makePresentation(holder, reader: reader)
        presentation.presence = whereabouts.map {
            HolderPresence(asOf: wall.advanced(byMilliseconds: -listSecondsAgo * 1000), whereabouts: $0)
        }
        present(presentation)
        if isReleased { pulse(releaseLine ? .forward : .backward) }
        wait(5000)
    }

    fileprivate func inside(_ minutesAgo: Int64) -> HolderPresence.Whereabouts {
        .destination(since: wall.advanced(byMilliseconds: -minutesAgo * minute))
    }
    fileprivate func elsewhere(_ minutesAgo: Int64) -> HolderPresence.Whereabouts {
        .elsewhere(since: wall.advanced(byMilliseconds: -minutesAgo * minute))
    }
}

@Suite("Anti-passback across lanes") struct AcrossLanesTests {
    @Test(
        "who is inside by another lane is refused, or reported; who is outside comes in",
        arguments: [
            (.refuse, true, Verdict.refused, AntiPassbackFinding.refusedInside),
            (.report, true, .admitted, .reportedInside), (.refuse, false, .admitted, .notPassed),
        ] as [(AntiPassbackAction, Bool, Verdict, AntiPassbackFinding)])
    func inside(action: AntiPassbackAction, isInside: Bool, verdict: Verdict, finding: AntiPassbackFinding) {
        let lane = lane { $0.action = action }
        lane.come(isInside ? lane.inside(5) : .outside)
        #expect(lane.decision?.verdict == verdict)
        #expect(lane.decision?.reasons == (verdict == .refused ? .insideAlready : []))
        #expect(lane.decision?.antiPassback == AntiPassbackNote(finding, ageSeconds: 10))
    }

    @Test(
        "never on knowledge older than its limit, to the second, and the record has its age",
        arguments: [(120, Verdict.refused), (121, .admitted), (7200, .admitted)] as [(Int64, Verdict)])
    func old(seconds: Int64, verdict: Verdict) {
        let lane = lane()
        lane.come(lane.inside(5), listSecondsAgo: seconds)
        #expect(lane.decision?.verdict == verdict)
        #expect(
            lane.decision?.antiPassback
                == AntiPassbackNote(verdict == .refused ? .refusedInside : .notKnown, ageSeconds: UInt32(seconds)))
    }

    @Test("nobody told, or the clock does not say how long ago: nobody is refused")
    func unknown() {
        let lane = VirtualLane(
            policy: makePolicy {
                $0.measuredKinds = KindSet([])
                $0.whenClockDistrusted = .admit
                $0.antiPassback.action = .refuse
                $0.antiPassback.scope = .acrossLanes
            })
        lane.come(nil, holder: 1)
        #expect(lane.decision?.antiPassback == AntiPassbackNote(.notKnown))
        lane.come(lane.inside(5), holder: 2, listSecondsAgo: -301)
        #expect(lane.decision?.antiPassback == AntiPassbackNote(.notKnown))
        lane.clock = .stepped
        lane.handle(.clock(.stepped, stepMilliseconds: 0))
        lane.come(lane.inside(5), holder: 3)
        #expect(lane.decision?.antiPassback == AntiPassbackNote(.notKnown))
        #expect(lane.decisions.allSatisfy { $0.verdict == .admitted })
    }

    @Test(
        "an entry is forgotten when its time is over",
        arguments: [(59, Verdict.refused), (60, .admitted)] as [(Int64, Verdict)])
    func forgets(minutes: Int64, verdict: Verdict) {
        let lane = lane()
        lane.come(lane.inside(minutes))
        #expect(lane.decision?.verdict == verdict)
    }

    @Test("at an entrance of the site any of its zones is inside; within the site only the one that the lane leads to")
    func zones() {
        let outer = lane()
        outer.come(outer.elsewhere(5))
        #expect(outer.decision?.reasons == .insideAlready)
        let inner = lane(
            makeConfiguration {
                $0.from = makeName("north-ring"); $0.to = makeName("hall-4")
            })
        inner.come(inner.elsewhere(5), holder: 1)
        inner.come(inner.inside(5), holder: 2)
        #expect(inner.decisions.map(\.verdict) == [.admitted, .refused])
    }

    @Test("who passed here since the list is inside, though it does not say so; a newer list that has him left counts")
    func ownPassages() {
        let lane = lane()
        lane.come(.outside)
        #expect(lane.ends == [.passed])
        // The list is older than his passage, then newer.
        lane.come(.outside, listSecondsAgo: 30)
        #expect(lane.decision?.reasons == .passedAlready)
        lane.come(.outside, listSecondsAgo: 1)
        #expect(lane.decision?.verdict == .admitted)
        #expect(lane.decision?.antiPassback.finding == .notPassed)
    }

    @Test("without a fresh list what the lane saw itself counts only so long as any knowledge does")
    func ownPassageWithoutList() {
        let lane = lane()
        lane.come(nil)
        lane.come(nil)
        #expect(lane.decision?.reasons == .passedAlready)
        lane.wait(121_000)
        lane.come(nil)
        #expect(lane.decision?.verdict == .admitted && lane.decision?.antiPassback.finding == .notKnown)
    }

    @Test("who left by this two-way lane since may come in again, though the list has him inside")
    func left() {
        let lane = lane(makeConfiguration(.twoWay, readers: 2))
        let since = lane.inside(5)
        lane.come(since)
        #expect(lane.decision?.reasons == .insideAlready)
        lane.come(since, reader: 1)
        #expect(lane.ends == [.passed] && lane.decision?.antiPassback == AntiPassbackNote())
        lane.come(since)
        #expect(lane.decision?.verdict == .admitted)
        // He leaves once more, and goes in by another lane after that.
        lane.come(since, reader: 1)
        lane.wait(20_000)
        lane.come(.destination(since: lane.wall.advanced(byMilliseconds: -4000)))
        #expect(lane.decision?.reasons == .insideAlready)
    }

    @Test("a technician lets one holder, or everybody, in again in spite of the list")
    func forgotten() {
        let lane = lane()
        let since = lane.inside(5)
        lane.handle(.forgetPassages(HolderNumber(1)))
        lane.come(since, holder: 1)
        lane.come(since, holder: 2)
        lane.handle(.forgetPassages(.nobody))
        lane.come(since, holder: 3)
        #expect(lane.decisions.map(\.verdict) == [.admitted, .refused, .admitted])
        // A passage after that counts again.
        lane.wait(60_000)
        lane.come(.destination(since: lane.wall.advanced(byMilliseconds: -10_000)), holder: 4)
        #expect(lane.decision?.verdict == .refused)
    }

    @Test(
        "who left by this lane before it started again comes in, unless he came in by another since; when nobody knows when, too",
        arguments: [
            (2, ClockTrust.trusted, Verdict.admitted), (4, .trusted, .admitted), (6, .trusted, .refused),
            (nil, .trusted, .admitted), (6, .stepped, .admitted), (-1, .trusted, .admitted),
        ] as [(Int64?, ClockTrust, Verdict)])
    func leftBefore(minutesAgo: Int64?, clock: ClockTrust, verdict: Verdict) {
        for whose in [HolderNumber(1), .nobody] {
            let lane = lane()
            var start = lane.moment
            start.clock = clock
            let left = minutesAgo.map { lane.wall.advanced(byMilliseconds: -$0 * minute) }
            lane.machine.remember(whose, leftAt: left, at: start)
            lane.come(lane.inside(5))
            #expect(lane.decision?.verdict == verdict)
            #expect(lane.decision?.reasons == (verdict == .refused ? .insideAlready : []))
        }
    }

    @Test("a journal that opens late takes back nothing that the lane has seen since it began")
    func lateJournal() {
        let lane = lane()
        let before = lane.moment
        lane.come(.outside)
        lane.machine.remember(HolderNumber(1), leftAt: nil, at: lane.moment)
        lane.machine.remember(HolderNumber(1), passedAt: before.wall.advanced(byMilliseconds: -minute), at: lane.moment)
        lane.come(.outside)
        #expect(lane.decisions.map(\.verdict) == [.admitted, .refused])
    }

    @Test("an exit lets out whoever the list has outside or inside, and asks for no list")
    func exits() {
        let lane = lane(makeConfiguration(.exit))
        lane.come(.outside)
        lane.come(lane.inside(5), holder: 2)
        #expect(lane.decisions.allSatisfy { $0.verdict == .admitted && $0.antiPassback == AntiPassbackNote() })
        #expect(!lane.machine.asksWhoIsInside)
        let entry = AcrossLanesTests.makeEntry()
        #expect(entry.machine.asksWhoIsInside)
    }

    private static func makeEntry() -> VirtualLane { lane() }
}
