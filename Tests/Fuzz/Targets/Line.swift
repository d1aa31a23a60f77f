import Admission
import Framing

/// A session on a virtual line, driven as `AttachedDevice` drives it, with what holds for every session checked at each
/// step: bounded events of its own kind, counters and `lastFrame` that only grow, and deadlines that pass.
struct Line<Session: DeviceSession> {
    private(set) var session: Session
    private(set) var now = MonotonicTime(milliseconds: 1000)
    private(set) var events: [DeviceEvent] = []
    private(set) var sent: [UInt8] = []
    /// Written and not answered yet.
    var unanswered: [UInt8] = []
    /// What was received since the line was opened, the newest 2 KiB of it.
    private(set) var received: [UInt8] = []
    /// The loop also wakes up between any two bytes, although nothing is due: it must make no difference.
    let isRestless: Bool
    private let yields: IdentifierType?
    private let proves: (DeviceEvent, [UInt8]) -> Bool
    private var receivedCount: UInt64 = 0
    private var output = SessionOutput()

    /// - Parameters:
    ///   - yields: the only identifiers that may come; nil for a thermometer.
    ///   - proves: whether an identifier or a temperature stands in what was received.
    init(
        _ session: Session, yields: IdentifierType?, isRestless: Bool,
        proves: @escaping (DeviceEvent, [UInt8]) -> Bool
    ) {
        self.session = session
        self.yields = yields
        self.isRestless = isRestless
        self.proves = proves
        open()
    }

    mutating func open() {
        received = []
        unanswered = []
        step { session, now, output in session.start(at: now, into: &output) }
        expect(session.lastFrame == nil, "a line that was just opened has a frame already")
        settle()
    }

    mutating func receive(_ bytes: [UInt8]) {
        for byte in bytes {
            received.append(byte)
            receivedCount += 1
            if isRestless, now < session.nextDeadline {
                let before = events.count
                let written = sent.count
                step { session, now, output in session.timePassed(at: now, into: &output) }
                expect(events.count == before && sent.count == written, "timePassed came early and did something")
            }
            step { session, now, output in session.receive(byte, at: now, into: &output) }
        }
        if received.count > 4096 { received.removeFirst(2048) }
        settle()
    }

    /// The loop sleeps until what is due, again and again.
    mutating func wait(milliseconds: Int64) {
        let end = now.advanced(byMilliseconds: milliseconds)
        settle()
        while session.nextDeadline <= end {
            now = max(now, session.nextDeadline)
            settle()
        }
        now = end
        settle()
    }

    /// The loop is held up: time goes by, and whatever comes next comes before what was due.
    mutating func oversleep(milliseconds: Int64) { now = now.advanced(byMilliseconds: milliseconds) }

    /// Until it has written something that is not answered; gives up after 5 s.
    mutating func waitUntilItWrites() {
        let end = now.advanced(byMilliseconds: 5000)
        while unanswered.isEmpty, session.nextDeadline <= end {
            now = max(now, session.nextDeadline)
            settle()
        }
    }

    mutating func show(_ feedback: ReaderFeedback) {
        session.show(feedback, at: now)
        settle()
    }

    private mutating func settle() {
        var rounds = 0
        while now >= session.nextDeadline {
            step { session, now, output in session.timePassed(at: now, into: &output) }
            rounds += 1
            expect(rounds <= 8, "it wants to be called again and again without time passing: the loop would spin")
        }
    }

    private mutating func step(
        _ call: (inout Session, MonotonicTime, inout SessionOutput) -> Void
    ) {
        let (counters, lastFrame) = (session.counters, session.lastFrame)
        output.removeAll()
        call(&session, now, &output)
        let grown = session.counters
        expect(
            grown.frames >= counters.frames && grown.rejected >= counters.rejected
                && grown.noiseBytes >= counters.noiseBytes, "a counter went back")
        expect(grown.noiseBytes <= receivedCount, "more noise than bytes")
        if let frame = session.lastFrame {
            expect(frame <= now, "a frame from the future")
            if let lastFrame { expect(frame >= lastFrame, "the last frame went back in time") }
        }
        for index in 0..<output.eventCount {
            look(at: output.event(index))
            events.append(output.event(index))
        }
        if output.bytes.isEmpty { return }
        sent += output.bytes
        unanswered += output.bytes
    }

