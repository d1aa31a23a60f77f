import Glibc
import TestSupport
import Testing

@testable import Posix

@Suite struct LogTests {
    @Test("a line has time, level and message, with control characters escaped")
    func line() throws {
        let pipe = try Pipe()
        LogSink(descriptor: pipe.writer.raw).write(.warning, "北登录厅 a\nb\u{1b}[2J\u{202e}x\u{85}")
        let line = try readText(pipe.reader)
        #expect(line.hasSuffix("Z warning: 北登录厅 a\\nb\\u{1b}[2J\\u{202e}x\\u{85}\n"))
        #expect(try Timestamp.parse(String(line.prefix(24))) > 0)
        withExtendedLifetime(pipe) {}
    }

    @Test("for the journal's own socket a line has a priority, for a socket that only inherited the variable a time")
    func journal() throws {
        let (ours, theirs) = try UnixSocket.pair()
        let status = try ours.status()
        #expect(LogSink.isJournal(ours.raw, stream: "\(status.device):\(status.inode)"))
        #expect(!LogSink.isJournal(ours.raw, stream: "\(status.device):\(status.inode + 1)"))
        #expect(!LogSink.isJournal(ours.raw, stream: nil))
        let line = LogSink(descriptor: ours.raw, stream: "\(status.device):\(status.inode)").line(.error, "x")
        #expect(String(decoding: line, as: UTF8.self) == "<3>x\n")
        withExtendedLifetime((ours, theirs)) {}
    }

    @Test("a long line is cut at a whole character and stays one write")
    func long() throws {
        let pipe = try Pipe()
        LogSink(descriptor: pipe.writer.raw).write(.error, String(repeating: "厅", count: 5000))
        let line = try readText(pipe.reader)
        #expect(line.utf8.count <= LogSink.maximumLineBytes)
        #expect(line.hasSuffix("厅…\n"))
        withExtendedLifetime(pipe) {}
    }

    @Test("a reader that hangs does not hold the program up, and learns how many lines it lost")
    func hungReader() throws {
        let pipe = try Pipe(nonblocking: false)
        let sink = LogSink(descriptor: pipe.writer.raw)
        // A pipe holds 64 KiB: this is more, in lines of about 1 kB.
        for _ in 0..<100 { sink.write(.information, String(repeating: "x", count: 1000)) }
        try pipe.reader.setNonblocking()
        while try !readText(pipe.reader).isEmpty {}
        sink.write(.information, "after")
        let drained = try readText(pipe.reader)
        #expect(drained.contains("log lines were dropped"))
        #expect(drained.hasSuffix("info: after\n"))
        withExtendedLifetime(pipe) {}
    }

    @Test("a closed stderr, or one whose reader has gone, is ignored")
    func closed() throws {
        SignalWatch.ignoreBrokenPipe()
        LogSink(descriptor: -1).write(.error, "nobody")
        LogSink(descriptor: 1_000_000).write(.error, "nobody")
        let writer = try Pipe().writer
        LogSink(descriptor: writer.raw).write(.error, "nobody")
        withExtendedLifetime(writer) {}
    }
}
