import Admission
import Foundation
import Framing
import Posix
import TestSupport
import Testing

@testable import Collector

/// A served site whose lanes send records; seconds are counted from an hour ago.
private struct AlertBench {
    let bench: ServiceBench
    let start = SystemClock.wallMilliseconds() - 3_600_000

    init(_ change: (inout CollectorSettings) -> Void = { _ in }) throws {
        bench = try ServiceBench()
        try bench.restart(change)
    }

    func send(
        _ event: LaneEvent, _ sequence: UInt64, _ seconds: Int64, lane: String = "north-07", epoch: UInt64 = 1,
        out: Bool = false, clock: ClockTrust = .trusted, monotonic: Int64? = nil
    ) throws {
        var record = makeRecord(
            event, epoch: epoch, sequence: sequence, lane: lane, from: out ? "ring" : "outside",
            to: out ? "outside" : "ring", at: clock == .trusted ? start + seconds * 1000 : seconds * 1000, clock: clock)
        if let monotonic { record.moment.monotonic = MonotonicTime(nanoseconds: UInt64(monotonic) * 1_000_000_000) }
        try send([record], position(epoch, 1), lane)
        // As an uplink that has nothing more to send.
        try send([], position(epoch, 1), lane)
    }

    func send(_ records: [JournalRecord], _ oldest: StoredThrough, _ lane: String = "north-07") throws {
        let answer = try bench.post(makeBody(records, site: bench.site, lane: lane, oldestHeld: oldest))
        #expect(answer.status == 200, "\(answer.text)")
    }

    /// A lane's devices and clock over hours, as it says them; nothing of it holds at the end but what `last` says.
    func history(_ last: [LaneEvent], rounds: Int = 50) -> [JournalRecord] {
        var events: [LaneEvent] = []
        for _ in 0..<rounds {
            events += [
                .device(.thermometer, lost: true), .mode(.outOfService, .journalFull),
                .device(.thermometer, lost: false),
                .mode(.normal, .none),
            ]
        }
        return (events + last).enumerated().map { index, event in
            makeRecord(
                event, sequence: UInt64(index + 1), from: "outside", to: "ring",
                at: start + Int64(index) * 2_000_000 / Int64(events.count))
        }
    }

    /// Whether the desk has looked at all that is stored by now.
    func isLookedAt() throws -> Bool {
        let now = SystemClock.wallMilliseconds()
        return try eventually { try bench.get("/v1/alerts").json["as_of_ms"] as? Int64 ?? 0 > now }
    }

    /// How many alerts there ever were.
    func told() throws -> Int64 {
        try Database(bench.data.alertDatabase, .readOnly).integer(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'alert'")
    }

    func alerts(_ query: String = "", _ list: String = "alerts") throws -> [[String: Any]] {
        let answer = try bench.get("/v1/alerts\(query)")
        #expect(answer.status == 200, "\(answer.text)")
        return answer.json[list] as? [[String: Any]] ?? [["kind": "no list"]]
    }

    func kinds(_ wanted: [String]) throws -> Bool {
        try eventually { try alerts().compactMap { $0["kind"] as? String } == wanted }
    }

    /// As `kind state`, in the order in which they were found.
    func uses(_ wanted: [String]) throws -> Bool {
        try eventually {
            let findings = try bench.get("/v1/double-use").json["findings"] as? [[String: Any]] ?? []
            return findings.map { "\($0["kind"] ?? "") \($0["state"] ?? "")" } == wanted
        }
    }
}

@Suite("Alerts of a collector at work")
struct AlertDeskTests {
    @Test("a lost device is an alert until it is back, over a restart with its old beginning")
    func device() throws {
        let bench = try AlertBench()
        try bench.send(.device(.thermometer, lost: true), 1, 0)
        #expect(try bench.kinds(["device-lost"]))
        let before = try #require(try bench.alerts().first)
        #expect(before["severity"] as? String == "trouble" && before["until"] is NSNull)
        #expect((before["subject"] as? [String: String]) == ["kind": "device", "id": "north-07/thermometer"])
        #expect((before["text"] as? String)?.contains("北登录厅-07") == true && before["advice"] as? String != "")
        try bench.bench.restart()
        let after = try #require(try bench.alerts().first)
        #expect(
            after["since_ms"] as? Int64 == before["since_ms"] as? Int64 && after["id"] as? Int == before["id"] as? Int)
        try bench.send(.device(.thermometer, lost: false), 2, 60)
        #expect(try bench.kinds([]))
        let ended = try #require(try bench.alerts("?ended=0", "ended").first)
        #expect(ended["id"] as? Int == before["id"] as? Int)
        #expect(ended["until_ms"] as? Int64 ?? 0 > ended["since_ms"] as? Int64 ?? .max)
    }

