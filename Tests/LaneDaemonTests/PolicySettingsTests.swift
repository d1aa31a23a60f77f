import Admission
import Configuration
import Posix
import TestSupport
import Testing

@testable import LaneDaemon

private func lane(_ policy: String, id: String = "north-07", to: String = "north-ring") -> String {
    """
    site: { id: 00112233445566778899aabbccddeeff, public_key_file: site.pub, badge_key_file: badge.key }
    lane: { id: \(id), name: 北登录厅-07, kind: entry, from: outside, to: \(to) }
    readers:
      - { name: chip, type: rdm6300, port: /dev/ttyS1 }
    thermometer: { type: gy-mcu90615, port: /dev/ttyS2 }
    gate:
      simulated: { socket: gate.sock }
    \(policy)

    """
}

private func read(_ policy: String, id: String = "north-07", to: String = "north-ring") throws -> LaneSettings {
    let text = lane("policy:\n" + policy, id: id, to: to)
    return try LaneSettings(finishing: ConfigurationReader(contents: Array(text.utf8), path: "/etc/lane.yaml"))
}

private func readForVehicles(_ policy: String, to: String = "north-ring") throws -> LaneSettings {
    let text = lane("policy:\n" + policy, to: to).replacing("kind: entry,", with: "kind: entry, traffic: vehicles,")
    return try LaneSettings(finishing: ConfigurationReader(contents: Array(text.utf8), path: "/etc/lane.yaml"))
}

private let layered = """
      test_window_hours: 48
      kinds:
        media: { test_window_hours: 24, limit_celsius: 37.0 }
        staff: { assessment_window_hours: 48 }
      zones:
        hall-4: { test_window_hours: 36, admits: [staff], kinds: { staff: { test_window_hours: 12 } } }
        hall-5: { measures: [visitor] }
      lanes:
        north-09: { temperature: { offset_celsius: 0.5, limit_celsius: 37.5 }, requires: { staff: [] } }
    """

@Suite("Reading a policy") struct PolicySettingsTests {
    @Test(
        "what is nearer to the lane wins: the lane over its zone over all; in each place the kind over all kinds",
        arguments: [
            ("north-07", "north-ring", HolderKind.visitor, 48, 3730), ("north-07", "north-ring", .media, 24, 3700),
            ("north-07", "hall-4", .media, 36, 3700), ("north-07", "hall-4", .staff, 12, 3730),
            ("north-09", "hall-4", .media, 36, 3750), ("north-09", "north-ring", .media, 24, 3750),
        ] as [(String, String, HolderKind, Int64, Int32)])
    func layers(id: String, to: String, kind: HolderKind, window: Int64, limit: Int32) throws {
        let policy = try read(layered, id: id, to: to).policy
        #expect(policy.testWindow(for: kind) == window * 3_600_000)
        #expect(policy.temperatureLimit(for: kind) == limit)
        #expect(policy.temperatureOffsetCentidegrees == (id == "north-09" ? 50 : 0))
        #expect(policy.admittedKinds.contains(.visitor) == (to != "hall-4"))
        #expect(policy.measuredKinds.contains(.staff))
        #expect(policy.keys(for: .staff) == (id == "north-09" ? [] : .all))
        #expect(policy.assessmentWindow(for: .staff) == 48 * 3_600_000)
        #expect(policy.assessmentWindow(for: .visitor) == 24 * 3_600_000)
    }

    @Test(
        "what is wrong is told wherever it stands, also in a zone that is another lane's",
        arguments: [
            ("test_window_hours: 48", "test_window_hours: 0", "policy.test_window_hours", "336"),
            ("limit_celsius: 37.0", "limit_celsius: 3", "policy.kinds.media.limit_celsius", "35"),
            ("media:", "medio:", "policy.kinds.medio", "did you mean media"),
            ("admits: [staff]", "admits: [stuff]", "policy.zones.hall-4.admits[0]", "staff"),
            ("measures", "measure", "policy.zones.hall-5.measure", "did you mean measures"),
            ("north-09:", "North:", "policy.lanes.North", "a-z"),
            ("staff: []", "staff: [pass]", "policy.lanes.north-09.requires.staff[0]", "vaccine"),
        ])
    func refuses(good: String, bad: String, key: String, allowed: String) throws {
        let text = layered.replacing(good, with: bad, maxReplacements: 1)
        #expect(text != layered)
        let message = "\(try #require(#expect(throws: ConfigurationFailure.self) { _ = try read(text) }))"
        #expect(message.contains("lane.yaml:"), "\(message)")
        #expect(message.contains(key), "\(message)")
        #expect(message.contains(allowed), "\(message)")
    }

