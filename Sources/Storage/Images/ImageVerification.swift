import Framing
import Posix

extension CredentialImage {
    /// The body as the (verified) header says: every region's CRC-32C, then the SHA-256 of all. The checksums are there
    /// to say *where* a disk or a memory is bad; the digest alone is what the site signed.
    static func verifyBody(of file: MappedFile, _ header: ImageHeader) throws(ImageRefusal) {
        let body = UnsafeRawBufferPointer(rebasing: file.bytes[header.headerLength...])
        do {
            // Beside each other: the digest takes four times as long.
            let digest = try BodyDigest(of: file, from: header.headerLength)
            defer { digest.abandon() }
            digest.isReady(upTo: body.count)
            if let damaged = firstDamagedRegion(body, header.regionChecksums) {
                throw ImageRefusal.damagedRegion(damaged)
            }
            guard try digest.finish() == header.bodyDigest else { throw ImageRefusal.damagedBody }
        } catch let refusal as ImageRefusal { throw refusal } catch { throw .notVerifiable("\(error)") }
    }

    /// The checksums of a body's regions.
    static func regionChecksums(_ body: UnsafeRawBufferPointer) -> [UInt32] {
        (0..<ImageHeader.regions(bodyLength: body.count)).map { checksum(of: $0, in: body) }
    }

    private static func firstDamagedRegion(_ body: UnsafeRawBufferPointer, _ checksums: [UInt32]) -> Int? {
        checksums.indices.first { checksum(of: $0, in: body) != checksums[$0] }
    }

    static func checksum(of region: Int, in body: UnsafeRawBufferPointer) -> UInt32 {
        let start = region * ImageHeader.regionSize
        return RegionChecksum.of(
            UnsafeRawBufferPointer(rebasing: body[start..<min(start + ImageHeader.regionSize, body.count)]))
    }
}
