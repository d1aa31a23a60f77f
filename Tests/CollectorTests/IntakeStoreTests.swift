import Admission
import Foundation
import Framing
import TestSupport
import Testing

@testable import Collector

/// A founded data directory with a store over it, opened anew as often as wanted.
struct StoreBench {
    let directory: TemporaryDirectory
    let data: SiteDirectory
    let site: SiteID
    let calendar: SiteCalendar

    init(timeZone: String = "Asia/Shanghai") throws {
        directory = try TemporaryDirectory()
        data = SiteDirectory(directory.file("data"))
        site = try SiteFounding.found(in: data)
        calendar = try #require(SiteCalendar(identifier: timeZone))
    }

    func open(now: Int64 = morning, rounds: SeenBook.Limits = SeenBook.Limits()) throws -> IntakeStore {
        try IntakeStore(data.intakeDatabase, site: site, calendar: calendar, now: now, rounds: rounds)
    }

    func batch(
        _ records: [JournalRecord], lane: String = "north-07", oldestHeld: StoredThrough? = nil, word: LaneWord? = nil
    ) throws -> IntakeBatch {
        try IntakeBatch(makeBody(records, site: site, lane: lane, oldestHeld: oldestHeld, word: word), site: site)
    }
}

extension IntakeStore {
    @discardableResult
    func store(
        _ batch: IntakeBatch, connection: UInt64 = 1, now: Int64 = morning
    ) throws -> Answer {
        try store([Request(batch: batch, connection: connection)], now: now)[0].get()
    }
}

/// One visitor: decided, passed.
private func visit(_ sequence: UInt64, holder: UInt32, lane: String = "north-07", from: String, to: String)
    -> [JournalRecord]
{
    [
        makeRecord(decided(holder: holder), sequence: sequence, lane: lane, from: from, to: to),
        makeRecord(ended(holder: holder, of: sequence), sequence: sequence + 1, lane: lane, from: from, to: to),
    ]
}

@Suite("Intake into SQLite")
struct IntakeStoreTests {
    @Test("a record counts once, whatever is sent twice, also over a restart")
    func idempotent() throws {
        let bench = try StoreBench()
        let batch = try bench.batch(visit(1, holder: 7, from: "outside", to: "ring"))
        var store = try bench.open()
        #expect(try store.store(batch).new == 2)
        let again = try store.store(batch)
        #expect(again.new == 0)
        #expect(again.duplicates == 2)
        #expect(again.storedThrough == position(1, 2))
        store = try bench.open()
        let after = try store.store(batch)
        #expect(after.duplicates == 2)
        #expect(after.storedThrough == position(1, 2))
        let lane = try #require(store.lanes[name("north-07")])
        #expect(lane.all[.passed] == 1)
        #expect(lane.all[.peopleIn] == 1)
        #expect(lane.all[.stored] == 2)
        #expect(lane.all[.duplicates] == 4)
        #expect(lane.all[.distinctHolders] == 1)
        #expect(lane.today == lane.all)
    }

