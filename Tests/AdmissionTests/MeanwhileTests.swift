import Admission
import Testing

/// What opens the gate is what is in force at that moment: for whoever is measured, waits for company, for the guard or
/// for another identifier, or waits behind somebody else.
@Suite("What comes into force meanwhile") struct MeanwhileTests {
    /// How somebody stands at a lane and is not decided.
    enum Standing: CaseIterable, CustomTestStringConvertible {
        case measured, awaitsGuard, awaitsCode, awaitsEscort, waitsBehindSomebody
        var testDescription: String { "\(self)" }

        var kind: HolderKind {
            switch self {
            case .measured, .waitsBehindSomebody: .visitor
            case .awaitsGuard: .staff
            case .awaitsCode: .exhibitor
            case .awaitsEscort: .media
            }
        }

        func stand(_ lane: VirtualLane) {
            if self == .waitsBehindSomebody { lane.admit(90) }
            lane.present(makePresentation(2, credential: makeCredential(holder: 2, kind: kind)))
            if self != .measured && self != .waitsBehindSomebody { lane.measure() }
        }

        /// What was missing comes.
        func goOn(_ lane: VirtualLane) {
            switch self {
            case .measured: lane.measure()
            case .awaitsGuard: lane.handle(.guardPressed)
            case .awaitsCode:
                lane.present(makePresentation(2_000_002, type: .code, lookup: lane.lookup(holder: 2)))
            case .awaitsEscort:
                lane.present(makePresentation(8, credential: makeCredential(holder: 8, kind: .security)))
            case .waitsBehindSomebody:
                lane.pulse()
                lane.wait(200)
                lane.measure()
            }
        }
    }

    struct Change: Sendable, CustomTestStringConvertible {
        var words: String
        var reasons: Reasons
        var credential: (@Sendable (inout Credential) -> Void)?
        var policy: (@Sendable (inout AdmissionPolicy) -> Void)?
        var testDescription: String { words }
    }

    static let changes: [Change] = [
        Change(words: "nothing", reasons: []) { _ in },
        Change(words: "the code turns red", reasons: .codeRed) { $0.healthCode = .red },
        Change(words: "the code turns yellow", reasons: .codeYellow) { $0.healthCode = .yellow },
        Change(words: "the test was positive", reasons: .testPositive) { $0.test = .positive },
        Change(words: "the badge is suspended", reasons: .suspended) { $0.activation = .suspended },
        Change(words: "the zone is taken away", reasons: .zoneNotGranted) { $0.zones = 0 },
        Change(words: "the badge is revoked and red", reasons: [.revoked, .codeRed]) {
            $0.activation = .revoked
            $0.healthCode = .red
        },
        Change(
            words: "the policy shortens the window of the test", reasons: .testExpired,
            policy: { $0.testWindowMilliseconds = 1_800_000 }),
        Change(
            words: "the policy closes the lane", reasons: .outsideHours,
            policy: {
                $0.hours = OpeningHours(
                    dated: [.init(from: noon.advanced(byMilliseconds: -2000), until: noon)])
            }),
        Change(
            words: "the policy lowers the temperature's limit", reasons: .temperatureHigh,
            policy: { $0.temperatureLimitCentidegrees = 3600 }),
    ]

    static func makeLane() -> VirtualLane {
        let policy = makePolicy {
            $0.kindRules[Int(HolderKind.staff.rawValue)].identity = IdentityRule(
                accepts: .guardsButton, windowMilliseconds: 10_000)
            $0.kindRules[Int(HolderKind.exhibitor.rawValue)].identity = IdentityRule(
                accepts: .secondIdentifier, windowMilliseconds: 10_000)
            $0.kindRules[Int(HolderKind.media.rawValue)].escort = EscortRule(
                kinds: KindSet([.security]), windowMilliseconds: 10_000)
        }
        return VirtualLane(policy: policy)
    }

    @Test("who stands there is let in by what is in force when the gate opens", arguments: Standing.allCases, changes)
    func meanwhile(standing: Standing, change: Change) {
        let lane = Self.makeLane()
        standing.stand(lane)
        let decidedBefore = lane.decisions.count
        var credential = makeCredential(holder: 2, kind: standing.kind)
        change.credential?(&credential)
        lane.says[2] = credential
        if change.credential != nil {
            // As an image, and as a change behind one: both are other credentials in force.
            lane.adopt(makeCredentials(change: 1))
        }
        if let changed = change.policy {
            var policy = lane.machine.policy
            policy.digest.low += 1
            changed(&policy)
            lane.adopt(policy)
        }
        standing.goOn(lane)
        if change.reasons == .temperatureHigh, lane.isMeasuring { lane.measure() }
        let mine = lane.decisions.dropFirst(decidedBefore).first { $0.presentation.credential?.holder.number == 2 }
        guard let mine else {
            Issue.record("not decided: \(lane)")
            return
        }
        #expect((mine.verdict == .admitted) == change.reasons.isEmpty)
        #expect(mine.reasons.isSuperset(of: change.reasons))
        #expect(mine.reasons.subtracting([.escortMissing, .identityNotConfirmed]) == change.reasons)
        #expect(mine.policyDigest == lane.machine.policy.digest)
        #expect(mine.credentials.changeNumber == (change.credential == nil ? 0 : 1))
        #expect(lane.unrecordedReleases == 0)
        // The guard's button lets by hand whoever is refused, and an escort walks alone.
        if standing != .awaitsEscort && standing != .awaitsGuard {
            #expect(lane.isReleased == change.reasons.isEmpty)
        }
    }

