import Configuration
import Framing

/// What a reader or thermometer is told beyond its type and line: the keys of its group, type by type. A type that has
/// none of its own accepts none.
enum DeviceSettings {
    static func read(_ section: Section, into line: inout LaneSettings.Line) {
        switch line.type.name {
        case "osdp": readOSDP(section, into: &line)
        case "scanner": line.options.scanner = scanner(section)
        case "uhf": line.options.uhf = uhf(section)
        case "modbus": line.options.modbus = modbus(section)
        case "gy-mcu90615", "gy-mcu90614": line.options.asksForSamples = section.truth("ask", default: true)
        default: break
        }
    }

    /// Each device has a name and a line of its own; a line that leads to two ports' names is found out by its lock.
    static func refuseDoubles(_ devices: [(section: Section, line: LaneSettings.Line)]) {
        for (index, device) in devices.enumerated() {
            let before = devices[..<index].map(\.line)
            if let other = before.first(where: { $0.port == device.line.port && !$0.port.isEmpty }) {
                device.section.refuse(
                    "port",
                    "\(device.line.port) is the line of '\(other.name)' already: each device stands alone on its line, two "
                        + "readers on one RS-485 pair too; give it a port of its own")
            }
            if ["gate", "thermometer"].contains(device.line.name)
                ? device.line.type.identifiers != nil
                : before.contains(where: { $0.name == device.line.name })
            {
                device.section.refuse(
                    "name", "'\(device.line.name)' is another device's name already; give each reader one of its own")
            }
        }
    }

    // MARK: OSDP

    private enum SecureChannelName: String, CaseIterable { case required, off }
    private enum ProvisioningName: String, CaseIterable { case refused, allowed }

    private static func readOSDP(_ section: Section, into line: inout LaneSettings.Line) {
        line.options.osdp.address = UInt8(section.integer("address", default: 0, in: 0...126))
        line.options.osdp.cardForm = section.choice("card_bits", default: CardForm.wiegand)
        line.options.osdp.textEncoding = section.choice("text_encoding", default: TextEncoding.ascii)
        line.options.osdp.pollMilliseconds = Int64(
            section.integer("poll_milliseconds", default: 50, in: 20...500, unit: "milliseconds"))
        let channel: SecureChannelName = section.choice("secure_channel", default: .required)
        let provisioning: ProvisioningName = section.choice("provisioning", default: .refused)
        switch channel {
        case .required:
            line.readerKey = ReaderKeySetting(
                file: section.path("key_file"), allowsProvisioning: provisioning == .allowed)
        case .off:
            if section.optionalPath("key_file") != nil {
                section.refuse("key_file", "has no use with `secure_channel: off`; take one of the two out")
            }
            if provisioning == .allowed {
                section.refuse("provisioning", "has no use with `secure_channel: off`; take one of the two out")
            }
        }
    }

    // MARK: Scanners

    private static let affix = TextRule.characters(1...16)

    private static func scanner(_ section: Section) -> ScannerOptions {
        var options = ScannerOptions()
        options.ending = section.choice("ending", default: .line)
        options.idleMilliseconds = Int64(
            section.integer("idle_milliseconds", default: 60, in: 50...500, unit: "milliseconds"))
        if options.ending != .none, section.has("idle_milliseconds") {
            section.refuse("idle_milliseconds", "has a use with `ending: none` only")
        }
        options.hasAIM = section.truth("aim", default: false)
        options.prefix = InlineText(section.optionalText("prefix", rule: affix) ?? "")
        options.suffix = InlineText(section.optionalText("suffix", rule: affix) ?? "")
        return options
    }

    // MARK: UHF

    private static func uhf(_ section: Section) -> UHFOptions {
        var options = UHFOptions()
        options.weakestDBm = section.optionalInteger("weakest_dbm", in: -100...0, unit: "dBm").map { Int8($0) }
        if section.has("power_dbm") {
            let power = section.number("power_dbm", in: 0...33, unit: "dBm")
            options.powerCentidBm = UInt16((power * 100).rounded())
        } else {
            _ = section.number("power_dbm", default: 0, in: 0...33)
        }
        return options
    }

    // MARK: Modbus

    private enum FunctionName: String, CaseIterable { case holding, input }
    private enum WidthName: String, CaseIterable {
        case one = "16"
        case two = "32"
    }

    private static func modbus(_ section: Section) -> ModbusOptions {
        var options = ModbusOptions()
        options.unit = UInt8(section.integer("unit", default: 1, in: 1...247))
        options.function = section.choice("registers", default: FunctionName.input) == .input ? 4 : 3
        options.register = UInt16(section.integer("register", in: 0...65_535))
        options.isWide = section.choice("bits", default: WidthName.one) == .two
        options.isSigned = section.truth("signed", default: true)
        options.scaleMicrodegrees = Int64(
            (section.number("scale_celsius", in: 0.000001...10, unit: "°C") * 1_000_000).rounded())
        options.offsetCentidegrees = centidegrees(
            section.number("zero_celsius", default: 0, in: -300...300, unit: "°C"))
        options.ambient = ambient(section)
        options.pollMilliseconds = Int64(
            section.integer("poll_milliseconds", default: 150, in: 50...400, unit: "milliseconds"))
        options.timeoutMilliseconds = Int64(
            section.integer("timeout_milliseconds", default: 200, in: 50...400, unit: "milliseconds"))
        return options
    }

    /// Either measured, or what the room usually has: without it nobody could tell a person from a wall.
    private static func ambient(_ section: Section) -> ModbusOptions.Ambient {
        let register = section.optionalInteger("ambient_register", in: 0...65_535)
        if let register {
            if section.has("ambient_celsius") {
                section.refuse("ambient_celsius", "is measured by ambient_register; take one of the two out")
            }
            _ = section.number("ambient_celsius", default: 0, in: -40...60, unit: "°C")
            return .register(UInt16(register))
        }
        return .fixed(centidegrees: centidegrees(section.number("ambient_celsius", in: -40...60, unit: "°C")))
    }

    private static func centidegrees(_ celsius: Double) -> Int32 { Int32((celsius * 100).rounded()) }
}
