import Admission

/// What a statement says of the changes on top of its image: what they come to, and under which names their lists can be
/// fetched. An extension of a statement:
///
///          u32  2 · u32 bytes that follow; then
///       0  32   chain: see `ChangeChain` in Storage
///      32  …    lists, 48 bytes each: u64 first change · u64 last change · 32 SHA-256 of the list, signature and all
///
/// The lists go on where the image ends, each where the one before ends, up to the statement's change number. Without any
/// the changes cannot be fetched by name.
public struct PublishedChanges: Sendable, Hashable {
    public struct List: Sendable, Hashable {
        public var first: UInt64
        public var last: UInt64
        /// 32 bytes.
        public var digest: [UInt8]

        public init(first: UInt64, last: UInt64, digest: [UInt8]) {
            self.first = first
            self.last = last
            self.digest = digest
        }

        public var digestHex: String { Hexadecimal.text(digest) }
    }

    /// With them, and all that is said of zones, a statement stays below its longest.
    public static let mostLists = 900
    static let kind: UInt32 = 2
    private static let listSize = 48

    /// 32 bytes.
    public var chain: [UInt8]
    public var lists: [List]

    public init(chain: [UInt8], lists: [List] = []) {
        self.chain = chain
        self.lists = lists
    }

    /// With its head.
    var encoded: [UInt8] {
        let length = 32 + Self.listSize * lists.count
        var bytes = [UInt8](repeating: 0, count: 8 + length)
        bytes.withUnsafeMutableBytes { buffer in
            buffer.put(Self.kind, at: 0)
            buffer.put(UInt32(length), at: 4)
            buffer.put(chain.prefix(32), at: 8)
            for (index, list) in lists.enumerated() {
                let place = 40 + Self.listSize * index
                buffer.put(list.first, at: place)
                buffer.put(list.last, at: place + 8)
                buffer.put(list.digest.prefix(32), at: place + 16)
            }
        }
        return bytes
    }

    /// nil when they are not what this program knows.
    init?(_ bytes: UnsafeRawBufferPointer) {
        let count = (bytes.count - 32) / Self.listSize
        guard bytes.count >= 32, count <= Self.mostLists, bytes.count == 32 + Self.listSize * count
        else { return nil }
        chain = Array(bytes.slice(0, 32))
        lists = []
        lists.reserveCapacity(count)
        for index in 0..<count {
            let place = 32 + Self.listSize * index
            let list = List(
                first: bytes.get(at: place), last: bytes.get(at: place + 8),
                digest: Array(bytes.slice(place + 16, 32)))
            let isNext =
                lists.last.map { $0.last < UInt64(Int64.max) && list.first == $0.last + 1 } ?? true
            guard list.first >= 1, list.first <= list.last, isNext else { return nil }
            lists.append(list)
        }
    }
}
