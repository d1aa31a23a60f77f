import Glibc

/// Tells systemd how the service is (sd_notify(3)); does nothing when no supervisor asked for it.
///
/// A datagram of `KEY=value` lines to the socket $NOTIFY_SOCKET: a path, or `@` and an abstract name.
public struct ServiceNotifier: Sendable {
    private let socket: String?

    /// Send `watchdog` at least this often (ns): half of $WATCHDOG_USEC. nil when no watchdog watches this process.
    public let watchdogIntervalNanoseconds: UInt64?

    /// `environment` and `processID` are arguments for tests.
    public init(
        environment: (String) -> String? = Invocation.environment, processID: Int32 = Invocation.processID
    ) {
        let socket = environment("NOTIFY_SOCKET").flatMap { $0.hasPrefix("/") || $0.hasPrefix("@") ? $0 : nil }
        self.socket = socket
        // Without $WATCHDOG_PID any process of the service may send (sd_watchdog_enabled(3)).
        let forUs = environment("WATCHDOG_PID").map { Int32($0) == processID } ?? true
        let limit = environment("WATCHDOG_USEC").flatMap { UInt64($0) } ?? 0
        let usable = socket != nil && forUs && limit > 0 && limit < UInt64.max / 1000
        watchdogIntervalNanoseconds = usable ? limit * 1000 / 2 : nil
    }

    /// Whether a supervisor listens.
    public var isSupervised: Bool { socket != nil }

    /// Start-up is complete.
    @discardableResult
    public func ready(status: String) -> SystemFailure? {
        send("READY=1\nSTATUS=\(ServiceNotifier.line(status))")
    }

    /// Start-up goes on: it is not taken to hang for the next `seconds`, however long it has lasted (EXTEND_TIMEOUT_USEC).
    @discardableResult
    public func starting(status: String, withinSeconds seconds: Int) -> SystemFailure? {
        send("EXTEND_TIMEOUT_USEC=\(seconds * 1_000_000)\nSTATUS=\(ServiceNotifier.line(status))")
    }

    /// One line for `systemctl status`.
    @discardableResult
    public func status(_ text: String) -> SystemFailure? {
        send("STATUS=\(ServiceNotifier.line(text))")
    }

    /// The main loop is alive. Send it from that loop only.
    @discardableResult
    public func watchdog() -> SystemFailure? {
        send("WATCHDOG=1")
    }

    @discardableResult
    public func stopping(status: String) -> SystemFailure? {
        send("STOPPING=1\nSTATUS=\(ServiceNotifier.line(status))")
    }

    /// Never waits, and never fails the caller: the failure is returned for the log.
    private func send(_ state: String) -> SystemFailure? {
        guard let socket else { return nil }
        do throws(SystemFailure) {
            try UnixSocket.sendDatagram(Array(state.utf8), to: socket)
            return nil
        } catch {
            return error
        }
    }

    private static func line(_ text: String) -> String {
        String(decoding: text.utf8.prefix(1024).map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }, as: UTF8.self)
    }
}
