import Admission
import Devices
import Posix
import Testing

@Suite("The fire line")
struct FireLineTests {
    @Test("a whole loop is no alarm, an open one is, and the emergency output follows its setter")
    func reads() throws {
        let bench = try FireBench(greeting: ["fire 1", "passage_forward 0"])
        #expect(bench.fire.reading == .unknown)
        try bench.run { bench.fire.reading == .whole }
        #expect(bench.server.heard == ["hello fire", "emergency 0"])
        try bench.server.say("fire 0")
        try bench.run { bench.fire.reading == .alarm }
        #expect(bench.fire.failure == nil)
        bench.fire.setEmergency(true, at: bench.now)
        try turning(bench.server.turn) { bench.server.heard.last == "emergency 1" }
        try bench.server.say("fire 1")
        try bench.run { bench.fire.reading == .whole }
    }

    @Test("a closed connection reads as alarm at once, until the loop is read whole again")
    func brokenWire() throws {
        let bench = try FireBench(greeting: ["fire 1"])
        try bench.run { bench.fire.reading == .whole }
        bench.fire.setEmergency(true, at: bench.now)
        bench.server.greeting = []
        bench.server.hangUp()
        try bench.run { bench.fire.reading == .alarm }
        #expect(bench.fire.failure != nil)
        // Reached again, but nothing said of the loop: still an alarm.
        bench.server.forget()
        try bench.run { bench.server.heard.count == 2 }
        #expect(bench.server.heard == ["hello fire", "emergency 1"])
        #expect(bench.fire.reading == .alarm)
        try bench.server.say("fire 1")
        try bench.run { bench.fire.reading == .whole }
        #expect(bench.fire.failure == nil)
    }

    @Test("a loop that cannot be read at the start is an alarm after a second, not before")
    func absent() throws {
        let start = SystemClock.monotonicNanoseconds()
        let bench = try FireBench(greeting: ["fire 1"], listening: false)
        try bench.run { bench.fire.reading == .alarm }
        #expect(SystemClock.monotonicNanoseconds() - start >= 1_000_000_000)
        #expect(bench.fire.failure?.device == bench.server.path)
        try bench.server.listen()
        try bench.run { bench.fire.reading == .whole }
    }

    @Test("a gate that is a moment late at the start raises no alarm")
    func lateStart() throws {
        let bench = try FireBench(greeting: ["fire 1"], listening: false)
        for _ in 0..<20 { try bench.turn() }
        try bench.server.listen()
        try bench.run { bench.fire.reading != .unknown }
        #expect(bench.fire.reading == .whole)
    }
}

/// A fire line, a gate's server, and the loop between them.
private final class FireBench {
    let server: GateServer
    let fire: FireLine
    private let set = PollSet(capacity: 8)

    init(greeting: [String], listening: Bool = true) throws {
        server = try GateServer(greeting: greeting, listening: listening)
        fire = .simulated(
            socket: server.path, at: MonotonicTime(nanoseconds: SystemClock.monotonicNanoseconds()))
    }

    var now: MonotonicTime { MonotonicTime(nanoseconds: SystemClock.monotonicNanoseconds()) }

    func run(until done: () -> Bool) throws { try turning(turn, until: done) }

    func turn() throws {
        set.removeAll()
        fire.add(to: set)
        try set.wait(until: min(SystemClock.deadline(milliseconds: 5), fire.nextDeadline.nanoseconds))
        fire.service(set, at: now)
        try server.turn()
    }
}
