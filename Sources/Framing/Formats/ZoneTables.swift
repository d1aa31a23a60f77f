import Admission

/// The tables of zones in an image's header and in a change list, one behind the other:
///
///     zones       32 bytes each, NUL-padded names; bit n of a zone set is zone n
///     zone sets   u64 each
struct ZoneTables {
    var zones: [ShortName]
    var sets: [UInt64]

    static func size(zones: Int, sets: Int) -> Int { 32 * zones + 8 * sets }

    /// The place behind them.
    func encode(into bytes: UnsafeMutableRawBufferPointer, at place: Int) -> Int {
        var offset = place
        for zone in zones {
            bytes.put(zone, at: offset)
            offset += 32
        }
        for set in sets {
            bytes.put(set, at: offset)
            offset += 8
        }
        return offset
    }

    init(zones: [ShortName], sets: [UInt64]) {
        self.zones = zones
        self.sets = sets
    }

    /// `bytes` are long enough for the counts, which whoever reads has checked. Leaves `place` behind the tables.
    init(
        zones zoneCount: Int, sets setCount: Int, in bytes: UnsafeRawBufferPointer, at place: inout Int,
        of subject: String
    ) throws(FormatError) {
        zones = []
        zones.reserveCapacity(zoneCount)
        for _ in 0..<zoneCount {
            guard let name = bytes.shortName(at: place) else {
                throw FormatError(subject, "a zone without a name")
            }
            zones.append(name)
            place += 32
        }
        sets = []
        sets.reserveCapacity(setCount)
        for _ in 0..<setCount {
            sets.append(bytes.get(at: place))
            place += 8
        }
    }
}
