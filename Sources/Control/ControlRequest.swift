import FoundationEssentials

/// What the control socket carries: one line of JSON a request, one line of JSON a reply, in turn, over an AF_UNIX
/// stream socket `control.sock` in the lane's run directory.
///
///     {"v":1,"request":"status"}
///     {"v":1,"reply":"status","status":{…}}
///
///     {"v":1,"request":"explain","explain":{"type":"chip","identifier_hex":"6f007b3972","temperature_centidegrees":3650}}
///     {"v":1,"reply":"explain","explain":{…}}
///
///     {"v":1,"request":"cache"}
///     {"v":1,"request":"cache-lookup","badge":{"type":"chip","identifier_hex":"6f007b3972"}}
///     {"v":1,"reply":"cache","cache":{…}}
///
///     {"v":1,"request":"mode","mode":{"mode":"locked","minutes":30,"reason":"broken bar"}}
///     {"v":1,"request":"gate-test","gate_test":{"output":"release"}}
///     {"v":1,"request":"confirm-clock"}
///     {"v":1,"reply":"commanded","commanded":{"mode":"locked","mode_cause":"technician","clock":"trusted","notes":[]}}
///
///     {"v":1,"reply":"error","error":{"code":"unknown-request","message":"…","advice":"…"}}
///
/// Names are lower case with underscores. What a newer end adds is passed over by an older one.
public enum ControlProtocol {
    public static let version = 1
    /// Without the line feed.
    public static let longestRequest = 4096
    public static let longestReply = 256 * 1024
    public static let socketName = "control.sock"
    /// The longest time for which a mode can be ordered: 31 days.
    public static let mostMinutes = 44_640

    static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from line: some Sequence<UInt8>) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(line))
    }
}

/// What a request does to the lane.
public enum ControlAccess: Sendable {
    case reading
    /// It changes something: for root and the daemon's own user.
    case acting
}

/// One request.
public enum ControlRequest: Sendable, Equatable {
    case status
    case explain(ExplainRequest)
    /// Read the policy again and bring it into force.
    case reloadConfiguration
    /// Let this badge's holder pass again in spite of anti-passback; nil: everybody.
    case forgetPassages(BadgeRequest?)
    case tap(TapRequest)
    case mode(ModeRequest)
    case gateTest(GateTestRequest)
    case confirmClock
    /// What the lane holds of credentials.
    case cache
    /// What image and changes hold for one badge.
    case cacheLookup(BadgeRequest)

    public var access: ControlAccess {
        switch self {
        case .status, .explain, .tap, .cache, .cacheLookup: .reading
        case .reloadConfiguration, .forgetPassages, .mode, .gateTest, .confirmClock: .acting
        }
    }

    /// One line without its line feed.
    func encoded() throws -> [UInt8] {
        let wire =
            switch self {
            case .status: Wire(request: "status")
            case .explain(let explain): Wire(request: "explain", explain: explain)
            case .mode(let mode): Wire(request: "mode", mode: mode)
            case .gateTest(let test): Wire(request: "gate-test", gateTest: test)
            case .reloadConfiguration: Wire(request: "reload-configuration")
            case .forgetPassages(let badge):
                Wire(request: "forget-passages", badge: badge, everybody: badge == nil)
            case .tap(let tap): Wire(request: "tap", tap: tap)
            case .confirmClock: Wire(request: "confirm-clock")
            case .cache: Wire(request: "cache")
            case .cacheLookup(let badge): Wire(request: "cache-lookup", badge: badge)
            }
        return try ControlProtocol.encode(wire)
    }

