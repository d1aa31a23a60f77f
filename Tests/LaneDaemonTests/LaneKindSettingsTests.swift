import Admission
import Configuration
import Devices
import Testing

@testable import LaneDaemon

private let entry = """
    site: { id: 00112233445566778899aabbccddeeff, public_key_file: site.pub, badge_key_file: badge.key }
    lane: { id: north-07, name: 北登录厅-07, kind: entry, from: outside, to: north-ring }
    readers:
      - { name: chip, type: rdm6300, port: /dev/ttyS1 }
    thermometer: { type: gy-mcu90615, port: /dev/ttyS2 }
    gate:
      simulated: { socket: gate.sock }

    """

/// Readers 0 and 1 let in, reader 2 lets out.
private let twoWay =
    entry
    .replacing("kind: entry", with: "kind: two-way")
    .replacing(
        "  - { name: chip, type: rdm6300, port: /dev/ttyS1 }",
        with: """
              - { name: chip, type: rdm6300, port: /dev/ttyS1, direction: in }
              - { name: code, type: scanner, port: /dev/ttyS3, direction: in }
              - { name: way out, type: rdm6300, port: /dev/ttyS4, direction: out }
            """)

private func read(_ text: String) throws -> LaneSettings {
    try LaneSettings(finishing: ConfigurationReader(contents: Array(text.utf8), path: "/etc/lane.yaml"))
}

@Suite("Kinds of lanes in the configuration")
struct LaneKindSettingsTests {
    @Test("a two-way lane's readers have a direction each, and the summary tells it")
    func bothDirections() throws {
        let settings = try read(twoWay)
        #expect(settings.lane.kind == .twoWay && settings.lane.outwardReaders == 0b100)
        #expect(settings.lane.direction(ofReader: 1) == .forward)
        #expect(settings.lane.direction(ofReader: 2) == .backward)
        let text = LaneSummary.text(settings)
        #expect(text.contains("is a two-way lane: in from outside to north-ring"))
        #expect(text.contains("It lets everybody out, from north-ring to outside"))
        let wired = twoWay.replacing(
            "simulated: { socket: gate.sock }",
            with:
                "gpio: { chip: bench, lines: { release: r, release_backward: b, passage_forward: f, passage_backward: g } }"
        )
        guard case .gpio(let gate, _) = try read(wired).gate else { return #expect(Bool(false), "no GPIO gate") }
        #expect(gate.outputs[.releaseBackward] == GPIOLine("b") && gate.contacts[.passageBackward] == GPIOLine("g"))
    }

    @Test(
        "what does not fit a lane's kind is refused",
        arguments: [
            (twoWay, "direction: out", "direction: in", "lane.kind"),
            (twoWay, ", direction: out", "", "readers[2].direction"),
            (twoWay, "direction: out", "direction: sideways", "readers[2].direction"),
            (entry, "port: /dev/ttyS1", "port: /dev/ttyS1, direction: out", "readers[0].direction"),
            (
                twoWay, "simulated: { socket: gate.sock }",
                "gpio: { chip: bench, lines: { release: r, passage_forward: f, passage_backward: g } }",
                "gate.gpio.lines.release_backward"
            ),
            (
                entry, "simulated: { socket: gate.sock }",
                "gpio: { chip: bench, lines: { release: r, release_backward: b, passage_forward: f } }",
                "gate.gpio.lines.release_backward"
            ),
        ] as [(String, String, String, String)])
    func misfits(_ text: String, _ good: String, _ bad: String, _ key: String) throws {
        let changed = text.replacing(good, with: bad, maxReplacements: 1)
        #expect(changed != text)
        let failure = #expect(throws: ConfigurationFailure.self) { _ = try read(changed) }
        #expect("\(try #require(failure))".contains(key), "\(failure.map { "\($0)" } ?? "")")
    }
}
