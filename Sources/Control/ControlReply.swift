/// One reply.
public enum ControlReply: Sendable, Equatable {
    case status(StatusReply)
    case explain(ExplainReply)
    case reloaded(ReloadReply)
    /// It was done, and there is nothing to tell.
    case done
    /// A command was carried out, and this is how the lane is now.
    case commanded(CommandReply)
    case tap(TapReply)
    case cache(CacheReply)
    case cacheLookup(CacheLookupReply)
    case error(ErrorReply)

    /// One line without its line feed; one that is too long, or cannot be written as JSON, becomes an error reply.
    func encoded() -> [UInt8] {
        let wire: Wire =
            switch self {
            case .status(let status): Wire(reply: "status", status: status)
            case .explain(let explain): Wire(reply: "explain", explain: explain)
            case .reloaded(let reloaded): Wire(reply: "reloaded", reloaded: reloaded)
            case .done: Wire(reply: "done")
            case .commanded(let done): Wire(reply: "commanded", commanded: done)
            case .tap(let tap): Wire(reply: "tap", tap: tap)
            case .cache(let cache): Wire(reply: "cache", cache: cache)
            case .cacheLookup(let found): Wire(reply: "cache-lookup", cacheLookup: found)
            case .error(let error): Wire(reply: "error", error: error)
            }
        if let bytes = try? ControlProtocol.encode(wire), bytes.count <= ControlProtocol.longestReply { return bytes }
        return Array(
            #"{"error":{"advice":"tell the maintainers","code":"unavailable","message":"the reply is too long"},"#.utf8)
            + Array(#""reply":"error","v":1}"#.utf8)
    }

    static func parse(_ line: some Sequence<UInt8>) throws -> ControlReply {
        let wire = try ControlProtocol.decode(Wire.self, from: line)
        if let status = wire.status { return .status(status) }
        if let explain = wire.explain { return .explain(explain) }
        if let reloaded = wire.reloaded { return .reloaded(reloaded) }
        if wire.reply == "done" { return .done }
        if let commanded = wire.commanded { return .commanded(commanded) }
        if let tap = wire.tap { return .tap(tap) }
        if let cache = wire.cache { return .cache(cache) }
        if let found = wire.cacheLookup { return .cacheLookup(found) }
        if let error = wire.error { return .error(error) }
        throw ErrorReply(
            code: .malformed, message: "a reply of the kind '\(wire.reply.prefix(40))'",
            advice: "use the lanectl that was installed together with this lanekeeperd")
    }

    private struct Wire: Codable {
        var v = ControlProtocol.version
        var reply: String
        var status: StatusReply?
        var explain: ExplainReply?
        var reloaded: ReloadReply?
        var commanded: CommandReply?
        var tap: TapReply?
        var cache: CacheReply?
        var cacheLookup: CacheLookupReply?
        var error: ErrorReply?
    }
}

/// What came of reading the configuration again.
public struct ReloadReply: Codable, Sendable, Equatable {
    /// Digest of the policy in force now.
    public var policy: String
    /// False when it was in force already.
    public var isNew: Bool
    /// Whether another schedule came into force. nil from an older daemon.
    public var isScheduleNew: Bool?
    /// Groups of the file that have changed and are read only at a start.
    public var needRestart: [String]

    public init(policy: String, isNew: Bool, isScheduleNew: Bool, needRestart: [String]) {
        self.policy = policy
        self.isNew = isNew
        self.isScheduleNew = isScheduleNew
        self.needRestart = needRestart
    }
}

/// What was asked for is done, and how the lane is now.
public struct CommandReply: Codable, Sendable, Equatable {
    public var mode: String
    public var modeCause: String
    /// trusted, or why not.
    public var clock: String
    /// What the technician should know besides, in English.
    public var notes: [String]

    public init(mode: String, modeCause: String, clock: String, notes: [String] = []) {
        self.mode = mode
        self.modeCause = modeCause
        self.clock = clock
        self.notes = notes
    }
}

/// Why a request was not answered, and what to do about it.
public struct ErrorReply: Error, Codable, Sendable, Equatable, CustomStringConvertible {
    /// Stable words for programs.
    public struct Code: RawRepresentable, Codable, Sendable, Equatable {
        public var rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }

        public static let malformed = Code(rawValue: "malformed")
        public static let tooLong = Code(rawValue: "too-long")
        public static let unknownVersion = Code(rawValue: "unknown-version")
        public static let unknownRequest = Code(rawValue: "unknown-request")
        /// An argument that can be read but not used.
        public static let badArgument = Code(rawValue: "bad-argument")
        /// The configuration file is wrong; the message says where.
        public static let badConfiguration = Code(rawValue: "bad-configuration")
        public static let notPermitted = Code(rawValue: "not-permitted")
        /// The lane is in no state for it.
        public static let notNow = Code(rawValue: "not-now")
        /// All places for clients are taken.
        public static let busy = Code(rawValue: "busy")
        /// The lane itself did not answer in time.
        public static let unavailable = Code(rawValue: "unavailable")
    }

    public var code: Code
    public var message: String
    public var advice: String

    public init(code: Code, message: String, advice: String) {
        self.code = code
        self.message = message
        self.advice = advice
    }

    public var description: String { advice.isEmpty ? message : "\(message): \(advice)" }
}

extension ControlReply {
    /// What stands in the reply, as `lanectl --json` prints it: JSON without the envelope.
    public func json() throws -> String {
        let bytes =
            switch self {
            case .status(let status): try ControlProtocol.encode(status)
            case .explain(let explain): try ControlProtocol.encode(explain)
            case .reloaded(let reloaded): try ControlProtocol.encode(reloaded)
            case .done: try ControlProtocol.encode(["done": true])
            case .commanded(let commanded): try ControlProtocol.encode(commanded)
            case .tap(let tap): try ControlProtocol.encode(tap)
            case .cache(let cache): try ControlProtocol.encode(cache)
            case .cacheLookup(let found): try ControlProtocol.encode(found)
            case .error(let error): try ControlProtocol.encode(error)
            }
        return String(decoding: bytes, as: UTF8.self)
    }
}
