import Glibc
import Posix
import TestSupport
import Testing

@testable import Collector

@Suite("The HTTP server")
struct HTTPServerTests {
    /// Gives everybody the same answer.
    final class SameAnswer: HTTPRoutes {
        let response: HTTPResponse

        init(_ response: HTTPResponse) { self.response = response }

        func admit(_ head: HTTPHead) -> HTTPAdmission { .accept(bodyLimit: 0) }
        func handle(_ request: HTTPRequest) { request.answer(response) }
    }

    static func makeServer(_ response: HTTPResponse) throws -> HTTPServer {
        try HTTPServer(ListeningSocket(address: "127.0.0.1", port: 0), routes: SameAnswer(response))
    }

    @Test("who does not take his answer in its time is cut, however steadily he sips, and others are answered")
    func slowReaders() throws {
        var large = HTTPResponse(200, "text/plain", [UInt8](repeating: 0x61, count: 64 << 20))
        large.patienceMilliseconds = 300
        let server = try Self.makeServer(large)
        defer { server.stop() }
        let sips = try Wire(port: server.port)
        let takesNothing = try Wire(port: server.port)
        for wire in [sips, takesNothing] { try wire.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") }
        let areCut = try eventually(within: 60_000) {
            server.cutLate()
            // One part of what lies there, so that the connection is never idle.
            _ = try sips.isClosed(within: 0)
            return server.figures.cut == 2 && server.connectionCount == 0
        }
        #expect(areCut)
        #expect(server.figures.answers == [0, 2, 0, 0, 0])
        #expect(server.figures.requests == 0)
        let next = try Wire(port: server.port)
        try next.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(try next.answer(hasBody: false)?.status == 200)
    }

    @Test("a hundred connections that come and go leave none behind")
    func comeAndGo() throws {
        let server = try Self.makeServer(.text("ok"))
        defer { server.stop() }
        for turn in 0..<100 {
            let wire = try Wire(port: server.port)
            // Some go without a word, some in the middle of one.
            try wire.send(["", "GET / HT", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"][turn % 3])
        }
        var second: UInt64 = 0
        let areGone = try eventually {
            // As if a second went by each time: who went is looked for that often.
            second += 1_000_000_000
            server.cutLate(now: second)
            return server.figures.connectionsEver == 100 && server.connectionCount == 0
        }
        #expect(areGone)
        #expect(server.figures.cut == 0)
        #expect(server.figures.requests == 0)
        #expect(server.figures.bodyBytes == 0)
    }

    static func group(_ text: String) -> AddressGroup {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET6, text, &bytes) != 1 {
            bytes[10] = 0xFF
            bytes[11] = 0xFF
            bytes.withUnsafeMutableBytes { _ = inet_pton(AF_INET, text, $0.baseAddress.map { $0 + 12 }) }
        }
        return AddressGroup(bytes: bytes)
    }

    @Test(
        "an IPv4 address counts alone, in either writing, and IPv6 addresses by their network",
        arguments: [
            ("10.0.0.1", "10.0.0.1", true), ("10.0.0.1", "10.0.0.2", false), ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("2001:db8::1", "2001:db8::ffff:2", true), ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::1", "::2", false), ("127.0.0.1", "::1", false),
        ])
    func groups(_ one: String, _ other: String, _ isSame: Bool) {
        #expect((Self.group(one) == Self.group(other)) == isSame)
    }

    @Test(
        "only 127.0.0.1 and ::1 are this machine",
        arguments: [
            ("127.0.0.1", true), ("::ffff:127.0.0.1", true), ("::1", true), ("127.0.0.2", false), ("::", false),
            ("10.0.0.1", false), ("2001:db8::1", false),
        ])
    func thisMachine(_ text: String, _ isThisMachine: Bool) {
        #expect(Self.group(text).isThisMachine == isThisMachine)
    }

    @Test("an address has so many, this machine any number, and a refusal is said once a minute")
    func counting() {
        var counts = ConnectionsByAddress(most: 2)
        let (stranger, here) = (Self.group("10.0.0.1"), Self.group("127.0.0.1"))
        for _ in 0..<2 { counts.opened(stranger) }
        for _ in 0..<9 { counts.opened(here) }
        #expect(!counts.mayOpen(stranger))
        #expect(counts.mayOpen(here))
        #expect(counts.mayOpen(Self.group("10.0.0.2")))
        #expect([0, 59_999, 60_000, 60_001].map { counts.refused(now: $0) } == [true, false, true, false])
        #expect(counts.refusedEver == 4)
        counts.closed(stranger)
        #expect(counts.mayOpen(stranger))
        // More go than came: nothing falls below none.
        for _ in 0..<5 { counts.closed(stranger) }
        counts.opened(stranger)
        #expect(counts.mayOpen(stranger))
    }
}
