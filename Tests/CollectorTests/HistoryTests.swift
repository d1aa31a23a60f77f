import Admission
import Foundation
import Framing
import TestSupport
import Testing
import Wording

@testable import Collector

@Suite("What was, by day and hour, and one decision in full")
struct HistoryTests {
    private static let minute: Int64 = 60_000
    private static let hour: Int64 = 3_600_000

    /// At the site it is 08:00 on 2026-07-10 in the `morning`, and the day has 16 hours more.
    private static func fill(_ bench: ServiceBench) throws {
        let north = [
            makeRecord(.epochStarted(previous: .none, lastSequence: 0), sequence: 1),
            makeRecord(decided(.refused, reasons: [.codeRed, .testExpired]), sequence: 2, at: morning + minute),
            makeRecord(decided(), sequence: 3, at: morning + 59 * minute),
            makeRecord(ended(of: 3), sequence: 4, at: morning + 59 * minute),
            makeRecord(.pulse(.tailgating, .forward, decisionSequence: 3), sequence: 5, at: morning + 59 * minute),
            makeRecord(decided(holder: 8), sequence: 6, at: morning + hour),
            makeRecord(ended(.annulled, holder: 8, of: 6), sequence: 7, at: morning + hour + 5000),
            makeRecord(decided(.refused, reasons: [.codeRed]), sequence: 8, at: morning + 16 * hour),
        ]
        #expect(try bench.post(bench.body(north)).status == 200)
        let out = [
            makeRecord(
                ended(holder: 9, kind: .media), lane: "out-01", from: "north-ring", to: "outside", at: morning + hour)
        ]
        #expect(try bench.post(bench.body(out, lane: "out-01")).status == 200)
    }

    private static func rows(_ bench: ServiceBench, _ query: String) throws -> [[String: Any]] {
        let answer = try bench.get("/v1/history?\(query)")
        #expect(answer.status == 200, "\(query): \(answer.text)")
        return answer.json["rows"] as? [[String: Any]] ?? []
    }

