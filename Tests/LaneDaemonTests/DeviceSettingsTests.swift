import Configuration
import Framing
import Posix
import TestSupport
import Testing

@testable import LaneDaemon

@Suite struct DeviceSettingsTests {
    private func read(
        reader: String = "type: rdm6300", thermometer: String = "{ type: gy-mcu90615, port: p }"
    ) throws -> LaneSettings {
        let text = """
            site: { id: 00112233445566778899aabbccddeeff, public_key_file: site.pub, badge_key_file: badge.key }
            lane: { id: north-07, name: North, kind: entry, from: outside, to: north-ring }
            readers: [{ name: chip, port: /dev/ttyS1, \(reader) }]
            thermometer: \(thermometer)
            gate: { simulated: { socket: gate.sock } }

            """
        return try LaneSettings(finishing: ConfigurationReader(contents: Array(text.utf8), path: "/etc/lane.yaml"))
    }

    @Test("an OSDP reader has a key, unless the configuration says that it shall have none")
    func osdp() throws {
        let line = try read(
            reader:
                "type: osdp, key_file: r.key, address: 5, card_bits: raw, text_encoding: utf-8, poll_milliseconds: 40"
        ).readers[0]
        #expect(line.readerKey?.file == "/etc/r.key")
        #expect(line.readerKey?.allowsProvisioning == false)
        #expect(line.options.osdp.address == 5)
        #expect(line.options.osdp.cardForm == .raw)
        #expect(line.options.osdp.textEncoding == .utf8)
        #expect(line.options.osdp.pollMilliseconds == 40)
        #expect(try read(reader: "type: osdp, secure_channel: off").readers[0].readerKey == nil)
        #expect(
            try read(reader: "type: osdp, key_file: r.key, provisioning: allowed").readers[0].readerKey?
                .allowsProvisioning == true)
    }

    @Test("scanner, UHF and Modbus are told what they need")
    func others() throws {
        let scanner = try read(reader: "type: scanner, ending: none, idle_milliseconds: 80, aim: true, suffix: '#'")
            .readers[0].options.scanner
        #expect(scanner.ending == .none)
        #expect(scanner.idleMilliseconds == 80)
        #expect(scanner.hasAIM)
        #expect(scanner.suffix == InlineText("#"))
        let uhf = try read(reader: "type: uhf, weakest_dbm: -60, power_dbm: 20.5").readers[0].options.uhf
        #expect(uhf.weakestDBm == -60)
        #expect(uhf.powerCentidBm == 2050)
        #expect(try read(reader: "type: uhf").readers[0].options.uhf.powerCentidBm == nil)
        let modbus = try #require(
            try read(
                thermometer: "{ type: modbus, port: /dev/ttyS2, unit: 7, registers: holding, register: 18, bits: 32, "
                    + "scale_celsius: 0.02, zero_celsius: -273.15, ambient_register: 20 }"
            ).thermometer?.options.modbus)
        #expect(modbus.unit == 7)
        #expect(modbus.function == 3)
        #expect(modbus.register == 18)
        #expect(modbus.isWide)
        #expect(modbus.scaleMicrodegrees == 20_000)
        #expect(modbus.offsetCentidegrees == -27_315)
        guard case .register(20) = modbus.ambient else {
            Issue.record("\(modbus.ambient)")
            return
        }
    }

    @Test(
        "what does not fit together is refused by its key",
        arguments: [
            ("type: osdp", "{ type: gy-mcu90615, port: p }", "key_file"),
            ("type: osdp, key_file: r.key, secure_channel: off", "{ type: gy-mcu90615, port: p }", "key_file"),
            (
                "type: osdp, secure_channel: off, provisioning: allowed", "{ type: gy-mcu90615, port: p }",
                "provisioning"
            ),
            ("type: osdp, key_file: r.key, address: 127", "{ type: gy-mcu90615, port: p }", "address"),
            ("type: rdm6300, key_file: r.key", "{ type: gy-mcu90615, port: p }", "key_file"),
            ("type: scanner, idle_milliseconds: 80", "{ type: gy-mcu90615, port: p }", "idle_milliseconds"),
            ("type: scanner, ending: cr", "{ type: gy-mcu90615, port: p }", "ending"),
            ("type: uhf, power_dbm: 40", "{ type: gy-mcu90615, port: p }", "power_dbm"),
            ("type: pn532, ask: true", "{ type: gy-mcu90615, port: p }", "ask"),
            ("type: rdm6300", "{ type: modbus, port: p, register: 1, scale_celsius: 0.1 }", "ambient_celsius"),
            (
                "type: rdm6300",
                "{ type: modbus, port: p, register: 1, scale_celsius: 0.1, ambient_celsius: 20, ambient_register: 2 }",
                "ambient_celsius"
            ),
            ("type: rdm6300", "{ type: modbus, port: p, scale_celsius: 0.1, ambient_celsius: 20 }", "register"),
            ("type: rdm6300", "{ type: gy-mcu90615, port: p, register: 2 }", "register"),
        ])
    func refused(reader: String, thermometer: String, key: String) throws {
        let failure = #expect(throws: ConfigurationFailure.self) {
            _ = try read(reader: reader, thermometer: thermometer)
        }
        #expect("\(try #require(failure))".contains(key))
    }

    @Test(
        "each device has a line and a name of its own",
        arguments: [
            (
                "type: osdp, secure_channel: off, address: 1 }, { name: back, port: /dev/ttyS1, type: osdp, "
                    + "secure_channel: off, address: 2", "p",
                "readers[1].port: /dev/ttyS1 is the line of 'chip' already"
            ),
            ("type: rdm6300", "/dev/ttyS1", "thermometer.port: /dev/ttyS1 is the line of 'chip' already"),
            (
                "type: rdm6300 }, { name: chip, port: /dev/ttyS2, type: rdm6300", "p",
                "readers[1].name: 'chip' is another"
            ),
            (
                "type: rdm6300 }, { name: gate, port: /dev/ttyS2, type: rdm6300", "p",
                "readers[1].name: 'gate' is another"
            ),
        ])
    func doubles(reader: String, port: String, says: String) throws {
        let failure = #expect(throws: ConfigurationFailure.self) {
            _ = try read(reader: reader, thermometer: "{ type: gy-mcu90615, port: \(port) }")
        }
        #expect("\(try #require(failure))".contains(says))
    }

    @Test("a reader's key is read from a file that nobody else can read, and from no other")
    func keyFile() throws {
        let directory = try TemporaryDirectory()
        func key(_ text: String, mode: UInt32 = 0o600) throws -> DeviceOptions {
            let path = directory.file("r.key")
            try FileSystem.replace(path, with: Array(text.utf8), mode: mode)
            return try ReaderKeys.options(of: read(reader: "type: osdp, key_file: \(path)").readers[0])
        }
        let good = "lanekeeper-osdp-scbk-1 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf\n"
        guard case .required(let found, .refused, let ciphers) = try key(good).osdp.security else {
            Issue.record("no secure channel")
            return
        }
        #expect(ReaderKeyFile(key: found).text == good)
        // The ciphers are libcrypto's: FIPS 197, appendix C.1.
        let cipher = try ciphers.makeCipher(try #require(CipherBlock(bytes("000102030405060708090a0b0c0d0e0f"))))
        var block = try #require(CipherBlock(bytes("00112233445566778899aabbccddeeff")))
        try cipher.encrypt(&block)
        #expect(block == CipherBlock(bytes("69c4e0d86a7b0430d8cdb78070b4c55a")))
        try cipher.decrypt(&block)
        #expect(block == CipherBlock(bytes("00112233445566778899aabbccddeeff")))
        #expect(try ciphers.randomBytes(8) != ciphers.randomBytes(8))

        for mode in [0o640, 0o604, 0o644] as [UInt32] {
            let failure = #expect(throws: FormatError.self) { try key(good, mode: mode) }
            #expect(try #require(failure).problem.contains("chmod 600"))
        }
        for text in [
            "", "lanekeeper-osdp-scbk-1\n", "lanekeeper-badge-1 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf\n",
            "lanekeeper-osdp-scbk-1 a0a1a2a3a4a5a6a7a8a9aaabacadae\n",
            "lanekeeper-osdp-scbk-1 303132333435363738393a3b3c3d3e3f\n",
        ] {
            let failure = #expect(throws: FormatError.self) { try key(text) }
            #expect(!"\(try #require(failure))".contains("a0a1"))
        }
    }
}
