/// What a configuration says of an OSDP reader.
public struct OSDPOptions: Sendable {
    public enum Security: Sendable {
        /// Nothing is encrypted or authenticated.
        case off
        /// Badges are taken under this key only.
        case required(key: CipherBlock, provisioning: Provisioning, CipherSource)
    }

    public enum Provisioning: Sendable {
        case refused
        /// A reader under the key that everybody knows is given the lane's key.
        case allowed
    }

    /// 0…126.
    public var address: UInt8 = 0
    public var security = Security.off
    public var cardForm = CardForm.wiegand
    public var textEncoding = TextEncoding.ascii
    /// From one poll to the next; a badge waits so long at most.
    public var pollMilliseconds: Int64 = 50
    /// How often tamper and power are asked for; nil for never. Readers also tell changes by themselves.
    public var statusMilliseconds: Int64? = 5000

    public init() {}
}
