import Admission

extension OpenAPIDocument {
    private typealias Schemas = OpenAPISchemas
    private typealias Answer = OpenAPIOperation.Answer

    static let binary = JSONText.object([("type", .text("string")), ("format", .text("binary"))])
    static let line = JSONText.object([("type", .text("string"))])

    /// In the order of `CollectorRoutes`.
    static let collector = OpenAPIDocument(paths: [
        ("/v1/records", [records, batch]),
        ("/v1/records/stream", [recordStream]),
        ("/v1/tallies", [json("Counts in all and today, of each lane and zone", .viewer, "Tallies")]),
        ("/v1/ranking", [ranking]),
        ("/v1/flow", [flow]),
        ("/v1/history", [history]),
        (
            "/v1/history.csv",
            [
                OpenAPIOperation(
                    summary: "The same as CSV", role: .viewer, parameters: historyParameters,
                    answers: [
                        Answer(status: 200, says: "A header line, then the rows", content: ("text/csv", line)),
                        notFound("Nothing was ever heard of this lane"), unreadable,
                    ], hasHead: true)
            ]
        ),
        ("/v1/decision", [decision]),
        ("/v1/live", [live]),
        ("/v1/occupancy", [json("How many are on site and in each zone now", .viewer, "Occupancy")]),
        ("/v1/occupancy/stream", [occupancy]),
        ("/v1/fleet", [fleet]),
        ("/v1/lanes", [json("Each lane: last seen, stored through, what is missing, counts", .viewer, "Lanes")]),
        ("/v1/journals", [journals]),
        ("/v1/alerts", [alerts]),
        ("/v1/double-use", [doubleUse]),
        (
            "/v1/double-use.csv",
            [text("The same as CSV", .operator, "text/csv", "id,kind,state,holder,number,first_lane,…,found_at")]
        ),
        ("/v1/inside", [json("Holders on site whose keys do not turn; names for operators only", .viewer, "Inside")]),
        (
            "/v1/inside.csv",
            [text("The same as CSV", .operator, "text/csv", "holder,number,kind,keys,entered_at,lane,zone")]
        ),
        ("/v1/image", [file("The credential image in force", headers: [("Lanekeeper-Image-Version", "Its version")])]),
        ("/v1/images/{digest}", [file("An image that a statement names", parameters: [digest])]),
        ("/v1/lists/{digest}", [file("A change list by its SHA-256", parameters: [digest])]),
        ("/v1/changes", [changeList, changes]),
        ("/v1/statement", [statement]),
        ("/v1/presence", [presence]),
        ("/v1/renewal", [renewal]),
        ("/login", [login, enter]),
        ("/logout", [leave]),
        ("/healthz", [health]),
        ("/metrics", [text("Figures for Prometheus", .viewer, "text/plain", "Text format 0.0.4")]),
        ("/openapi.json", [openAPI]),
        ("/", [page]),
        ("/page.css", [text("Of the page", .anybody, "text/css", "Its style")]),
        ("/page.js", [text("Of the page", .anybody, "text/javascript", "Its script")]),
        ("/chart.js", [chart]),
        ("/desk.css", [text("Of the pages behind", .anybody, "text/css", "Their style")]),
        ("/desk.js", [text("Of the pages behind", .anybody, "text/javascript", "What their scripts share")]),
        ("/fleet", [page]),
        ("/fleet.css", [text("Of that page", .anybody, "text/css", "Its style")]),
        ("/fleet.js", [text("Of that page", .anybody, "text/javascript", "Its script")]),
        ("/history", [page]),
        ("/history.js", [text("Of that page", .anybody, "text/javascript", "Its script")]),
    ])

    // MARK: Parameters

    private static func parameter(
        _ name: String, in place: String = "query", isRequired: Bool = false, _ says: String,
        _ schema: [(String, JSONText)]
    ) -> JSONText {
        .object([
            ("name", .text(name)), ("in", .text(place)), ("required", .truth(isRequired)), ("description", .text(says)),
            ("schema", .object(schema)),
        ])
    }

    private static func number(_ least: Int64, _ most: Int64) -> [(String, JSONText)] {
        [
            ("type", .text("integer")), ("format", .text("int64")), ("minimum", .number(least)),
            ("maximum", .number(most)),
        ]
    }

    private static func choice<Choice: RawRepresentable & CaseIterable>(
        _ type: Choice.Type
    ) -> [(String, JSONText)] where Choice.RawValue == String {
        [("type", .text("string")), ("enum", .array(type.allCases.map { .text($0.rawValue) }))]
    }

    private static func pattern(_ pattern: String) -> [(String, JSONText)] {
        [("type", .text("string")), ("pattern", .text(pattern))]
    }

    private static let digest = parameter(
        "digest", in: "path", isRequired: true, "SHA-256 in hexadecimal", pattern("^[0-9a-f]{64}$"))

