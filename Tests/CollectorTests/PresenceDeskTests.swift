import Admission
import Cryptography
import Framing
import Posix
import TestSupport
import Testing

@testable import Collector

private let numbering = Epoch(low: 3, high: 4)
private let ring = name("ring")
private let hall = name("hall-4")

private func passage(_ holder: UInt32, to zone: ShortName, at seconds: Int64 = 100) -> PresenceDesk.Passage {
    PresenceDesk.Passage(holder: holder, atMilliseconds: seconds * 1000, zone: zone)
}

private struct Bench {
    let key: Ed25519.SigningKey
    var book: PresenceBook

    init() throws {
        key = try Ed25519.SigningKey.generate()
        book = PresenceBook(site: site, numbering: numbering, key: key)
    }

    /// The list in these bytes, when the site's key signed it.
    func read(_ bytes: [UInt8]) throws -> PresenceList {
        let parsed = try PresenceList.parse(bytes)
        #expect(try Ed25519.VerifyingKey(key.publicKey).verify(parsed.signature, of: Array(parsed.signedPart)))
        return parsed.list
    }
}

extension PresenceList {
    fileprivate var places: [UInt32: String] {
        Dictionary(
            uniqueKeysWithValues: entries.map { ($0.holder, $0.zone == 0 ? "" : zones[Int($0.zone) - 1].text) })
    }
}

@Suite("Lists of who is inside") struct PresenceDeskTests {
    @Test("a whole list has everybody who is inside, a list of what changed whoever passed behind its number")
    func lists() throws {
        var bench = try Bench()
        #expect(!bench.book.isKnown)
        let isNew1 = bench.book.take([passage(5, to: ring), passage(2, to: hall)], asOf: 1000, now: 1000)
        #expect(isNew1)
        let isNew2 = bench.book.take([], asOf: 1000, now: 1000)
        #expect(!isNew2)
        let first = try bench.read(bench.book.wholeList())
        #expect(first.isWhole && first.places == [2: "hall-4", 5: "ring"] && first.asOf.milliseconds == 1000)
        let isNew3 = bench.book.take([passage(5, to: .outside), passage(9, to: ring)], asOf: 2000, now: 2000)
        #expect(isNew3)
        let isNew4 = bench.book.take([passage(9, to: hall)], asOf: 3000, now: 3000)
        #expect(isNew4)
        let mark = PresenceMark(numbering: numbering, number: first.number)
        #expect(bench.book.goesOn(from: mark))
        let next = try bench.read(bench.book.list(behind: mark.number))
        #expect(next.after == first.number && next.places == [5: "", 9: "hall-4"])
        #expect(next.zones.starts(with: first.zones) && next.asOf.milliseconds == 3000)
        #expect(try bench.read(bench.book.wholeList()).places == [2: "hall-4", 9: "hall-4"])
        let nothing = try bench.read(bench.book.list(behind: next.number))
        #expect(nothing.entries.isEmpty && nothing.number == next.number)
    }

    @Test("who has another numbering, a number that is not given yet, or is too far behind gets a whole list")
    func farBehind() throws {
        var bench = try Bench()
        _ = bench.book.take([passage(1, to: ring)], asOf: 1, now: 1)
        let early = PresenceMark(numbering: numbering, number: bench.book.number)
        #expect(!bench.book.goesOn(from: .none))
        #expect(!bench.book.goesOn(from: PresenceMark(numbering: epoch(9), number: early.number)))
        #expect(!bench.book.goesOn(from: PresenceMark(numbering: numbering, number: early.number + 1)))
        #expect(bench.book.goesOn(from: early))
        let half = (0..<PresenceDesk.mostKept / 2).map { passage(UInt32($0 + 1), to: hall) }
        _ = bench.book.take(half, asOf: 2, now: 2)
        #expect(bench.book.goesOn(from: early))
        let later = PresenceMark(numbering: numbering, number: bench.book.number)
        _ = bench.book.take(half, asOf: 3, now: 3)
        _ = bench.book.take([passage(1, to: .outside)], asOf: 4, now: 4)
        #expect(!bench.book.goesOn(from: early) && bench.book.goesOn(from: later))
        #expect(try bench.read(bench.book.list(behind: later.number)).entries.count == half.count)
    }