    /// Reads one line; the error is what the peer is told.
    static func parse(_ line: some Sequence<UInt8>) throws(ErrorReply) -> ControlRequest {
        let bytes = Array(line)
        guard let envelope = try? ControlProtocol.decode(Envelope.self, from: bytes) else {
            throw ErrorReply(
                code: .malformed, message: "the request is not one line of JSON with \"v\" and \"request\"",
                advice: "send such as {\"v\":1,\"request\":\"status\"}")
        }
        guard envelope.v == ControlProtocol.version else {
            throw ErrorReply(
                code: .unknownVersion,
                message: "version \(envelope.v) of the control protocol is not spoken here; version 1 is",
                advice: "use the lanectl that was installed together with this lanekeeperd")
        }
        switch envelope.request {
        case "status": return .status
        case "explain":
            do {
                guard let explain = try ControlProtocol.decode(Wire.self, from: bytes).explain else {
                    throw ErrorReply(
                        code: .malformed, message: "an explain request without \"explain\"",
                        advice: "give {\"explain\":{\"type\":\"chip\",\"identifier_hex\":\"…\"}}")
                }
                return .explain(explain)
            } catch let error as ErrorReply {
                throw error
            } catch {
                throw ErrorReply(
                    code: .malformed, message: "the explain request cannot be read",
                    advice: "\"explain\" holds type and identifier_hex (texts), temperature_centidegrees and "
                        + "at_milliseconds (whole numbers, may be left out)")
            }
        case "tap":
            guard let wire = try? ControlProtocol.decode(Wire.self, from: bytes) else {
                throw ErrorReply(
                    code: .malformed, message: "the tap request cannot be read",
                    advice: "\"tap\" holds after, a whole number that may be left out")
            }
            return .tap(wire.tap ?? TapRequest())
        case "reload-configuration": return .reloadConfiguration
        case "forget-passages":
            guard let wire = try? ControlProtocol.decode(Wire.self, from: bytes),
                (wire.badge != nil) != (wire.everybody == true)
            else {
                throw ErrorReply(
                    code: .malformed, message: "a forget-passages request without whom",
                    advice: "give \"badge\":{\"type\":\"chip\",\"identifier_hex\":\"…\"} or \"everybody\":true")
            }
            return .forgetPassages(wire.badge)
        case "mode":
            guard let mode = (try? ControlProtocol.decode(Wire.self, from: bytes))?.mode else {
                throw ErrorReply(
                    code: .malformed, message: "a mode request that cannot be read",
                    advice:
                        "give {\"mode\":{\"mode\":\"locked\"}}, with minutes (a whole number) and reason (a text) if "
                        + "you like")
            }
            return .mode(mode)
        case "gate-test":
            guard let test = (try? ControlProtocol.decode(Wire.self, from: bytes))?.gateTest else {
                throw ErrorReply(
                    code: .malformed, message: "a gate-test request that cannot be read",
                    advice: "give {\"gate_test\":{\"output\":\"release\"}}")
            }
            return .gateTest(test)
        case "confirm-clock": return .confirmClock
        case "cache": return .cache
        case "cache-lookup":
            guard let badge = (try? ControlProtocol.decode(Wire.self, from: bytes))?.badge else {
                throw ErrorReply(
                    code: .malformed, message: "a cache-lookup request without a badge",
                    advice: "give \"badge\":{\"type\":\"chip\",\"identifier_hex\":\"…\"}")
            }
            return .cacheLookup(badge)
        default:
            throw ErrorReply(
                code: .unknownRequest, message: "request '\(envelope.request.prefix(40))' is not known",
                advice: "this lanekeeperd answers status, explain, tap, reload-configuration, forget-passages, mode, "
                    + "gate-test, confirm-clock, cache and cache-lookup")
        }
    }

    private struct Envelope: Decodable {
        var v: Int
        var request: String
    }

    private struct Wire: Codable {
        var v = ControlProtocol.version
        var request: String
        var explain: ExplainRequest?
        var tap: TapRequest?
        var badge: BadgeRequest?
        var everybody: Bool?
        var mode: ModeRequest?
        var gateTest: GateTestRequest?
    }
}

/// One badge.
public struct BadgeRequest: Codable, Sendable, Equatable {
    /// chip, code or epc.
    public var type: String
    /// As in `ExplainRequest`.
    public var identifierHex: String

    public init(type: String, identifierHex: String) {
        self.type = type
        self.identifierHex = identifierHex
    }
}

/// The lane shall take a mode.
public struct ModeRequest: Codable, Sendable, Equatable {
    /// normal, locked, held-open or maintenance.
    public var mode: String
    /// For how long; nil = until something else is asked for.
    public var minutes: Int?
    public var reason: String?

    public init(mode: String, minutes: Int? = nil, reason: String? = nil) {
        self.mode = mode
        self.minutes = minutes
        self.reason = reason
    }
}

/// One output of the gate shall be moved for a moment.
public struct GateTestRequest: Codable, Sendable, Equatable {
    /// release, green, red, amber or buzzer.
    public var output: String

    public init(output: String) { self.output = output }
}

/// What a badge would meet at this lane.
public struct ExplainRequest: Codable, Sendable, Equatable {
    /// chip, code or epc.
    public var type: String
    /// The identifier's canonical bytes: a chip's number most significant byte first, a code's UTF-8, a tag's EPC.
    public var identifierHex: String
    /// As the thermometer would say it, without the lane's offset; nil leaves the temperature out of the verdict.
    public var temperatureCentidegrees: Int32?
    /// ms since 1970-01-01 UTC; nil = now.
    public var atMilliseconds: Int64?

    public init(
        type: String, identifierHex: String, temperatureCentidegrees: Int32? = nil, atMilliseconds: Int64? = nil
    ) {
        self.type = type
        self.identifierHex = identifierHex
        self.temperatureCentidegrees = temperatureCentidegrees
        self.atMilliseconds = atMilliseconds
    }
}
