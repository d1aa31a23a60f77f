import Glibc
import Posix
import Testing

@testable import Uplink

/// Runs one request to its end; nil when it did not end within 20 s.
func perform(
    _ request: Request, on client: CollectorClient, receiver: (any BodyReceiver)? = nil
) throws -> ExchangeOutcome? {
    let exchange = try client.start(request, receiver: receiver)
    let deadline = SystemClock.deadline(milliseconds: 60_000)
    while SystemClock.monotonicNanoseconds() < deadline {
        _ = try client.wait(until: deadline)
        while let (done, outcome) = client.nextFinished() {
            if done === exchange { return outcome }
        }
    }
    return nil
}

func makeSettings(
    _ url: String, connect: Int = 2000, answer: Int = 10_000, image: Int = 10_000, stall: Int = 10
) throws -> CollectorSettings {
    CollectorSettings(
        url: try CollectorURL(url), connectTimeoutMilliseconds: connect, answerTimeoutMilliseconds: answer,
        imageTimeoutMilliseconds: image, stallSeconds: stall)
}

private func ask(
    _ server: RawServer, timeout: Int = 10_000, post: [UInt8]? = nil, receiver: (any BodyReceiver)? = nil
) throws -> ExchangeOutcome? {
    let client = try CollectorClient(makeSettings(server.url))
    let body = post.map { Request.Post(contentType: "application/octet-stream", body: $0) }
    return try perform(
        Request(path: "/v1/thing", post: body, timeoutMilliseconds: timeout), on: client, receiver: receiver)
}

extension ExchangeOutcome {
    var answer: Answer? { if case .answered(let answer) = self { answer } else { nil } }
    var failure: TransferFailure? { if case .failed(let failure) = self { failure } else { nil } }
}

private final class Gathering: BodyReceiver {
    var bytes: [UInt8] = []
    var begun = 0
    let most: Int
    init(most: Int = .max) { self.most = most }
    func begin(_ head: AnswerHead) throws(TransferFailure) { begun += 1 }
    func take(_ more: UnsafeRawBufferPointer) throws(TransferFailure) {
        guard bytes.count + more.count <= most else { throw TransferFailure(.tooLarge, "enough") }
        bytes.append(contentsOf: more)
    }
}

@Suite("The client of the collector", .serialized)
struct CollectorClientTests {
    @Test("until a connection stands one exchange goes alone, and then the others follow")
    func oneHandshake() throws {
        // The kernel completes connections here, and nobody shakes hands.
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 16) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        try #require(isBound)
        let port = UInt16(bigEndian: address.sin_port)
        let client = try CollectorClient(makeSettings("https://127.0.0.1:\(port)", connect: 60_000))
        let request = Request(path: "/v1/thing", timeoutMilliseconds: 60_000)
        let exchanges = try (0..<3).map { _ in try client.start(request) }

