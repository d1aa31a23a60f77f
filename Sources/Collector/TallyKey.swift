/// The spans of time that are tallied. Raw values stand in the database.
enum TallySpan: Int64, Sendable {
    case all = 0
    /// Start: seconds since 1970 (UTC).
    case hour = 1
    /// Start: the site day's number.
    case day = 2
    /// Start: seconds since 1970 (UTC). Since 1972 no time zone's offset is finer than that, so they make whole days.
    case fiveMinutes = 3
    /// Start: seconds since 1970 (UTC). What a lane says itself of an hour that it closed (`stored`: how often it did) and
    /// of what it had no room to record: to be compared with `hour`.
    case stated = 4
}

/// Whose counts, and of when. Lane 0 is the site: of its five minutes everything, of the other spans only what lanes
/// cannot be summed for, different holders.
struct TallyKey: Hashable, Sendable {
    var lane: Int64
    var span: TallySpan
    var start: Int64

    static func site(_ span: TallySpan, _ start: Int64) -> TallyKey { TallyKey(lane: 0, span: span, start: start) }
}

extension Tally {
    /// As the table `tally` holds it: each count that is not 0 as its code, u8, and its value, zigzag LEB128.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        for (code, count) in nonzero {
            bytes.append(UInt8(code))
            var rest = UInt64(bitPattern: (count << 1) ^ (count >> 63))
            while rest >= 0x80 {
                bytes.append(UInt8(rest & 0x7F) | 0x80)
                rest >>= 7
            }
            bytes.append(UInt8(rest))
        }
        return bytes
    }

    /// nil when these bytes are none, or a count is beyond `greatest`.
    init?(encoded bytes: UnsafeRawBufferPointer) {
        self.init()
        var place = 0
        while place < bytes.count {
            let code = Int(bytes[place])
            var (value, shift): (UInt64, UInt64) = (0, 0)
            repeat {
                place += 1
                guard place < bytes.count, shift < 64 else { return nil }
                value |= UInt64(bytes[place] & 0x7F) << shift
                shift += 7
            } while bytes[place] & 0x80 != 0
            place += 1
            let count = Int64(bitPattern: value >> 1) ^ -Int64(value & 1)
            guard code < Self.size, (-Self.greatest...Self.greatest).contains(count) else { return nil }
            self[code] = count
        }
    }
}
