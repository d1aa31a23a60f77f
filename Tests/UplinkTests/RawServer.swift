import Glibc
import Posix
import Synchronization
import TestSupport

/// An HTTP server for tests that knows no HTTP: it listens on a free loopback port, reads a request's head, and the test
/// writes what it likes as the answer, byte for byte. One thread a connection, all joined at `stop`, which every test calls.
final class RawServer: Sendable {
    let port: UInt16
    private let listener: Int32
    private let stopping = WakeUpFlag()
    private let isClosed = Atomic<Bool>(false)
    private let threads = Mutex<[NamedThread]>([])
    private let heads = Mutex<[String]>([])
    private let script: @Sendable (RawConnection) -> Void

    var url: String { "http://127.0.0.1:\(port)" }
    /// The heads of all requests so far, in the order of their arrival.
    var requests: [String] { heads.withLock { $0 } }
    func requests(to path: String) -> [String] {
        requests.filter { $0.split(separator: " ").dropFirst().first.map(String.init) == path }
    }

    /// `script` runs for every request head of every connection, until it closes the connection. A fixed `port` lets a
    /// server come back where a former one was.
    init(port wanted: UInt16 = 0, script: @escaping @Sendable (RawConnection) -> Void) throws {
        var bound = try Self.listen(wanted)
        // A program just started holds a copy of the former listener until its exec is complete.
        _ = try eventually {
            if case .failure(EADDRINUSE) = bound, wanted != 0 { bound = try Self.listen(wanted) }
            if case .failure(EADDRINUSE) = bound { return false }
            return true
        }
        switch bound {
        case .success(let listener, let port): (self.listener, self.port) = (listener, port)
        case .failure(let code): throw SystemFailure("listen at", "a loopback port", code: code)
        }
        self.script = script
        let acceptor = try NamedThread.start(name: "raw-accept") { [self] in acceptAll() }
        threads.withLock { $0.append(acceptor) }
    }

    private enum Bound {
        case success(Int32, port: UInt16)
        case failure(Int32)
    }

    private static func listen(_ wanted: UInt16) throws -> Bound {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard listener >= 0 else { throw SystemFailure("make", "a test socket", code: errno) }
        var one: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = loopbackAddress(port: wanted)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer -> Int32 in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { base in
                guard bind(listener, base, length) == 0, Glibc.listen(listener, 64) == 0,
                    getsockname(listener, base, &length) == 0
                else { return errno }
                return 0
            }
        }
        guard code != 0 else { return .success(listener, port: UInt16(bigEndian: address.sin_port)) }
        close(listener)
        return .failure(code)
    }

    private func acceptAll() {
        while let connection = next() {
            let thread = try? NamedThread.start(name: "raw-serve") { [self] in serve(connection) }
            if let thread { threads.withLock { $0.append(thread) } }
        }
    }

    private func next() -> RawConnection? {
        // No bound: a client may keep its connection, and come back long after. `stop` ends it.
        guard stopping.waitReadable(listener, milliseconds: -1) else { return nil }
        let raw = accept(listener, nil, nil)
        return raw < 0 ? nil : RawConnection(raw, stopping)
    }

    private func serve(_ connection: RawConnection) {
        while connection.isOpen, connection.readHead() {
            heads.withLock { $0.append(connection.head) }
            script(connection)
            connection.skipBody()
        }
        connection.close()
    }

    /// Ends all connections and waits for the threads.
    func stop() {
        stopping.raise()
        while let thread = threads.withLock({ $0.popLast() }) { thread.join() }
        if !isClosed.exchange(true, ordering: .relaxed) { close(listener) }
    }
}

private func loopbackAddress(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr = in_addr(s_addr: UInt32(0x7F00_0001).bigEndian)
    return address
}

/// A port on which nobody listens just now.
func freePort() throws -> UInt16 {
    let server = try RawServer { $0.close() }
    defer { server.stop() }
    return server.port
}

/// Set once; waits for a descriptor end when it is.
final class WakeUpFlag: Sendable {
    private let pipe: (Int32, Int32)

    init() {
        var ends: (Int32, Int32) = (-1, -1)
        withUnsafeMutableBytes(of: &ends) {
            _ = Glibc.pipe($0.assumingMemoryBound(to: Int32.self).baseAddress)
        }
        pipe = ends
    }

    deinit {
        close(pipe.0)
        close(pipe.1)
    }

