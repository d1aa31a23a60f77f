import Glibc
import Posix
import TestSupport
import Testing

@testable import Control

@Suite("The control socket")
struct ControlServerTests {
    @Test("both ends understand each other, several requests a connection too")
    func conversation() throws {
        let running = try RunningServer()
        #expect(try running.ask() == .status(makeStatus()))
        #expect(try running.ask(.explain(.init(type: "chip", identifierHex: "00"))) == .explain(makeExplain()))
        let client = try RawClient(running.path)
        try client.send(#"{"v":1,"request":"status"}"# + "\n" + #"{"v":1,"request":"open"}"# + "\n")
        let lines = try client.text(lines: 2).split(separator: "\n")
        #expect(try ControlReply.parse(lines[0].utf8) == .status(makeStatus()))
        #expect(lines[1].contains("unknown-request"))
    }

    @Test("whoever closes its sending end after the request still gets the reply")
    func halfClosed() throws {
        let running = try RunningServer()
        let client = try RawClient(running.path)
        try client.send(#"{"v":1,"request":"status"}"# + "\n")
        shutdown(client.socket.raw, Int32(SHUT_WR))
        #expect(try client.text().contains(#""reply":"status""#))
    }

    @Test("who commands is told to whoever carries it out, as the kernel says it")
    func commander() throws {
        let running = try RunningServer()
        guard case .commanded(let done) = try running.ask(.mode(.init(mode: "locked"))) else {
            Issue.record("no reply of something done")
            return
        }
        #expect(done.notes == ["user \(Invocation.effectiveUser)"])
    }

    @Test("a request that arrives byte by byte is one request")
    func bytewise() throws {
        let running = try RunningServer()
        let client = try RawClient(running.path)
        for byte in Array((#"{"v":1,"request":"status"}"# + "\n").utf8) { try client.send([byte]) }
        #expect(try client.text(lines: 1).contains(#""reply":"status""#))
    }

    @Test("a line that is too long is refused, and the connection ends", arguments: [4097, 5000, 300_000])
    func hugeLine(length: Int) throws {
        let running = try RunningServer()
        let client = try RawClient(running.path)
        // The server may close before it has taken all of it.
        try? client.send([UInt8](repeating: 0x20, count: length))
        #expect(try client.text().contains("too-long"))
        #expect(try running.ask() == .status(makeStatus()))
    }

    @Test("a line of exactly the longest length is answered")
    func longestLine() throws {
        let running = try RunningServer()
        let client = try RawClient(running.path)
        let request = #"{"v":1,"request":"status"}"#
        try client.send(
            request + String(repeating: " ", count: ControlProtocol.longestRequest - request.utf8.count) + "\n")
        #expect(try client.text(lines: 1).contains(#""reply":"status""#))
    }

    @Test("half a request is dropped at its deadline, and others are served meanwhile")
    func halfLine() throws {
        var limits = ControlServer.Limits()
        limits.requestMilliseconds = 50
        let running = try RunningServer(limits: limits)
        let slow = try RawClient(running.path)
        try slow.send(#"{"v":1,"#)
        #expect(try running.ask() == .status(makeStatus()))
        #expect(try slow.receive() == [])
    }

    @Test("a client that does not take its reply is dropped, and others are served meanwhile")
    func slowReader() throws {
        var limits = ControlServer.Limits()
        limits.replyMilliseconds = 100
        let running = try RunningServer(limits: limits) { _, _ in .explain(makeExplain(rows: 1000)) }
        let slow = try RawClient(running.path)
        // More replies than a socket's buffer takes.
        for _ in 0..<20 { try? slow.send(#"{"v":1,"request":"status"}"# + "\n") }
        #expect(try running.ask() == .explain(makeExplain(rows: 1000)))
        let gone = try eventually {
            // Once the server has closed, sending fails.
            do {
                try slow.send(" ")
                return false
            } catch { return true }
        }
        #expect(gone)
    }

    @Test("clients that vanish at any point do no harm")
    func vanishing() throws {
        let running = try RunningServer()
        let request = Array((#"{"v":1,"request":"status"}"# + "\n").utf8)
        for length in 0...request.count {
            let client = try RawClient(running.path)
            try client.send(Array(request[..<length]))
        }
        #expect(try running.ask() == .status(makeStatus()))
    }

    @Test("the seventeenth client is told that the lane is busy, and gets its turn when one goes")
    func manyClients() throws {
        let running = try RunningServer()
        var clients: [RawClient] = []
        for _ in 0..<16 {
            let client = try RawClient(running.path)
            try client.send(#"{"v":1,"request":"status"}"# + "\n")
            _ = try client.receive(lines: 1)
            clients.append(client)
        }
        #expect(try RawClient(running.path).text().contains("busy"))
        #expect {
            try running.ask()
        } throws: { error in
            if case .refused(let reply)? = error as? ControlFailure { reply.code == .busy } else { false }
        }
        clients.removeLast()
        #expect(try eventually { (try? running.ask()) == .status(makeStatus()) })
    }

    @Test("garbage from many clients at once neither stops the server nor keeps others waiting")
    func garbage() throws {
        var random = SeededGenerator()
        let running = try RunningServer()
        for _ in 0..<150 {
            let client = try RawClient(running.path)
            var bytes = random.bytes(Int.random(in: 0...6000, using: &random))
            if Bool.random(using: &random) { bytes.append(0x0A) }
            try? client.send(bytes)
            if Int.random(in: 0..<10, using: &random) == 0 {
                #expect(try running.ask() == .status(makeStatus()))
            }
        }
        #expect(try running.ask() == .status(makeStatus()))
    }

    @Test("a socket that a dead daemon left is taken over, one in use is refused, and stopping removes it")
    func staleSocket() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("control.sock")
        _ = try UnixSocket.listen(path, mode: 0o600)  // Closed at once; its file stays.
        let server = try ControlServer(path: path) { _, _ in .status(makeStatus()) }
        #expect(try FileSystem.status(path).mode == 0o660)
        #expect(throws: SystemFailure.self) { try ControlServer(path: path) { _, _ in .status(makeStatus()) } }
        #expect(try ControlClient(path: path).ask(.status) == .status(makeStatus()))
        server.stop()
        #expect(try FileSystem.statusIfPresent(path) == nil)
    }

    @Test("the kernel tells the groups of who is connected")
    func peerGroups() throws {
        let (near, far) = try UnixSocket.pair()
        var own = [gid_t](repeating: 0, count: 65_536)
        let count = Int(getgroups(Int32(own.count), &own))
        #expect(try UnixSocket.peerGroups(of: near).sorted() == own[..<max(0, count)].sorted())
        withExtendedLifetime(far) {}
    }

    @Test("without a daemon the failure says what to do, by the deadline")
    func unreachable() throws {
        let directory = try TemporaryDirectory()
        #expect {
            try ControlClient(path: directory.file("none.sock")).ask(.status)
        } throws: { error in
            guard case .unreachable? = error as? ControlFailure else { return false }
            return "\(error)".contains("systemctl start")
        }
    }

    @Test("a daemon that never answers costs no more than the deadline")
    func hanging() throws {
        let directory = try TemporaryDirectory()
        let listener = try UnixSocket.listen(directory.file("control.sock"), mode: 0o600)
        let start = SystemClock.monotonicNanoseconds()
        #expect {
            try ControlClient(path: listener.name, deadlineMilliseconds: 60).ask(.status)
        } throws: { error in
            if case .timedOut? = error as? ControlFailure { true } else { false }
        }
        #expect(SystemClock.monotonicNanoseconds() - start >= 60_000_000)
        withExtendedLifetime(listener) {}
    }

    @Test(
        "a reply that is none is told as such",
        arguments: [
            "\n", "{}\n", "nonsense\n", #"{"v":1,"reply":"dance"}"# + "\n", "half",
            String(repeating: "x", count: 300_000),
        ])
    func wrongReply(reply: String) throws {
        let directory = try TemporaryDirectory()
        let listener = try UnixSocket.listen(directory.file("control.sock"), mode: 0o600)
        let server = try NamedThread.start(name: "wrong reply") {
            guard (try? listener.wait(for: .readable, until: SystemClock.deadline(milliseconds: 60_000))) == true,
                let client = try? UnixSocket.accept(listener)
            else { return }
            try? client.writeAll(Array(reply.utf8), by: SystemClock.deadline(milliseconds: 60_000))
        }
        SignalWatch.ignoreBrokenPipe()
        #expect {
            try ControlClient(path: listener.name).ask(.status)
        } throws: { error in
            if case .malformed? = error as? ControlFailure { true } else { false }
        }
        server.join()
    }
}
