import Admission
import Devices
import Posix
import Testing

@Suite("The simulated gate")
struct SimulatedGateTests {
    @Test("it greets, sets every output, and is there when the gate has said its contacts")
    func greets() throws {
        let bench = try GateBench()
        try bench.run { bench.told == ["back"] }
        #expect(
            bench.server.heard == [
                "hello lane", "release 0", "lamp_green 0", "lamp_red 0", "lamp_amber 0", "buzzer 0",
                "release_backward 0",
            ])
        #expect(bench.gate.presence == .well)
    }

    @Test("outputs go out at once, in order, and only when they change")
    func outputs() throws {
        let bench = try GateBench()
        try bench.run { bench.gate.presence == .well && bench.server.heard.count == 7 }
        bench.server.forget()
        bench.gate.set(.lampGreen, true, at: bench.now)
        bench.gate.set(.release, true, at: bench.now)
        bench.gate.set(.release, true, at: bench.now)
        bench.gate.set(.release, false, at: bench.now)
        // Without another turn of the gate's loop.
        try turning(bench.server.turn) { bench.server.heard.count >= 3 }
        #expect(bench.server.heard == ["lamp_green 1", "release 1", "release 0"])
    }

    @Test("contacts are told as they change, in pieces or many at once, and other names are passed over")
    func contacts() throws {
        let bench = try GateBench()
        try bench.run { bench.gate.presence == .well }
        try bench.server.say("passage_forward 1\npassage_forward 0\nfire 0\npassage_backward 1\nsomething_else 1")
        try bench.run { bench.told.count == 4 }
        #expect(bench.told == ["back", "forward closed", "forward open", "backward closed"])
        try bench.server.say("passage_backward 1")
        for piece in ["passage_", "backw", "ard 0\npass", "age_forward", " 1"] {
            try bench.server.connection?.writeAll(Array(piece.utf8))
            try bench.turn()
        }
        try bench.server.say("")
        try bench.run { bench.told.count == 6 }
        #expect(bench.told.suffix(2) == ["backward open", "forward closed"])
    }

    @Test("a gate that closes is lost at once, found again, gets its lamps back, and no release")
    func reconnects() throws {
        let bench = try GateBench()
        try bench.run { bench.gate.presence == .well }
        bench.gate.set(.release, true, at: bench.now)
        bench.gate.set(.lampGreen, true, at: bench.now)
        try bench.run { bench.server.heard.last == "lamp_green 1" }
        bench.server.hangUp()
        bench.server.forget()
        try bench.run { bench.told.last == "lost" }
        #expect(!bench.gate.isSet(.release))
        bench.gate.set(.release, true, at: bench.now)
        #expect(!bench.gate.isSet(.release))
        bench.gate.set(.lampRed, true, at: bench.now)
        try bench.run { bench.told.last == "back" }
        #expect(
            bench.server.heard == [
                "hello lane", "release 0", "lamp_green 1", "lamp_red 1", "lamp_amber 0", "buzzer 0",
                "release_backward 0",
            ])
        #expect(bench.told == ["back", "lost", "back"])
    }

    @Test("a contact that closed while the gate was lost is told just before it is back")
    func contactMeanwhile() throws {
        let bench = try GateBench()
        try bench.run { bench.gate.presence == .well }
        bench.server.greeting = ["passage_forward 1", "passage_backward 1"]
        bench.server.hangUp()
        try bench.run { bench.told.last == "back" && bench.told.count == 5 }
        #expect(bench.told == ["back", "lost", "forward closed", "backward closed", "back"])
    }

    @Test("the guard's button tells its presses, and not that it was down when the gate was reached")
    func guardButton() throws {
        let bench = try GateBench()
        bench.server.greeting += ["guard_button 1"]
        try bench.run { bench.gate.presence == .well }
        try bench.server.say("passage_forward 1")
        try bench.run { bench.told.count == 2 }
        #expect(bench.told == ["back", "forward closed"])
        for level in [0, 1, 1, 0, 1] { try bench.server.say("guard_button \(level)") }
        try bench.run { bench.told.count == 4 }
        #expect(bench.told.suffix(2) == ["guard", "guard"])
        // Down over a break of the connection: nobody saw it go down.
        bench.server.hangUp()
        try bench.run { bench.told.last == "back" }
        #expect(bench.told.suffix(3) == ["lost", "forward open", "back"])
    }

    @Test("an open cabinet is told once, also when it was open before, and over a lost gate when it has changed")
    func tamper() throws {
        let bench = try GateBench()
        bench.server.greeting += ["tamper 1"]
        try bench.run { bench.told.count == 2 }
        #expect(bench.told == ["back", "tampered"])
        bench.server.hangUp()
        try bench.run { bench.told.last == "back" && bench.told.count == 4 }
        try bench.server.say("tamper 1")
        bench.server.greeting = ["passage_forward 0", "passage_backward 0", "tamper 0"]
        bench.server.hangUp()
        try bench.run { bench.told.last == "cover closed" }
        #expect(bench.told == ["back", "tampered", "lost", "back", "lost", "back", "cover closed"])
    }

    @Test("without a gate it is lost once, tries at most every second, and does not spin")
    func absent() throws {
        let bench = try GateBench(listening: false)
        try bench.run { bench.told == ["lost"] }
        #expect(bench.gate.failure?.device == bench.server.path)
        bench.wakeUps = 0
        let limit = SystemClock.deadline(milliseconds: 2500)
        while SystemClock.monotonicNanoseconds() < limit { try bench.turn(limit) }
        #expect(bench.wakeUps <= 9, "poll returned \(bench.wakeUps) times in 2.5 s")
        try bench.server.listen()
        #expect(bench.gate.nextDeadline <= bench.now.advanced(byMilliseconds: 1000))
        try bench.run { bench.gate.presence == .well }
        #expect(bench.told == ["lost", "back"])
    }

    @Test("a gate that neither reads nor speaks is lost, and waiting for it holds nothing up")
    func mute() throws {
        let bench = try GateBench()
        bench.server.isAwake = false
        try bench.run { bench.told == ["lost"] }
        bench.server.isAwake = true
        try bench.run { bench.told == ["lost", "back"] }
    }

    @Test("a gate that stops reading is lost within seconds, however little it was sent")
    func stalled() throws {
        let bench = try GateBench()
        try bench.run { bench.gate.presence == .well && bench.server.heard.count == 7 }
        bench.server.isAwake = false
        bench.gate.set(.release, true, at: bench.now)
        try bench.run { bench.told.last == "lost" }
        #expect(bench.gate.failure != nil)
        #expect(!bench.gate.isSet(.release))
    }

    @Test("setting outputs of a gate that does not read never blocks")
    func neverBlocks() throws {
        let bench = try GateBench()
        try bench.run { bench.gate.presence == .well && bench.server.heard.count == 7 }
        bench.server.isAwake = false
        var toggles = 0
        while bench.gate.presence == .well, toggles < 1_000_000 {
            bench.gate.set(.buzzer, toggles % 2 == 0, at: bench.now)
            toggles += 1
            if bench.gate.nextDeadline <= bench.now { try bench.turn() }
        }
        #expect(bench.told.last == "lost")
    }

    @Test(
        "a line that is no level ends the connection",
        arguments: [
            "passage_forward 2", "passage_forward", " 1", "1", "", "passage_forward  ",
            "a_name_that_is_longer_than_any_line_of_this_protocol_is_allowed_to_be 1",
        ])
    func nonsense(line: String) throws {
        let bench = try GateBench()
        try bench.run { bench.gate.presence == .well }
        try bench.server.say(line)
        try bench.run { bench.told.contains("lost") }
        #expect(bench.told == ["back", "lost"])
    }

    @Test("closing it hangs up")
    func closes() throws {
        let bench = try GateBench()
        try bench.run { bench.gate.presence == .well }
        bench.gate.close()
        try turning(bench.server.turn) { bench.server.connection == nil }
    }
}

