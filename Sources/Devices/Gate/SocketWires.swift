import Admission
import Framing
import Glibc
import Posix

/// The simulated gate's socket (AF_UNIX stream; the gate listens). Lines of ASCII both ways, at most 64 bytes:
///
///     lane or fire thread → gate    hello lane          once, first
///                                   release 1           an output, at each change
///     gate → lane or fire thread    passage_forward 0   every contact that it has after the hello, then each change
///
/// A name that is not ours is passed over; a line that is no level ends the connection. So does a peer that has not
/// taken what was sent for 2 s: it would not drop a release either.
final class SocketWires: Wires {
    static let firstRetryMilliseconds: Int64 = 50
    static let longestRetryMilliseconds: Int64 = 1000
    static let stalledMilliseconds: Int64 = 2000
    /// A connection that lived so long is not one that fails as soon as it is open.
    static let provenMilliseconds: Int64 = 1000

    private let path: String
    private let names: WireNames
    private var socket: Descriptor?
    private var place: Int?
    private var retryAt: MonotonicTime
    private var backoff = Backoff(
        firstMilliseconds: firstRetryMilliseconds, longestMilliseconds: longestRetryMilliseconds)
    private var openedAt = MonotonicTime(nanoseconds: 0)
    private var failure: DeviceFailure?
    private var received = InlineBytes<64>()
    private var unsent = InlineBytes<1024>()
    private var sentAt = MonotonicTime(nanoseconds: 0)
    private var stallCheckAt = MonotonicTime.never
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 512, alignment: 16)

    init(_ path: String, _ names: WireNames, at now: MonotonicTime) {
        self.path = path
        self.names = names
        retryAt = now
    }

    deinit { buffer.deallocate() }

    func hasContact(_ index: Int) -> Bool { true }

    var nextDeadline: MonotonicTime {
        if failure != nil { return MonotonicTime(nanoseconds: 0) }
        return socket == nil ? retryAt : stallCheckAt
    }

    func add(to set: PollSet) {
        place = socket.map { set.add($0.raw, unsent.isEmpty ? .readable : [.readable, .writable]) }
    }

    func service(_ set: PollSet, at now: MonotonicTime, report: (WireEvent) -> Void) {
        let found = place.map { set[$0] } ?? []
        place = nil
        if !found.isEmpty { exchange(found, at: now, report) }
        if now >= stallCheckAt { checkStall(at: now) }
        if failure == nil, socket == nil, now >= retryAt { open(at: now, report) }
        if let lost = failure {
            failure = nil
            report(.lost(lost))
        }
    }

    func drive(_ output: Int, _ level: Bool, at now: MonotonicTime) {
        send(names.outputs[output], level ? " 1\n" : " 0\n", at: now)
    }

    func close() {
        socket = nil
        place = nil
        stallCheckAt = .never
        unsent.removeAll()
        received.removeAll()
    }

    // MARK: -

    private func open(at now: MonotonicTime, _ report: (WireEvent) -> Void) {
        do { socket = try UnixSocket.connect(path) } catch {
            return fail(DeviceFailure(error), at: now)
        }
        openedAt = now
        send("hello ", names.role, "\n", at: now)
        if socket != nil { report(.opened) }
    }

    private func exchange(_ found: Readiness, at now: MonotonicTime, _ report: (WireEvent) -> Void) {
        if found.contains(.writable) { flush(at: now) }
        // A peer that floods gets its turn again at the next wait.
        for _ in 0..<4 {
            guard let socket else { return }
            do {
                switch try socket.read(into: buffer) {
                case .bytes(let count):
                    for index in 0..<count where self.socket != nil { take(buffer[index], at: now, report) }
                    if count < buffer.count { return }
                case .end: return fail(closed, at: now)
                case .wouldBlock:
                    if !found.isDisjoint(with: [.hungUp, .failed]) { fail(closed, at: now) }
                    return
                }
            } catch { return fail(DeviceFailure(error), at: now) }
        }
    }

    private var closed: DeviceFailure {
        DeviceFailure("hear", "the gate at \(path)", reason: "it closed", advice: "start it again")
    }

    private func take(_ byte: UInt8, at now: MonotonicTime, _ report: (WireEvent) -> Void) {
        guard byte == 0x0A else {
            if !received.append(byte) { refuseLine(at: now) }
            return
        }
        let count = received.count
        guard count >= 3, received[count - 2] == 0x20, received[count - 1] & 0xFE == 0x30 else {
            return refuseLine(at: now)
        }
        let level = received[count - 1] == 0x31
        let contact = received.withBytes { line in
            let name = UnsafeRawBufferPointer(rebasing: line[..<(count - 2)])
            return names.contacts.firstIndex { $0.equals(name) }
        }
        received.removeAll()
        if let contact { report(.level(contact, level)) }
    }

    private func refuseLine(at now: MonotonicTime) {
        fail(
            DeviceFailure(
                "understand", "the gate at \(path)", reason: "it sent a line that is no level",
                advice: "what listens there must be a gate"), at: now)
    }

    private func send(_ first: StaticString, _ second: StaticString, _ third: StaticString = "", at now: MonotonicTime)
    {
        guard socket != nil else { return }
        guard append(first), append(second), append(third) else { return fail(stalled, at: now) }
        sentAt = now
        if stallCheckAt == .never { stallCheckAt = now.advanced(byMilliseconds: Self.stalledMilliseconds) }
        flush(at: now)
    }

    private func append(_ text: StaticString) -> Bool {
        for index in 0..<text.utf8CodeUnitCount where !unsent.append(text.utf8Start[index]) { return false }
        return true
    }

    private func flush(at now: MonotonicTime) {
        guard let socket, !unsent.isEmpty else { return }
        let outcome = unsent.withBytes { bytes in
            Result<Int, SystemFailure> { () throws(SystemFailure) in try socket.write(bytes) }
        }
        switch outcome {
        case .success(let count): unsent.removeFirst(count)
        case .failure(let error): fail(error.code == EPIPE ? closed : DeviceFailure(error), at: now)
        }
    }

    /// Whether the peer has taken what was sent, now that it had its time.
    private func checkStall(at now: MonotonicTime) {
        guard let socket else { return }
        var queued: Int32 = 0
        if unsent.isEmpty, ioctl(socket.raw, UInt(TIOCOUTQ), &queued) != 0 || queued == 0 {
            stallCheckAt = .never
        } else if now.milliseconds(since: sentAt) >= Self.stalledMilliseconds {
            fail(stalled, at: now)
        } else {
            stallCheckAt = sentAt.advanced(byMilliseconds: Self.stalledMilliseconds)
        }
    }

    private var stalled: DeviceFailure {
        DeviceFailure(
            "reach", "the gate at \(path)", reason: "it took nothing for \(Self.stalledMilliseconds) ms",
            advice: "it hangs; start it again")
    }

    private func fail(_ why: DeviceFailure, at now: MonotonicTime) {
        if socket != nil, now.milliseconds(since: openedAt) >= Self.provenMilliseconds { backoff.succeeded() }
        close()
        failure = why
        retryAt = now.advanced(byMilliseconds: backoff.failed())
    }
}

extension StaticString {
    fileprivate func equals(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count == utf8CodeUnitCount
            && bytes.elementsEqual(UnsafeBufferPointer(start: utf8Start, count: bytes.count))
    }
}
