import Posix

/// Method, path and headers of a request, before any of its body.
struct HTTPHead: Sendable {
    var method: String
    /// Unescaped, without the query.
    var path: String
    /// Unescaped; a name that was given twice holds the last value and stands in `repeatedQuery`.
    var query: [String: String]
    var repeatedQuery: Set<String>
    /// Names in lower case, as they came.
    var headers: [(name: String, value: String)]
    var peer = HTTPPeer()

    /// The value of a header that came once or first.
    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
    func count(of name: String) -> Int { headers.count { $0.name == name } }

    var reads: Bool { method == "GET" || method == "HEAD" }
}

/// Who is at the other end of a connection.
struct HTTPPeer: Sendable {
    /// An IPv4 or IPv6 address; empty when it is not known.
    var address = ""
    /// The certificate it showed in TLS, DER. That it has its key is certain, nothing else is.
    var certificate: [UInt8]?
}

/// An answer. Whatever the routes say, every answer carries the headers that keep a browser from guessing.
struct HTTPResponse: Sendable {
    enum Body: Sendable {
        case bytes([UInt8])
        /// `count` bytes of an open file from `offset`.
        case file(Descriptor, offset: Int64, count: Int64)
        /// What goes on until it is finished.
        case stream(HTTPStream)
    }

    var status: Int
    var headers: [(String, String)]
    var body: Body
    /// From the first byte sent to the last taken by the peer, ms.
    var patienceMilliseconds = 30_000

    init(_ status: Int, _ type: String, _ body: [UInt8], headers: [(String, String)] = []) {
        self.status = status
        self.headers = [("Content-Type", type)] + headers
        self.body = .bytes(body)
    }

    /// Of an answer that goes on.
    var stream: HTTPStream? {
        if case .stream(let stream) = body { stream } else { nil }
    }

    static func text(_ text: String) -> HTTPResponse {
        HTTPResponse(200, "text/plain; charset=utf-8", Array(text.utf8))
    }

    static func json(_ value: JSONText) -> HTTPResponse { HTTPResponse(200, "application/json", value.bytes) }

    /// What is wrong, and what the caller can do about it.
    static func error(
        _ status: Int, _ error: String, advice: String, headers: [(String, String)] = []
    ) -> HTTPResponse {
        let body = JSONText.object([("error", .text(error)), ("advice", .text(advice))])
        return HTTPResponse(status, "application/json", body.bytes + [0x0A], headers: headers)
    }
}

extension HTTPResponse {
    static func unknownLane(_ name: String) -> HTTPResponse {
        .error(404, "nothing was ever heard of lane '\(name)'", advice: "/v1/lanes lists those that are known")
    }
}

/// Whether a request may go on to send its body.
enum HTTPAdmission: Sendable {
    case refuse(HTTPResponse)
    /// A body of more bytes than this is refused as too large.
    case accept(bodyLimit: Int)
}

/// What a server serves. Both are called on the server's thread and must not wait.
protocol HTTPRoutes: AnyObject, Sendable {
    func admit(_ head: HTTPHead) -> HTTPAdmission
    /// Calls `request.answer` once: now, or later from another thread.
    func handle(_ request: HTTPRequest)
}
