import Admission
import Foundation
import Framing
import Posix
import TestSupport
import Testing

@testable import Collector

/// A served site: P0, P1 and P2 are ready but for what `lost` says, V is a vehicle of which only the activation counts.
private struct InsideBench {
    let bench: ServiceBench
    private let now = SystemClock.wallMilliseconds()

    init() throws { bench = try ServiceBench() }

    func publish(red: Set<Int> = [], gone: Set<Int> = []) throws {
        let fresh = Timestamp.format(now - 3_600_000)
        let rows = (0..<3).filter { !gone.contains($0) }.map { number in
            line(
                "P\(number)", chip: "0102030\(number)", health: "\(red.contains(number) ? "red" : "green"),\(fresh)",
                test: "negative,\(fresh)")
        }
        let vehicle = line("V,\u{22}1", chip: "01020309").replacing("V,\u{22}1,visitor", with: "\"V,\"\"1\",vehicle")
        let feed = bench.directory.file("inside.csv")
        let text = ([feedHeader] + rows + [vehicle]).map { $0 + "\n" }.joined()
        try FileSystem.replace(feed, with: Array(text.utf8), mode: 0o600)
        _ = try FeedImport(data: bench.data, feed: feed, options: unguarded).run { _ in }
        bench.service.refresh()
    }

    /// A passage of a holder, by his number; minutes after the beginning.
    func pass(
        _ holder: UInt32, _ sequence: UInt64, minutes: Int64, lane: String = "north-07", from: String = "outside",
        to: String = "ring", epoch: UInt64 = 1, clock: ClockTrust = .trusted
    ) throws {
        let record = makeRecord(
            ended(holder: holder), epoch: epoch, sequence: sequence, lane: lane, from: from, to: to,
            at: clock == .trusted ? now - 3_600_000 + minutes * 60_000 : minutes * 60_000, clock: clock)
        let answer = try bench.post(
            makeBody([record], site: bench.site, lane: lane, oldestHeld: position(epoch, 1)))
        #expect(answer.status == 200, "\(answer.text)")
    }

    func list(_ body: @escaping ([[String: Any]], [String: Any]) -> Bool) throws -> Bool {
        try eventually {
            let answer = try bench.get("/v1/inside")
            guard answer.status == 200, let holders = answer.json["holders"] as? [[String: Any]] else {
                return false
            }
            return body(holders, answer.json)
        }
    }
}

