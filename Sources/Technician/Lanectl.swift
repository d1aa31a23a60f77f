import Admission
import CommandLine
import Control
import Framing
import Posix

/// What `lanectl` does. Exit statuses: 0 done (`explain`: the badge would be admitted), 1 it went wrong, 2 `explain`: the
/// badge would be refused, 3 4 5 `cache compare`: behind, different, not to be said, 64 wrong arguments, 69 no lanekeeperd answers, 77 this user may not, 78 the configuration is wrong.
public struct Lanectl {
    public static let refusedStatus: Int32 = 2

    public static let program = Program(
        name: "lanectl",
        summary: "looks at a lane, and changes what a technician may. Exit status: 0 done or admitted, 1 failed,\n"
            + "2 explain: refused, 3 4 5 cache compare: behind, different, not to be said, 64 wrong arguments, 69 lanekeeperd does not answer, 77 no permission,\n"
            + "78 the configuration is wrong.",
        flags: [config, lane, run, state, json],
        subcommands: [
            Subcommand(
                "display",
                summary: "what visitors read, over the whole terminal; a line per change in a pipe; Ctrl-C ends it"),
            Subcommand("status", summary: "how the lane, its devices, credentials and journal are"),
            Subcommand(
                "events", summary: "the journal's records, read from its files; works with lanekeeperd down",
                flags: [follow, last]),
            Subcommand(
                "explain", summary: "what a badge would meet here: four keys, temperature, zones, verdict",
                flags: [type, temperature, at],
                operands: [
                    Operand("BADGE", help: "hexadecimal digits of a chip (or epc), or the text of a code")
                ]),
            Subcommand(
                "cache",
                summary:
                    "cache info, cache lookup BADGE, cache compare: what the lane holds of credentials, also when\n"
                    + "lanekeeperd does not run",
                flags: [type],
                operands: [
                    Operand("ACTION", help: cacheActions.joined(separator: ", ")),
                    Operand("BADGE", required: false, help: "for lookup, as for explain"),
                ]),
            Subcommand(
                "enrol",
                summary: "puts the file of `lanekeeper-collector lane add` into place on this controller, as root",
                flags: [etc, identity, daemonUser, uplinkUser],
                operands: [Operand("FILE", help: "secret: mode 0600, to be deleted afterwards")]),
            Subcommand(
                "config", summary: "config reload: read the policy again and bring it into force, or say what is wrong",
                operands: [Operand("ACTION", help: "reload")]),
            Subcommand(
                "forget-passages", summary: "let somebody pass again in spite of anti-passback",
                flags: [type, everybody],
                operands: [Operand("BADGE", required: false, help: "as for explain; or give --everybody")]),
            Subcommand(
                "mode", summary: "normal, locked, held-open or maintenance, until something else is ordered",
                flags: [minutes, reason],
                operands: [
                    Operand("MODE", help: "\(modes.joined(separator: ", ")); normal alone ends an order")
                ]),
            Subcommand(
                "gate", summary: "moves one thing of the gate for a moment, in maintenance",
                operands: [
                    Operand("test", help: "the word test"),
                    Operand("OUTPUT", help: outputs.joined(separator: ", ")),
                ]),
            Subcommand(
                "clock", summary: "says that you looked at the lane's wall clock and it is right",
                operands: [Operand("confirm", help: "the word confirm")]),
            Subcommand(
                "reader", summary: "tap: every frame of readers and thermometer, decoded and raw, until Ctrl-C",
                flags: [record],
                operands: [
                    Operand("tap", help: "the word tap"),
                    Operand("DEVICE", required: false, help: "only this one, by its name in the configuration"),
                ]),
        ])

