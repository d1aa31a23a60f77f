import Admission
import Testing

/// Why `credential` does not open a lane that leads to zone 0, at `noon` plus `later`.
private func reasons(
    _ credential: Credential, policy: AdmissionPolicy = makePolicy(), zoneBit: UInt64 = 1, leadsOutside: Bool = false,
    laterMilliseconds: Int64 = 0
) -> Reasons {
    FourKeys.reasons(
        credential, policy: policy, destinationZoneBit: zoneBit, leadsOutside: leadsOutside,
        at: noon.advanced(byMilliseconds: laterMilliseconds))
}

@Suite("Four keys") struct FourKeysTests {
    static let hour: Int64 = 3600

    @Test("a holder with all four keys passes", arguments: HolderKind.allCases.filter { $0 != .vehicle })
    func allTurned(kind: HolderKind) {
        #expect(reasons(makeCredential(kind: kind)) == [])
    }

    @Test(
        "a sample 48 h old to the millisecond still passes, one millisecond or second more does not",
        arguments: [
            (-1000, Reasons()), (-1, []), (0, []), (1, .testExpired), (1000, .testExpired), (86_400_000, .testExpired),
        ] as [(Int64, Reasons)])
    func testWindow(later: Int64, expected: Reasons) {
        let credential = makeCredential(assessedSecondsAgo: 0, sampledSecondsAgo: 48 * Self.hour)
        #expect(reasons(credential, laterMilliseconds: later) == expected)
    }

    @Test(
        "a sample dated up to 5 min ahead is taken, more is a reason of its own",
        arguments: [(-300, 0, Reasons()), (-300, -1, .testInFuture), (-301, 0, .testInFuture), (-1, 0, [])]
            as [(Int64, Int64, Reasons)])
    func sampleInFuture(ago: Int64, later: Int64, expected: Reasons) {
        #expect(reasons(makeCredential(sampledSecondsAgo: ago), laterMilliseconds: later) == expected)
    }

    @Test(
        "an assessment is good for 24 h to the millisecond, and not from the future",
        arguments: [
            (86_400, 0, Reasons()), (86_400, 1, .codeTooOld), (-300, 0, []), (-300, -1, .codeInFuture),
            (-301, 0, .codeInFuture),
        ] as [(Int64, Int64, Reasons)])
    func assessmentWindow(ago: Int64, later: Int64, expected: Reasons) {
        #expect(reasons(makeCredential(assessedSecondsAgo: ago), laterMilliseconds: later) == expected)
    }

    @Test("the windows and the tolerance are the policy's")
    func policyWindows() {
        let policy = makePolicy {
            $0.testWindowMilliseconds = 1000
            $0.assessmentWindowMilliseconds = 2000
            $0.futureToleranceMilliseconds = 0
        }
        let credential = makeCredential(assessedSecondsAgo: 0, sampledSecondsAgo: 0)
        #expect(reasons(credential, policy: policy, laterMilliseconds: 1000) == [])
        #expect(reasons(credential, policy: policy, laterMilliseconds: 1001) == .testExpired)
        #expect(reasons(credential, policy: policy, laterMilliseconds: 2001) == [.testExpired, .codeTooOld])
        #expect(reasons(credential, policy: policy, laterMilliseconds: -1) == [.testInFuture, .codeInFuture])
    }

    @Test(
        "each state of the vaccine key",
        arguments: [
            (.unknown, .vaccineNotRecorded), (.none, .vaccineNotRecorded), (.partial, .vaccineIncomplete), (.full, []),
        ] as [(VaccineState, Reasons)])
    func vaccine(state: VaccineState, expected: Reasons) {
        #expect(reasons(makeCredential(vaccine: state)) == expected)
    }

