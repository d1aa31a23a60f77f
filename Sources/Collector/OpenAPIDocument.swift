import Admission

/// `GET /openapi.json`: every route as OpenAPI 3.1 describes it. A test compares it with `CollectorRoutes.methods`, and
/// Tests/OpenAPI asks the collector whether it is true.
struct OpenAPIDocument {
    /// What is said of a HEAD is what is said of the GET beside it, without bodies.
    var paths: [(path: String, operations: [OpenAPIOperation])]

    static let contentType = "application/json"

    /// The methods that a path is described with, upper case, sorted.
    var methods: [String: [String]] {
        var methods: [String: [String]] = [:]
        for (path, operations) in paths {
            methods[path] = operations.flatMap { $0.hasHead ? ["GET", "HEAD"] : [$0.method] }.sorted()
        }
        return methods
    }

    var json: JSONText {
        .object([
            ("openapi", .text("3.1.0")),
            (
                "info",
                .object([
                    ("title", .text("Lanekeeper collector")), ("version", .text("1")),
                    ("description", .text(Self.description)),
                ])
            ),
            ("paths", .object(paths.map { ($0.path, .object($0.operations.flatMap(\.members))) })),
            (
                "components",
                .object([
                    ("schemas", .object(OpenAPISchemas.all)),
                    (
                        "securitySchemes",
                        .object([
                            ("token", .object([("type", .text("http")), ("scheme", .text("bearer"))])),
                            (
                                "cookie",
                                .object([
                                    ("type", .text("apiKey")), ("in", .text("cookie")),
                                    ("name", .text(LoginPage.cookie)),
                                ])
                            ),
                            ("certificate", .object([("type", .text("mutualTLS"))])),
                        ])
                    ),
                ])
            ),
        ])
    }

    private static let description =
        "Counts, lanes and records of a site, and what its lanes fetch. Without TLS, on the collector's own machine, "
        + "tokens are asked for from the first one on that was made, and lanes need no certificate. What is no HTTP/1.1 "
        + "of RFC 9112 is refused before any route sees it, with 400, 411, 413, 414, 431 or 505."
}

/// One method of one path.
struct OpenAPIOperation {
    enum Role {
        case anybody, viewer, `operator`, lane
    }

    struct Answer {
        var status: Int
        var says: String
        /// Media type and schema; nil: no body.
        var content: (type: String, schema: JSONText)?
        var headers: [(name: String, says: String)] = []
    }

    var method = "GET"
    var summary: String
    var role: Role
    var parameters: [JSONText] = []
    var body: (type: String, schema: JSONText)?
    var answers: [Answer]

    /// Long polls and lists under a number are for GET alone.
    var hasHead = false

    /// `get` and, where there is one, `head`.
    fileprivate var members: [(String, JSONText)] {
        let get = (method.lowercased(), object(isHead: false))
        return hasHead ? [get, ("head", object(isHead: true))] : [get]
    }

    private func object(isHead: Bool) -> JSONText {
        var members: [(String, JSONText)] = [("summary", .text(summary)), ("security", security)]
        if !parameters.isEmpty { members.append(("parameters", .array(parameters))) }
        if let body {
            members.append(
                (
                    "requestBody",
                    .object([("required", .truth(true)), ("content", Self.content(body.type, body.schema))])
                )
            )
        }
        let answers = (answers + refusals).sorted { $0.status < $1.status }
        members.append(
            ("responses", .object(answers.map { (String($0.status), Self.response($0, isHead: isHead)) })))
        return .object(members)
    }

    private static func content(_ type: String, _ schema: JSONText) -> JSONText {
        .object([(type, .object([("schema", schema)]))])
    }

    private static func response(_ answer: Answer, isHead: Bool) -> JSONText {
        var members: [(String, JSONText)] = [("description", .text(answer.says))]
        if !answer.headers.isEmpty {
            let headers = answer.headers.map { name, says in
                let text = JSONText.object([("type", .text("string"))])
                return (
                    name, JSONText.object([("description", .text(says)), ("required", .truth(true)), ("schema", text)])
                )
            }
            members.append(("headers", .object(headers)))
        }
        if let content = answer.content, !isHead {
            members.append(("content", Self.content(content.type, content.schema)))
        }
        return .object(members)
    }

    private var security: JSONText {
        func scheme(_ name: String) -> JSONText { .object([(name, .array([]))]) }
        switch role {
        case .anybody: return .array([])
        case .viewer, .operator: return .array([scheme("token"), scheme("cookie")])
        case .lane: return .array([scheme("certificate")])
        }
    }

    /// What any such request may be told.
    private var refusals: [Answer] {
        func error(_ status: Int, _ says: String, _ headers: [(String, String)] = []) -> Answer {
            Answer(
                status: status, says: says, content: ("application/json", OpenAPISchemas.reference("Error")),
                headers: headers)
        }
        var all = [
            error(400, "A parameter or the body is not what is asked for, or is given twice"),
            error(413, "A body where none is taken, or more than is taken"),
            error(421, "The Host header names another collector"),
            error(503, "Not now, or more is asked at once than is answered"),
        ]
        switch role {
        case .anybody: break
        case .viewer, .operator:
            all += [
                error(401, "No token, or one that is not valid", [("WWW-Authenticate", "Bearer")]),
                error(403, "The token is of another role"),
                error(429, "Too many wrong tokens from this address", [("Retry-After", "Seconds")]),
            ]
        case .lane:
            all += [
                error(401, "No certificate of a lane"),
                error(403, "The certificate is not, or no longer, of this lane"),
            ]
        }
        if body != nil {
            all += [error(411, "A body without Content-Length"), error(415, "The body is of another type")]
        }
        let own = Set(answers.map(\.status))
        return all.filter { !own.contains($0.status) }
    }
}
