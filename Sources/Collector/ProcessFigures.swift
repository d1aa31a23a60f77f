import Glibc
import Posix
import Synchronization

/// What the process takes of its machine, and its databases of their disk. Looked at about once a second by a thread that
/// may wait: a disk that hangs holds no answer up.
final class ProcessFigures: Sendable {
    struct Figures: Sendable {
        var residentBytes: Int64 = 0
        var virtualBytes: Int64 = 0
        var openDescriptors = 0
        var mostDescriptors: UInt64 = 0
        var processorMilliseconds: Int64 = 0
        /// With what waits in its write-ahead log.
        var databaseBytes: [(name: String, bytes: Int64)] = []
    }

    /// ms since 1970-01-01 UTC.
    let startedMilliseconds: Int64
    private let databases: [(name: String, path: String)]
    private let figures = Mutex(Figures())

    init(_ directory: SiteDirectory, now: Int64) {
        startedMilliseconds = now
        databases = [
            ("intake", directory.intakeDatabase), ("site", directory.siteDatabase),
            ("changes", directory.changeDatabase), ("enrolment", directory.enrolmentDatabase),
            ("alerts", directory.alertDatabase),
        ]
    }

    var current: Figures { figures.withLock { $0 } }

    /// What cannot be seen is 0.
    func look() {
        var seen = Figures()
        let pages = (try? FileSystem.read("/proc/self/statm", limit: 4096))
            .map { String(decoding: $0, as: UTF8.self).split(separator: " ").map { Int64($0) ?? 0 } }
        if let pages, pages.count > 1 {
            let size = Int64(sysconf(Int32(_SC_PAGESIZE)))
            (seen.virtualBytes, seen.residentBytes) = (pages[0] * size, pages[1] * size)
        }
        seen.openDescriptors = (try? FileSystem.list("/proc/self/fd").count) ?? 0
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            seen.mostDescriptors = UInt64(limit.rlim_cur)
        }
        var usage = rusage()
        if getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
            for time in [usage.ru_utime, usage.ru_stime] {
                seen.processorMilliseconds += Int64(time.tv_sec) * 1000 + Int64(time.tv_usec) / 1000
            }
        }
        seen.databaseBytes = databases.map { name, path in
            let sizes = [path, path + "-wal"].map { (try? FileSystem.statusIfPresent($0))?.size ?? 0 }
            return (name, sizes[0] + sizes[1])
        }
        figures.withLock { $0 = seen }
    }
}
