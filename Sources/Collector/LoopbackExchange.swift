import Glibc
import Posix

/// One exchange with a server on this machine, byte by byte. Apart from `HTTPSelfCheck`, which imports libmicrohttpd: its
/// headers would bring the sockets' constants a second time.
enum LoopbackExchange {
    private static let patienceSeconds = 10

    /// Everything up to the end of the connection.
    static func said(to request: String, port: UInt16) throws(CollectorFailure) -> String {
        func failure(_ operation: String) -> CollectorFailure {
            CollectorFailure(SystemFailure(operation, "127.0.0.1:\(port)", code: errno))
        }
        let raw = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { throw failure("make a socket for") }
        let descriptor = Descriptor(adopting: raw, name: "127.0.0.1:\(port)")
        defer { withExtendedLifetime(descriptor) {} }
        var patience = timeval(tv_sec: patienceSeconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(raw, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else { throw failure("connect to") }
        // Shorter than any socket's buffer. It may be refused before it is here.
        let bytes = Array(request.utf8)
        _ = bytes.withUnsafeBytes { send(raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        var said: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 4096)
        while said.count < 1 << 16 {
            let count = recv(raw, &part, part.count, 0)
            if count < 0 && errno == EINTR { continue }
            if count < 0 && errno == EAGAIN { throw failure("wait for an answer of") }
            guard count > 0 else { break }
            said += part[..<count]
        }
        return String(decoding: said, as: UTF8.self)
    }
}