    private func look(at event: DeviceEvent) {
        switch event {
        case .identifier(let identifier):
            expect(identifier.type == yields, "an identifier of another type than the reader's own")
            expect(proves(event, received), "identifier \(identifier.bytes) does not stand in what was received")
        case .temperature:
            expect(yields == nil, "a reader gives a temperature")
            expect(proves(event, received), "\(event) does not stand in what was received")
        case .rejected, .notice: break
        }
    }
}

/// The device at the other end, as far as a target has one.
protocol Peer {
    /// `data` with the device's own head and check around it.
    func framed(_ data: [UInt8], form: UInt8) -> [UInt8]
    /// The same, as if it answered what was written; for devices whose frames tell.
    func framed(_ data: [UInt8], form: UInt8, as reply: [UInt8]) -> [UInt8]
    /// What it says to everything that was written since its last answer; may take more of the input.
    mutating func answer(to written: [UInt8], form: UInt8, _ input: inout FuzzInput) -> [UInt8]
}

extension Peer {
    func framed(_ data: [UInt8], form: UInt8, as reply: [UInt8]) -> [UInt8] { framed(data, form: form) }

    mutating func answer(to written: [UInt8], form: UInt8, _ input: inout FuzzInput) -> [UInt8] {
        framed(input.take(Int(input.byte())), form: form)
    }
}

/// What an input makes happen on a line. Each step begins with a byte: kind in bits 0–2, form in bits 3–7.
///
///     0  n, n bytes           as they are
///     1  n, n bytes           in a frame with a right check
///     2                       the time of `steps[form]` passes
///     3                       the same, while the loop is held up
///     4  place, n, n bytes    in a frame, one bit of it turned over
///     5  …                    the device answers what was asked
///     6                       the line is opened again
///     7                       something else is shown
enum LineScript {
    /// So much time passes at most: an input of waits alone would make the session poll thousands of times.
    private static let longestMilliseconds: Int64 = 30_000
    private static let steps: [Int64] = [
        0, 1, 2, 4, 5, 6, 19, 20, 21, 49, 50, 51, 59, 60, 61, 99, 100, 101, 199, 200, 201, 300, 499, 500, 501, 999,
        1000,
        1001, 1500, 2000, 5000, 8000,
    ]

    static func play(_ input: inout FuzzInput, on line: inout Line<some DeviceSession>, with peer: inout some Peer) {
        let end = line.now.advanced(byMilliseconds: longestMilliseconds)
        while !input.isEmpty, line.now < end {
            let step = input.byte()
            let form = step >> 3
            switch step & 7 {
            case 0: line.receive(input.take(Int(input.byte())))
            case 1: line.receive(peer.framed(input.take(Int(input.byte())), form: form, as: line.unanswered))
            case 2: line.wait(milliseconds: steps[Int(form)])
            case 3: line.oversleep(milliseconds: steps[Int(form)])
            case 4:
                let place = Int(input.byte())
                var frame = peer.framed(input.take(Int(input.byte())), form: form, as: line.unanswered)
                if !frame.isEmpty { frame[place % frame.count] ^= 1 << (form & 7) }
                line.receive(frame)
            case 5:
                line.waitUntilItWrites()
                let written = line.unanswered
                line.unanswered = []
                line.receive(peer.answer(to: written, form: form, &input))
            case 6: line.open()
            default:
                let lamps: [LampState] = [.ready, .working, .admitted, .refused, .outOfService, .emergency]
                let text = ["", "请出示 badge", "Vaccination incomplete: information desk"][Int(form) / 8 % 3]
                line.show(
                    ReaderFeedback(
                        lamps: lamps[Int(form) % lamps.count],
                        text: InlineText(text, as: form & 1 == 0 ? .ascii : .utf8)))
            }
        }
    }
}