    // MARK: Operations

    private static func json(_ summary: String, _ role: OpenAPIOperation.Role, _ schema: String) -> OpenAPIOperation {
        OpenAPIOperation(
            summary: summary, role: role,
            answers: [Answer(status: 200, says: summary, content: ("application/json", Schemas.reference(schema)))],
            hasHead: true)
    }

    private static func text(
        _ summary: String, _ role: OpenAPIOperation.Role, _ type: String, _ says: String
    ) -> OpenAPIOperation {
        OpenAPIOperation(
            summary: summary, role: role, answers: [Answer(status: 200, says: says, content: (type, line))],
            hasHead: true)
    }

    private static let flow = OpenAPIOperation(
        summary: "What was counted in each five minutes of a day, at the site or one lane", role: .viewer,
        parameters: [
            parameter(
                "day", "At the site; today when left out", [("type", .text("string")), ("format", .text("date"))]),
            parameter("lane", "Of this lane only", pattern("^[a-z0-9-]{1,31}$")),
        ],
        answers: [
            Answer(status: 200, says: "Counts", content: ("application/json", Schemas.reference("Flow"))),
            notFound("Nothing was ever heard of this lane"),
            Answer(
                status: 500, says: "The database cannot be read",
                content: ("application/json", Schemas.reference("Error"))),
        ], hasHead: true)

    private static let ranking = OpenAPIOperation(
        summary: "Entrances or lanes, that with most entries first", role: .viewer,
        parameters: [
            parameter(
                "by", "Entries of today or of the last quarter of an hour; today when left out",
                choice(RankingQuery.Order.self)),
            parameter("of", "entrance when left out", choice(RankingQuery.Subject.self)),
            parameter("limit", "The first ones; all when left out", number(1, Int64(RankingQuery.most))),
        ],
        answers: [
            Answer(status: 200, says: "In their order", content: ("application/json", Schemas.reference("Ranking"))),
            unreadable,
        ], hasHead: true)

    private static let recordStream = OpenAPIOperation(
        summary: "Each record as it is stored (docs/formats.md)", role: .operator,
        parameters: [
            parameter("lane", "Of this lane only", pattern("^[a-z0-9-]{1,31}$")),
            parameter("after", "`row` of the last one seen; from now on when left out", number(0, .max)),
            parameter("Last-Event-ID", in: "header", "The same, as a browser sends it", pattern("^[0-9]{1,18}$")),
        ],
        answers: [
            Answer(status: 200, says: "Server-Sent Events without an end", content: ("text/event-stream", line)),
            notFound("Nothing was ever heard of this lane"),
            Answer(
                status: 410, says: "There is no such row yet: the database is another one",
                content: ("application/json", Schemas.reference("Error"))),
            unreadable,
        ])

    private static let unreadable = Answer(
        status: 500, says: "The database cannot be read", content: ("application/json", Schemas.reference("Error")))

    private static let historyParameters = [
        parameter("day", "At the site; today when left out", [("type", .text("string")), ("format", .text("date"))]),
        parameter(
            "hour", "Behind the day's beginning; the whole day when left out",
            number(0, Int64(HistoryQuery.mostHours - 1))),
        parameter("lane", "Of this lane only", pattern("^[a-z0-9-]{1,31}$")),
        parameter("by", "What a row is of; hour when left out", choice(HistoryQuery.Grouping.self)),
    ]

    private static let history = OpenAPIOperation(
        summary: "What was counted on a day or in an hour of it", role: .viewer, parameters: historyParameters,
        answers: [
            Answer(status: 200, says: "Rows", content: ("application/json", Schemas.reference("History"))),
            notFound("Nothing was ever heard of this lane"), unreadable,
        ], hasHead: true)

    private static let decision = OpenAPIOperation(
        summary: "One decision in full: its record, what became of it, and in words", role: .operator,
        parameters: [
            parameter("lane", isRequired: true, "The lane's id", pattern("^[a-z0-9-]{1,31}$")),
            parameter("epoch", isRequired: true, "As /v1/records gives it", pattern("^[0-9a-f]{32}$")),
            parameter("sequence", isRequired: true, "The decision's", number(1, .max)),
        ],
        answers: [
            Answer(
                status: 200, says: "The decision", content: ("application/json", Schemas.reference("DecisionInFull"))),
            notFound("It is not stored, or no decision"), unreadable,
        ], hasHead: true)

    private static let journals = OpenAPIOperation(
        summary: "Which journals a lane's records came from", role: .viewer,
        parameters: [parameter("lane", isRequired: true, "The lane's id", pattern("^[a-z0-9-]{1,31}$"))],
        answers: [
            Answer(
                status: 200, says: "In the order in which they were heard of",
                content: ("application/json", Schemas.reference("Journals"))),
            notFound("Nothing was ever heard of this lane"), unreadable,
        ], hasHead: true)

