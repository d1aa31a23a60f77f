import Admission
import Framing
import Posix
import Storage
import TestSupport
import Testing

@testable import Collector

/// A collector whose `changes.sqlite` comes back from a backup.
private final class Place {
    let bench: ServiceBench
    private var backup: [UInt8] = []
    static let holders = ["a", "b", "c"]

    init() throws {
        bench = try ServiceBench()
        _ = try bench.publish(Self.holders)
        bench.service.refresh()
    }

    func change(_ holder: String, to vaccine: VaccineState) throws -> ChangeStore.Published {
        let store = try ChangeStore(bench.data)
        let number = try #require(try store.holder(holder))
        let published = try store.publish([HolderChange(number, vaccine: vaccine)], now: SystemClock.wallMilliseconds())
        bench.service.refresh()
        return published
    }

    /// With the collector stopped: SQLite writes its log into the file when the last connection closes.
    func stopped(_ body: () throws -> Void) throws {
        bench.service.stop()
        let database = try Database(bench.data.changeDatabase, .readWrite)
        try database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try body()
        try bench.restart()
        bench.service.refresh()
    }

    func save() throws {
        try stopped { backup = try FileSystem.read(bench.data.changeDatabase, limit: 1 << 24) }
    }

    func restore(published: Bool) throws {
        try stopped {
            for suffix in ["-wal", "-shm"] { try FileSystem.unlinkIfPresent(bench.data.changeDatabase + suffix) }
            try FileSystem.replace(bench.data.changeDatabase, with: backup, mode: 0o640)
            let lists = "\(bench.data.published)/v1/lists"
            if !published { for name in try FileSystem.list(lists) { try FileSystem.unlink("\(lists)/\(name)") } }
        }
    }

    var statement: Statement { get throws { try Statement.parse(try bench.get("/v1/statement").body).statement } }

    func vaccine(_ index: Int) throws -> VaccineState? {
        let store = try ChangeStore(bench.data)
        try store.layOnImage(now: SystemClock.wallMilliseconds())
        _ = try store.newest()
        let image = try #require(store.image)
        var overlay = ChangeOverlay(on: image.header)
        while let list = try store.cut(after: overlay.changeNumber) {
            overlay = try #require(ChangeOverlay(overlay, with: list))
        }
        let badge = try #require(BadgeKey(bytes: try bench.data.key(.badge, bench.data.badgeKeyFile).key))
        let identifier = try #require(Identifier(.chip, bytes: [1, 2, 0, UInt8(index)]))
        guard case .found(let credential) = BadgeTable(image: image, overlay: overlay).lookup(badge.tag(of: identifier))
        else { return nil }
        return credential.vaccine
    }
}

