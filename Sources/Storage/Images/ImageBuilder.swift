import Admission
import Cryptography
import Framing
import Posix

/// Why an entry does not fit an image.
public enum ImageBuildError: Error, Equatable, Sendable, CustomStringConvertible {
    /// More entries than announced.
    case full(capacity: Int)
    case tooMany(identifiers: Int, limit: Int)
    /// This identifier stands in the table already: claims are resolved before they come here.
    case duplicate(BadgeTag)
    case tooManyZones(Int)
    case tooManyZoneSets(limit: Int)
    /// A validity date lies before the image's base or more than four years behind it.
    case validity(BadgeTag)

    public var description: String {
        switch self {
        case .full(let capacity): "more identifiers than the table was made for (\(capacity))"
        case .tooMany(let identifiers, let limit): "\(identifiers) identifiers; an image holds at most \(limit)"
        case .duplicate(let tag): "the identifier with tag \(tag.hex) was given twice"
        case .tooManyZones(let count): "\(count) zones; an image holds at most \(ImageHeader.mostZones)"
        case .tooManyZoneSets(let limit): "more than \(limit) different sets of zones"
        case .validity(let tag): "the validity of the identifier with tag \(tag.hex) does not fit the image"
        }
    }
}

/// Builds a credential image: an open-addressing table in memory, then the file. Its memory is the table.
public struct ImageBuilder: ~Copyable {
    public let slots: Int
    public let validityBaseSeconds: Int64
    public let zones: [ShortName]
    public private(set) var identifiers = 0
    public private(set) var zoneSets: [UInt64]
    private var zoneSetIndex: [UInt64: Int] = [:]
    private let table: UnsafeMutableRawBufferPointer

    /// 4 GiB of slots at three quarters full.
    public static let mostIdentifiers = ImageHeader.mostRegions * ImageHeader.regionSize / ImageSlot.size / 4 * 3

    /// Slots for so many identifiers: a load of at most three quarters, in whole pages of 4096 bytes.
    public static func slots(for identifiers: Int) -> Int {
        max(128, ((identifiers * 4 + 2) / 3 + 127) / 128 * 128)
    }

