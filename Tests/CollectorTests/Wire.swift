import Foundation
import Glibc
import Posix
import Testing

/// A raw connection to a server: what goes over the wire is written out, byte by byte, by the test.
final class Wire {
    private let socket: Descriptor
    private var buffer: [UInt8] = []
    /// Of a stream, without the chunks' heads.
    private var streamed: [UInt8] = []

    init(port: UInt16) throws {
        let raw = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        socket = Descriptor(adopting: raw, name: "wire")
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(code == 0, "connect: \(String(cString: strerror(errno)))")
        try socket.setNonblocking()
    }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        try socket.writeAll(bytes, by: SystemClock.deadline(milliseconds: 60_000))
    }

    /// Whether the peer takes one more byte.
    func takes(_ byte: UInt8) -> Bool { (try? send([byte])) != nil }

    struct Answer {
        var status: Int
        var headers: [String: String]
        var body: [UInt8]

        var text: String { String(decoding: body, as: UTF8.self) }
        var json: [String: Any] {
            (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: Any] ?? [:]
        }
    }

    /// The next answer. nil when the peer closes before it is whole, or nothing comes for 10 s.
    func answer(hasBody: Bool = true) throws -> Answer? {
        guard let end = try fill(until: { Wire.find([13, 10, 13, 10], in: $0) }) else { return nil }
        let lines = String(decoding: buffer[..<end], as: UTF8.self).components(separatedBy: "\r\n")
        buffer.removeFirst(end + 4)
        let status = Int(lines[0].split(separator: " ").dropFirst().first ?? "") ?? 0
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(
                in: .whitespaces)
        }
        if status == 100 { return try answer(hasBody: hasBody) }
        let count = hasBody ? Int(headers["content-length"] ?? "0") ?? 0 : 0
        guard try fill(until: { $0.count >= count ? count : nil }) != nil else { return nil }
        let body = Array(buffer[..<count])
        buffer.removeFirst(count)
        return Answer(status: status, headers: headers, body: body)
    }

    struct Event {
        var name: String
        var id: String?
        var data: [String: Any]
    }

    /// The next event of a stream whose head was read. nil: it ended.
    func event() throws -> Event? {
        while true {
            while let end = Wire.find([10, 10], in: streamed) {
                let text = String(decoding: streamed[..<end], as: UTF8.self)
                streamed.removeFirst(end + 2)
                if let event = Wire.event(text) { return event }
            }
            guard try chunk() else { return nil }
        }
    }

    /// Reads a chunk more of a stream. false: there is none.
    private func chunk() throws -> Bool {
        guard let end = try fill(until: { Wire.find([13, 10], in: $0) }),
            let count = Int(String(decoding: buffer[..<end], as: UTF8.self), radix: 16), count > 0,
            try fill(until: { $0.count >= end + 2 + count + 2 ? 0 : nil }) != nil
        else { return false }
        streamed += buffer[(end + 2)..<(end + 2 + count)]
        buffer.removeFirst(end + 2 + count + 2)
        return true
    }

    static func event(_ text: String) -> Event? {
        func field(_ name: String) -> String? {
            text.split(whereSeparator: \.isNewline).first { $0.hasPrefix("\(name): ") }.map {
                String($0.dropFirst(name.count + 2))
            }
        }
        guard let name = field("event"), let data = field("data"),
            let json = (try? JSONSerialization.jsonObject(with: Data(data.utf8))) as? [String: Any]
        else { return nil }
        return Event(name: name, id: field("id"), data: json)
    }

    /// Whether the peer closes within 60 s, whatever it says before.
    func isClosed(within milliseconds: Int = 60_000) throws -> Bool {
        let deadline = SystemClock.deadline(milliseconds: milliseconds)
        while SystemClock.monotonicNanoseconds() < deadline {
            if try !receive(by: deadline) { return true }
        }
        return false
    }

    private func fill(until done: ([UInt8]) -> Int?) throws -> Int? {
        let deadline = SystemClock.deadline(milliseconds: 60_000)
        while true {
            if let found = done(buffer) { return found }
            guard SystemClock.monotonicNanoseconds() < deadline, try receive(by: deadline) else { return nil }
        }
    }

    /// false when the peer has closed.
    private func receive(by deadline: UInt64) throws -> Bool {
        guard try socket.wait(for: .readable, until: deadline) else { return true }
        var part = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(socket.raw, &part, part.count, 0)
        if count > 0 { buffer += part[..<count] }
        return count > 0 || (count < 0 && errno == EAGAIN)
    }

    private static func find(_ pattern: [UInt8], in bytes: [UInt8]) -> Int? {
        guard bytes.count >= pattern.count else { return nil }
        return (0...bytes.count - pattern.count).first { bytes[$0..<$0 + pattern.count].elementsEqual(pattern) }
    }
}
