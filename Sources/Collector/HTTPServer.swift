import CMicroHTTPD
import Glibc
import Posix
import Synchronization

/// HTTP/1.1 on libmicrohttpd: one thread of its own that never waits for anything but sockets.
///
/// libmicrohttpd's traps, and how they are closed here:
/// - Its timeout counts idleness only, so a peer that sends a byte a second is never cut. Every connection has a
///   deadline for what it is at (head, body, answer, rest between requests), and `cutLate` shuts the socket of one that
///   missed it.
/// - It takes Content-Length together with Transfer-Encoding, and Content-Length twice. Both are refused, and the
///   connection is closed: two readers of such a request do not agree where it ends.
/// - It takes lines that do not end with CR LF, folded lines, blanks before a colon and NULs. `HTTPHeadLines` says where.
///   What the installed version takes and how its heads lie is tried at the start (`HTTPSelfCheck`).
/// - It does not notice that a peer has gone whose last bytes and end came together: `cutLate` does.
/// - It ends a path at an escaped NUL: that stays escaped.
/// - Its limit of connections is one for all: each address has one of its own (`ConnectionsByAddress`).
/// - A connection must be resumed before the server stops: `stop` answers whatever is still open, and whoever has streams
///   finishes them before.
final class HTTPServer: Sendable {
    struct Limits: Sendable {
        /// A lane has up to three: records, credentials, and one that waits for changes.
        var connections = 6144
        /// Of one address, other than this machine's own: lanes behind a router may share one.
        var connectionsOfAddress = 256
        /// From the connection, or the end of the request before, to the end of the head.
        var headMilliseconds = 15_000
        /// From the end of the head to the end of the body.
        var bodyMilliseconds = 30_000
        /// A connection that waits for its next request.
        var restMilliseconds = 75_000
        /// Head and buffers of one connection.
        var memoryBytes = 64 * 1024
        /// Bodies that are under way or not yet answered, all together; more is answered with 503.
        var bodyBytes = 256 << 20
    }

    /// PEM: what the server shows, and whose certificates clients are asked for.
    struct Encryption: Sendable {
        var certificate: [UInt8]
        var key: [UInt8]
        var clientAuthority: [UInt8]
    }

    /// A C string that lives as long as the server: libmicrohttpd keeps the pointers.
    private final class TLSText: @unchecked Sendable {
        // Unchecked: written once.
        let pointer: UnsafeMutablePointer<CChar>

        init(_ bytes: [UInt8]) {
            pointer = .allocate(capacity: bytes.count + 1)
            for (index, byte) in bytes.enumerated() { pointer[index] = CChar(bitPattern: byte) }
            pointer[bytes.count] = 0
        }

        deinit { pointer.deallocate() }
    }

    private let texts: [TLSText]
    let limits: Limits
    let routes: any HTTPRoutes
    let reading: HTTPReading
    let port: UInt16
    private let state: Mutex<State>
    private let daemon: Mutex<DaemonPointer>

    private struct DaemonPointer: @unchecked Sendable {
        // Unchecked: set once and cleared once, under its lock.
        var pointer: OpaquePointer?
    }

    private struct State {
        var isStopping = false
        var connectionsEver: UInt64 = 0
        var connections: [UInt64: HTTPConnection] = [:]
        var byAddress: ConnectionsByAddress
        /// For being late.
        var cutEver: UInt64 = 0
        /// Monotonic ns.
        var lookedForGone: UInt64 = 0
        /// Answers by the hundreds of their status: 1xx at 0.
        var answers = [UInt64](repeating: 0, count: 5)
        var requests: [ObjectIdentifier: HTTPRequest] = [:]
        /// What the bodies of `requests` may come to, as announced.
        var bodyBytes = 0
    }

