import CLinux
import Glibc

public enum Signal: Int32, Sendable, CaseIterable {
    /// SIGHUP: read the configuration again.
    case reload = 1
    /// SIGINT: Ctrl-C.
    case interrupt = 2
    /// SIGTERM: stop cleanly.
    case terminate = 15
}

/// Signals as something poll(2) can wait for (signalfd(2)).
public final class SignalWatch: Sendable {
    public let descriptor: Descriptor

    /// Blocks the signals in the calling thread and those it starts from now on. Make it in `main` before any other
    /// thread: a thread that does not block a signal would die of it.
    public init(_ signals: [Signal] = Signal.allCases) throws(SystemFailure) {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal.rawValue) }
        let code = pthread_sigmask(SIG_BLOCK, &set, nil)
        guard code == 0 else { throw SystemFailure("block", "signals", code: code) }
        let raw = try attempt("make a descriptor for", "signals") {
            signalfd(-1, &set, Int32(SFD_CLOEXEC) | Int32(SFD_NONBLOCK))
        }
        descriptor = Descriptor(adopting: raw, name: "signals")
    }

    public var raw: Int32 { descriptor.raw }

    /// The next signal that came, nil when none waits.
    public func next() -> Signal? {
        var information = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        guard case .success(size) = repeating({ read(descriptor.raw, &information, size) }) else { return nil }
        return Signal(rawValue: Int32(bitPattern: information.ssi_signo))
    }

    /// A write to a pipe or socket whose reader is gone then fails with EPIPE instead of ending the process. For the
    /// whole process; call it first in `main`.
    public static func ignoreBrokenPipe() {
        signal(SIGPIPE, SIG_IGN)
    }
}
