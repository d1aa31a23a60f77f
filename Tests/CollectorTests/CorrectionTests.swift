import Foundation
import TestSupport
import Testing

@testable import Collector

@Suite("Corrections of a count")
struct CorrectionTests {
    private func correct(
        _ bench: ServiceBench, _ counter: String = "in", by count: Int = -2, lane: String? = nil, day: String? = nil,
        reason: String = "a school class left by the fire door"
    ) throws -> String {
        try Correction.add(
            ServiceBench.settings(bench.data), counter, by: count, lane: lane, day: day, reason: reason, who: "ada")
    }

    @Test("a correction stands beside what was counted, with who made it and why, also after a restart")
    func shown() throws {
        let bench = try ServiceBench()
        let records = (1...3).map { makeRecord(ended(holder: UInt32($0)), sequence: UInt64($0)) }
        #expect(try bench.post(bench.body(records)).status == 200)
        #expect(try correct(bench, day: "2026-07-10").hasPrefix("entry 1: in -2, the site, 2026-07-10"))
        #expect(try correct(bench, "out", by: 1, lane: "north-07", reason: "门卫").contains("lane north-07"))
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
        #expect(try AuditTrail.lines(bench.data, count: 10).isEmpty)
        bench.service.refresh()
        #expect((try bench.get("/v1/tallies").json["corrections"] as? [Any])?.isEmpty == true)
    }
}
