/// The bytes of `"53 80 0800"`; spaces and line breaks are ignored. A character that is no hex digit, or an odd
/// number of them, is a mistake in the test and stops it.
public func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.filter { !$0.isWhitespace }.map { character -> UInt8 in
        guard let value = character.hexDigitValue else { preconditionFailure("'\(character)' is no hex digit") }
        return UInt8(value)
    }
    precondition(digits.count % 2 == 0, "an odd number of hex digits: \(hex)")
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// `53800800`.
public func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
