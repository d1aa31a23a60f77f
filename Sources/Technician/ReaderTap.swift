import Control
import Posix
import Wording

/// `lanectl reader tap`: every frame of the lane's readers and thermometer, as it goes over the line, until Ctrl-C.
struct ReaderTap {
    static let pauseMilliseconds = 50

    let client: ControlClient
    /// Only this device; nil for all.
    let device: String?
    let asJSON: Bool
    let recordPath: String?

    func run() throws -> Int32 {
        guard case .status(let status) = try client.ask(.status) else { throw unexpected }
        // The gate has no frames.
        let devices = status.devices.filter { $0.name != "gate" }
        if let device, !devices.contains(where: { $0.name == device }) {
            throw ControlFailure.refused(
                ErrorReply(
                    code: .badArgument, message: "this lane has no device '\(device)'",
                    advice: "it has \(devices.map(\.name).joined(separator: ", "))"))
        }
        let listened = devices.filter { device == nil || $0.name == device }
        let recording = try recordPath.map { try FrameRecording($0) }
        let stop = try SignalWatch([.interrupt, .terminate])
        var last = try ask(after: nil).last
        try recording?.begin(lane: status.lane.id, devices: listened, at: status.nowMilliseconds)
        // Said when it is true: what comes from here on is seen.
        _ = try StandardOutput.writeError(
            "listening to \(listened.map(\.name).joined(separator: ", ")); Ctrl-C ends it\n")
        let types = Dictionary(listened.map { ($0.name, $0.type) }) { first, _ in first }
        var count = 0
        var missed: UInt64 = 0
        var isRead = true
        while isRead {
            let isEnding = try stop.descriptor.wait(
                for: .readable, until: SystemClock.deadline(milliseconds: Self.pauseMilliseconds))
            var reply = try ask(after: last)
            while true {
                last = reply.last
                if reply.dropped > 0 {
                    missed += reply.dropped
                    isRead = try tellMissed(reply.dropped, recording) && isRead
                }
                for frame in reply.frames where types[frame.device] != nil {
                    count += 1
                    try recording?.add(frame)
                    isRead = try tell(frame, types[frame.device] ?? "") && isRead
                }
                if reply.frames.isEmpty { break }
                reply = try ask(after: last)
                // What comes while it ends is not its any more.
                if isEnding { break }
            }
            if isEnding { break }
        }
        _ = try StandardOutput.writeError("\(count) frames, \(missed) missed\n")
        return 0
    }

    private func ask(after: UInt64?) throws -> TapReply {
        guard case .tap(let reply) = try client.ask(.tap(TapRequest(after: after))) else { throw unexpected }
        return reply
    }

    private var unexpected: ControlFailure {
        .malformed(path: client.path, problem: "it answered another question than the one it was asked")
    }

    private func tell(_ frame: TapReply.Frame, _ type: String) throws -> Bool {
        if asJSON {
            return try StandardOutput.write(
                JSONLine.text([
                    "wall_milliseconds": frame.wallMilliseconds, "at_microseconds": frame.atMicroseconds,
                    "device": frame.device, "direction": frame.direction.rawValue, "hex": frame.hex,
                    "said": frame.said, "frame": FrameText.text(frame, type: type),
                ]) + "\n")
        }
        let arrow = frame.direction == .fromDevice ? "<-" : "->"
        let words = ([FrameText.text(frame, type: type)] + frame.said).filter { !$0.isEmpty }.joined(separator: "; ")
        return try StandardOutput.write(
            "\(Timestamp.format(frame.wallMilliseconds))  \(Columns.padded(frame.device, to: 12)) \(arrow) "
                + "\(frame.hex)\(words.isEmpty ? "" : "  \(words)")\n")
    }

    private func tellMissed(_ count: UInt64, _ recording: FrameRecording?) throws -> Bool {
        try recording?.missed(count)
        return try StandardOutput.write(
            asJSON ? JSONLine.text(["dropped": Int(clamping: count)]) + "\n" : "… \(count) frames were missed here\n")
    }
}