    /// Serves at once. `listener` is a listening TCP socket, which becomes this server's. `reading`: left out, the one that
    /// the installed libmicrohttpd wants; throws when there is none.
    init(
        _ listener: ListeningSocket, limits: Limits = Limits(), encryption: Encryption? = nil,
        reading: HTTPReading? = nil, routes: any HTTPRoutes
    ) throws(CollectorFailure) {
        let chosen: HTTPReading
        if let reading { chosen = reading } else { chosen = try HTTPSelfCheck.chosen.get() }
        self.reading = chosen
        self.limits = limits
        state = Mutex(State(byAddress: ConnectionsByAddress(most: limits.connectionsOfAddress)))
        texts = encryption.map { [$0.certificate, $0.key, $0.clientAuthority].map(TLSText.init) } ?? []
        self.routes = routes
        port = listener.port
        daemon = Mutex(DaemonPointer())
        // libmicrohttpd closes the socket it is given.
        let socket = dup(listener.descriptor.raw)
        guard socket >= 0 else { throw CollectorFailure("listen at", listener.text, String(cString: strerror(errno))) }
        _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
        // The callbacks' context is not retained: `stop` ends the thread before this object can go.
        let context = Unmanaged.passUnretained(self).toOpaque()
        func start(_ tls: UnsafePointer<cmicrohttpd_tls>?) -> OpaquePointer? {
            cmicrohttpd_start(
                socket, UInt32(limits.connections), UInt32(limits.restMilliseconds / 1000), limits.memoryBytes,
                chosen.isStrict ? 1 : 0, accepting, handle, connected, targeted, completed, context, tls)
        }
        var tls = cmicrohttpd_tls()
        if texts.count == 3 {
            tls.certificate = UnsafePointer(texts[0].pointer)
            tls.key = UnsafePointer(texts[1].pointer)
            tls.client_authority = UnsafePointer(texts[2].pointer)
        }
        let started = texts.isEmpty ? start(nil) : start(&tls)
        guard let started else {
            Glibc.close(socket)
            throw CollectorFailure(
                "serve", listener.text,
                texts.isEmpty ? String(cString: strerror(errno)) : "libmicrohttpd does not start with this certificate",
                advice: texts.isEmpty ? "see how many descriptors are allowed" : "see that key and certificate are PEM")
        }
        daemon.withLock { $0.pointer = started }
    }

    deinit { stop() }

    var connectionCount: Int { state.withLock { $0.connections.count } }

    /// Counted since it began, but for what is open and under way now.
    struct Figures: Sendable {
        var connections: Int
        var connectionsEver: UInt64
        var refusedForAddress: UInt64
        var cut: UInt64
        var requests: Int
        var bodyBytes: Int
        /// By the hundreds of their status: 1xx at 0. Heads that libmicrohttpd refuses by itself are not among them.
        var answers: [UInt64]
    }

    var figures: Figures {
        state.withLock {
            Figures(
                connections: $0.connections.count, connectionsEver: $0.connectionsEver,
                refusedForAddress: $0.byAddress.refusedEver, cut: $0.cutEver, requests: $0.requests.count,
                bodyBytes: $0.bodyBytes, answers: $0.answers)
        }
    }

    /// Ends connections that took longer than they may, and those whose peer has gone. To be called a few times a second.
    func cutLate(now: UInt64 = SystemClock.monotonicNanoseconds()) {
        state.withLock {
            let looks = now &- $0.lookedForGone >= 1_000_000_000
            if looks { $0.lookedForGone = now }
            for connection in $0.connections.values {
                if connection.isLate(now) {
                    if connection.cut() { $0.cutEver += 1 }
                } else if looks, connection.isGone() {
                    _ = connection.cut()
                }
            }
        }
    }

    private func end(_ connection: HTTPConnection) {
        if connection.cut() { state.withLock { $0.cutEver += 1 } }
    }

    /// Takes no new connections, answers what is open with 503, and ends. Does nothing the second time.
    func stop() {
        let running = daemon.withLock { daemon in
            let pointer = daemon.pointer
            daemon.pointer = nil
            return DaemonPointer(pointer: pointer)
        }
        guard let pointer = running.pointer else { return }
        let socket = MHD_quiesce_daemon(pointer)
        if socket >= 0 { Glibc.close(socket) }
        let open = state.withLock {
            $0.isStopping = true
            return Array($0.requests.values)
        }
        for request in open { request.answer(HTTPServer.stopping) }
        drain(withinMilliseconds: 500)
        MHD_stop_daemon(pointer)
    }

    /// Lets answers that were given reach their peers.
    private func drain(withinMilliseconds milliseconds: Int) {
        let deadline = SystemClock.deadline(milliseconds: milliseconds)
        let pause = PollSet(capacity: 1)
        while state.withLock({ !$0.requests.isEmpty }), SystemClock.monotonicNanoseconds() < deadline {
            _ = try? pause.wait(until: SystemClock.deadline(milliseconds: 2))
        }
    }

