import CLinux
import Glibc

public enum SystemClock {
    /// CLOCK_MONOTONIC: ns since some point near the start of the machine; never steps, stands still in suspend.
    public static func monotonicNanoseconds() -> UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }

    /// The instant `milliseconds` from now, for deadlines; a negative number gives now.
    public static func deadline(milliseconds: Int) -> UInt64 {
        monotonicNanoseconds() + UInt64(max(0, milliseconds)) * 1_000_000
    }

    /// CLOCK_REALTIME: ms since 1970-01-01 UTC. Whether it may be believed is another question.
    public static func wallMilliseconds() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }

    /// Whether something (NTP, PTP) keeps the kernel's clock right, as the kernel itself knows it (adjtimex(2)):
    /// false from the start of the machine until the first synchronisation, and when it has been lost for long.
    public static func isSynchronised() throws(SystemFailure) -> Bool {
        var state = timex()
        let status = try attempt("ask the state of", "the kernel's clock") { adjtimex(&state) }
        return status != TIME_ERROR && state.status & STA_UNSYNC == 0
    }
}
