import Admission
import Foundation
import Framing
import Posix
import TestSupport
import Testing
import Wording

@testable import Collector

@Suite("The ranking of entrances")
struct RankingTests {
    private static func filled() throws -> ServiceBench {
        let bench = try ServiceBench()
        try bench.restart { settings in
            settings.entrances = [name("north"): Bilingual("北", "North")]
            settings.entranceOfLane = [name("north-01"): name("north"), name("north-02"): name("north")]
        }
        let now = SystemClock.wallMilliseconds()
        let today = try ServiceBench.settings(bench.data).calendar
        // Earlier today, as far as today began more than an hour ago.
        let earlier = max(today.start(ofDay: today.day(ofMilliseconds: now)), now - 3_600_000)
        func pass(_ lane: String, _ count: Int, at instant: Int64, out: Bool = false) throws {
            let records = (1...count).map {
                makeRecord(
                    ended(holder: UInt32($0)), sequence: UInt64($0), lane: lane, from: out ? "ring" : "outside",
                    to: out ? "outside" : "ring", at: instant)
            }
            #expect(try bench.post(bench.body(records, lane: lane)).status == 200)
        }
        try pass("north-01", 1, at: now)
        try pass("north-02", 2, at: now)
        try pass("east-01", 5, at: earlier)
        try pass("south-01", 1, at: now)
        try pass("out-01", 2, at: now, out: true)
        return bench
    }

    private static func ranking(_ bench: ServiceBench, _ query: String) throws -> [[String: Any]] {
        let answer = try bench.get("/v1/ranking\(query)")
        #expect(answer.status == 200, "\(answer.text)")
        return answer.json["ranking"] as? [[String: Any]] ?? []
    }

    @Test("entrances are ranked by today's entries, the first ones or all, and lanes as entrances are")
    func today() throws {
        let bench = try Self.filled()
        let entrances = try Self.ranking(bench, "")
        #expect(entrances.map { $0["entrance"] as? String } == ["east-01", "north", "south-01"])
        #expect(entrances.map { $0["rank"] as? Int } == [1, 2, 3])
        #expect(entrances.map { $0["in"] as? Int } == [5, 3, 1])
        #expect(entrances[1]["lanes"] as? Int == 2 && entrances[1]["name_zh"] as? String == "北")
        #expect(entrances[1]["recent"] as? Int == 3)
        #expect(try Self.ranking(bench, "?limit=1").map { $0["entrance"] as? String } == ["east-01"])
        #expect(try bench.get("/v1/ranking?limit=1").json["count"] as? Int == 3)
        let lanes = try Self.ranking(bench, "?of=lane")
        #expect(
            lanes.map { $0["lane"] as? String } == ["east-01", "north-02", "north-01", "south-01", "out-01"])
        #expect(lanes.last?["out"] as? Int == 2 && lanes.last?["recent_out"] as? Int == 2)
    }

    @Test("by what came in lately, which is what the wall screen calls so")
    func recent() throws {
        let directory = try TemporaryDirectory()
        let data = SiteDirectory(directory.file("data"))
        let site = try SiteFounding.found(in: data)
        let settings = try ServiceBench.settings(data)
        let noon = settings.calendar.start(ofDay: 20_000) + 12 * 3_600_000
        let store = try IntakeStore(data.intakeDatabase, site: site, calendar: settings.calendar, now: noon)
        func pass(_ lane: String, _ count: Int, at instant: Int64) throws {
            let records = (1...count).map {
                makeRecord(ended(holder: UInt32($0)), sequence: UInt64($0), lane: lane, to: "ring", at: instant)
            }
            let batch = try IntakeBatch(makeBody(records, site: site, lane: lane), site: site)
            _ = try store.store([IntakeStore.Request(batch: batch, connection: 1)], now: noon)
        }
        try pass("east-01", 5, at: noon - 900_000)
        try pass("north-07", 2, at: noon - 600_000)
        try pass("south-01", 3, at: noon)
        try pass("west-01", 3, at: noon)
        let books = Intake.Snapshot(lanes: store.lanes, site: store.site, day: store.day, revision: 1)
        let head = HTTPHead(
            method: "GET", path: "/v1/ranking", query: ["by": "recent"], repeatedQuery: [], headers: [])
        let query = try RankingQuery(head, ScreenFigures(books, settings), now: noon)
        guard case .bytes(let bytes) = try query.response(Database(data.intakeDatabase, .readOnly)).body else {
            Issue.record("no answer")
            return
        }
        let json = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
        let ranking = try #require(json["ranking"] as? [[String: Any]])
        #expect(ranking.map { $0["entrance"] as? String } == ["south-01", "west-01", "north-07", "east-01"])
        #expect(ranking.map { $0["recent"] as? Int } == [3, 3, 2, 0])
        #expect(ranking.map { $0["entries"] as? Int } == [3, 3, 2, 5])
    }

    @Test("what it does not know is refused", arguments: ["by=tomorrow", "of=zone", "limit=0", "limit=10001", "x=1"])
    func refused(query: String) throws {
        #expect(try ServiceBench().get("/v1/ranking?\(query)").status == 400)
    }
}