    private static let stopping = HTTPResponse.error(
        503, "the collector is stopping", advice: "try again in a moment", headers: [("Retry-After", "2")])

    private static let overloaded = HTTPResponse.error(
        503, "more is being sent at once than is taken", advice: "send this again in a second",
        headers: [("Retry-After", "1"), ("Connection", "close")])

    // MARK: On libmicrohttpd's thread

    /// Whether one more connection of this address is taken.
    fileprivate func mayOpen(_ address: UnsafePointer<sockaddr>?) -> Bool {
        guard let group = AddressGroup(address) else { return true }
        let (isTaken, isSaid) = state.withLock {
            guard !$0.byAddress.mayOpen(group) else { return (true, false) }
            return (false, $0.byAddress.refused(now: Int64(SystemClock.monotonicNanoseconds() / 1_000_000)))
        }
        if isSaid {
            Log.warning(
                "\(addressText(address)) has \(limits.connectionsOfAddress) connections, no more are taken of it; if many "
                    + "lanes stand behind it, raise listen.connections_per_address")
        }
        return isTaken
    }

    fileprivate func open(_ connection: OpaquePointer) -> HTTPConnection {
        let socket = cmicrohttpd_socket(connection)
        let group = AddressGroup(cmicrohttpd_peer(connection))
        return state.withLock {
            $0.connectionsEver += 1
            let connection = HTTPConnection(
                number: $0.connectionsEver, socket: socket, group: group,
                deadlineMilliseconds: limits.headMilliseconds)
            if let group { $0.byAddress.opened(group) }
            $0.connections[connection.number] = connection
            return connection
        }
    }

    fileprivate func close(_ connection: HTTPConnection) {
        state.withLock {
            guard $0.connections.removeValue(forKey: connection.number) != nil else { return }
            if let group = connection.group { $0.byAddress.closed(group) }
        }
    }

    /// The first line of a request is here. Its target lies where it will be when the head is here.
    fileprivate func expectHead(_ pointer: OpaquePointer, target: UnsafePointer<CChar>) {
        guard let connection = connection(of: pointer) else { return }
        connection.note(target: target)
        // libmicrohttpd has no room for so many, and says nothing until the deadline.
        if connection.target.parameters > HTTPHeadLines.mostParameters { end(connection) }
    }

    fileprivate func target(_ pointer: OpaquePointer) -> HTTPConnection.Target? { connection(of: pointer)?.target }

    /// The head is here. nil: libmicrohttpd could not give it. `isOld`: in HTTP/1.0. `problem`: with how it is written.
    fileprivate func begin(
        _ pointer: OpaquePointer, _ head: HTTPHead, isOld: Bool, problem: String?
    ) -> (HTTPRequest, HTTPResponse?)? {
        guard let connection = connection(of: pointer) else { return nil }
        connection.expect(withinMilliseconds: limits.bodyMilliseconds)
        let (bodyBytes, refusal) =
            HTTPServer.malformed(head, connection.target, isOld: isOld, problem).map { (0, $0) } ?? admit(head)
        let request = HTTPRequest(pointer, head, connectionNumber: connection.number, bodyLimit: bodyBytes)
        let isBusy = state.withLock {
            guard !$0.isStopping else { return HTTPServer.stopping as HTTPResponse? }
            guard $0.bodyBytes + bodyBytes <= limits.bodyBytes else { return HTTPServer.overloaded }
            $0.bodyBytes += bodyBytes
            $0.requests[ObjectIdentifier(request)] = request
            return nil
        }
        return (request, refusal ?? isBusy)
    }

    /// How long its body will be, or why it is not taken.
    private func admit(_ head: HTTPHead) -> (bodyBytes: Int, refusal: HTTPResponse?) {
        if let refusal = HTTPServer.ambiguousFraming(head) { return (0, refusal) }
        switch routes.admit(head) {
        case .refuse(let response): return (0, response)
        case .accept(let limit):
            // libmicrohttpd has refused what is no number; without the header there is no body.
            let announced = head.header("content-length").map { Int($0) ?? .max } ?? 0
            return announced > limit ? (0, HTTPServer.tooLarge(limit)) : (announced, nil)
        }
    }

