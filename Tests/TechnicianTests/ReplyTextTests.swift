import CommandLine
import Control
import Posix
import Testing

import enum CommandLine.ExitStatus

@testable import Technician

private func makeStatus(image: UInt64 = 12, alarms: [String] = []) -> StatusReply {
    var counters = StatusReply.Counters()
    counters.presented = 12
    counters.anonymousBackward = 3
    return StatusReply(
        lane: .init(id: "north-07", name: "北登录厅-07", kind: "entry", from: "outside", to: "north-ring"),
        version: "1.0", processId: 4711, startedAtMilliseconds: 1_000, nowMilliseconds: 7_201_000,
        mode: "out-of-service", modeCause: "readers-lost", fireAlarm: false, lamps: "out-of-service",
        clock: "behind-floor",
        devices: [
            .init(
                name: "chip", type: "rdm6300", line: "/dev/ttyS0", state: "lost", sinceMilliseconds: 7_170_000,
                lastWord: "cannot open /dev/ttyS0"),
            .init(
                name: "测温", type: "gy-mcu90615", line: "/dev/ttyS1", state: "present", sinceMilliseconds: 0,
                lastWord: "8 frames"),
        ],
        credentials: .init(
            imageVersion: image, changeNumber: 4, imageIssuedAtMilliseconds: 1_000, identifiers: 502_000,
            statementAsOfMilliseconds: 7_195_000, statementAgeMilliseconds: 6_000, freshness: "warn",
            knowsDestination: false),
        journal: .init(
            epoch: "00112233445566778899aabbccddeeff", nextSequence: 900, recordsUsed: 850_000,
            recordsTotal: 1_000_000, state: "nearly-full", unsynced: 3),
        hourStartMilliseconds: 0, hour: counters, sinceStart: counters,
        lastDecisions: [.init(wallMilliseconds: 60_000, verdict: "refused", reasons: ["test-expired", "code-red"])],
        alarms: alarms)
}

private func makeExplain() -> ExplainReply {
    ExplainReply(
        laneId: "north-07", laneName: "北登录厅-07", laneKind: "entry", from: "outside", to: "north-ring",
        atMilliseconds: 61_000, lookup: "found", kind: "visitor", type: "chip", imageVersion: 12, changeNumber: 4,
        rows: [
            .init(
                subject: "test", name: "48 h test", state: "negative", figure: "sampled 51 h 12 min ago",
                needs: "negative, sampled at most 48 h ago", isRequired: true, turns: false),
            .init(
                subject: "vaccine", name: "vaccine", state: "none", figure: "", needs: "full", isRequired: false,
                turns: false),
            .init(
                subject: "temperature", name: "temperature", state: "not given", figure: "", needs: "below 37.3 °C",
                isRequired: true, turns: nil),
        ],
        verdict: "refused", reasons: [.init(name: "test-expired", text: "test sampled 51 h 12 min ago, limit 48 h")],
        display: "请到N2服务台：核酸检测 / Go to desk N2: test")
}

@Suite("Answers as text")
struct ReplyTextTests {
    @Test("a status says everything that is not well")
    func status() {
        let text = StatusText(status: makeStatus(alarms: ["chip: unplugged"])).text
        for part in [
            "north-07  北登录厅-07, entry: outside → north-ring", "out of service (readers lost)", "NOT TRUSTED",
            "LOST for 31 s", "8 frames", "(6 s ago): WARN",
            "850000 of 1000000 records wait for the collector (85 %)", "nearly full", "running for 2 h",
            "refused  test-expired, code-red", "KNOWS NO ZONE north-ring", "0 + 3 back",
            "ALARMS\n  chip: unplugged",
        ] {
            #expect(text.contains(part), "\(part)\n\(text)")
        }
        #expect(StatusText(status: makeStatus(image: 0)).text.contains("NONE: no image yet"))
    }

    @Test("columns line up beside Chinese names")
    func table() {
        var table = TextTable(indent: 1)
        table.add("测温", "a", "x")
        table.add("chip-1", "bb", "")
        #expect(table.text == " 测温    a   x\n chip-1  bb\n")
    }

    @Test("an explanation marks what stands against the badge, and what was not judged")
    func explain() {
        let text = ExplainText(reply: makeExplain(), badge: "6f007b3972").text
        for part in [
            "chip 6f007b3972 at north-07", "NO  48 h test", "(not asked here) full", "-   temperature",
            "verdict: refused\n  test sampled 51 h 12 min ago, limit 48 h", "the visitor reads: 请到N2服务台",
        ] {
            #expect(text.contains(part), "\(part)\n\(text)")
        }
        var admitted = makeExplain()
        admitted.verdict = "admitted"
        admitted.rows.removeFirst()
        #expect(
            ExplainText(reply: admitted, badge: "x").text.contains("admitted, if nothing is wrong with: temperature"))
    }

    @Test(
        "each failure has its exit status",
        arguments: [
            (.unreachable(SystemFailure("connect to", "x", code: 2)), .unavailable),
            (.timedOut(path: "x", milliseconds: 5), .unavailable),
            (.notPermitted(SystemFailure("connect to", "x", code: 13)), .noPermission),
            (.malformed(path: "x", problem: "y"), .failure),
            (.refused(ErrorReply(code: .badArgument, message: "x", advice: "")), .usage),
            (.refused(ErrorReply(code: .busy, message: "x", advice: "")), .unavailable),
            (.refused(ErrorReply(code: .unknownRequest, message: "x", advice: "")), .failure),
        ] as [(ControlFailure, ExitStatus)])
    func exitStatus(failure: ControlFailure, status: ExitStatus) {
        #expect(Lanectl.status(of: failure) == status)
        #expect(!failure.description.isEmpty)
    }

    @Test("the command line is understood, and what is missing is said")
    func commandLine() throws {
        for arguments in [
            ["status"], ["--lane", "a", "status", "--json"], ["events", "--follow", "--last", "5", "--state", "/x"],
            ["explain", "6f007b3972", "--temperature", "36.5", "--at", "2026-11-21T09:00:00+08:00"],
            ["explain", "EXPO-1", "--type", "code", "--run", "/x"],
        ] {
            guard case .run = try Lanectl.program.parse(arguments) else {
                Issue.record("\(arguments) does not run")
                continue
            }
        }
        for arguments in [
            [], ["explain"], ["open"], ["explain", "x", "--type", "face"], ["events", "--last", "-1"],
            ["explain", "x", "--at", "yesterday"], ["explain", "x", "--temperature", "hot"],
        ] {
            #expect(throws: UsageFailure.self) { try Lanectl.program.parse(arguments) }
        }
    }
}