    @Test("a silent lane's alert stands over a restart and ends when the lane is heard, also while nobody looked")
    func offline() throws {
        let bench = try AlertBench { $0.alerts.laneOfflineSeconds = 1 }
        try bench.send(.stopping, 1, 0)
        #expect(try bench.kinds(["lane-offline"]))
        let since = try bench.alerts().first?["since_ms"] as? Int64
        try bench.bench.restart { $0.alerts.laneOfflineSeconds = 3600 }
        // Its limit was raised meanwhile: what is no longer so has ended.
        #expect(try bench.kinds([]))
        let ended = try bench.alerts("?ended=0", "ended")
        #expect(ended.count == 1 && ended.first?["since_ms"] as? Int64 == since)
    }

    @Test(
        "what alerts.sqlite holds comes again when it is damaged: it is put aside, and the collector starts",
        arguments: ["no database at all", "SQLite format 3\0"])
    func damaged(content: String) throws {
        let bench = try AlertBench()
        try bench.send(.device(.thermometer, lost: true), 1, 0)
        #expect(try bench.kinds(["device-lost"]))
        let file = bench.bench.data.alertDatabase
        try bench.bench.restart(between: {
            for suffix in ["-wal", "-shm"] { try FileSystem.unlinkIfPresent(file + suffix) }
            try FileSystem.replace(file, with: Array(content.utf8), mode: 0o600)
        })
        #expect(try bench.kinds(["device-lost"]))
        #expect(try FileSystem.read(file + ".damaged", limit: 100) == Array(content.utf8))
    }

    @Test(
        "a lane that sends hours of history begins and ends no alert of what is over, and of what is not with its beginning"
    )
    func late() throws {
        let bench = try AlertBench()
        let history = bench.history([.device(.gate, lost: true)])
        // Page by page, each with something lost at its end; the desk looks at each.
        for page in [0..<1, 1..<5, 5..<9, 9..<history.count] {
            try bench.send(Array(history[page]), position(1, 1))
            #expect(try bench.isLookedAt())
            #expect(try bench.alerts().isEmpty)
        }
        try bench.send([], position(1, 1))
        #expect(try bench.kinds(["device-lost"]))
        let alert = try #require(try bench.alerts().first)
        #expect(alert["since_ms"] as? Int64 == history.last?.moment.wall.milliseconds)
        #expect(try bench.told() == 1)
    }

    @Test("without alerts.sqlite what stands has its old beginning again, and nothing that is over is told anew")
    func anew() throws {
        let bench = try AlertBench()
        try bench.send(bench.history([.device(.gate, lost: true)]), position(1, 1))
        try bench.send([], position(1, 1))
        // What lay between cannot come any more: it is told after two minutes.
        try bench.send(
            [(1, 1200), (3, 1500)].map { sequence, seconds in
                makeRecord(
                    ended(holder: 7), epoch: 2, sequence: sequence, lane: "west-01", to: "ring",
                    at: bench.start + seconds * 1000)
            }, position(2, 1), "west-01")
        #expect(try bench.kinds(["device-lost", "double-use"]))
        let before = try bench.alerts().map { "\($0["kind"] ?? "") \($0["since_ms"] ?? "")" }
        let found = try bench.bench.get("/v1/double-use").json["findings"] as? [[String: Any]]
        // What is stored came in ten minutes ago.
        try bench.bench.restart {
            $0.alerts.doubleUseMinutes = 5
        } between: {
            for suffix in ["-wal", "-shm", ""] {
                try FileSystem.unlinkIfPresent(bench.bench.data.alertDatabase + suffix)
            }
            try Database(bench.bench.data.intakeDatabase, .readWrite).execute(
                "UPDATE block SET received = received - 600000; UPDATE hole SET noticed = noticed - 600000")
        }
        try bench.send([], position(1, 1))
        #expect(try bench.kinds(["device-lost", "holes"]))
        let after = try bench.alerts()
        #expect(before.contains("device-lost \(after.first?["since_ms"] ?? "")"))
        let again = try bench.bench.get("/v1/double-use").json["findings"] as? [[String: Any]]
        #expect(again?.count == 1 && found?.count == 1)
        #expect(again?.first?["found_at"] as? String != found?.first?["found_at"] as? String)
        #expect(try bench.told() == 2)
        let now = SystemClock.wallMilliseconds()
        #expect(after.allSatisfy { now - ($0["since_ms"] as? Int64 ?? now) > 500_000 })
    }

