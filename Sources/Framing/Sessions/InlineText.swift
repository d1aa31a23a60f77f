/// At most 64 bytes of UTF-8, held inline; longer texts are cut behind a whole character.
public struct InlineText: Sendable, Hashable {
    private var storage = InlineBytes<64>()

    public init() {}

    /// - Parameter encoding: with `ascii` every other character becomes a question mark.
    public init(_ text: String, as encoding: TextEncoding = .utf8) {
        for character in text {
            let bytes = (encoding == .ascii && !character.isASCII ? "?" : character).utf8
            guard storage.count + bytes.count <= 64 else { return }
            for byte in bytes { storage.append(byte) }
        }
    }

    public var bytes: InlineBytes<64> { storage }

    public static func == (a: Self, b: Self) -> Bool { a.storage.elementsEqual(b.storage) }
    public func hash(into hasher: inout Hasher) { for byte in storage { hasher.combine(byte) } }
}
