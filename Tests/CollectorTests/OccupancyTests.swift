import Admission
import Foundation
import Framing
import Posix
import TestSupport
import Testing

@testable import Collector

@Suite("Occupancy, for other systems of the venue")
struct OccupancyTests {
    private static func zone(_ document: [String: Any], _ id: String) -> [String: Any]? {
        (document["zones"] as? [[String: Any]])?.first { $0["zone"] as? String == id }
    }

    @Test("it says who is on site and in each zone, in both languages, and how much of the limit that is")
    func document() throws {
        let bench = try ServiceBench()
        try bench.restart { settings in
            settings.zoneLimits = [name("ring"): CollectorSettings.ZoneLimit(people: 8, vehicles: nil)]
        }
        for holder in 1...3 { try bench.pass(UInt32(holder), UInt64(holder)) }
        let answer = try bench.get("/v1/occupancy")
        #expect(answer.status == 200 && answer.headers["content-type"] == "application/json")
        let document = answer.json
        #expect(document["people"] as? Int == 3 && document["vehicles"] as? Int == 0)
        #expect(document["is_storing"] as? Bool == true && document["is_stale"] as? Bool == false)
        #expect(document["silent_lanes"] as? Int == 0)
        let known = try #require(document["known_through_ms"] as? Int)
        #expect(known <= (document["as_of_ms"] as? Int ?? 0))
        let ring = try #require(Self.zone(document, "ring"))
        #expect(ring["name_zh"] as? String == "外环" && ring["name_en"] as? String == "Ring")
        #expect(ring["people"] as? Int == 3 && ring["limit"] as? Int == 8 && ring["percent"] as? Int == 37)
        #expect(ring["vehicle_limit"] is NSNull && ring["vehicle_percent"] is NSNull)
        #expect(Self.zone(document, "outside") == nil)
    }

