/// What is asked of the collector.
public struct Request: Sendable {
    public var path: String
    /// nil: GET.
    public var post: Post?
    /// `Name: value`, without line ends.
    public var headers: [String]
    /// All of it, from the first byte sent to the last received.
    public var timeoutMilliseconds: Int

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

/// Why no answer came, or not a whole one.
public struct TransferFailure: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// No connection: nobody listens, no such name, no route.
        case unreachable
        /// It took longer than allowed, or stalled.
        case tooSlow
        /// The connection broke, or what came is not HTTP.
        case broken
        /// More bytes than are taken.
        case tooLarge
        /// TLS could not be agreed on, or the certificate is not one to believe.
        case notTrusted
        /// The answer is well-formed and makes no sense.
        case nonsense
        /// A disk, a file or libcurl on this machine.
        case local
    }

    public let kind: Kind
    public let description: String

    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}

public enum Outcome: Sendable {
    case answered(Answer)
    case failed(TransferFailure)
}

/// Takes the body of a 200 or 206 as it arrives, instead of memory. A failure thrown ends the transfer with it.
public protocol BodyReceiver: AnyObject {
    /// Once, when all headers are here and before any byte of the body; also when the body is empty.
    func begin(_ head: AnswerHead) throws(TransferFailure)
    func take(_ bytes: UnsafeRawBufferPointer) throws(TransferFailure)
}
