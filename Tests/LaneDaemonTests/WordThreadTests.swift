import Admission
import Framing
import Posix
import Storage
import Synchronization
import TestSupport
import Testing

@testable import LaneDaemon

/// A lane with two readers, whose thread the test plays, and the thread that writes its word.
private final class Bench {
    let folder: TemporaryDirectory
    let directory: LaneDirectory
    let progress: LaneProgress
    let thread: WordThread
    let isInAlarm = FireAlarm()
    var machine: LaneMachine
    var journal = JournalStatus(absence: "not opened yet")

    final class FireAlarm: Sendable { let isOn = Atomic<Bool>(false) }

    init() throws {
        folder = try TemporaryDirectory()
        directory = LaneDirectory(folder.file("lane"))
        try directory.prepareForDaemon()
        let bell = try WakeUp(name: "test")
        progress = LaneProgress(waking: bell)
        let configuration = LaneConfiguration(
            kind: .entry, from: .outside, to: try #require(ShortName("hall-1")), readerCount: 2, hasThermometer: true)
        machine = LaneMachine(
            configuration: configuration, policy: AdmissionPolicy(), nextSequence: 1, hourTotals: LaneTotals(),
            at: Self.moment)
        thread = try WordThread(
            WordThread.Settings(
                path: directory.word, version: try #require(ShortName("1.2.3")),
                startedAt: WallTime(milliseconds: 77),
                devices: [.reader(0), .reader(1), .thermometer, .gate], journalCapacity: 5000),
            progress, bell: bell, isInAlarm: { [isInAlarm] in isInAlarm.isOn.load(ordering: .acquiring) })
        try thread.start()
    }

    deinit { thread.end() }

    static var moment: Moment {
        Moment(
            monotonic: .now(), wall: WallTime(milliseconds: SystemClock.wallMilliseconds()), clock: .trusted)
    }

    func give(_ input: LaneInput) { _ = machine.handle(input, at: Self.moment) }

    func publish(clock: ClockTrust = .trusted) {
        var moment = Self.moment
        moment.clock = clock
        progress.publish(
            LaneSnapshot(
                machine: machine, moment: moment, clockFloor: WallTime(milliseconds: 0), readers: [],
                gateSince: moment.wall, journal: journal, total: LaneTotals(), recent: RecentDecisions()))
    }

    var word: LaneWord? { get throws { try WordFile.read(directory.word) } }

    func says(_ condition: (LaneWord) -> Bool) throws -> Bool {
        try eventually { try self.word.map(condition) ?? false }
    }
}

@Suite("What the lane says of itself") struct WordThreadTests {
    @Test(
        "its state, devices, journal, covers and credentials, as soon as they are published, and nothing when it ends")
    func told() throws {
        let bench = try Bench()
        #expect(try bench.word == nil, "nothing before the lane has begun")
        for device in [Device.reader(0), .reader(1), .thermometer, .gate] { bench.give(.deviceBack(device)) }
        bench.publish()
        #expect(try bench.says { $0.lostDevices == 0 && $0.devices == 0b11_0000_0000_0000_0011 })
        let first = try #require(try bench.word)
        #expect(first.version.text == "1.2.3" && first.startedAt.milliseconds == 77 && first.recordsRoom == 5000)
        #expect(first.journal == .full && first.flags == [.hasNoJournal], "without a journal there is no room in one")
        #expect(first.imageVersion == 0 && first.freshness == .none && first.imageIssuedAt == nil)
        #expect(first.policyDigest == bench.machine.policy.digest)

        bench.journal.absence = nil
        bench.journal.used = 4321
        bench.journal.state = .filling
        bench.give(.deviceLost(.reader(1)))
        bench.give(.deviceLost(.thermometer))
        bench.give(.tamper(.cabinet, opened: true))
        bench.publish(clock: .stepped)
        #expect(try bench.says { $0.lostDevices == 0b01_0000_0000_0000_0010 })
        let second = try #require(try bench.word)
        #expect(second.recordsHeld == 4321 && second.journal == .filling && second.flags == [])
        #expect(second.openCovers == 1 << UInt32(TamperContact.cabinet.code) && second.clock == .stepped)
        let (mode, cause) = bench.machine.mode
        #expect(second.mode == mode && second.cause == cause)

        let wall = WallTime(milliseconds: SystemClock.wallMilliseconds())
        _ = bench.machine.adopt(
            CredentialsInForce(
                imageVersion: 9, changeNumber: 4, imageIssuedAt: wall.advanced(byMilliseconds: -5000),
                statementAsOf: wall.advanced(byMilliseconds: -2000), destinationZoneBit: 1),
            at: Bench.moment
        ) { _ in .noImage }
        bench.publish()
        #expect(try bench.says { $0.imageVersion == 9 })
        let third = try #require(try bench.word)
        #expect(third.changeNumber == 4 && third.freshness == .fresh && third.clock == .trusted)
        #expect(third.statementAsOf == wall.advanced(byMilliseconds: -2000))
        #expect(third.imageIssuedAt == wall.advanced(byMilliseconds: -5000))

        bench.thread.end()
        #expect(bench.thread.waitForEnd())
        #expect(try bench.word == nil, "an old word is never taken for a new one")
        #expect(try FileSystem.list(bench.directory.path).filter { $0.hasPrefix(".") }.isEmpty)
    }

    @Test("a lane that hangs is said without its thread, and so is the fire alarm")
    func hangs() throws {
        let bench = try Bench()
        bench.publish()
        #expect(try bench.says { !$0.flags.contains(.hangs) })
        bench.progress.beginTurn()
        bench.isInAlarm.isOn.store(true, ordering: .releasing)
        #expect(try bench.says { $0.flags.isSuperset(of: [.hangs, .fireAlarm]) && $0.mode == .emergency })
        bench.progress.endTurn()
        bench.isInAlarm.isOn.store(false, ordering: .releasing)
        #expect(try bench.says { $0.flags.isDisjoint(with: [.hangs, .fireAlarm]) && $0.mode != .emergency })
    }

    @Test("nothing new is said every few seconds all the same")
    func goesOn() throws {
        let bench = try Bench()
        bench.publish()
        #expect(try bench.says { _ in true })
        let first = try #require(try bench.word)
        #expect(try bench.says { $0.asOf > first.asOf })
        let second = try #require(try bench.word)
        #expect(!second.isNews(after: first))
    }

    @Test("a disk that does not take it holds up nothing, and it is written when the disk does")
    func noDisk() throws {
        let bench = try Bench()
        // No file takes the place of a directory.
        try FileSystem.makeDirectories(bench.directory.word, mode: 0o750)
        func changed() throws -> Int64 { try FileSystem.statusFollowingLinks(bench.directory.path).modifiedNanoseconds }
        let before = try changed()
        bench.publish()
        #expect(
            try eventually {
                try changed() != before && FileSystem.list(bench.directory.path).allSatisfy { !$0.hasPrefix(".") }
            })
        try FileSystem.rename(bench.directory.word, to: bench.folder.file("away"))
        bench.give(.deviceBack(.gate))
        bench.publish()
        #expect(try bench.says { _ in true })
        try FileSystem.rename(bench.directory.path, to: "\(bench.directory.path).away")
        bench.thread.end()
        #expect(bench.thread.waitForEnd())
    }
}
