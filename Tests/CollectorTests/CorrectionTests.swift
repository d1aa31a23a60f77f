import Admission
import Foundation
import Framing
import Posix
import TestSupport
import Testing

@testable import Collector

@Suite("Corrections of a count")
struct CorrectionTests {
    private func correct(
        _ bench: ServiceBench, _ counter: String = "in", by count: Int = -2, lane: String? = nil, day: String? = nil,
        zone: String? = nil, reason: String = "a school class left by the fire door"
    ) throws -> String {
        try Correction.add(
            ServiceBench.settings(bench.data), counter, by: count, lane: lane, day: day, zone: zone, reason: reason,
            who: "ada")
    }

    @Test("a correction stands beside what was counted, with who made it and why, also after a restart")
    func shown() throws {
        let bench = try ServiceBench()
        let records = (1...3).map { makeRecord(ended(holder: UInt32($0)), sequence: UInt64($0)) }
        #expect(try bench.post(bench.body(records)).status == 200)
        #expect(try correct(bench, day: "2026-07-10").hasPrefix("entry 1: in -2, the site, 2026-07-10"))
        #expect(try correct(bench, "out", by: 1, lane: "north-07", reason: "门卫").contains("lane north-07"))
        // Nobody is asked who he is without TLS: he may do all.
        for round in 0..<2 {
            bench.service.refresh()
            let tallies = try bench.get("/v1/tallies").json
            let total = try #require(tallies["total"] as? [String: Any])
            #expect(total["in"] as? Int == 3)
            #expect(total["on_site_people"] as? Int == 3)
            let corrected = try #require(tallies["corrected"] as? [String: Any])
            #expect(corrected["in"] as? Int == 1)
            #expect(corrected["out"] as? Int == 1)
            #expect(corrected["on_site_people"] as? Int == 0)
            #expect(corrected["passed"] as? Int == 3)
            // The records and the first correction are of another day than the second, which is of today.
            let today = try #require(tallies["corrected_today"] as? [String: Any])
            #expect(today["out"] as? Int == 1)
            #expect(today["in"] as? Int == 0)
            let list = try #require(tallies["corrections"] as? [[String: Any]])
            #expect(list.map { $0["who"] as? String } == ["ada", "ada"])
            #expect(list.map { $0["reason"] as? String } == ["a school class left by the fire door", "门卫"])
            #expect(list.map { $0["count"] as? Int } == [-2, 1])
            #expect(list[1]["lane"] as? String == "north-07")
            if round == 0 { try bench.restart() }
        }
        let audit = try AuditTrail.lines(bench.data, count: 10)
        #expect(audit.count == 2)
        #expect(audit[0].hasSuffix("\tada\tcorrect\tin -2, the site, 2026-07-10: a school class left by the fire door"))
    }

    @Test("a correction without a reason, of nothing, or of what is no count is refused and leaves no trace")
    func refused() throws {
        let bench = try ServiceBench()
        #expect(throws: CollectorFailure.self) { _ = try correct(bench, reason: "") }
        #expect(throws: CollectorFailure.self) { _ = try correct(bench, reason: "two\nlines") }
        #expect(throws: CollectorFailure.self) { _ = try correct(bench, by: 0) }
        #expect(throws: CollectorFailure.self) { _ = try correct(bench, "distinct_holders") }
        #expect(throws: CollectorFailure.self) { _ = try correct(bench, lane: "North 07") }
        #expect(throws: CollectorFailure.self) { _ = try correct(bench, day: "2026-02-30") }
        #expect(throws: CollectorFailure.self) { _ = try correct(bench, day: "2262-11-21") }
        #expect(throws: CollectorFailure.self) { _ = try correct(bench, lane: "nort-07") }
        #expect(try AuditTrail.lines(bench.data, count: 10).isEmpty)
        bench.service.refresh()
        #expect((try bench.get("/v1/tallies").json["corrections"] as? [Any])?.isEmpty == true)
    }

