import Admission

/// A kind of device as the configuration names it, and how its session is made. A new device is one file with its
/// session, one test file, and one line in `readers` or `thermometers`.
public struct DeviceType: Sendable {
    /// What stands behind `type:` in the configuration.
    public let name: String
    /// What it yields when it is a reader: only identifiers of this type. nil for thermometers.
    public let identifiers: IdentifierType?
    /// Bits per second when the configuration names none. All speak 8N1.
    public let usualBaud: Int
    /// Without a valid frame for this long it is lost. nil for devices that speak only when a badge is there: with them
    /// only the line can be lost.
    public let longestSilenceMilliseconds: Int64?
    /// Whether it has lamps, a sounder or a display to show the lane's state on.
    public let showsFeedback: Bool
    public let makeSession: @Sendable (DeviceOptions) -> any DeviceSession

    public static let readers: [DeviceType] = [
        .init("rdm6300", yields: .chip, baud: 9600) { _ in RDM6300Session() },
        .init("id-12la", yields: .chip, baud: 9600) { _ in RDM6300Session() },
        .init("osdp", yields: .chip, baud: 9600, silence: 1500, shows: true) { OSDPSession($0.osdp) },
        .init("pn532", yields: .chip, baud: 115_200, silence: 1500) { _ in PN532Session() },
        .init("scanner", yields: .code, baud: 9600) { ScannerSession($0.scanner) },
        .init("uhf", yields: .epc, baud: 115_200, silence: 1500) { UHFSession($0.uhf) },
    ]

    public static let thermometers: [DeviceType] = [
        .init("gy-mcu90615", yields: nil, baud: 9600, silence: 1500) { GYMCU90615Session(asks: $0.asksForSamples) },
        .init("gy-mcu90614", yields: nil, baud: 9600, silence: 1500) { GYMCU90615Session(asks: $0.asksForSamples) },
        .init("modbus", yields: nil, baud: 9600, silence: 1500) { ModbusSession($0.modbus) },
    ]

    public static func reader(named name: String) -> DeviceType? { readers.first { $0.name == name } }
    public static func thermometer(named name: String) -> DeviceType? { thermometers.first { $0.name == name } }

    private init(
        _ name: String, yields identifiers: IdentifierType?, baud: Int, silence: Int64? = nil,
        shows: Bool = false, session: @escaping @Sendable (DeviceOptions) -> any DeviceSession
    ) {
        self.name = name
        self.identifiers = identifiers
        usualBaud = baud
        longestSilenceMilliseconds = silence
        showsFeedback = shows
        makeSession = session
    }
}

/// What a configuration may say of a device beyond its type and line.
public struct DeviceOptions: Sendable {
    /// Whether a thermometer that waits to be asked is asked. Off for one that sends by itself and must not be written to.
    public var asksForSamples = true
    public var osdp = OSDPOptions()
    public var scanner = ScannerOptions()
    public var uhf = UHFOptions()
    public var modbus = ModbusOptions()

    public init() {}
}
