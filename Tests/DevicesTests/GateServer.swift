import Glibc
import Posix
import Testing

/// A gate typed by hand: listens, takes the connections that a lane makes, and says lines. Nothing of the product's
/// side of the protocol is used.
final class GateServer {
    let path: String
    private let directory: TemporaryDirectory
    private var listener: Descriptor?
    private(set) var connection: Descriptor?
    private var text = ""
    /// Complete lines heard, oldest first.
    private(set) var heard: [String] = []
    private(set) var connections = 0
    /// Said to each that greets.
    var greeting: [String]
    /// When false it accepts and then neither reads nor speaks.
    var isAwake = true

    init(greeting: [String] = ["passage_forward 0", "passage_backward 0"], listening: Bool = true) throws {
        SignalWatch.ignoreBrokenPipe()
        directory = try TemporaryDirectory()
        path = directory["gate.sock"]
        self.greeting = greeting
        if listening { try listen() }
    }

    func listen() throws { listener = try UnixSocket.listen(path, mode: 0o600) }

    /// The whole gate goes: no connection, nobody listening.
    func stop() {
        connection = nil
        listener = nil
        unlink(path)
    }

    func hangUp() { connection = nil }

    func forget() { heard = [] }

    func say(_ line: String) throws { try #require(connection).writeAll(Array("\(line)\n".utf8)) }

    /// Accepts and reads what is there.
    func turn() throws {
        if let listener, let next = try UnixSocket.accept(listener) {
            connection = next
            connections += 1
            text = ""
        }
        guard isAwake, let connection else { return }
        var buffer = [UInt8](repeating: 0, count: 4096)
        switch (try? buffer.withUnsafeMutableBytes { try connection.read(into: $0) }) ?? .end {
        case .bytes(let count): text += String(decoding: buffer[..<count], as: UTF8.self)
        case .end: self.connection = nil
        case .wouldBlock: break
        }
        while let end = text.firstIndex(of: "\n") {
            let line = String(text[..<end])
            text.removeSubrange(...end)
            heard.append(line)
            if line.hasPrefix("hello ") { for level in greeting { try? say(level) } }
        }
    }
}

/// Turns until `done`; fails after 60 s. `turn` waits a little by itself.
func turning(_ turn: () throws -> Void, until done: () -> Bool) throws {
    let limit = SystemClock.deadline(milliseconds: 60_000)
    while !done() {
        try #require(SystemClock.monotonicNanoseconds() < limit, "what was awaited did not happen in 60 s")
        try turn()
    }
}
