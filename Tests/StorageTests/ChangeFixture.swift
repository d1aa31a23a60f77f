import Admission
import Cryptography
import Framing
import Storage

extension ImageFixture {
    /// Change `number` (from `first` on) is about the chip with the number in `chips`: its holder's code is red.
    func changes(
        first: UInt64, chips: [Int], issuedAt: WallTime = ImageFixture.now, zones: [ShortName] = ImageFixture.zones,
        base: Int64 = ImageFixture.base
    ) throws -> ChangeList {
        ChangeList(
            site: site, first: first, issuedAt: issuedAt, validityBaseSeconds: base,
            badgeKeyFingerprint: badgeKey.fingerprint, zones: zones, zoneSets: [1],
            changes: chips.compactMap { chip in
                var credential = Self.credential(holder: UInt32(chip + 1))
                credential.healthCode = .red
                credential.validUntilSeconds = nil
                return ImageSlot(tag: tag(chip), credential: credential, zoneSet: 0, validityBaseSeconds: base)
            })
    }

    func signed(_ list: ChangeList, by other: Ed25519.SigningKey? = nil) throws -> [UInt8] {
        list.signedPart + (try (other ?? signing).sign(list.signedPart))
    }

    var imageHeader: ImageHeader {
        ImageHeader(
            site: site, version: 1, changeNumber: 0, issuedAt: Self.now, slots: 1, identifiers: 0, holders: 0,
            validityBaseSeconds: Self.base, badgeKeyFingerprint: badgeKey.fingerprint,
            bodyDigest: [UInt8](repeating: 0, count: 32), zones: Self.zones, zoneSets: [], regionChecksums: [0])
    }
}
