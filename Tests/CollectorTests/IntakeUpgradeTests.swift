import Admission
import Framing
import Posix
import TestSupport
import Testing

@testable import Collector

/// `intake.sqlite` as versions 1, 2 and 4 laid it out, with the same records in it.
private enum OlderLayout {
    static let day: Int64 = 86_400_000

    /// 600 records of two lanes over three days: visits, with some holders seen again; two hours closed, one with a record less
    /// than the lane says.
    static func records(lane: String, epoch: UInt64) -> [JournalRecord] {
        (1...300).map { (sequence: UInt64) in
            let wall = morning + Int64(sequence) * 700_000
            let event: LaneEvent
            if sequence == 200 {
                var totals = LaneTotals()
                (totals.presented, totals.admitted, totals.passed) = (3, 3, 2)
                event = .hour(startSeconds: SiteCalendar.hourStart(ofMilliseconds: wall), totals)
            } else if sequence % 2 == 1 {
                event = decided(holder: UInt32(sequence % 40 + 1))
            } else {
                event = ended(
                    holder: UInt32((sequence - 1) % 40 + 1), kind: sequence % 10 == 0 ? .vehicle : .visitor,
                    of: sequence - 1)
            }
            return makeRecord(event, epoch: epoch, sequence: sequence, lane: lane, at: wall)
        }
    }

    /// Lets a database that a store of today filled look as version 2 left it: the same rows, as that program wrote them.
    static func make(_ bench: StoreBench, version: Int64) throws {
        let database = try Database(bench.data.intakeDatabase, .readWrite)
        for column in ["word", "word_received", "wordless_since"] {
            try database.execute("ALTER TABLE lane DROP COLUMN \(column); PRAGMA user_version=4;")
        }
        try database.execute("DROP TABLE path; DROP TABLE zone_flow; DROP TABLE zone_since;")
        if version == 4 { return }
        let old = try database.prepare("SELECT id, epoch, first, count, received, bytes FROM block ORDER BY id")
        try database.execute(
            """
            CREATE TABLE record(
                id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL, received INTEGER NOT NULL,
                wall INTEGER NOT NULL, clock INTEGER NOT NULL, kind INTEGER NOT NULL, holder INTEGER,
                bytes BLOB NOT NULL) STRICT;
            CREATE UNIQUE INDEX record_identity ON record(epoch, sequence);
            CREATE TABLE tally_2(
                lane INTEGER NOT NULL, span INTEGER NOT NULL, start INTEGER NOT NULL, counter INTEGER NOT NULL,
                count INTEGER NOT NULL, PRIMARY KEY(lane, span, start, counter)) STRICT, WITHOUT ROWID;
            CREATE TABLE seen_2(
                scope INTEGER NOT NULL, holder INTEGER NOT NULL, PRIMARY KEY(scope, holder)) STRICT, WITHOUT ROWID;
            """)
        let insert = try database.prepare(
            "INSERT INTO record(epoch, sequence, received, wall, clock, kind, holder, bytes) VALUES(?,?,?,?,?,?,?,?)")
        while try old.step() {
            let bytes = old.blob(5)
            for index in 0..<Int(old.integer(3)) {
                let one = Array(bytes[index * 256..<index * 256 + 256])
                let record = try one.withUnsafeBytes { try JournalRecord($0) }
                insert.bind(1, old.integer(1))
                insert.bind(2, old.integer(2) + Int64(index))
                insert.bind(3, old.integer(4))
                insert.bind(4, record.moment.wall.milliseconds)
                insert.bind(5, Int(record.moment.clock.rawValue))
                insert.bind(6, Int(one[5]))
                insert.bind(7, record.holder.map { Int64($0.number) })
                insert.bind(8, one)
                try insert.run()
            }
        }
        let tallies = try database.prepare("SELECT lane, span, start, counts FROM tally WHERE span < 3")
        let count = try database.prepare("INSERT INTO tally_2 VALUES(?,?,?,?,?)")
        while try tallies.step() {
            let tally = try #require(tallies.withBlob(3) { Tally(encoded: $0) })
            // That program did not know of the last one.
            for (code, value) in tally.nonzero where code != Counter.partHours.rawValue {
                for place: Int32 in 0..<3 { count.bind(place + 1, tallies.integer(place)) }
                count.bind(4, code)
                count.bind(5, value)
                try count.run()
            }
        }
        tallies.reset()
        old.reset()
        try database.execute(
            """
            DROP TABLE block; DROP TABLE tally; DROP TABLE seen; DROP TABLE mark;
            ALTER TABLE tally_2 RENAME TO tally; ALTER TABLE seen_2 RENAME TO seen; PRAGMA user_version=2;
            """)
        if version == 1 { try database.execute("ALTER TABLE lane DROP COLUMN tampered; PRAGMA user_version=1;") }
    }

