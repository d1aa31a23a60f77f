import Testing

@testable import Admission

private let minute: Int64 = 60_000

private func lane(_ action: AntiPassbackAction, forget: Int64 = 30 * minute) -> VirtualLane {
    VirtualLane(
        policy: makePolicy {
            $0.measuredKinds = KindSet([])
            $0.antiPassback.action = action
            $0.antiPassback.forgetMilliseconds = forget
            // Days pass here.
            $0.whenStale = .admit
            $0.testWindowMilliseconds = .max
            $0.assessmentWindowMilliseconds = .max
        })
}

extension VirtualLane {
    /// Presents, and walks when let.
    fileprivate func come(_ holder: UInt32, type: IdentifierType = .chip) {
        present(makePresentation(holder, type: type))
        if isReleased { pulse() }
        wait(5000)
    }
}

@Suite("Anti-passback") struct AntiPassbackTests {
    @Test(
        "who passed comes again: off lets in, report lets in and records it, refuse refuses for that alone",
        arguments: [
            (.off, Verdict.admitted, AntiPassbackFinding.off, AntiPassbackFinding.off),
            (.report, .admitted, .notPassed, .reported), (.refuse, .refused, .notPassed, .refused),
        ] as [(AntiPassbackAction, Verdict, AntiPassbackFinding, AntiPassbackFinding)])
    func again(
        action: AntiPassbackAction, verdict: Verdict, first: AntiPassbackFinding, second: AntiPassbackFinding
    ) {
        let lane = lane(action)
        lane.come(1)
        #expect(lane.decision?.verdict == .admitted)
        #expect(lane.decision?.antiPassback.finding == first)
        lane.come(1)
        #expect(lane.decision?.verdict == verdict)
        #expect(lane.decision?.reasons == (verdict == .refused ? .passedAlready : []))
        #expect(lane.decision?.antiPassback.finding == second)
    }

    @Test("where the gate tells nothing, who was let in has passed when his time is over, and is remembered")
    func withoutFeedback() {
        let lane = VirtualLane(
            makeConfiguration { $0.passageSensor = .absent },
            policy: makePolicy {
                $0.measuredKinds = KindSet([])
                $0.antiPassback.action = .refuse
            })
        lane.come(1)
        #expect(lane.ends == [.passed])
        lane.come(1)
        #expect(lane.decision?.reasons == .passedAlready)
    }

    @Test("all identifiers of a person are that person, and somebody else is not")
    func byHolder() {
        let lane = lane(.refuse)
        lane.come(1, type: .chip)
        lane.come(1, type: .code)
        #expect(lane.decision?.reasons == .passedAlready)
        lane.come(2)
        #expect(lane.decision?.verdict == .admitted)
    }

    @Test(
        "it is forgotten when its time is over, to the millisecond of the monotonic clock",
        arguments: [(-1, Verdict.refused), (0, .admitted), (1, .admitted)] as [(Int64, Verdict)])
    func forgets(beyond: Int64, verdict: Verdict) {
        let lane = lane(.refuse, forget: 10 * minute)
        lane.present(1)
        lane.handle(.contact(.forward, closed: true))
        let passed = lane.elapsed
        lane.handle(.contact(.forward, closed: false))
        lane.wallError = 30 * 86_400_000
        lane.wait(passed + 10 * minute + beyond - lane.elapsed)
        lane.present(1)
        #expect(lane.decision?.verdict == verdict)
    }

    @Test("only a passage counts: annulled, interrupted and refused do not")
    func onlyPassages() {
        let lane = lane(.refuse)
        lane.present(1)
        lane.wait(6000)
        #expect(lane.ends == [.annulled])
        lane.come(1)
        #expect(lane.ends == [.annulled, .passed])
        lane.present(2)
        lane.handle(.deviceLost(.gate))
        lane.handle(.deviceBack(.gate))
        lane.wait(1000)
        lane.come(2)
        #expect(lane.ends.last == .passed)
    }

