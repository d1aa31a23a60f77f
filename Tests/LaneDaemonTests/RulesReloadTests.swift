import Admission
import Configuration
import Framing
import Posix
import Storage
import Synchronization
import TestSupport
import Testing

@testable import LaneDaemon

/// A lane's file and its rules on disk, and a thread that takes orders as the lane's would.
private final class Bench: Sendable {
    let folder: TemporaryDirectory
    let directory: LaneDirectory
    let archive: PolicyArchive
    let orders: Mailbox<LaneOrder>
    let taken = Mutex<[AdmissionPolicy]>([])
    let schedules = Mutex<[[ScheduledMode]]>([])
    /// How many orders the lane was given.
    let orderCount = Atomic<Int>(0)
    private let isStopping = Atomic<Bool>(false)

    init() throws {
        folder = try TemporaryDirectory()
        directory = LaneDirectory(folder.file("state"))
        try directory.prepareForDaemon()
        archive = PolicyArchive(directory)
        orders = try Mailbox(name: "orders", capacity: 4)
    }

    var path: String { folder.file("lane.yaml") }

    func write(_ rules: String, lane: String = "id: north-07", port: String = "/dev/ttyS1", schedule: String = "")
        throws
    {
        let text = """
            site: { id: 00112233445566778899aabbccddeeff, public_key_file: site.pub, badge_key_file: badge.key }
            lane: { \(lane), name: 北登录厅-07, kind: entry, from: outside, to: north-ring }
            readers: [ { name: chip, type: rdm6300, port: \(port) } ]
            thermometer: { type: gy-mcu90615, port: /dev/ttyS2 }
            gate: { simulated: { socket: gate.sock } }
            policy: rules.yaml
            \(schedule)

            """
        try FileSystem.replace(path, with: Array(text.utf8), mode: 0o600)
        try FileSystem.replace(folder.file("rules.yaml"), with: Array(rules.utf8), mode: 0o600)
    }

    func start() throws -> RulesReload {
        try RulesReload(
            path: path, started: LaneSettings(path: path), archive: archive, orders: orders, clockIsTrusted: { true })
    }

    /// Runs `body` while a lane takes orders.
    func withLane<Result>(_ body: () throws -> Result) throws -> Result {
        isStopping.store(false, ordering: .releasing)
        let lane = try NamedThread.start(name: "lane") { [self] in
            while !isStopping.load(ordering: .acquiring) {
                _ = try? orders.wakeUp.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: 1000))
                for order in orders.takeAll() {
                    if case .adopt(let policy, let schedule) = order.deed { take(policy, schedule) }
                    order.carriedOut()
                }
            }
        }
        defer {
            isStopping.store(true, ordering: .releasing)
            orders.wakeUp.signal()
            lane.join()
        }
        return try body()
    }

    /// The file is there before the policy comes into force.
    private func take(_ policy: AdmissionPolicy?, _ schedule: [ScheduledMode]?) {
        orderCount.wrappingAdd(1, ordering: .relaxed)
        if let schedule { schedules.withLock { $0.append(schedule) } }
        guard let policy else { return }
        let isKept = (try? FileSystem.statusIfPresent(archive.path(policy.digest))) != nil
        if isKept { taken.withLock { $0.append(policy) } }
    }

    var kept: [String] { get throws { try FileSystem.list(directory.policies).sorted() } }
}