@Suite("Who is inside")
struct InsideListTests {
    @Test("whoever is on site and loses a key by an image is listed with where he came in, until he leaves")
    func listed() throws {
        let bench = try InsideBench()
        #expect(try bench.bench.get("/v1/inside").status == 503)
        try bench.publish()
        for holder: UInt32 in 1...4 { try bench.pass(holder, UInt64(holder), minutes: Int64(holder)) }
        #expect(try bench.list { $0.isEmpty && $1["on_site"] as? Int == 4 })
        try bench.publish(red: [0], gone: [1])
        #expect(
            try bench.list { holders, all in
                all["count"] as? Int == 2 && all["image_version"] as? Int == 2
                    && holders.compactMap { $0["holder"] as? String } == ["P0", "P1"]
                    && holders.compactMap { $0["keys"] as? [String] } == [
                        ["green-code"], ["vaccine", "green-code", "test", "activated"],
                    ] && holders[0]["lane"] as? String == "north-07" && holders[0]["zone"] as? String == "ring"
                    && holders.map { $0["in_image"] as? Bool } == [true, false]
            })
        // Deeper in he is where he is, and came in where he came in; outside he is nobody's concern.
        try bench.pass(1, 1, minutes: 10, lane: "hall-01", from: "ring", to: "hall", epoch: 2)
        #expect(
            try bench.list { holders, _ in
                holders.first?["zone"] as? String == "hall" && holders.first?["lane"] as? String == "north-07"
            })
        try bench.pass(2, 1, minutes: 11, lane: "exit-01", from: "ring", to: "outside", epoch: 3)
        #expect(try bench.list { holders, all in holders.count == 1 && all["on_site"] as? Int == 3 })
        let csv = try bench.bench.get("/v1/inside.csv").text.split(separator: "\r\n")
        #expect(csv.count == 2)
        #expect(csv[0] == "holder,number,kind,keys,entered_at,lane,zone")
        #expect(csv[1].hasPrefix("\"P0\",\"1\",\"visitor\",\"green-code\",\""))
        #expect(csv[1].hasSuffix("\",\"north-07\",\"hall\""))
    }

    @Test("an urgent change lists whom it reaches inside, without an image")
    func changed() throws {
        let bench = try InsideBench()
        try bench.publish()
        try bench.pass(1, 1, minutes: 1)
        #expect(try bench.list { $0.isEmpty && $1["on_site"] as? Int == 1 })
        _ = try ChangeStore(bench.bench.data).publish(
            [HolderChange(HolderNumber(1), activation: .suspended)], now: SystemClock.wallMilliseconds())
        bench.bench.service.refresh()
        #expect(try bench.list { holders, _ in holders.first?["keys"] as? [String] == ["activated"] })
    }

    @Test("where somebody is says his newest passage, in whatever order they come in")
    func order() throws {
        let bench = try InsideBench()
        try bench.publish(red: [0])
        // The exit has its uplink, the entrance's records come hours later.
        try bench.pass(1, 1, minutes: 30, lane: "exit-01", from: "ring", to: "outside", epoch: 3)
        try bench.pass(3, 1, minutes: 1)
        #expect(try bench.list { $0.isEmpty && $1["on_site"] as? Int == 1 })
        try bench.pass(1, 2, minutes: 2)
        try bench.pass(2, 3, minutes: 3)
        #expect(try bench.list { $0.isEmpty && $1["on_site"] as? Int == 2 })
        // After a restart the same.
        try bench.bench.restart()
        #expect(try bench.list { $0.isEmpty && $1["on_site"] as? Int == 2 })
        try bench.pass(1, 4, minutes: 40)
        #expect(try bench.list { holders, _ in holders.count == 1 })
    }

    @Test("a passage by a clock that was not trusted counts when it came in, and not by its date of 1970")
    func untrustedClock() throws {
        let bench = try InsideBench()
        try bench.publish(red: [0, 1])
        for holder: UInt32 in 1...2 { try bench.pass(holder, UInt64(holder), minutes: Int64(holder)) }
        #expect(try bench.list { holders, _ in holders.count == 2 })
        try bench.pass(1, 1, minutes: 3, lane: "exit-01", from: "ring", to: "outside", epoch: 3, clock: .behindFloor)
        #expect(try bench.list { holders, _ in holders.compactMap { $0["holder"] as? String } == ["P1"] })
    }

    @Test("a passage that came in while the collector's clock was ahead stands in the way of no later one")
    func receivedAhead() throws {
        let bench = try InsideBench()
        try bench.publish(red: [0])
        try bench.pass(1, 1, minutes: 1, clock: .behindFloor)
        #expect(try bench.list { holders, _ in holders.count == 1 })
        try bench.bench.restart {
            _ in
        } between: {
            try Database(bench.bench.data.intakeDatabase, .readWrite).execute(
                "UPDATE block SET received = 4000000000000")
        }
        #expect(try bench.list { holders, _ in holders.count == 1 })
        try bench.pass(1, 1, minutes: 3, lane: "exit-01", from: "ring", to: "outside", epoch: 3, clock: .behindFloor)
        #expect(try bench.list { $0.isEmpty && $1["on_site"] as? Int == 0 })
    }

    @Test("lanes are told nobody inside of whom only a clock that was not trusted says so")
    func untrustedPresence() throws {
        let bench = try InsideBench()
        try bench.publish()
        try bench.pass(1, 1, minutes: 1, clock: .behindFloor)
        try bench.pass(2, 2, minutes: 2)
        #expect(try bench.list { $1["on_site"] as? Int == 2 })
        var inside: [UInt32] = []
        #expect(
            try eventually {
                let answer = try bench.bench.get("/v1/presence")
                guard answer.status == 200 else { return false }
                inside = try PresenceList.parse(answer.body).list.entries.map(\.holder)
                return !inside.isEmpty
            })
        #expect(inside == [2])
    }

    @Test("an alert begins with the first of them and ends with the last, and says since when and what to do")
    func alert() throws {
        let bench = try InsideBench()
        func alerts(_ body: @escaping ([[String: Any]]) -> Bool) throws -> Bool {
            try eventually {
                let answer = try bench.bench.get("/v1/alerts")
                return answer.status == 200 && body(answer.json["alerts"] as? [[String: Any]] ?? [["no": "list"]])
            }
        }
        // Nobody has looked: that is not to say that all is well.
        #expect(try bench.bench.get("/v1/inside").status == 503)
        #expect(try bench.bench.get("/v1/tallies").json["inside_without_keys"] is NSNull)
        try bench.publish()
        for holder: UInt32 in 1...3 { try bench.pass(holder, UInt64(holder), minutes: Int64(holder)) }
        #expect(try bench.list { $0.isEmpty && $1["on_site"] as? Int == 3 })
        #expect(try alerts { $0.isEmpty })
        let began = SystemClock.wallMilliseconds()
        try bench.publish(red: [0])
        #expect(try alerts { $0.count == 1 && $0[0]["count"] as? Int == 1 })
        let since = try #require(
            (try bench.bench.get("/v1/alerts").json["alerts"] as? [[String: Any]])?.first?["since_ms"] as? Int64)
        #expect((began...SystemClock.wallMilliseconds()).contains(since))
        try bench.publish(red: [0, 1])
        #expect(
            try alerts { list in
                list.count == 1 && list[0]["kind"] as? String == "inside-without-keys" && list[0]["count"] as? Int == 2
                    && list[0]["since_ms"] as? Int64 == since
                    && (list[0]["by_key"] as? [String: Int])?["green-code"] == 2
                    && (list[0]["advice"] as? String)?.contains("/v1/inside") == true
            })
        #expect(try bench.bench.get("/v1/tallies").json["inside_without_keys"] as? Int == 2)
        try bench.publish()
        #expect(try alerts { $0.isEmpty })
    }

    @Test("what was seen more than three minutes ago is not said of now")
    func notKnown() {
        let snapshot = InsideList.Snapshot(
            imageVersion: 1, asOfMilliseconds: morning, onSite: 3, sinceMilliseconds: nil, count: 0, people: [])
        #expect(snapshot.isKnown(at: morning + 180_000) && !snapshot.isKnown(at: morning + 180_001))
        // The clock was set back: when that look was made nobody knows.
        #expect(snapshot.isKnown(at: morning - 60_000) && !snapshot.isKnown(at: morning - 60_001))
    }

    @Test("keys are judged as lanes do, by image and changes, not by what stands for the next image")
    func asLanesDo() throws {
        let bench = try InsideBench()
        try bench.publish()
        try bench.pass(1, 1, minutes: 1)
        #expect(try bench.list { $0.isEmpty && $1["on_site"] as? Int == 1 })
        // An older copy of changes.sqlite may say of a key what no lane has.
        try Database(bench.bench.data.changeDatabase, .readWrite).execute(
            """
            INSERT INTO standing(holder, key, state, instant, feed, number)
            VALUES(1, \(StandingKeys.Key.activation.rawValue), \(Activation.suspended.rawValue), 0,
                \(Activation.activated.rawValue), 5)
            """)
        try bench.pass(2, 2, minutes: 2)
        #expect(try bench.list { $1["on_site"] as? Int == 2 })
        #expect(try bench.list { $0.isEmpty && $1["count"] as? Int == 0 })
    }

    @Test("keys are judged by the site's own windows")
    func windows() throws {
        let bench = try InsideBench()
        try bench.publish()
        try bench.pass(1, 1, minutes: 1)
        #expect(try bench.list { $0.isEmpty && $1["on_site"] as? Int == 1 })
        // His test was sampled and his code assessed an hour ago.
        for (windows, missing) in [
            (KeyWindows(testHours: 0, assessmentHours: 2), "test"),
            (KeyWindows(testHours: 2, assessmentHours: 0), "green-code"),
        ] {
            try bench.bench.restart { $0.windows = windows }
            #expect(try bench.list { holders, _ in holders.first?["keys"] as? [String] == [missing] })
        }
    }

    @Test("names are for operators; a viewer hears how many, by key")
    func roles() throws {
        let bench = try InsideBench()
        try bench.publish(red: [0])
        try bench.pass(1, 1, minutes: 1)
        #expect(try bench.list { holders, _ in holders.count == 1 })
        let enrolment = try Enrolment(bench.bench.data)
        func get(_ path: String, _ token: String) throws -> Wire.Answer {
            try bench.bench.get(path, "Authorization: Bearer \(token)\r\n")
        }
        let viewer = try enrolment.addToken("screen", role: "viewer", days: nil)
        let chief = try enrolment.addToken("chief", role: "operator", days: nil)
        #expect(try eventually { try bench.bench.get("/v1/inside").status == 401 })
        let seen = try get("/v1/inside", viewer)
        #expect(seen.status == 200 && seen.json["holders"] == nil && seen.json["count"] as? Int == 1)
        #expect((seen.json["by_key"] as? [String: Int]) == ["vaccine": 0, "green-code": 1, "test": 0, "activated": 0])
        #expect(!seen.text.contains("P0"))
        #expect(try get("/v1/inside.csv", viewer).status == 403)
        #expect(try get("/v1/alerts", viewer).status == 200)
        #expect(try (get("/v1/inside", chief).json["holders"] as? [[String: Any]])?.count == 1)
        #expect(try get("/v1/inside.csv", chief).text.contains("P0"))
    }
}
