import Admission
import Testing

private let hour: Int64 = 3_600_000
private let day: Int64 = 24 * hour

private func daily(_ from: Int64, _ length: Int64) -> OpeningHours {
    OpeningHours(daily: [.init(fromMilliseconds: from, lengthMilliseconds: length)])
}

@Suite("Opening hours") struct OpeningHoursTests {
    @Test(
        "open from the first millisecond to the last before the end, every UTC day, also before 1970 and over midnight",
        arguments: [
            (8 * hour, 12 * hour, 8 * hour - 1, false), (8 * hour, 12 * hour, 8 * hour, true),
            (8 * hour, 12 * hour, 20 * hour - 1, true), (8 * hour, 12 * hour, 20 * hour, false),
            (8 * hour, 12 * hour, 20_000 * day + 9 * hour, true), (8 * hour, 12 * hour, -day + 9 * hour, true),
            (8 * hour, 12 * hour, -1, false), (22 * hour, 4 * hour, 23 * hour, true),
            (22 * hour, 4 * hour, 2 * hour - 1, true), (22 * hour, 4 * hour, 2 * hour, false),
            (22 * hour, 4 * hour, -1, true), (0, day, -1, true), (0, day, day - 1, true), (7, 1, 7, true),
            (7, 1, 8, false), (22 * hour, 4 * hour, .max, false), (22 * hour, 4 * hour, .min, true),
        ] as [(Int64, Int64, Int64, Bool)])
    func everyDay(from: Int64, length: Int64, at: Int64, isOpen: Bool) {
        let last = Int64.max % day
        let expected = at == .max ? (last >= 22 * hour || last < 2 * hour) : isOpen
        let first = (Int64.min % day + day) % day
        let wanted = at == .min ? (first >= 22 * hour || first < 2 * hour) : expected
        #expect(daily(from, length).isOpen(at: WallTime(milliseconds: at)) == wanted)
    }

    @Test(
        "a dated interval opens once",
        arguments: [(-1, false), (0, true), (999, true), (1000, false)] as [(Int64, Bool)])
    func once(after: Int64, isOpen: Bool) {
        let hours = OpeningHours(dated: [.init(from: noon, until: noon.advanced(byMilliseconds: 1000))])
        #expect(hours.isOpen(at: noon.advanced(byMilliseconds: after)) == isOpen)
    }

    @Test("any of several intervals opens, and none at all means always")
    func several() {
        let hours = OpeningHours(
            daily: [.init(fromMilliseconds: 0, lengthMilliseconds: hour)],
            dated: [.init(from: WallTime(milliseconds: 2 * hour), until: WallTime(milliseconds: 3 * hour))])
        let open = [0, hour - 1, hour, 2 * hour, 3 * hour, day, day + 2 * hour].map {
            hours.isOpen(at: WallTime(milliseconds: $0))
        }
        #expect(open == [true, true, false, true, false, true, false])
        #expect(OpeningHours.always.isOpen(at: noon) && OpeningHours.always.isAlways)
    }

    @Test("a badge outside its kind's hours is refused for that, and for all else that is missing")
    func refuses() {
        let closed = OpeningHours(dated: [.init(from: WallTime(seconds: 0), until: WallTime(seconds: 1))])
        let policy = makePolicy {
            $0.hours = closed
            $0.kindRules[Int(HolderKind.staff.rawValue)].hours = .always
        }
        let lane = VirtualLane(policy: policy)
        lane.present(makePresentation(1, credential: makeCredential(holder: 1, vaccine: .none)))
        lane.measure()
        #expect(lane.decision?.reasons == [.outsideHours, .vaccineNotRecorded])
        lane.wait(5000)
        lane.present(makePresentation(2, credential: makeCredential(holder: 2, kind: .staff)))
        lane.measure()
        #expect(lane.decision?.verdict == .admitted)
    }

    @Test("an exit lets out at any hour")
    func exits() {
        let closed = OpeningHours(dated: [.init(from: WallTime(seconds: 0), until: WallTime(seconds: 1))])
        let lane = VirtualLane(makeConfiguration(.exit), policy: makePolicy { $0.hours = closed })
        lane.present()
        #expect(lane.decision?.verdict == .admitted)
    }

    @Test("a clock that is not trusted closes nothing by itself")
    func withoutClock() {
        let closed = OpeningHours(dated: [.init(from: WallTime(seconds: 0), until: WallTime(seconds: 1))])
        let lane = VirtualLane(
            policy: makePolicy {
                $0.hours = closed
                $0.whenClockDistrusted = .admit
            })
        lane.clock = .stepped
        lane.admit()
        #expect(lane.decision?.reasons == [])
    }
}

@Suite("Rules of a kind") struct KindRuleTests {
    private func policy(_ change: @escaping (inout KindRule) -> Void) -> AdmissionPolicy {
        makePolicy { change(&$0.kindRules[Int(HolderKind.media.rawValue)]) }
    }

    private func reasons(_ credential: Credential, _ policy: AdmissionPolicy) -> Reasons {
        FourKeys.reasons(credential, policy: policy, destinationZoneBit: 1, leadsOutside: false, at: noon)
    }

    @Test(
        "a window of its own holds for this kind and no other",
        arguments: [(HolderKind.media, 7201, Reasons.testExpired), (.media, 7200, []), (.staff, 7201, [])]
            as [(HolderKind, Int64, Reasons)])
    func windows(kind: HolderKind, age: Int64, expected: Reasons) {
        let policy = policy { $0.testWindowMilliseconds = 7_200_000 }
        #expect(reasons(makeCredential(kind: kind, sampledSecondsAgo: age), policy) == expected)
        let codes = self.policy { $0.assessmentWindowMilliseconds = 7_200_000 }
        let code: Reasons = expected.isEmpty ? [] : .codeTooOld
        #expect(reasons(makeCredential(kind: kind, assessedSecondsAgo: age), codes) == code)
    }

    @Test(
        "a temperature limit of its own refuses, and stands in the record",
        arguments: [(HolderKind.media, 3700, Verdict.refused), (.media, 3699, .admitted), (.staff, 3700, .admitted)]
            as [(HolderKind, Int32, Verdict)])
    func temperature(kind: HolderKind, reading: Int32, verdict: Verdict) {
        let lane = VirtualLane(policy: policy { $0.temperatureLimitCentidegrees = 3700 })
        lane.present(makePresentation(1, credential: makeCredential(kind: kind)))
        lane.measure([reading, reading, reading])
        if lane.isMeasuring { lane.measure([reading, reading, reading]) }
        #expect(lane.decision?.verdict == verdict)
        #expect(lane.decision?.temperatureLimitCentidegrees == (kind == .media ? 3700 : 3730))
    }
}
