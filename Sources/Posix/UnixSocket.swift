import CLinux
import Glibc

/// Who is at the other end of a Unix socket, as the kernel knows it (SO_PEERCRED): who it was when it connected.
public struct PeerCredentials: Equatable, Sendable {
    public let user: UInt32
    public let group: UInt32
    public let process: Int32

    public init(user: UInt32, group: UInt32, process: Int32) {
        self.user = user
        self.group = group
        self.process = process
    }
}

/// AF_UNIX sockets. All are nonblocking. An address is a path of at most 107 bytes, or an abstract name after `@`.
public enum UnixSocket {
    /// Listens for connections at `path`; the socket file has `mode` from its first moment. A socket file that
    /// nobody listens at is taken away first; one in use, or a file of another kind, is left and refused.
    public static func listen(
        _ path: String, mode: UInt32, backlog: Int32 = 16
    ) throws(SystemFailure) -> Descriptor {
        let socket = try bind(path, mode: mode, type: SOCK_STREAM)
        try attempt("listen at", path) { Glibc.listen(socket.raw, backlog) }
        return socket
    }

    /// Receives datagrams at `path`, as `listen` does for connections. Each `read` gives one datagram; what does not
    /// fit into the buffer is lost.
    public static func receiveDatagrams(_ path: String, mode: UInt32) throws(SystemFailure) -> Descriptor {
        try bind(path, mode: mode, type: SOCK_DGRAM)
    }

    /// The next waiting connection; nil when there is none (or it has gone again).
    public static func accept(_ listener: Descriptor) throws(SystemFailure) -> Descriptor? {
        switch repeating({ accept4(listener.raw, nil, nil, socketFlags) }) {
        case .success(let raw): return Descriptor(adopting: raw, name: "a client of \(listener.name)")
        case .failure(let failure) where failure.code == EAGAIN || failure.code == ECONNABORTED: return nil
        case .failure(let failure): throw SystemFailure("accept a client of", listener.name, code: failure.code)
        }
    }

    /// Connects without waiting: the kernel completes it at once, or fails with EAGAIN when too many are queued.
    public static func connect(_ path: String) throws(SystemFailure) -> Descriptor {
        let socket = try make(path, SOCK_STREAM)
        _ = try withAddress(path) { (address, length) throws(SystemFailure) in
            try attempt("connect to", path) { Glibc.connect(socket.raw, address, length) }
        }
        return socket
    }

    /// Two ends that are connected to each other.
    public static func pair() throws(SystemFailure) -> (Descriptor, Descriptor) {
        var ends: (Int32, Int32) = (-1, -1)
        try attempt("make", "a socket pair") {
            withUnsafeMutableBytes(of: &ends) {
                socketpair(
                    AF_UNIX, Int32(SOCK_STREAM.rawValue) | socketFlags, 0,
                    $0.assumingMemoryBound(to: Int32.self).baseAddress)
            }
        }
        return (
            Descriptor(adopting: ends.0, name: "socket pair"), Descriptor(adopting: ends.1, name: "socket pair")
        )
    }

    /// Sends one datagram without waiting. ENOENT or ECONNREFUSED: nobody receives there; EAGAIN: its queue is full.
    public static func sendDatagram(_ bytes: [UInt8], to path: String) throws(SystemFailure) {
        let socket = try make(path, SOCK_DGRAM)
        defer { withExtendedLifetime(socket) {} }
        _ = try withAddress(path) { (address, length) throws(SystemFailure) in
            try attempt("send to", path) {
                sendto(socket.raw, bytes, bytes.count, Int32(MSG_NOSIGNAL), address, length)
            }
        }
    }

    /// Who connected, or at a client's end: who listens.
    public static func peer(of socket: Descriptor) throws(SystemFailure) -> PeerCredentials {
        var credentials = clinux_peer_credentials()
        var length = socklen_t(MemoryLayout<clinux_peer_credentials>.size)
        try attempt("ask who is at", socket.name) {
            getsockopt(socket.raw, SOL_SOCKET, SO_PEERCRED, &credentials, &length)
        }
        return PeerCredentials(user: credentials.user, group: credentials.group, process: credentials.process)
    }

    // MARK: -

    private static let socketFlags = Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)

    private static func make(_ path: String, _ type: __socket_type) throws(SystemFailure) -> Descriptor {
        let raw = try attempt("make a socket for", path) {
            socket(AF_UNIX, Int32(type.rawValue) | socketFlags, 0)
        }
        return Descriptor(adopting: raw, name: path)
    }

    private static func bind(
        _ path: String, mode: UInt32, type: __socket_type
    ) throws(SystemFailure) -> Descriptor {
        let socket = try make(path, type)
        guard !path.hasPrefix("@") else {
            try bind(socket, path)
            return socket
        }
        try removeStaleSocket(path, type)
        // On Linux the file takes its mode from the socket, less the umask: so nobody gets in before the second line.
        try socket.setMode(mode)
        try bind(socket, path)
        try FileSystem.setMode(path, mode)
        return socket
    }

    private static func bind(_ socket: Descriptor, _ path: String) throws(SystemFailure) {
        _ = try withAddress(path) { (address, length) throws(SystemFailure) in
            try attempt("listen at", path) { Glibc.bind(socket.raw, address, length) }
        }
    }

    private static func removeStaleSocket(_ path: String, _ type: __socket_type) throws(SystemFailure) {
        guard let status = try FileSystem.statusIfPresent(path) else { return }
        guard status.kind == .socket else {
            throw SystemFailure(
                "listen at", path, code: EEXIST, advice: "it is not a socket; remove it, or choose another path")
        }
        let probe = try make(path, type)
        defer { withExtendedLifetime(probe) {} }
        let code: Int32 = try withAddress(path) { (address, length) throws(SystemFailure) in
            switch repeating({ Glibc.connect(probe.raw, address, length) }) {
            case .success: return 0
            case .failure(let failure): return failure.code
            }
        }
        switch code {
        case ECONNREFUSED: break
        // Connected, its queue is full, or it is of another type: in any case somebody listens.
        case 0, EAGAIN, EPROTOTYPE: throw SystemFailure("listen at", path, code: EADDRINUSE)
        default: throw SystemFailure("listen at", path, code: code)
        }
        try FileSystem.unlinkIfPresent(path)
    }

    /// `sockaddr_un` (unix(7)): the family, then the path and its NUL, or a NUL and an abstract name.
    static func withAddress<T>(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) throws(SystemFailure) -> T
    ) throws(SystemFailure) -> T {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array(path.utf8)
        guard !name.isEmpty, !name.contains(0) else {
            throw SystemFailure("use as a socket", path, code: EINVAL, advice: "name a path without NUL")
        }
        let abstract = name[0] == UInt8(ascii: "@")
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw SystemFailure("use as a socket", path, code: ENAMETOOLONG)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        if abstract { address.sun_path.0 = 0 }
        let length = MemoryLayout<sa_family_t>.size + name.count + (abstract ? 0 : 1)
        return try withUnsafeMutablePointer(to: &address) { (pointer) throws(SystemFailure) -> T in
            let base = UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self)
            return try body(base, socklen_t(length))
        }
    }
}
