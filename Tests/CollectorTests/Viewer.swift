import Posix
import Testing

@testable import Collector

/// Somebody who reads a stream of events.
struct Viewer {
    let wire: Wire
    let head: Wire.Answer

    init(_ bench: ServiceBench, _ path: String = "/v1/live", _ headers: String = "") throws {
        wire = try bench.wire()
        try wire.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\(headers)\r\n")
        head = try #require(try wire.answer(hasBody: false))
    }

    /// The next event of one of these names, within a minute.
    func next(_ names: String...) throws -> Wire.Event {
        let deadline = SystemClock.deadline(milliseconds: 60_000)
        while true {
            let event = try #require(try wire.event())
            if names.contains(event.name) { return event }
            try #require(SystemClock.monotonicNanoseconds() < deadline, "no event of \(names)")
        }
    }

    func number(_ data: [String: Any], _ group: String, _ name: String) -> Int? {
        (data[group] as? [String: Any])?[name] as? Int
    }
}

extension ServiceBench {
    /// Somebody comes in through the outermost lane to the ring.
    func pass(_ holder: UInt32, _ sequence: UInt64, at instant: Int64? = nil) throws {
        let record = makeRecord(
            ended(holder: holder), sequence: sequence, to: "ring", at: instant ?? SystemClock.wallMilliseconds())
        let answer = try post(makeBody([record], site: site, oldestHeld: position(1, 1)))
        #expect(answer.status == 200, "\(answer.text)")
    }
}
