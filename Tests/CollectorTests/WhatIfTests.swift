import Admission
import Framing
import Posix
import TestSupport
import Testing

@testable import Collector

@Suite("What if another policy had been in force") struct WhatIfTests {
    private func judge(
        _ day: DecidedDay, _ rules: String? = nil, then: Bool = false, on date: String = "2026-07-10"
    ) throws -> (found: WhatIf, changes: [WhatIf.Change]) {
        let file = day.bench.directory.file("other.yaml")
        if let rules { try FileSystem.replace(file, with: Array(rules.utf8), mode: 0o600) }
        var changes: [WhatIf.Change] = []
        let found = try WhatIf(
            try day.settings, policy: rules == nil ? day.rulesFile : file, then: then ? day.rulesFile : nil, day: date
        ) { changes.append($0) }
        return (found, changes)
    }

    @Test("the same policy changes nobody's outcome, on a day with every reason that there is")
    func same() throws {
        let day = try DecidedDay()
        var told: Reasons = []
        for record in day.records {
            if case .decided(let decision) = record.event { told.formUnion(decision.reasons) }
        }
        let missing = Reasons.ordered.filter { !told.contains($0) }.map { "\($0.name)" }
        #expect(missing == [])
        try day.store()
        let (found, changes) = try judge(day)
        #expect(found.decisions == day.records.count)
        #expect(found.counted == found.decisions)
        #expect(changes.isEmpty && found.changed == 0 && found.otherwiseRefused == 0)
        #expect(found.obstacles == [.clock: 1])
        #expect(found.letOut == 1)
        #expect(found.unchanged == found.decisions - 2)
        #expect(found.text.contains("1 clock-not-trusted"))
        #expect(try judge(day, on: "2026-07-11").found.decisions == 0)
    }

    @Test("only what came in about that day is read, and all of it where a clock was far ahead; nothing else changes")
    func onlyThatDay() throws {
        let day = try DecidedDay()
        let store = try day.bench.open()
        func others(_ epoch: UInt64, _ days: Int64) throws {
            for number: UInt64 in 1...100 {
                let record = makeRecord(
                    decided(), epoch: epoch, sequence: number, lane: "south-01", at: morning + days * 86_400_000)
                try store.store(
                    try day.bench.batch([record], lane: "south-01"), now: morning + days * 86_400_000 + 1000)
            }
        }
        try others(8, -5)
        try day.store()
        let again = try day.bench.open()
        for number: UInt64 in 1...100 {
            let record = makeRecord(decided(), epoch: 9, sequence: number, lane: "west-01", at: morning + 432_000_000)
            try again.store(try day.bench.batch([record], lane: "west-01"), now: morning + 432_001_000)
        }
        let (found, _) = try judge(day)
        #expect(found.decisions == day.records.count && found.counted == found.decisions)
        #expect(found.blocksRead <= 64)
        // One that came in five days before it was made.
        let ahead = makeRecord(decided(), epoch: 10, sequence: 1, lane: "east-01", at: morning)
        try again.store(try day.bench.batch([ahead], lane: "east-01"), now: morning - 432_000_000)
        let database = try Database(day.bench.data.intakeDatabase, .readWrite)
        try database.execute("UPDATE block SET id = 0 WHERE id = (SELECT max(id) FROM block)")
        let all = try judge(day).found
        #expect(all.decisions == day.records.count + 1 && all.counted == all.decisions)
    }

    @Test("a longer window lets in whose test was too old, and nobody else; the table says so by kind and reason")
    func longerWindow() throws {
        let day = try DecidedDay()
        try day.store()
        let (found, changes) = try judge(day, "test_window_hours: 72\n" + DecidedDay.rules, then: true)
        #expect(changes.map(\.before) == ["test-expired"])
        #expect(changes.map(\.after) == ["admitted"])
        #expect(changes.map(\.kind) == ["visitor"])
        #expect(changes.first?.csv.hasSuffix(",north-07,,visitor,test-expired,admitted\r\n") == true)
        // Whose test was too old and who was refused for something of the lane's own as well.
        #expect(found.otherwiseRefused == 2)
        #expect(found.text.contains("visitor  1      test-expired → admitted\n"))
        // Halves of a pair, of which each record tells one, and the clock.
        #expect(found.obstacles == [.clock: 1, .company: 6])
    }

    @Test("what a record tells only as the rules of that time found it is not guessed without them")
    func notGuessed() throws {
        let day = try DecidedDay()
        try day.store()
        let (found, changes) = try judge(day, "test_window_hours: 72\n" + DecidedDay.rules)
        #expect(changes.isEmpty)
        #expect((found.obstacles[.presence] ?? 0) > 20)
        let simple = try judge(day, "test_window_hours: 72\n")
        #expect(simple.changes.contains { $0.before == "test-expired" && $0.after == "admitted" })
        #expect(simple.changes.contains { $0.before == "passed-already" && $0.after == "admitted" })
        #expect(simple.changes.contains { $0.before == "escort-missing" && $0.after == "admitted" })
        #expect(simple.found.obstacles[.presence] == nil)
        // A kind that was not measured, and is now; an escort that nobody waited for.
        let more = try judge(day, "kinds: { visitor: { escort: { kinds: [staff] } } }\n")
        #expect((more.found.obstacles[.company] ?? 0) > 0)
        let measured = try judge(day, "admits: [vehicle, visitor]\nmeasures: [visitor, vehicle]\n")
        #expect(measured.found.obstacles[.temperature] == 4)
        // The count that the lane knew stands in the record.
        let roomy = try judge(day, "occupancy: { limit: 1001 }\n")
        #expect(roomy.changes.contains { $0.before == "zone-full" && $0.after == "admitted" })
    }