    private static let etc = Flag.path(
        "etc", "DIR", default: LaneEnrolment.usualEtc, help: "for the site's keys, and a folder for the lane")
    private static let identity = Flag.path(
        "identity", "DIR", help: "for the lane's certificate (default \(LaneEnrolment.identityRoot)/ID)"
    ).optional
    private static let daemonUser = Flag.text(
        "daemon-user", "NAME", default: "lanekeeper", help: "whom the badge key will belong to")
    private static let uplinkUser = Flag.text(
        "uplink-user", "NAME", default: "lanekeeper-uplink", help: "whom the certificate's key will belong to")
    private static let everybody = Flag.present("everybody", help: "forget the passages of all")

    private static let config = Flag.path("config", "FILE", help: "the lane's lanekeeperd.yaml").optional
    private static let lane = Flag.text("lane", "ID", help: "a lane in the usual directories").optional
    private static let run = Flag.path("run", "DIR", help: "where its control.sock is").optional
    private static let state = Flag.path("state", "DIR", help: "where its journal/ is").optional
    private static let json = Flag.present("json", help: "JSON instead of text")
    private static let follow = Flag.present("follow", help: "wait for new records; Ctrl-C ends it well")
    private static let last = Flag.integer(
        "last", "N", in: 0...EventReading.mostShown, default: 20, help: "how many of the newest to begin with")
    private static let record = Flag.path(
        "record", "FILE", help: "a recording for `lanesim replay`; it holds badges' numbers"
    ).optional
    private static let type = Flag.choice("type", ["chip", "code", "epc"], default: "chip", help: "what BADGE is")
    private static let temperature = Flag<Int32>(
        "temperature", "C", help: "as the thermometer would say it, in °C"
    ) { (text) throws(ValueFailure) in try centidegrees(text) }.optional
    private static let at = Flag<Int64>("at", "TIME", help: "judge for this instant, such as 2026-11-21T09:00:00+08:00")
    {
        (text) throws(ValueFailure) in
        do throws(TimestampFailure) { return try Timestamp.parse(text) } catch {
            throw ValueFailure(expected: "a time such as 2026-11-21T09:00:00+08:00 (\(error.reason))")
        }
    }.optional

    private static let minutes = Flag.integer(
        "for", "MINUTES", in: 1...ControlProtocol.mostMinutes, help: "how long; normal: against the schedule too"
    ).optional
    private static let reason = Flag.text("reason", "TEXT", help: "why; stands in the record").optional
    private static let modes = ["normal", "locked", "held-open", "maintenance"]
    private static let cacheActions = ["info", "lookup", "compare"]
    private static let outputs = GateTest.allCases.map(\.name)

    private let arguments: Arguments

    public init(_ arguments: Arguments) { self.arguments = arguments }

    /// Does it and returns the exit status; what went wrong is told on stderr.
    public func run() -> Int32 {
        do {
            // There is no lane yet.
            if arguments.subcommand == "enrol" { return try enrol() }
            let location = try LaneLocation.choose(
                config: arguments[Self.config], lane: arguments[Self.lane], run: arguments[Self.run],
                state: arguments[Self.state])
            switch arguments.subcommand {
            case "status": return try status(location)
            case "explain": return try explain(location)
            case "display":
                try VisitorDisplay(location, asJSON: arguments[Self.json]).run()
                return ExitStatus.success.rawValue
            case "cache": return try cache(location)
            case "config": return try configuration(location)
            case "forget-passages": return try forgetPassages(location)
            case "mode":
                return try act(
                    .mode(
                        ModeRequest(
                            mode: try word("MODE", Self.modes), minutes: arguments[Self.minutes],
                            reason: arguments[Self.reason])), location)
            case "gate":
                _ = try word("test", ["test"])
                return try act(.gateTest(GateTestRequest(output: try word("OUTPUT", Self.outputs))), location)
            case "clock":
                _ = try word("confirm", ["confirm"])
                return try act(.confirmClock, location)
            case "reader": return try reader(location)
            default: return try events(location)
            }
        } catch let failure as ControlFailure {
            return fail("\(failure)", Self.status(of: failure))
        } catch let failure as LocationFailure {
            return fail(failure.description, .usage)
        } catch let failure as WordFailure {
            return fail(failure.description, .usage)
        } catch let failure as BadgeFailure {
            return fail(failure.description, .usage)
        } catch let failure as SystemFailure where failure.isPermission {
            return fail("\(failure)", .noPermission)
        } catch {
            return fail("\(error)", .failure)
        }
    }

