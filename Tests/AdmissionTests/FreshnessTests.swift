import Admission
import Testing

@Suite("Freshness and the clock's trust") struct FreshnessTests {
    static let policy = makePolicy { $0.measuredKinds = KindSet([]) }

    @Test(
        "a statement is good for 6 h to the millisecond",
        arguments: [(21_600, 0, Reasons()), (21_600, 1, .statementTooOld), (-60, 0, [])] as [(Int64, Int64, Reasons)])
    func statement(ago: Int64, later: Int64, expected: Reasons) {
        let credentials = makeCredentials(issuedSecondsAgo: 24 * 3600, statementSecondsAgo: ago)
        let instant = noon.advanced(byMilliseconds: later)
        #expect(Freshness.reasons(credentials, policy: Self.policy, at: instant) == expected)
    }

    @Test(
        "an image is good for 26 h to the millisecond, whatever is said of it",
        arguments: [(93_600, 0, Reasons()), (93_600, 1, .imageTooOld)] as [(Int64, Int64, Reasons)])
    func image(ago: Int64, later: Int64, expected: Reasons) {
        let credentials = makeCredentials(issuedSecondsAgo: ago, statementSecondsAgo: 1)
        let instant = noon.advanced(byMilliseconds: later)
        #expect(Freshness.reasons(credentials, policy: Self.policy, at: instant) == expected)
    }

    @Test("before the first statement, and for an older one, the image's own issue counts")
    func noStatement() {
        let without = makeCredentials(issuedSecondsAgo: 100, statementSecondsAgo: nil)
        #expect(Freshness.statementAge(without, at: noon) == 100_000)
        let older = makeCredentials(issuedSecondsAgo: 100, statementSecondsAgo: 50_000)
        #expect(Freshness.statementAge(older, at: noon) == 100_000)
        let newer = makeCredentials(issuedSecondsAgo: 100, statementSecondsAgo: 3)
        #expect(Freshness.statementAge(newer, at: noon) == 3000)
    }

    @Test("a policy that admits on stale knowledge has no such reasons; no image is a reason of its own")
    func admits() {
        let stale = makeCredentials(issuedSecondsAgo: 900_000, statementSecondsAgo: 900_000)
        let admits = makePolicy { $0.whenStale = .admit }
        #expect(Freshness.reasons(stale, policy: Self.policy, at: noon) == [.statementTooOld, .imageTooOld])
        #expect(Freshness.reasons(stale, policy: admits, at: noon) == [])
        #expect(Freshness.reasons(.none, policy: Self.policy, at: noon) == [])

        let lane = VirtualLane(policy: admits, credentials: nil)
        lane.present(makePresentation(lookup: .noImage))
        #expect(lane.decision?.reasons == .noImage)
    }

    @Test("lamps and display turn when the last statement gets too old, without a badge, and back when one comes")
    func lampsTurn() {
        let lane = VirtualLane(
            policy: Self.policy, credentials: makeCredentials(issuedSecondsAgo: 30_000, statementSecondsAgo: 21_590))
        #expect(lane.machine.display.lamps == .ready)
        lane.wait(10_000)
        #expect(lane.machine.display == (.ready, .presentBadge))
        lane.wait(1)
        #expect(lane.machine.display == (.stale, .stale))
        lane.adopt(makeCredentials(issuedSecondsAgo: 30_000, statementSecondsAgo: 0))
        #expect(lane.machine.display == (.ready, .presentBadge))
    }

    @Test("a lane without an image sends people to another one, whatever its policy says of old ones; an exit does not")
    func lampsOfNone() {
        let admits = makePolicy { $0.whenStale = .admit }
        #expect(VirtualLane(policy: admits, credentials: nil).machine.display == (.stale, .stale))
        #expect(VirtualLane(makeConfiguration(.exit), credentials: nil).machine.display.lamps == .ready)
    }

    @Test("lamps stay ready where the policy admits on old knowledge or wants it so, and while no clock tells its age")
    func lampsStayReady() {
        let old = makeCredentials(issuedSecondsAgo: 900_000, statementSecondsAgo: 900_000)
        #expect(VirtualLane(policy: Self.policy, credentials: old).machine.display.lamps == .stale)
        for change in [{ $0.whenStale = .admit }, { $0.showsStale = false }] as [(inout AdmissionPolicy) -> Void] {
            #expect(VirtualLane(policy: makePolicy(change), credentials: old).machine.display.lamps == .ready)
        }
        let lane = VirtualLane(policy: Self.policy, credentials: old)
        lane.clock = .stepped
        lane.handle(.clock(.stepped, stepMilliseconds: 5000))
        #expect(lane.machine.display.lamps == .ready)
    }

    @Test("stale knowledge is told beside what it says")
    func staleAndRed() {
        let lane = VirtualLane(
            policy: Self.policy, credentials: makeCredentials(issuedSecondsAgo: 30_000, statementSecondsAgo: 30_000))
        lane.present(makePresentation(credential: makeCredential(healthCode: .red)))
        #expect(lane.decision?.reasons == [.codeRed, .statementTooOld])
        lane.present(makePresentation(2, lookup: .unknown))
        #expect(lane.decision?.reasons == [.unknownBadge, .statementTooOld])
    }

    @Test(
        "without a trusted clock its figures are no reasons; the clock is, and what needs no clock",
        arguments: [ClockTrust.behindFloor, .aheadOfSignedTime, .stepped])
    func untrusted(trust: ClockTrust) {
        // Everything that a clock can say against a badge, and two things that it cannot.
        let credential = makeCredential(
            vaccine: .partial, assessedSecondsAgo: 90_000, sampledSecondsAgo: -400, activation: .suspended,
            validFromSeconds: noon.seconds + 5, validUntilSeconds: noon.seconds - 5)
        let old = makeCredentials(issuedSecondsAgo: 900_000, statementSecondsAgo: 900_000)
        let lane = VirtualLane(policy: Self.policy, credentials: old)
        lane.clock = trust
        lane.present(makePresentation(credential: credential))
        #expect(lane.decision?.reasons == [.clockNotTrusted, .vaccineIncomplete, .suspended])

        let admits = VirtualLane(
            policy: makePolicy {
                $0.measuredKinds = KindSet([])
                $0.whenClockDistrusted = .admit
            }, credentials: old)
        admits.clock = trust
        admits.present(makePresentation(credential: credential))
        #expect(admits.decision?.reasons == [.vaccineIncomplete, .suspended])
        admits.present(makePresentation(2, credential: makeCredential(holder: 2, sampledSecondsAgo: 300_000)))
        #expect(admits.decision?.verdict == .admitted)
    }

    @Test("trust in the clock is asked at the decision: it may come back while a badge is measured")
    func trustReturns() {
        let lane = VirtualLane()
        lane.clock = .stepped
        lane.present()
        lane.clock = .trusted
        lane.handle(.clock(.trusted, stepMilliseconds: 0))
        #expect(lane.told == ["record clock"])
        lane.measure()
        #expect(lane.decision?.verdict == .admitted)
    }
}