    @Test("a day is told by hour, by lane, by kind and by reason, and an hour of it alone")
    func groupings() throws {
        let bench = try ServiceBench()
        try Self.fill(bench)
        func counts(_ query: String, _ key: String, _ members: [String]) throws -> [String] {
            try Self.rows(bench, query).map { row in
                "\(row[key] ?? "-") " + members.map { "\(row[$0] ?? "-")" }.joined(separator: " ")
            }
        }
        let day = "day=2026-07-10"
        let members = ["presented", "refused", "in", "out", "tailgating", "annulled"]
        #expect(
            try counts(day, "at_ms", members) == [
                "\(morning) 2 1 2 0 1 0", "\(morning + Self.hour) 1 0 0 1 0 1",
            ])
        #expect(try counts("\(day)&by=lane", "lane", members) == ["north-07 3 1 2 0 1 1", "out-01 0 0 0 1 0 0"])
        #expect(try counts("\(day)&by=lane", "name", []) == ["北登录厅-07 ", "out-01 "])
        #expect(try counts("\(day)&by=lane&hour=8", "lane", members) == ["north-07 2 1 2 0 1 0"])
        #expect(
            try counts("\(day)&by=lane&hour=9", "lane", members) == ["north-07 1 0 0 0 0 1", "out-01 0 0 0 1 0 0"])
        #expect(try counts("\(day)&hour=9&lane=out-01", "at_ms", members) == ["\(morning + Self.hour) 0 0 0 1 0 0"])
        // No lane belongs to an entrance here.
        #expect(
            try counts("\(day)&by=entrance", "entrance", members) == ["north-07 3 1 2 0 1 1", "out-01 0 0 0 1 0 0"])
        #expect(try counts("\(day)&by=entrance", "name_zh", []) == ["北登录厅-07 ", "out-01 "])
        let kinds = try counts("\(day)&by=kind", "kind", ["passed"])
        #expect(kinds.contains("visitor 1") && kinds.contains("media 1") && kinds.contains("staff 0"))
        #expect(try counts("\(day)&by=reason", "reason", ["refused"]) == ["test-expired 1", "code-red 1"])
        // The next day began in Shanghai.
        #expect(try counts("day=2026-07-11&by=reason", "reason", ["refused"]) == ["code-red 1"])
        #expect(try counts("day=2026-07-12", "at", []).isEmpty)
    }

    @Test("lanes of one entrance are one row, named in both languages")
    func entrances() throws {
        let bench = try ServiceBench()
        try bench.restart { settings in
            settings.entrances = [name("north"): Bilingual("北登录厅", "North \"hall\"")]
            settings.entranceOfLane = [name("north-07"): name("north"), name("out-01"): name("north")]
        }
        try Self.fill(bench)
        let rows = try Self.rows(bench, "day=2026-07-10&by=entrance")
        #expect(rows.map { $0["entrance"] as? String } == ["north"])
        #expect(rows.map { $0["in"] as? Int } == [2] && rows.map { $0["out"] as? Int } == [1])
        let lines = try bench.get("/v1/history.csv?day=2026-07-10&by=entrance").text.components(separatedBy: "\r\n")
        #expect(lines[0].hasPrefix("entrance,name_zh,name_en,in,"))
        #expect(lines[1].hasPrefix("north,\"北登录厅\",\"North \"\"hall\"\"\",2,1,"))
    }

    @Test("the parts of a day are the whole of it, as the tallies say it")
    func sums() throws {
        let bench = try ServiceBench()
        try Self.fill(bench)
        for member in ["presented", "admitted", "refused", "passed", "in", "out", "annulled", "tailgating"] {
            func sum(_ query: String) throws -> Int {
                try Self.rows(bench, query).reduce(0) { $0 + ($1[member] as? Int ?? 0) }
            }
            let whole = try sum("day=2026-07-10")
            #expect(try sum("day=2026-07-10&by=lane") == whole, "\(member)")
            var hours = 0
            for hour in 0..<24 { hours += try sum("day=2026-07-10&by=lane&hour=\(hour)") }
            #expect(hours == whole, "\(member)")
            let total = try bench.get("/v1/tallies").json["total"] as? [String: Any]
            #expect(try whole + sum("day=2026-07-11") == total?[member] as? Int, "\(member)")
        }
    }

    @Test(
        "a day is told by zone as the records name the zones, wherever the lane stood then, of a lane and of an hour too"
    )
    func zones() throws {
        let bench = try ServiceBench()
        func send(_ lane: String, _ records: [JournalRecord]) throws {
            #expect(try bench.post(bench.body(records, lane: lane)).status == 200)
        }
        func pass(
            _ sequence: UInt64, _ lane: String, _ from: String, _ to: String, at instant: Int64,
            kind: HolderKind = .visitor, _ direction: PassageDirection = .forward
        ) -> JournalRecord {
            makeRecord(
                ended(holder: UInt32(sequence), kind: kind, direction: direction), sequence: sequence, lane: lane,
                from: from, to: to, at: instant)
        }
        try send(
            "north-07",
            [
                pass(1, "north-07", "outside", "ring", at: morning),
                pass(2, "north-07", "outside", "ring", at: morning),
                // It was moved: the same lane leads elsewhere now.
                pass(3, "north-07", "outside", "yard", at: morning + Self.hour, kind: .vehicle),
                makeRecord(
                    .pulse(.tailgating, .forward, decisionSequence: 2), sequence: 4, to: "ring", at: morning + Self.hour
                ),
            ])
        try send(
            "hall-01",
            [
                pass(1, "hall-01", "ring", "hall", at: morning),
                pass(2, "hall-01", "ring", "hall", at: morning + Self.hour, .backward),
            ])
        try bench.restart()
        // What came before the restart is added to, not begun anew; a record of the day before comes late.
        try send(
            "hall-02",
            [
                pass(1, "hall-02", "ring", "hall", at: morning + Self.hour),
                pass(2, "hall-02", "ring", "hall", at: morning - 24 * Self.hour),
            ])
        let members = ["in", "out", "vehicles_in", "vehicles_out", "people_change", "vehicle_change"]
        func told(_ query: String) throws -> [String] {
            try Self.rows(bench, "day=2026-07-10&by=zone\(query)").map { row in
                "\(row["zone"] ?? "-") " + members.map { "\(row[$0] ?? "-")" }.joined(separator: " ")
            }
        }
        #expect(try told("") == ["hall 2 1 0 0 1 0", "ring 4 2 0 0 2 0", "yard 0 0 1 0 0 1"])
        #expect(try told("&hour=8") == ["hall 1 0 0 0 1 0", "ring 2 1 0 0 1 0"])
        #expect(try told("&hour=9") == ["hall 1 1 0 0 0 0", "ring 2 1 0 0 1 0", "yard 0 0 1 0 0 1"])
        #expect(try told("&lane=hall-01") == ["hall 1 1 0 0 0 0", "ring 1 1 0 0 0 0"])
        #expect(try told("&lane=north-07&hour=8") == ["ring 2 0 0 0 2 0"])
        #expect(try Self.rows(bench, "day=2026-07-09&by=zone").map { $0["in"] as? Int } == [1, 0])
        let ring = try #require(
            try Self.rows(bench, "day=2026-07-10&by=zone").first { $0["zone"] as? String == "ring" })
        #expect(ring["name_zh"] as? String == "外环" && ring["name_en"] as? String == "Ring")
        // What is in a zone now is the sum of what changed in it on all days.
        let balances = try bench.get("/v1/occupancy").json["zones"] as? [[String: Any]]
        let changes = try ["2026-07-09", "2026-07-10"].flatMap { try Self.rows(bench, "day=\($0)&by=zone") }
        for zone in try #require(balances) {
            let own = changes.filter { $0["zone"] as? String == zone["zone"] as? String }
            #expect(own.reduce(0) { $0 + ($1["people_change"] as? Int ?? 0) } == zone["people"] as? Int)
            #expect(own.reduce(0) { $0 + ($1["vehicle_change"] as? Int ?? 0) } == zone["vehicles"] as? Int)
        }
        let lines = try bench.get("/v1/history.csv?day=2026-07-10&by=zone").text.components(separatedBy: "\r\n")
        #expect(lines[0] == "zone,name_zh,name_en,in,out,vehicles_in,vehicles_out,people_change,vehicle_change")
        #expect(lines[2] == "\"ring\",\"外环\",\"Ring\",4,2,0,0,2,0")
        #expect(try bench.get("/v1/history?by=zone").json["counted_since_ms"] is NSNull)
    }

    @Test("as CSV it has one header line and a line a row, and its name says what it is of")
    func csv() throws {
        let bench = try ServiceBench()
        try Self.fill(bench)
        let answer = try bench.get("/v1/history.csv?day=2026-07-10&by=lane&hour=9")
        #expect(answer.status == 200)
        #expect(answer.headers["content-type"] == "text/csv; charset=utf-8")
        #expect(
            answer.headers["content-disposition"] == "attachment; filename=\"history-2026-07-10-9h-lane.csv\"")
        let lines = answer.text.components(separatedBy: "\r\n")
        #expect(lines.count == 4 && lines[3].isEmpty)
        #expect(lines[0].hasPrefix("lane,name,in,out,"))
        #expect(lines[1].hasPrefix("north-07,\"北登录厅-07\",0,0,"))
        #expect(lines[2].hasPrefix("out-01,\"out-01\",0,1,"))
        #expect(
            try bench.get("/v1/history.csv?day=2026-07-10&by=reason").text
                == "reason,refused\r\ntest-expired,1\r\ncode-red,1\r\n")
    }

    @Test(
        "a question that cannot be meant is refused, and says what is expected",
        arguments: [
            "day=2026-7-1", "day=now", "hour=25", "hour=-1", "hour=x", "by=colour", "lane=North", "from=1",
            "by=lane&by=hour",
        ])
    func refused(query: String) throws {
        let bench = try ServiceBench()
        for path in ["/v1/history", "/v1/history.csv"] {
            let answer = try bench.get("\(path)?\(query)")
            #expect(answer.status == 400)
            #expect((answer.json["advice"] as? String)?.isEmpty == false)
        }
        #expect(try bench.get("/v1/history?lane=north-99").status == 404)
    }

    @Test("a decision is told with what became of it, with who followed, and in words")
    func decision() throws {
        let bench = try ServiceBench()
        try Self.fill(bench)
        func ask(_ sequence: Int) throws -> [String: Any] {
            let answer = try bench.get("/v1/decision?lane=north-07&epoch=\(epoch(1).hex)&sequence=\(sequence)")
            #expect(answer.status == 200, "\(answer.text)")
            return answer.json
        }
        let refused = try ask(2)
        #expect((refused["decision"] as? [String: Any])?["verdict"] as? String == "refused")
        #expect(refused["ended"] is NSNull)
        let words = try #require(refused["in_words"] as? [String: Any])
        let reasons = try #require(words["reasons"] as? [[String: Any]])
        #expect(reasons.map { $0["reason"] as? String } == ["test-expired", "code-red"])
        for reason in reasons {
            #expect((reason["zh"] as? String)?.isEmpty == false && (reason["en"] as? String)?.isEmpty == false)
        }
        let visitor = try #require(words["visitor"] as? [String: Any])
        #expect((visitor["zh"] as? String)?.isEmpty == false && (visitor["en"] as? String)?.isEmpty == false)
        let passed = try ask(3)
        let ended = try #require(passed["ended"] as? [String: Any])
        #expect(ended["end"] as? String == "passed" && ended["sequence"] as? Int == 4)
        #expect((passed["pulses"] as? [[String: Any]])?.map { $0["pulse"] as? String } == ["tailgating"])
        #expect((passed["in_words"] as? [String: Any])?["visitor"] is NSNull)
        #expect((try ask(6)["ended"] as? [String: Any])?["end"] as? String == "annulled")
    }

    @Test("a decision that a restart cut short is told with the end that the next epoch recorded")
    func interrupted() throws {
        let bench = try ServiceBench()
        let first = [makeRecord(.epochStarted(previous: .none, lastSequence: 0)), makeRecord(decided(), sequence: 2)]
        #expect(try bench.post(bench.body(first)).status == 200)
        let outcome = Outcome(
            end: .interrupted, direction: .forward, decisionSequence: 2, decisionEpoch: epoch(1),
            tag: BadgeTag(low: 7, high: 9), type: .chip, holder: HolderNumber(7), kind: .visitor, reader: 0,
            openMilliseconds: 0, isAssumed: false)
        let second = [
            makeRecord(.epochStarted(previous: epoch(1), lastSequence: 2), epoch: 2),
            makeRecord(.ended(outcome), epoch: 2, sequence: 2),
        ]
        #expect(try bench.post(bench.body(second, oldestHeld: position(1, 1))).status == 200)
        let answer = try bench.get("/v1/decision?lane=north-07&epoch=\(epoch(1).hex)&sequence=2").json
        #expect((answer["ended"] as? [String: Any])?["end"] as? String == "interrupted")
    }

    @Test(
        "who asks for a decision that is none hears so",
        arguments: [
            ("lane=north-07&epoch=E&sequence=1", 404), ("lane=north-07&epoch=E&sequence=9", 404),
            ("lane=north-08&epoch=E&sequence=2", 404),
            ("lane=north-07&epoch=0000000000000000000000000000000f&sequence=2", 404),
            ("lane=north-07&epoch=E&sequence=9223372036854775807", 404),
            ("lane=north-07&epoch=E", 400), ("lane=north-07&epoch=E&sequence=0", 400),
            ("lane=north-07&epoch=E&sequence=9223372036854775808", 400),
            ("lane=north-07&epoch=E&sequence=-1", 400), ("lane=north-07&epoch=12&sequence=2", 400),
            ("lane=N&epoch=E&sequence=2", 400), ("lane=north-07&epoch=E&sequence=2&x=1", 400),
        ])
    func noDecision(query: String, status: Int) throws {
        let bench = try ServiceBench()
        try Self.fill(bench)
        let answer = try bench.get(
            "/v1/decision?" + query.replacingOccurrences(of: "epoch=E", with: "epoch=\(epoch(1).hex)"))
        #expect(answer.status == status, "\(answer.text)")
        #expect((answer.json["error"] as? String)?.isEmpty == false)
    }
}
