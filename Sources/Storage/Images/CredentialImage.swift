import Admission
import Cryptography
import Framing
import Posix

/// A verified credential image, mapped read-only: lanes look badges up in it as it lies on the disk.
///
/// It maps only files that the daemon's own user can write, since a mapped file that somebody shortens kills the
/// process. `lookup` allocates nothing and may be called from any thread.
public final class CredentialImage: Sendable {
    public let path: String
    public let header: ImageHeader
    /// SHA-256 of the whole header, signature and all: 32 bytes. It names the image in statements and marks.
    public let headerDigest: [UInt8]
    /// Why the image could not be kept in memory for good (mlock(2)); a lookup may then wait for the disk.
    public let notLocked: SystemFailure?

    private let file: MappedFile
    private let table: Table

    /// Borrowed and owned memory that never changes while the image lives.
    private struct Table: @unchecked Sendable {
        let slots: UnsafeRawBufferPointer
        let count: Int
        let zoneSets: UnsafeMutableBufferPointer<UInt64>
    }

    public var version: UInt64 { header.version }
    public var mark: AppliedMark {
        AppliedMark(
            imageVersion: header.version, changeNumber: header.changeNumber,
            headerDigestHex: Hexadecimal.text(headerDigest))
    }

    /// Opens and verifies. `newerThan` is the version in force, 0 for none.
    public convenience init(
        _ path: String, trusting trust: SiteTrust, newerThan: UInt64 = 0, at moment: Moment
    ) throws(StorageError) {
        let file = try storing { () throws(SystemFailure) in
            try Descriptor.open(path, [.read, .noFollow, .nonblocking])
        }
        let mapped = try storing { () throws(SystemFailure) in
            guard try file.status().kind == .regular else {
                throw SystemFailure("map", path, code: 22, advice: "an image is a regular file")
            }
            return try MappedFile(file, prefault: true)
        }
        do throws(ImageRefusal) {
            let verified = try Self.verifyHeader(mapped, trusting: trust, newerThan: newerThan, at: moment)
            try Self.verifyBody(of: mapped, verified.header)
            self.init(mapped, path: path, verified, notLocked: mapped.keptInMemory())
        } catch { throw .image(path: path, error) }
    }

    /// What `ImageCopy` made: its body is verified, its header is verified here.
    convenience init(
        _ copied: ImageCopy.Made, path: String, trusting trust: SiteTrust, newerThan: UInt64, at moment: Moment
    ) throws(StorageError) {
        do throws(ImageRefusal) {
            let verified = try Self.verifyHeader(copied.file, trusting: trust, newerThan: newerThan, at: moment)
            self.init(copied.file, path: path, verified, notLocked: copied.notLocked)
        } catch { throw .image(path: path, error) }
    }

    private init(
        _ mapped: MappedFile, path: String, _ verified: (header: ImageHeader, digest: [UInt8]),
        notLocked: SystemFailure?
    ) {
        self.path = path
        self.notLocked = notLocked
        header = verified.header
        headerDigest = verified.digest
        self.file = mapped
        let zoneSets = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: header.zoneSets.count)
        _ = zoneSets.initialize(from: header.zoneSets)
        table = Table(
            slots: UnsafeRawBufferPointer(rebasing: mapped.bytes[header.headerLength...]), count: header.slots,
            zoneSets: zoneSets)
    }

    deinit { table.zoneSets.deallocate() }

    private static func verifyHeader(
        _ file: MappedFile, trusting trust: SiteTrust, newerThan: UInt64, at moment: Moment
    ) throws(ImageRefusal) -> (header: ImageHeader, digest: [UInt8]) {
        let verified = try verifyHeader(file.bytes, trusting: trust, newerThan: newerThan, at: moment)
        let expected = verified.header.headerLength + verified.header.bodyLength
        guard file.count == expected else {
            throw .length(bytes: Int64(file.count), expected: Int64(expected))
        }
        return verified
    }

    /// The header with everything but the body checked, and its digest. `bytes` begin with the whole header.
    static func verifyHeader(
        _ bytes: UnsafeRawBufferPointer, trusting trust: SiteTrust, newerThan: UInt64, at moment: Moment
    ) throws(ImageRefusal) -> (header: ImageHeader, digest: [UInt8]) {
        let header: ImageHeader
        do { header = try ImageHeader(bytes) } catch { throw .notAnImage(error) }
        // Said before the signature is looked at, because it explains why that would not fit.
        guard header.site == trust.site else { throw .otherSite(header.site) }
        let whole = UnsafeRawBufferPointer(rebasing: bytes[..<header.headerLength])
        let signedLength = whole.count - Ed25519.signatureBytes
        let digest: [UInt8]
        do {
            guard
                try trust.key.verify(
                    Array(whole[signedLength...]), of: UnsafeRawBufferPointer(rebasing: whole[..<signedLength]))
            else { throw ImageRefusal.foreignSignature }
            digest = try SHA256.hash(whole)
        } catch let refusal as ImageRefusal { throw refusal } catch { throw .notVerifiable("\(error)") }
        guard header.badgeKeyFingerprint == trust.badgeKeyFingerprint else { throw .otherBadgeKey }
        guard header.version > newerThan else { throw .notNewer(version: header.version, inForce: newerThan) }
        let ahead = header.issuedAt.milliseconds(since: moment.wall)
        if moment.clock == .trusted && ahead > farthestFutureMilliseconds {
            throw .issuedInFuture(byMilliseconds: ahead)
        }
        return (header, digest)
    }

    public static let farthestFutureMilliseconds: Int64 = 300_000

    /// The zone's bit in this image's zone sets; 0 when it is not known.
    public func zoneBit(_ name: ShortName) -> UInt64 { header.zoneBit(name) }

    /// Every identifier of the holders whose numbers are wanted, in the table's order; those in conflict are nobody's.
    public func forEachCredential(of isWanted: (UInt32) -> Bool, _ body: (BadgeTag, Credential) -> Void) {
        let zoneSets = UnsafeBufferPointer(table.zoneSets)
        for index in 0..<table.count {
            guard let slot = ImageSlot.at(index, in: table.slots), !slot.isConflict, isWanted(slot.holder),
                let credential = slot.credential(
                    zoneSets: zoneSets, validityBaseSeconds: header.validityBaseSeconds)
            else { continue }
            body(slot.tag, credential)
        }
    }

    /// What the image says of a badge.
    public func lookup(_ tag: BadgeTag) -> BadgeLookup {
        guard let slot = ImageSlot.find(tag, in: table.slots, slots: table.count) else { return .unknown }
        if slot.isConflict { return .conflict }
        // A kind this program does not know yet, or a zone set that is not there: nobody it could judge.
        guard
            let credential = slot.credential(
                zoneSets: UnsafeBufferPointer(table.zoneSets), validityBaseSeconds: header.validityBaseSeconds)
        else { return .unknown }
        return .found(credential)
    }
}
