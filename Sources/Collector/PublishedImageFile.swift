import Cryptography
import Framing
import Posix
import Storage

/// An image of this collector's own, read from the disk a region at a time: bounded memory however large it is.
struct PublishedImageFile {
    let path: String
    let header: ImageHeader
    private let file: Descriptor

    /// `digest`: the SHA-256 of its header, as the database has it.
    init(_ path: String, digest: [UInt8]) throws(CollectorFailure) {
        self.path = path
        file = try collecting { () throws(SystemFailure) in try Descriptor.open(path, [.read, .noFollow]) }
        header = try Self.header(of: file, path, digest)
    }

    private static func header(
        of file: Descriptor, _ path: String, _ digest: [UInt8]
    ) throws(CollectorFailure) -> ImageHeader {
        let start = try collecting { () throws(SystemFailure) in try read(file, 16, at: 0) }
        do {
            guard let start else { throw FormatError("credential image", "shorter than its header") }
            let length = try start.withUnsafeBytes { try ImageHeader.length(of: $0) }
            let bytes = try collecting { () throws(SystemFailure) in try read(file, length, at: 0) }
            guard let bytes else { throw FormatError("credential image", "shorter than its header") }
            guard try SHA256.hash(bytes) == digest else {
                throw FormatError("credential image", "not the one that was published")
            }
            return try bytes.withUnsafeBytes { try ImageHeader($0) }
        } catch {
            throw CollectorFailure(
                "use", path, "\(error)", advice: "import the newest feed again, which makes a new image")
        }
    }

    /// Region by region, each checked against its CRC-32C; `body` may change what it is given, which is its own copy.
    func forEachRegion(
        _ body: (UnsafeMutableRawBufferPointer) throws(CollectorFailure) -> Void
    ) throws(CollectorFailure) {
        for (index, checksum) in header.regionChecksums.enumerated() {
            let start = index * ImageHeader.regionSize
            let count = min(ImageHeader.regionSize, header.bodyLength - start)
            let read = try collecting { () throws(SystemFailure) in
                try Self.read(file, count, at: Int64(header.headerLength + start))
            }
            guard var region = read, region.withUnsafeBytes({ CRC32C.checksum($0) }) == checksum else {
                throw CollectorFailure(
                    "use", path, "region \(index) of it is damaged",
                    advice: "import the newest feed again, which makes a new image")
            }
            var failure: CollectorFailure?
            region.withUnsafeMutableBytes { bytes in
                do throws(CollectorFailure) { try body(bytes) } catch { failure = error }
            }
            if let failure { throw failure }
        }
    }

    func forEachSlot(_ body: (ImageSlot) -> Void) throws(CollectorFailure) {
        try forEachRegion { (region) throws(CollectorFailure) in
            let readable = UnsafeRawBufferPointer(region)
            for index in 0..<region.count / ImageSlot.size {
                if let slot = ImageSlot.at(index, in: readable) { body(slot) }
            }
        }
    }

    /// nil: the file ends before.
    private static func read(_ file: Descriptor, _ count: Int, at offset: Int64) throws(SystemFailure) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var result: Result<Int, SystemFailure> = .success(0)
        bytes.withUnsafeMutableBytes { buffer in
            result = Result { () throws(SystemFailure) in try file.readFully(into: buffer, at: offset) }
        }
        return try result.get() == count ? bytes : nil
    }
}
