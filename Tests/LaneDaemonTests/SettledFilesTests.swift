import Admission
import Posix
import TestSupport
import Testing

@testable import LaneDaemon

@Suite("Files that were refused") struct SettledFilesTests {
    private let folder: TemporaryDirectory
    private let path: String

    init() throws {
        folder = try TemporaryDirectory()
        path = folder.file("image")
        try FileSystem.replace(path, with: [1, 2, 3], mode: 0o640)
    }

    private func reading(
        _ seconds: Int64, wallError: Int64 = 0, _ trust: ClockTrust = .trusted, isSure: Bool = false
    ) -> ClockReading {
        ClockReading(
            moment: Moment(
                monotonic: MonotonicTime(milliseconds: UInt64(1_000_000 + seconds * 1000)),
                wall: WallTime(milliseconds: 1_800_000_000_000 + seconds * 1000 + wallError), clock: trust),
            isSure: isSure)
    }

    @Test("what will not be right by itself is looked at again when it has changed")
    func changed() throws {
        var settled = SettledFiles()
        let status = try FileSystem.status(path)
        #expect(!settled.has(path, status, at: reading(0)))
        let isNews = settled.settle(path, status, "foreign", .whenItChanges, at: reading(0))
        #expect(isNews)
        #expect(settled.has(path, status, at: reading(1_000_000, wallError: 1 << 40, .stepped, isSure: true)))
        #expect(settled.nextLook(after: 0) == .max)
        try FileSystem.replace(path, with: [1, 2, 3, 4], mode: 0o640)
        #expect(!settled.has(path, try FileSystem.status(path), at: reading(1)))
    }

    @Test("what a disk may have done is looked at again after its time, said once, and wakes nobody before or again")
    func later() throws {
        var settled = SettledFiles()
        let status = try FileSystem.status(path)
        let first = settled.settle(path, status, "damaged", .after(milliseconds: 60_000), at: reading(0))
        #expect(first)
        let due = reading(60).moment.monotonic.nanoseconds
        #expect(settled.has(path, status, at: reading(59)))
        #expect(settled.nextLook(after: reading(59).moment.monotonic.nanoseconds) == due)
        #expect(!settled.has(path, status, at: reading(60)))
        #expect(settled.nextLook(after: due) == .max)
        let again = settled.settle(path, status, "damaged", .after(milliseconds: 60_000), at: reading(60))
        #expect(!again)
        #expect(settled.has(path, status, at: reading(61)))
        let other = settled.settle(path, status, "foreign", .whenItChanges, at: reading(120))
        #expect(other)
    }

    @Test(
        "a date is judged again when its time has come, or by another clock at once",
        arguments: [
            (59, 0, ClockTrust.trusted, false, true), (60, 0, .trusted, false, false),
            (1, 2000, .trusted, false, true), (1, 2001, .trusted, false, false), (1, -2001, .trusted, false, false),
            (1, 0, .behindFloor, false, false), (1, 0, .trusted, true, false),
        ] as [(Int64, Int64, ClockTrust, Bool, Bool)])
    func date(seconds: Int64, error: Int64, trust: ClockTrust, isSure: Bool, isSettled: Bool) throws {
        var settled = SettledFiles()
        let status = try FileSystem.status(path)
        _ = settled.settle(path, status, "in the future", .byTheClock(milliseconds: 60_000), at: reading(0))
        let now = reading(seconds, wallError: error, trust, isSure: isSure)
        #expect(settled.has(path, status, at: now) == isSettled)
    }
}
