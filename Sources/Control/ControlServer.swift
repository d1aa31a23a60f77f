import Posix
import Synchronization

/// The daemon's end of the control socket, on a thread of its own: whatever clients do, the lane does not feel it.
///
/// At most 16 clients; one more is told *busy*. Each has 5 s to send a whole request and 5 s to take a whole reply, then
/// it is dropped. `answer` is called on this thread, one request at a time, and must itself have a bound.
public final class ControlServer: Sendable {
    public struct Limits: Sendable {
        public var clients = 16
        public var requestMilliseconds = 5000
        public var replyMilliseconds = 5000
        public init() {}
    }

    private let wakeUp: WakeUp
    private let thread: NamedThread
    private let path: String

    /// Listens at `path`; the file has mode 0660. A socket that a dead daemon left is taken over, one in use is refused.
    ///
    /// - Parameters:
    ///   - excluded: users who may not ask (see `ControlRights`); asked for each client.
    ///   - answer: turns a request of a user into its reply.
    public init(
        path: String, excluded: @escaping @Sendable () -> [UInt32]? = { [] }, limits: Limits = Limits(),
        answer: @escaping @Sendable (ControlRequest, _ user: UInt32) -> ControlReply
    ) throws(SystemFailure) {
        SignalWatch.ignoreBrokenPipe()
        let listener = try UnixSocket.listen(path, mode: 0o660)
        let status = try FileSystem.status(path)
        let rights: @Sendable () -> ControlRights = {
            ControlRights(owner: Invocation.effectiveUser, group: status.group, excluded: excluded())
        }
        let wakeUp = try WakeUp(name: "control wake-up")
        thread = try NamedThread.start(name: "control") {
            ControlLoop(listener: listener, wakeUp: wakeUp, rights: rights, limits: limits, answer: answer).run()
        }
        self.wakeUp = wakeUp
        self.path = path
    }

    /// Ends the thread and removes the socket file. Returns once an answer under way is finished.
    public func stop() {
        wakeUp.signal()
        thread.join()
        _ = try? FileSystem.unlinkIfPresent(path)
    }
}

private final class ControlClientState {
    let socket: Descriptor
    let peer: ControlPeer
    let rights: ControlRights
    var input: [UInt8] = []
    var output: [UInt8] = []
    var written = 0
    var deadlineNanoseconds: UInt64
    /// No more is read: the peer has closed its end, or it is dropped after the reply.
    var isEnding = false
    var isGone = false

    init(_ socket: Descriptor, _ peer: ControlPeer, _ rights: ControlRights, deadline: UInt64) {
        self.socket = socket
        self.peer = peer
        self.rights = rights
        deadlineNanoseconds = deadline
        input.reserveCapacity(ControlProtocol.longestRequest + 1)
    }

    var hasReply: Bool { written < output.count }

    func mayAsk(_ access: ControlAccess) -> Bool {
        rights.permit(access, user: peer.user, groups: peer.groups)
    }
}

private final class ControlLoop {
    private let listener: Descriptor
    private let wakeUp: WakeUp
    private let rights: @Sendable () -> ControlRights
    private let limits: ControlServer.Limits
    private let answer: @Sendable (ControlRequest, _ user: UInt32) -> ControlReply
    private let set: PollSet
    private var clients: [ControlClientState] = []
    /// Accepting failed (no descriptors left): not tried again before this.
    private var pausedUntilNanoseconds: UInt64 = 0

    init(
        listener: Descriptor, wakeUp: WakeUp, rights: @escaping @Sendable () -> ControlRights,
        limits: ControlServer.Limits,
        answer: @escaping @Sendable (ControlRequest, _ user: UInt32) -> ControlReply
    ) {
        self.listener = listener
        self.wakeUp = wakeUp
        self.rights = rights
        self.limits = limits
        self.answer = answer
        set = PollSet(capacity: limits.clients + 2)
    }