    private func fail(_ message: String, _ status: ExitStatus) -> Int32 {
        _ = try? StandardOutput.writeError("lanectl: \(message)\n")
        return status.rawValue
    }

    static func status(of failure: ControlFailure) -> ExitStatus {
        switch failure {
        case .unreachable, .timedOut: .unavailable
        case .notPermitted: .noPermission
        case .malformed: .failure
        case .refused(let error):
            switch error.code {
            case .unavailable, .busy: .unavailable
            case .notPermitted: .noPermission
            case .badArgument: .usage
            case .badConfiguration: .configuration
            default: .failure
            }
        }
    }

    static func centidegrees(_ text: String) throws(ValueFailure) -> Int32 {
        let isDecimal = text.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }
        guard isDecimal, let celsius = Double(text), (10...60).contains(celsius) else {
            throw ValueFailure(expected: "degrees Celsius from 10 to 60, such as 36.5")
        }
        return Int32((celsius * 100).rounded())
    }

    // MARK: Commands

    private func status(_ location: LaneLocation) throws -> Int32 {
        let reply = try ControlClient(path: location.controlSocket).ask(.status)
        guard case .status(let status) = reply else { throw unexpected(location) }
        try StandardOutput.write(arguments[Self.json] ? try reply.json() + "\n" : StatusText(status: status).text)
        return ExitStatus.success.rawValue
    }

    private func enrol() throws -> Int32 {
        let enrolment = try LaneEnrolment(
            arguments.operand("FILE") ?? "",
            LaneEnrolment.Places(
                etc: arguments[Self.etc], identity: arguments[Self.identity], configuration: arguments[Self.config],
                state: arguments[Self.state], run: arguments[Self.run], daemonUser: arguments[Self.daemonUser],
                uplinkUser: arguments[Self.uplinkUser]), now: SystemClock.wallMilliseconds())
        try StandardOutput.write(try enrolment.run())
        return ExitStatus.success.rawValue
    }

    private func explain(_ location: LaneLocation) throws -> Int32 {
        let badge = arguments.operand("BADGE") ?? ""
        let typeName = arguments[Self.type]
        let identifier = try BadgeText.identifier(badge, type: identifierType)
        let reply = try ControlClient(path: location.controlSocket).ask(
            .explain(
                ExplainRequest(
                    type: typeName, identifierHex: Hexadecimal.text(identifier.bytes),
                    temperatureCentidegrees: arguments[Self.temperature], atMilliseconds: arguments[Self.at])))
        guard case .explain(let explanation) = reply else { throw unexpected(location) }
        try StandardOutput.write(
            arguments[Self.json] ? try reply.json() + "\n" : ExplainText(reply: explanation, badge: badge).text)
        return explanation.verdict == Verdict.admitted.name ? ExitStatus.success.rawValue : Self.refusedStatus
    }

    private func cache(_ location: LaneLocation) throws -> Int32 {
        let command = CacheCommand(location, configuration: arguments[Self.config], asJSON: arguments[Self.json])
        let action = try word("ACTION", Self.cacheActions)
        let badge = arguments.operand("BADGE")
        guard (action == "lookup") == (badge != nil) else {
            return fail(action == "lookup" ? "name a BADGE" : "cache \(action) takes no BADGE", .usage)
        }
        switch action {
        case "info": return try command.info()
        case "compare": return try command.compare()
        default:
            let badge = badge ?? ""
            return try command.lookup(
                badge, try BadgeText.identifier(badge, type: identifierType), type: arguments[Self.type])
        }
    }

    private func configuration(_ location: LaneLocation) throws -> Int32 {
        let action = arguments.operand("ACTION") ?? ""
        guard action == "reload" else { return fail("config '\(action)' is not known; say: config reload", .usage) }
        let reply = try ControlClient(path: location.controlSocket).ask(.reloadConfiguration)
        guard case .reloaded(let reloaded) = reply else { throw unexpected(location) }
        var text = "policy \(reloaded.policy) \(reloaded.isNew ? "is in force" : "was in force already")\n"
        if reloaded.isScheduleNew == true { text += "another schedule is in force\n" }
        if !reloaded.needRestart.isEmpty {
            text += "changed, and taken only at a restart: \(reloaded.needRestart.joined(separator: ", "))\n"
        }
        try StandardOutput.write(arguments[Self.json] ? try reply.json() + "\n" : text)
        return ExitStatus.success.rawValue
    }

    private func forgetPassages(_ location: LaneLocation) throws -> Int32 {
        let badge = arguments.operand("BADGE")
        guard (badge != nil) != arguments[Self.everybody] else {
            return fail("name one BADGE, or give --everybody", .usage)
        }
        let request = try badge.map { text in
            BadgeRequest(
                type: arguments[Self.type],
                identifierHex: Hexadecimal.text(try BadgeText.identifier(text, type: identifierType).bytes))
        }
        let reply = try ControlClient(path: location.controlSocket).ask(.forgetPassages(request))
        guard case .done = reply else { throw unexpected(location) }
        try StandardOutput.write(
            arguments[Self.json] ? try reply.json() + "\n" : "forgotten; it is on record\n")
        return ExitStatus.success.rawValue
    }

    private var identifierType: IdentifierType {
        switch arguments[Self.type] {
        case "code": .code
        case "epc": .epc
        default: .chip
        }
    }

    private func act(_ request: ControlRequest, _ location: LaneLocation) throws -> Int32 {
        let reply = try ControlClient(path: location.controlSocket).ask(request)
        guard case .commanded(let done) = reply else { throw unexpected(location) }
        try StandardOutput.write(arguments[Self.json] ? try reply.json() + "\n" : DoneText(done: done).text)
        return ExitStatus.success.rawValue
    }

    /// An operand that is one of a few words.
    private func word(_ operand: String, _ words: [String]) throws(WordFailure) -> String {
        let given = arguments.operand(operand) ?? ""
        guard words.contains(given) else {
            let near = NearestName.suggestion(for: given, among: words).map { "; did you mean \($0)?" } ?? ""
            throw WordFailure(
                description: "'\(given.prefix(40))' is not known here: give \(words.joined(separator: ", "))\(near)")
        }
        return given
    }

    private struct WordFailure: Error { let description: String }

    private func reader(_ location: LaneLocation) throws -> Int32 {
        guard arguments.operand("tap") == "tap" else {
            return fail("'lanectl reader' does one thing: lanectl reader tap [DEVICE]", .usage)
        }
        return try ReaderTap(
            client: ControlClient(path: location.controlSocket), device: arguments.operand("DEVICE"),
            asJSON: arguments[Self.json], recordPath: arguments[Self.record]
        ).run()
    }

    private func unexpected(_ location: LaneLocation) -> ControlFailure {
        .malformed(path: location.controlSocket, problem: "it answered another question than the one it was asked")
    }

    private func events(_ location: LaneLocation) throws -> Int32 {
        let reading = EventReading(
            journal: location.stateDirectory, last: arguments[Self.last], asJSON: arguments[Self.json])
        try reading.run(follows: arguments[Self.follow])
        return ExitStatus.success.rawValue
    }
}

extension SystemFailure {
    /// EPERM and EACCES.
    var isPermission: Bool { code == 1 || code == 13 }
}