    @Test(
        "a lane of more epochs or gaps than are kept is refused with what to do; what is stored and other lanes go on")
    func tooMany() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        store.mostEpochs = 3
        func send(_ epoch: UInt64, _ sequence: UInt64, lane: String = "north-07") throws -> Bool {
            let record = makeRecord(epoch: epoch, sequence: sequence, lane: lane)
            let batch = try bench.batch([record], lane: lane, oldestHeld: position(1, 1))
            let answer = try store.store([IntakeStore.Request(batch: batch, connection: 1)], now: morning)[0]
            guard case .failure(let refusal) = answer else { return true }
            #expect(refusal.status == 403 && refusal.problem.contains("3 epochs") && refusal.advice.contains("new id"))
            return false
        }
        for epoch: UInt64 in 1...3 { #expect(try send(epoch, 1)) }
        #expect(try !send(4, 1) && store.lanes[name("north-07")]?.all[.stored] == 3)
        // A known one goes on, and so does another lane.
        #expect(try send(3, 2) && send(4, 1, lane: "south-01"))
        store.mostEpochs = 100
        store.mostStretches = 5
        for sequence: UInt64 in [2, 4, 6, 8, 10] { #expect(try send(9, sequence, lane: "west-01")) }
        let batch = try bench.batch([makeRecord(epoch: 9, sequence: 12, lane: "west-01")], lane: "west-01")
        let answer = try store.store([IntakeStore.Request(batch: batch, connection: 1)], now: morning)[0]
        guard case .failure(let refusal) = answer else {
            Issue.record("it was stored")
            return
        }
        #expect(refusal.problem.contains("5 stretches"))
    }

    @Test("everything in memory is what a restart reads back")
    func restart() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        var random = SeededGenerator()
        for round in 0..<40 {
            let first = UInt64.random(in: 1...60, using: &random)
            let records = (first...first + 6).map { sequence -> JournalRecord in
                let events: [LaneEvent] = [
                    decided(), ended(holder: UInt32(sequence % 5 + 1)), .mode(.emergency, .fire), .stopping,
                    .pulse(.tailgating, .forward, decisionSequence: 1),
                    .hole(epoch: epoch(3), firstSequence: 4, count: 3, .damaged, LaneTotals()),
                    .epochStarted(previous: epoch(UInt64(round % 3)), lastSequence: 9),
                ]
                return makeRecord(
                    events[Int(sequence) % events.count], epoch: UInt64(round % 3 + 1), sequence: sequence,
                    at: morning + Int64(sequence) * 3_000_000)
            }
            let skipped = Int.random(in: 0..<records.count, using: &random)
            let kept = records.enumerated().filter { $0.offset != skipped }.map(\.element)
            try store.store(try bench.batch(kept, oldestHeld: position(1, 1)), connection: UInt64(round / 2))
        }
        let again = try bench.open()
        #expect(again.site.all == store.site.all)
        #expect(again.site.today == store.site.today)
        #expect(again.site.balances == store.site.balances)
        let (a, b) = (try #require(store.lanes[name("north-07")]), try #require(again.lanes[name("north-07")]))
        #expect(a.all == b.all)
        #expect(a.today == b.today)
        #expect(a.mode == b.mode)
        #expect(a.lastRecordMilliseconds == b.lastRecordMilliseconds)
        #expect(a.ledger.storedThrough == b.ledger.storedThrough)
        #expect(a.ledger.missing == b.ledger.missing)
        for (epoch, state) in a.ledger.epochs {
            #expect(state.stored == b.ledger.epochs[epoch]?.stored)
            #expect(state.previous == b.ledger.epochs[epoch]?.previous)
            #expect(state.knownEnd == b.ledger.epochs[epoch]?.knownEnd)
        }
    }

    @Test("another record under the same identity is a conflict: the first is kept")
    func conflict() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        try store.store(try bench.batch([makeRecord(decided())]))
        let answer = try store.store(try bench.batch([makeRecord(decided(.refused, reasons: .codeRed))]))
        #expect(answer.conflicting == 1)
        #expect(answer.new == 0)
        #expect(answer.storedThrough == position(1, 1))
        let lane = try #require(store.lanes[name("north-07")])
        #expect(lane.all[.admitted] == 1)
        #expect(lane.all[.refused] == 0)
        #expect(lane.all[.conflicting] == 1)
    }

