import Glibc

extension Descriptor {
    /// Whether somebody has this file open for writing, as the kernel tells by refusing a read lease (fcntl(2)). nil: it does
    /// not say, since the file is another user's or lies on a file system without leases. Open it for reading only.
    /// SIGIO must be ignored: a writer that comes at this very instant raises it.
    public func hasWriter() -> Bool? {
        // F_SETLEASE, which Swift's Glibc module leaves out.
        let setLease: Int32 = 1024
        switch repeating({ fcntl(raw, setLease, Int32(F_RDLCK)) }) {
        case .success:
            _ = fcntl(raw, setLease, Int32(F_UNLCK))
            return false
        case .failure(let failure): return failure.code == EAGAIN ? true : nil
        }
    }
}

extension SignalWatch {
    /// For `Descriptor.hasWriter`; for the whole process.
    public static func ignoreLeaseBreaks() { signal(SIGIO, SIG_IGN) }
}