    @Test("a kind may have a rule of its own")
    func kind() {
        let lane = VirtualLane(
            policy: makePolicy {
                $0.measuredKinds = KindSet([])
                $0.antiPassback.action = .refuse
                $0.kindRules[Int(HolderKind.staff.rawValue)].antiPassback = AntiPassbackRule()
            })
        for kind in [HolderKind.staff, .staff, .visitor, .visitor] {
            let holder: UInt32 = kind == .staff ? 5 : 6
            lane.present(makePresentation(holder, credential: makeCredential(holder: holder, kind: kind)))
            if lane.isReleased { lane.pulse() }
            lane.wait(5000)
        }
        #expect(lane.decisions.map(\.verdict) == [.admitted, .admitted, .admitted, .refused])
    }

    @Test("a technician makes the lane forget one holder or everybody, on record")
    func technician() {
        let lane = lane(.refuse)
        for holder: UInt32 in 1...3 { lane.come(holder) }
        lane.handle(.forgetPassages(HolderNumber(2)))
        #expect(lane.told == ["record forgotten"])
        for holder: UInt32 in 1...3 { lane.come(holder) }
        #expect(lane.decisions.suffix(3).map(\.verdict) == [.refused, .admitted, .refused])
        lane.handle(.forgetPassages(.nobody))
        for holder: UInt32 in 1...3 { lane.come(holder) }
        #expect(lane.decisions.suffix(3).map(\.verdict) == [.admitted, .admitted, .admitted])
    }

    @Test("an exit refuses nobody, whoever left before")
    func exits() {
        let lane = VirtualLane(makeConfiguration(.exit), policy: makePolicy { $0.antiPassback.action = .refuse })
        for _ in 0..<2 { lane.come(1) }
        #expect(lane.ends == [.passed, .passed])
        #expect(lane.decision?.antiPassback.finding == .off)
    }

    @Test("a full table forgets the oldest passage first, and says that it does")
    func full() {
        let lane = lane(.refuse, forget: 24 * 60 * minute)
        let now = VirtualLane.monotonic(0)
        for holder in 1...UInt32(PassedHolders.capacity) {
            lane.machine.passedHolders.add(HolderNumber(holder), at: now)
        }
        #expect(!lane.machine.forgetsPassagesEarly(at: now))
        lane.come(1)
        #expect(lane.decision?.verdict == .refused)
        lane.come(100_000)
        #expect(lane.machine.forgetsPassagesEarly(at: now))
        lane.come(1)
        #expect(lane.decision?.verdict == .admitted)
        lane.come(3)
        #expect(lane.decision?.verdict == .refused)
        lane.come(100_000)
        #expect(lane.decision?.verdict == .refused)
    }

    @Test(
        "a lane that starts remembers what its journal says, with the age it has",
        arguments: [
            (ClockTrust.trusted, 599_999, Verdict.refused), (.trusted, 600_000, .admitted), (.trusted, -1, .admitted),
            (.stepped, 1000, .admitted), (.trusted, 6_000_000, .admitted),
        ] as [(ClockTrust, Int64, Verdict)])
    func remembers(clock: ClockTrust, age: Int64, verdict: Verdict) {
        let lane = lane(.refuse, forget: 10 * minute)
        var start = lane.moment
        start.clock = clock
        lane.machine.remember(HolderNumber(1), passedAt: start.wall.advanced(byMilliseconds: -age), at: start)
        lane.present(1)
        #expect(lane.decision?.verdict == verdict)
    }

    @Test("who passes often takes one place")
    func often() {
        var table = PassedHolders()
        for number in 0..<10 * PassedHolders.capacity {
            table.add(HolderNumber(7), at: MonotonicTime(milliseconds: UInt64(number)))
        }
        #expect(table.madeRoom == nil)
        #expect(
            table.passage(of: HolderNumber(7)) == MonotonicTime(milliseconds: UInt64(10 * PassedHolders.capacity - 1)))
        #expect(table.passage(of: .nobody) == nil)
    }

    @Test("fever is measured once for who is refused for having passed")
    func noSecondMeasurement() {
        let lane = VirtualLane(policy: makePolicy { $0.antiPassback.action = .refuse })
        lane.admit()
        lane.pulse()
        lane.wait(5000)
        lane.present()
        lane.measure([3800, 3800, 3800])
        #expect(lane.decision?.reasons == [.passedAlready, .temperatureHigh])
    }
}
