import Admission
import Configuration
import Devices
import Testing

@testable import LaneDaemon

private let whole = """
    site: { id: 00112233445566778899aabbccddeeff, public_key_file: site.pub, badge_key_file: badge.key }
    lane: { id: north-07, name: 北登录厅-07, kind: entry, from: outside, to: north-ring, service_point: N2 }
    readers:
      - { name: chip, type: rdm6300, port: /dev/ttyS1 }
    thermometer: { type: gy-mcu90615, port: /dev/ttyS2 }
    gate:
      simulated: { socket: gate.sock }
    policy:
      temperature: { limit_celsius: 37.3, offset_celsius: 0.5 }
      requires: { staff: [test, activated] }
      admits: [staff, visitor]

    """

private func read(_ text: String) throws -> LaneSettings {
    try LaneSettings(finishing: ConfigurationReader(contents: Array(text.utf8), path: "/etc/lane.yaml"))
}

@Suite struct LaneSettingsTests {
    @Test("a whole configuration is read, with Chinese names, and paths are relative to its folder")
    func reads() throws {
        let settings = try read(whole)
        #expect(settings.name == "北登录厅-07")
        #expect(settings.badgeKeyFile == "/etc/badge.key")
        #expect(settings.policy.temperatureOffsetCentidegrees == 50)
        #expect(settings.policy.keys(for: .staff) == [.test, .activated])
        #expect(settings.policy.keys(for: .visitor) == .all)
        #expect(settings.policy.admittedKinds.contains(.staff))
        #expect(!settings.policy.admittedKinds.contains(.media))
        #expect(settings.lane.to.text == "north-ring")
        #expect(settings.stateDirectory == "/var/lib/lanekeeper/north-07")
        #expect(settings.policy.digest != .none)
    }

    @Test(
        "what is wrong is told with its line, its key and what is allowed",
        arguments: [
            ("kind: entry", "kind: enter", "lane.yaml:2:", "lane.kind", "entry"),
            ("to: north-ring", "to: outside", "lane.yaml:2:", "lane.to", "one zone to another"),
            ("id: north-07", "id: North_07", "lane.yaml:2:", "lane.id", "a-z"),
            ("type: rdm6300", "type: rdm630", "lane.yaml:4:", "readers[0].type", "rdm6300"),
            ("limit_celsius: 37.3", "limit_celsius: 99", "lane.yaml:9:", "policy.temperature.limit_celsius", "42"),
            (
                "limit_celsius: 37.3", "limit_celsus: 37.3", "lane.yaml:9:", "policy.temperature.limit_celsus",
                "did you mean"
            ),
            ("staff: [test", "staf: [test", "lane.yaml:10:", "policy.requires.staf", "staff"),
            ("simulated: { socket: gate.sock }", "{}", "lane.yaml:7:", "gate", "gate.gpio"),
            (
                "simulated: { socket: gate.sock }", "simulated: { socket: gate.sock }\n  on_stop: opened",
                "lane.yaml:8:", "gate.on_stop", "locked"
            ),
            ("thermometer: {", "termometer: {", "lane.yaml:5:", "termometer", "thermometer"),
        ])
    func refuses(_ good: String, _ bad: String, _ place: String, _ key: String, _ allowed: String) throws {
        let text = whole.replacing(good, with: bad, maxReplacements: 1)
        #expect(text != whole)
        let failure = #expect(throws: ConfigurationFailure.self) { _ = try read(text) }
        let message = "\(try #require(failure))"
        #expect(message.contains(place), "\(message)")
        #expect(message.contains(key), "\(message)")
        #expect(message.contains(allowed), "\(message)")
    }

    @Test("a gate rests locked unless the configuration says open, and the summary tells it")
    func rest() throws {
        #expect(try read(whole).onStop == .locked)
        let open = try read(whole.replacing("gate:\n", with: "gate:\n  on_stop: open\n"))
        #expect(open.onStop == .open)
        #expect(LaneSummary.text(open).contains("the gate stands OPEN"))
        let wired = try read(
            whole.replacing(
                "simulated: { socket: gate.sock }",
                with:
                    "on_stop: open\n  gpio: { chip: bench, lines: { release: relay0, passage_forward: door0, fire: estop } }"
            ))
        guard case .gpio(let gate, let fire?) = wired.gate else { return #expect(Bool(false), "no GPIO gate") }
        #expect(gate.onStop == .open && fire.onStop == .open)
    }

    @Test("guard's button and tamper contact are wired like the others, each where there is one")
    func guardAndTamper() throws {
        func wired(_ lines: String, _ more: String = "") throws -> GPIOGateSettings {
            let settings = try read(
                whole.replacing(
                    "simulated: { socket: gate.sock }",
                    with: "gpio: { chip: bench, lines: { release: r, passage_forward: door0\(lines) }\(more) }"))
            if case .gpio(let gate, _) = settings.gate { return gate }
            Issue.record("no GPIO gate")
            return GPIOGateSettings(chip: "", outputs: [:], contacts: [:])
        }
        let gate = try wired(
            ", guard_button: button0, tamper: cover0", ", active_low: [tamper], debounce_milliseconds: 30")
        #expect(gate.contacts[.guardButton] == GPIOLine("button0"))
        #expect(gate.contacts[.tamper] == GPIOLine("cover0", activeLow: true))
        #expect(gate.debounceMilliseconds == 30)
        let plain = try wired("")
        #expect(plain.contacts[.guardButton] == nil && plain.contacts[.tamper] == nil)
        #expect(throws: ConfigurationFailure.self) { try wired(", guard_buton: b") }
    }

    @Test("a lane without a thermometer must say so, and what becomes of people there")
    func absentThermometer() throws {
        let without = whole.replacing("thermometer: { type: gy-mcu90615, port: /dev/ttyS2 }\n", with: "")
        #expect(throws: ConfigurationFailure.self) { _ = try read(without) }
        let absent = whole.replacing(
            "thermometer: { type: gy-mcu90615, port: /dev/ttyS2 }", with: "thermometer: absent")
        let failure = #expect(throws: ConfigurationFailure.self) { _ = try read(absent) }
        #expect("\(try #require(failure))".contains("admit-marked"))
        let settings = try read(
            absent.replacing("limit_celsius: 37.3", with: "limit_celsius: 37.3, without_thermometer: admit-marked"))
        #expect(settings.policy.withoutThermometer == .admitMarked)
        #expect(settings.thermometer == nil)
        #expect(!settings.lane.hasThermometer)
    }

    @Test("the summary says in sentences what the policy does")
    func summary() throws {
        let text = LaneSummary.text(try read(whole))
        #expect(text.contains("staff: admitted with a negative test sampled at most 48 h ago, an activated badge"))
        #expect(text.contains("media: not admitted."))
        #expect(text.contains("37.3 °C"))
        #expect(text.contains("0.5 °C"))
    }
}
