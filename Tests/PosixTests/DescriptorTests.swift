import Glibc
import Posix
import TestSupport
import Testing

@Suite struct DescriptorTests {
    @Test("what is written is read back, and reading past the end says so")
    func writeAndRead() throws {
        let directory = try TemporaryDirectory()
        let file = try Descriptor.open(directory.file("a"), [.readWrite, .create, .exclusive])
        try file.writeAll(bytes("01 02 03 04 05"))
        var buffer = [UInt8](repeating: 0, count: 8)
        let count = try buffer.withUnsafeMutableBytes { try file.readFully(into: $0, at: 1) }
        #expect(buffer[..<count] == [2, 3, 4, 5])
        let atEnd = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
        #expect(atEnd == .end)
        try bytes("ff ee").withUnsafeBytes { try file.writeAll($0, at: 2) }
        #expect(try FileSystem.read(directory.file("a"), limit: 5) == bytes("01 02 ff ee 05"))
        try file.truncate(to: 2)
        #expect(try FileSystem.read(directory.file("a"), limit: 5) == bytes("01 02"))
        try file.allocate(bytes: 4)
        #expect(try FileSystem.read(directory.file("a"), limit: 5) == bytes("01 02 00 00"))
    }

    @Test("a file longer than the limit is refused, one of exactly the limit is read", arguments: [0, 1, 4096, 70_000])
    func limit(size: Int) throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a")
        try FileSystem.replace(path, with: [UInt8](repeating: 7, count: size), mode: 0o600)
        #expect(try FileSystem.read(path, limit: size).count == size)
        try FileSystem.replace(path, with: [UInt8](repeating: 7, count: size + 1), mode: 0o600)
        #expect { try FileSystem.read(path, limit: size) } throws: { ($0 as? SystemFailure)?.code == EFBIG }
    }

    @Test("a nonblocking pipe reads wouldBlock while empty and end when its writer has gone")
    func nonblockingPipe() throws {
        var buffer = [UInt8](repeating: 0, count: 8)
        var writer: Descriptor?
        let reader: Descriptor
        do {
            let pipe = try Pipe()
            reader = pipe.reader
            writer = pipe.writer
        }
        #expect(try buffer.withUnsafeMutableBytes { try reader.read(into: $0) } == .wouldBlock)
        try writer?.writeAll([1, 2])
        #expect(try buffer.withUnsafeMutableBytes { try reader.read(into: $0) } == .bytes(2))
        writer = nil
        #expect(try buffer.withUnsafeMutableBytes { try reader.read(into: $0) } == .end)
    }

    @Test("writing to a reader that takes nothing ends at the deadline")
    func writeDeadline() throws {
        let pipe = try Pipe()
        let tooMuch = [UInt8](repeating: 0, count: 1 << 20)
        #expect {
            try pipe.writer.writeAll(tooMuch, by: SystemClock.deadline(milliseconds: 20))
        } throws: {
            ($0 as? SystemFailure)?.code == ETIMEDOUT
        }
        withExtendedLifetime(pipe.reader) {}
    }

    @Test("a second lock on the same file is refused and names this process as the holder")
    func lock() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("lane.lock")
        let first = try Descriptor.open(path, [.readWrite, .create])
        let second = try Descriptor.open(path, [.readWrite])
        try first.lockExclusively()
        #expect {
            try second.lockExclusively()
        } throws: {
            guard let failure = $0 as? SystemFailure else { return false }
            return failure.code == EWOULDBLOCK && failure.advice.hasPrefix("process \(getpid()) (")
        }
        withExtendedLifetime(first) {}
    }

    @Test("a lock is free again when its descriptor has closed")
    func lockEnds() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("lane.lock")
        var first: Descriptor? = try Descriptor.open(path, [.readWrite, .create])
        try first?.lockExclusively()
        first = nil
        try Descriptor.open(path, [.readWrite]).lockExclusively()
    }

    @Test("closing happens when the last reference goes")
    func closing() throws {
        var descriptor: Descriptor? = try Pipe().reader
        let raw = try #require(descriptor?.raw)
        let other = descriptor
        descriptor = nil
        #expect(other?.raw == raw)
    }
}
