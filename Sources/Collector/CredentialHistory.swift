import Admission
import Cryptography
import Framing
import Posix
import Storage

/// What lanes knew of badges when they decided: the images that are kept, and the changes on top of them.
final class CredentialHistory {
    /// Mapped at once: lanes that were cut off send what they decided by older ones.
    static let mostImages = 3

    enum Gap: Error { case image, changes }

    private let directory: SiteDirectory
    private let trust: SiteTrust
    private let selectChange: SQLStatement
    private let countChanges: SQLStatement
    /// Holders whom any kept change is about; the others need no look.
    private var changed: Set<UInt32> = []
    /// nil: not kept, or it cannot be read. The one that was used last stands last.
    private var images: [(version: UInt64, image: CredentialImage?)] = []
    private var isWhole: [ClosedRange<UInt64>: Bool] = [:]

    init(_ directory: SiteDirectory) throws(CollectorFailure) {
        self.directory = directory
        let publicKey = try directory.key(.sitePublic, directory.publicKeyFile)
        let badge = try directory.key(.badge, directory.badgeKeyFile)
        guard badge.site == publicKey.site, let badgeKey = BadgeKey(bytes: badge.key) else {
            throw CollectorFailure("use", directory.keys, "badge.key and site.pub are of different sites")
        }
        do {
            trust = try SiteTrust(
                site: publicKey.site, publicKey: publicKey.key, badgeKeyFingerprint: badgeKey.fingerprint)
        } catch { throw CollectorFailure("use", directory.publicKeyFile, error.reason) }
        let database = try Database(directory.changeDatabase, .readOnly)
        try SiteDirectory.check(database, site: publicKey.site, version: ChangeSchema.version)
        selectChange = try database.prepare(
            """
            SELECT slot, zones, base FROM change WHERE holder = ? AND number > ? AND number <= ? AND tag = ?
            ORDER BY number DESC LIMIT 1
            """)
        countChanges = try database.prepare("SELECT count(*) FROM change WHERE number > ? AND number <= ?")
        let holders = try database.prepare("SELECT DISTINCT holder FROM change")
        while try holders.step() { changed.insert(UInt32(clamping: holders.integer(0))) }
    }

    /// What this image with the changes up to that one says of a holder's badge, and the bit of a zone in it.
    func lookup(
        _ tag: BadgeTag, of holder: HolderNumber, _ credentials: CredentialsInForce, zone: ShortName
    ) throws -> (lookup: BadgeLookup, zoneBit: UInt64) {
        guard let image = image(credentials.imageVersion) else { throw Gap.image }
        let base = image.header.changeNumber
        var lookup = image.lookup(tag)
        if credentials.changeNumber > base {
            guard try isWhole(base + 1...credentials.changeNumber) else { throw Gap.changes }
            if changed.contains(holder.number) {
                selectChange.bind(1, Int64(holder.number))
                selectChange.bind(2, Int64(clamping: base))
                selectChange.bind(3, Int64(clamping: credentials.changeNumber))
                selectChange.bind(4, tag.bytes)
                if try selectChange.step() {
                    defer { selectChange.reset() }
                    guard let row = ChangeStore.Row(selectChange, first: 0) else { throw Gap.changes }
                    lookup = row.credential(zones: image.header.zones).map { .found($0) } ?? .unknown
                }
            }
        }
        return (lookup, image.zoneBit(zone))
    }

    private func image(_ version: UInt64) -> CredentialImage? {
        if let place = images.firstIndex(where: { $0.version == version }) {
            let known = images[place]
            if place != images.count - 1 { images.append(images.remove(at: place)) }
            return known.image
        }
        if images.count >= Self.mostImages { images.removeFirst() }
        // The clock is not asked: this collector made it.
        let opened = try? CredentialImage(
            directory.imageFile(version: version), trusting: trust,
            at: Moment(
                monotonic: MonotonicTime(nanoseconds: 0), wall: WallTime(milliseconds: 0), clock: .behindFloor))
        images.append((version, opened))
        return opened
    }

    /// Whether every one of these changes is kept.
    private func isWhole(_ numbers: ClosedRange<UInt64>) throws(CollectorFailure) -> Bool {
        if let known = isWhole[numbers] { return known }
        countChanges.bind(1, Int64(clamping: numbers.lowerBound - 1))
        countChanges.bind(2, Int64(clamping: numbers.upperBound))
        defer { countChanges.reset() }
        let count = try countChanges.step() ? UInt64(clamping: countChanges.integer(0)) : 0
        if isWhole.count > 10_000 { isWhole = [:] }
        let found = count == numbers.upperBound - numbers.lowerBound + 1
        isWhole[numbers] = found
        return found
    }
}

extension BadgeTag {
    /// The ten bytes as the database of changes holds them.
    fileprivate var bytes: [UInt8] { Hexadecimal.bytes(hex) ?? [] }
}
