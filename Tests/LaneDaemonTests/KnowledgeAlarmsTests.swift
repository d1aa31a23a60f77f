import Admission
import Testing

@testable import LaneDaemon

private let now = WallTime(milliseconds: 1_800_000_000_000)

private func ago(_ seconds: Int64) -> WallTime { now.advanced(byMilliseconds: -seconds * 1000) }

private func machine(_ kind: LaneKind = .entry, _ change: (inout AdmissionPolicy) -> Void) throws -> LaneMachine {
    var policy = AdmissionPolicy()
    // Neither is to be taken for the limit of another.
    policy.statementWarnMilliseconds = 10_000
    policy.antiPassback.scope = .acrossLanes
    policy.antiPassback.knowledgeLimitMilliseconds = 200_000
    policy.occupancy.people = 5
    policy.occupancy.knowledgeLimitMilliseconds = 100_000
    change(&policy)
    return LaneMachine(
        configuration: LaneConfiguration(
            kind: kind, from: .outside, to: try #require(ShortName("hall-1")), readerCount: 1, hasThermometer: false),
        policy: policy, nextSequence: 1, hourTotals: LaneTotals(),
        at: Moment(monotonic: MonotonicTime(milliseconds: 1), wall: now, clock: .trusted))
}

@Suite("Alarms of what other lanes saw") struct KnowledgeAlarmsTests {
    @Test(
        "who is inside is too old beyond the limit of the rule that asks, not the statement's",
        arguments: [(200, false), (201, true), (-300, false), (-301, true), (nil, true)] as [(Int64?, Bool)])
    func inside(seconds: Int64?, isAlarm: Bool) throws {
        let lane = try machine { $0.antiPassback.action = .refuse }
        let texts = KnowledgeAlarms.texts(lane, insideAsOf: seconds.map { ago($0) }, at: now)
        #expect(texts.count == (isAlarm ? 1 : 0))
        #expect(texts.allSatisfy { $0.contains("who is inside by other lanes") && $0.contains("nobody is refused") })
    }

    @Test(
        "and so is the count of a zone that has a limit",
        arguments: [(100, false), (101, true), (nil, true)] as [(Int64?, Bool)])
    func occupancy(seconds: Int64?, isAlarm: Bool) throws {
        var lane = try machine { $0.occupancy.action = .report }
        if let seconds { lane.learn(ZoneCount(people: 1, vehicles: 0, asOf: ago(seconds))) }
        let texts = KnowledgeAlarms.texts(lane, insideAsOf: nil, at: now)
        #expect(texts.count == (isAlarm ? 1 : 0))
        #expect(texts.allSatisfy { $0.contains("how full hall-1 is") })
    }

    @Test("a kind's own rule asks, too, and the shortest limit counts")
    func kinds() throws {
        let lane = try machine {
            $0.antiPassback.action = .report
            var own = $0.antiPassback
            own.knowledgeLimitMilliseconds = 50_000
            $0.kindRules[Int(HolderKind.media.rawValue)].antiPassback = own
        }
        #expect(KnowledgeAlarms.texts(lane, insideAsOf: ago(50), at: now).isEmpty)
        #expect(KnowledgeAlarms.texts(lane, insideAsOf: ago(51), at: now).count == 1)
    }

    @Test("rules that do not ask have no alarm, nor has an exit, nor a rule without a limit")
    func notAsked() throws {
        let plain = try machine { _ in }
        let exit = try machine(.exit) {
            $0.antiPassback.action = .refuse
            $0.occupancy.action = .refuse
        }
        let unlimited = try machine {
            $0.occupancy.action = .refuse
            $0.occupancy.people = nil
            $0.antiPassback.action = .refuse
            $0.antiPassback.scope = .thisLane
        }
        for lane in [plain, exit, unlimited] {
            #expect(KnowledgeAlarms.texts(lane, insideAsOf: nil, at: now).isEmpty)
        }
    }
}
