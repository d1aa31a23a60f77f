import Admission
import Configuration
import Testing

@testable import LaneDaemon

@Suite("Settings of sensors, vehicles and the schedule") struct LaneSettingsModesTests {
    static func text(lane: String = "", gate: String = "simulated: { socket: g }", more: String = "") -> String {
        """
        site: { id: 00112233445566778899aabbccddeeff, public_key_file: site.pub, badge_key_file: badge.key }
        lane: { id: gate-1, name: 北门, kind: entry, from: outside, to: ring\(lane) }
        readers:
          - { name: uhf, type: uhf, port: /dev/ttyS1 }
        thermometer: absent
        gate: { \(gate) }
        \(more)

        """
    }

    static func read(_ text: String) throws -> LaneSettings {
        try LaneSettings(finishing: ConfigurationReader(contents: Array(text.utf8), path: "/etc/lane.yaml"))
    }

    static let simulated = "simulated: { socket: g }"
    static let gpio = "gpio: { chip: c, lines: { release: r, "

    @Test("a lane for vehicles has a loop, a long passage timeout, vehicles only, and needs no thermometer")
    func vehicles() throws {
        let settings = try Self.read(Self.text(lane: ", traffic: vehicles"))
        #expect(settings.lane.traffic == .vehicles)
        #expect(settings.lane.passageSensor == .loop)
        #expect(settings.lane.passageTimeoutMilliseconds == 20_000)
        #expect(HolderKind.allCases.filter(settings.policy.admittedKinds.contains) == [.vehicle])
        #expect(LaneSummary.text(settings).contains("for vehicles"))
        let own = try Self.read(
            Self.text(
                lane: ", traffic: vehicles",
                gate: "\(Self.simulated), passage_timeout_milliseconds: 90000, passage: contacts",
                more: "policy: { admits: [vehicle, staff] }"))
        #expect(own.lane.passageTimeoutMilliseconds == 90_000)
        #expect(own.lane.passageSensor == .contacts)
        #expect(own.policy.admittedKinds.contains(.staff) && own.policy.admittedKinds.contains(.vehicle))
    }

    @Test(
        "each way to tell a passage is read, with the lines it needs",
        arguments: [
            ("\(simulated), passage: two-beams", PassageSensor.beams), ("\(simulated), passage: none", .absent),
            ("\(simulated), passage: loop", .loop), (simulated, .contacts),
            ("\(gpio) passage_forward: a, passage_backward: b } }, passage: two-beams", .beams),
            ("\(gpio) lamp_red: a } }, passage: none", .absent),
            ("\(gpio) passage_forward: a } }, passage: loop", .loop),
        ])
    func sensors(gate: String, sensor: PassageSensor) throws {
        let settings = try Self.read(
            Self.text(gate: gate, more: "policy: { temperature: { without_thermometer: admit-marked } }"))
        #expect(settings.lane.passageSensor == sensor)
        #expect(settings.lane.traffic == .people)
    }

    @Test(
        "what does not fit together is told",
        arguments: [
            ("", "\(gpio) passage_forward: a } }, passage: two-beams", "", "passage_backward"),
            ("", "\(gpio) passage_forward: a } }, passage: none", "", "no use with"),
            ("", "\(gpio) lamp_red: a } }", "", "passage_forward"),
            ("", "\(simulated), passage: three-beams", "", "two-beams"),
            (", traffic: boats", simulated, "", "vehicles"),
            ("", "\(simulated), passage_timeout_milliseconds: 90000", "", "30000"),
            ("", simulated, "schedule: [{ mode: maintenance, hours: [08:00-09:00Z] }]", "held-open"),
            ("", simulated, "schedule: [{ mode: locked }]", "hours"),
            ("", simulated, "schedule: [{ mode: locked, hours: [08:00-09:00] }]", "offset"),
        ])
    func refused(lane: String, gate: String, more: String, says: String) {
        let error = #expect(throws: ConfigurationFailure.self) {
            try Self.read(
                Self.text(
                    lane: lane, gate: gate,
                    more: "policy: { temperature: { without_thermometer: refuse } }\n\(more)"))
        }
        #expect(error.map { "\($0)".contains(says) } == true, "\(String(describing: error))")
    }

    @Test("a schedule is read in its order and told in sentences")
    func schedule() throws {
        let settings = try Self.read(
            Self.text(
                more: """
                    policy: { temperature: { without_thermometer: refuse } }
                    schedule:
                      - { mode: normal, hours: ["2026-11-08T22:30:00+08:00/2026-11-09T01:00:00+08:00"] }
                      - { mode: locked, hours: [22:30-06:00+08:00] }
                      - { mode: held-open, hours: [always] }
                    """.replacing("[always]", with: "always")))
        #expect(settings.lane.schedule.map(\.mode) == [.normal, .locked, .heldOpen])
        #expect(settings.lane.schedule[1].hours.daily.first?.fromMilliseconds == 52_200_000)
        #expect(LaneSummary.text(settings).contains("By the schedule it is locked: 22:30-06:00+08:00."))
    }
}
