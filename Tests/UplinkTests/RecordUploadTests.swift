import Admission
import Framing
import Posix
import Storage
import Synchronization
import TestSupport
import Testing

@testable import Uplink

/// The record side of an uplink on a lane's directory, against a played collector.
private final class Bench {
    let lane: TestLane
    let collector: PlayedCollector
    let server: RawServer
    var settings: UplinkSettings
    private var client: CollectorClient
    private(set) var upload: RecordUpload

    init(
        _ lane: TestLane, batch: Int = 10, answerMilliseconds: Int = 20_000, probeMilliseconds: Int = 100,
        mood: (@Sendable (RawConnection, Int) -> Bool)? = nil
    ) throws {
        self.lane = lane
        let collector = PlayedCollector(mood: mood)
        self.collector = collector
        server = try RawServer { collector.serve($0) }
        try lane.directory.prepareForUplink()
        settings = UplinkSettings(
            site: testSite, lane: try #require(ShortName("north-07")), stateDirectory: lane.directory.path,
            runDirectory: lane.directory.path, collector: try makeSettings(server.url, answer: answerMilliseconds),
            batchRecords: batch, uploadIntervalMilliseconds: 10, probeIntervalMilliseconds: probeMilliseconds,
            cursorIntervalMilliseconds: 10)
        client = try CollectorClient(settings.collector)
        upload = RecordUpload(settings, client)
    }

    /// As after the end of the process; without `stop`, as after SIGKILL.
    func restart(killed: Bool = false) throws {
        if !killed { upload.stop() }
        client = try CollectorClient(settings.collector)
        upload = RecordUpload(settings, client)
    }

    private var now: MonotonicTime { MonotonicTime(nanoseconds: SystemClock.monotonicNanoseconds()) }

    func work(within milliseconds: Int = 60_000, until condition: () throws -> Bool) throws -> Bool {
        let deadline = SystemClock.deadline(milliseconds: milliseconds)
        while SystemClock.monotonicNanoseconds() < deadline {
            if try condition() { return true }
            upload.step(now: now)
            _ = try client.wait(until: min(upload.nextDue.nanoseconds, SystemClock.deadline(milliseconds: 20)))
            while let (exchange, outcome) = client.nextFinished() {
                #expect(upload.take(exchange, outcome, now: now))
            }
        }
        return try condition()
    }

    /// Works until everything written is stored and the cursor says so.
    func deliverAll() throws -> Bool {
        let done = try work { self.lane.cursor == self.lane.written.last && self.everythingIsStored }
        #expect(collector.state.withLock { $0.broken } == [])
        return done
    }

    var everythingIsStored: Bool { collector.stored == Set(lane.written) }
}

@Suite("Records on their way up", .serialized)
struct RecordUploadTests {
    @Test("everything of two epochs arrives once, and the cursor stands at the end")
    func delivers() throws {
        let lane = try TestLane()
        try lane.open(TestLane.epochs[0])
        try lane.append(70)
        try lane.open(TestLane.epochs[1])
        try lane.append(25)
        let bench = try Bench(lane)
        defer { bench.server.stop() }
        #expect(try bench.deliverAll())
        #expect(bench.collector.state.withLock { $0.duplicates } == 0)
        try lane.append(3)
        #expect(try bench.deliverAll())
        #expect(bench.collector.state.withLock { $0.duplicates } == 0)
    }

    @Test("a backlog goes up in full batches, one right after the other")
    func backlog() throws {
        let lane = try TestLane(recordsPerSegment: 1024)
        try lane.open(TestLane.epochs[0])
        try lane.append(9_000)
        let bench = try Bench(lane, batch: 500)
        defer { bench.server.stop() }
        #expect(try bench.deliverAll())
        // 19 are needed; a slow machine may put probes between.
        #expect((19...40).contains(bench.collector.state.withLock { $0.batches }))
    }

    @Test("another process goes on at the cursor")
    func restarts() throws {
        let lane = try TestLane()
        try lane.open(TestLane.epochs[0])
        try lane.append(40)
        let bench = try Bench(lane)
        defer { bench.server.stop() }
        #expect(try bench.deliverAll())
        try bench.restart()
        try lane.append(15)
        #expect(try bench.deliverAll())
        #expect(bench.collector.state.withLock { $0.duplicates } == 0)
    }

