import CMicroHTTPD
import Posix
import Synchronization

/// One request, whole. Any thread may answer it, once; until then its connection is suspended.
final class HTTPRequest: Sendable {
    let head: HTTPHead
    /// Requests of one connection have one number; no other connection ever has it.
    let connectionNumber: UInt64
    private let exchange: Mutex<Exchange>

    private struct Exchange: @unchecked Sendable {
        // Unchecked: libmicrohttpd's pointer is used only under this lock, and while the request lives.
        let connection: OpaquePointer
        var body: [UInt8] = []
        var response: HTTPResponse?
        var isSuspended = false
        var isOver = false
        var wasHandled = false
    }

    /// How many bytes of body are taken.
    let bodyLimit: Int

    init(_ connection: OpaquePointer, _ head: HTTPHead, connectionNumber: UInt64, bodyLimit: Int) {
        self.head = head
        self.bodyLimit = bodyLimit
        self.connectionNumber = connectionNumber
        exchange = Mutex(Exchange(connection: connection))
    }

    /// The body, taken out: the request keeps none.
    func takeBody() -> [UInt8] {
        exchange.withLock {
            var body: [UInt8] = []
            swap(&body, &$0.body)
            return body
        }
    }

    /// Later answers than the first are not sent.
    func answer(_ response: HTTPResponse) {
        exchange.withLock {
            guard $0.response == nil, !$0.isOver else {
                response.stream?.end()
                return
            }
            $0.response = response
            if $0.isSuspended {
                $0.isSuspended = false
                MHD_resume_connection($0.connection)
            }
        }
    }

    // MARK: The server's part

    /// false when the body would become longer than was announced.
    func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        exchange.withLock {
            guard $0.body.count + bytes.count <= bodyLimit else { return false }
            if $0.body.isEmpty { $0.body.reserveCapacity(bodyLimit) }
            $0.body.append(contentsOf: bytes)
            return true
        }
    }

    /// false the first time.
    func wasHandled() -> Bool {
        exchange.withLock { exchange in
            defer { exchange.wasHandled = true }
            return exchange.wasHandled
        }
    }

    /// The answer; nil when there is none yet, and then the connection is suspended until there is.
    func responseOrSuspend() -> HTTPResponse? {
        exchange.withLock {
            if let response = $0.response { return response }
            $0.isSuspended = true
            MHD_suspend_connection($0.connection)
            return nil
        }
    }

    /// The connection's pointer is not good any more.
    func end() {
        exchange.withLock {
            $0.isOver = true
            $0.response?.stream?.end()
        }
    }
}
