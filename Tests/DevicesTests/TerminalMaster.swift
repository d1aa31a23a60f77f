import Glibc
import Posix
import Testing

/// The simulator's end of a pseudo-terminal. `close` is what pulling the plug looks like to the other end.
final class TerminalMaster {
    private var master: Descriptor?
    let path: String

    init() throws {
        let master = try Descriptor.open("/dev/ptmx", [.readWrite, .nonblocking, .noControllingTerminal])
        var number: Int32 = -1
        var unlocked: Int32 = 0
        // TIOCGPTN and TIOCSPTLCK (asm-generic/ioctls.h).
        try #require(ioctl(master.raw, 0x8004_5430, &number) == 0 && ioctl(master.raw, 0x4004_5431, &unlocked) == 0)
        self.master = master
        path = "/dev/pts/\(number)"
    }

    func write(_ bytes: [UInt8]) throws { try #require(master).writeAll(bytes) }

    /// What the device was sent; empty when nothing waits or it is closed.
    func read() throws -> [UInt8] {
        guard let master else { return [] }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let outcome = try buffer.withUnsafeMutableBytes { try master.read(into: $0) }
        if case .bytes(let count) = outcome { return Array(buffer[..<count]) }
        return []
    }

    func close() { master = nil }
}

/// A directory of the test's own; gone with it.
final class TemporaryDirectory {
    let path: String

    init() throws {
        var template = Array("/tmp/devices-test-XXXXXX".utf8CString)
        path = String(cString: try #require(mkdtemp(&template)))
    }

    deinit {
        for name in (try? FileSystem.list(path)) ?? [] { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    subscript(name: String) -> String { "\(path)/\(name)" }

    /// Points the link at another target, as udev does, in one step.
    func link(_ name: String, to target: String) throws {
        try #require(symlink(target, self[name + ".new"]) == 0)
        try FileSystem.rename(self[name + ".new"], to: self[name])
    }
}
