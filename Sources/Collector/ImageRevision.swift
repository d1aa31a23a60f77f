import Cryptography
import Framing
import Posix

/// An image of this collector with some of its slots changed, as a new version: read, changed and written a region at a
/// time. It is as old as the one it is made of: its data are.
struct ImageRevision {
    private let directory: SiteDirectory
    private let image: ImageRegister.Image
    private let version: UInt64

    init(_ directory: SiteDirectory, of image: ImageRegister.Image, as version: UInt64) {
        self.directory = directory
        self.image = image
        self.version = version
    }

    /// Writes the file; what `ImageRegister` is to know of it. `change` leaves tag and holder as they are. `changeNumber`:
    /// what of urgent changes is in it; nil: what was before.
    func write(
        publishedAt now: Int64, changeNumber: UInt64? = nil, _ change: (inout ImageSlot) -> Void
    ) throws(CollectorFailure) -> ImageRegister.Image {
        let secret = try directory.key(.siteSecret, directory.secretKeyFile)
        let former = try PublishedImageFile("\(directory.images)/\(image.file)", digest: image.digest)
        let path = directory.imageFile(version: version)
        var result: Result<[UInt8], CollectorFailure> = .success([])
        do throws(SystemFailure) {
            try FileSystem.replace(path, mode: 0o640) { (file) throws(SystemFailure) in
                result = Result { () throws(CollectorFailure) in
                    try Self.write(
                        former, as: version, changeNumber, to: file, signingWith: secret.key, change)
                }
                // Says no more than that: the partial file goes, and the reason is in the result.
                if case .failure = result { throw SystemFailure("write", path, code: 5) }
            }
        } catch {
            _ = try result.get()
            throw CollectorFailure(error)
        }
        var revised = image
        revised.version = version
        revised.file = SiteDirectory.imageName(version: version)
        revised.digest = try result.get()
        revised.publishedMilliseconds = now
        revised.held = nil
        revised.source = nil
        return revised
    }

    /// The same with all changes on top of it taken in, and the last of those: lanes that have it need none of them. Of
    /// the image in force only.
    func writeFolded(
        publishedAt now: Int64, changeNumber atLeast: UInt64 = 0,
        _ change: (inout ImageSlot) -> Void = { _ in }
    ) throws(CollectorFailure) -> (image: ImageRegister.Image, folded: UInt64) {
        guard let (number, slots) = try ChangeStore(directory).onImage() else {
            throw CollectorFailure("take changes into", "an image", "none is in force")
        }
        let image = try write(publishedAt: now, changeNumber: max(number, atLeast)) { slot in
            slot.take(slots[slot.tag])
            if !slot.isConflict { change(&slot) }
        }
        return (image, number)
    }

    /// The SHA-256 of the new header.
    private static func write(
        _ former: PublishedImageFile, as version: UInt64, _ changeNumber: UInt64?, to file: Descriptor,
        signingWith secret: [UInt8], _ change: (inout ImageSlot) -> Void
    ) throws(CollectorFailure) -> [UInt8] {
        do {
            var hash = try SHA256()
            var header = former.header
            header.version = version
            header.changeNumber = max(header.changeNumber, changeNumber ?? 0)
            header.regionChecksums = []
            let headerLength = former.header.headerLength
            var place = Int64(headerLength)
            try former.forEachRegion { (region) throws(CollectorFailure) in
                let readable = UnsafeRawBufferPointer(region)
                for index in 0..<region.count / ImageSlot.size {
                    guard var slot = ImageSlot.at(index, in: readable), !slot.isConflict else { continue }
                    let before = slot
                    change(&slot)
                    guard slot != before else { continue }
                    let start = index * ImageSlot.size
                    slot.encode(
                        into: UnsafeMutableRawBufferPointer(rebasing: region[start..<start + ImageSlot.size]))
                }
                header.regionChecksums.append(CRC32C.checksum(readable))
                do throws(CryptographyFailure) { try hash.update(readable) } catch {
                    throw CollectorFailure("hash", former.path, error.description)
                }
                try collecting { () throws(SystemFailure) in try file.writeAll(readable, at: place) }
                place += Int64(region.count)
            }
            header.bodyDigest = try hash.finish()
            let signed = header.signedPart
            let bytes = signed + (try Ed25519.SigningKey(seed: secret).sign(signed))
            try bytes.withUnsafeBytes { try file.writeAll($0, at: 0) }
            return try SHA256.hash(bytes)
        } catch let failure as CollectorFailure { throw failure } catch let failure as SystemFailure {
            throw CollectorFailure(failure)
        } catch { throw CollectorFailure("sign an image of", former.path, "\(error)") }
    }
}

extension ImageSlot {
    /// As it is with what a change says of this identifier; nil: none says anything.
    mutating func take(_ changed: ImageSlot?) {
        guard let changed else { return }
        if changed.isRemoved || changed.isConflict {
            // It is nobody's: two would have to claim it.
            self = ImageSlot(conflicting: tag)
        } else {
            takeKeys(of: changed)
        }
    }
}
