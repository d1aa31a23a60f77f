import Cryptography
import Framing
import Posix
import Synchronization

/// Bytes that another thread reads while the owner waits for it.
private struct BorrowedBytes: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
}

extension CredentialImage {
    /// From this size on the checksums are computed beside the digest, on a thread of their own.
    private static let parallelBytes = 4 << 20

    /// The body as the (verified) header says: every region's CRC-32C, then the SHA-256 of all. The checksums are there
    /// to say *where* a disk or a memory is bad; the digest alone is what the site signed.
    static func verifyBody(_ body: UnsafeRawBufferPointer, _ header: ImageHeader) throws(ImageRefusal) {
        let damaged: Int?
        let digest: [UInt8]
        do {
            if body.count >= parallelBytes {
                let borrowed = BorrowedBytes(bytes: body)
                let found = Mutex<Int?>(nil)
                let result = Finding(found)
                let thread = try? NamedThread.start(name: "image crc") {
                    result.set(firstDamagedRegion(borrowed.bytes, header.regionChecksums))
                }
                defer { thread?.join() }
                digest = try SHA256.hash(body)
                thread?.join()
                damaged = thread == nil ? firstDamagedRegion(body, header.regionChecksums) : result.region
            } else {
                digest = try SHA256.hash(body)
                damaged = firstDamagedRegion(body, header.regionChecksums)
            }
        } catch { throw .notVerifiable("\(error)") }
        if let damaged { throw .damagedRegion(damaged) }
        guard digest == header.bodyDigest else { throw .damagedBody }
    }

    private final class Finding: Sendable {
        private let found: Mutex<Int?>
        init(_ found: consuming Mutex<Int?>) { self.found = found }
        func set(_ region: Int?) { found.withLock { $0 = region } }
        var region: Int? { found.withLock { $0 } }
    }

    /// The checksums of a body's regions.
    static func regionChecksums(_ body: UnsafeRawBufferPointer) -> [UInt32] {
        (0..<ImageHeader.regions(bodyLength: body.count)).map { checksum(of: $0, in: body) }
    }

    private static func firstDamagedRegion(_ body: UnsafeRawBufferPointer, _ checksums: [UInt32]) -> Int? {
        checksums.indices.first { checksum(of: $0, in: body) != checksums[$0] }
    }

    private static func checksum(of region: Int, in body: UnsafeRawBufferPointer) -> UInt32 {
        let start = region * ImageHeader.regionSize
        return CRC32C.checksum(
            UnsafeRawBufferPointer(rebasing: body[start..<min(start + ImageHeader.regionSize, body.count)]))
    }
}
