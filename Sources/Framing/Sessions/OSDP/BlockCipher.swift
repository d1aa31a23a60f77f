/// One AES block of 16 bytes, held inline.
public struct CipherBlock: Sendable, Hashable {
    private var storage: InlineArray<16, UInt8>

    public init(repeating byte: UInt8 = 0) { storage = InlineArray(repeating: byte) }

    /// nil unless there are exactly 16 bytes.
    public init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        self.init()
        var index = 0
        for byte in bytes {
            storage[index] = byte
            index += 1
        }
    }

    public subscript(index: Int) -> UInt8 {
        get { storage[index] }
        set { storage[index] = newValue }
    }

    /// The block's memory, for a cipher that works in place.
    public mutating func withBytes<Result>(_ body: (UnsafeMutableRawBufferPointer) -> Result) -> Result {
        withUnsafeMutableBytes(of: &storage) { body($0) }
    }

    var inverted: CipherBlock {
        var result = self
        for index in 0..<16 { result[index] = ~self[index] }
        return result
    }

    mutating func xor(_ other: CipherBlock) { for index in 0..<16 { storage[index] ^= other.storage[index] } }

    /// Whether the first `count` bytes are equal, in a time that does not depend on where they differ.
    func agrees(with other: CipherBlock, inFirst count: Int) -> Bool {
        var difference: UInt8 = 0
        for index in 0..<count { difference |= storage[index] ^ other.storage[index] }
        return difference == 0
    }

    /// As quickly refused as accepted: cryptograms are compared with it.
    public static func == (a: Self, b: Self) -> Bool { a.agrees(with: b, inFirst: 16) }

    public func hash(into hasher: inout Hasher) { for index in 0..<16 { hasher.combine(storage[index]) } }
}

/// AES-128 under one key, block by block (ECB); made by the shell, since pure rooms hold no cipher.
public protocol BlockCipher: Sendable {
    func encrypt(_ block: inout CipherBlock) throws(CipherFailure)
    func decrypt(_ block: inout CipherBlock) throws(CipherFailure)
}

/// The machine's cipher or random source failed. What it said is the shell's to log.
public struct CipherFailure: Error {
    public init() {}
}

/// Where a session gets what it may not make itself.
public struct CipherSource: Sendable {
    /// A cipher under a key of 16 bytes.
    public var makeCipher: @Sendable (CipherBlock) throws(CipherFailure) -> any BlockCipher
    /// So many unpredictable bytes.
    public var randomBytes: @Sendable (Int) throws(CipherFailure) -> [UInt8]

    public init(
        makeCipher: @escaping @Sendable (CipherBlock) throws(CipherFailure) -> any BlockCipher,
        randomBytes: @escaping @Sendable (Int) throws(CipherFailure) -> [UInt8]
    ) {
        self.makeCipher = makeCipher
        self.randomBytes = randomBytes
    }
}
