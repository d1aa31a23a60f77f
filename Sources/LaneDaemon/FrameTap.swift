import Admission
import Control
import Devices
import Framing
import Posix
import Synchronization

/// What goes over the lines of readers and thermometer, for `lanectl reader tap`.
///
/// Whoever taps asks again and again; when nobody has asked for 3 s the lane stops listening. The newest 2,048 frames are
/// kept; who asks too slowly is told how many he has missed. While nobody taps, the lane reads one number each turn.
final class FrameTap: LineTap, Sendable {
    static let capacity = 2048
    static let leaseMilliseconds = 3000
    /// In one reply, which has to stay below `ControlProtocol.longestReply`.
    static let mostInReply = 100

    private struct Kept: Sendable {
        var frame: TappedFrame
        var device: String
        var wallMilliseconds: Int64
    }

    private struct Book: Sendable {
        /// A ring; `base` stands at its beginning.
        var frames: [Kept] = []
        var base: UInt64 = 1
        var next: UInt64 = 1

        func place(of sequence: UInt64) -> Int { Int((sequence - base) % UInt64(FrameTap.capacity)) }
    }

    /// Until when somebody listens, in nanoseconds; 0 = nobody.
    private let wantedUntil = Atomic<UInt64>(0)
    private let book = Mutex(Book())

    /// Whether somebody listens. For the lane's thread, each turn.
    var isWanted: Bool {
        let until = wantedUntil.load(ordering: .acquiring)
        guard until != 0 else { return false }
        if SystemClock.monotonicNanoseconds() < until { return true }
        // Who asked again meanwhile stays.
        guard wantedUntil.compareExchange(expected: until, desired: 0, ordering: .acquiringAndReleasing).exchanged
        else {
            return true
        }
        book.withLock { $0 = Book(base: $0.next, next: $0.next) }
        return false
    }

    func want() {
        wantedUntil.store(SystemClock.deadline(milliseconds: Self.leaseMilliseconds), ordering: .releasing)
    }

    func heard(_ frame: TappedFrame, on device: AttachedDevice) {
        let kept = Kept(frame: frame, device: device.name, wallMilliseconds: SystemClock.wallMilliseconds())
        book.withLock {
            if $0.frames.count < Self.capacity {
                $0.frames.append(kept)
            } else {
                $0.frames[$0.place(of: $0.next)] = kept
            }
            $0.next += 1
        }
    }

    /// The frames behind `after`; with nil none, but from which on to ask.
    func frames(after: UInt64?) -> TapReply {
        book.withLock { book in
            guard let after, after < book.next else { return TapReply(frames: [], last: book.next - 1, dropped: 0) }
            let oldest = book.next - UInt64(book.frames.count)
            let first = max(after + 1, oldest)
            let end = min(book.next, first + UInt64(Self.mostInReply))
            let frames = (first..<max(first, end)).map { reply(book.frames[book.place(of: $0)]) }
            return TapReply(frames: frames, last: max(first, end) - 1, dropped: first - after - 1)
        }
    }

    private func reply(_ kept: Kept) -> TapReply.Frame {
        TapReply.Frame(
            device: kept.device, direction: kept.frame.direction == .fromDevice ? .fromDevice : .toDevice,
            atMicroseconds: Int64(clamping: kept.frame.at.nanoseconds / 1000), wallMilliseconds: kept.wallMilliseconds,
            hex: Hexadecimal.text(kept.frame.bytes), said: kept.frame.events.map(Self.words))
    }

    private static func words(_ event: DeviceEvent) -> String {
        switch event {
        case .identifier(let identifier):
            switch identifier.type {
            case .chip: "chip \(Hexadecimal.text(identifier.bytes))"
            case .epc: "epc \(Hexadecimal.text(identifier.bytes))"
            case .code: "code \(String(decoding: identifier.bytes, as: UTF8.self))"
            }
        case .temperature(let sample):
            "object \(sample.objectCentidegrees), ambient \(sample.ambientCentidegrees) (0.01 °C)"
        case .rejected(.check): "thrown away: its check does not fit"
        case .rejected(.unexpectedByte): "thrown away: a byte that cannot stand there"
        case .rejected(.interrupted): "thrown away: the next one began in it"
        case .rejected(.late): "thrown away: the rest did not come in time"
        case .notice(let notice): "notice: \(DeviceNotices.words(notice))"
        }
    }
}