    func raise() { _ = write(pipe.1, "x", 1) }

    var isRaised: Bool {
        var entry = pollfd(fd: pipe.0, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) > 0
    }

    /// false when the flag was raised, or after `milliseconds` (-1: never).
    func waitReadable(_ descriptor: Int32, milliseconds: Int32 = 30_000) -> Bool {
        var entries = [
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: pipe.0, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            let ready = poll(&entries, 2, milliseconds)
            if ready < 0 && errno == EINTR { continue }
            return ready > 0 && entries[1].revents == 0
        }
    }
}

/// One connection of a `RawServer`, on that connection's thread.
final class RawConnection: @unchecked Sendable {
    // Unchecked: used by one thread at a time.
    private var raw: Int32
    private let stopping: WakeUpFlag
    private var buffered: [UInt8] = []
    private var bodyLeft = 0
    /// Request line and headers of the present request.
    private(set) var head = ""

    fileprivate init(_ raw: Int32, _ stopping: WakeUpFlag) {
        self.raw = raw
        self.stopping = stopping
    }

    deinit { close() }

    var isOpen: Bool { raw >= 0 }
    /// `/v1/image`
    var path: String { head.split(separator: " ").dropFirst().first.map(String.init) ?? "" }

    func header(_ name: String) -> String? {
        for line in head.split(separator: "\r\n").dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == name { return parts[1].drop { $0 == " " }.description }
        }
        return nil
    }

    fileprivate func readHead() -> Bool {
        while true {
            if let end = firstEmptyLine() {
                head = String(decoding: buffered[..<end], as: UTF8.self)
                buffered.removeFirst(end + 4)
                bodyLeft = header("content-length").flatMap { Int($0) } ?? 0
                return true
            }
            guard receive() else { return false }
        }
    }

    private func firstEmptyLine() -> Int? {
        let mark: [UInt8] = [13, 10, 13, 10]
        guard buffered.count >= 4 else { return nil }
        return (0...(buffered.count - 4)).first { Array(buffered[$0..<$0 + 4]) == mark }
    }

    private func receive() -> Bool {
        guard raw >= 0, stopping.waitReadable(raw) else { return false }
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = read(raw, &chunk, chunk.count)
        guard count > 0 else { return false }
        buffered.append(contentsOf: chunk[..<count])
        return true
    }

    /// The body, as long as its Content-Length says (or as much of it as came).
    func body() -> [UInt8] {
        while buffered.count < bodyLeft, receive() {}
        let body = Array(buffered.prefix(bodyLeft))
        buffered.removeFirst(body.count)
        bodyLeft -= body.count
        return body
    }

    fileprivate func skipBody() {
        if bodyLeft > 0 && isOpen { _ = body() }
    }

    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) {
        var done = 0
        while raw >= 0, done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(raw, $0.baseAddress?.advanced(by: done), bytes.count - done, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return close() }
            done += count
        }
    }

    /// A whole answer with its Content-Length.
    func answer(_ status: String, _ headers: [String] = [], _ body: [UInt8] = []) {
        _ = self.body()
        let lines = ["HTTP/1.1 \(status)", "Content-Length: \(body.count)"] + headers
        send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body)
    }

    func answer(_ status: String, _ headers: [String] = [], text: String) { answer(status, headers, Array(text.utf8)) }

    /// Says nothing more until the client goes away, or the server is stopped.
    func stallUntilClosed() {
        while receive() { buffered.removeAll() }
        close()
    }

    /// Sends `bytes` over and over, one at a time, each after the client was quiet for `milliseconds`, until it goes.
    func drip(_ bytes: [UInt8], everyMilliseconds: Int32) {
        var index = 0
        while raw >= 0 {
            if stopping.waitReadable(raw, milliseconds: everyMilliseconds) {
                var byte: UInt8 = 0
                if read(raw, &byte, 1) <= 0 { return close() }
                continue
            }
            if stopping.isRaised { return close() }
            send([bytes[index % bytes.count]])
            index += 1
        }
    }

    /// Reads about `count` bytes of the body and resets the connection (RST instead of FIN).
    func reset(afterBodyBytes count: Int = 0) {
        while buffered.count < min(count, bodyLeft), receive() {}
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(raw, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    func close() {
        guard raw >= 0 else { return }
        _ = Glibc.close(raw)
        raw = -1
    }
}