    @Test("its revision grows when something changes, and only then, for whoever asks and for the stream")
    func revision() throws {
        let bench = try ServiceBench()
        func revision() throws -> Int { try #require(try bench.get("/v1/occupancy").json["revision"] as? Int) }
        let first = try revision()
        #expect(try revision() == first)
        let subscriber = try Viewer(bench, "/v1/occupancy/stream")
        #expect(subscriber.head.headers["content-type"] == "text/event-stream; charset=utf-8")
        let whole = try subscriber.next("occupancy")
        #expect(whole.data["revision"] as? Int == first && whole.id == "\(first)")
        try bench.pass(1, 1)
        let change = try subscriber.next("occupancy")
        #expect(change.data["people"] as? Int == 1)
        #expect(Self.zone(change.data, "ring")?["people"] as? Int == 1)
        let second = try #require(change.data["revision"] as? Int)
        #expect(second > first && change.id == "\(second)")
        #expect(try revision() == second)
        try bench.restart()
        #expect(try revision() > second)
    }

    @Test("a subscriber hears that nothing changed, with the revision he has")
    func beats() throws {
        let bench = try ServiceBench()
        let subscriber = try Viewer(bench, "/v1/occupancy/stream")
        let revision = try subscriber.next("occupancy").data["revision"] as? Int
        let beat = try subscriber.next("beat").data
        #expect(beat["revision"] as? Int == revision && revision != nil)
        #expect(beat["known_through_ms"] is Int)
    }

    @Test("what an operator put right is in it at once, as on the wall screen")
    func corrections() throws {
        let bench = try ServiceBench()
        try bench.pass(1, 1)
        let subscriber = try Viewer(bench, "/v1/occupancy/stream")
        #expect(try subscriber.next("occupancy").data["is_corrected"] as? Bool == false)
        _ = try Correction.add(
            ServiceBench.settings(bench.data), "out", by: 1, lane: nil, day: nil, reason: "by a fire door", who: "li")
        bench.service.refresh()
        let corrected = try subscriber.next("occupancy").data
        #expect(corrected["people"] as? Int == 0 && corrected["is_corrected"] as? Bool == true)
    }

    @Test("what is not stored, or not told for a minute, makes it stale")
    func stale() throws {
        let directory = try TemporaryDirectory()
        let data = SiteDirectory(directory.file("data"))
        let site = try SiteFounding.found(in: data)
        let settings = try ServiceBench.settings(data)
        let store = try IntakeStore(data.intakeDatabase, site: site, calendar: settings.calendar, now: morning)
        let batch = try IntakeBatch(makeBody([makeRecord(ended(), to: "ring")], site: site), site: site)
        _ = try store.store([IntakeStore.Request(batch: batch, connection: 1)], now: morning)
        let books = Intake.Snapshot(lanes: store.lanes, site: store.site, day: store.day, revision: 1)
        let occupancy = Occupancy(now: morning)
        func told(at now: Int64, isStoring: Bool = true) throws -> [String: Any] {
            let document = occupancy.document(ScreenFigures(books, settings, isStoring: isStoring), now: now)
            let json = try JSONSerialization.jsonObject(with: Data(document.bytes))
            return try #require(json as? [String: Any])
        }
        let fresh = try told(at: morning + 60_000)
        #expect(fresh["is_stale"] as? Bool == false && fresh["known_through_ms"] as? Int64 == morning)
        let old = try told(at: morning + 60_001)
        #expect(old["is_stale"] as? Bool == true && old["silent_lanes"] as? Int == 1)
        #expect((old["revision"] as? Int ?? 0) > (fresh["revision"] as? Int ?? .max))
        // A lane that was switched off is waited for no longer; that it is silent is still said.
        let off = try told(at: morning + SiteKnowledge.switchedOffMilliseconds)
        #expect(off["is_stale"] as? Bool == false && off["silent_lanes"] as? Int == 1)
        let unstored = try told(at: morning, isStoring: false)
        #expect(unstored["is_stale"] as? Bool == true && unstored["known_through"] is NSNull)
    }

    @Test("wall screens leave room for subscribers, and one stream too many is refused")
    func streams() throws {
        let bench = try ServiceBench()
        let screens = try (0..<LiveDesk.mostStreams).map { _ in try Viewer(bench) }
        let subscribers = try (0..<LiveDesk.mostStreams).map { _ in try Viewer(bench, "/v1/occupancy/stream") }
        #expect((screens + subscribers).allSatisfy { $0.head.status == 200 })
        #expect(try Viewer(bench, "/v1/occupancy/stream").head.status == 503)
        _ = try subscribers[LiveDesk.mostStreams - 1].next("occupancy")
        bench.service.stop()
        for subscriber in subscribers { #expect(try subscriber.wire.isClosed()) }
    }

    @Test("questions that say more than is known are refused in the same words everywhere")
    func refusals() throws {
        let bench = try ServiceBench()
        for path in ["/v1/occupancy", "/v1/occupancy/stream", "/v1/live"] {
            let answer = try bench.get("\(path)?since=1")
            #expect(answer.status == 400 && answer.json["advice"] as? String == "ask for \(path) alone")
        }
        #expect(try bench.get("/v1/occupancy/stream", method: "HEAD").status == 405)
        for (path, known) in [
            ("/v1/records", "lane, after, limit"), ("/v1/flow", "day, lane"), ("/v1/double-use", "after, limit"),
            ("/v1/alerts", "ended, limit"), ("/v1/history", "day, hour, lane, by"),
            ("/v1/decision", "lane, epoch, sequence"),
        ] {
            let answer = try bench.get("\(path)?since=1")
            #expect(answer.status == 400 && answer.json["advice"] as? String == "known: \(known)", "\(path)")
        }
        for query in [
            "records?lane=North", "flow?lane=North", "history?lane=North", "records?after=-1", "double-use?after=x",
            "records?limit=0", "records?limit=10001", "double-use?limit=10001", "alerts?limit=1001", "alerts?ended=-1",
            "flow?day=2026-7-1", "history?day=now",
        ] {
            let answer = try bench.get("/v1/\(query)")
            let given = query.drop { $0 != "?" }.dropFirst()
            #expect(answer.status == 400 && answer.json["error"] as? String == "\(given) is not accepted")
            #expect((answer.json["advice"] as? String)?.hasPrefix("expected ") == true)
        }
    }
}
