import Admission
import Posix
import Storage
import TestSupport
import Testing

@testable import LaneDaemon

@Suite("A lane that hangs") struct LaneProgressTests {
    @Test("hangs when one turn takes longer than any that works, and says where, until the turn is over")
    func hang() throws {
        let progress = LaneProgress()
        let later = { (milliseconds: Int64) in MonotonicTime.now().advanced(byMilliseconds: milliseconds) }
        #expect(progress.hang(at: later(1_000_000)) == nil, "a lane that waits for people does not hang")
        progress.beginTurn()
        #expect(progress.hang() == nil)
        let anywhere = try #require(progress.hang(at: later(10_000)))
        #expect(!anywhere.isInJournal && anywhere.text("/var/lib/lanekeeper/north-07").contains("probably in the disk"))
        progress.beginRecord()
        let inJournal = try #require(progress.hang(at: later(10_000)))
        #expect(inJournal.isInJournal && inJournal.milliseconds >= 9999)
        #expect(inJournal.text("/var/lib/lanekeeper/north-07").contains("north-07 does not take a record"))
        progress.endRecord()
        progress.endTurn()
        #expect(progress.hang(at: later(1_000_000)) == nil)
    }

    @Test("an order is kept, another takes its place, and one that cannot be kept is told with the reason")
    func orders() throws {
        let folder = try TemporaryDirectory()
        let directory = LaneDirectory(folder.file("state"))
        let keeper = OrderKeeper(directory)
        func order(_ mode: OrderedMode) -> StandingOrder {
            StandingOrder(
                mode: mode, minutes: 0, user: 1000, remark: Remark("broken bar"), givenAt: WallTime(milliseconds: 7))
        }
        #expect(try #require(keeper.keep(order(.locked))).contains(directory.path), "there is no such folder")
        try directory.prepareForDaemon()
        #expect(keeper.keep(order(.locked)) == nil)
        #expect(OrderFile.read(in: directory) == order(.locked))
        #expect(keeper.keep(order(.heldOpen)) == nil)
        #expect(OrderFile.read(in: directory) == order(.heldOpen))
        #expect(keeper.keep(nil) == nil)
        #expect(OrderFile.read(in: directory) == nil)
    }

    @Test("the uplink's user is found once he has a folder, and nobody while this program's user owns it")
    func uplinkUser() throws {
        let folder = try TemporaryDirectory()
        let directory = LaneDirectory(folder.file("state"))
        let user = UplinkUser(directory)
        #expect(user.find() == [])
        try directory.prepareForDaemon()
        try FileSystem.makeDirectories(directory.uplink, mode: 0o750)
        #expect(user.find() == [])
    }
}
