/// The key of an OSDP reader: one line.
///
///     lanekeeper-osdp-scbk-1 <SCBK, 32 hex>
public struct ReaderKeyFile: Sendable {
    private static let kind = "lanekeeper-osdp-scbk-1"

    public var key: CipherBlock

    public init(key: CipherBlock) { self.key = key }

    public var text: String { "\(Self.kind) \(Hexadecimal.text((0..<16).map { key[$0] }))\n" }

    /// The error names no part of the key.
    public init(text: String) throws(FormatError) {
        var line = text[...]
        if line.last == "\n" { line = line.dropLast() }
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 2, words[0] == Self.kind else {
            throw FormatError("reader key file", "expected one line `\(Self.kind) <32 hexadecimal digits>`")
        }
        guard let bytes = Hexadecimal.bytes(words[1]), let key = CipherBlock(bytes) else {
            throw FormatError("reader key file", "the key is not 32 hexadecimal digits")
        }
        guard key != OSDPSecureChannel.defaultKey else {
            throw FormatError(
                "reader key file", "this is the key that every new reader has and everybody knows; make one of your own"
            )
        }
        self.key = key
    }
}
