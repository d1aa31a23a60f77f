import Admission
import Cryptography
import Framing
import Glibc
import Posix
import Storage

/// What a lane looks badges up in: an image of people whose codes are red, and changes on it that turn some of them.
struct Changed {
    static let people = 3000
    let table: BadgeTable

    private static func tag(_ person: UInt32) -> BadgeTag {
        // Spread as hashes are.
        BadgeTag(low: UInt64(person + 1) &* 0x9E37_79B9_7F4A_7C15, high: UInt16(truncatingIfNeeded: person))
    }

    /// Makes the image in a folder of its own, and removes it: the mapping stays.
    init(now: WallTime) throws {
        let key = try Ed25519.SigningKey.generate()
        let site = SiteID(low: 1, high: 2)
        var folder = Array("/tmp/lanekeeper-heap-XXXXXX".utf8CString)
        guard mkdtemp(&folder) != nil else { throw SystemFailure("make a folder", "/tmp", code: errno) }
        let path = String(decoding: folder.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer {
            unlink("\(path)/image")
            rmdir(path)
        }
        let base = now.seconds - 86_400
        func credential(_ person: UInt32, _ code: HealthCode) -> Credential {
            Credential(
                holder: HolderNumber(person + 1), kind: .visitor, vaccine: .full, healthCode: code,
                assessedAtSeconds: UInt32(now.seconds), test: .negative, sampledAtSeconds: UInt32(now.seconds),
                activation: .activated, zones: 1, validFromSeconds: nil, validUntilSeconds: nil)
        }
        var builder = try ImageBuilder(
            identifiers: Self.people, validityBaseSeconds: base, zones: [ShortName("ring") ?? .outside])
        for person in 0..<UInt32(Self.people) {
            try builder.add(Self.tag(person), credential(person, person % 3 == 1 ? .green : .red))
        }
        _ = try builder.write(
            to: "\(path)/image",
            title: ImageBuilder.Title(
                site: site, version: 1, changeNumber: 0, issuedAt: now, holders: Self.people, badgeKeyFingerprint: 9),
            signingWith: key)
        let image = try CredentialImage(
            "\(path)/image",
            trusting: SiteTrust(site: site, publicKey: key.publicKey, badgeKeyFingerprint: 9),
            at: Moment(monotonic: MonotonicTime(milliseconds: 1), wall: now, clock: .trusted))
        // The first of three turns green, the second red, the third is nobody's any more.
        let changes = (0..<UInt32(Self.people)).compactMap { person -> ImageSlot? in
            if person % 3 == 2 { return ImageSlot(removed: Self.tag(person)) }
            return ImageSlot(
                tag: Self.tag(person), credential: credential(person, person % 3 == 0 ? .green : .red), zoneSet: 0,
                validityBaseSeconds: base)
        }
        let list = ChangeList(
            site: site, first: 1, issuedAt: now, validityBaseSeconds: base, badgeKeyFingerprint: 9,
            zones: image.header.zones, zoneSets: [1], changes: changes)
        guard let overlay = ChangeOverlay(ChangeOverlay(on: image.header), with: list) else {
            throw SystemFailure("lay", "changes on an image", code: EINVAL)
        }
        table = BadgeTable(image: image, overlay: overlay)
    }

    /// The badge of the next person whose change is of this kind: 0 turned green, 1 turned red, 2 removed.
    func presentation(_ turn: UInt32, change: UInt32) -> Presentation {
        let tag = Self.tag(turn % UInt32(Self.people / 3) * 3 + change)
        return Presentation(tag: tag, type: .chip, lookup: table.lookup(tag), reader: 0)
    }
}
