import Admission
import Foundation
import Framing
import Posix
import Synchronization
import TestSupport
import Testing

@testable import Collector

@Suite("Answers that tell of every lane")
struct BookDeskTests {
    /// How often something was written, and a door that holds the first writing up.
    private final class Writing: Sendable {
        let count = Mutex(0)
        let answers = Mutex<[String]>([])
        let begun = DispatchSemaphore(value: 0)
        let door = DispatchSemaphore(value: 0)

        func question(_ text: String, revision: UInt64?, isHeld: Bool = false) -> BookDesk.Question {
            BookDesk.Question(
                document: .lanes, state: revision.map { BookDesk.State(revision: $0, corrections: 0) }
            ) {
                self.count.withLock { $0 += 1 }
                if isHeld {
                    self.begun.signal()
                    self.door.wait()
                }
                return .text(text)
            }
        }

        func took(_ response: HTTPResponse) {
            guard case .bytes(let bytes) = response.body else { return }
            answers.withLock { $0.append(String(decoding: bytes, as: UTF8.self)) }
        }

        func waits(for count: Int) throws -> Bool { try eventually { answers.withLock { $0.count } == count } }
    }

    @Test("who asks while one is written gets the next one, all together, of the newest books")
    func together() throws {
        let desk = try BookDesk()
        defer { desk.stop() }
        let writing = Writing()
        desk.answer(writing.question("1", revision: 1, isHeld: true), writing.took)
        #expect(writing.begun.wait(timeout: .now() + 60) == .success)
        for revision in 2...9 { desk.answer(writing.question("\(revision)", revision: UInt64(revision)), writing.took) }
        writing.door.signal()
        #expect(try writing.waits(for: 9))
        #expect(writing.answers.withLock { $0 } == ["1"] + [String](repeating: "9", count: 8))
        #expect(writing.count.withLock { $0 } == 2)
    }

    @Test("what has no state is written anew for whoever asks later")
    func anew() throws {
        let desk = try BookDesk()
        defer { desk.stop() }
        let writing = Writing()
        for turn in 1...3 {
            desk.answer(writing.question("\(turn)", revision: nil), writing.took)
            #expect(try writing.waits(for: turn))
        }
        #expect(writing.answers.withLock { $0 } == ["1", "2", "3"])
    }

    @Test("more than is answered at once is refused, and says when to ask again")
    func tooMany() throws {
        let desk = try BookDesk()
        defer { desk.stop() }
        let writing = Writing()
        desk.answer(writing.question("1", revision: 1, isHeld: true), writing.took)
        #expect(writing.begun.wait(timeout: .now() + 60) == .success)
        for _ in 0..<BookDesk.mostWaiting { desk.answer(writing.question("2", revision: 2), writing.took) }
        let status = Mutex(0)
        desk.answer(writing.question("3", revision: 3)) { response in status.withLock { $0 = response.status } }
        #expect(status.withLock { $0 } == 503)
        writing.door.signal()
        #expect(try writing.waits(for: 1 + BookDesk.mostWaiting))
    }

    @Test("with 2,000 lanes every answer is that of the books, and a lane's batch is taken meanwhile")
    func manyLanes() throws {
        let bench = try ServiceBench()
        let lanes = 2000
        // Together, for batches that wait are made durable together.
        let wires = try (0..<32).map { _ in try bench.wire() }
        for first in stride(from: 1, through: lanes, by: wires.count) {
            let asked = zip(wires, first...min(lanes, first + wires.count - 1))
            for (wire, lane) in asked {
                let name = "north-\(lane)"
                let records = [
                    makeRecord(decided(), sequence: 1, lane: name, to: "ring"),
                    makeRecord(ended(), sequence: 2, lane: name, to: "ring"),
                ]
                let body = bench.body(records, lane: name)
                try wire.send(ServiceBench.head(body.count))
                try wire.send(body)
            }
            for (wire, _) in asked { #expect(try wire.answer()?.status == 200) }
        }
        for path in ["/v1/tallies", "/v1/lanes", "/metrics"] {
            let readers = try (0..<8).map { _ in try bench.wire() }
            let begin = SystemClock.monotonicNanoseconds()
            for reader in readers { try reader.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n") }
            let ping = try bench.get("/healthz")
            let pinged = SystemClock.monotonicNanoseconds()
            let answers = try readers.map { try #require(try $0.answer()) }
            let answered = SystemClock.monotonicNanoseconds()
            #expect(ping.status == 200 && answers.allSatisfy { $0.status == 200 })
            print(
                "\(path) of \(lanes) lanes, 8 at once: \(answers[0].body.count) bytes each, all after "
                    + "\((answered - begin) / 1_000_000) ms; /healthz meanwhile after \((pinged - begin) / 1_000_000) ms"
            )
            if path != "/metrics" {
                let lanesTold = answers.map { ($0.json["lanes"] as? [Any])?.count }
                #expect(lanesTold.allSatisfy { $0 == lanes })
            }
        }
        let tallies = try bench.get("/v1/tallies").json
        #expect((tallies["total"] as? [String: Any])?["in"] as? Int == lanes)
    }
}
