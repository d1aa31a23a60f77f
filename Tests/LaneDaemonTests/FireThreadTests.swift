import Admission
import Devices
import Posix
import TestSupport
import Testing

@testable import LaneDaemon

/// The fire side of a gate, typed by hand: accepts, greets with the level of the loop, keeps what it hears.
private final class FireGate {
    let path: String
    private let directory: TemporaryDirectory
    private let listener: Descriptor
    private var connection: Descriptor?
    private var text = ""

    init() throws {
        SignalWatch.ignoreBrokenPipe()
        directory = try TemporaryDirectory()
        path = directory.file("gate.sock")
        listener = try UnixSocket.listen(path, mode: 0o600)
    }

    func say(_ line: String) throws { try #require(connection).writeAll(Array("\(line)\n".utf8)) }
    func hangUp() { connection = nil }

    /// Waits until this line was heard; nothing sleeps, both ends wait for bytes. Fails after 10 s.
    func await(_ line: String) throws {
        let limit = SystemClock.deadline(milliseconds: 60_000)
        while true {
            while let end = text.firstIndex(of: "\n") {
                let heard = String(text[..<end])
                text.removeSubrange(...end)
                if heard == line { return }
            }
            let source = connection ?? listener
            try #require(try source.wait(for: .readable, until: limit), "'\(line)' was not heard in 10 s")
            guard let connection else {
                connection = try UnixSocket.accept(listener)
                continue
            }
            var buffer = [UInt8](repeating: 0, count: 256)
            if case .bytes(let count) = try buffer.withUnsafeMutableBytes({ try connection.read(into: $0) }) {
                text += String(decoding: buffer[..<count], as: UTF8.self)
            }
        }
    }
}

@Suite struct FireThreadTests {
    @Test("the emergency output follows the loop with nobody reading what the lane is told, and falls at the end")
    func follows() throws {
        let gate = try FireGate()
        let fire = try FireThread()
        let thread = try fire.start(FireLine.simulated(socket: gate.path, at: .now()))
        try gate.await("hello fire")
        try gate.say("fire 1")
        try gate.await("emergency 0")
        // Nobody drains `told`: a lane that hangs.
        for _ in 0..<50 {
            try gate.say("fire 0")
            try gate.await("emergency 1")
            try gate.say("fire 1")
            try gate.await("emergency 0")
        }
        fire.end()
        thread.join()
    }

    @Test("a broken wire is an alarm, and opens again as soon as there is a wire")
    func brokenWire() throws {
        let gate = try FireGate()
        let fire = try FireThread()
        let thread = try fire.start(FireLine.simulated(socket: gate.path, at: .now()))
        try gate.await("hello fire")
        try gate.say("fire 1")
        try gate.await("emergency 0")
        gate.hangUp()
        #expect(try fire.told.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: 60_000)))
        let alarm = fire.isAlarm.load(ordering: .acquiring)
        #expect(alarm)
        try gate.await("emergency 1")
        #expect(fire.failureText != nil)
        fire.end()
        thread.join()
    }
}
