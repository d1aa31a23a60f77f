import Control
import Framing
import Posix

/// What `lanectl reader tap --record` writes: a line of JSON that says what it is and which devices it is of, then a line
/// a frame (docs/formats.md). It holds the numbers of badges, so only its owner may read it.
final class FrameRecording {
    static let format = "lanekeeper-recording-1"

    private let file: Descriptor
    private var beganMicroseconds: Int64?

    /// Never writes over a file that is there.
    init(_ path: String) throws(SystemFailure) {
        do {
            file = try Descriptor.open(path, [.write, .create, .exclusive, .noFollow], mode: 0o600)
        } catch {
            guard error.code == 17 else { throw error }
            throw SystemFailure("create", path, code: 17, advice: "name a file that is not there yet")
        }
    }

    func begin(lane: String, devices: [StatusReply.Device], at wallMilliseconds: Int64) throws(SystemFailure) {
        try write([
            "format": Self.format, "source": "lanectl reader tap", "lane": lane,
            "wall": Timestamp.format(wallMilliseconds),
            "devices": devices.map { ["name": $0.name, "type": $0.type, "line": $0.line] },
        ])
    }

    func add(_ frame: TapReply.Frame) throws(SystemFailure) {
        let began = beganMicroseconds ?? frame.atMicroseconds
        beganMicroseconds = began
        try write([
            "ms": Int((frame.atMicroseconds - began) / 1000), "device": frame.device,
            "direction": frame.direction.rawValue, "hex": frame.hex, "said": frame.said,
        ])
    }

    func missed(_ count: UInt64) throws(SystemFailure) { try write(["dropped": Int(clamping: count)]) }

    private func write(_ fields: [String: Any]) throws(SystemFailure) {
        try file.writeAll(Array((JSONLine.text(fields) + "\n").utf8))
    }
}