    @Test(
        "how many are in a zone is corrected where it is shown, told to lanes and compared with a limit, also after a restart"
    )
    func zones() throws {
        let bench = try ServiceBench()
        let records = (1...40).map {
            makeRecord(ended(holder: UInt32($0)), sequence: UInt64($0), to: "ring", at: SystemClock.wallMilliseconds())
        }
        func zone() throws -> [String: Any] {
            let zones = try bench.get("/v1/tallies").json["zones"] as? [[String: Any]]
            return try #require(zones?.first { $0["zone"] as? String == "ring" })
        }
        try bench.restart { $0.zoneLimits[name("ring")] = CollectorSettings.ZoneLimit(people: 40, vehicles: 3) }
        #expect(try bench.post(bench.body(records)).status == 200)
        #expect(try correct(bench, "people", by: -30, zone: "ring").contains("people -30, zone ring, "))
        _ = try correct(bench, "vehicles", by: 2, zone: "ring")
        for _ in 0..<2 {
            bench.service.refresh()
            let seen = try zone()
            #expect(seen["people"] as? Int == 10 && seen["counted_people"] as? Int == 40)
            #expect(seen["vehicles"] as? Int == 2 && seen["counted_vehicles"] as? Int == 0)
            #expect(seen["percent"] as? Int == 25 && seen["vehicle_percent"] as? Int == 66)
            // What crossed the site's boundary is another count.
            let corrected = try bench.get("/v1/tallies").json["corrected"] as? [String: Any]
            #expect(corrected?["on_site_people"] as? Int == 40)
            let list = try bench.get("/v1/tallies").json["corrections"] as? [[String: Any]]
            #expect(list?.map { $0["zone"] as? String } == ["ring", "ring"])
            #expect(list?.map { $0["counter"] as? String } == ["people", "vehicles"])
            #expect(try bench.get("/v1/alerts").json["alerts"] as? [[String: Any]] != nil)
            try bench.restart { $0.zoneLimits[name("ring")] = CollectorSettings.ZoneLimit(people: 40, vehicles: 3) }
        }
        // So a policy with a limit hears of it.
        _ = try bench.publish(["P1"])
        #expect(
            try eventually {
                bench.service.refresh()
                let zones = try Statement.parse(bench.get("/v1/statement").body).statement.occupancy?.zones
                return zones == [.init(name: name("ring"), people: 10, vehicles: 2)]
            })
        for (counter, zone, lane, day) in [
            ("people", nil, nil, nil), ("in", "ring", nil, nil), ("people", "hall-9", nil, nil),
            ("people", "outside", nil, nil), ("people", "ring", "north-07", nil), ("people", "ring", nil, "2026-07-10"),
        ] as [(String, String?, String?, String?)] {
            #expect(throws: CollectorFailure.self) {
                _ = try correct(bench, counter, lane: lane, day: day, zone: zone)
            }
        }
        let audit = try AuditTrail.lines(bench.data, count: 10)
        #expect(audit.count == 2 && audit[0].contains("\tada\tcorrect\tpeople -30, zone ring, "))
    }

    @Test("a lane is known when it is configured or was heard of")
    func knownLanes() throws {
        let bench = try ServiceBench()
        #expect(try correct(bench, lane: "north-07").contains("lane north-07"))
        #expect(throws: CollectorFailure.self) { _ = try correct(bench, lane: "south-01") }
        #expect(try bench.post(bench.body([makeRecord(lane: "south-01")], lane: "south-01")).status == 200)
        #expect(try correct(bench, lane: "south-01").contains("lane south-01"))
    }

    @Test("who corrected what and why is for operators; a viewer sees which count and by how much")
    func roles() throws {
        let bench = try ServiceBench()
        _ = try correct(bench, reason: "thirty of Mr. Wang's class")
        bench.service.refresh()
        let enrolment = try Enrolment(bench.data)
        let viewer = try enrolment.addToken("screen", role: "viewer", days: nil)
        let chief = try enrolment.addToken("chief", role: "operator", days: nil)
        #expect(try eventually { try bench.get("/v1/tallies").status == 401 })
        func corrections(_ token: String) throws -> [String: Any] {
            let answer = try bench.get("/v1/tallies", "Authorization: Bearer \(token)\r\n")
            return try #require((answer.json["corrections"] as? [[String: Any]])?.first)
        }
        let seen = try corrections(viewer)
        #expect(seen["who"] == nil && seen["reason"] == nil)
        #expect(seen["count"] as? Int == -2 && seen["counter"] as? String == "in")
        #expect(try !bench.get("/v1/tallies", "Authorization: Bearer \(viewer)\r\n").text.contains("Wang"))
        let all = try corrections(chief)
        #expect(all["who"] as? String == "ada" && all["reason"] as? String == "thirty of Mr. Wang's class")
    }
}
