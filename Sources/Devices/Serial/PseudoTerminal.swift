import Glibc
import Posix

/// A pseudo-terminal's device end, `/dev/pts/N`, set up as a serial line: simulators and tests are at the other end.
public final class PseudoTerminal {
    private let terminal: Descriptor
    public var descriptor: Int32 { terminal.raw }

    /// - Parameters:
    ///   - path: as configured, for messages.
    ///   - device: `/dev/pts/N`.
    init(_ path: String, device: String) throws(DeviceFailure) {
        do {
            terminal = try Descriptor.open(device, [.readWrite, .nonblocking, .noControllingTerminal])
        } catch { throw DeviceFailure("open", path, code: error.code) }
        do { try terminal.lockExclusively() } catch {
            throw DeviceFailure("lock", path, code: error.code, advice: error.advice)
        }
        var settings = termios()
        guard tcgetattr(terminal.raw, &settings) == 0 else {
            throw DeviceFailure("set up", path, code: errno)
        }
        cfmakeraw(&settings)
        settings.c_cflag |= tcflag_t(CLOCAL | CREAD)
        // A read that finds nothing then fails with EAGAIN, so that 0 bytes means that the other end closed.
        withUnsafeMutableBytes(of: &settings.c_cc) {
            $0[Int(VMIN)] = 1
            $0[Int(VTIME)] = 0
        }
        guard tcsetattr(terminal.raw, TCSANOW, &settings) == 0 else {
            throw DeviceFailure("set up", path, code: errno)
        }
        // What came before the line was open is not a live badge.
        tcflush(terminal.raw, TCIOFLUSH)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, hungUp: Bool) -> LineRead {
        do {
            switch try terminal.read(into: buffer) {
            case .bytes(let count): return .bytes(count)
            case .wouldBlock where !hungUp: return .nothing
            case .wouldBlock, .end: return .lost(Self.closed(terminal.name))
            }
        } catch {
            // EIO is what a terminal without its other end says.
            return .lost(error.code == EIO ? Self.closed(terminal.name) : DeviceFailure(error))
        }
    }

    func write(_ buffer: UnsafeRawBufferPointer) -> LineWrite {
        do { return .taken(try terminal.write(buffer)) } catch {
            return .lost(error.code == EIO ? Self.closed(terminal.name) : DeviceFailure(error))
        }
    }

    private static func closed(_ device: String) -> DeviceFailure {
        DeviceFailure("read", device, reason: "the other end closed", advice: "it is opened again when it comes back")
    }
}