    @Test("who waited and is red now is told at once, and not when the time is over")
    func atOnce() {
        let lane = Self.makeLane()
        Standing.awaitsGuard.stand(lane)
        lane.says[2] = makeCredential(holder: 2, kind: .staff, healthCode: .red)
        lane.adopt(makeCredentials(change: 1))
        #expect(lane.decision?.reasons == [.codeRed, .identityNotConfirmed])
        #expect(lane.lamps == .refused)
    }

    @Test("who is unknown to the new image is refused")
    func unknown() {
        let lane = Self.makeLane()
        lane.present(2)
        lane.adopt(makeCredentials(version: 6)) { _ in .unknown }
        #expect(lane.decision?.reasons == .unknownBadge)
        #expect(!lane.isMeasuring)
    }

    @Test("who was unknown before the image came, and waits behind somebody, is judged by the image")
    func known() {
        let lane = Self.makeLane()
        lane.admit(1)
        lane.present(makePresentation(2, lookup: .unknown))
        lane.adopt(makeCredentials(version: 6))
        lane.pulse()
        lane.wait(200)
        lane.measure()
        #expect(lane.decision?.verdict == .admitted)
        #expect(lane.decision?.presentation.credential?.holder.number == 2)
    }

    @Test("a rule that asks for company no more lets in who waited for it")
    func ruleGone() {
        let lane = Self.makeLane()
        Standing.awaitsEscort.stand(lane)
        var policy = lane.machine.policy
        policy.kindRules[Int(HolderKind.media.rawValue)].escort = nil
        lane.adopt(policy)
        #expect(lane.decision?.verdict == .admitted)
    }

    @Test("who becomes another kind while he waits for company is judged by that kind's rule")
    func otherKind() {
        let lane = Self.makeLane()
        Standing.awaitsEscort.stand(lane)
        lane.says[2] = makeCredential(holder: 2, kind: .staff)
        lane.adopt(makeCredentials(change: 1))
        #expect(lane.machine.isAwaitingCompany)
        lane.handle(.guardPressed)
        #expect(lane.decision?.verdict == .admitted)
        #expect(lane.decision?.presentation.credential?.kind == .staff)
    }

    @Test("an escort who turns red before anybody was let in accompanies nobody")
    func escortTurnsRed() {
        let policy = makePolicy {
            let media = Int(HolderKind.media.rawValue)
            $0.kindRules[media].escort = EscortRule(kinds: KindSet([.security]), windowMilliseconds: 10_000)
            $0.kindRules[media].identity = IdentityRule(accepts: .guardsButton, windowMilliseconds: 10_000)
        }
        let lane = VirtualLane(policy: policy)
        lane.present(makePresentation(2, credential: makeCredential(holder: 2, kind: .media)))
        lane.measure()
        // The escort comes; the guard has not pressed yet.
        lane.present(makePresentation(8, credential: makeCredential(holder: 8, kind: .security)))
        #expect(lane.machine.isAwaitingCompany)
        lane.says[8] = makeCredential(holder: 8, kind: .security, healthCode: .red)
        lane.says[2] = makeCredential(holder: 2, kind: .media)
        lane.adopt(makeCredentials(change: 1))
        lane.handle(.guardPressed)
        #expect(!lane.isReleased)
        lane.wait(11_000)
        #expect(lane.decisions.first?.reasons == .escortMissing)
    }

    @Test("whoever is released already walks: a change opens and shuts no gate", arguments: [HealthCode.green, .red])
    func released(code: HealthCode) {
        let lane = Self.makeLane()
        lane.admit(2)
        lane.says[2] = makeCredential(holder: 2, healthCode: code)
        lane.adopt(makeCredentials(change: 1))
        #expect(lane.isReleased && lane.releaseLine)
        lane.pulse()
        #expect(lane.ends == [.passed])
    }

    @Test("a newer statement for the same image is no record and changes no decision")
    func statement() {
        let lane = Self.makeLane()
        Standing.awaitsGuard.stand(lane)
        lane.says[2] = makeCredential(holder: 2, kind: .staff)
        let records = lane.records.count
        lane.adopt(makeCredentials(statementSecondsAgo: 1))
        #expect(lane.records.count == records)
        #expect(lane.machine.isAwaitingCompany)
    }
}