        /// A connection that came; nil when none did while the client worked for so long.
        func next(withinMilliseconds milliseconds: Int) throws -> Int32? {
            let deadline = SystemClock.deadline(milliseconds: milliseconds)
            repeat {
                _ = try client.wait(until: min(deadline, SystemClock.deadline(milliseconds: 20)))
                let raw = accept(listener, nil, nil)
                if raw >= 0 { return raw }
            } while SystemClock.monotonicNanoseconds() < deadline
            return nil
        }
        for place in exchanges.indices {
            let raw = try #require(try next(withinMilliseconds: 60_000))
            // Enough for the others to come, if they were on their way.
            #expect(try next(withinMilliseconds: 100) == nil)
            close(raw)
            var done: Exchange?
            while done == nil {
                _ = try client.wait(until: SystemClock.deadline(milliseconds: 20))
                done = client.nextFinished()?.0
            }
            #expect(done === exchanges[place])
        }
    }

    @Test("a batch goes up whole and the answer comes back with status, headers and body")
    func posts() throws {
        let sent = (0..<130_000).map { UInt8(truncatingIfNeeded: $0) }
        let server = try RawServer { connection in
            let body = connection.body()
            let same = body == (0..<130_000).map { UInt8(truncatingIfNeeded: $0) }
            connection.answer("200 OK", ["ETag: \"x\"", "X-Other: 1"], text: same ? "same" : "other \(body.count)")
        }
        defer { server.stop() }
        let answer = try #require(try ask(server, post: sent)?.answer)
        #expect(answer.head.status == 200)
        #expect(answer.head["etag"] == "\"x\"")
        #expect(answer.head["x-other"] == nil)
        #expect(answer.body == Array("same".utf8))
        let head = try #require(server.requests.first)
        #expect(head.hasPrefix("POST /v1/thing HTTP/1.1\r\n"))
        #expect(head.contains("Content-Type: application/octet-stream"))
        #expect(!head.contains("Expect"))
    }

    @Test("nobody listening is unreachable")
    func down() throws {
        let client = try CollectorClient(makeSettings("http://127.0.0.1:\(try freePort())"))
        let outcome = try perform(Request(path: "/", timeoutMilliseconds: 5000), on: client)
        #expect(outcome?.failure?.kind == .unreachable)
    }

    enum Slowness: CaseIterable, Sendable {
        case beforeHead, midHead, midBody, dripHead, dripBody
    }

    @Test("an answer that stalls or drips ends at the total deadline", arguments: Slowness.allCases)
    func slow(_ slowness: Slowness) throws {
        let server = try RawServer { connection in
            switch slowness {
            case .beforeHead: break
            case .midHead: connection.send("HTTP/1.1 200 O")
            case .midBody, .dripBody: connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc")
            case .dripHead: connection.send("HTTP/1.1 200 OK\r\nX-Long: ")
            }
            switch slowness {
            case .beforeHead, .midHead, .midBody: connection.stallUntilClosed()
            case .dripHead, .dripBody: connection.drip([0x61], everyMilliseconds: 10)
            }
        }
        defer { server.stop() }
        #expect(try ask(server, timeout: 300)?.failure?.kind == .tooSlow)
    }

    @Test("no byte for the stall time ends a transfer before its total deadline")
    func stalls() throws {
        let server = try RawServer { connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            connection.stallUntilClosed()
        }
        defer { server.stop() }
        let client = try CollectorClient(makeSettings(server.url, stall: 1))
        let outcome = try perform(Request(path: "/", timeoutMilliseconds: 3_600_000), on: client)
        #expect(outcome?.failure?.kind == .tooSlow)
    }

    @Test(
        "what is not a whole HTTP answer is broken",
        arguments: [
            "\u{1}\u{2}\u{3} no HTTP at all\r\n\r\n", "220 smtp.example ESMTP\r\n", "", "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "<html>200 OK</html>",
        ])
    func nonsense(_ answer: String) throws {
        let server = try RawServer { connection in
            connection.send(answer)
            connection.close()
        }
        defer { server.stop() }
        #expect(try ask(server)?.failure?.kind == .broken)
    }

    @Test("a connection that is reset during the upload is broken")
    func resetMidUpload() throws {
        let server = try RawServer { $0.reset(afterBodyBytes: 4096) }
        defer { server.stop() }
        let big = [UInt8](repeating: 7, count: 8 << 20)
        #expect(try ask(server, post: big)?.failure?.kind == .broken)
    }

    @Test("a redirect is an answer and is not followed")
    func redirect() throws {
        let server = try RawServer { connection in
            connection.answer("302 Found", ["Location: \(connection.path == "/v1/thing" ? "/elsewhere" : "/x")"])
        }
        defer { server.stop() }
        #expect(try ask(server)?.answer?.head.status == 302)
        #expect(server.requests.count == 1)
    }

    @Test("a body longer than 64 KiB is too large, with and without a length", arguments: [true, false])
    func hugeBody(withLength: Bool) throws {
        let server = try RawServer { connection in
            connection.send("HTTP/1.1 200 OK\r\n" + (withLength ? "Content-Length: 100000000\r\n" : "") + "\r\n")
            while connection.isOpen { connection.send([UInt8](repeating: 0x20, count: 65_536)) }
        }
        defer { server.stop() }
        #expect(try ask(server)?.failure?.kind == .tooLarge)
    }

    @Test("headers without end are too large", arguments: ["X-Again: yes\r\n", "HTTP/1.1 100 Continue\r\n\r\n"])
    func hugeHead(_ line: String) throws {
        let server = try RawServer { connection in
            if !line.hasPrefix("HTTP") { connection.send("HTTP/1.1 200 OK\r\n") }
            let lines = String(repeating: line, count: 1000)
            while connection.isOpen { connection.send(lines) }
        }
        defer { server.stop() }
        #expect(try ask(server)?.failure?.kind == .tooLarge)
    }

    @Test("a receiver gets the body of a 200 and of no error, and may refuse it")
    func receiver() throws {
        let server = try RawServer { connection in
            connection.answer(
                connection.header("x-fail") == nil ? "200 OK" : "500 Oh", [], [UInt8](repeating: 9, count: 200_000))
        }
        defer { server.stop() }
        let all = Gathering()
        let answer = try #require(try ask(server, receiver: all)?.answer)
        #expect(all.bytes.count == 200_000 && all.begun == 1 && answer.body.isEmpty)
        let few = Gathering(most: 1000)
        #expect(try ask(server, receiver: few)?.failure == TransferFailure(.tooLarge, "enough"))
        let none = Gathering()
        let client = try CollectorClient(makeSettings(server.url))
        let failed = try perform(
            Request(path: "/", headers: ["X-Fail: 1"], timeoutMilliseconds: 5000), on: client, receiver: none)
        #expect(failed?.failure?.kind == .tooLarge && none.begun == 0)
    }

    @Test("a header that came twice with different values counts as none")
    func doubledHeader() throws {
        let server = try RawServer { $0.answer("200 OK", ["ETag: \"a\"", "ETag: \"b\"", "Retry-After: 3"]) }
        defer { server.stop() }
        let head = try #require(try ask(server)?.answer?.head)
        #expect(head["etag"] == nil && head["retry-after"] == "3")
    }

    @Test("a proxy of the environment is not asked")
    func proxy() throws {
        let server = try RawServer { $0.answer("200 OK", [], text: "direct") }
        defer { server.stop() }
        setenv("http_proxy", "http://127.0.0.1:9/", 1)
        defer { unsetenv("http_proxy") }
        #expect(try ask(server)?.answer?.body == Array("direct".utf8))
    }

    @Test("exchanges run side by side, one can be cancelled, and one above the limit is refused")
    func together() throws {
        let server = try RawServer { connection in
            if connection.path == "/slow" { connection.stallUntilClosed() } else { connection.answer("200 OK") }
        }
        defer { server.stop() }
        let client = try CollectorClient(makeSettings(server.url))
        let slow = try (0..<CollectorClient.mostExchanges - 1).map { _ in
            try client.start(Request(path: "/slow", timeoutMilliseconds: 60_000))
        }
        #expect(try perform(Request(path: "/quick", timeoutMilliseconds: 10_000), on: client)?.answer != nil)
        _ = try client.start(Request(path: "/slow", timeoutMilliseconds: 60_000))
        #expect(throws: TransferFailure.self) {
            try client.start(Request(path: "/slow", timeoutMilliseconds: 60_000))
        }
        client.cancel(slow[0])
        _ = try client.start(Request(path: "/slow", timeoutMilliseconds: 60_000))
    }

    @Test("waiting ends when another descriptor becomes readable")
    func otherDescriptor() throws {
        let server = try RawServer { $0.stallUntilClosed() }
        defer { server.stop() }
        let client = try CollectorClient(makeSettings(server.url))
        _ = try client.start(Request(path: "/", timeoutMilliseconds: 60_000))
        let bell = try WakeUp()
        bell.signal()
        let ready = try client.wait(until: SystemClock.deadline(milliseconds: 60_000), alsoFor: [bell.raw])
        #expect(ready == [true])
    }
}