    private static let alerts = OpenAPIOperation(
        summary: "Alerts that stand; with `ended` those that ended instead", role: .viewer,
        parameters: [
            parameter("ended", "`ending` of the last one seen, or 0", number(0, .max)),
            parameter("limit", "How many at most", number(1, Int64(AlertAnswer.most))),
        ],
        answers: [
            Answer(
                status: 200, says: "`alerts`, or with `ended` in the query `ended` and `next`",
                content: ("application/json", Schemas.reference("Alerts")))
        ], hasHead: true)

    private static let fleet = OpenAPIOperation(
        summary: "Each lane with what is wrong with it and what to do, in both languages", role: .viewer,
        parameters: [
            parameter(
                "after", "`revision` of the last answer: only lanes that changed", pattern("^[0-9]{1,20}-[0-9]{1,20}$"))
        ],
        answers: [
            Answer(
                status: 200, says: "Those in trouble first", content: ("application/json", Schemas.reference("Fleet")))
        ], hasHead: true)

    private static let doubleUse = OpenAPIOperation(
        summary: "Badges that were used twice; holders for operators only", role: .viewer,
        parameters: [
            parameter("after", "`id` of the last one seen", number(0, .max)),
            parameter("limit", "How many at most", number(1, Int64(AlertDesk.mostFindings))),
        ],
        answers: [
            Answer(
                status: 200, says: "How many, and which", content: ("application/json", Schemas.reference("DoubleUse")))
        ], hasHead: true)

    private static let live = OpenAPIOperation(
        summary: "What the wall screen shows, as it changes (docs/formats.md)", role: .viewer,
        answers: [Answer(status: 200, says: "Server-Sent Events without an end", content: ("text/event-stream", line))])

    private static let occupancy = OpenAPIOperation(
        summary: "The same as it changes, all of it in each event (docs/formats.md)", role: .viewer,
        answers: [Answer(status: 200, says: "Server-Sent Events without an end", content: ("text/event-stream", line))])

    private static let chart = OpenAPIOperation(
        summary: "Of the page: Debian's libjs-chart.js", role: .anybody,
        answers: [
            Answer(status: 200, says: "The chart", content: ("text/javascript", line)),
            notFound("It is not installed"),
        ], hasHead: true)

    private static func notFound(_ says: String) -> Answer {
        Answer(status: 404, says: says, content: ("application/json", Schemas.reference("Error")))
    }

    private static let conditions = [
        parameter("If-None-Match", in: "header", "304 when it is of this ETag", [("type", .text("string"))]),
        parameter(
            "Range", in: "header", "One range of bytes; what is none is passed over", [("type", .text("string"))]),
        parameter("If-Range", in: "header", "The range counts only for this ETag", [("type", .text("string"))]),
    ]

    private static func file(
        _ summary: String, parameters: [JSONText] = [], headers: [(String, String)] = []
    ) -> OpenAPIOperation {
        let own = [("ETag", "Changes with the content"), ("Accept-Ranges", "bytes")] + headers
        let range = ("Content-Range", "Which bytes, of how many")
        return OpenAPIOperation(
            summary: summary, role: .lane, parameters: parameters + conditions,
            answers: [
                Answer(status: 200, says: summary, content: ("application/octet-stream", binary), headers: own),
                Answer(
                    status: 206, says: "The range", content: ("application/octet-stream", binary),
                    headers: own + [range]),
                Answer(status: 304, says: "It has not changed", headers: own),
                notFound("There is none"),
                Answer(
                    status: 416, says: "The range begins beyond its end",
                    content: ("application/json", Schemas.reference("Error")), headers: own + [range]),
            ], hasHead: true)
    }

    private static let records = OpenAPIOperation(
        summary: "Stored records, one line of JSON each", role: .operator,
        parameters: [
            parameter("lane", "Of this lane only", pattern("^[a-z0-9-]{1,31}$")),
            parameter("after", "`row` of the last one seen", number(0, .max)),
            parameter("limit", "How many at most", number(1, Int64(RecordArchive.mostRecords))),
        ],
        answers: [
            Answer(status: 200, says: "Each line as the schema Record", content: ("application/jsonl", line)),
            Answer(
                status: 500, says: "The database cannot be read",
                content: ("application/json", Schemas.reference("Error"))),
        ], hasHead: true)

    private static let batch = OpenAPIOperation(
        method: "POST", summary: "A lane's batch of records (docs/formats.md)", role: .lane,
        body: ("application/vnd.lanekeeper.batch", binary),
        answers: [
            Answer(
                status: 200, says: "`stored EPOCH SEQUENCE`: durable up to there",
                content: ("text/plain", line)),
            Answer(
                status: 403, says: "The batch is of another site or lane",
                content: ("application/json", Schemas.reference("Error"))),
        ])

