import Framing
import Posix
import Storage

/// The images in `uplink/incoming`: `image-<version, 20 digits>.img` whole ones, for the daemon to take; `.part` what
/// came of one so far. A file's name in HTTP, its ETag, is the SHA-256 of its header, so nothing needs to be kept
/// beside it.
///
/// What is checked here keeps the uplink from handing over rubbish and from fetching the same again. The daemon believes
/// none of it and verifies all.
struct IncomingImages: Sendable {
    /// Whole images that are kept while the daemon takes none of them.
    static let mostWaiting = 3

    let directory: LaneDirectory
    let site: SiteID

    struct Found: Sendable {
        var name: ImageName
        var path: String
        /// Bytes that are here, and that there should be.
        var size: Int64
        var expectedSize: Int64
    }

    func wholePath(version: UInt64) -> String { directory.incomingImage(version: version) }
    func partPath(version: UInt64) -> String { "\(wholePath(version: version).dropLast(4)).part" }

    /// The newest image that waits for the daemon.
    func newestWhole() throws(TransferFailure) -> ImageName? {
        for (version, path) in try versions(suffix: ".img").reversed() {
            if let found = try? examine(path), found.name.version == version { return found.name }
        }
        return nil
    }

    /// The newest download that can be gone on with: its header is here and is this site's.
    func newestPart(above version: UInt64) throws(TransferFailure) -> Found? {
        for (partVersion, path) in try versions(suffix: ".part").reversed() where partVersion > version {
            if let found = try? examine(path, whole: false), found.name.version == partVersion { return found }
        }
        return nil
    }

    /// Removes what nobody needs: images up to the applied version, damaged ones, those beyond the few that may wait, and
    /// parts of images older than any of these.
    func tidy(appliedVersion: UInt64) throws(TransferFailure) {
        let whole = try versions(suffix: ".img")
        for (index, (version, path)) in whole.enumerated() {
            let isSuperfluous = version <= appliedVersion || index + Self.mostWaiting < whole.count
            if isSuperfluous || (try? examine(path))?.name.version != version { try remove(path) }
        }
        let parts = try versions(suffix: ".part")
        let newest = max(appliedVersion, whole.last?.0 ?? 0)
        for (version, path) in parts where version <= newest || version != parts.last?.0 {
            try remove(path)
        }
    }

    func remove(_ path: String) throws(TransferFailure) {
        try onDisk { () throws(SystemFailure) in _ = try FileSystem.unlinkIfPresent(path) }
    }

    /// Oldest first.
    private func versions(suffix: String) throws(TransferFailure) -> [(UInt64, String)] {
        let names = try onDisk { () throws(SystemFailure) in try FileSystem.list(directory.incoming) }
        return names.compactMap { name in
            guard name.hasSuffix(suffix),
                let version = LaneDirectory.incomingImageVersion(name: "\(name.dropLast(suffix.utf8.count)).img")
            else { return nil }
            return (version, "\(directory.incoming)/\(name)")
        }.sorted { $0.0 < $1.0 }
    }

    /// Reads the header. A whole image has exactly the size that its header announces.
    private func examine(_ path: String, whole: Bool = true) throws(TransferFailure) -> Found {
        let file = try onDisk { () throws(SystemFailure) in try Descriptor.open(path, [.read, .noFollow]) }
        let (header, name) = try ImageInspection.header(of: file, site: site)
        let size = try onDisk { () throws(SystemFailure) in try file.status().size }
        let expected = Int64(header.headerLength + header.bodyLength)
        guard whole ? size == expected : size <= expected else {
            throw TransferFailure(.nonsense, "\(path): \(size) bytes instead of \(expected)")
        }
        return Found(name: name, path: path, size: size, expectedSize: expected)
    }
}