@Suite("Reloading the rules") struct RulesReloadTests {
    @Test("new rules are kept under their digest, then taken by the lane")
    func reloads() throws {
        let bench = try Bench()
        try bench.write("test_window_hours: 48\n")
        let reload = try bench.start()
        try bench.write("test_window_hours: 24\n")
        let outcome = try bench.withLane { try reload.reload() }
        #expect(outcome.isNew && outcome.needRestart.isEmpty)
        #expect(bench.taken.withLock { $0.map(\.testWindowMilliseconds) } == [24 * 3_600_000])
        #expect(
            try FileSystem.read(bench.archive.path(outcome.digest), limit: 100) == Array("test_window_hours: 24\n".utf8)
        )
    }

    @Test("another schedule is taken by the lane, alone, and in one order with another policy")
    func schedule() throws {
        let bench = try Bench()
        try bench.write("test_window_hours: 48\n")
        let reload = try bench.start()
        let locked = "schedule: [ { mode: locked, hours: ['22:30-06:00+08:00'] } ]"
        try bench.write("test_window_hours: 48\n", schedule: locked)
        let alone = try bench.withLane { try reload.reload() }
        #expect(!alone.isNew && alone.isScheduleNew && alone.needRestart.isEmpty)
        #expect(bench.schedules.withLock { $0.map { $0.map(\.mode) } } == [[.locked]])
        #expect(bench.taken.withLock { $0.isEmpty })
        #expect(try bench.withLane { try !reload.reload().isScheduleNew })

        try bench.write("test_window_hours: 24\n")
        let both = try bench.withLane { try reload.reload() }
        #expect(both.isNew && both.isScheduleNew)
        #expect(bench.schedules.withLock { $0.last } == [])
        #expect(bench.taken.withLock { $0.count } == 1)
        #expect(bench.orderCount.load(ordering: .relaxed) == 2)
    }

    @Test(
        "a mistake in the schedule or the policy leaves both as they were",
        arguments: [("24", "06:00-06:00+08:00", "lane.yaml:"), ("480", "22:30-06:00+08:00", "rules.yaml:1:20")])
    func neverHalf(window: String, hours: String, place: String) throws {
        let bench = try Bench()
        try bench.write("test_window_hours: 48\n")
        let reload = try bench.start()
        try bench.write(
            "test_window_hours: \(window)\n", schedule: "schedule: [ { mode: locked, hours: ['\(hours)'] } ]")
        let failure = #expect(throws: RulesReload.Failure.self) { _ = try bench.withLane { try reload.reload() } }
        #expect("\(try #require(failure))".contains(place), "\(String(describing: failure))")
        #expect(bench.orderCount.load(ordering: .relaxed) == 0)
    }

    @Test("the same rules again are no new ones: the lane hears nothing")
    func same() throws {
        let bench = try Bench()
        try bench.write("test_window_hours: 48\n")
        let reload = try bench.start()
        let outcome = try bench.withLane { try reload.reload() }
        #expect(!outcome.isNew)
        #expect(bench.taken.withLock { $0.isEmpty })
    }

    @Test(
        "a mistake anywhere leaves the old rules, and is told with its file, line and column",
        arguments: [
            ("test_window_hours: 480\n", "/dev/ttyS1", "rules.yaml:1:20: test_window_hours"),
            ("test_window_hours: 24\nclock: 1\n", "/dev/ttyS1", "rules.yaml:2:1: clock"),
            ("test_window_hours: [\n", "/dev/ttyS1", "rules.yaml:"),
            ("test_window_hours: 24\n", "[]", "lane.yaml:3:"),
        ])
    func mistakes(rules: String, port: String, place: String) throws {
        let bench = try Bench()
        try bench.write("test_window_hours: 48\n")
        let reload = try bench.start()
        try bench.write(rules, port: port)
        let failure = #expect(throws: RulesReload.Failure.self) { _ = try bench.withLane { try reload.reload() } }
        #expect("\(try #require(failure))".contains(place), "\(String(describing: failure))")
        #expect(bench.taken.withLock { $0.isEmpty })
        #expect(try bench.kept.isEmpty)
        // And it can be corrected.
        try bench.write("test_window_hours: 24\n")
        #expect(try bench.withLane { try reload.reload() }.isNew)
    }

    @Test("what else has changed is named; where settings stand makes no difference")
    func needsRestart() throws {
        let bench = try Bench()
        try bench.write("test_window_hours: 48\n")
        let reload = try bench.start()
        try bench.write("test_window_hours: 24\n", lane: "  id:   north-07", port: "/dev/ttyS9")
        let outcome = try bench.withLane { try reload.reload() }
        #expect(outcome.needRestart == ["readers"])
        #expect(outcome.isNew)
    }

    @Test("the file of another lane is refused: its rules mean other zones")
    func otherLane() throws {
        let bench = try Bench()
        try bench.write("test_window_hours: 48\n")
        let reload = try bench.start()
        try bench.write("test_window_hours: 24\n", lane: "id: north-08")
        let failure = #expect(throws: RulesReload.Failure.self) { _ = try bench.withLane { try reload.reload() } }
        #expect("\(try #require(failure))".contains("lane.id is north-08"))
    }

    @Test("rules that cannot be kept do not come into force")
    func notKept() throws {
        let bench = try Bench()
        try bench.write("test_window_hours: 48\n")
        let reload = try bench.start()
        try bench.write("test_window_hours: 24\n")
        try FileSystem.rename(bench.directory.policies, to: bench.folder.file("elsewhere"))
        let failure = #expect(throws: RulesReload.Failure.self) { _ = try bench.withLane { try reload.reload() } }
        #expect("\(try #require(failure))".contains("cannot be kept"))
        #expect(bench.taken.withLock { $0.isEmpty })
    }

    @Test("a lane that does not answer is told as that")
    func silent() throws {
        let bench = try Bench()
        try bench.write("test_window_hours: 48\n")
        let reload = try bench.start()
        try bench.write("test_window_hours: 24\n")
        let failure = #expect(throws: RulesReload.Failure.self) { _ = try reload.reload() }
        #expect("\(try #require(failure))".contains("did not take the rules"))
        // It may take them yet. So those that it had before are given to it again, though the book says that it has them.
        try bench.write("test_window_hours: 48\n")
        #expect(try bench.withLane { try reload.reload() }.isNew)
        #expect(bench.taken.withLock { $0.map(\.testWindowMilliseconds) } == [24 * 3_600_000, 48 * 3_600_000])
    }

    @Test("SIGHUP's thread reloads when it is asked, and ends when it is told to")
    func thread() throws {
        let bench = try Bench()
        try bench.write("test_window_hours: 48\n")
        let reload = try bench.start()
        try bench.write("test_window_hours: 24\n")
        try bench.withLane {
            let thread = try reload.start()
            reload.ask()
            let isTaken = try eventually { bench.taken.withLock { !$0.isEmpty } }
            reload.end()
            thread.join()
            #expect(isTaken)
        }
    }
}

