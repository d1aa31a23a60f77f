import Glibc
import Posix
import TestSupport
import Testing

@Suite struct FileSystemTests {
    @Test("directories are made with those above them, and making them again is fine")
    func makeDirectories() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a/b/c")
        try FileSystem.makeDirectories(path, mode: 0o700)
        try FileSystem.makeDirectories(path + "/", mode: 0o700)
        #expect(try FileSystem.status(path).mode == 0o700)
        #expect(try FileSystem.status(directory.file("a")).kind == .directory)
    }

    @Test("a file where a directory should be is refused as that")
    func fileInTheWay() throws {
        let directory = try TemporaryDirectory()
        try FileSystem.replace(directory.file("a"), with: [], mode: 0o600)
        for path in ["a", "a/b"] {
            #expect { try FileSystem.makeDirectories(directory.file(path)) } throws: {
                ($0 as? SystemFailure)?.code == ENOTDIR
            }
        }
    }

    @Test("replacing gives the new contents and mode and leaves no partial file")
    func replace() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("cursor")
        try FileSystem.replace(path, with: Array("old".utf8), mode: 0o644)
        try FileSystem.replace(path, with: Array("new".utf8), mode: 0o600)
        #expect(try FileSystem.read(path, limit: 10) == Array("new".utf8))
        #expect(try FileSystem.status(path).mode == 0o600)
        #expect(try FileSystem.list(directory.path) == ["cursor"])
    }

    @Test("when writing the new contents fails the old file stays and no partial file is left")
    func replaceFails() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("cursor")
        try FileSystem.replace(path, with: Array("old".utf8), mode: 0o600)
        #expect(throws: SystemFailure.self) {
            try FileSystem.replace(path, mode: 0o600) { (file) throws(SystemFailure) in
                try file.writeAll(Array("ne".utf8))
                throw SystemFailure("write", "the rest", code: ENOSPC)
            }
        }
        #expect(try FileSystem.read(path, limit: 10) == Array("old".utf8))
        #expect(try FileSystem.list(directory.path) == ["cursor"])
    }

    @Test("replacing a directory fails and leaves no partial file")
    func replaceDirectory() throws {
        let directory = try TemporaryDirectory()
        try FileSystem.makeDirectories(directory.file("d"))
        #expect(throws: SystemFailure.self) { try FileSystem.replace(directory.file("d"), with: [], mode: 0o600) }
        #expect(try FileSystem.list(directory.path) == ["d"])
    }

    @Test("partial files that a crash left are removed, others stay")
    func partialFiles() throws {
        let directory = try TemporaryDirectory()
        for name in [".cursor.1-2.partial", ".hidden", "notes.partial"] {
            try FileSystem.replace(directory.file(name), with: [], mode: 0o600)
        }
        try FileSystem.removePartialFiles(in: directory.path)
        #expect(try FileSystem.list(directory.path) == [".hidden", "notes.partial"])
    }

    @Test("a partial file that another thread is writing stays, and is renamed")
    func partialFileUnderWay() throws {
        let directory = try TemporaryDirectory()
        let remains = ".order.\(getpid())-\(UInt64.max).partial"
        try FileSystem.replace(directory.file(remains), with: [], mode: 0o600)
        try FileSystem.replace(directory.file("order"), mode: 0o600) { (file) throws(SystemFailure) in
            try file.writeAll(Array("locked".utf8))
            try FileSystem.removePartialFiles(in: directory.path)
        }
        #expect(try FileSystem.list(directory.path) == ["order"])
        #expect(try FileSystem.read(directory.file("order"), limit: 10) == Array("locked".utf8))
    }

    @Test("a relative path is replaced where it is")
    func parents() {
        let cases = [
            ("/a/b", "/a"), ("/a/", "/"), ("/", "/"), ("b", "."), ("a//b", "a"), ("a/b/", "a"), ("//a", "/"),
        ]
        for (path, parent) in cases { #expect(FileSystem.parent(of: path) == parent, "\(path)") }
    }

    @Test("reading a directory, a pipe or nothing says which it is")
    func readOthers() throws {
        let directory = try TemporaryDirectory()
        mkfifo(directory.file("pipe"), 0o600)
        for (path, code) in [(directory.path, EISDIR), (directory.file("pipe"), EINVAL), (directory.file("x"), ENOENT)]
        {
            #expect { try FileSystem.read(path, limit: 10) } throws: { ($0 as? SystemFailure)?.code == code }
        }
    }

    @Test("a listing beyond its limit is refused")
    func listLimit() throws {
        let directory = try TemporaryDirectory()
        for name in ["b", "a", "c"] { try FileSystem.replace(directory.file(name), with: [], mode: 0o600) }
        #expect(try FileSystem.list(directory.path, limit: 3) == ["a", "b", "c"])
        #expect(throws: SystemFailure.self) { try FileSystem.list(directory.path, limit: 2) }
    }

    @Test("a mapped file shows its bytes after it was replaced, and an empty one is empty")
    func mapped() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("image")
        try FileSystem.replace(path, with: bytes("01 02 03"), mode: 0o600)
        let mapped = try MappedFile(path, prefault: true)
        try FileSystem.replace(path, with: [], mode: 0o600)
        #expect(Array(mapped.bytes) == [1, 2, 3])
        #expect(try MappedFile(path).count == 0)
        try mapped.lockInMemory()
    }

    @Test("a mapped file does not follow a link")
    func mappedLink() throws {
        let directory = try TemporaryDirectory()
        symlink("/etc/passwd", directory.file("image"))
        #expect { try MappedFile(directory.file("image")) } throws: { ($0 as? SystemFailure)?.code == ELOOP }
    }
}
