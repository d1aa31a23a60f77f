import Configuration
import Posix
import TestSupport
import Testing

@testable import LaneDaemon

@Suite("The gate's settings alone") struct GateAloneTests {
    private static let file = """
        site: { id: 00112233445566778899aabbccddeeff, public_key_file: site.pub, badge_key_file: badge.key }
        lane: { id: north-07, name: 北登录厅-07, kind: entry, from: outside, to: north-ring }
        readers: [ { name: chip, type: rdm6300, port: /dev/ttyS1 } ]
        thermometer: { type: gy-mcu90615, port: /dev/ttyS2 }
        gate: { simulated: { socket: gate.sock }, on_stop: open }
        policy: { test_window_hours: 48 }

        """

    private func read(_ text: String) throws -> (settings: LaneSettings, elsewhere: ConfigurationFailure?) {
        let folder = try TemporaryDirectory()
        try FileSystem.replace(folder.file("lane.yaml"), with: Array(text.utf8), mode: 0o600)
        return try LaneSettings.gateAlone(path: folder.file("lane.yaml"))
    }

    private func changed(_ old: String, _ new: String) throws -> String {
        let parts = Self.file.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false)
        try #require(parts.count == 2)
        return parts.joined(separator: new)
    }

    @Test("a file without a mistake has none elsewhere")
    func whole() throws {
        let read = try read(Self.file)
        #expect(read.settings.onStop == .open && read.elsewhere == nil)
    }

    @Test(
        "a mistake anywhere else is told, and the gate is known all the same",
        arguments: [
            ("test_window_hours: 48", "test_window_hours: 480", "policy.test_window_hours"),
            ("{ test_window_hours: 48 }", "no-such-file.yaml", "no-such-file.yaml"),
            ("type: rdm6300", "type: rdm", "readers[0].type"), ("id: 00112233", "id: zz", "site.id"),
            ("id: north-07", "id: NORTH", "lane.id"), ("to: north-ring", "to: outside", "lane.to"),
            ("site: {", "sight: {", "site"), ("policy: {", "polisi: {", "polisi"),
        ])
    func elsewhere(old: String, new: String, told: String) throws {
        let read = try read(try changed(old, new))
        #expect(read.settings.onStop == .open)
        let failure = try #require(read.elsewhere)
        #expect("\(failure)".contains(told), "\(failure)")
    }

    @Test(
        "a mistake in the gate, or in the file as a whole, is thrown: nobody knows what to hold",
        arguments: [
            ("on_stop: open", "on_stop: ajar", "gate.on_stop"), ("on_stop: open", "on_stpo: open", "gate.on_stpo"),
            ("socket: gate.sock", "socket: []", "gate.simulated.socket"), ("gate: {", "gaet: {", "gate"),
            ("kind: entry", "kind: door", "lane.kind"), ("lane: {", "lame: {", "lane"),
            ("readers: [", "readers: {", "lane.yaml:"),
        ])
    func gate(old: String, new: String, told: String) throws {
        let text = try changed(old, new)
        let failure = #expect(throws: ConfigurationFailure.self) { _ = try read(text) }
        #expect("\(try #require(failure))".contains(told), "\(String(describing: failure))")
    }

    @Test("a file that is missing or empty is thrown")
    func missing() throws {
        #expect(throws: ConfigurationFailure.self) { _ = try LaneSettings.gateAlone(path: "/nowhere/lane.yaml") }
        #expect(throws: ConfigurationFailure.self) { _ = try read("") }
    }
}