    private static func malformed(
        _ head: HTTPHead, _ target: HTTPConnection.Target, isOld: Bool, _ problem: String?
    ) -> HTTPResponse? {
        let close = [("Connection", "close")]
        func bad(_ problem: String) -> HTTPResponse {
            .error(400, problem, advice: "send a request as RFC 9112 says", headers: close)
        }
        if target.count > HTTPHeadLines.longestTarget {
            return .error(
                414, "an address of more than \(HTTPHeadLines.longestTarget) bytes", advice: "ask for less at a time",
                headers: close)
        }
        if !target.isPlain { return bad("a character in the address that must be escaped") }
        if let problem { return bad(problem) }
        guard HTTPHeadLines.isMethod(head.method) else { return bad("a method that is none") }
        guard isOld || head.count(of: "host") > 0 else { return bad("no Host") }
        guard head.headers.allSatisfy({ HTTPHeadLines.isToken($0.name) }) else {
            return bad("a header's name that is none")
        }
        guard head.headers.allSatisfy({ HTTPHeadLines.isValue($0.value) }) else {
            return bad("a control character in a header")
        }
        return nil
    }

    /// RFC 9112, section 6.3: what could be read in two ways is not read at all.
    private static func ambiguousFraming(_ head: HTTPHead) -> HTTPResponse? {
        let close = [("Connection", "close")]
        for name in ["content-length", "host"] where head.count(of: name) > 1 {
            return .error(400, "\(name) is given twice", advice: "send each header once", headers: close)
        }
        guard head.count(of: "transfer-encoding") > 0 else { return nil }
        if head.count(of: "content-length") > 0 {
            return .error(
                400, "Content-Length and Transfer-Encoding together", advice: "send Content-Length only", headers: close
            )
        }
        return .error(411, "a body without Content-Length", advice: "send Content-Length", headers: close)
    }

    private static func tooLarge(_ limit: Int) -> HTTPResponse {
        .error(
            413, limit == 0 ? "a body where none is expected" : "a body of more than \(limit) bytes",
            advice: limit == 0 ? "send none" : "send less at a time", headers: [("Connection", "close")])
    }

    /// The request is whole. Answers it, or suspends its connection until it is answered.
    fileprivate func proceed(_ request: HTTPRequest, _ pointer: OpaquePointer, isWhole: Bool) -> MHD_Result {
        if isWhole {
            connection(of: pointer)?.expect(withinMilliseconds: nil)
            routes.handle(request)
        }
        guard let response = request.responseOrSuspend() else { return .YES }
        return send(response, pointer)
    }

    fileprivate func send(_ response: HTTPResponse, _ pointer: OpaquePointer) -> MHD_Result {
        let connection = connection(of: pointer)
        connection?.expect(withinMilliseconds: response.patienceMilliseconds, isAnswered: true)
        response.stream?.begin(pointer, connection)
        guard let made = HTTPServer.make(response) else { return .NO }
        defer { MHD_destroy_response(made) }
        let fixed = [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer")]
        for (name, value) in response.headers + fixed { MHD_add_response_header(made, name, value) }
        if !response.headers.contains(where: { $0.0 == "Cache-Control" }) {
            MHD_add_response_header(made, "Cache-Control", "no-store")
        }
        let hundreds = response.status / 100 - 1
        state.withLock { if $0.answers.indices.contains(hundreds) { $0.answers[hundreds] += 1 } }
        return MHD_queue_response(pointer, UInt32(response.status), made)
    }

    private static func make(_ response: HTTPResponse) -> OpaquePointer? {
        switch response.body {
        case .bytes(let bytes):
            return bytes.withUnsafeBytes {
                MHD_create_response_from_buffer(
                    $0.count, UnsafeMutableRawPointer(mutating: $0.baseAddress), .RESPMEM_MUST_COPY)
            }
        case .file(let file, let offset, let count):
            // libmicrohttpd closes the descriptor it is given.
            let copy = fcntl(file.raw, F_DUPFD_CLOEXEC, 0)
            guard copy >= 0 else { return nil }
            guard let made = MHD_create_response_from_fd_at_offset64(UInt64(count), copy, UInt64(offset)) else {
                Glibc.close(copy)
                return nil
            }
            return made
        case .stream(let stream): return stream.makeResponse()
        }
    }

    fileprivate func finish(_ request: HTTPRequest, _ pointer: OpaquePointer) {
        request.end()
        state.withLock {
            if $0.requests.removeValue(forKey: ObjectIdentifier(request)) != nil { $0.bodyBytes -= request.bodyLimit }
        }
        connection(of: pointer)?.expect(withinMilliseconds: limits.restMilliseconds)
    }

    private func connection(of pointer: OpaquePointer) -> HTTPConnection? {
        cmicrohttpd_connection_context(pointer).map {
            Unmanaged<HTTPConnection>.fromOpaque($0).takeUnretainedValue()
        }
    }
}

/// A peer's connection: what it must have done by when.
final class HTTPConnection: Sendable {
    /// The target of the request that is under way, as it came.
    struct Target: Sendable {
        var address: UInt = 0
        /// Up to its first NUL, bytes.
        var count = 0
        var parameters = 0
        var isPlain = true