    enum Trouble: String, CaseIterable, Sendable {
        case refused, overloaded, html, empty, otherSize, reset, stall, unknownEpoch, farAhead, lostAnswer, badRequest
    }

    @Test(
        "whatever the collector answers for a while, nothing is lost and the cursor moves on its word only",
        arguments: Trouble.allCases)
    func troubles(_ trouble: Trouble) throws {
        let lane = try TestLane()
        try lane.open(TestLane.epochs[0])
        try lane.append(24)
        let box = Mutex<PlayedCollector?>(nil)
        let bench = try Bench(lane, answerMilliseconds: trouble == .stall ? 300 : 20_000) { connection, number in
            guard (2...3).contains(number) else { return false }
            switch trouble {
            case .refused: connection.close()
            case .overloaded: connection.answer("503 Service Unavailable", ["Retry-After: 0"])
            case .html: connection.answer("200 OK", ["Content-Type: text/html"], text: "<html>log in</html>")
            case .empty: connection.answer("200 OK")
            case .otherSize: connection.answer("200 OK", [], [UInt8](repeating: 0x20, count: 100_000))
            case .reset: connection.reset(afterBodyBytes: 300)
            case .stall: connection.stallUntilClosed()
            case .unknownEpoch:
                connection.answer("200 OK", [], text: "stored 0123456789abcdef0123456789abcdef 5\n")
            case .farAhead:
                connection.answer("200 OK", [], text: "stored \(TestLane.epochs[0].hex) 999999\n")
            case .lostAnswer:
                _ = box.withLock { $0 }?.take(connection.body())
                connection.close()
            case .badRequest:
                connection.answer("400 Bad Request", [], text: #"{"error": "record 3: the checksum does not match"}"#)
            }
            return true
        }
        defer { bench.server.stop() }
        box.withLock { $0 = bench.collector }
        #expect(try bench.work { !bench.upload.complaints.isEmpty })
        if trouble == .badRequest { #expect(bench.upload.complaints.contains { $0.contains("record 3") }) }
        #expect(bench.upload.complaints.allSatisfy { $0.utf8.count < 600 })
        let answered = Set(bench.collector.state.withLock { $0.answers })
        #expect(lane.cursor.map { answered.contains($0) } ?? true)
        #expect(try bench.deliverAll())
        #expect(bench.upload.complaints.isEmpty)
    }

    @Test("a collector that is restored from a backup gets again what is held")
    func restored() throws {
        let lane = try TestLane()
        try lane.open(TestLane.epochs[0])
        try lane.append(50)
        try lane.open(TestLane.epochs[1])
        try lane.append(20)
        let bench = try Bench(lane)
        defer { bench.server.stop() }
        #expect(try bench.deliverAll())
        let kept = Set(lane.written.prefix(17))
        bench.collector.state.withLock { $0.stored = kept }
        #expect(try bench.work { bench.everythingIsStored })
        #expect(try bench.deliverAll())
        #expect(bench.collector.state.withLock { $0.answers }.contains(lane.written[16]))
    }

    @Test("a collector that forgot everything gets everything, also by an uplink that starts at its cursor")
    func forgotten() throws {
        let lane = try TestLane()
        try lane.open(TestLane.epochs[0])
        try lane.append(50)
        let bench = try Bench(lane)
        defer { bench.server.stop() }
        #expect(try bench.deliverAll())
        bench.collector.state.withLock {
            $0.stored = []
            $0.next = [:]
        }
        try bench.restart()
        #expect(try bench.deliverAll())
    }

    @Test(
        "a cursor that is damaged, gone or of another journal costs sending again",
        arguments: ["", "rubbish\n", "stored 00 1\n", nil, "stored ffffffffffffffffffffffffffffffff 77\n"])
    func cursors(_ text: String?) throws {
        let lane = try TestLane()
        try lane.open(TestLane.epochs[0])
        try lane.append(30)
        let bench = try Bench(lane)
        defer { bench.server.stop() }
        #expect(try bench.deliverAll())
        bench.upload.stop()
        if let text {
            try FileSystem.replace(lane.directory.cursor, with: Array(text.utf8), mode: 0o640)
        } else {
            try FileSystem.unlink(lane.directory.cursor)
        }
        try bench.restart(killed: true)
        try lane.append(5)
        #expect(try bench.deliverAll())
    }

    @Test("a damaged stretch is told as lost, and what follows arrives")
    func damaged() throws {
        let lane = try TestLane()
        try lane.open(TestLane.epochs[0])
        try lane.append(60)
        try lane.close()
        try lane.damage(record: 20)
        try lane.damage(record: 21)
        let bench = try Bench(lane)
        defer { bench.server.stop() }
        let whole = Set(lane.written).subtracting(lane.written[20...21])
        #expect(try bench.work { bench.collector.stored == whole && lane.cursor == lane.written.last })
        let lost = bench.collector.state.withLock { $0.lost }
        #expect(Set(lost) == [RecordBatch.Stretch(epoch: TestLane.epochs[0], first: 21, last: 22)])
    }

    @Test("when the oldest records are gone and the collector has none of them, the rest arrives")
    func oldestGone() throws {
        let lane = try TestLane()
        try lane.open(TestLane.epochs[0])
        try lane.append(120)
        try lane.close()
        try lane.removeFirstSegments(2)
        let bench = try Bench(lane)
        defer { bench.server.stop() }
        try Cursor.write(lane.written[99], to: lane.directory.cursor)
        try bench.restart(killed: true)
        let held = Set(lane.written.dropFirst(64))
        #expect(try bench.work { bench.collector.stored == held && lane.cursor == lane.written.last })
    }

    @Test(
        "what the lane says of itself goes in the head of its batches, at once when it is news, and ends with the daemon"
    )
    func laneWord() throws {
        let lane = try TestLane()
        try lane.open(TestLane.epochs[0])
        try lane.append(5)
        let bench = try Bench(lane, probeMilliseconds: 600_000)
        defer { bench.server.stop() }
        #expect(try bench.deliverAll())
        var words: [LaneWord?] { bench.collector.state.withLock { $0.words } }
        #expect(words.allSatisfy { $0 == nil })
        var word = LaneWord(asOf: WallTime(seconds: 100), version: try #require(ShortName("1.0.0")))
        try WordFile.write(word, to: lane.directory.word)
        #expect(try bench.work { words.last == word })
        // Later, and no news: it waits for the next batch.
        word.asOf = WallTime(seconds: 105)
        word.recordsHeld = 7
        try WordFile.write(word, to: lane.directory.word)
        #expect(try !bench.work(within: 1200) { words.last == word })
        try lane.append(1)
        #expect(try bench.work { words.last == word })
        word.lostDevices = 2
        try WordFile.write(word, to: lane.directory.word)
        #expect(try bench.work { words.last == word })
        try WordFile.write(nil, to: lane.directory.word)
        #expect(try bench.work { words.last == .some(nil) })
        #expect(bench.collector.state.withLock { $0.broken } == [])
    }

    @Test("without a journal it waits, and goes on when there is one")
    func noJournal() throws {
        let lane = try TestLane()
        let bench = try Bench(lane)
        defer { bench.server.stop() }
        #expect(try !bench.work(within: 50) { bench.collector.state.withLock { $0.batches } > 0 })
        #expect(bench.upload.complaints.isEmpty)
        try lane.open(TestLane.epochs[0])
        try lane.append(5)
        #expect(try bench.deliverAll())
    }

    @Test(
        "killed and started again at any moment, with a collector that loses answers: nothing missing", arguments: 0..<6
    )
    func killed(_ round: UInt64) throws {
        var random = SeededGenerator(seed: 300 + round, for: "killed")
        let lane = try TestLane()
        try lane.open(TestLane.epochs[0])
        let fates = (0..<400).map { _ in Int.random(in: 0..<6, using: &random) }
        let box = Mutex<PlayedCollector?>(nil)
        let bench = try Bench(lane, batch: 7) { connection, number in
            guard number < fates.count else { return false }
            switch fates[number] {
            case 0: connection.reset(afterBodyBytes: 100)
            case 1:
                _ = box.withLock { $0 }?.take(connection.body())
                connection.close()
            default: return false
            }
            return true
        }
        defer { bench.server.stop() }
        box.withLock { $0 = bench.collector }
        for epoch in 0..<3 {
            if epoch > 0 { try lane.open(TestLane.epochs[epoch]) }
            for _ in 0..<4 {
                try lane.append(Int.random(in: 1...30, using: &random))
                let target = bench.collector.state.withLock { $0.batches } + Int.random(in: 0...4, using: &random)
                _ = try bench.work(within: 300) { bench.collector.state.withLock { $0.batches } >= target }
                try bench.restart(killed: true)
            }
        }
        #expect(try bench.deliverAll())
    }
}
