import Glibc
import Posix
import TestSupport
import Testing

@Suite struct ServiceNotifierTests {
    private func notifier(_ environment: [String: String]) -> ServiceNotifier {
        ServiceNotifier(environment: { environment[$0] }, processID: 42)
    }

    @Test("a supervisor gets ready, status, watchdog and stopping as datagrams", arguments: [false, true])
    func states(abstract: Bool) throws {
        let directory = try TemporaryDirectory()
        let path = abstract ? "@\(directory.path)" : directory.file("notify")
        let supervisor = try UnixSocket.receiveDatagrams(path, mode: 0o600)
        let notifier = notifier(["NOTIFY_SOCKET": path])
        #expect(notifier.isSupervised)
        #expect(notifier.starting(status: "record 7 of 9", withinSeconds: 90) == nil)
        #expect(notifier.ready(status: "lane north-07\nSTOPPING=1") == nil)
        #expect(notifier.status("北登录厅-07") == nil)
        #expect(notifier.watchdog() == nil)
        #expect(notifier.stopping(status: "asked to") == nil)
        #expect(try readText(supervisor) == "EXTEND_TIMEOUT_USEC=90000000\nSTATUS=record 7 of 9")
        #expect(try readText(supervisor) == "READY=1\nSTATUS=lane north-07 STOPPING=1")
        #expect(try readText(supervisor) == "STATUS=北登录厅-07")
        #expect(try readText(supervisor) == "WATCHDOG=1")
        #expect(try readText(supervisor) == "STOPPING=1\nSTATUS=asked to")
    }

    @Test("without a supervisor nothing is sent and nothing fails")
    func unsupervised() {
        #expect(notifier([:]).ready(status: "x") == nil)
        #expect(notifier(["NOTIFY_SOCKET": "relative"]).ready(status: "x") == nil)
    }

    @Test("a supervisor that has gone is reported, not fatal")
    func gone() {
        #expect(notifier(["NOTIFY_SOCKET": "/nonexistent/notify"]).watchdog()?.code == ENOENT)
    }

    @Test(
        "the watchdog is fed at half its interval, when it watches this process",
        arguments: [
            (["WATCHDOG_USEC": "3000000"], 1_500_000_000),
            (["WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "42"], 1_500_000_000),
            (["WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "43"], nil),
            (["WATCHDOG_USEC": "0"], nil),
            (["WATCHDOG_USEC": "soon"], nil),
            (["WATCHDOG_USEC": "18446744073709551615"], nil),
            ([:], nil),
        ] as [([String: String], UInt64?)])
    func watchdog(environment: [String: String], expected: UInt64?) {
        let all = environment.merging(["NOTIFY_SOCKET": "/run/x"]) { first, _ in first }
        #expect(notifier(all).watchdogIntervalNanoseconds == expected)
    }
}