        var place: HTTPHeadLines.Place { address..<address + UInt(count) }
    }

    let number: UInt64
    let group: AddressGroup?
    private let socket: Int32
    /// Monotonic ns; the greatest: it is our turn.
    private let deadline: Atomic<UInt64>
    private let isAnswered = Atomic(false)
    private let wasCut = Atomic(false)
    /// The deadline at which its peer was found gone.
    private let goneAt = Atomic<UInt64>(.max)
    private let asked = Mutex(Target())

    init(number: UInt64, socket: Int32, group: AddressGroup?, deadlineMilliseconds: Int) {
        self.number = number
        self.socket = socket
        self.group = group
        deadline = Atomic(SystemClock.deadline(milliseconds: deadlineMilliseconds))
    }

    /// nil: nothing is expected of the peer. `isAnswered`: that it takes its answer.
    func expect(withinMilliseconds milliseconds: Int?, isAnswered: Bool = false) {
        self.isAnswered.store(isAnswered, ordering: .relaxed)
        deadline.store(milliseconds.map { SystemClock.deadline(milliseconds: $0) } ?? .max, ordering: .relaxed)
    }

    var target: Target { asked.withLock { $0 } }

    func note(target: UnsafePointer<CChar>) {
        let count = strlen(target)
        let text = UnsafeBufferPointer(start: target, count: count)
        let parameters = text.count { $0 == 0x26 } + 1
        let isPlain = HTTPHeadLines.isTarget(text)
        asked.withLock {
            $0 = Target(
                address: UInt(bitPattern: target), count: count, parameters: parameters, isPlain: isPlain)
        }
    }

    func isLate(_ now: UInt64) -> Bool { deadline.load(ordering: .relaxed) < now }

    /// Whether nothing comes of it any more, and did not when this was asked before: whoever only has no more to say still
    /// gets the answers to what he said.
    func isGone() -> Bool {
        let deadline = deadline.load(ordering: .relaxed)
        guard deadline != .max, !isAnswered.load(ordering: .relaxed) else { return false }
        var byte: UInt8 = 0
        guard recv(socket, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) == 0 else { return false }
        return goneAt.exchange(deadline, ordering: .relaxed) == deadline
    }