    private static let changeNumber = [("Lanekeeper-Change-Number", "The newest change")]

    private static let changeList = OpenAPIOperation(
        summary: "Urgent changes behind one; waits for the next", role: .lane,
        parameters: [
            parameter("after", isRequired: true, "The number of the last change", number(0, .max)),
            parameter("wait", "Seconds", number(0, Int64(ChangeDesk.longestWaitSeconds))),
        ],
        answers: [
            Answer(
                status: 200, says: "A change list", content: ("application/octet-stream", binary),
                headers: [("ETag", "Its SHA-256")] + changeNumber),
            Answer(status: 204, says: "Nothing newer", headers: changeNumber),
            Answer(
                status: 410, says: "What comes behind it is not here: fetch the image",
                content: ("application/json", Schemas.reference("Error")), headers: changeNumber),
        ])

    private static let changes = OpenAPIOperation(
        method: "POST", summary: "Urgent changes, whole or not at all", role: .operator,
        parameters: [
            parameter(
                "Idempotency-Key", in: "header", "Sent again under it, nothing happens",
                pattern("^[!-~]{1,\(ChangeRequest.longestName)}$"))
        ],
        body: (ChangeRequest.contentType, Schemas.reference("Changes")),
        answers: [
            Answer(status: 200, says: "Durable", content: ("application/json", Schemas.reference("Changed"))),
            Answer(
                status: 409, says: "No image, or too many changes, or another body under this key",
                content: ("application/json", Schemas.reference("Error"))),
            Answer(
                status: 422, says: "Nothing was changed",
                content: ("application/json", Schemas.reference("ChangeProblems"))),
        ])

    private static let statement = OpenAPIOperation(
        summary: "The newest signed statement", role: .lane,
        answers: [
            Answer(status: 200, says: "docs/formats.md draws it", content: ("application/octet-stream", binary)),
            notFound("No image has been published yet"),
        ], hasHead: true)

    private static let presence = OpenAPIOperation(
        summary: "A signed list of who is inside, or of what changed since one", role: .lane,
        parameters: [
            parameter("numbering", "Of the list that you have", pattern("^[0-9a-f]{32}$")),
            parameter("after", "The number of that list", number(0, .max)),
        ],
        answers: [
            Answer(status: 200, says: "docs/formats.md draws it", content: ("application/octet-stream", binary))
        ])

    private static let renewal = OpenAPIOperation(
        method: "POST", summary: "A lane's certificate request", role: .lane, body: (RenewalAnswer.contentType, binary),
        answers: [
            Answer(status: 200, says: "Its next certificate, PEM", content: ("application/x-pem-file", line))
        ])

    private static let target = parameter(
        "to", "The page to go on to; the first one when it is none of here", [("type", .text("string"))])

    private static let login = OpenAPIOperation(
        summary: "A form for a token", role: .anybody, parameters: [target],
        answers: [Answer(status: 200, says: "The form", content: ("text/html", line))], hasHead: true)

    private static let cookie = [("Set-Cookie", "The token"), ("Location", "Where to go on")]

    private static let enter = OpenAPIOperation(
        method: "POST", summary: "Keeps the token in a cookie", role: .anybody, parameters: [target],
        body: (
            LoginPage.formType,
            Schemas.object([("token", .object([("type", .text("string")), ("minLength", .number(1))]))])
        ),
        answers: [
            Answer(status: 303, says: "To the page", headers: cookie),
            Answer(status: 401, says: "The token is not valid", content: ("text/html", line)),
            Answer(status: 429, says: "Too many wrong tokens from this address", content: ("text/html", line)),
        ])

    private static let leave = OpenAPIOperation(
        method: "POST", summary: "Forgets the cookie", role: .anybody,
        answers: [Answer(status: 303, says: "To the form", headers: cookie)])

    private static let health = OpenAPIOperation(
        summary: "Whether the collector works", role: .anybody,
        answers: [
            Answer(status: 200, says: "It does", content: ("application/json", Schemas.reference("Health"))),
            Answer(
                status: 503, says: "Nothing can be stored", content: ("application/json", Schemas.reference("Health"))),
        ], hasHead: true)

    private static let openAPI = OpenAPIOperation(
        summary: "This document", role: .anybody,
        answers: [
            Answer(
                status: 200, says: "OpenAPI 3.1",
                content: (contentType, .object([("type", .text("object"))])))
        ], hasHead: true)

    private static let page = OpenAPIOperation(
        summary: "The page", role: .viewer,
        answers: [
            Answer(status: 200, says: "The page", content: ("text/html", line)),
            Answer(
                status: 303, says: "Who has no token is sent to /login",
                headers: [("Location", "/login, with the page")]),
        ], hasHead: true)
}
