import Posix
import TestSupport
import Testing

@testable import Control

@Suite("Control messages")
struct ControlMessageTests {
    @Test(
        "requests survive their line",
        arguments: [
            ControlRequest.status,
            .explain(.init(type: "chip", identifierHex: "6f007b3972")),
            .explain(.init(type: "code", identifierHex: "00", temperatureCentidegrees: -5, atMilliseconds: .max)),
            .reloadConfiguration, .forgetPassages(nil),
            .forgetPassages(BadgeRequest(type: "chip", identifierHex: "6f007b3972")),
            .mode(.init(mode: "locked")), .mode(.init(mode: "held-open", minutes: 30, reason: "闸机\n维修")),
            .gateTest(.init(output: "release")), .confirmClock,
            .tap(TapRequest()), .tap(TapRequest(after: .max)),
        ])
    func requests(request: ControlRequest) throws {
        let line = try request.encoded()
        #expect(!line.contains(0x0A))
        #expect(try ControlRequest.parse(line) == request)
    }

    @Test(
        "replies survive their line",
        arguments: [
            ControlReply.status(makeStatus()), .explain(makeExplain()), .done,
            .reloaded(ReloadReply(policy: "00ff", isNew: true, isScheduleNew: true, needRestart: ["readers"])),
            .commanded(.init(mode: "locked", modeCause: "technician", clock: "trusted", notes: ["a note"])),
            .tap(
                TapReply(
                    frames: [
                        .init(
                            device: "读卡器", direction: .toDevice, atMicroseconds: 5, wallMilliseconds: 6, hex: "a545ea",
                            said: ["code \u{1D}\"x\""])
                    ], last: 9, dropped: 3)),
            .error(.init(code: .busy, message: "line\nfeed \"quoted\" 中文", advice: "")),
        ])
    func replies(reply: ControlReply) throws {
        let line = reply.encoded()
        #expect(!line.contains(0x0A))
        #expect(try ControlReply.parse(line) == reply)
    }

    @Test("the line is what docs/formats.md shows")
    func wire() throws {
        #expect(String(decoding: try ControlRequest.status.encoded(), as: UTF8.self) == #"{"request":"status","v":1}"#)
        let status = String(decoding: ControlReply.status(makeStatus(devices: 0)).encoded(), as: UTF8.self)
        for part in [
            #""reply":"status""#, #""v":1"#, #""wrong_way":1"#, #""image_issued_at_milliseconds":500"#,
            #""name":"北登录厅-07""#, #""process_id":4711"#,
        ] {
            #expect(status.contains(part), "\(part) in \(status)")
        }
    }

    @Test("what moves something is asked for fewer people than what only looks")
    func access() {
        for request in [ControlRequest.status, .explain(.init(type: "chip", identifierHex: "00"))] {
            #expect(request.access == .reading)
        }
        for request in [ControlRequest.mode(.init(mode: "normal")), .gateTest(.init(output: "red")), .confirmClock] {
            #expect(request.access == .acting)
        }
    }

    @Test("what a newer lanectl adds is passed over")
    func newer() throws {
        #expect(
            try ControlRequest.parse(Array(#"{"v":1,"request":"status","verbose":[1,{"a":null}]}"#.utf8)) == .status)
    }

    @Test(
        "a wrong request is told what is wrong",
        arguments: [
            ("", .malformed), ("status", .malformed), ("[]", .malformed), ("{}", .malformed),
            (#"{"v":"1","request":"status"}"#, .malformed), (#"{"v":1,"request":7}"#, .malformed),
            (#"{"v":2,"request":"status"}"#, .unknownVersion),
            (#"{"v":1,"request":"open"}"#, .unknownRequest),
            (#"{"v":1,"request":"forget-passages"}"#, .malformed),
            (#"{"v":1,"request":"forget-passages","everybody":false}"#, .malformed),
            (
                #"{"v":1,"request":"forget-passages","everybody":true,"badge":{"type":"chip","identifier_hex":"00"}}"#,
                .malformed
            ),
            (#"{"v":1,"request":"explain"}"#, .malformed), (#"{"v":1,"request":"mode"}"#, .malformed),
            (#"{"v":1,"request":"mode","mode":{"minutes":5}}"#, .malformed),
            (#"{"v":1,"request":"mode","mode":{"mode":"locked","minutes":0.5}}"#, .malformed),
            (#"{"v":1,"request":"gate-test","gate_test":{}}"#, .malformed),
            (#"{"v":1,"request":"explain","explain":{"type":"chip"}}"#, .malformed),
            (
                #"{"v":1,"request":"explain","explain":{"type":"chip","identifier_hex":"00","at_milliseconds":1e99}}"#,
                .malformed
            ),
            (String(repeating: "[", count: 4000), .malformed),
            (#"{"v":1,"request":""# + "\u{FFFD}\u{0}" + #""}"#, .malformed),
        ] as [(String, ErrorReply.Code)])
    func wrong(line: String, code: ErrorReply.Code) {
        let error = #expect(throws: ErrorReply.self) { try ControlRequest.parse(Array(line.utf8)) }
        #expect(error?.code == code)
        #expect(error?.message.isEmpty == false)
        #expect(error?.advice.isEmpty == false)
    }

    @Test("a reply that is too long becomes an error that can be read")
    func tooLong() throws {
        let line = ControlReply.explain(makeExplain(rows: 5000)).encoded()
        #expect(line.count < 200)
        guard case .error(let error) = try ControlReply.parse(line) else {
            Issue.record("no error reply")
            return
        }
        #expect(error.code == .unavailable)
    }

    @Test(
        "who may ask",
        arguments: [
            (.reading, 0, [], true), (.reading, 990, [100], true), (.reading, 1000, [100, 980], true),
            (.reading, 1000, [100], false), (.reading, 991, [980], false), (.acting, 0, [], true),
            (.acting, 990, [], true), (.acting, 1000, [980], false), (.acting, 991, [980], false),
        ] as [(ControlAccess, UInt32, [UInt32], Bool)])
    func rights(access: ControlAccess, user: UInt32, groups: [UInt32], expected: Bool) {
        let rights = ControlRights(owner: 990, group: 980, excluded: [991])
        #expect(rights.permit(access, user: user, groups: groups) == expected)
        // While nobody knows who the uplink is, a member of the group may be it.
        let unknown = ControlRights(owner: 990, group: 980, excluded: nil)
        #expect(unknown.permit(access, user: user, groups: groups) == (expected && user != 1000))
    }

    @Test("random bytes and broken requests never parse as something else than a request or an error")
    func noise() throws {
        var random = SeededGenerator()
        let whole = try ControlRequest.explain(
            .init(type: "chip", identifierHex: "6f007b3972", temperatureCentidegrees: 3700)
        ).encoded()
        for _ in 0..<3000 {
            var line = Bool.random(using: &random) ? whole : random.bytes(Int.random(in: 0...200, using: &random))
            for _ in 0..<Int.random(in: 0...4, using: &random) where !line.isEmpty {
                let place = Int.random(in: 0..<line.count, using: &random)
                switch Int.random(in: 0...2, using: &random) {
                case 0: line[place] = UInt8.random(in: 0...255, using: &random)
                case 1: line.removeSubrange(place...)
                default: line.insert(UInt8.random(in: 0...255, using: &random), at: place)
                }
            }
            do {
                _ = try ControlRequest.parse(line)
            } catch {
                #expect(!error.message.isEmpty)
            }
            _ = try? ControlReply.parse(line)
        }
    }
}