    @Test("who enters by the outer ring and then a hall is one person on site")
    func ringAndHall() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        try store.store(
            try bench.batch(
                visit(1, holder: 7, from: "outside", to: "ring") + visit(3, holder: 8, from: "outside", to: "ring")))
        try store.store(
            try bench.batch(visit(1, holder: 7, lane: "hall-1", from: "ring", to: "hall"), lane: "hall-1"))
        func inside() -> Int64 { store.lanes.values.reduce(0) { $0 + $1.all[.peopleIn] - $1.all[.peopleOut] } }
        #expect(inside() == 2)
        #expect(store.site.balances[name("ring")]?.people == 1)
        #expect(store.site.balances[name("hall")]?.people == 1)
        #expect(store.site.all[.distinctHolders] == 2)
        // Out of the hall, against the lane's direction, and then home.
        try store.store(
            try bench.batch(
                [
                    makeRecord(
                        ended(holder: 7, direction: .backward), sequence: 3, lane: "hall-1", from: "ring", to: "hall")
                ],
                lane: "hall-1"))
        try store.store(
            try bench.batch(visit(1, holder: 7, lane: "out-1", from: "ring", to: "outside"), lane: "out-1"))
        #expect(inside() == 1)
        #expect(store.site.balances[name("ring")]?.people == 1)
        #expect(store.site.balances[name("hall")]?.people == 0)
        #expect(store.site.balances[.outside]?.people == -1)
        #expect(store.site.all[.distinctHolders] == 2)
    }

    @Test("vehicles are counted apart from people")
    func vehicles() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        try store.store(
            try bench.batch([
                makeRecord(ended(holder: 3, kind: .vehicle)), makeRecord(ended(holder: 4), sequence: 2),
                makeRecord(ended(holder: 0, kind: nil), sequence: 3),
            ]))
        let lane = try #require(store.lanes[name("north-07")])
        #expect(lane.all[.vehiclesIn] == 1)
        #expect(lane.all[.peopleIn] == 2)
        #expect(store.site.all[.distinctVehicles] == 1)
        #expect(store.site.all[.distinctHolders] == 1)
        #expect(store.site.balances[name("north-ring")] == Balance(people: 2, vehicles: 1))
    }

    @Test("midnight at the site begins a new today; who is on site stays")
    func midnight() throws {
        let bench = try StoreBench()
        let lateEvening = morning + 15 * 3_600_000 + 59 * 60_000
        let afterMidnight = lateEvening + 120_000
        let store = try bench.open(now: lateEvening)
        try store.store(try bench.batch([makeRecord(ended(holder: 7), at: lateEvening)]), now: lateEvening)
        #expect(store.lanes[name("north-07")]?.today[.passed] == 1)
        #expect(try store.turnDay(now: afterMidnight))
        #expect(try !store.turnDay(now: afterMidnight))
        #expect(store.lanes[name("north-07")]?.today[.passed] == 0)
        #expect(store.lanes[name("north-07")]?.all[.peopleIn] == 1)
        #expect(store.site.today[.distinctHolders] == 0)
        // A record of yesterday that comes late counts for yesterday; the same holder is new today.
        try store.store(
            try bench.batch([
                makeRecord(ended(holder: 8), sequence: 2, at: lateEvening),
                makeRecord(ended(holder: 7), sequence: 3, at: afterMidnight),
            ]), now: afterMidnight)
        #expect(store.lanes[name("north-07")]?.today[.passed] == 1)
        #expect(store.lanes[name("north-07")]?.all[.passed] == 3)
        #expect(store.site.today[.distinctHolders] == 1)
        #expect(store.site.all[.distinctHolders] == 2)
        let again = try bench.open(now: afterMidnight)
        #expect(again.lanes[name("north-07")]?.today == store.lanes[name("north-07")]?.today)
        #expect(again.site.today == store.site.today)
    }

    @Test("in a zone half an hour off, a batch over midnight is counted on both days")
    func halfHourZone() throws {
        let bench = try StoreBench(timeZone: "Asia/Kolkata")
        // 2026-07-10 18:29 and 18:31 UTC: 23:59 and 00:01 in Kolkata, within one hour of UTC.
        let before = morning - morning % 86_400_000 + (18 * 60 + 29) * 60_000
        let store = try bench.open(now: before)
        try store.store(
            try bench.batch([
                makeRecord(ended(), at: before), makeRecord(ended(), sequence: 2, at: before + 120_000),
            ]), now: before)
        #expect(store.lanes[name("north-07")]?.today[.passed] == 1)
        _ = try store.turnDay(now: before + 120_000)
        #expect(store.lanes[name("north-07")]?.today[.passed] == 1)
    }

    @Test("a batch that fails leaves nothing, on disk or in memory, and may be sent again")
    func rollback() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        try store.store(try bench.batch([makeRecord(decided())]))
        let saboteur = try Database(bench.data.intakeDatabase, .readWrite)
        try saboteur.execute(
            "CREATE TRIGGER sabotage BEFORE UPDATE ON lane BEGIN SELECT raise(ABORT, 'the disk is gone'); END")
        let batch = try bench.batch([makeRecord(ended(), sequence: 2)], oldestHeld: position(1, 1))
        #expect(throws: CollectorFailure.self) { try store.store(batch) }
        #expect(store.lanes[name("north-07")]?.all[.passed] == 0)
        #expect(store.lanes[name("north-07")]?.ledger.storedThrough == position(1, 1))
        #expect(try saboteur.integer("SELECT sum(count) FROM block") == 1)
        try saboteur.execute("DROP TRIGGER sabotage")
        #expect(try store.store(batch).new == 1)
        #expect(store.lanes[name("north-07")]?.all[.passed] == 1)
        // Whose passage failed at first was not seen by that.
        #expect(store.site.all[.distinctHolders] == 1)
    }

    @Test("several batches of one transaction see each other")
    func group() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        let first = try bench.batch([makeRecord(decided()), makeRecord(ended(), sequence: 2)])
        let second = try bench.batch(
            [makeRecord(ended(), sequence: 2), makeRecord(.stopping, sequence: 3)], oldestHeld: position(1, 1))
        let answers = try store.store(
            [first, second].map { IntakeStore.Request(batch: $0, connection: 1) }, now: morning)
        #expect(try answers[1].get().new == 1)
        #expect(try answers[1].get().duplicates == 1)
        #expect(try answers[1].get().storedThrough == position(1, 3))
    }

    @Test("a mode record shows the lane's mode, and a new epoch begins in normal")
    func mode() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        try store.store(try bench.batch([makeRecord(.mode(.outOfService, .journalFull))]))
        #expect(store.lanes[name("north-07")]?.mode == .outOfService)
        try store.store(
            try bench.batch([makeRecord(.epochStarted(previous: epoch(1), lastSequence: 1), epoch: 2)]))
        #expect(store.lanes[name("north-07")]?.mode == .normal)
    }

    @Test("open covers are the lane's until they are closed or a new epoch begins, also over a restart")
    func tampered() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        let lane = name("north-07")
        try store.store(
            try bench.batch([
                makeRecord(.tamper(.cabinet, opened: true)), makeRecord(.tamper(.reader(2), opened: true), sequence: 2),
                makeRecord(.tamper(.reader(0), opened: true), sequence: 3),
                makeRecord(.tamper(.reader(2), opened: false), sequence: 4),
            ]))
        #expect(store.lanes[lane]?.tampered.contacts == [.reader(0), .cabinet])
        #expect(try bench.open().lanes[lane]?.tampered.contacts == [.reader(0), .cabinet])
        try store.store(
            try bench.batch([makeRecord(.epochStarted(previous: epoch(1), lastSequence: 4), epoch: 2)]))
        #expect(store.lanes[lane]?.tampered.contacts == [])
    }

    @Test("a database of another site, or of another layout, is refused")
    func foreign() throws {
        let bench = try StoreBench()
        #expect(throws: CollectorFailure.self) {
            _ = try IntakeStore(
                bench.data.intakeDatabase, site: SiteID(low: 1, high: 1), calendar: bench.calendar, now: morning)
        }
        try Database(bench.data.intakeDatabase, .readWrite).execute("PRAGMA user_version=99")
        #expect(throws: CollectorFailure.self) { _ = try bench.open() }
    }

    @Test("today is the new day's with the first batch after midnight, though batches never cease to come")
    func midnightUnderLoad() throws {
        let bench = try StoreBench()
        let lateEvening = morning + 15 * 3_600_000 + 59 * 60_000
        let afterMidnight = lateEvening + 120_000
        let store = try bench.open(now: lateEvening)
        try store.store(try bench.batch([makeRecord(ended(holder: 7), at: lateEvening)]), now: lateEvening)
        let batch = try bench.batch([
            makeRecord(ended(holder: 8), sequence: 2, at: lateEvening),
            makeRecord(ended(holder: 7), sequence: 3, at: afterMidnight),
        ])
        _ = store.take([IntakeStore.Request(batch: batch, connection: 1)], now: afterMidnight) { true }
        #expect(store.day == bench.calendar.day(ofMilliseconds: afterMidnight))
        #expect(store.lanes[name("north-07")]?.today[.passed] == 1)
        #expect(store.site.today[.distinctHolders] == 1)
        let again = try bench.open(now: afterMidnight)
        #expect(again.lanes[name("north-07")]?.today == store.lanes[name("north-07")]?.today)
        #expect(again.site.today == store.site.today)
    }

    @Test("a day that cannot be read leaves the books of the old one whole, and is taken when it can be")
    func midnightFails() throws {
        let bench = try StoreBench()
        let lateEvening = morning + 15 * 3_600_000 + 59 * 60_000
        let afterMidnight = lateEvening + 120_000
        let store = try bench.open(now: lateEvening)
        try store.store(try bench.batch([makeRecord(ended(holder: 7), at: lateEvening)]), now: lateEvening)
        let today = bench.calendar.day(ofMilliseconds: afterMidnight)
        let saboteur = try Database(bench.data.intakeDatabase, .readWrite)
        // Of the site's different holders, which are read last.
        try saboteur.execute("INSERT INTO tally VALUES(2, \(today), 0, x'10FF')")
        #expect(throws: CollectorFailure.self) { _ = try store.turnDay(now: afterMidnight) }
        #expect(store.day == today - 1)
        #expect(store.lanes[name("north-07")]?.today[.passed] == 1)
        // Records are taken all the same.
        let batch = try bench.batch(
            [makeRecord(ended(holder: 8), sequence: 2, at: lateEvening)], oldestHeld: position(1, 1))
        _ = store.take([IntakeStore.Request(batch: batch, connection: 1)], now: afterMidnight) { true }
        #expect(store.dayFailure != nil)
        #expect(store.lanes[name("north-07")]?.today[.passed] == 2)
        try saboteur.execute("DELETE FROM tally WHERE span = 2 AND start = \(today)")
        #expect(try store.turnDay(now: afterMidnight))
        #expect(store.dayFailure == nil)
        #expect(store.lanes[name("north-07")]?.today[.passed] == 0)
    }

    @Test("one lane's damaged count keeps no other lane from being stored", arguments: [false, true])
    func damagedCount(isSet: Bool) throws {
        let bench = try StoreBench()
        let store = try bench.open()
        let names = (0..<20).map { "lane-\($0)" }
        // The sets of another day were not read yet.
        let other = isSet ? morning + 86_400_000 : morning
        func requests(_ sequence: UInt64, at wall: Int64) throws -> [IntakeStore.Request] {
            try names.map {
                let batch = try bench.batch(
                    [makeRecord(ended(holder: UInt32(sequence)), sequence: sequence, lane: $0, at: wall)], lane: $0,
                    oldestHeld: position(1, 1))
                return IntakeStore.Request(batch: batch, connection: 1)
            }
        }
        func stored(_ outcomes: [IntakeStore.Outcome]) -> [Int] {
            outcomes.indices.filter { if case .stored = outcomes[$0] { true } else { false } }
        }
        #expect(stored(store.take(try requests(1, at: morning), now: morning) { true }) == Array(0..<20))
        let saboteur = try Database(bench.data.intakeDatabase, .readWrite)
        let row = try #require(store.lanes[name("lane-7")]?.row)
        let day = bench.calendar.day(ofMilliseconds: other)
        try saboteur.execute(
            isSet
                ? "INSERT INTO seen VALUES(\(row), 2, \(day), 0, x'010203')"
                : "UPDATE tally SET counts = x'10' WHERE span = 1 AND lane = \(row)")
        let outcomes = store.take(try requests(2, at: other), now: morning) { true }
        #expect(stored(outcomes) == Array(0..<20).filter { $0 != 7 })
        guard case .failed(let failure) = outcomes[7] else { return _ = Issue.record("it was stored") }
        #expect(failure.reason.contains("that"))
        #expect(store.lanes[name("lane-8")]?.all[.passed] == 2)
        #expect(store.lanes[name("lane-7")]?.all[.passed] == 1)
        // Whoever may not go on leaves the rest to be sent again.
        var left = 3
        let cut = store.take(try requests(3, at: other), now: morning) {
            left -= 1
            return left >= 0
        }
        #expect(stored(cut) == [0, 1, 2])
        try saboteur.execute("DELETE FROM seen; UPDATE tally SET counts = x'' WHERE span = 1 AND lane = \(row)")
        #expect(stored(store.take(try requests(2, at: other), now: morning) { true }) == Array(0..<20))
    }

    @Test("a record that comes late changes no state that newer ones told")
    func lateState() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        let lane = name("north-07")
        func check(_ mode: LaneMode, _ contacts: [TamperContact], _ wall: Int64) {
            for book in [store.lanes[lane], (try? bench.open())?.lanes[lane]] {
                #expect(book?.mode == mode)
                #expect(book?.tampered.contacts == contacts)
                #expect(book?.lastRecordMilliseconds == wall)
            }
        }
        // Of epoch 1 the mode at 3 and all from 6 on are missing.
        try store.store(
            try bench.batch([
                makeRecord(.epochStarted(previous: .none, lastSequence: 0)),
                makeRecord(.tamper(.cabinet, opened: true), sequence: 2),
                makeRecord(.mode(.heldOpen, .technician), sequence: 4), makeRecord(sequence: 5, at: morning + 5000),
            ]))
        check(.heldOpen, [.cabinet], morning + 5000)
        try store.store(
            try bench.batch(
                [makeRecord(.mode(.locked, .technician), sequence: 3, at: morning + 3000)], oldestHeld: position(1, 1)))
        check(.heldOpen, [.cabinet], morning + 5000)
        // The next epoch, and then what the last one ended with.
        try store.store(
            try bench.batch([
                makeRecord(.epochStarted(previous: epoch(1), lastSequence: 7), epoch: 2, at: morning + 60_000),
                makeRecord(.tamper(.reader(1), opened: true), epoch: 2, sequence: 2, at: morning + 61_000),
            ]))
        check(.normal, [.reader(1)], morning + 61_000)
        try store.store(
            try bench.batch(
                [
                    makeRecord(.mode(.locked, .technician), sequence: 6, at: morning + 6000),
                    makeRecord(.tamper(.cabinet, opened: false), sequence: 7, at: morning + 7000),
                ], oldestHeld: position(1, 1)))
        check(.normal, [.reader(1)], morning + 61_000)
        // What goes on there is news again.
        try store.store(
            try bench.batch(
                [makeRecord(.mode(.locked, .technician), epoch: 2, sequence: 3, at: morning + 62_000)],
                oldestHeld: position(1, 1)))
        check(.locked, [.reader(1)], morning + 62_000)
    }

    @Test("what a lane said of itself last is kept over a restart, and since when it says nothing")
    func laneWord() throws {
        let bench = try StoreBench()
        let first = makeWord()
        var second = first
        second.mode = .maintenance
        second.lostDevices = 2
        func check(_ said: LaneWord?, _ received: Int64?, wordless: Int64?, _ store: IntakeStore) throws {
            for store in [store, try bench.open()] {
                let lane = try #require(store.lanes[name("north-07")])
                #expect(lane.word?.said == said)
                #expect(lane.word?.receivedMilliseconds == received)
                #expect(lane.wordlessSinceMilliseconds == wordless)
            }
        }
        var store = try bench.open()
        // Of a lane that never had a word nobody misses one.
        try store.store(try bench.batch([makeRecord()]), now: morning)
        try check(nil, nil, wordless: nil, store)
        try store.store(try bench.batch([], word: first), now: morning + 1000)
        try check(first, morning + 1000, wordless: nil, store)
        try store.store(try bench.batch([makeRecord(sequence: 2)], word: second), now: morning + 2000)
        try check(second, morning + 2000, wordless: nil, store)
        try store.store(try bench.batch([]), now: morning + 3000)
        try check(second, morning + 2000, wordless: morning + 3000, store)
        store = try bench.open()
        try store.store(try bench.batch([]), now: morning + 4000)
        try check(second, morning + 2000, wordless: morning + 3000, store)
        try store.store(try bench.batch([], word: first), now: morning + 5000)
        try check(first, morning + 5000, wordless: nil, store)

        // What is damaged there is none.
        try Database(bench.data.intakeDatabase, .readWrite).execute("UPDATE lane SET word = x'0102'")
        #expect(try bench.open().lanes[name("north-07")]?.word == nil)
    }

    @Test("a database of another site is refused before anything in it is changed", arguments: [1, 2, 3, 4] as [Int64])
    func foreignOlder(version: Int64) throws {
        let bench = try StoreBench()
        try Database(bench.data.intakeDatabase, .readWrite).execute("PRAGMA user_version=\(version)")
        do {
            _ = try IntakeStore(
                bench.data.intakeDatabase, site: SiteID(low: 1, high: 1), calendar: bench.calendar, now: morning)
            Issue.record("it was taken")
        } catch { #expect(error.reason.contains("it is of site")) }
        #expect(
            try Database(bench.data.intakeDatabase, .readOnly).integer("PRAGMA user_version") == version)
    }

    @Test("a block whose first sequence is none is not read, and its batch is answered")
    func damagedBlock() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        let batch = try bench.batch((1...3).map { makeRecord(sequence: $0) })
        try store.store(batch)
        try Database(bench.data.intakeDatabase, .readWrite).execute("UPDATE block SET first = -1")
        #expect(try store.store(batch).duplicates == 3)
    }

    @Test("a lane's wall clock may say anything")
    func anyTime() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        let instants: [Int64] = [.min, .min + 1, -1, 0, 1, .max - 1, .max, 253_402_300_800_000]
        let records = instants.enumerated().map {
            makeRecord(ended(), sequence: UInt64($0.offset + 1), at: $0.element, clock: .stepped)
        }
        #expect(try store.store(try bench.batch(records)).new == instants.count)
        #expect(store.lanes[name("north-07")]?.all[.clockNotTrusted] == Int64(instants.count))
        #expect(try bench.open().lanes[name("north-07")]?.all[.passed] == Int64(instants.count))
    }
}

