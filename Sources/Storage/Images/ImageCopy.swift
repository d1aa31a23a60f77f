import Cryptography
import Framing
import Posix

/// Copies an image's body into a file of ours and verifies the copy while it is made:
///
///     this thread    reserve → read → write → lock → CRC-32C of the region → begin to put it on disk … → fsync
///     image digest                   SHA-256 of the regions that are ready, behind it …
///
/// Checked is what lies in the mapping of the copy, where lanes look badges up, and not what was read. A SHA-256 cannot be
/// parted among threads: everything else fits beside it.
struct ImageCopy {
    let original: Descriptor
    let source: String
    let copy: Descriptor
    /// Where errors say that the copy is.
    let path: String
    let header: ImageHeader

    /// A copy on disk, under its partial name. Its body is verified, its header is not.
    struct Made {
        var file: MappedFile
        /// Why it could not be kept in memory for good.
        var notLocked: SystemFailure?
    }

    /// Read and written at a time: it stays in the processor's cache between the two.
    private static let pieceBytes = 256 << 10
    /// From here on the disk is told to begin.
    private static let beginBytes = 2 << 20

    /// The file has its header already; the mapping has both.
    func make() throws(StorageError) -> Made {
        let length = header.headerLength + header.bodyLength
        let mapped = try storing { () throws(SystemFailure) in
            // A mapping has the length that the file has when it is made. Reserved at once, its blocks cost a third less.
            try copy.allocate(bytes: Int64(length))
            return try MappedFile(copy)
        }
        let body = UnsafeRawBufferPointer(rebasing: mapped.bytes[header.headerLength...])
        let digest = try storing { () throws(SystemFailure) in try BodyDigest(of: mapped, from: header.headerLength) }
        defer { digest.abandon() }
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceBytes, alignment: 4096)
        defer { piece.deallocate() }

        var begun = 0
        var notLocked: SystemFailure?
        for region in header.regionChecksums.indices {
            let start = region * ImageHeader.regionSize
            let end = min(start + ImageHeader.regionSize, body.count)
            let place = header.headerLength + start..<header.headerLength + end
            try move(place, by: piece, expecting: length)
            // Before it is looked at: so its pages are found in one go.
            if notLocked == nil { notLocked = mapped.keptInMemory(place) }
            guard CredentialImage.checksum(of: region, in: body) == header.regionChecksums[region] else {
                throw .image(path: path, .damagedRegion(region))
            }
            digest.isReady(upTo: end)
            if end - begun >= Self.beginBytes {
                copy.beginWriting(begun..<header.headerLength + end)
                begun = header.headerLength + end
            }
        }
        copy.beginWriting(begun..<length)
        if notLocked == nil { notLocked = mapped.keptInMemory(0..<header.headerLength) }
        try storing { () throws(SystemFailure) in
            try copy.setMode(LaneDirectory.fileMode)
            // On disk under its partial name, while the digest of the rest is computed; it counts when it is renamed.
            try copy.sync()
        }
        do {
            guard try digest.finish() == header.bodyDigest else { throw ImageRefusal.damagedBody }
        } catch let refusal as ImageRefusal {
            throw .image(path: path, refusal)
        } catch { throw .image(path: path, .notVerifiable("\(error)")) }
        return Made(file: mapped, notLocked: notLocked)
    }

    private func move(
        _ range: Range<Int>, by piece: UnsafeMutableRawBufferPointer, expecting length: Int
    ) throws(StorageError) {
        var offset = range.lowerBound
        while offset < range.upperBound {
            let room = UnsafeMutableRawBufferPointer(rebasing: piece[..<min(piece.count, range.upperBound - offset)])
            let filled = try storing { () throws(SystemFailure) in
                let filled = try original.readFully(into: room, at: Int64(offset))
                try copy.writeAll(UnsafeRawBufferPointer(rebasing: room[..<filled]), at: Int64(offset))
                return filled
            }
            offset += filled
            guard filled == room.count else {
                throw .image(path: source, .length(bytes: Int64(offset), expected: Int64(length)))
            }
        }
    }
}
