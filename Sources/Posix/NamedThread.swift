import CLinux
import Glibc

/// A thread of the operating system with a name that `ps -L`, `top -H` and gdb show.
public final class NamedThread: @unchecked Sendable {
    // Unchecked: `joined` is only touched by `join`, which one owner calls.
    private let thread: pthread_t
    private var joined = false
    public let name: String

    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    private init(_ thread: pthread_t, _ name: String) {
        self.thread = thread
        self.name = name
    }

    /// Starts `body` at once. The kernel keeps the first 15 bytes of the name. A thread that nobody joins frees
    /// itself when it ends.
    public static func start(
        name: String, _ body: @escaping @Sendable () -> Void
    ) throws(SystemFailure) -> NamedThread {
        let start = Unmanaged.passRetained(Start(name, body))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                pthread_setname_np(pthread_self(), String(decoding: start.name.utf8.prefix(15), as: UTF8.self))
                start.body()
                return nil
            }, start.toOpaque())
        guard code == 0 else {
            start.release()
            throw SystemFailure("start thread", name, code: code)
        }
        return NamedThread(thread, name)
    }

    /// Waits until the thread has ended. Bounding that wait is the owner's part: it tells the thread to stop first.
    public func join() {
        guard !joined else { return }
        joined = true
        pthread_join(thread, nil)
    }

    deinit {
        if !joined { pthread_detach(thread) }
    }
}