@Suite("Batches")
struct IntakeBatchTests {
    private func refusal(_ bytes: [UInt8]) -> IntakeBatch.Refusal? {
        do {
            _ = try IntakeBatch(bytes, site: site)
            return nil
        } catch { return error }
    }

    @Test("a bad record is named by its place, and nothing of its batch is taken")
    func badRecord() {
        var bytes = makeBody((1...5).map { makeRecord(sequence: $0) })
        bytes[RecordBatch.headSize + 3 * JournalRecord.size + 100] ^= 1
        let refusal = refusal(bytes)
        #expect(refusal?.status == 400)
        #expect(refusal?.problem == "record 3 of the batch: the checksum does not match")
    }

    @Test("another site is forbidden, another lane's record is bad")
    func foreign() {
        #expect(refusal(makeBody([makeRecord()], site: SiteID(low: 9, high: 9)))?.status == 403)
        let other = refusal(makeBody([makeRecord(), makeRecord(sequence: 2, lane: "south-01")]))
        #expect(other?.status == 400)
        #expect(other?.problem == "record 1 is of lane 'south-01', the batch of 'north-07'")
        #expect(refusal(makeBody([makeRecord(lane: "North 07")], lane: "North 07"))?.status == 400)
    }

    @Test("sequences that no journal reaches are refused")
    func sequences() {
        #expect(refusal(makeBody([makeRecord(sequence: UInt64.max)]))?.status == 400)
        #expect(refusal(makeBody([makeRecord()], oldestHeld: position(1, .max)))?.status == 400)
        let lost = RecordBatch.Stretch(epoch: epoch(1), first: 1, last: .max)
        #expect(refusal(makeBody([makeRecord()], lost: lost))?.status == 400)
        #expect(refusal(makeBody([makeRecord(sequence: UInt64(Int64.max))])) == nil)
    }

    @Test("any bytes at all are answered, not trapped on")
    func fuzz() {
        var random = SeededGenerator()
        let good = makeBody((1...4).map { makeRecord(ended(), sequence: $0) })
        for _ in 0..<3000 {
            var bytes = good
            switch Int.random(in: 0..<3, using: &random) {
            case 0: bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
            case 1: bytes += random.bytes(Int.random(in: 1...300, using: &random))
            default:
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
            }
            if bytes != good { #expect(refusal(bytes) != nil) }
        }
    }
}
