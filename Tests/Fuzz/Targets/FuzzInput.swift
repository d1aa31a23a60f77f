/// The bytes of one input, taken from the front; behind its end there are only zeros.
struct FuzzInput {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var place = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    var isEmpty: Bool { place >= bytes.count }

    mutating func byte() -> UInt8 {
        guard place < bytes.count else { return 0 }
        defer { place += 1 }
        return bytes[place]
    }

    /// So many, or as many as are left.
    mutating func take(_ count: Int) -> [UInt8] {
        let end = min(bytes.count, place + max(0, count))
        defer { place = end }
        return Array(bytes[min(place, end)..<end])
    }

    mutating func rest() -> [UInt8] { take(bytes.count) }

    mutating func number<Number: FixedWidthInteger>(_: Number.Type = Number.self) -> Number {
        (0..<Number.bitWidth / 8).reduce(0) { value, _ in value << 8 | Number(truncatingIfNeeded: byte()) }
    }

    mutating func one<Choice>(of choices: [Choice]) -> Choice { choices[Int(byte()) % choices.count] }
}
