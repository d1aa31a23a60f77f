/// What is asked of the collector.
public struct Request: Sendable {
    public var path: String
    /// nil: GET.
    public var post: Post?
    /// `Name: value`, without line ends.
    public var headers: [String]
    /// All of it, from the first byte sent to the last received.
    public var timeoutMilliseconds: Int
    /// Certificate and key to show instead of the usual ones.
    var identityFile: String?

    public struct Post: Sendable {
        public var contentType: String
        public var body: [UInt8]

        public init(contentType: String, body: [UInt8]) {
            self.contentType = contentType
            self.body = body
        }
    }

    public init(path: String, post: Post? = nil, headers: [String] = [], timeoutMilliseconds: Int) {
        self.path = path
        self.post = post
        self.headers = headers
        self.timeoutMilliseconds = timeoutMilliseconds
    }
}

/// Status and the few headers the uplink looks at.
public struct AnswerHead: Sendable, Equatable {
    /// 0: none has come.
    public var status: Int = 0
    private var values: [String: String] = [:]

    static let wanted: Set<String> = [
        "content-length", "content-range", "content-type", "etag", "lanekeeper-image-version", "retry-after",
    ]

    init(status: Int = 0) { self.status = status }

    /// The value of a wanted header (name in lower case). One that came twice with different values counts as none.
    public subscript(name: String) -> String? { values[name].flatMap { $0.isEmpty ? nil : $0 } }

    mutating func add(name: String, value: String) {
        if let former = values[name], former != value {
            values[name] = ""
        } else {
            values[name] = value
        }
    }
}

/// Status, headers and body as they came; whether they make sense is for the asker to judge.
public struct Answer: Sendable {
    public var head: AnswerHead
    /// Without what went to a `BodyReceiver`.
    public var body: [UInt8]
}

public enum ExchangeOutcome: Sendable {
    case answered(Answer)
    case failed(TransferFailure)

    /// The answer, when its status is one of these.
    func expecting(_ statuses: Set<Int>) throws(TransferFailure) -> Answer {
        switch self {
        case .failed(let failure): throw failure
        case .answered(let answer) where statuses.contains(answer.head.status): return answer
        case .answered(let answer): throw answer.refusal
        }
    }
}

extension Answer {
    /// With the beginning of its body, in which the collector says what is wrong.
    fileprivate var refusal: TransferFailure {
        let words = String(decoding: body.prefix(300), as: UTF8.self)
        var failure = TransferFailure(
            .refused, "the collector answers \(head.status)" + (words.isEmpty ? "" : ": \(words)"))
        failure.status = head.status
        // In seconds; the form with a date is for people (RFC 9110, 10.2.3).
        let seconds = head["retry-after"].flatMap { Int64($0) } ?? 0
        failure.retryAfterMilliseconds = min(max(0, seconds), 3600) * 1000
        return failure
    }
}

/// Takes the body of a 200 or 206 as it arrives, instead of memory. A failure thrown ends the transfer with it.
public protocol BodyReceiver: AnyObject {
    /// Once, when all headers are here and before any byte of the body; also when the body is empty.
    func begin(_ head: AnswerHead) throws(TransferFailure)
    func take(_ bytes: UnsafeRawBufferPointer) throws(TransferFailure)
}
