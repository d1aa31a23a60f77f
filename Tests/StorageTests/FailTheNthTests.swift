import Admission
import Framing
import Glibc
import Posix
import Storage
import TestSupport
import Testing

/// Every call of Storage fails once, for all N; the process is killed before every call; the power is cut before every
/// call. What was said to be written, or to be on disk, must then still be there.
@Suite struct FailTheNthTests {
    static let journalRecords: UInt32 = 40

    /// A journal before its first opening, and one that has to be repaired: damaged header, hole, torn end.
    enum Beginning: String, CaseIterable, Sendable { case fresh, broken }

    private func fixture(_ beginning: Beginning) throws -> JournalFixture {
        let fixture = try JournalFixture()
        guard beginning == .broken else { return fixture }
        try fixture.handmadeSegment(ordinal: 1, epoch: 1, count: 32, capacity: 32) { _ in 0 }
        try fixture.handmadeSegment(ordinal: 2, epoch: 1, firstSequence: 33, count: 32, capacity: 32) { _ in 0 }
        try fixture.handmadeSegment(ordinal: 3, epoch: 1, firstSequence: 65, count: 20, capacity: 32) {
            $0 < 10 ? 0 : UInt8($0 - 9)
        }
        try fixture.damageRecord(7, of: SegmentHeader.fileName(ordinal: 1))
        try fixture.damage(SegmentHeader.fileName(ordinal: 2), at: 40)
        try fixture.damageRecord(12, of: SegmentHeader.fileName(ordinal: 3))
        return fixture
    }

    /// The first epoch's records that any recovery keeps.
    private func kept(_ beginning: Beginning) -> [UInt64] {
        beginning == .fresh ? [] : [1...7, 9...32, 65...76].flatMap { $0.map { UInt64($0) } }
    }

    private func drive(_ fixture: JournalFixture, _ fate: CallFate) throws -> DriverRun {
        try DriverRun(
            ["journal", fixture.directory.path, "2", "\(Self.journalRecords)"], under: fixture.directory.path,
            fate: fate)
    }