@Suite("Kept policies") struct PolicyArchiveTests {
    @Test("the newest hundred are kept beside the one in force, and none longer than 400 days by a trusted clock")
    func bounded() throws {
        let folder = try TemporaryDirectory(inMemory: true)
        let directory = LaneDirectory(folder.path)
        try directory.prepareForDaemon()
        let archive = PolicyArchive(directory)
        for number in 0..<103 { try archive.keep([UInt8(number)], PolicyDigest(low: UInt64(number), high: 1)) }
        try FileSystem.replace("\(directory.policies)/README", with: [1], mode: 0o600)
        // The oldest is in force.
        let inForce = PolicyDigest(low: 0, high: 1)
        let removed = try archive.removeExpired(inForce: inForce, now: nil)
        #expect(removed.count == 2)
        #expect(try FileSystem.list(directory.policies).count == 102)
        #expect(try FileSystem.statusIfPresent(archive.path(inForce)) != nil)
        #expect(try archive.removeExpired(inForce: inForce, now: nil) == [])

        let later = WallTime(milliseconds: SystemClock.wallMilliseconds() + PolicyArchive.longestMilliseconds + 60_000)
        #expect(try archive.removeExpired(inForce: inForce, now: later).count == 100)
        #expect(try FileSystem.statusIfPresent(archive.path(inForce)) != nil)
        #expect(try FileSystem.list(directory.policies).contains("README"))
    }

    @Test("a damaged copy is healed when its policy comes into force again")
    func healed() throws {
        let folder = try TemporaryDirectory(inMemory: true)
        let directory = LaneDirectory(folder.path)
        try directory.prepareForDaemon()
        let archive = PolicyArchive(directory)
        let digest = PolicyDigest(low: 1, high: 2)
        try FileSystem.replace(archive.path(digest), with: [9, 9], mode: 0o600)
        try archive.keep([1, 2, 3], digest)
        #expect(try FileSystem.read(archive.path(digest), limit: 10) == [1, 2, 3])
    }
}
