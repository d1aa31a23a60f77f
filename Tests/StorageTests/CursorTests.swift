import Admission
import Framing
import Glibc
import Posix
import Storage
import TestSupport
import Testing

@Suite struct CursorTests {
    @Test("a cursor reads back, also after it moved back")
    func roundTrip() throws {
        let temporary = try TemporaryDirectory()
        let path = temporary.file("cursor")
        #expect(Cursor.read(path) == .missing)
        for sequence: UInt64 in [5, 900, 17] {
            let stored = StoredThrough(epoch: Epoch(low: 1, high: 2), sequence: sequence)
            try Cursor.write(stored, to: path)
            #expect(Cursor.read(path) == .stored(stored))
        }
        #expect(try FileSystem.status(path).mode == 0o640)
    }

    @Test(
        "whatever else stands there is ignored with a reason",
        arguments: [
            [], Array("stored".utf8), [UInt8](repeating: 0, count: 64), [UInt8](repeating: 0xFF, count: 10_000),
            Array("stored 000102030405060708090a0b0c0d0e0f 5".utf8),
        ])
    func garbage(bytes: [UInt8]) throws {
        let temporary = try TemporaryDirectory()
        let path = temporary.file("cursor")
        try FileSystem.replace(path, with: bytes, mode: 0o640)
        guard case .ignored(let reason) = Cursor.read(path) else {
            Issue.record("it was believed")
            return
        }
        #expect(!reason.isEmpty)
    }

    @Test("a link, a folder and a pipe in its place are ignored without waiting")
    func notAFile() throws {
        let temporary = try TemporaryDirectory()
        let target = temporary.file("target")
        try Cursor.write(StoredThrough(epoch: Epoch(low: 1, high: 2), sequence: 3), to: target)
        #expect(symlink(target, temporary.file("link")) == 0)
        #expect(mkfifo(temporary.file("pipe"), 0o600) == 0)
        try FileSystem.makeDirectories(temporary.file("folder"))
        for name in ["link", "pipe", "folder"] {
            guard case .ignored = Cursor.read(temporary.file(name)) else {
                Issue.record("\(name) was believed")
                return
            }
        }
    }

    @Test("the applied mark reads back; nothing is nothing, and garbage says what to do")
    func applied() throws {
        let temporary = try TemporaryDirectory()
        let path = temporary.file("applied")
        #expect(try AppliedFile.read(path) == nil)
        let mark = AppliedMark(
            imageVersion: 3, changeNumber: 0, headerDigestHex: String(repeating: "ab", count: 32))
        try AppliedFile.write(mark, to: path)
        #expect(try AppliedFile.read(path) == mark)
        try FileSystem.replace(path, with: Array("applied\n".utf8), mode: 0o640)
        #expect(throws: StorageError.self) { try AppliedFile.read(path) }
    }
}
