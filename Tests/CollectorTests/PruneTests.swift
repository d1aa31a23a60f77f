import Admission
import Framing
import Posix
import TestSupport
import Testing

@testable import Collector

@Suite("Removing what is old") struct PruneTests {
    private static let day: Int64 = 86_400_000

    private func visit(_ number: UInt64, at wall: Int64) -> [JournalRecord] {
        [
            makeRecord(decided(holder: UInt32(number)), sequence: 2 * number - 1, to: "ring", at: wall),
            makeRecord(
                ended(holder: UInt32(number), of: 2 * number - 1), sequence: 2 * number, to: "ring", at: wall + 1000),
        ]
    }

    private func settings(_ bench: StoreBench, records: Int = 30, counts: Int = 400, audit: Int = 3650) throws
        -> CollectorSettings
    {
        var settings = try ServiceBench.settings(bench.data)
        (settings.keep.recordsDays, settings.keep.countsDays, settings.keep.auditDays) = (records, counts, audit)
        return settings
    }

    private func send(_ numbers: ClosedRange<UInt64>, at wall: Int64, to store: IntakeStore, _ bench: StoreBench) throws
    {
        for number in numbers {
            try store.store(
                try bench.batch(visit(number, at: wall), oldestHeld: position(1, 1)), now: wall + 5000)
        }
    }

    private func blocks(_ bench: StoreBench) throws -> Int64 {
        try Database(bench.data.intakeDatabase, .readOnly).integer("SELECT count(*) FROM block")
    }

    @Test("old records go; counts, holders, stored through and what comes again stay as they were, also after a start")
    func records() throws {
        let bench = try StoreBench()
        var store = try bench.open()
        try send(1...50, at: morning, to: store, bench)
        try send(51...60, at: morning + 40 * Self.day, to: store, bench)
        let before = try #require(store.lanes[name("north-07")])
        let site = store.site.all
        let now = morning + 41 * Self.day
        let planned = try Prune(try settings(bench), isDryRun: true).run(by: "me", now: now)
        #expect(try blocks(bench) == 60)
        let removed = try Prune(try settings(bench)).run(by: "me", now: now)
        #expect(removed == planned)
        #expect(removed.records == 100)
        #expect(removed.text == "100 records (rows 1 to 100)")
        #expect(try blocks(bench) == 10)

        // The one that runs, and one that is started anew, know every record as sent, and every holder as seen.
        for isNew in [false, true] {
            if isNew { store = try bench.open() }
            let again = try store.store(
                try bench.batch(
                    visit(7, at: morning) + visit(55, at: morning + 40 * Self.day), oldestHeld: position(1, 1)))
            #expect(again.new == 0)
            #expect(again.duplicates == 4)
            #expect(again.storedThrough == position(1, 120))
            let after = try #require(store.lanes[name("north-07")])
            for counter in [Counter.stored, .passed, .presented, .distinctHolders] {
                #expect(after.all[counter] == before.all[counter])
            }
            #expect(store.site.all[.distinctHolders] == site[.distinctHolders])
            #expect(store.lastRow == 120)
        }
        // Who passed in a record that is gone is no new holder when he comes once more, and rows go on where they were.
        let number: UInt64 = 61
        let repeated = [
            makeRecord(decided(holder: 7), sequence: 2 * number - 1, to: "ring", at: now),
            makeRecord(ended(holder: 7, of: 2 * number - 1), sequence: 2 * number, to: "ring", at: now),
            makeRecord(decided(holder: 99), sequence: 2 * number + 1, to: "ring", at: now),
            makeRecord(ended(holder: 99, of: 2 * number + 1), sequence: 2 * number + 2, to: "ring", at: now),
        ]
        try store.store(try bench.batch(repeated, oldestHeld: position(1, 1)), now: now)
        #expect(store.site.all[.distinctHolders] == site[.distinctHolders] + 1)
        #expect(store.lastRow == 124)
        #expect(try bench.open().site.all[.distinctHolders] == site[.distinctHolders] + 1)
    }