    /// Fills it: some of the one, the other, and the rest with a hole that is filled late.
    static func fill(_ bench: StoreBench) throws -> IntakeStore {
        let store = try bench.open(now: morning)
        let (north, south) = (records(lane: "north-07", epoch: 1), records(lane: "south-01", epoch: 2))
        try store.store(try bench.batch(Array(north[..<120])))
        try store.store(try bench.batch(south, lane: "south-01"))
        try store.store(try bench.batch(Array(north[150...]), oldestHeld: position(1, 1)))
        try store.store(try bench.batch(Array(north[120..<150]), oldestHeld: position(1, 1)))
        return store
    }

    /// Everything that is counted, as text.
    static func tallies(_ path: String) throws -> [String] {
        let database = try Database(path, .readOnly)
        let select = try database.prepare("SELECT span, start, lane, counts FROM tally ORDER BY span, start, lane")
        var lines: [String] = []
        while try select.step() {
            let tally = try #require(select.withBlob(3) { Tally(encoded: $0) })
            lines.append(
                "\(select.integer(0)) \(select.integer(1)) \(select.integer(2)) "
                    + tally.nonzero.map { "\($0.code)=\($0.count)" }.joined(separator: " "))
        }
        return lines
    }
}

@Suite("intake.sqlite of an older layout")
struct IntakeUpgradeTests {
    @Test("zones of a database that an older program filled are counted from the day on which it was taken over")
    func zonesSince() throws {
        let bench = try StoreBench()
        let visit = [makeRecord(decided(), sequence: 1), makeRecord(ended(), sequence: 2)]
        try (try bench.open()).store(try bench.batch(visit))
        try OlderLayout.make(bench, version: 4)
        let store = try bench.open()
        let database = try Database(bench.data.intakeDatabase, .readOnly)
        #expect(try database.integer("SELECT at FROM zone_since") > morning)
        #expect(try database.integer("SELECT count(*) FROM zone_flow") == 0)
        try store.store(try bench.batch([makeRecord(ended(), sequence: 3)], oldestHeld: position(1, 1)))
        #expect(try database.integer("SELECT sum(people) FROM zone_flow WHERE span = 2") == 1)
    }

    @Test(
        "it is taken over with every record in its row and every count as this program counts it",
        arguments: [1, 2, 4] as [Int64])
    func takenOver(version: Int64) throws {
        let bench = try StoreBench()
        let store = try OlderLayout.fill(bench)
        let north = OlderLayout.records(lane: "north-07", epoch: 1)
        let counted = try OlderLayout.tallies(bench.data.intakeDatabase)
        #expect(counted.count > 300)
        try OlderLayout.make(bench, version: version)

        let again = try bench.open(now: morning)
        #expect(try OlderLayout.tallies(bench.data.intakeDatabase) == counted)
        #expect(again.lastRow == 600)
        for (name, lane) in store.lanes {
            #expect(again.lanes[name]?.all == lane.all)
            #expect(again.lanes[name]?.today == lane.today)
            #expect(again.lanes[name]?.ledger.storedThrough == lane.ledger.storedThrough)
        }
        #expect(again.site.all == store.site.all)
        // Nothing is new, nobody is different, and a conflict is still seen.
        #expect(try again.store(try bench.batch(Array(north[100..<200]))).duplicates == 100)
        #expect(try again.store(try bench.batch([makeRecord(.stopping, sequence: 130)])).conflicting == 1)
        #expect(again.site.all[.distinctHolders] == store.site.all[.distinctHolders])
        let row = try Database(bench.data.intakeDatabase, .readOnly)
            .integer("SELECT id + 130 - first FROM block WHERE epoch = 1 AND first <= 130 AND first + count > 130")
        #expect(row == 580)
    }

