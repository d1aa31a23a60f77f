/// Something of a device that a technician wants to know. Nobody is admitted or refused on it.
public enum DeviceNotice: Sendable, Hashable {
    /// The cover was opened or the reader taken off the wall (true), or it is closed again.
    case tampered(Bool)
    case powerFailing(Bool)
    /// The line to the reader is encrypted and authenticated under the lane's own key.
    case secured
    /// The line to the reader is neither: whoever reaches the wire can present badges.
    case unsecured
    /// The reader spoke under the key that everybody knows; the lane's key is being given to it.
    case provisioning
    /// The reader has taken the lane's key.
    case provisioned
    /// One lost or forged reply ended the secure channel; it is being set up again.
    case channelLost
    /// So many keys were pressed. Which ones is said nowhere: they may be somebody's secret.
    case keysPressed(Int)
    case trouble(DeviceTrouble)
}

/// Why a device that answers cannot be used.
public enum DeviceTrouble: Sendable, Hashable {
    /// OSDP: the reader has another key than the lane, and provisioning is not allowed or was refused.
    case keyRefused
    /// OSDP: the reader has no Secure Channel.
    case noSecureChannel
    /// OSDP: the reader did not take the lane's key.
    case keyNotTaken
    /// OSDP: it says that it is busy, and nothing else.
    case busy
    /// The device answers with an error code of its own (Modbus exceptions, PN532 status).
    case error(UInt8)
    /// AES or random bytes failed in this machine.
    case cipherFailed

    public var reason: String {
        switch self {
        case .keyRefused: "the reader has another key than this lane"
        case .noSecureChannel: "the reader has no Secure Channel"
        case .keyNotTaken: "the reader did not take the lane's key"
        case .busy: "the reader keeps saying that it is busy"
        case .error(let code): "it answers with error \(code)"
        case .cipherFailed: "AES or random bytes failed on this machine"
        }
    }

    public var advice: String {
        switch self {
        case .keyRefused:
            "compare key_file with the reader's key; to give a new reader this lane's key set `provisioning: allowed`, "
                + "start once, and take it out again"
        case .noSecureChannel: "use another reader, or `secure_channel: off` where nobody reaches the wire"
        case .keyNotTaken: "put the reader into its installation mode and try again"
        case .busy: "restart the reader"
        case .error: "compare register, function and unit number with the device's manual"
        case .cipherFailed: "look at the log; restart the lane"
        }
    }
}

/// How a device is, as far as it tells; a technician sees it in the lane's status.
public struct DeviceConditions: OptionSet, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The line to it is encrypted and authenticated under the lane's own key.
    public static let secured = DeviceConditions(rawValue: 1 << 0)
    /// It could be, and is not.
    public static let unsecured = DeviceConditions(rawValue: 1 << 1)
    public static let tampered = DeviceConditions(rawValue: 1 << 2)
    public static let powerFailing = DeviceConditions(rawValue: 1 << 3)
    /// The configuration lets a reader under the key that everybody knows be given the lane's.
    public static let provisioningAllowed = DeviceConditions(rawValue: 1 << 4)
}