    func run() {
        while true {
            let now = SystemClock.monotonicNanoseconds()
            let isPaused = now < pausedUntilNanoseconds
            set.removeAll()
            let stopPlace = set.add(wakeUp.raw, .readable)
            let listenerPlace = set.add(isPaused ? -1 : listener.raw, .readable)
            for client in clients { set.add(client.socket.raw, client.hasReply ? .writable : .readable) }
            var deadline = clients.map(\.deadlineNanoseconds).min()
            if isPaused { deadline = min(deadline ?? .max, pausedUntilNanoseconds) }
            do {
                try set.wait(until: deadline)
            } catch {
                Log.error("control socket: \(error)")
                _ = try? wakeUp.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: 100))
                continue
            }
            if !set[stopPlace].isEmpty { return }
            for (index, client) in clients.enumerated() where !set[listenerPlace + 1 + index].isEmpty {
                serve(client)
            }
            let after = SystemClock.monotonicNanoseconds()
            clients.removeAll { $0.isGone || $0.deadlineNanoseconds <= after }
            if !set[listenerPlace].isEmpty { acceptOne() }
        }
    }

    /// One a round, so that a flood of connections does not keep the others waiting.
    private func acceptOne() {
        do {
            guard let socket = try UnixSocket.accept(listener) else { return }
            guard clients.count < limits.clients else {
                let line = ControlReply.error(
                    ErrorReply(
                        code: .busy, message: "all \(limits.clients) places for clients are taken",
                        advice: "try again in a few seconds")
                ).encoded()
                _ = try? (line + [0x0A]).withUnsafeBytes { try socket.write($0) }
                return
            }
            let client = ControlClientState(
                socket, try ControlPeer(socket), rights(),
                deadline: SystemClock.deadline(milliseconds: limits.requestMilliseconds))
            clients.append(client)
            guard client.mayAsk(.reading) else {
                client.isEnding = true
                reply(.error(notPermitted(client)), to: client)
                return
            }
        } catch {
            Log.warning("control socket: \(error)")
            pausedUntilNanoseconds = SystemClock.deadline(milliseconds: 100)
        }
    }

    private func notPermitted(_ client: ControlClientState) -> ErrorReply {
        ErrorReply(
            code: .notPermitted, message: "user \(client.peer.user) may not ask this lane",
            advice: "be root, or a member of group \(client.rights.group), the socket's")
    }

    private func mayNotAct(_ client: ControlClientState) -> ErrorReply {
        ErrorReply(
            code: .notPermitted, message: "user \(client.peer.user) may look at this lane and not change it",
            advice: "be root or user \(client.rights.owner), the daemon's")
    }

    private func serve(_ client: ControlClientState) {
        do {
            if client.hasReply { try write(client) } else { try read(client) }
            // One request after the other, each answered before the next is looked at.
            while !client.hasReply, !client.isGone, let end = client.input.firstIndex(of: 0x0A) {
                let line = client.input[..<end]
                let result = answerLine(line, of: client)
                client.input.removeSubrange(...end)
                reply(result, to: client)
                try write(client)
            }
            if !client.hasReply, !client.isGone { try settle(client) }
        } catch {
            // The peer has gone, in whatever way: it is nobody's trouble but its own.
            client.isGone = true
        }
    }

    private func read(_ client: ControlClientState) throws {
        var chunk = [UInt8](repeating: 0, count: ControlProtocol.longestRequest + 1)
        let outcome = try chunk.withUnsafeMutableBytes { try client.socket.read(into: $0) }
        switch outcome {
        case .bytes(let count): client.input.append(contentsOf: chunk[..<count])
        case .end: client.isEnding = true
        case .wouldBlock: break
        }
    }

    private func answerLine(_ line: ArraySlice<UInt8>, of client: ControlClientState) -> ControlReply {
        guard line.count <= ControlProtocol.longestRequest else {
            client.isEnding = true
            return .error(tooLong)
        }
        do {
            let request = try ControlRequest.parse(line)
            guard client.mayAsk(request.access) else {
                return .error(request.access == .acting ? mayNotAct(client) : notPermitted(client))
            }
            return answer(request, client.peer.user)
        } catch {
            return .error(error)
        }
    }

    /// Nothing is left to answer: go on, or refuse a line that is already too long, or end.
    private func settle(_ client: ControlClientState) throws {
        if !client.isEnding, client.input.count > ControlProtocol.longestRequest {
            client.isEnding = true
            client.input = []
            reply(.error(tooLong), to: client)
            try write(client)
        }
        if client.isEnding, !client.hasReply { client.isGone = true }
    }

    private var tooLong: ErrorReply {
        ErrorReply(
            code: .tooLong, message: "a request is at most \(ControlProtocol.longestRequest) bytes",
            advice: "end it with a line feed")
    }

    private func reply(_ reply: ControlReply, to client: ControlClientState) {
        client.output = reply.encoded()
        client.output.append(0x0A)
        client.written = 0
        client.deadlineNanoseconds = SystemClock.deadline(milliseconds: limits.replyMilliseconds)
    }

    private func write(_ client: ControlClientState) throws {
        while client.hasReply {
            let count = try client.output.withUnsafeBytes {
                try client.socket.write(UnsafeRawBufferPointer(rebasing: $0[client.written...]))
            }
            guard count > 0 else { return }
            client.written += count
        }
        client.output = []
        client.written = 0
        client.deadlineNanoseconds = SystemClock.deadline(milliseconds: limits.requestMilliseconds)
    }
}