@Suite("An older changes.sqlite", .serialized)
struct ChangeRecoveryTests {
    @Test("what was published since the backup is read back, number by number, and stands on the next image")
    func takenBack() throws {
        let place = try Place()
        _ = try place.change("a", to: .partial)
        try place.save()
        _ = try place.change("b", to: .partial)
        _ = try place.change("a", to: VaccineState.none)
        let before = try place.statement
        try place.restore(published: true)
        let after = try place.statement
        #expect(after.changeNumber == before.changeNumber && after.changes?.chain == before.changes?.chain)
        #expect(try place.vaccine(0) == VaccineState.none && place.vaccine(1) == .partial)
        #expect(try place.change("c", to: .partial).first == before.changeNumber + 1)
        _ = try place.bench.publish(Place.holders)
        place.bench.service.refresh()
        #expect(
            try place.vaccine(0) == VaccineState.none && place.vaccine(1) == .partial && place.vaccine(2) == .partial)
    }

    @Test("what was changed and changed back before the backup came stays as it was at last")
    func takenBackTwice() throws {
        let place = try Place()
        _ = try place.change("a", to: .partial)
        try place.save()
        _ = try place.change("a", to: .full)
        try place.restore(published: true)
        #expect(try place.vaccine(0) == .full)
        _ = try place.bench.publish(Place.holders)
        place.bench.service.refresh()
        #expect(try place.vaccine(0) == .full)
    }

    @Test("a feed that comes after a leap goes on above it, and nobody is ahead any more", arguments: [true, false])
    func leapsOnce(isKept: Bool) throws {
        let place = try Place()
        _ = try place.change("a", to: .partial)
        try place.save()
        _ = try place.change("b", to: .partial)
        try place.restore(published: false)
        #expect(try place.bench.get("/v1/changes?after=2").status == 410)
        place.bench.service.refresh()
        #expect(try place.statement.changeNumber == 2 + NumberLeap.margin)
        if !isKept {
            try place.stopped {
                for suffix in ["", "-wal", "-shm"] {
                    try FileSystem.unlinkIfPresent(place.bench.data.changeDatabase + suffix)
                }
            }
        }
        _ = try place.bench.publish(Place.holders)
        place.bench.service.refresh()
        let statement = try place.statement
        #expect(statement.imageVersion == 3 && statement.changeNumber == 2 + NumberLeap.margin)
        let file = try PublishedImageFile(
            place.bench.data.imageFile(version: 3), digest: statement.imageHeaderDigest)
        #expect(file.header.changeNumber == 2 + NumberLeap.margin)
        #expect(try place.change("c", to: .partial).first == 3 + NumberLeap.margin)
    }

    @Test("lists that are damaged or missing are not taken back, and what comes before them is")
    func damaged() throws {
        let place = try Place()
        try place.save()
        for holder in Place.holders { _ = try place.change(holder, to: .partial) }
        let lists = try #require(try place.statement.changes?.lists)
        try #require(lists.map(\.last) == [1, 2, 3])
        let path = PublishedDirectory(place.bench.data).file(.lists, lists[1].digestHex)
        var bytes = try FileSystem.read(path, limit: 1 << 20)
        bytes[90] ^= 1
        try FileSystem.replace(path, with: bytes, mode: 0o640)
        try place.restore(published: true)
        #expect(try place.statement.changeNumber == 1)
        #expect(try place.vaccine(0) == .partial && place.vaccine(1) == .full)
    }

    @Test("a lane that is ahead of all that is known makes the collector go on above its number, with a new image")
    func leaps() throws {
        let place = try Place()
        _ = try place.change("a", to: .partial)
        try place.save()
        _ = try place.change("b", to: .partial)
        try place.restore(published: false)
        #expect(try place.statement.changeNumber == 1)
        // The lane was there when change 2 was made.
        #expect(try place.bench.get("/v1/changes?after=2").status == 410)
        place.bench.service.refresh()
        let statement = try place.statement
        #expect(statement.imageVersion == 2 && statement.changeNumber == 2 + NumberLeap.margin)
        let file = try PublishedImageFile(
            place.bench.data.imageFile(version: 2), digest: statement.imageHeaderDigest)
        #expect(file.header.changeNumber == 2 + NumberLeap.margin)
        #expect(try place.vaccine(0) == .partial && place.vaccine(1) == .full)
        #expect(try place.change("b", to: .partial).first == 3 + NumberLeap.margin)
        #expect(try place.vaccine(1) == .partial)
        let audit = try AuditTrail.lines(place.bench.data, count: 10)
        #expect(audit.count == 1 && audit[0].contains("a lane has change 2, the newest here was 1"), "\(audit)")
        // Within ten minutes nobody makes it leap again, and what is beyond belief never does.
        #expect(try place.bench.get("/v1/changes?after=9000").status == 410)
        place.bench.service.refresh()
        #expect(try place.statement.imageVersion == 2)
        try place.bench.restart()
        #expect(try place.bench.get("/v1/changes?after=\(Int64.max)").status == 410)
        place.bench.service.refresh()
        #expect(try place.statement.imageVersion == 2)
    }
}
