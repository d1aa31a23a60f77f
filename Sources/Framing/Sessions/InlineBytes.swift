/// At most `capacity` bytes, held inline: what a session keeps between two bytes costs no heap.
public struct InlineBytes<let capacity: Int>: RandomAccessCollection, Sendable {
    private var storage: InlineArray<capacity, UInt8>
    public private(set) var count = 0

    public init() { storage = InlineArray(repeating: 0) }

    public var startIndex: Int { 0 }
    public var endIndex: Int { count }

    public subscript(index: Int) -> UInt8 {
        precondition(index < count, "beyond the bytes held")
        return storage[index]
    }

    /// An iterator of its own: generic code of another room that walks the default one allocates for every byte.
    public struct Iterator: IteratorProtocol {
        private let bytes: InlineBytes
        private var index = 0

        fileprivate init(_ bytes: InlineBytes) { self.bytes = bytes }

        public mutating func next() -> UInt8? {
            guard index < bytes.count else { return nil }
            defer { index += 1 }
            return bytes.storage[index]
        }
    }

    public func makeIterator() -> Iterator { Iterator(self) }

    /// false, and nothing changed, when there is no room.
    @discardableResult
    public mutating func append(_ byte: UInt8) -> Bool {
        guard count < capacity else { return false }
        storage[count] = byte
        count += 1
        return true
    }

    /// Drops the oldest bytes; the rest moves to the front.
    public mutating func removeFirst(_ dropped: Int) {
        let rest = Swift.max(0, count - dropped)
        for index in 0..<rest { storage[index] = storage[index + count - rest] }
        count = rest
    }

    /// Drops the newest bytes.
    public mutating func removeLast(_ dropped: Int) { count = Swift.max(0, count - dropped) }

    public mutating func removeAll() { count = 0 }

    /// The bytes held, for a call that takes memory; valid during `body` only.
    public mutating func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeBytes(of: &storage) { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }
}
