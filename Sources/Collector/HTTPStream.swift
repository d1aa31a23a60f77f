import CMicroHTTPD
import Glibc
import Synchronization

/// The body of an answer that goes on: what is offered is sent as soon as the peer takes it, and between two offers its
/// connection is suspended, so that a stream costs no thread.
///
/// At most two pieces are held: the one that is being sent, and the newest one behind it. An offer that comes before the
/// peer began to read the one before takes its place: who reads slowly skips to the newest. Who does not take a piece
/// within `patienceMilliseconds` is cut off by the server, as any late peer. Any thread may offer and finish.
final class HTTPStream: Sendable {
    private struct State: @unchecked Sendable {
        // Unchecked: libmicrohttpd's pointer is used only under this lock, and until `end`.
        var connection: OpaquePointer?
        var peer: HTTPConnection?
        var isSuspended = false
        /// Nothing more will be offered.
        var isFinished = false
        /// Nobody reads any more.
        var isOver = false
        var sending: [UInt8] = []
        var sent = 0
        var next: [UInt8]?
    }

    /// From the first byte of a piece to its last, ms.
    private let patienceMilliseconds: Int
    private let state = Mutex(State())

    /// Called on the server's thread whenever the peer began to take what was offered, and more may be.
    private let whenTaken: (@Sendable () -> Void)?

    init(patienceMilliseconds: Int = 15_000, whenTaken: (@Sendable () -> Void)? = nil) {
        self.patienceMilliseconds = patienceMilliseconds
        self.whenTaken = whenTaken
    }

    /// The answer to a request for Server-Sent Events, under way.
    static func events(to request: HTTPRequest, whenTaken: (@Sendable () -> Void)? = nil) -> HTTPStream {
        let stream = HTTPStream(whenTaken: whenTaken)
        var response = HTTPResponse(
            200, "text/event-stream; charset=utf-8", [],
            // A proxy that gathers would hold the news back.
            headers: [("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")])
        response.body = .stream(stream)
        request.answer(response)
        return stream
    }

    /// Whether nobody reads it any more.
    var isOver: Bool { state.withLock { $0.isOver } }

    /// Whether what is offered now takes nothing's place.
    var hasRoom: Bool { state.withLock { $0.next == nil && !$0.isOver && !$0.isFinished } }

    /// Whether `finish` was called.
    var isFinished: Bool { state.withLock { $0.isFinished } }

    /// Sends `make`'s piece next. `isBehind`: the piece before was not begun to be read, and is dropped for this one.
    func offer(_ make: (_ isBehind: Bool) -> [UInt8]) {
        state.withLock {
            guard !$0.isOver, !$0.isFinished else { return }
            $0.next = make($0.next != nil)
            Self.resume(&$0)
        }
    }

    /// Sends this unless something else waits to be sent.
    func offerIfIdle(_ piece: [UInt8]) {
        state.withLock {
            guard !$0.isOver, !$0.isFinished, $0.next == nil else { return }
            $0.next = piece
            Self.resume(&$0)
        }
    }

    /// Ends the answer behind what was offered.
    func finish() {
        state.withLock {
            $0.isFinished = true
            Self.resume(&$0)
        }
    }

    private static func resume(_ state: inout State) {
        guard state.isSuspended, let connection = state.connection else { return }
        state.isSuspended = false
        MHD_resume_connection(connection)
    }

    // MARK: The server's part

    func begin(_ connection: OpaquePointer, _ peer: HTTPConnection?) {
        state.withLock {
            $0.connection = connection
            $0.peer = peer
        }
    }

    /// The connection's pointer is not good any more.
    func end() {
        state.withLock {
            $0.connection = nil
            $0.peer = nil
            $0.isOver = true
            $0.sending = []
            $0.next = nil
        }
    }

    /// Made once, for one connection. nil: there is no memory.
    func makeResponse() -> OpaquePointer? {
        let context = Unmanaged.passRetained(self)
        // Of an unknown length; libmicrohttpd reads at most so much at a time.
        guard let made = MHD_create_response_from_callback(.max, 16 << 10, read, context.toOpaque(), free) else {
            context.release()
            return nil
        }
        return made
    }

    /// How many bytes were put into `buffer`; 0: none yet, and the connection is suspended; -1: this was all.
    fileprivate func take(into buffer: UnsafeMutablePointer<CChar>, most: Int) -> Int {
        let (count, isRoom) = give(into: buffer, most: most)
        if isRoom { whenTaken?() }
        return count
    }

    /// `isRoom`: there was none before.
    private func give(into buffer: UnsafeMutablePointer<CChar>, most: Int) -> (count: Int, isRoom: Bool) {
        state.withLock {
            var isRoom = false
            if $0.sent == $0.sending.count {
                if let next = $0.next {
                    isRoom = true
                    ($0.sending, $0.sent, $0.next) = (next, 0, nil)
                    $0.peer?.expect(withinMilliseconds: patienceMilliseconds, isAnswered: true)
                } else {
                    ($0.sending, $0.sent) = ([], 0)
                    guard !$0.isFinished, let connection = $0.connection else { return (-1, false) }
                    $0.peer?.expect(withinMilliseconds: nil)
                    $0.isSuspended = true
                    MHD_suspend_connection(connection)
                    return (0, false)
                }
            }
            let count = min(most, $0.sending.count - $0.sent)
            $0.sending.withUnsafeBytes { [sent = $0.sent] in
                if let base = $0.baseAddress { memcpy(buffer, base + sent, count) }
            }
            $0.sent += count
            return (count, isRoom)
        }
    }
}

private let read: MHD_ContentReaderCallback = { context, _, buffer, most in
    guard let context, let buffer else { return -1 }
    return Unmanaged<HTTPStream>.fromOpaque(context).takeUnretainedValue().take(into: buffer, most: most)
}

private let free: MHD_ContentReaderFreeCallback = { context in
    if let context { Unmanaged<HTTPStream>.fromOpaque(context).release() }
}
