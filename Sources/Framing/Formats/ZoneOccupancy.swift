import Admission

/// How many people and vehicles are in each zone of a site, as the collector counted them. An extension of a statement:
///
///       0  u32  1 · 4 u32 bytes that follow
///       8  i64  as of, ms since 1970-01-01 UTC: every lane had told by then what happened at it
///      16  u32  zones, at most 256 · 20 u32 zero
///      24  …    40 bytes each: name 32, NUL-padded · u32 people · u32 vehicles
public struct ZoneOccupancy: Sendable, Hashable {
    public struct Zone: Sendable, Hashable {
        public var name: ShortName
        public var people: UInt32
        public var vehicles: UInt32

        public init(name: ShortName, people: UInt32, vehicles: UInt32) {
            self.name = name
            self.people = people
            self.vehicles = vehicles
        }
    }

    public static let mostZones = 256
    static let kind: UInt32 = 1
    private static let headSize = 16
    private static let zoneSize = 40

    public var asOf: WallTime
    public var zones: [Zone]

    /// - Parameter zones: what is beyond `mostZones` is left out.
    public init(asOf: WallTime, zones: [Zone]) {
        self.asOf = asOf
        self.zones = Array(zones.prefix(Self.mostZones))
    }

    /// A zone that is not named is one that nobody ever crossed into or out of: it is empty.
    public func count(of zone: ShortName) -> ZoneCount {
        let found = zones.first { $0.name == zone }
        return ZoneCount(people: found?.people ?? 0, vehicles: found?.vehicles ?? 0, asOf: asOf)
    }

    /// With what it is and its length in front.
    var encoded: [UInt8] {
        let length = Self.headSize + Self.zoneSize * zones.count
        var bytes = [UInt8](repeating: 0, count: 8 + length)
        bytes.withUnsafeMutableBytes { buffer in
            buffer.put(Self.kind, at: 0)
            buffer.put(UInt32(length), at: 4)
            buffer.put(asOf.milliseconds, at: 8)
            buffer.put(UInt32(zones.count), at: 16)
            var offset = 8 + Self.headSize
            for zone in zones {
                buffer.put(zone.name, at: offset)
                buffer.put(zone.people, at: offset + 32)
                buffer.put(zone.vehicles, at: offset + 36)
                offset += Self.zoneSize
            }
        }
        return bytes
    }

    /// `bytes`: what stands behind the length.
    init(_ bytes: UnsafeRawBufferPointer) throws(FormatError) {
        func refuse(_ problem: String) -> FormatError { FormatError("occupancy", problem) }
        guard bytes.count >= Self.headSize else { throw refuse("\(bytes.count) bytes") }
        asOf = WallTime(milliseconds: bytes.get(at: 0))
        let count = Int(bytes.get(UInt32.self, at: 8))
        guard count <= Self.mostZones, bytes.count == Self.headSize + Self.zoneSize * count,
            bytes.get(UInt32.self, at: 12) == 0
        else { throw refuse("its length does not fit its zones") }
        zones = []
        for index in 0..<count {
            let offset = Self.headSize + Self.zoneSize * index
            guard let name = bytes.shortName(at: offset) else { throw refuse("a zone without a name") }
            guard !zones.contains(where: { $0.name == name }) else { throw refuse("zone \(name.text) stands twice") }
            zones.append(
                Zone(name: name, people: bytes.get(at: offset + 32), vehicles: bytes.get(at: offset + 36)))
        }
    }
}