/// A gate, its server, and the loop between them.
private final class GateBench {
    let server: GateServer
    let gate: Gate
    private let set = PollSet(capacity: 8)
    private(set) var told: [String] = []
    var wakeUps = 0

    init(listening: Bool = true) throws {
        server = try GateServer(listening: listening)
        gate = .simulated(
            socket: server.path, at: MonotonicTime(nanoseconds: SystemClock.monotonicNanoseconds()))
    }

    var now: MonotonicTime { MonotonicTime(nanoseconds: SystemClock.monotonicNanoseconds()) }

    func run(until done: () -> Bool) throws { try turning({ try turn() }, until: done) }

    /// The server has no descriptor in the set: a wait ends after 5 ms to let it work, unless `limit` is given.
    func turn(_ limit: UInt64? = nil) throws {
        set.removeAll()
        gate.add(to: set)
        try set.wait(until: min(limit ?? SystemClock.deadline(milliseconds: 5), gate.nextDeadline.nanoseconds))
        wakeUps += 1
        gate.service(set, at: now) { event in
            switch event {
            case .back: told.append("back")
            case .lost: told.append("lost")
            case .contact(let direction, let closed): told.append("\(direction) \(closed ? "closed" : "open")")
            case .guardPressed: told.append("guard")
            case .tamper(let opened): told.append(opened ? "tampered" : "cover closed")
            }
        }
        try server.turn()
    }
}
