import Glibc
import Posix

/// A TCP socket that listens: without TLS on this machine's own addresses only.
struct ListeningSocket: Sendable {
    let descriptor: Descriptor
    let port: UInt16
    /// `127.0.0.1:8480`
    let text: String

    /// `address`: an IPv4 or IPv6 literal. `port` 0: a free one is chosen.
    init(address: String, port: UInt16, isEncrypted: Bool = false) throws(CollectorFailure) {
        let name = address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
        guard isEncrypted || LoopbackAddress.isOne(address) else { throw LoopbackAddress.refusal(name) }
        func failure(_ operation: String) -> CollectorFailure {
            CollectorFailure(SystemFailure(operation, name, code: errno))
        }
        let isSix = address.contains(":")
        let raw = socket(
            isSix ? AF_INET6 : AF_INET,
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
                | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard raw >= 0 else { throw failure("make a socket for") }
        descriptor = Descriptor(adopting: raw, name: name)
        var yes: Int32 = 1
        // A collector that starts again must not wait for the connections of the one before.
        setsockopt(raw, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        // A thousand lanes may come back in the same second, with more than one connection each; the kernel bounds it.
        guard ListeningSocket.bind(raw, address, isSix, port) == 0, listen(raw, 8192) == 0 else {
            throw failure("listen at")
        }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let named = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(raw, $0, &length) }
        }
        guard named == 0 else { throw failure("ask the port of") }
        // Port and address stand at the same offset in both families' structures.
        let bigEndian = withUnsafeBytes(of: &storage) { $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self) }
        self.port = UInt16(bigEndian: bigEndian)
        text = isSix ? "[\(address)]:\(self.port)" : "\(address):\(self.port)"
    }

    private static func bind(_ raw: Int32, _ address: String, _ isSix: Bool, _ port: UInt16) -> Int32 {
        if isSix {
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = port.bigEndian
            guard inet_pton(AF_INET6, address, &name.sin6_addr) == 1 else { return -1 }
            return withUnsafePointer(to: &name) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.bind(raw, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        guard inet_pton(AF_INET, address, &name.sin_addr) == 1 else { return -1 }
        return withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

/// 127.0.0.0/8 and ::1: nothing else may be listened at without TLS.
enum LoopbackAddress {
    static func isOne(_ text: String) -> Bool {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return UInt32(bigEndian: four.s_addr) >> 24 == 127 }
        var six = in6_addr()
        guard inet_pton(AF_INET6, text, &six) == 1 else { return false }
        return withUnsafeBytes(of: &six) { $0.dropLast().allSatisfy { $0 == 0 } && $0.last == 1 }
    }

    static func refusal(_ name: String) -> CollectorFailure {
        CollectorFailure(
            "listen at", name, "that reaches beyond this machine, where TLS and client authentication must come first",
            advice: "set listen.tls: true, or listen at 127.0.0.1 or ::1")
    }

    /// Whether a Host header names this machine itself: a page of another site that a browser was led here with names
    /// its own.
    static func isHost(_ host: String) -> Bool {
        guard let name = name(ofHost: host) else { return false }
        return name == "localhost" || isOne(name)
    }

    /// A Host header without its port and brackets, in lower case; nil: what stands behind the name is no port.
    static func name(ofHost host: String) -> String? {
        var name = Substring(host)
        var rest: Substring = ""
        if name.hasPrefix("[") {
            guard let end = name.firstIndex(of: "]") else { return nil }
            rest = name[name.index(after: end)...]
            name = name[name.index(after: name.startIndex)..<end]
        } else if let colon = name.firstIndex(of: ":") {
            rest = name[colon...]
            name = name[..<colon]
        }
        let isPort = rest.first == ":" && rest.utf8.dropFirst().allSatisfy { (0x30...0x39).contains($0) }
        return rest.isEmpty || isPort ? name.lowercased() : nil
    }
}