    @Test("an alert that stood over a restore stands on while what lanes sent is read again, and keeps its number")
    func standsOn() throws {
        let bench = try AlertBench()
        // More than the desk reads before it looks.
        let history = bench.history([.device(.gate, lost: true)], rounds: 5200)
        for start in stride(from: 0, to: history.count, by: 1000) {
            try bench.send(Array(history[start..<min(start + 1000, history.count)]), position(1, 1))
        }
        try bench.send([], position(1, 1))
        #expect(try bench.kinds(["device-lost"]))
        let before = try bench.alerts().first?["id"] as? Int
        // Other books than those that were read: these are read from the beginning.
        try bench.bench.restart(between: {
            try Database(bench.bench.data.intakeDatabase, .readWrite).execute(
                "UPDATE block SET received = received - 1")
        })
        try bench.send([], position(1, 1))
        try bench.send(.device(.thermometer, lost: true), 30_000, 3000)
        #expect(try eventually { try bench.alerts().filter { $0["kind"] as? String == "device-lost" }.count == 2 })
        #expect(try bench.alerts().contains { $0["id"] as? Int == before })
        #expect(try bench.alerts("?ended=0", "ended").isEmpty)
    }

    @Test("those that ended are given by a cursor, none twice and none left out")
    func cursor() throws {
        let bench = try AlertBench()
        for number: UInt8 in 0..<5 { try bench.send(.device(.reader(number), lost: true), UInt64(number + 1), 0) }
        #expect(try bench.kinds(Array(repeating: "device-lost", count: 5)))
        // They end in another order than they began.
        for (place, number) in [UInt8(3), 1, 4, 0, 2].enumerated() {
            try bench.send(.device(.reader(number), lost: false), UInt64(10 + place), 60)
            #expect(try bench.kinds(Array(repeating: "device-lost", count: 4 - place)))
            let first = try bench.bench.get("/v1/alerts?limit=2").json["alerts"] as? [[String: Any]]
            #expect(first?.count == min(2, 4 - place))
        }
        var seen: [String] = []
        var next = 0
        for _ in 0..<4 {
            let answer = try bench.bench.get("/v1/alerts?ended=\(next)&limit=2").json
            for alert in answer["ended"] as? [[String: Any]] ?? [] {
                seen.append((alert["subject"] as? [String: String])?["id"] ?? "")
            }
            next = answer["next"] as? Int ?? -1
        }
        #expect(seen == [3, 1, 4, 0, 2].map { "north-07/reader-\($0)" } && next == 5)
        for wrong in ["?ended=-1", "?ended=x", "?ended=0&limit=0", "?ended=0&limit=1001", "?limit=0", "?what=1"] {
            #expect(try bench.bench.get("/v1/alerts\(wrong)").status == 400)
        }
    }

    @Test("records of lanes that were cut off from each other are compared when they arrive, in any order")
    func twice() throws {
        let bench = try AlertBench()
        try bench.send(ended(holder: 7), 1, 1200, lane: "west-01")
        #expect(try bench.uses([]))
        // The other lane sends hours later what happened before.
        try bench.send(ended(holder: 7), 1, 0)
        #expect(try bench.uses(["inside-twice certain"]))
        #expect(try bench.kinds(["double-use"]))
        let answer = try bench.bench.get("/v1/double-use").json
        let finding = try #require((answer["findings"] as? [[String: Any]])?.first)
        #expect((finding["first"] as? [String: Any])?["lane"] as? String == "north-07")
        #expect((finding["second"] as? [String: Any])?["lane"] as? String == "west-01")
        #expect(finding["holder"] as? String == "#7" && finding["milliseconds"] as? Int == 1_200_000)
        // That he left between is known last of all.
        try bench.send(ended(holder: 7), 1, 600, lane: "south-01", out: true)
        #expect(try bench.uses(["inside-twice withdrawn"]))
        #expect(try bench.kinds([]))
        #expect(try bench.bench.get("/v1/double-use").json["count"] as? Int == 0)
    }

