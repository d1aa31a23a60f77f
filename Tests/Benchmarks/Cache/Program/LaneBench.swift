import Admission
import Cryptography
import Framing
import Glibc
import LaneDaemon
import Posix
import Storage
import Synchronization

/// What a lane does with an image and with changes, by the calls of its credential thread.
struct LaneBench {
    let site: SiteUnderTest
    /// The image, as the uplink would have put it somewhere.
    let source: String
    let directory: LaneDirectory

    /// Copies, checksums and syncs of the same bytes with nothing else around them, in the same run.
    struct Controls: Codable {
        /// 1 MiB read and written at a time.
        var copy: TimesTaken
        /// fsync of that copy.
        var sync: TimesTaken
        /// libcrypto's SHA-256 of the bytes in memory.
        var digest: TimesTaken
        var memcpy: TimesTaken
    }

    func prepare() throws {
        for place in [directory, memoryDirectory] {
            try place.prepareForDaemon()
            try place.prepareForUplink()
        }
    }

    /// The same path where a sync costs nothing.
    var memoryDirectory: LaneDirectory { LaneDirectory("/dev/shm/lk-cache-\(getpid())") }

    func removeMemoryDirectory() { _ = try? removeAll(memoryDirectory.path) }

    /// From a complete download to a table that a lane looks badges up in: copy, signature, checksums, digest, fsync,
    /// rename, map, lock, the changes that lie on it, publish.
    private func install(_ published: borrowing Mutex<BadgeTable?>, in place: LaneDirectory) throws -> CredentialImage {
        let image = try ImageInstaller(place, trusting: site.trust).install(
            from: source, newerThan: 0, at: site.moment)
        var changes = StandingChanges(place, trusting: site.trust)
        try changes.lie(on: image)
        guard let overlay = changes.overlay else { throw Mistake("no changes lie on the image") }
        let table = BadgeTable(image: image, overlay: overlay)
        published.withLock { $0 = table }
        return image
    }

    private func installs(_ repeats: Int, in place: LaneDirectory) throws -> TimesTaken {
        let published = Mutex<BadgeTable?>(nil)
        var all: [TimeTaken] = []
        for _ in 0...repeats {
            let (image, taken) = try TimeTaken.measure { try install(published, in: place) }
            if let failure = image.notLocked { throw Mistake("\(failure)") }
            all.append(taken)
            // A newer version has another name: nothing is replaced in a lane, nor here.
            published.withLock { $0 = nil }
            try FileSystem.unlink(image.path)
            try FileSystem.syncDirectory(place.images)
        }
        // The first one reads what it needs from the disk.
        return TimesTaken(Array(all.dropFirst()))
    }

    func live(repeats: Int) throws -> LiveFigures {
        defer { removeMemoryDirectory() }
        return LiveFigures(
            onDisk: try installs(repeats, in: directory), inMemory: try installs(repeats, in: memoryDirectory),
            controls: try controls(repeats))
    }

    private func controls(_ repeats: Int) throws -> Controls {
        let original = try MappedFile(source, prefault: true)
        let target = UnsafeMutableRawBufferPointer.allocate(byteCount: original.count, alignment: 4096)
        defer { target.deallocate() }
        target.initializeMemory(as: UInt8.self, repeating: 1)
        var copies: [TimeTaken] = []
        var syncs: [TimeTaken] = []
        var digests: [TimeTaken] = []
        var memory: [TimeTaken] = []
        let path = "\(directory.images)/control"
        for _ in 0...repeats {
            let file = try Descriptor.open(source, [.read])
            let (copy, taken) = try TimeTaken.measure { try plainCopy(of: file, to: path) }
            copies.append(taken)
            syncs.append(try TimeTaken.measure { try copy.sync() }.1)
            digests.append(try TimeTaken.measure { try SHA256.hash(original.bytes) }.1)
            memory.append(TimeTaken.measure { target.copyMemory(from: original.bytes) }.1)
            try FileSystem.unlink(path)
            try FileSystem.syncDirectory(directory.images)
        }
        return Controls(
            copy: TimesTaken(Array(copies.dropFirst())), sync: TimesTaken(Array(syncs.dropFirst())),
            digest: TimesTaken(Array(digests.dropFirst())), memcpy: TimesTaken(Array(memory.dropFirst())))
    }

    private func plainCopy(of file: Descriptor, to path: String) throws -> Descriptor {
        let copy = try Descriptor.open(path, [.readWrite, .create, .truncate], mode: 0o600)
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { piece.deallocate() }
        while case .bytes(let count) = try file.read(into: piece) {
            try copy.writeAll(UnsafeRawBufferPointer(rebasing: piece[..<count]))
        }
        return copy
    }

    private func removeAll(_ path: String) throws {
        for name in try FileSystem.list(path) {
            let inner = "\(path)/\(name)"
            if try FileSystem.status(inner).kind == .directory {
                try removeAll(inner)
            } else {
                try FileSystem.unlink(inner)
            }
        }
        rmdir(path)
    }
}

struct LiveFigures: Codable {
    /// Judged by its median.
    var onDisk: TimesTaken
    /// The same in a file system without a disk: what is ours.
    var inMemory: TimesTaken
    var controls: LaneBench.Controls
}
