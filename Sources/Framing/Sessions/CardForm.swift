import Admission

/// How the bits of a card, most significant first, become the bytes of a chip.
///
///     bits   form     what it is                                    bytes of the chip
///       26   P 24 P   H10301: even over 1–12, odd over 13–24         4: 00 and the 24 bits between
///       34   P 32 P   even over 1–16, odd over 17–32                 4: the 32 bits between
///       37   P 35 P   H10302/4: even over 1–18, odd over 18–35       5: the 35 bits between, right-aligned
///     other           a serial number, or a format unknown here      all bits, left-aligned, zeros behind
///
/// The parity bits are checked and left out, so that the chip is the number which is printed on the card: 26 bits carry
/// the low 24 of a number of 32, whose high byte is then 0 (protocols.md A1). Chips of 4, 5, 7 and 10 bytes are what a
/// feed can name. A reader that calls these lengths "raw" means them all the same: no serial number has them.
/// With `raw` no length is special, for sites whose cards have other parities.
public enum CardForm: String, Sendable, CaseIterable {
    case wiegand
    case raw

    /// - Parameters:
    ///   - bits: how many, 1…512.
    ///   - bytes: they, left-aligned; `(bits + 7) / 8` bytes at least from `start` on.
    func identifier<let capacity: Int>(
        bits: Int, of bytes: InlineBytes<capacity>, from start: Int
    ) throws(FrameFault) -> Identifier {
        guard (1...512).contains(bits), start + (bits + 7) / 8 <= bytes.count else { throw .unexpectedByte }
        func bit(_ index: Int) -> UInt8 { bytes[start + index / 8] >> UInt8(7 - index % 8) & 1 }
        func parity(_ range: ClosedRange<Int>) -> UInt8 { range.reduce(0) { $0 ^ bit($1) } }

        var chip = InlineBytes<64>()
        let halves: (even: ClosedRange<Int>, odd: ClosedRange<Int>)? =
            switch (self, bits) {
            case (.wiegand, 26): (1...12, 13...24)
            case (.wiegand, 34): (1...16, 17...32)
            case (.wiegand, 37): (1...18, 18...35)
            default: nil
            }
        if let halves {
            guard bit(0) == parity(halves.even), bit(bits - 1) == parity(halves.odd) ^ 1 else { throw .check }
            let count = bits - 2
            let length = max(4, (count + 7) / 8)
            for place in 0..<length {
                var byte: UInt8 = 0
                for index in 0..<8 {
                    let position = count - (length - place) * 8 + index
                    byte = byte << 1 | (position < 0 ? 0 : bit(1 + position))
                }
                chip.append(byte)
            }
        } else {
            for place in 0..<(bits + 7) / 8 {
                let used = min(8, bits - place * 8)
                let unused = UInt8(0xFF) >> UInt8(used - 1)
                chip.append(bytes[start + place] & ~(unused >> 1))
            }
        }
        guard let identifier = Identifier(.chip, bytes: chip) else { throw .unexpectedByte }
        return identifier
    }
}