    @Test("too fast for a walk is found over a restart, once, and sent again it is not found again")
    func fast() throws {
        let bench = try AlertBench()
        try bench.send(ended(holder: 7), 1, 0, out: true)
        #expect(try bench.uses([]))
        try bench.bench.restart()
        for _ in 0..<2 { try bench.send(ended(holder: 7), 1, 30, lane: "west-01") }
        try bench.send(ended(holder: 8), 2, 31, lane: "west-01")
        #expect(try bench.uses(["too-fast certain"]))
        try bench.bench.restart()
        #expect(try bench.uses(["too-fast certain"]))
        #expect(try bench.kinds(["double-use"]))
    }

    @Test("a clock that was not trusted is no evidence until a later record of the same run says how wrong it was")
    func corrected() throws {
        let bench = try AlertBench()
        // It began in 1970, 100 s after its start; at 160 s it knew the time.
        try bench.send(ended(holder: 7), 1, 100, clock: .behindFloor, monotonic: 100)
        try bench.send(ended(holder: 7), 1, 1000, lane: "west-01")
        #expect(try bench.uses(["inside-twice clock-not-trusted"]))
        #expect(try bench.kinds([]))
        try bench.send(.clock(.trusted, stepMilliseconds: 0), 2, 1040, monotonic: 160)
        // So he came in 980 s after the beginning, 20 s before he came in at the other entrance.
        #expect(
            try bench.uses(["inside-twice withdrawn", "inside-twice certain", "too-fast certain"]))
        let findings = try bench.bench.get("/v1/double-use").json["findings"] as? [[String: Any]]
        let first = try #require(findings?.last?["first"] as? [String: Any])
        #expect(first["clock"] as? String == "corrected" && first["lane"] as? String == "north-07")
    }

    @Test("after an emergency, in which people leave unseen, nobody is held to be inside twice")
    func emergency() throws {
        let bench = try AlertBench()
        try bench.send(ended(holder: 7), 1, 0)
        try bench.send(.pulse(.anonymous, .backward, decisionSequence: 0), 2, 900)
        try bench.send(ended(holder: 7), 3, 1800)
        #expect(try bench.uses(["inside-twice somebody-left"]))
        #expect(try bench.kinds([]))
    }

    @Test("holders are for operators; a viewer hears how many")
    func roles() throws {
        let bench = try AlertBench()
        try bench.send(ended(holder: 7), 1, 0)
        try bench.send(ended(holder: 7), 1, 1200, lane: "west-01")
        #expect(try bench.uses(["inside-twice certain"]))
        let enrolment = try Enrolment(bench.bench.data)
        let viewer = try enrolment.addToken("screen", role: "viewer", days: nil)
        let chief = try enrolment.addToken("chief", role: "operator", days: nil)
        func get(_ path: String, _ token: String) throws -> Wire.Answer {
            try bench.bench.get(path, "Authorization: Bearer \(token)\r\n")
        }
        #expect(try eventually { try bench.bench.get("/v1/double-use").status == 401 })
        let seen = try get("/v1/double-use", viewer)
        #expect(seen.status == 200 && seen.json["count"] as? Int == 1 && seen.json["findings"] == nil)
        #expect(!seen.text.contains("#7"))
        #expect(try !get("/v1/alerts", viewer).text.contains("#7"))
        #expect(try get("/v1/double-use.csv", viewer).status == 403)
        #expect(try (get("/v1/double-use", chief).json["findings"] as? [Any])?.count == 1)
        let csv = try get("/v1/double-use.csv", chief).text
        #expect(csv.contains("\"inside-twice\",\"certain\",\"#7\",\"7\",\"north-07\""), "\(csv)")
        for wrong in ["?after=-1", "?limit=0", "?what=1"] {
            #expect(try get("/v1/double-use\(wrong)", chief).status == 400)
        }
    }

    @Test("when the books were restored from a backup, what was read of them is read again")
    func restored() throws {
        let bench = try AlertBench()
        let copy = bench.bench.directory.file("backup.sqlite")
        try bench.send(ended(holder: 7), 1, 0)
        #expect(try bench.uses([]))
        try Database(bench.bench.data.intakeDatabase, .readWrite).execute("VACUUM INTO '\(copy)'")
        try bench.send(ended(holder: 7), 1, 1200, lane: "west-01")
        #expect(try bench.uses(["inside-twice certain"]))
        try bench.bench.restart(between: { try ServiceBench.restore(bench.bench.data.intakeDatabase, from: copy) })
        #expect(try bench.uses([]))
        // The lane sends again what the backup does not have.
        try bench.send(ended(holder: 7), 1, 1200, lane: "west-01")
        #expect(try bench.uses(["inside-twice certain"]))
    }
}
