import Glibc
import Posix
import TestSupport
import Testing

@Suite(.serialized) struct SignalTests {
    @Test("a signal to a thread that watches it is read instead of ending the process")
    func watch() throws {
        let seen = try Pipe(nonblocking: false)
        let thread = try NamedThread.start(name: "signals") {
            guard let watch = try? SignalWatch([.reload, .terminate]) else { return }
            pthread_kill(pthread_self(), SIGHUP)
            pthread_kill(pthread_self(), SIGTERM)
            while let signal = watch.next() { try? seen.writer.writeAll([UInt8(signal.rawValue)]) }
            try? seen.writer.writeAll([0])
        }
        thread.join()
        var buffer = [UInt8](repeating: 9, count: 8)
        #expect(try buffer.withUnsafeMutableBytes { try seen.reader.read(into: $0) } == .bytes(3))
        #expect(Set(buffer[..<2]) == [1, 15])
        #expect(buffer[2] == 0)
    }

    @Test("a read and a wait that signals interrupt go on as if nothing had happened")
    func interrupted() throws {
        // A handler that does nothing, without SA_RESTART: the calls see EINTR.
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        sigaction(SIGUSR1, &action, nil)
        let (input, answers) = (try Pipe(nonblocking: false), try Pipe())
        let thread = try NamedThread.start(name: "interrupted") {
            // Threads of Swift's own pools block all signals, and hand that down.
            var only = sigset_t()
            sigemptyset(&only)
            sigaddset(&only, SIGUSR1)
            pthread_sigmask(SIG_UNBLOCK, &only, nil)
            var own = pthread_self()
            withUnsafeBytes(of: &own) { try? answers.writer.writeAll($0) }
            var buffer = [UInt8](repeating: 0, count: 8)
            let outcome = try? buffer.withUnsafeMutableBytes { try input.reader.read(into: $0) }
            let waited = try? input.reader.wait(for: .readable, until: SystemClock.deadline(milliseconds: 40))
            try? answers.writer.writeAll([outcome == .bytes(1) ? 1 : 0, waited == false ? 1 : 0])
        }
        var target = pthread_t()
        #expect(try answers.reader.wait(for: .readable, until: SystemClock.deadline(milliseconds: 60_000)))
        _ = try withUnsafeMutableBytes(of: &target) { try answers.reader.read(into: $0) }
        var signals = 0
        let finished = try eventually {
            pthread_kill(target, SIGUSR1)
            signals += 1
            if signals == 20 { try input.writer.writeAll([7]) }
            return try answers.reader.wait(for: .readable, until: 0)
        }
        #expect(finished)
        thread.join()
        #expect(try readText(answers.reader) == "\u{1}\u{1}")
    }

    @Test("with broken pipes ignored a write without a reader fails with EPIPE")
    func brokenPipe() throws {
        SignalWatch.ignoreBrokenPipe()
        let writer = try Pipe().writer
        #expect { try writer.writeAll([1]) } throws: { ($0 as? SystemFailure)?.code == EPIPE }
    }

    @Test("a thread has its name, cut to 15 bytes")
    func threadName() throws {
        let pipe = try Pipe()
        let thread = try NamedThread.start(name: "a-name-longer-than-15") {
            let name = (try? FileSystem.read("/proc/thread-self/comm", limit: 64)) ?? []
            try? pipe.writer.writeAll(name)
        }
        thread.join()
        #expect(try readText(pipe.reader) == "a-name-longer-t\n")
    }
}

func readText(_ descriptor: Descriptor) throws -> String {
    var buffer = [UInt8](repeating: 0, count: 8192)
    // Nonblocking descriptors only, so that a test that reads too much fails instead of hanging.
    try descriptor.setNonblocking()
    guard case .bytes(let count) = try buffer.withUnsafeMutableBytes({ try descriptor.read(into: $0) }) else {
        return ""
    }
    return String(decoding: buffer[..<count], as: UTF8.self)
}
