import Admission
import Cryptography
import Framing
import Testing

@testable import Collector

private let hour: Int64 = 3_600_000

@Suite("What the collector knows of where people are") struct SiteKnowledgeTests {
    @Test("it knows what happened until the lane that told least had told all")
    func asOf() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        func says(_ lane: String, _ records: [JournalRecord], at now: Int64) throws {
            _ = try store.store(bench.batch(records, lane: lane), now: now)
        }
        func asOf(_ now: Int64) -> Int64 { SiteKnowledge.asOf(store.lanes.values, now: now) }
        #expect(asOf(morning) == morning)
        // A backlog: its newest record is of a minute ago.
        try says("a", [makeRecord(sequence: 1, lane: "a", at: morning - 60_000)], at: morning)
        #expect(asOf(morning) == morning - 60_000)
        try says("a", [], at: morning + 1000)
        #expect(asOf(morning + 1000) == morning)
        try says("b", [makeRecord(sequence: 1, lane: "b", at: morning + 9000)], at: morning + 9100)
        #expect(asOf(morning + 9100) == morning)
        // A clock that is not trusted says nothing; one that is ahead makes nothing known before its time.
        try says("a", [makeRecord(sequence: 2, lane: "a", at: 0, clock: .behindFloor)], at: morning + 20_000)
        #expect(asOf(morning + 20_000) == morning + 9000)
        try says("b", [makeRecord(sequence: 2, lane: "b", at: morning + hour)], at: morning + 21_000)
        #expect(asOf(morning + 21_000) == morning + 19_000)
        // Whoever left by the silent one is not known to have left, until it is taken to be switched off.
        try says("a", [], at: morning + 21_000 + hour - 1)
        #expect(asOf(morning + 21_000 + hour - 1) == morning + 21_000)
        #expect(asOf(morning + 21_000 + hour) == morning + 20_000 - 1 + hour)
    }

    @Test("a lane whose clock says a time long before 1970 makes nothing known, and nothing overflows")
    func beforeAllTime() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        _ = try store.store(bench.batch([makeRecord(sequence: 1, lane: "a", at: .min)], lane: "a"), now: morning)
        let known = SiteKnowledge.asOf(store.lanes.values, now: morning)
        #expect(known == 0)
        #expect(SiteKnowledge.asOf(morning, after: known, now: morning) == morning)
    }

    @Test("a statement's count goes back in time when the collector's clock was ahead, and not otherwise")
    func clockWasAhead() throws {
        let bench = try ServiceBench()
        _ = try bench.publish(["a"])
        let secret = try bench.data.key(.siteSecret, bench.data.secretKeyFile)
        let publisher = try Publisher(bench.data, site: bench.site, key: Ed25519.SigningKey(seed: secret.key))
        func said(_ asOf: Int64, at now: Int64) throws -> Int64? {
            publisher.tell(ZoneOccupancy(asOf: WallTime(milliseconds: asOf), zones: []), now: now)
            _ = try publisher.refresh(now: now)
            return try Statement.parse(#require(try publisher.statement())).statement.occupancy?.asOf.milliseconds
        }
        let day = 24 * hour
        #expect(try said(morning, at: morning) == morning)
        #expect(try said(morning - day, at: morning + 1000) == morning)
        #expect(try said(morning + day, at: morning + day) == morning + day)
        #expect(try said(morning + 2000, at: morning + 2000) == morning + 2000)
        #expect(try said(morning + 300_000, at: morning + 300_000) == morning + 300_000)
        #expect(try said(morning + 3000, at: morning + 3000) == morning + 300_000, "soon true again")
    }

    @Test("after a restart a lane has told nothing newer than when it was seen last")
    func restart() throws {
        let bench = try StoreBench()
        _ = try bench.open().store(bench.batch([], lane: "a"), now: morning)
        let store = try bench.open(now: morning + 60_000)
        #expect(SiteKnowledge.asOf(store.lanes.values, now: morning + 60_000) == morning)
    }

    @Test("the zones are told with who is in them, and none with fewer than nobody")
    func zones() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        let records = [
            makeRecord(ended(holder: 1), sequence: 1, from: "outside", to: "ring"),
            makeRecord(ended(holder: 2), sequence: 2, from: "outside", to: "ring"),
            makeRecord(ended(holder: 3, kind: .vehicle), sequence: 3, from: "outside", to: "ring"),
            makeRecord(ended(holder: 4), sequence: 4, from: "hall-1", to: "ring"),
        ]
        _ = try store.store(bench.batch(records), now: morning)
        let snapshot = Intake.Snapshot(lanes: store.lanes, site: store.site, day: store.day, revision: 1)
        let occupancy = snapshot.occupancy(now: morning, corrections: [])
        #expect(
            occupancy.zones == [
                .init(name: name("ring"), people: 3, vehicles: 1), .init(name: name("hall-1"), people: 0, vehicles: 0),
            ])
        #expect(occupancy.asOf == WallTime(milliseconds: morning))
    }
}