@Suite("The collector's URL")
struct CollectorURLTests {
    @Test(
        "loopback by http, and anything by https",
        arguments: [
            "http://127.0.0.1:8480", "http://127.8.9.10/", "http://[::1]:80", "http://localhost:8480",
            "https://collector.example", "https://10.0.0.1:8443/site/",
        ])
    func accepted(_ text: String) throws {
        let url = try CollectorURL(text)
        #expect(url.isEncrypted == text.hasPrefix("https"))
        #expect(url.appending("/v1/image").hasSuffix("/v1/image") && !url.appending("/v1/image").contains("//v1"))
    }

    @Test(
        "anything else is refused",
        arguments: [
            "http://10.0.0.1", "http://collector.example", "http://127.0.0.1.example", "http://0.0.0.0:80",
            "ftp://127.0.0.1", "file:///etc/passwd", "127.0.0.1:8480", "", "http://", "http://user@127.0.0.1",
            "http://u:p@127.0.0.1", "http://127.0.0.1/?q", "http://127.0.0.1/#f", "http://127.0.0.1:99999",
            "http://[::2]", "http://127.0.0.1 /", "http://128.0.0.1", "http://localhost@evil.example/",
            "http://[::ffff:10.0.0.1]/",
        ])
    func refused(_ text: String) {
        #expect(throws: CollectorURL.Refusal.self) { try CollectorURL(text) }
    }
}