    @Test("a lower limit of temperature is judged by what was measured, and it is said that it was measured once")
    func warmer() throws {
        let day = try DecidedDay()
        try day.store()
        let (found, changes) = try judge(
            day, "temperature: { limit_celsius: 36.5 }\n" + DecidedDay.rules, then: true)
        #expect(found.measuredOnce > 0)
        #expect(changes.count(where: { $0.after == "temperature-high" }) == found.measuredOnce)
    }

    @Test("without the image that it names a decision is not recomputed; badges that nobody knew need none")
    func imageIsGone() throws {
        let day = try DecidedDay()
        try day.store()
        try FileSystem.unlink(day.bench.data.imageFile(version: 1))
        let (found, changes) = try judge(day)
        #expect(changes.isEmpty)
        #expect(found.unchanged == 3)
        #expect(found.obstacles[.image] == found.decisions - 3 - 2)
    }

    @Test(
        "a record that the kept image contradicts is not recomputed, and neither is one that its own rules contradict")
    func contradicted() throws {
        var day = try DecidedDay()
        let odd = try #require(
            day.records.firstIndex { record in
                if case .decided(let decision) = record.event { decision.reasons == .codeRed } else { false }
            })
        day.change(odd) { $0.presentation.lookup = .found(DecidedDay.Person.yellow.credential) }
        let other = try #require(
            day.records.firstIndex { record in
                if case .decided(let decision) = record.event { decision.reasons == .codeYellow } else { false }
            })
        day.change(other) { $0.reasons = .testMissing }
        try day.store()
        let (found, _) = try judge(day)
        #expect(found.obstacles == [.clock: 1, .facts: 1, .rules: 1])
    }

    @Test("urgent changes count up to the one that the decision names, as long as they are kept")
    func changed() throws {
        var day = try DecidedDay()
        // Holder 1's code turned red, then yellow; this decision stands between.
        let person = DecidedDay.Person.whole
        var red = person.credential
        red.healthCode = .red
        var yellow = red
        yellow.healthCode = .yellow
        let whole = try #require(
            day.records.firstIndex { record in
                if case .decided(let decision) = record.event {
                    decision.reasons.isEmpty && decision.presentation.tag == person.tag
                } else {
                    false
                }
            })
        day.change(whole) {
            var recorded = red
            recorded.zones = 0
            $0.presentation.lookup = .found(recorded)
            $0.credentials.changeNumber = 1
            ($0.verdict, $0.reasons) = (.refused, .codeRed)
        }
        try day.store()
        let database = try Database(day.bench.data.changeDatabase, .readWrite)
        for (number, credential) in [(1, red), (2, yellow)] {
            let slot = try #require(
                ImageSlot(
                    tag: person.tag, credential: credential, zoneSet: 0,
                    validityBaseSeconds: day.image.header.validityBaseSeconds))
            var bytes = [UInt8](repeating: 0, count: ImageSlot.size)
            bytes.withUnsafeMutableBytes { slot.encode(into: $0) }
            let insert = try database.prepare("INSERT INTO change VALUES(?,1,?,?,'north-ring',?,0)")
            insert.bind(1, number)
            insert.bind(2, Array(bytes.prefix(10)))
            insert.bind(3, bytes)
            insert.bind(4, day.image.header.validityBaseSeconds)
            try insert.run()
        }
        #expect(try judge(day).found.obstacles == [.clock: 1])
        let lenient = try judge(
            day, "requires: { visitor: [vaccine, test, activated] }\n" + DecidedDay.rules, then: true)
        #expect(lenient.changes.contains { $0.before == "code-red" && $0.after == "admitted" })
        try database.execute("DELETE FROM change WHERE number = 1")
        #expect(try judge(day).found.obstacles == [.clock: 1, .changes: 1])
    }

    @Test("a file that is no policy is refused with its lines, and so is a day that is none")
    func refused() throws {
        let day = try DecidedDay()
        #expect(throws: CollectorFailure.self) { _ = try judge(day, "test_window: 72\n") }
        #expect(throws: CollectorFailure.self) { _ = try judge(day, on: "yesterday") }
    }

    @Test("counts of records that are not kept any more are told")
    func pruned() throws {
        let day = try DecidedDay()
        try day.store()
        try Database(day.bench.data.intakeDatabase, .readWrite).execute("DELETE FROM block")
        let (found, _) = try judge(day)
        #expect(found.decisions == 0)
        #expect(found.text.contains("\(day.records.count) more were counted that day"))
    }
}
