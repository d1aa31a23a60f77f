import Admission
import Devices
import Posix
import Storage
import TestSupport
import Testing

@testable import LaneDaemon

/// A lane's shell without its loop: a real journal on a real disk, a real gate line to a server typed by hand.
private final class RunnerBench {
    private let folder: TemporaryDirectory
    private let listener: Descriptor
    private var connection: Descriptor?
    private var text = ""
    private let set = PollSet(capacity: 4)
    let gate: Gate
    let journal: Journal
    let directory: LaneDirectory
    var runner: EffectRunner
    /// `release 0` and `release 1` in the order in which the gate heard them.
    private(set) var releases: [String] = []
    private var badge: UInt64 = 0
    private var clock = MonotonicTime.now()

    init(_ kind: LaneKind, capacityRecords: Int = 64, reserveRecords: Int = 128) throws {
        SignalWatch.ignoreBrokenPipe()
        folder = try TemporaryDirectory()
        let path = folder.file("gate.sock")
        listener = try UnixSocket.listen(path, mode: 0o600)
        directory = LaneDirectory(folder.file("lane"))
        let lock = try LaneLock(directory)
        try directory.prepareForDaemon()
        let from = try #require(ShortName("outside"))
        let to = try #require(ShortName("ring"))
        let moment = Moment(
            monotonic: clock, wall: WallTime(milliseconds: SystemClock.wallMilliseconds()), clock: .trusted)
        (journal, _) = try Journal.open(
            directory, holding: lock, lane: try #require(ShortName("north-01")), from: from, to: to,
            settings: JournalSettings(
                capacityRecords: capacityRecords, reserveRecords: reserveRecords, recordsPerSegment: 64),
            epoch: Epoch(low: 1, high: 2), at: moment)
        gate = Gate.simulated(socket: path, at: clock)
        var policy = AdmissionPolicy()
        policy.measuredKinds = KindSet([])
        let machine = LaneMachine(
            configuration: LaneConfiguration(
                kind: kind, from: from, to: to, readerCount: 1, hasThermometer: false), policy: policy,
            nextSequence: journal.nextSequence, hourTotals: LaneTotals(), at: moment)
        runner = EffectRunner(machine: machine, journal: journal, gate: gate)
        runner.start(unfinished: nil, beside: nil, at: now())
        try turn { gate.presence == .well }
        give(.deviceBack(.gate))
        give(.deviceBack(.reader(0)))
        runner.adopt(
            CredentialsInForce(
                imageVersion: 1, changeNumber: 0, imageIssuedAt: now().wall, statementAsOf: now().wall,
                destinationZoneBit: 1),
            at: now()
        ) { _ in .unknown }
    }

    func now() -> Moment {
        Moment(monotonic: clock, wall: WallTime(milliseconds: SystemClock.wallMilliseconds()), clock: .trusted)
    }

    func give(_ input: LaneInput) { runner.give(input, at: now()) }

    /// Lets both ends of the gate's line move until `done`; fails after 60 s.
    func turn(until done: () -> Bool) throws {
        let limit = SystemClock.deadline(milliseconds: 60_000)
        while !done() {
            try #require(SystemClock.monotonicNanoseconds() < limit, "the gate did not get there in 10 s")
            set.removeAll()
            gate.add(to: set)
            if connection == nil { set.add(listener.raw, .readable) }
            try set.wait(until: SystemClock.deadline(milliseconds: 20))
            gate.service(set, at: .now()) { _ in }
            try hear()
        }
    }

    private func hear() throws {
        if connection == nil { connection = try UnixSocket.accept(listener) }
        guard let connection else { return }
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case .bytes(let count) = try buffer.withUnsafeMutableBytes({ try connection.read(into: $0) }) {
            text += String(decoding: buffer[..<count], as: UTF8.self)
        }
        while let end = text.firstIndex(of: "\n") {
            let line = String(text[..<end])
            text.removeSubrange(...end)
            if line == "hello lane" { try connection.writeAll(Array("passage_forward 0\npassage_backward 0\n".utf8)) }
            if line.hasPrefix("release") { releases.append(line) }
        }
    }

    /// Somebody who may pass holds a badge to the reader, walks when let in, and is gone. Returns whether let in.
    func visit() throws -> Bool {
        badge += 1
        clock = clock.advanced(byMilliseconds: 10_000)
        let wall = now().wall.seconds
        give(
            .presented(
                Presentation(
                    tag: BadgeTag(low: badge, high: 0), type: .chip,
                    lookup: .found(
                        Credential(
                            holder: HolderNumber(UInt32(badge)), kind: .staff, vaccine: .full, healthCode: .green,
                            assessedAtSeconds: UInt32(wall), test: .negative, sampledAtSeconds: UInt32(wall),
                            activation: .activated, zones: 1, validFromSeconds: nil, validUntilSeconds: nil)),
                    reader: 0)))
        let admitted = runner.machine.hasRelease
        if admitted {
            give(.contact(.forward, closed: true))
            give(.contact(.forward, closed: false))
        }
        return admitted
    }
}

@Suite struct EffectRunnerTests {
    @Test("a full journal closes an entrance: nobody is released who is not recorded, and what was let in has its end")
    func entranceFills() throws {
        let bench = try RunnerBench(.entry)
        var admitted = 0
        while try bench.visit() { admitted += 1 }
        // 64 records of room: each visit takes a decision, and an end from the reserve when the room is gone.
        #expect(admitted > 10 && admitted < 64)
        #expect(bench.runner.machine.mode.mode == .outOfService)
        #expect(!(try bench.visit()))
        #expect(bench.runner.total.admitted == UInt32(admitted))
        #expect(bench.runner.total.passed == UInt32(admitted))
        // Heard by the gate: as many releases as decisions on record.
        bench.gate.set(.buzzer, true, at: .now())
        try bench.turn { bench.releases.filter { $0 == "release 1" }.count == admitted }
        #expect(bench.releases.last == "release 0")
    }

    @Test("a full journal never closes an exit: people leave beyond the reserve, and the totals of it are kept")
    func exitGoesOn() throws {
        let bench = try RunnerBench(.exit)
        for person in 1...400 {
            #expect(try bench.visit(), "person \(person) was locked in")
            // The first release is the free exit's, before there was a reader.
            try bench.turn { bench.releases.filter { $0 == "release 1" }.count > person }
        }
        #expect(bench.journal.room(for: .reserve) == 0)
        #expect(bench.runner.total.passed < 400)
    }
}
