import Glibc

extension Descriptor {
    /// Takes the exclusive flock(2) of this open file, without waiting. It is held until the descriptor is closed.
    /// When another process holds it, fails with EWOULDBLOCK and names the holder when /proc/locks tells it.
    public func lockExclusively() throws(SystemFailure) {
        switch repeating({ flock(raw, LOCK_EX | LOCK_NB) }) {
        case .success: return
        case .failure(let failure) where failure.code == EWOULDBLOCK:
            let holder = lockHolder().map { "process \($0)" } ?? "another process"
            throw SystemFailure(
                "lock", name, code: failure.code, advice: "\(holder) holds it; stop that one first")
        case .failure(let failure): throw SystemFailure("lock", name, code: failure.code)
        }
    }

    /// `1234 (lanekeeperd)`, from lines such as `1: FLOCK  ADVISORY  WRITE 1234 08:01:131 0 EOF` (proc(5)).
    private func lockHolder() -> String? {
        guard let inode = try? status().inode,
            let locks = try? Descriptor.open("/proc/locks", .read).readAll(limit: 1 << 20)
        else { return nil }
        for line in String(decoding: locks, as: UTF8.self).split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count >= 6, fields[1] == "FLOCK", fields[3] == "WRITE",
                fields[5].split(separator: ":").last == Substring(String(inode)), let process = Int32(fields[4]),
                process > 0
            else { continue }
            guard let comm = try? Descriptor.open("/proc/\(process)/comm", .read).readAll(limit: 64) else {
                return String(process)
            }
            return "\(process) (\(String(decoding: comm.prefix { $0 != 10 }, as: UTF8.self)))"
        }
        return nil
    }
}