    /// Opens the journal that a run left, and compares it with what the run said.
    private func check(
        _ fixture: JournalFixture, _ beginning: Beginning, _ run: DriverRun, _ fate: CallFate, powerWasCut: Bool
    ) throws {
        let recovery = try fixture.run(epoch: 3) { try $0.add(2) }
        let records = try fixture.records()
        let names = records.map { "\($0.epoch.low):\($0.sequence)" }
        #expect(Set(names).count == names.count, "\(fate): a number stands twice")
        #expect(records.filter { $0.epoch.low == 1 }.map(\.sequence) == kept(beginning), "\(fate): the first epoch")
        let held = Set(records.filter { $0.epoch.low == 2 }.map(\.sequence))
        let promised = powerWasCut ? 0...(run.numbers("synced").max() ?? 0) : 0...0
        for number in promised where number > 0 { #expect(held.contains(number), "\(fate): \(number) was on disk") }
        if !powerWasCut {
            for number in run.numbers("wrote") { #expect(held.contains(number), "\(fate): \(number) was written") }
        }
        #expect(held.count == Int(held.max() ?? 0), "\(fate): there are gaps in \(held.sorted())")
        // Damage after a power cut would mean that a record claimed to be on disk what was not.
        let holes = recovery.holes.filter { hole in
            guard case .hole(let epoch, _, _, _, _) = hole else { return false }
            return epoch.low == 2
        }
        #expect(holes.isEmpty, "\(fate)")
        let again = try fixture.run(epoch: 4)
        #expect(again.holes.isEmpty && again.recordsDropped == 0, "\(fate)")
    }

    @Test(
        "a journal whose Nth call fails is complete, or refused and whole at the next opening",
        arguments: Beginning.allCases, [EIO, ENOSPC])
    func journalCallFails(beginning: Beginning, code: Int32) throws {
        let whole = try drive(try fixture(beginning), .untouched)
        let calls = try #require(whole.calls)
        #expect(whole.status == 0 && calls > 40 && whole.numbers("wrote").count == Int(Self.journalRecords))
        for number in 1...calls + 2 {
            let fixture = try fixture(beginning)
            let fate = CallFate.fails(at: number, with: code)
            let run = try drive(fixture, fate)
            #expect(run.status != nil, "\(fate)")
            if run.status == 0 {
                #expect(run.numbers("wrote").count == Int(Self.journalRecords), "\(fate): \(run.lines)")
            } else {
                #expect(run.lines.last?.hasPrefix("refused cannot") == true, "\(fate): \(run.lines)")
            }
            try check(fixture, beginning, run, fate, powerWasCut: false)
        }
    }

    @Test("a journal killed before any of its calls has every record that was written", arguments: Beginning.allCases)
    func journalKilled(beginning: Beginning) throws {
        let calls = try #require(try drive(try fixture(beginning), .untouched).calls)
        for number in 1...calls {
            let fixture = try fixture(beginning)
            let fate = CallFate.killed(at: number)
            let run = try drive(fixture, fate)
            try check(fixture, beginning, run, fate, powerWasCut: false)
        }
    }

    @Test(
        "a journal whose power is cut before any of its calls has every record that was on disk, and no false claim",
        arguments: Beginning.allCases)
    func journalPowerCut(beginning: Beginning) throws {
        var random = SeededGenerator()
        let calls = try #require(try drive(try fixture(beginning), .untouched).calls)
        for number in 1...calls {
            for _ in 0..<2 {
                let fixture = try fixture(beginning)
                let fate = CallFate.powerCut(at: number, seed: random.next() >> 1)
                let run = try drive(fixture, fate)
                try check(fixture, beginning, run, fate, powerWasCut: true)
            }
        }
    }

    @Test(
        "a writer killed at random moments, run after run, never uses a number twice while a reader sees all in order")
    func randomKills() throws {
        var random = SeededGenerator()
        let fixture = try JournalFixture()
        let reader = JournalReader(fixture.directory, from: .beginning)
        var read: [String] = []
        var written: [String] = []
        for epoch: UInt64 in 1...25 {
            let last = random.next() % 60
            var killed = false
            let run = try DriverRun(
                ["journal", fixture.directory.path, "\(epoch)", "60"], under: fixture.directory.path
            ) { line, process in
                let rest = try? reader.rest()
                read += rest?.records.map { "\($0.epoch.low):\($0.sequence)" } ?? []
                if let rest { #expect(rest.lost.isEmpty) }
                if !killed, line == "wrote \(last)" {
                    killed = true
                    kill(process, SIGKILL)
                }
            }
            if !run.lines.isEmpty { written.append("\(epoch):1") }
            written += run.numbers("wrote").map { "\(epoch):\($0)" }
        }
        read += try reader.rest().records.map { "\($0.epoch.low):\($0.sequence)" }
        #expect(Set(read).count == read.count, "seed \(random.seed)")
        #expect(Set(written).subtracting(read).isEmpty, "seed \(random.seed)")
        #expect(try fixture.records().map { "\($0.epoch.low):\($0.sequence)" } == read, "seed \(random.seed)")
        #expect(try fixture.run(epoch: 99).holes.isEmpty)
    }

    @Test("a disk that hangs in any call of the keeper's thread holds up no record, and the end no longer than allowed")
    func hangs() throws {
        // As many as the room preallocated at the opening holds.
        func drive(_ fixture: JournalFixture, _ fate: CallFate, endMilliseconds: Int) throws -> DriverRun {
            try DriverRun(
                ["journal", fixture.directory.path, "2", "25", "nowait", "\(endMilliseconds)"],
                under: fixture.directory.path, fate: fate)
        }
        // The keeper's calls, counted in a run that waits for the last one.
        let calls = try #require(try drive(try JournalFixture(), .hangs(at: 0), endMilliseconds: 60_000).calls)
        #expect(calls > 0)
        for number in 1...calls {
            let fixture = try JournalFixture()
            let fate = CallFate.hangs(at: number)
            let run = try drive(fixture, fate, endMilliseconds: 100)
            #expect(run.status == 0 && run.numbers("wrote") == Array(2...26), "\(fate): \(run.lines)")
            // What the end waits for comes behind the first call, and that never ends.
            if number == 1 { #expect(run.numbers("synced").isEmpty, "\(run.lines)") }
            try check(fixture, .fresh, run, fate, powerWasCut: false)
        }
    }

    // MARK: Images and small files

    private func imageLane(_ image: ImageFixture) throws -> JournalFixture {
        let fixture = try JournalFixture()
        let installer = ImageInstaller(fixture.directory, trusting: image.trust)
        for version: UInt64 in 1...2 {
            let source = fixture.directory.incomingImage(version: version)
            try image.write(to: source, count: 200, title: image.title(version: version))
            if version == 1 { _ = try installer.install(from: source, newerThan: 0, at: image.moment()) }
        }
        return fixture
    }

    @Test(
        "an image whose taking over fails, or is killed, at the Nth call: the old one or the new one is in force, whole",
        arguments: ["fail", "full", "kill", "cut"])
    func image(how: String) throws {
        let image = try ImageFixture()
        func drive(_ fixture: JournalFixture, _ fate: CallFate) throws -> DriverRun {
            try DriverRun(
                [
                    "image", fixture.directory.path, image.site.hex, Hexadecimal.text(image.signing.publicKey),
                    "\(image.badgeKey.fingerprint)",
                ], under: fixture.directory.path, fate: fate)
        }
        let calls = try #require(try drive(try imageLane(image), .untouched).calls)
        #expect(calls > 10)
        for number in 1...calls {
            let fixture = try imageLane(image)
            let fate: CallFate =
                switch how {
                case "fail": .fails(at: number, with: EIO)
                case "full": .fails(at: number, with: ENOSPC)
                case "kill": .killed(at: number)
                default: .powerCut(at: number, seed: UInt64(number))
                }
            let run = try drive(fixture, fate)
            let installer = ImageInstaller(fixture.directory, trusting: image.trust)
            let loaded = try installer.loadNewest(at: image.moment())
            let version = try #require(loaded.image?.version, "\(fate)")
            #expect(loaded.refused.isEmpty, "\(fate)")
            if run.lines.contains("installed 2") { #expect(version == 2, "\(fate)") }
            if run.lines.contains("applied 2") {
                #expect(try AppliedFile.read(fixture.directory.applied)?.imageVersion == 2, "\(fate)")
            }
            if run.status != nil {
                // A refusal leaves nothing behind; what a kill leaves goes at the next start.
                #expect(try FileSystem.list(fixture.directory.images).allSatisfy { $0.hasSuffix(".img") }, "\(fate)")
            }
            let second = try drive(fixture, .untouched)
            #expect(second.status == 0, "\(fate): \(second.lines)")
            #expect(try installer.loadNewest(at: image.moment()).image?.version == 2, "\(fate)")
            #expect(try FileSystem.list(fixture.directory.images).allSatisfy { $0.hasSuffix(".img") }, "\(fate)")
        }
    }

    @Test(
        "a cursor whose writing fails, or is killed, at the Nth call is the old one or the new one",
        arguments: ["fail", "kill", "cut"])
    func cursor(how: String) throws {
        func drive(_ fixture: JournalFixture, _ fate: CallFate) throws -> DriverRun {
            try DriverRun(["cursor", fixture.directory.path, "3"], under: fixture.directory.path, fate: fate)
        }
        let calls = try #require(try drive(try JournalFixture(), .untouched).calls)
        for number in 1...calls {
            let fixture = try JournalFixture()
            let fate: CallFate =
                switch how {
                case "fail": .fails(at: number, with: EIO)
                case "kill": .killed(at: number)
                default: .powerCut(at: number, seed: UInt64(number))
                }
            let run = try drive(fixture, fate)
            let done = run.numbers("stored").max() ?? 0
            switch Cursor.read(fixture.directory.cursor) {
            case .missing: #expect(done == 0, "\(fate)")
            case .stored(let stored): #expect(stored.sequence == done || stored.sequence == done + 1, "\(fate)")
            case .ignored(let reason): Issue.record("\(fate): \(reason)")
            }
        }
    }
}