    @Test("what was said while the collector's clock was ahead is let go of as soon as it is right again")
    func wasAhead() throws {
        var bench = try Bench()
        let (now, day) = (1_000_000_000 as Int64, 86_400_000 as Int64)
        _ = bench.book.take([passage(5, to: ring)], asOf: now, now: now)
        // A lane that comes back after long.
        _ = bench.book.take([], asOf: now - day, now: now + 1000)
        #expect(try bench.read(bench.book.wholeList()).asOf.milliseconds == now)
        _ = bench.book.take([], asOf: now + day, now: now + day)
        #expect(try bench.read(bench.book.wholeList()).asOf.milliseconds == now + day)
        let isNew = bench.book.take([], asOf: now + 2000, now: now + 2000)
        #expect(isNew)
        let list = try bench.read(bench.book.wholeList())
        #expect(list.asOf.milliseconds == now + 2000 && list.places == [5: "ring"])
    }

    @Test("more zones than a list has room for are left out, and so are the holders in them")
    func manyZones() throws {
        var bench = try Bench()
        _ = bench.book.take((1...300).map { passage(UInt32($0), to: name("zone-\($0)")) }, asOf: 1, now: 1)
        let list = try bench.read(bench.book.wholeList())
        #expect(list.zones.count == PresenceList.mostZones && list.entries.count == PresenceList.mostZones)
    }

    @Test("whole lists are given to each lane in its turn, and so many a second in all")
    func turns() {
        var turns = PresenceTurns()
        let second: UInt64 = 1_000_000_000
        func given(_ lane: String?, _ now: UInt64, whole: Bool = true) -> Bool {
            turns.wait(of: lane, forWhole: whole, now: now) == nil
        }
        // One that asks all the time takes one place of eight.
        #expect(given("greedy", 5 * second))
        for _ in 0..<100 { #expect(!given("greedy", 5 * second)) }
        for number in 1..<8 { #expect(given("lane-\(number)", 5 * second)) }
        #expect(!given("lane-8", 5 * second))
        #expect(turns.wait(of: "lane-9", forWhole: true, now: 5 * second)?.seconds == 1)
        #expect(given("lane-8", 6 * second) && !given("greedy", 6 * second))
        #expect(turns.wait(of: "greedy", forWhole: true, now: 6 * second)?.seconds == 4)
        #expect(!given("greedy", 10 * second - 1) && given("greedy", 10 * second))
        // Lists of what changed are bounded for each lane alone.
        #expect(given("greedy", 10 * second, whole: false))
        #expect(!given("greedy", 10 * second + 1, whole: false) && given("lane-1", 10 * second + 1, whole: false))
        #expect(given("greedy", 10 * second + second / 2, whole: false))
        // Where nobody says who he is, all are bounded together.
        for place in 0..<16 { #expect(given(nil, 20 * second) == (place < 8)) }
        for _ in 0..<100 { #expect(given(nil, 20 * second, whole: false)) }
    }

    @Test("more lanes than there can be do not fill the memory, and stay bounded together")
    func manyTurns() {
        var turns = PresenceTurns()
        for number in 0..<10_000 { #expect(turns.wait(of: "lane-\(number)", forWhole: false, now: 1) == nil) }
        #expect(turns.lanes <= PresenceTurns.mostLanes)
        #expect((0..<16).count { turns.wait(of: "new-\($0)", forWhole: true, now: 1) == nil } == 8)
        #expect(turns.wait(of: "lane-1", forWhole: false, now: 1_000_000_000) == nil && turns.lanes < 20)
    }

    @Test("a collector tells who passed at a lane within seconds, and refuses what it does not know")
    func served() throws {
        let bench = try ServiceBench()
        let record = makeRecord(ended(holder: 7), sequence: 1, to: "ring", at: SystemClock.wallMilliseconds())
        #expect(try bench.post(makeBody([record], site: bench.site, oldestHeld: position(1, 1))).status == 200)
        var found: PresenceList?
        // Asked so often whole lists are refused for a second now and then.
        #expect(
            try eventually {
                let answer = try bench.get("/v1/presence")
                guard answer.status == 200 else { return false }
                found = try PresenceList.parse(answer.body).list
                return found?.places == [7: "ring"]
            })
        let list = try #require(found)
        let query = "numbering=\(list.numbering.hex)&after=\(list.number)"
        let next = try PresenceList.parse(try bench.get("/v1/presence?\(query)").body).list
        #expect(!next.isWhole && next.entries.isEmpty)
        for wrong in ["after=-1", "after=x", "numbering=00", "since=1"] {
            #expect(try bench.get("/v1/presence?\(wrong)").status == 400, "\(wrong)")
        }
    }
}