    @Test(
        "each state of the health code",
        arguments: [(.unknown, .codeUnknown), (.green, []), (.yellow, .codeYellow), (.red, .codeRed)]
            as [(HealthCode, Reasons)])
    func healthCode(state: HealthCode, expected: Reasons) {
        #expect(reasons(makeCredential(healthCode: state)) == expected)
        // A colour that bars is told as itself, however old it is.
        #expect(
            reasons(makeCredential(healthCode: state, assessedSecondsAgo: 40 * Self.hour))
                == (state == .green ? .codeTooOld : expected))
    }

    @Test(
        "each state of the test",
        arguments: [(.unknown, .testMissing), (.none, .testMissing), (.negative, []), (.positive, .testPositive)]
            as [(TestResult, Reasons)])
    func test(state: TestResult, expected: Reasons) {
        #expect(reasons(makeCredential(test: state)) == expected)
        #expect(
            reasons(makeCredential(test: state, sampledSecondsAgo: 100 * Self.hour))
                == (state == .negative ? .testExpired : expected))
    }

    @Test(
        "each state of the activation",
        arguments: [(.inactive, .notActivated), (.activated, []), (.suspended, .suspended), (.revoked, .revoked)]
            as [(Activation, Reasons)])
    func activation(state: Activation, expected: Reasons) {
        #expect(reasons(makeCredential(activation: state)) == expected)
    }

    @Test("green but never assessed, or negative but never sampled, does not pass")
    func neverSeen() {
        #expect(reasons(makeCredential(assessedSecondsAgo: noon.seconds)) == .codeTooOld)
        #expect(reasons(makeCredential(sampledSecondsAgo: noon.seconds)) == .testMissing)
    }

    @Test(
        "the first and the last second of validity are valid, to the millisecond",
        arguments: [
            (0, 0, 0, Reasons()), (1, 0, 1, .notYetValid), (1, 999, 1, .notYetValid), (1, 1000, 1, []),
            (0, 999, 0, []), (0, 1000, 0, .noLongerValid), (-9, 0, -1, .noLongerValid),
            (2, 0, -2, [.notYetValid, .noLongerValid]),
        ] as [(Int64, Int64, Int64, Reasons)])
    func validity(from: Int64, later: Int64, until: Int64, expected: Reasons) {
        let credential = makeCredential(
            validFromSeconds: noon.seconds + from, validUntilSeconds: noon.seconds + until)
        #expect(reasons(credential, laterMilliseconds: later) == expected)
    }

    @Test(
        "a zone opens by its own bit alone",
        arguments: [(0b01, 0b01, true), (0b10, 0b01, false), (0, 1, false), (.max, 1 << 63, true), (.max, 0, false)]
            as [(UInt64, UInt64, Bool)])
    func zones(granted: UInt64, bit: UInt64, isIn: Bool) {
        let expected: Reasons = isIn ? [] : .zoneNotGranted
        #expect(reasons(makeCredential(zones: granted), zoneBit: bit) == expected)
        #expect(reasons(makeCredential(zones: granted), zoneBit: bit, leadsOutside: true) == [])
    }

    @Test("a kind that the lane does not admit is refused as that", arguments: HolderKind.allCases)
    func kinds(kind: HolderKind) {
        #expect(reasons(makeCredential(kind: kind)) == (kind == .vehicle ? .kindNotAdmitted : []))
        let others = makePolicy { $0.admittedKinds = KindSet(HolderKind.allCases.filter { $0 != kind }) }
        #expect(reasons(makeCredential(kind: kind), policy: others) == .kindNotAdmitted)
    }

    @Test("a vehicle's pass needs its activation and its dates, and nothing of a person's")
    func vehicle() {
        let gate = makePolicy { $0.admittedKinds = KindSet([.vehicle]) }
        var pass = makeCredential(
            kind: .vehicle, vaccine: .unknown, healthCode: .unknown, assessedSecondsAgo: noon.seconds, test: .unknown,
            sampledSecondsAgo: noon.seconds)
        #expect(reasons(pass, policy: gate) == [])
        pass.activation = .suspended
        pass.validUntilSeconds = noon.seconds - 1
        #expect(reasons(pass, policy: gate) == [.suspended, .noLongerValid])
    }

    @Test("all keys that fail are told, not the first", arguments: 0..<16)
    func several(missing: Int) {
        var expected: Reasons = []
        var credential = makeCredential()
        if missing & 1 != 0 {
            credential.vaccine = .partial
            expected.insert(.vaccineIncomplete)
        }
        if missing & 2 != 0 {
            credential.healthCode = .red
            expected.insert(.codeRed)
        }
        if missing & 4 != 0 {
            credential.sampledAtSeconds = UInt32(noon.seconds - 51 * Self.hour)
            expected.insert(.testExpired)
        }
        if missing & 8 != 0 {
            credential.activation = .revoked
            expected.insert(.revoked)
        }
        #expect(reasons(credential) == expected)
        credential.zones = 0
        credential.validFromSeconds = noon.seconds + 1
        expected.formUnion([.zoneNotGranted, .notYetValid])
        #expect(reasons(credential) == expected)
    }

    @Test("a key that the policy does not ask of a kind is not judged", arguments: 0..<16)
    func required(keys: UInt8) {
        let required = KeySet(rawValue: keys)
        let policy = makePolicy { $0.requiredKeys[Int(HolderKind.media.rawValue)] = required }
        let credential = makeCredential(
            kind: .media, vaccine: .none, healthCode: .yellow, test: .positive, activation: .inactive)
        var expected: Reasons = []
        if required.contains(.vaccine) { expected.insert(.vaccineNotRecorded) }
        if required.contains(.greenCode) { expected.insert(.codeYellow) }
        if required.contains(.test) { expected.insert(.testPositive) }
        if required.contains(.activated) { expected.insert(.notActivated) }
        #expect(reasons(credential, policy: policy) == expected)
    }

    @Test("a list of required keys that is too short asks for all four")
    func shortList() {
        let policy = makePolicy { $0.requiredKeys = [] }
        #expect(policy.keys(for: .visitor) == .all)
        #expect(reasons(makeCredential(vaccine: .none), policy: policy) == .vaccineNotRecorded)
    }

    @Test("no date and no instant traps", arguments: [Int64.min, .min + 1, -1, 0, 1, .max - 1, .max])
    func extremes(milliseconds: Int64) {
        let instant = WallTime(milliseconds: milliseconds)
        let seconds: [UInt32] = [0, 1, .max - 1, .max]
        let dates: [Int64?] = [nil, .min, -1, 0, .max]
        for tolerance in [Int64.min, -1, 0, .max] {
            let policy = makePolicy {
                $0.testWindowMilliseconds = tolerance
                $0.assessmentWindowMilliseconds = tolerance
                $0.futureToleranceMilliseconds = tolerance
            }
            for second in seconds {
                for date in dates {
                    var credential = makeCredential(validFromSeconds: date, validUntilSeconds: date)
                    credential.assessedAtSeconds = second
                    credential.sampledAtSeconds = second
                    _ = FourKeys.reasons(
                        credential, policy: policy, destinationZoneBit: .max, leadsOutside: false, at: instant)
                }
            }
        }
        _ = Freshness.reasons(
            makeCredentials(issuedSecondsAgo: noon.seconds), policy: makePolicy(), at: instant)
        #expect(instant.seconds == milliseconds / 1000 - (milliseconds % 1000 < 0 ? 1 : 0))
    }

    @Test("the farthest dates that a slot holds still compare rightly")
    func farDates() {
        var credential = makeCredential()
        credential.sampledAtSeconds = .max
        #expect(reasons(credential) == .testInFuture)
        credential.sampledAtSeconds = 1
        #expect(reasons(credential) == .testExpired)
        credential = makeCredential(validFromSeconds: .min, validUntilSeconds: .max)
        #expect(reasons(credential) == [])
    }
}

@Suite("Reasons") struct ReasonsTests {
    @Test("every reason is told once, has a name of its own, and the order names no other")
    func ordered() {
        let names = Reasons.ordered.map { "\($0.name)" }
        #expect(Set(names).count == names.count)
        #expect(!names.contains("several"))
        for reason in Reasons.ordered { #expect(reason.rawValue.nonzeroBitCount == 1) }
        let keys: [Reasons] = [.vaccineKey, .greenCodeKey, .testKey, .activationKey, .temperature]
        let all = Reasons.ordered.reduce(into: Reasons()) { $0.formUnion($1) }
        for key in keys { #expect(all.isSuperset(of: key)) }
        for (index, key) in keys.enumerated() {
            for other in keys[(index + 1)...] { #expect(key.isDisjoint(with: other)) }
        }
    }
}
