import Admission
import Cryptography
import Framing
import Posix

/// How long images are kept after they were in force, so that old decisions can be recomputed.
public struct ImageRetention: Sendable, Hashable {
    /// So many of the newest are kept, however old.
    public var fewest: Int
    /// Of the others, those fetched within this time are kept.
    public var milliseconds: Int64

    public init(fewest: Int = 2, milliseconds: Int64 = 8 * 86_400_000) {
        self.fewest = max(1, fewest)
        self.milliseconds = milliseconds
    }
}

/// The lane's own images: `images/<version, 20 digits>-<first 16 hex digits of the header's SHA-256>.img`. Copies out of
/// `uplink/incoming`, which belongs to another user, and verifies the copy, never the original.
///
/// Nothing here belongs on the decision path: call it from a thread of its own, one call at a time.
public struct ImageInstaller: Sendable {
    public let directory: LaneDirectory
    public let trust: SiteTrust
    public let mostBytes: Int64

    /// Kept free beside an image, for the journal and everybody else.
    static let spareBytes: Int64 = 16 << 20

    public init(_ directory: LaneDirectory, trusting trust: SiteTrust, mostBytes: Int64 = 4 << 30) {
        self.directory = directory
        self.trust = trust
        self.mostBytes = mostBytes
    }

    // MARK: Taking an image over

    /// The newest complete download above `version`, by its name only; nil when there is none.
    public func newestIncoming(above version: UInt64) throws(StorageError) -> String? {
        guard try storing({ () throws(SystemFailure) in try FileSystem.statusIfPresent(directory.incoming) }) != nil
        else { return nil }
        let names = try storing { () throws(SystemFailure) in try FileSystem.list(directory.incoming, limit: 10_000) }
        let newest = names.compactMap(LaneDirectory.incomingImageVersion(name:)).max() ?? 0
        return newest > version ? directory.incomingImage(version: newest) : nil
    }

    /// Copies an image into `images/`, verifies the copy and gives it its name, durably. It may be repeated: an image
    /// that is there already is replaced by an equal one.
    ///
    /// The header is copied and verified first, so that what nobody signed costs no more room than a header.
    public func install(
        from source: String, newerThan version: UInt64, at moment: Moment
    ) throws(StorageError) -> CredentialImage {
        let original = try storing { () throws(SystemFailure) in
            let file = try Descriptor.open(source, [.read, .nonblocking, .noFollow])
            guard try file.status().kind == .regular else {
                throw SystemFailure("copy", source, code: 22, advice: "an image is a regular file")
            }
            return file
        }
        let head = try header(original, source)
        let verified: (header: ImageHeader, digest: [UInt8])
        do {
            verified = try head.withBytes { (bytes) throws(ImageRefusal) in
                try CredentialImage.verifyHeader(bytes, trusting: trust, newerThan: version, at: moment)
            }
        } catch { throw .image(path: source, error) }
        let expected = Int64(verified.header.headerLength + verified.header.bodyLength)
        guard expected <= mostBytes else {
            throw .image(path: source, .tooLarge(bytes: expected, limit: mostBytes))
        }
        let size = try storing { () throws(SystemFailure) in try original.status().size }
        guard size == expected else { throw .image(path: source, .length(bytes: size, expected: expected)) }

        let name = "\(twentyDigits(verified.header.version))-\(Hexadecimal.text(verified.digest.prefix(8))).img"
        let partial = "\(directory.images)/.\(name).partial"
        do throws(StorageError) {
            let copy = try storing { () throws(SystemFailure) in
                let free = try FileSystem.freeBytes(directory.images)
                guard free - Self.spareBytes >= expected else {
                    throw SystemFailure("copy an image into", directory.images, code: noSpace)
                }
                try FileSystem.unlinkIfPresent(partial)
                let copy = try Descriptor.open(partial, [.readWrite, .create, .exclusive, .noFollow], mode: 0o600)
                try copy.writeAll(head)
                return copy
            }
            let path = "\(directory.images)/\(name)"
            let made = try ImageCopy(
                original: original, source: source, copy: copy, path: path, header: verified.header
            ).make()
            let image = try CredentialImage(made, path: path, trusting: trust, newerThan: version, at: moment)
            try storing { () throws(SystemFailure) in
                try FileSystem.rename(partial, to: path)
                try FileSystem.syncDirectory(directory.images)
            }
            return image
        } catch {
            _ = try? FileSystem.unlinkIfPresent(partial)
            throw error
        }
    }

