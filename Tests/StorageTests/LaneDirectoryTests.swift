import Framing
import Posix
import Storage
import TestSupport
import Testing

@Suite struct LaneDirectoryTests {
    @Test("a second writer is refused and told who the first is")
    func lock() throws {
        let temporary = try TemporaryDirectory()
        let directory = LaneDirectory(temporary.file("north-07"))
        let first = try LaneLock(directory)
        let error = #expect(throws: StorageError.self) { _ = try LaneLock(directory) }
        guard case .locked(let path, let holder)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(path == directory.lockFile)
        #expect(holder.hasPrefix("process \(Invocation.processID) ("))
        #expect(
            try FileSystem.read(directory.lockFile, limit: 64) == Array("\(Invocation.processID)\n".utf8))
        withExtendedLifetime(first) {}
    }

    @Test("the lock is free again when its holder is gone")
    func lockReleased() throws {
        let temporary = try TemporaryDirectory()
        let directory = LaneDirectory(temporary.file("north-07"))
        for _ in 0..<3 { _ = try LaneLock(directory) }
    }

    @Test("folders are made with 0750, and what a crash left half written is removed")
    func prepare() throws {
        let temporary = try TemporaryDirectory()
        let directory = LaneDirectory(temporary.file("state/north-07"))
        try directory.prepareForDaemon()
        try directory.prepareForUplink()
        for path in [directory.path, directory.journal, directory.images, directory.policies, directory.incoming] {
            let status = try FileSystem.status(path)
            #expect(status.kind == .directory && status.mode & 0o027 == 0, "\(path)")
        }
        let partial = "\(directory.images)/.x.img.partial"
        let stranger = "\(directory.images)/notes.txt"
        for path in [partial, stranger] { try FileSystem.replace(path, with: [1], mode: 0o640) }
        try directory.prepareForDaemon()
        #expect(try FileSystem.statusIfPresent(partial) == nil)
        #expect(try FileSystem.statusIfPresent(stranger) != nil)
    }

    @Test("the names of downloads say their version, and other names say none")
    func downloads() {
        for version in [1, 77, UInt64.max] {
            #expect(
                LaneDirectory.incomingImageVersion(name: LaneDirectory.incomingImageName(version: version)) == version)
        }
        for name in ["", "image-1.img", "image-00000000000000000001.part", "image-+0000000000000000001.img"] {
            #expect(LaneDirectory.incomingImageVersion(name: name) == nil)
        }
    }
}
