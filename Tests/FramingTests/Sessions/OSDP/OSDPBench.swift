import Admission
import Framing

/// A session and its line on a virtual clock: time stands still until something is due.
final class OSDPBench {
    var session: OSDPSession
    var now = MonotonicTime(milliseconds: 5000)
    private(set) var events: [DeviceEvent] = []
    /// Written by the session and not taken yet.
    private(set) var written: [UInt8] = []

    init(_ options: OSDPOptions, starts: Bool = true) {
        session = OSDPSession(options)
        if starts { start() }
    }

    func start() {
        var output = SessionOutput()
        session.start(at: now, into: &output)
        take(output)
    }

    /// The next packet, mark included, at the latest `within` ms from now; nil when none comes.
    func nextPacket(within milliseconds: Int64 = 1000) -> [UInt8]? {
        let limit = now.advanced(byMilliseconds: milliseconds)
        while written.isEmpty {
            guard session.nextDeadline <= limit else {
                now = limit
                return nil
            }
            now = max(now, session.nextDeadline)
            var output = SessionOutput()
            session.timePassed(at: now, into: &output)
            take(output)
        }
        defer { written.removeAll() }
        return written
    }

    /// Bytes from the reader, the first one `after` ms from now.
    func reply(_ bytes: some Sequence<UInt8>, after milliseconds: Int64 = 3) {
        now = now.advanced(byMilliseconds: milliseconds)
        for byte in bytes {
            var output = SessionOutput()
            session.receive(byte, at: now, into: &output)
            take(output)
        }
    }

    func enqueue(_ command: OSDPCommand) -> Bool { session.enqueue(command, at: now) }

    /// Answers whatever the session says until `done`; false when that did not happen within `packets`.
    func run(_ reader: inout OSDPStandIn, packets: Int = 40, until done: (OSDPBench, OSDPStandIn) -> Bool) throws
        -> Bool
    {
        for _ in 0..<packets {
            if done(self, reader) { return true }
            guard let packet = nextPacket(within: 4000) else { return false }
            reply(try reader.answer(packet))
        }
        return done(self, reader)
    }

    func show(_ feedback: ReaderFeedback) { session.show(feedback, at: now) }

    private func take(_ output: SessionOutput) {
        for index in 0..<output.eventCount { events.append(output.event(index)) }
        written += output.bytes
    }

    var chips: [String] {
        events.compactMap { if case .identifier(let chip) = $0, chip.type == .chip { hex(chip.bytes) } else { nil } }
    }

    var notices: [DeviceNotice] {
        events.compactMap { if case .notice(let notice) = $0 { notice } else { nil } }
    }

    var faults: [FrameFault] {
        events.compactMap { if case .rejected(let fault) = $0 { fault } else { nil } }
    }
}
