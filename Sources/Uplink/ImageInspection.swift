import Cryptography
import Framing
import Posix

/// Checks a downloaded image from end to end: size, site, and the SHA-256 of its body as the header gives it. In steps,
/// so that hundreds of megabytes on a slow machine do not keep records and signals waiting.
final class ImageInspection {
    private static let stepBytes = 4 << 20

    let name: ImageName
    private let file: Descriptor
    private let header: ImageHeader
    private var hash: SHA256?
    private var offset: Int64
    private let end: Int64

    /// `path`: a complete file, the caller's to rename or remove afterwards.
    init(_ path: String, site: SiteID) throws(TransferFailure) {
        file = try onDisk { () throws(SystemFailure) in try Descriptor.open(path, [.read, .noFollow]) }
        (header, name) = try Self.header(of: file, site: site)
        let size = try onDisk { [file] () throws(SystemFailure) in try file.status().size }
        offset = Int64(header.headerLength)
        end = offset + Int64(header.bodyLength)
        guard size == end else {
            throw TransferFailure(.nonsense, "an image of \(size) bytes whose header announces \(end)")
        }
        hash = try hashing { () throws(CryptographyFailure) in try SHA256() }
    }

    /// true when all of it was checked and is right; call again until then.
    func step() throws(TransferFailure) -> Bool {
        guard var hash = hash.take() else { return true }
        let piece = try Self.read(file, Int(min(Int64(Self.stepBytes), end - offset)), at: offset)
        do throws(CryptographyFailure) { try hash.update(piece) } catch { throw TransferFailure(.local, "\(error)") }
        offset += Int64(piece.count)
        guard offset == end else {
            self.hash = consume hash
            return false
        }
        let digest: [UInt8]
        do throws(CryptographyFailure) { digest = try hash.finish() } catch {
            throw TransferFailure(.local, "\(error)")
        }
        guard digest == header.bodyDigest else {
            throw TransferFailure(
                .nonsense, "image \(header.version) is damaged: its body's SHA-256 is not the header's")
        }
        return true
    }

    /// Reads and checks the header at the beginning of a file, and names the image by it.
    static func header(of file: Descriptor, site: SiteID) throws(TransferFailure) -> (ImageHeader, ImageName) {
        let start = try read(file, 16, at: 0)
        let length = try decoding { () throws(FormatError) in
            try start.span.bytes.withUnsafeBytes { (bytes) throws(FormatError) in try ImageHeader.length(of: bytes) }
        }
        let whole = try read(file, length, at: 0)
        let header = try decoding { () throws(FormatError) in
            try whole.span.bytes.withUnsafeBytes { (bytes) throws(FormatError) in try ImageHeader(bytes) }
        }
        guard header.site == site else {
            throw TransferFailure(.nonsense, "image \(header.version) is of another site, \(header.site.hex)")
        }
        let digest = try hashing { () throws(CryptographyFailure) in try SHA256.hash(whole) }
        return (header, ImageName(version: header.version, headerDigestHex: Hexadecimal.text(digest)))
    }

    private static func read(_ file: Descriptor, _ count: Int, at offset: Int64) throws(TransferFailure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let filled = try onDisk { () throws(SystemFailure) in
            var span = bytes.mutableSpan
            return try span.withUnsafeMutableBytes { (buffer) throws(SystemFailure) in
                try file.readFully(into: buffer, at: offset)
            }
        }
        guard filled == count else { throw TransferFailure(.nonsense, "\(file.name) ends early") }
        return bytes
    }
}