    /// Ends it from another thread than libmicrohttpd's. Only while it is among the server's connections: later the
    /// socket's number may be another file's. true the first time.
    func cut() -> Bool {
        shutdown(socket, Int32(SHUT_RDWR))
        return !wasCut.exchange(true, ordering: .relaxed)
    }
}

// MARK: libmicrohttpd's callbacks

private func server(_ context: UnsafeMutableRawPointer?) -> HTTPServer? {
    context.map { Unmanaged<HTTPServer>.fromOpaque($0).takeUnretainedValue() }
}

private let accepting: MHD_AcceptPolicyCallback = { context, address, _ in
    server(context)?.mayOpen(address) == false ? .NO : .YES
}

private let targeted: cmicrohttpd_target = { context, target, pointer in
    if let server = server(context), let target, let pointer { server.expectHead(pointer, target: target) }
    return nil
}

private let connected: MHD_NotifyConnectionCallback = { context, pointer, kept, code in
    guard let server = server(context), let pointer, let kept else { return }
    if code == .CONNECTION_NOTIFY_STARTED {
        kept.pointee = Unmanaged.passRetained(server.open(pointer)).toOpaque()
    } else if let held = kept.pointee {
        kept.pointee = nil
        server.close(Unmanaged<HTTPConnection>.fromOpaque(held).takeRetainedValue())
    }
}

private let completed: MHD_RequestCompletedCallback = { context, pointer, kept, _ in
    guard let server = server(context), let pointer, let held = kept?.pointee else { return }
    kept?.pointee = nil
    server.finish(Unmanaged<HTTPRequest>.fromOpaque(held).takeRetainedValue(), pointer)
}

/// Called once with the head, then with each part of the body, then with none: the request is whole; and once more when
/// a suspended connection was resumed.
private let handle: MHD_AccessHandlerCallback = { context, pointer, path, method, version, data, count, kept in
    guard let server = server(context), let pointer, let path, let method, let version, let count, let kept else {
        return .NO
    }
    guard let held = kept.pointee else {
        let (head, fields) = head(pointer, String(cString: method), String(cString: path))
        let lines = HTTPHeadLines(
            method: place(method), target: server.target(pointer)?.place ?? place(path), version: place(version),
            fields: fields, size: cmicrohttpd_head_size(pointer))
        let problem = server.reading.looksAtLines ? lines.problem : nil
        guard
            let (request, refusal) = server.begin(
                pointer, head, isOld: strcmp(version, "HTTP/1.0") == 0, problem: problem)
        else { return .NO }
        kept.pointee = Unmanaged.passRetained(request).toOpaque()
        guard let refusal else { return .YES }
        request.answer(refusal)
        // Answered before the body was read: libmicrohttpd closes the connection afterwards.
        return server.send(refusal, pointer)
    }
    let request = Unmanaged<HTTPRequest>.fromOpaque(held).takeUnretainedValue()
    if count.pointee > 0 {
        let part = UnsafeRawBufferPointer(start: data, count: count.pointee)
        count.pointee = 0
        // A length that was announced is within the limit; what exceeds it here announced none.
        return request.append(part) ? .YES : .NO
    }
    return server.proceed(request, pointer, isWhole: !request.wasHandled())
}

private func place(_ text: UnsafePointer<CChar>) -> HTTPHeadLines.Place {
    let address = UInt(bitPattern: text)
    return address..<address + UInt(strlen(text))
}

/// Empty when it is not known.
private func addressText(_ address: UnsafePointer<sockaddr>?) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text in
        guard let base = text.baseAddress else { return "" }
        cmicrohttpd_address_text(address, base, 64)
        return String(cString: base)
    }
}

private func peer(_ pointer: OpaquePointer) -> HTTPPeer {
    var peer = HTTPPeer(address: addressText(cmicrohttpd_peer(pointer)))
    var size = 0
    if let der = cmicrohttpd_client_certificate(pointer, &size), size <= 16 << 10 {
        peer.certificate = Array(UnsafeBufferPointer(start: der, count: size))
    }
    return peer
}

/// What a callback gathers.
private struct HeadParts {
    var head: HTTPHead
    var fields: [(name: HTTPHeadLines.Place, value: HTTPHeadLines.Place)] = []
}

/// Also where each header lies.
private func head(
    _ pointer: OpaquePointer, _ method: String, _ path: String
) -> (HTTPHead, [(name: HTTPHeadLines.Place, value: HTTPHeadLines.Place)]) {
    var parts = HeadParts(
        head: HTTPHead(method: method, path: path, query: [:], repeatedQuery: [], headers: [], peer: peer(pointer)))
    withUnsafeMutablePointer(to: &parts) { parts in
        MHD_get_connection_values(
            pointer, .HEADER_KIND,
            { context, _, name, value in
                guard let parts = context?.assumingMemoryBound(to: HeadParts.self), let name else { return .NO }
                let text = value.map { String(cString: $0) } ?? ""
                parts.pointee.head.headers.append((String(cString: name).lowercased(), text))
                parts.pointee.fields.append((place(name), value.map(place) ?? place(name)))
                return .YES
            }, parts)
        MHD_get_connection_values(
            pointer, .GET_ARGUMENT_KIND,
            { context, _, name, value in
                guard let parts = context?.assumingMemoryBound(to: HeadParts.self), let name else { return .NO }
                let key = String(cString: name)
                let text = value.map { String(cString: $0) } ?? ""
                if parts.pointee.head.query.updateValue(text, forKey: key) != nil {
                    parts.pointee.head.repeatedQuery.insert(key)
                }
                return .YES
            }, parts)
    }
    return (parts.head, parts.fields)
}