    private func header(_ file: Descriptor, _ source: String) throws(StorageError) -> [UInt8] {
        func read(_ count: Int) throws(StorageError) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: count)
            let filled = try storing { () throws(SystemFailure) in
                try bytes.withMutableBytes { (buffer) throws(SystemFailure) in
                    try file.readFully(into: buffer, at: 0)
                }
            }
            return Array(bytes[..<filled])
        }
        let start = try read(16)
        let length: Int
        do {
            length = try start.withBytes { (start) throws(FormatError) in try ImageHeader.length(of: start) }
        } catch { throw .image(path: source, .notAnImage(error)) }
        return try read(length)
    }

    // MARK: Kept images

    /// Kept images by name, newest version first. Other files are nobody's business here.
    public static func kept(in directory: LaneDirectory) throws(StorageError) -> [(version: UInt64, path: String)] {
        try storing { () throws(SystemFailure) in
            try ImageInstaller.listed(directory)
        }
    }

    private func kept() throws(SystemFailure) -> [(version: UInt64, path: String)] { try Self.listed(directory) }

    private static func listed(_ directory: LaneDirectory) throws(SystemFailure) -> [(version: UInt64, path: String)] {
        guard try FileSystem.statusIfPresent(directory.images) != nil else { return [] }
        return try FileSystem.list(directory.images).reversed().compactMap { name in
            guard name.utf8.count == 41, name.hasSuffix(".img"), name.dropFirst(20).first == "-",
                let version = number(twentyDigits: name.prefix(20))
            else { return nil }
            return (version, "\(directory.images)/\(name)")
        }
    }

    /// The newest kept image that is whole, and why newer ones are not used. Damaged ones are left where they are, for
    /// somebody to look at, until their time is over.
    ///
    /// - Parameter limit: only versions below this one.
    public func loadNewest(
        below limit: UInt64 = .max, at moment: Moment
    ) throws(StorageError) -> (image: CredentialImage?, refused: [StorageError]) {
        var refused: [StorageError] = []
        for (version, path) in try storing({ () throws(SystemFailure) in try kept() }) where version < limit {
            do { return (try CredentialImage(path, trusting: trust, at: moment), refused) } catch {
                refused.append(error)
            }
        }
        return (nil, refused)
    }

    /// Removes kept images whose time is over; never the one in force or a newer one. Returns the paths removed. With a
    /// clock that is not trusted nothing is old.
    public func removeExpired(
        _ retention: ImageRetention, inForce version: UInt64, at moment: Moment
    ) throws(StorageError) -> [String] {
        guard moment.clock == .trusted else { return [] }
        return try storing { () throws(SystemFailure) in
            var removed: [String] = []
            for (version, path) in try kept().dropFirst(retention.fewest).filter({ $0.version < version }) {
                _ = version
                guard let status = try FileSystem.statusIfPresent(path) else { continue }
                let fetched = WallTime(milliseconds: status.modifiedNanoseconds / 1_000_000)
                guard moment.wall.milliseconds(since: fetched) > retention.milliseconds else { continue }
                try FileSystem.unlinkIfPresent(path)
                removed.append(path)
            }
            if !removed.isEmpty { try FileSystem.syncDirectory(directory.images) }
            return removed
        }
    }
}

/// ENOSPC
private let noSpace: Int32 = 28
