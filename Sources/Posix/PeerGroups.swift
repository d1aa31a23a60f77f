import Glibc

extension UnixSocket {
    /// The supplementary groups of who is at the other end, as they were when it connected (SO_PEERGROUPS, socket(7),
    /// Linux 4.13). Its primary group is not among them: `peer(of:)` gives that. More than 65,536 groups, the kernel's
    /// own limit, do not occur.
    public static func peerGroups(of socket: Descriptor) throws(SystemFailure) -> [UInt32] {
        var capacity = 64
        while true {
            var groups = [UInt32](repeating: 0, count: capacity)
            var length = socklen_t(capacity * MemoryLayout<UInt32>.size)
            let result = repeating { getsockopt(socket.raw, SOL_SOCKET, SO_PEERGROUPS, &groups, &length) }
            switch result {
            case .success: return Array(groups.prefix(Int(length) / MemoryLayout<UInt32>.size))
            // The kernel says in `length` how much is needed.
            case .failure(let failure) where failure.code == ERANGE && capacity < 65_536: capacity = 65_536
            case .failure(let failure):
                throw SystemFailure("ask for the groups of who is at", socket.name, code: failure.code)
            }
        }
    }
}