    /// - Parameters:
    ///   - identifiers: how many will be added at most.
    ///   - validityBaseSeconds: validity dates lie behind this instant, by four years at most.
    ///   - zones: bit n of a credential's zones is the zone n here.
    ///   - zoneSets: what the zone sets of slots count in that are `claim`ed; further ones come behind them.
    public init(
        identifiers: Int, validityBaseSeconds: Int64, zones: [ShortName], zoneSets: [UInt64] = []
    ) throws(ImageBuildError) {
        guard (0...Self.mostIdentifiers).contains(identifiers) else {
            throw .tooMany(identifiers: identifiers, limit: Self.mostIdentifiers)
        }
        guard zones.count <= ImageHeader.mostZones else { throw .tooManyZones(zones.count) }
        guard zoneSets.count <= ImageSlot.mostZoneSets else { throw .tooManyZoneSets(limit: ImageSlot.mostZoneSets) }
        slots = Self.slots(for: identifiers)
        self.zoneSets = zoneSets
        for (index, set) in zoneSets.enumerated() { zoneSetIndex[set] = index }
        self.validityBaseSeconds = validityBaseSeconds
        self.zones = zones
        table = .allocate(byteCount: slots * ImageSlot.size, alignment: 4096)
        table.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { table.deallocate() }

    public mutating func add(_ tag: BadgeTag, _ credential: Credential) throws(ImageBuildError) {
        let set = try index(ofZoneSet: credential.zones)
        guard
            let slot = ImageSlot(
                tag: tag, credential: credential, zoneSet: set, validityBaseSeconds: validityBaseSeconds)
        else { throw .validity(tag) }
        try place(slot)
    }

    /// An identifier that two holders claim.
    public mutating func addConflict(_ tag: BadgeTag) throws(ImageBuildError) {
        try place(ImageSlot(conflicting: tag))
    }

    /// Puts a slot in as it is. false when its identifier stands there already: it is then in conflict, whoever had it.
    public mutating func claim(_ slot: ImageSlot) throws(ImageBuildError) -> Bool {
        let (index, isTaken) = search(slot.tag)
        let chosen = isTaken ? ImageSlot(conflicting: slot.tag) : slot
        guard isTaken || (identifiers + 1) * 4 <= slots * 3 else { throw .full(capacity: slots * 3 / 4) }
        chosen.encode(into: bytes(of: index))
        if !isTaken { identifiers += 1 }
        return !isTaken
    }

    /// Every slot that holds something, in the table's order.
    public func forEachSlot(_ body: (ImageSlot) -> Void) {
        let readable = UnsafeRawBufferPointer(table)
        for index in 0..<slots {
            if let slot = ImageSlot.at(index, in: readable) { body(slot) }
        }
    }

    private mutating func index(ofZoneSet zones: UInt64) throws(ImageBuildError) -> Int {
        if let index = zoneSetIndex[zones] { return index }
        guard zoneSets.count < ImageSlot.mostZoneSets else { throw .tooManyZoneSets(limit: ImageSlot.mostZoneSets) }
        zoneSets.append(zones)
        zoneSetIndex[zones] = zoneSets.count - 1
        return zoneSets.count - 1
    }

    private mutating func place(_ slot: ImageSlot) throws(ImageBuildError) {
        let (index, isTaken) = search(slot.tag)
        if isTaken { throw .duplicate(slot.tag) }
        guard (identifiers + 1) * 4 <= slots * 3 else { throw .full(capacity: slots * 3 / 4) }
        slot.encode(into: bytes(of: index))
        identifiers += 1
    }

    /// Where a tag stands, or would.
    private func search(_ tag: BadgeTag) -> (index: Int, isTaken: Bool) {
        let readable = UnsafeRawBufferPointer(table)
        var index = ImageSlot.home(of: tag, slots: slots)
        while let taken = ImageSlot.at(index, in: readable) {
            if taken.tag == tag { return (index, true) }
            index = index + 1 == slots ? 0 : index + 1
        }
        return (index, false)
    }

    private func bytes(of index: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: table[index * ImageSlot.size..<(index + 1) * ImageSlot.size])
    }

    /// What an image says of itself.
    public struct Title: Sendable {
        public var site: SiteID
        public var version: UInt64
        public var changeNumber: UInt64
        public var issuedAt: WallTime
        public var holders: Int
        public var badgeKeyFingerprint: UInt64

        public init(
            site: SiteID, version: UInt64, changeNumber: UInt64, issuedAt: WallTime, holders: Int,
            badgeKeyFingerprint: UInt64
        ) {
            self.site = site
            self.version = version
            self.changeNumber = changeNumber
            self.issuedAt = issuedAt
            self.holders = holders
            self.badgeKeyFingerprint = badgeKeyFingerprint
        }
    }

    /// Writes the image, signed, in one durable step; returns its header's SHA-256, 32 bytes.
    public func write(
        to path: String, title: Title, signingWith key: Ed25519.SigningKey
    ) throws(StorageError) -> [UInt8] {
        let body = UnsafeRawBufferPointer(table)
        let header: [UInt8]
        let digest: [UInt8]
        do {
            let fields = ImageHeader(
                site: title.site, version: title.version, changeNumber: title.changeNumber, issuedAt: title.issuedAt,
                slots: slots, identifiers: identifiers, holders: min(title.holders, identifiers),
                validityBaseSeconds: validityBaseSeconds, badgeKeyFingerprint: title.badgeKeyFingerprint,
                bodyDigest: try SHA256.hash(body), zones: zones, zoneSets: zoneSets,
                regionChecksums: CredentialImage.regionChecksums(body))
            let signed = fields.signedPart
            header = signed + (try key.sign(signed))
            digest = try SHA256.hash(header)
        } catch { throw .image(path: path, .notVerifiable("\(error)")) }
        try storing { () throws(SystemFailure) in
            try FileSystem.replace(path, mode: LaneDirectory.fileMode) { (file) throws(SystemFailure) in
                try file.writeAll(header)
                try file.writeAll(body)
            }
        }
        return digest
    }
}