    @Test(
        "killed at any step, the next start goes on with it, and everything is counted once",
        arguments: [1, 2] as [Int64])
    func killed(version: Int64) throws {
        let bench = try StoreBench()
        let path = bench.data.intakeDatabase
        let store = try OlderLayout.fill(bench)
        let counted = try OlderLayout.tallies(path)
        try OlderLayout.make(bench, version: version)
        let limits = IntakeUpgrade.Limits(records: 37, tallies: 50)
        let rounds = SeenBook.Limits(recordsBetweenRounds: 100, bytesAtOnce: 1)
        // What SIGKILL would leave there.
        var copies: [String] = []
        func copy() {
            let name = bench.directory.file("copy-\(copies.count).sqlite")
            for suffix in ["", "-wal"] {
                guard let bytes = try? FileSystem.read(path + suffix, limit: 1 << 26) else { continue }
                #expect(throws: Never.self) { try FileSystem.replace(name + suffix, with: bytes, mode: 0o600) }
            }
            copies.append(name)
        }
        let database = try Database(path, .readWrite)
        try database.useWriteAheadLog()
        try IntakeUpgrade(database, calendar: bench.calendar, limits: limits, rounds: rounds) { _ in copy() }.run()
        #expect(copies.count > 20)
        #expect(try Database(copies[copies.count / 2], .readOnly).integer("PRAGMA user_version") == 3)
        let batch = try bench.batch(OlderLayout.records(lane: "north-07", epoch: 1))
        for path in copies + [path] {
            let again = try IntakeStore(path, site: bench.site, calendar: bench.calendar, now: morning, rounds: rounds)
            #expect(try OlderLayout.tallies(path) == counted)
            #expect(again.lastRow == 600)
            #expect(again.site.all == store.site.all)
            #expect(try again.store(batch).duplicates == 300)
            #expect(try Database(path, .readOnly).integer("PRAGMA user_version") == IntakeSchema.version)
        }
    }

    @Test("version 4 is taken over without a look at what is stored, and lanes' words are kept from then on")
    func fourth() throws {
        let bench = try StoreBench()
        _ = try OlderLayout.fill(bench)
        try OlderLayout.make(bench, version: 4)
        let database = try Database(bench.data.intakeDatabase, .readWrite)
        try database.execute("ALTER TABLE block RENAME TO hidden")
        try IntakeUpgrade(database, calendar: bench.calendar) { _ in Issue.record("it was said that it takes long") }
            .run()
        try database.execute("ALTER TABLE hidden RENAME TO block")
        let store = try bench.open(now: morning)
        let word = makeWord()
        try store.store(try bench.batch([], word: word))
        #expect(try bench.open(now: morning).lanes[name("north-07")]?.word?.said == word)
    }

    @Test("one that an earlier program has begun to take over, and that lacks the words, is taken over, too")
    func begunBefore() throws {
        let bench = try StoreBench()
        let store = try OlderLayout.fill(bench)
        let counted = try OlderLayout.tallies(bench.data.intakeDatabase)
        try OlderLayout.make(bench, version: 2)
        try Database(bench.data.intakeDatabase, .readWrite).execute(
            "ALTER TABLE tally RENAME TO tally_2; DROP TABLE seen; DROP INDEX record_identity;"
                + IntakeSchema.fourth + "PRAGMA user_version=3;")
        #expect(try bench.open(now: morning).site.all == store.site.all)
        #expect(try OlderLayout.tallies(bench.data.intakeDatabase) == counted)
    }

    @Test("records that are damaged are kept as they are, and keep nothing from being taken over")
    func damaged() throws {
        let bench = try StoreBench()
        let store = try OlderLayout.fill(bench)
        try OlderLayout.make(bench, version: 2)
        try Database(bench.data.intakeDatabase, .readWrite).execute(
            """
            UPDATE record SET bytes = zeroblob(256) WHERE id = 5;
            UPDATE record SET bytes = x'010203' WHERE id = 140;
            UPDATE record SET sequence = -7 WHERE id = 141;
            """)
        let again = try bench.open(now: morning)
        #expect(again.lastRow == 600)
        for (name, lane) in store.lanes { #expect(again.lanes[name]?.all == lane.all) }
        let database = try Database(bench.data.intakeDatabase, .readOnly)
        #expect(try database.integer("SELECT sum(count) FROM block") == 600)
        #expect(try database.integer("SELECT count(*) FROM block WHERE length(bytes) != 256 * count") == 0)
        #expect(try database.integer("SELECT first FROM block WHERE id = 141") == -7)
        let batch = try bench.batch(OlderLayout.records(lane: "north-07", epoch: 1))
        let answer = try again.store(batch)
        #expect(answer.new == 0 && answer.conflicting == 1)
    }

    @Test(
        "records that nothing says are stored, and that would be counted twice, stop the start",
        arguments: [
            "DELETE FROM stretch", "UPDATE stretch SET last = last - 1",
        ])
    func stretches(sql: String) throws {
        let bench = try StoreBench()
        _ = try OlderLayout.fill(bench)
        _ = try bench.open()
        try Database(bench.data.intakeDatabase, .readWrite).execute(sql)
        #expect(throws: CollectorFailure.self) { _ = try bench.open() }
        // Old blocks may be removed.
        try Database(bench.data.intakeDatabase, .readWrite).execute("DELETE FROM block WHERE id < 400")
        if sql.hasPrefix("UPDATE") { _ = try bench.open() }
    }
}