    @Test("holes and epochs stay, and the newest record is never removed")
    func newest() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        try send(1...3, at: morning, to: store, bench)
        // What lay between cannot come any more.
        try store.store(
            try bench.batch(visit(3, at: morning) + visit(9, at: morning), oldestHeld: position(1, 1)),
            now: morning + 5000)
        let database = try Database(bench.data.intakeDatabase, .readOnly)
        let holes = try database.integer("SELECT count(*) FROM hole")
        #expect(holes > 0)
        let removed = try Prune(try settings(bench, records: 1)).run(by: "me", now: morning + 100 * Self.day)
        #expect(removed.records == 6)
        #expect(try blocks(bench) == 1)
        #expect(try database.integer("SELECT count(*) FROM hole") == holes)
        let again = try bench.open()
        #expect(again.lanes[name("north-07")]?.ledger == store.lanes[name("north-07")]?.ledger)
        #expect(again.lastRow == store.lastRow)
    }

    @Test("counts of five minutes and hours go after their time, those of days and in all stay")
    func counts() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        try send(1...3, at: morning, to: store, bench)
        let total = try #require(store.lanes[name("north-07")]).all
        let removed = try Prune(try settings(bench, counts: 10)).run(by: "me", now: morning + 11 * Self.day)
        // Of the lane, of its zones and of the site five minutes, of the lane an hour.
        #expect(removed.spans == 4)
        let database = try Database(bench.data.intakeDatabase, .readOnly)
        #expect(try database.integer("SELECT count(*) FROM zone_flow") == 1)
        #expect(try database.integer("SELECT sum(people) FROM zone_flow WHERE span = 2") == 3)
        #expect(removed.records == 0)
        let again = try bench.open()
        #expect(again.lanes[name("north-07")]?.all == total)
        #expect(again.lanes[name("north-07")]?.today[.passed] == 3)
    }

    @Test(
        "old entries of audit go, but for those on which a correction rests; what was removed is an entry with numbers")
    func audit() throws {
        let bench = try StoreBench()
        _ = try bench.open()
        _ = try Correction.add(
            try settings(bench), "out", by: 3, lane: nil, day: nil, reason: "fire door", who: "operator")
        let database = try bench.data.openSite().database
        try AuditTrail(database).add("operator", "publish", "image 1", at: morning)
        try database.execute("UPDATE audit SET at = \(morning)")
        let removed = try Prune(try settings(bench, audit: 5)).run(by: "me", now: morning + 6 * Self.day)
        #expect(removed.entries == 1)
        let lines = try AuditTrail.lines(bench.data, count: 10)
        #expect(lines.count == 2)
        #expect(lines[0].contains("fire door"))
        #expect(lines[1].contains("\tme\tprune\t1 entries of audit"))
        // Nothing to remove is nothing to tell.
        _ = try Prune(try settings(bench, audit: 5)).run(by: "me", now: morning + 6 * Self.day)
        #expect(try AuditTrail.lines(bench.data, count: 10).count == 2)
    }

    @Test("told to stop it ends after one step, and the next time goes on")
    func stops() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        let count = Prune.blocksAtOnce + 10
        _ = try store.store(
            (1...UInt64(count)).map {
                IntakeStore.Request(
                    batch: try bench.batch(visit($0, at: morning), oldestHeld: position(1, 1)), connection: 1)
            }, now: morning + 5000)
        let now = morning + 100 * Self.day
        var asked = 0
        let first = try Prune(try settings(bench)).run(by: "me", now: now) {
            asked += 1
            return asked > 1
        }
        #expect(first.records == 2 * Prune.blocksAtOnce)
        let second = try Prune(try settings(bench)).run(by: "me", now: now)
        #expect(first.records + second.records == 2 * count - 2)
    }

    @Test("a step removes as much of small blocks as of great ones, and neither is more than it says")
    func steps() throws {
        for (records, blocks, expected) in [(1, 3000, Prune.blocksAtOnce), (1000, 20, 16)] {
            let bench = try StoreBench()
            _ = try bench.open()
            let database = try Database(bench.data.intakeDatabase, .readWrite)
            try database.execute(
                """
                WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < \(blocks))
                INSERT INTO block SELECT (n - 1) * \(records) + 1, 1, (n - 1) * \(records) + 1, \(records), 0,
                zeroblob(\(records * 256)) FROM number;
                UPDATE mark SET row = \(records * blocks);
                """)
            var asked = 0
            let removed = try Prune(try settings(bench)).run(by: "me", now: morning) {
                asked += 1
                return asked > 1
            }
            #expect(removed.records == expected * records)
        }
    }

    @Test("whoever holds the database at that moment puts it off by moments, not by a day")
    func busy() throws {
        let bench = try StoreBench()
        let old = SystemClock.wallMilliseconds() - 200 * Self.day
        let store = try bench.open(now: old)
        try send(1...3, at: old, to: store, bench)
        let other = try Database(bench.data.intakeDatabase, .readWrite)
        try other.execute("BEGIN IMMEDIATE")
        let thread = try PruneThread(try settings(bench), first: 0, retry: 1, patience: 10)
        // It has met the lock when its first attempt has told of the pages it could not have.
        #expect(try eventually { thread.failures > 0 })
        #expect(try blocks(bench) == 3)
        try other.execute("ROLLBACK")
        #expect(try eventually { try blocks(bench) == 1 })
        thread.stop()
    }

    @Test(
        "alerts that ended go after their time, double uses after that of records, the newest end and what stands never"
    )
    func alerts() throws {
        let bench = try StoreBench()
        _ = try bench.open()
        let store = try AlertStore(bench.data, site: bench.site)
        var book = AlertBook()
        let now = morning + 500 * Self.day
        for (number, at) in [morning, now - 50 * Self.day, now].enumerated() {
            let condition = AlertBook.Condition(
                kind: .laneOffline, subject: Alert.Subject(kind: .lane, id: "north-0\(number)"))
            try store.write(book.step([condition], now: at))
            try store.write(book.step([], now: at))
        }
        let standing = AlertBook.Condition(kind: .insideNotKnown, subject: .site)
        try store.write(book.step([standing], now: morning))
        try store.database.execute(
            """
            INSERT INTO finding(kind, holder, certain, walking, found, first_row, first_lane, first_at, first_clock, first_way,
                second_row, second_lane, second_at, second_clock, second_way, stood)
            VALUES(1, 7, 1, 0, \(now - 31 * Self.day), 1, 'a', 0, 0, 1, 2, 'b', 0, 0, 1, 0),
                (1, 7, 1, 0, \(now - 29 * Self.day), 1, 'a', 0, 0, 1, 2, 'b', 0, 0, 1, 0);
            """)
        var settings = try settings(bench)
        settings.keep.alertsDays = 100
        let planned = try Prune(settings, isDryRun: true).run(by: "me", now: now)
        let removed = try Prune(settings).run(by: "me", now: now)
        #expect(planned == removed && removed.text == "1 alerts that ended, 1 double uses of badges")
        settings.keep.alertsDays = 1
        _ = try Prune(settings).run(by: "me", now: now + 40 * Self.day)
        let kept = try store.book()
        #expect(kept.standing.map(\.kind) == [.insideNotKnown] && kept.ended.map(\.ending) == [3])
        #expect(try AuditTrail.lines(bench.data, count: 2).first?.contains("1 alerts that ended") == true)
    }

    @Test("a thread removes it by itself, and ends when it is told to")
    func byItself() throws {
        let bench = try StoreBench()
        let old = SystemClock.wallMilliseconds() - 200 * Self.day
        let store = try bench.open(now: old)
        for number in 1...3 as ClosedRange<UInt64> {
            try store.store(try bench.batch(visit(number, at: old), oldestHeld: position(1, 1)), now: old)
        }
        let thread = try PruneThread(try settings(bench), first: 0)
        #expect(
            try eventually {
                try AuditTrail.lines(bench.data, count: 1).last?.contains("\tserve\tprune\t4 records") == true
            })
        #expect(try blocks(bench) == 1)
        thread.stop()
    }

    @Test("while it removes, intake goes on: what comes is stored, and counts once")
    func beside() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        try send(1...150, at: morning, to: store, bench)
        let settings = try settings(bench)
        let now = morning + 100 * Self.day
        let thread = try NamedThread.start(name: "prune") { _ = try? Prune(settings).run(by: "me", now: now) }
        try send(151...250, at: now, to: store, bench)
        thread.join()
        let again = try bench.open()
        #expect(again.lanes[name("north-07")]?.all == store.lanes[name("north-07")]?.all)
        #expect(again.site.all[.distinctHolders] == 250)
        #expect(again.lanes[name("north-07")]?.ledger.storedThrough == position(1, 500))
        #expect(try blocks(bench) == 100)
    }
}
