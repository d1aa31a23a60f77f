/// A command for a reader: its code and at most 64 bytes of data, not yet framed or encrypted.
public struct OSDPCommand: Sendable {
    public var code: UInt8
    public private(set) var data = InlineBytes<64>()

    public init(_ code: UInt8, _ data: some Sequence<UInt8> = EmptyCollection<UInt8>()) {
        self.code = code
        for byte in data { self.data.append(byte) }
    }

    mutating func append(_ byte: UInt8) { data.append(byte) }

    static let poll = OSDPCommand(OSDPCode.poll)
    static let localStatus = OSDPCommand(OSDPCode.localStatus)
    static let id = OSDPCommand(OSDPCode.id, CollectionOfOne<UInt8>(0))
    static let capabilities = OSDPCommand(OSDPCode.capabilities, CollectionOfOne<UInt8>(0))

    static func challenge(_ random: InlineArray<8, UInt8>) -> OSDPCommand {
        var command = OSDPCommand(OSDPCode.challenge)
        for index in 0..<8 { command.append(random[index]) }
        return command
    }

    static func panelCryptogram(_ cryptogram: CipherBlock) -> OSDPCommand {
        var command = OSDPCommand(OSDPCode.panelCryptogram)
        for index in 0..<16 { command.append(cryptogram[index]) }
        return command
    }

    /// KEYSET: key type 1 (SCBK), 16 bytes.
    static func keySet(_ key: CipherBlock) -> OSDPCommand {
        var command = OSDPCommand(OSDPCode.keySet)
        command.append(1)
        command.append(16)
        for index in 0..<16 { command.append(key[index]) }
        return command
    }
}
