import CMicroHTTPD

/// How requests are read, so that nobody can hide one within another.
struct HTTPReading: Hashable, Sendable {
    /// libmicrohttpd is told to refuse by itself what RFC 9112 does not allow.
    var isStrict: Bool
    /// `HTTPHeadLines` looks at how the head lies in memory, which only some versions lay out as it thinks.
    var looksAtLines: Bool

    /// The first is for 0.9.75, which refuses little by itself, and answers some of that with its head twice.
    static let known = [
        HTTPReading(isStrict: false, looksAtLines: true), HTTPReading(isStrict: true, looksAtLines: true),
        HTTPReading(isStrict: true, looksAtLines: false),
    ]
}

/// Tries at the first start of a server what the installed libmicrohttpd makes of requests that two readers could divide in
/// two ways, and how such are to be read with it. Where nothing refuses them all, nothing is served.
enum HTTPSelfCheck {
    /// Once in a process.
    static let chosen: Result<HTTPReading, CollectorFailure> = Result { () throws(CollectorFailure) in
        try choose(HTTPReading.known)
    }

    static func choose(_ readings: [HTTPReading]) throws(CollectorFailure) -> HTTPReading {
        var found: [String] = []
        for reading in readings {
            found = try problems(reading)
            if found.isEmpty { return reading }
        }
        let version = MHD_get_version().map { String(cString: $0) } ?? "of an unknown version"
        throw CollectorFailure(
            "serve with", "libmicrohttpd \(version)",
            "it reads requests in ways that can be abused: "
                + found.joined(separator: ", "),
            advice: "install 0.9.75, or a newer one that refuses these, and report the version")
    }

    /// What is read otherwise than it should be, by its name.
    static func problems(_ reading: HTTPReading) throws(CollectorFailure) -> [String] {
        let listener = try ListeningSocket(address: "127.0.0.1", port: 0)
        let server = try HTTPServer(listener, reading: reading, routes: Answers())
        defer { server.stop() }
        var found: [String] = []
        for (name, request) in refused {
            let said = try LoopbackExchange.said(to: request + second, port: server.port)
            if said.isEmpty || said.contains(answer) { found.append(name) }
        }
        for (name, request) in taken {
            let said = try LoopbackExchange.said(to: request + second, port: server.port)
            if said.components(of: answer) != 2 { found.append(name) }
        }
        return found
    }

    private final class Answers: HTTPRoutes {
        func admit(_ head: HTTPHead) -> HTTPAdmission { .accept(bodyLimit: 16) }
        func handle(_ request: HTTPRequest) { request.answer(.text(HTTPSelfCheck.answer)) }
    }

    private static let answer = "it was taken"
    private static let second = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    private static func get(_ headers: String, line: String = "GET / HTTP/1.1\r\n") -> String {
        "\(line)Host: localhost\r\n\(headers)\r\n"
    }

    private static let taken = [
        ("a request as it should be", get("A: b\r\nC:\r\nD: \t e\r\n")),
        ("a request with a body", get("Content-Length: 5\r\n", line: "POST /a?b=c&d HTTP/1.1\r\n") + "token"),
    ]

    private static let refused = [
        ("two blanks before the address", get("", line: "GET  / HTTP/1.1\r\n")),
        ("two blanks before the version", get("", line: "GET /  HTTP/1.1\r\n")),
        ("a NUL in the method", get("", line: "GE\0T / HTTP/1.1\r\n")),
        ("a NUL behind the method", get("", line: "GET\0 / HTTP/1.1\r\n")),
        ("a NUL in the address", get("", line: "GET /\0a HTTP/1.1\r\n")),
        ("a NUL in the version", get("", line: "GET / HTTP/1.1\0\r\n")),
        ("a NUL in a header's name", get("A\0B: c\r\n")),
        ("a NUL in a header's value", get("A: b\0c\r\n")),
        ("a NUL at a value's end", get("A: b\0\r\n")),
        ("a NUL behind a number", get("Content-Length: 5\0\r\n") + "token"),
        ("a folded line", get("A: b\r\n c\r\n")),
        ("an empty folded line", get("A: b\r\n \r\nC: d\r\n")),
        ("a folded length", get("Content-Length:\r\n 5\r\n") + "token"),
        ("a blank before a colon", get("Content-Length : 5\r\n") + "token"),
        ("a tab before a colon", get("A\t: b\r\n")),
        ("a line that ends with LF", get("A: b\n")),
        ("a first line that ends with LF", get("", line: "GET / HTTP/1.1\n")),
        ("an empty line that is LF", String(get("").dropLast()) + "\n"),
        ("a lone CR", get("A: b\rC: d\r\n")),
        ("two lengths", get("Content-Length: 5\r\nContent-Length: 6\r\n") + "token"),
        ("a length with a sign", get("Content-Length: +5\r\n") + "token"),
        ("length and chunks", get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n"),
        ("chunks and length", get("transfer-ENCODING: Chunked\r\nContent-Length: 5\r\n") + "0\r\n\r\n"),
        ("chunks", get("Transfer-Encoding: chunked\r\n") + "5;a=\n\r\ntoken\r\n0\r\n\r\n"),
    ]
}

extension String {
    /// How often `part` stands in it.
    fileprivate func components(of part: String) -> Int {
        var (count, rest) = (0, self[...])
        while let found = rest.firstRange(of: part) {
            count += 1
            rest = rest[found.upperBound...]
        }
        return count
    }
}