    @Test(
        "hours become integers when they are read, and are told as they were written",
        arguments: [
            ("08:30-20:00+08:00", 30 * 60_000, 690 * 60_000), ("00:00-24:00+00:00", 0, 1440 * 60_000),
            ("00:00-24:00-05:00", 300 * 60_000, 1440 * 60_000), ("22:00-02:00+08:00", 840 * 60_000, 240 * 60_000),
            ("23:59-00:00+14:00", 599 * 60_000, 60_000), ("06:00-23:00+05:45", 15 * 60_000, 1020 * 60_000),
        ] as [(String, Int64, Int64)])
    func hours(text: String, from: Int64, length: Int64) throws {
        let hours = try read("  hours: [\"\(text)\"]").policy.hours(for: .visitor)
        #expect(hours.daily.map(\.fromMilliseconds) == [from])
        #expect(hours.daily.map(\.lengthMilliseconds) == [length])
        #expect(
            OpeningHoursText.text(hours).replacing("-24:00", with: "-00:00") == text.replacing("-24:00", with: "-00:00")
        )
    }

    @Test("Z is an offset too, and a dated interval is two instants")
    func dated() throws {
        let policy = try read(
            "  hours: [\"07:00-08:00Z\", \"2026-11-07T07:00:00+08:00/2026-11-07T22:00:00+08:00\"]"
        ).policy
        #expect(policy.hours.daily.map(\.fromMilliseconds) == [7 * 3_600_000])
        #expect(policy.hours.dated.map(\.from.milliseconds) == [try Timestamp.parse("2026-11-06T23:00:00Z")])
        #expect(policy.hours.dated.map(\.until.milliseconds) == [try Timestamp.parse("2026-11-07T14:00:00Z")])
    }

    @Test(
        "a time that is none is refused",
        arguments: [
            "8:30-20:00+08:00", "08:30-20:00", "08:30–20:00+08:00", "08:60-20:00+08:00", "24:00-03:00+08:00",
            "08:00-24:01+08:00", "08:00-08:00+08:00", "08:00-20:00+15:00", "08:00-20:00+08:00x", "08:00-20:00Zx", "",
            "2026-11-07T07:00:00+08:00/2026-11-07T07:00:00+08:00", "2026-11-07T07:00:00/2026-11-08T07:00:00", "a/b/c",
        ])
    func noTime(text: String) throws {
        let failure = #expect(throws: ConfigurationFailure.self) { _ = try read("  hours: [\"\(text)\"]") }
        #expect("\(try #require(failure))".contains("policy.hours[0]"))
    }

    @Test("a list of hours is bounded and not empty, and the only word is always")
    func noHours() throws {
        let many = (0...32).map { _ in "\"08:00-20:00Z\"" }.joined(separator: ", ")
        for hours in ["[]", "[\(many)]", "never"] {
            #expect(throws: ConfigurationFailure.self) { _ = try read("  hours: \(hours)") }
        }
        let zone = try read("  hours: [\"08:00-20:00Z\"]\n  zones: { north-ring: { hours: always } }")
        #expect(zone.policy.hours(for: .staff).isAlways)
    }

    @Test("a file of its own is read, and named with its place when it is wrong; the digest is of that file")
    func ownFile() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/lane.yaml"
        func settings(_ rules: String, named: String = "rules.yaml") throws -> LaneSettings {
            try FileSystem.replace("\(directory.path)/rules.yaml", with: Array(rules.utf8), mode: 0o600)
            return try LaneSettings(
                finishing: ConfigurationReader(contents: Array(lane("policy: \(named)").utf8), path: path))
        }
        let first = try settings("test_window_hours: 24\n")
        #expect(first.policy.testWindow(for: .visitor) == 24 * 3_600_000)
        #expect(first.policyFile == "\(directory.path)/rules.yaml")
        #expect(first.policyContents == Array("test_window_hours: 24\n".utf8))
        let second = try settings("test_window_hours: 25\n")
        #expect(first.policy.digest != second.policy.digest)

        let wrong = #expect(throws: ConfigurationFailure.self) { _ = try settings("\ntest_window_hour: 24\n") }
        #expect("\(try #require(wrong))".contains("rules.yaml:2:1: test_window_hour: unknown key"))
        let missing = #expect(throws: ConfigurationFailure.self) {
            _ = try settings("test_window_hours: 24\n", named: "others.yaml")
        }
        #expect("\(try #require(missing))".contains("others.yaml"))
    }

    @Test("what is wrong with both files is told at once")
    func both() throws {
        let directory = try TemporaryDirectory()
        try FileSystem.replace("\(directory.path)/rules.yaml", with: Array("a: 1\n".utf8), mode: 0o600)
        let text = lane("policy: rules.yaml").replacing("kind: entry", with: "kind: door")
        let failure = #expect(throws: ConfigurationFailure.self) {
            _ = try LaneSettings(
                finishing: ConfigurationReader(contents: Array(text.utf8), path: "\(directory.path)/lane.yaml"))
        }
        let message = "\(try #require(failure))"
        #expect(message.contains("lane.kind") && message.contains("rules.yaml:1:1: a:"), "\(message)")
    }

    @Test("anti-passback, escorts and identity are read with their figures, and can be taken back nearer to the lane")
    func company() throws {
        let rules = """
              anti_passback: { action: refuse, forget_minutes: 10 }
              kinds:
                media:
                  escort: { kinds: [staff, security], window_seconds: 30 }
                  identity: { any_of: [second-identifier, guards-button] }
                staff: { anti_passback: { action: report } }
              zones: { hall-4: { anti_passback: off, kinds: { media: { escort: none, identity: { any_of: [guards-button], window_seconds: 3 } } } } }
            """
        let policy = try read(rules).policy
        let media = policy.rule(for: .media)
        #expect(policy.antiPassback(for: .visitor).action == .refuse)
        #expect(policy.antiPassback(for: .visitor).forgetMilliseconds == 600_000)
        #expect(policy.antiPassback(for: .staff).action == .report)
        #expect(policy.antiPassback(for: .staff).forgetMilliseconds == 1_800_000)
        #expect(media.escort == EscortRule(kinds: KindSet([.staff, .security]), windowMilliseconds: 30_000))
        #expect(
            media.identity
                == IdentityRule(accepts: [.secondIdentifier, .guardsButton], windowMilliseconds: 15_000))
        #expect(policy.rule(for: .visitor) == KindRule())

        let hall = try read(rules, to: "hall-4").policy
        #expect(hall.rule(for: .media).escort == nil)
        #expect(hall.rule(for: .media).identity == IdentityRule(accepts: .guardsButton, windowMilliseconds: 3000))
        #expect(hall.antiPassback(for: .staff).action == .off)

        let said = LaneSummary.text(try read(rules))
        #expect(said.contains("only beside a badge of staff or security presented at most 30 s before or after"))
        #expect(said.contains("another identifier of the same holder or the guard's button within 15 s"))
        #expect(said.contains("who passed here less than 10 min ago is refused"))
    }

    @Test("a lane for vehicles reads its driver rule, says it, and can take it back nearer to the lane")
    func driver() throws {
        let rules = """
              admits: [vehicle, staff, exhibitor]
              kinds: { vehicle: { driver: { window_seconds: 30 } } }
              zones: { hall-4: { kinds: { vehicle: { driver: none } } } }
            """
        let settings = try readForVehicles(rules)
        #expect(settings.policy.rule(for: .vehicle).driver == DriverRule(windowMilliseconds: 30_000))
        #expect(try readForVehicles(rules, to: "hall-4").policy.rule(for: .vehicle).driver == nil)
        let said = LaneSummary.text(settings)
        #expect(
            said.contains(
                "only with the badge of its driver (exhibitor or staff) read at most 30 s before or after, "
                    + "both admitted or neither"), "\(said)")
        #expect(said.contains("only as the driver of a vehicle whose pass is read too"))
        let usual = try readForVehicles("  admits: [vehicle, staff]\n  kinds: { vehicle: { driver: {} } }")
        #expect(usual.policy.rule(for: .vehicle).driver == DriverRule(windowMilliseconds: 20_000))
    }

    @Test(
        "a driver rule that could let nobody in, or has no window to the second, is refused with what to do",
        arguments: [
            ("kinds: { vehicle: { driver: {} } }", "admits nobody who could drive"),
            ("admits: [staff]\n  kinds: { vehicle: { driver: {} } }", "admits no vehicle"),
            ("kinds: { staff: { driver: {} } }", "only a vehicle has a driver"),
            ("kinds: { vehicle: { driver: { window_seconds: 2 } } }", "3"),
            ("kinds: { vehicle: { driver: yes } }", "none"),
        ])
    func refusesDriver(rule: String, words: String) throws {
        let failure = #expect(throws: ConfigurationFailure.self) { _ = try readForVehicles("  \(rule)") }
        let text = "\(try #require(failure))"
        #expect(text.contains(".driver") && text.contains(words), "\(text)")
    }

    @Test(
        "a rule that asks for nothing, or for what there is not, is refused",
        arguments: [
            ("anti_passback: on", "policy.anti_passback"), ("anti_passback: {}", "policy.anti_passback.action"),
            ("anti_passback: { action: refuse, forget_minutes: 0 }", "policy.anti_passback.forget_minutes"),
            ("kinds: { media: { escort: { kinds: [] } } }", "policy.kinds.media.escort.kinds"),
            ("kinds: { media: { escort: {} } }", "policy.kinds.media.escort.kinds"),
            ("kinds: { media: { escort: maybe } }", "policy.kinds.media.escort"),
            ("kinds: { media: { identity: { any_of: [face] } } }", "policy.kinds.media.identity.any_of[0]"),
            (
                "kinds: { media: { identity: { any_of: [guards-button], window_seconds: 2 } } }",
                "policy.kinds.media.identity.window_seconds"
            ),
        ])
    func refusesCompany(rule: String, key: String) throws {
        let failure = #expect(throws: ConfigurationFailure.self) { _ = try read("  \(rule)") }
        #expect("\(try #require(failure))".contains("\(key): "))
    }

    @Test("whether lamps tell of old knowledge is said, and told in a sentence", arguments: [nil, "stale", "ready"])
    func freshnessLamps(word: String?) throws {
        let settings = try read(word.map { "  freshness: { lamps: \($0) }" } ?? "  test_window_hours: 48")
        #expect(settings.policy.showsStale == (word != "ready"))
        let text = LaneSummary.text(settings)
        #expect(text.contains("lamps and display send them to another lane") == (word != "ready"))
        #expect(text.contains("lamps and display say nothing") == (word == "ready"))
        #expect(throws: (any Error).self) { try read("  freshness: { lamps: blinking }") }
    }

    @Test("sentences say what each kind needs, with figures")
    func sentences() throws {
        let settings = try read(layered + "\n  hours: [\"08:30-20:00+08:00\"]", to: "hall-4")
        let text = LaneSummary.text(settings)
        #expect(text.contains("visitor: not admitted."))
        #expect(
            text.contains(
                "staff: admitted with the full vaccine course, a green code assessed at most 48 h ago, a negative test "
                    + "sampled at most 12 h ago, an activated badge inside its dates; zone hall-4 on the badge; "
                    + "temperature below 37.3 °C; open 08:30-20:00+08:00."), "\(text)")
        #expect(text.contains("The last statement may be 6 h old (a warning from 2 min), the image 26 h (5 h)"))
    }

    @Test("how many a zone may hold: for all, for one zone, for one kind")
    func occupancy() throws {
        let policy = """
              occupancy: { limit: 5000, vehicles: 40, action: report }
              kinds: { security: { occupancy: off } }
              zones: { hall-4: { occupancy: { limit: 300, knowledge_limit_seconds: 60 } } }
            """
        let ring = try read(policy).policy
        #expect(ring.occupancy(for: .visitor).people == 5000 && ring.occupancy(for: .vehicle).vehicles == 40)
        #expect(ring.occupancy(for: .visitor).action == .report)
        #expect(ring.occupancy(for: .visitor).knowledgeLimitMilliseconds == 120_000)
        #expect(ring.occupancy(for: .security).action == .off)
        let hall = try read(policy, to: "hall-4").policy
        #expect(hall.occupancy(for: .visitor).people == 300 && hall.occupancy(for: .visitor).vehicles == nil)
        #expect(hall.occupancy(for: .security).action == .refuse)
        #expect(hall.occupancy(for: .visitor).knowledgeLimitMilliseconds == 60_000)
        #expect(try read("  admits: [visitor]").policy.occupancy(for: .visitor).action == .off)
        let sentences = PolicySentences(
            policy: hall, hasThermometer: true, zone: try #require(ShortName("hall-4")))
        let said = sentences.lines.joined(separator: "\n")
        #expect(
            said.contains("with 300 people in hall-4 the next is refused, unless the count is more than 1 min old"),
            "\(said)")
    }

    @Test(
        "an occupancy that says nothing, or too much, is refused at its place",
        arguments: [
            ("occupancy: {}", "policy.occupancy"), ("occupancy: { action: refuse }", "policy.occupancy"),
            ("occupancy: { limit: -1 }", "policy.occupancy.limit"),
            ("occupancy: { limit: 5, action: lock }", "policy.occupancy.action"),
            ("occupancy: { limit: 5, knowledge_limit_seconds: 5 }", "policy.occupancy.knowledge_limit_seconds"),
            ("occupancy: { limits: 5 }", "policy.occupancy.limits"),
        ])
    func wrongOccupancy(text: String, key: String) throws {
        let failure = try #require(#expect(throws: ConfigurationFailure.self) { _ = try read("  " + text) })
        #expect("\(failure)".contains(key), "\(failure)")
    }
}
