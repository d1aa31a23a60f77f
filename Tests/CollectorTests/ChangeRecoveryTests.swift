import Admission
import Framing
import Glibc
import Posix
import Storage
import TestSupport
import Testing

@testable import Collector

/// A collector whose `changes.sqlite` comes back from a backup.
private final class Place {
    let bench: ServiceBench
    private let copy: String
    static let holders = ["a", "b", "c"]

    init() throws {
        bench = try ServiceBench()
        copy = bench.directory.file("copy.sqlite")
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

    /// Another feed, which says what the first one said.
    func bring() throws {
        _ = try bench.publish(Self.holders)
        bench.service.refresh()
    }

    func save() throws {
        let database = try Database(bench.data.changeDatabase, .readWrite)
        try database.execute("VACUUM INTO '\(copy)'")
    }

    /// `published`: whether `published/` still shows what was given; `meanwhile`: before the collector is back.
    func restore(published: Bool, meanwhile: () throws -> Void = {}) throws {
        try bench.restart(between: {
            try ServiceBench.restore(bench.data.changeDatabase, from: copy)
            if !published { try bench.forgetPublishedChanges() }
            try meanwhile()
        })
        bench.service.refresh()
    }

    /// A feed that takes all but one from the image is held: which image that is.
    func hold() throws -> UInt64 {
        let summary = try bench.publish([Self.holders[0]], mostLosingPercent: 5)
        guard case .held = summary.fate else { throw CollectorFailure("hold", "a feed", "it was published") }
        return summary.version
    }

    func lose() throws {
        try bench.restart(between: {
            for suffix in ["", "-wal", "-shm"] { try FileSystem.unlinkIfPresent(bench.data.changeDatabase + suffix) }
        })
        bench.service.refresh()
    }

    var statement: Statement { get throws { try Statement.parse(try bench.get("/v1/statement").body).statement } }

    var losses: [String] {
        get throws { try AuditTrail.lines(bench.data, count: 99).filter { $0.contains("\tchanges were lost\t") } }
    }

    /// What a lane says that has all that the statement names.
    func vaccine(_ index: Int) throws -> VaccineState? {
        let statement = try statement
        let badge = try #require(BadgeKey(bytes: try bench.data.key(.badge, bench.data.badgeKeyFile).key))
        let trust = try SiteTrust(
            site: bench.site, publicKey: try bench.data.key(.sitePublic, bench.data.publicKeyFile).key,
            badgeKeyFingerprint: badge.fingerprint)
        let image = try CredentialImage(
            bench.data.imageFile(version: statement.imageVersion), trusting: trust,
            at: Moment(
                monotonic: MonotonicTime(nanoseconds: 0), wall: WallTime(milliseconds: 0), clock: .behindFloor))
        var overlay = ChangeOverlay(on: image.header)
        for named in statement.changes?.lists ?? [] {
            let list = try ChangeList.verified(try bench.get("/v1/lists/\(named.digestHex)").body, trusting: trust)
            overlay = try #require(ChangeOverlay(overlay, with: list))
        }
        try #require(overlay.changeNumber == statement.changeNumber)
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
        try place.bring()
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
        try place.bring()
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
        if !isKept { try place.lose() }
        try place.bring()
        let statement = try place.statement
        #expect(statement.imageVersion == 3 && statement.changeNumber == 2 + NumberLeap.margin)
        let file = try PublishedImageFile(
            place.bench.data.imageFile(version: 3), digest: statement.imageHeaderDigest)
        #expect(file.header.changeNumber == 2 + NumberLeap.margin)
        #expect(try place.change("c", to: .partial).first == 3 + NumberLeap.margin)
    }

    /// Changes 1 to 3 are published, each in a list of its own, and the second of those is no use any more.
    private func broken(_ how: String) throws -> (place: Place, breaking: () throws -> Void) {
        let place = try Place()
        try place.save()
        for holder in Place.holders { _ = try place.change(holder, to: .partial) }
        let lists = try #require(try place.statement.changes?.lists)
        try #require(lists.map(\.last) == [1, 2, 3])
        let directory = PublishedDirectory(place.bench.data)
        let path = directory.file(.lists, lists[1].digestHex)
        return (
            place,
            {
                switch how {
                case "damaged":
                    var bytes = try FileSystem.read(path, limit: 1 << 20)
                    bytes[90] ^= 1
                    try FileSystem.replace(path, with: bytes, mode: 0o640)
                case "missing": try FileSystem.unlink(path)
                default: for name in try directory.listNames() { try directory.remove(list: name) }
                }
            }
        )
    }

    @Test(
        "what comes behind a list that is damaged or missing is lost, and its numbers are given to nobody else",
        arguments: [("damaged", 1), ("missing", 1), ("all missing", 0)])
    func damaged(how: String, back: UInt64) throws {
        let (place, breaking) = try broken(how)
        try place.restore(published: true, meanwhile: breaking)
        let above = 3 + NumberLeap.margin
        #expect(try place.statement.imageVersion == 2 && place.statement.changeNumber == above)
        #expect(try place.vaccine(0) == (back > 0 ? .partial : .full))
        #expect(try place.vaccine(1) == .full && place.vaccine(2) == .full)
        #expect(try place.losses.count == 1)
        #expect(try place.losses.first?.contains("published/ shows change 3, the newest here was \(back)") == true)
        #expect(try place.change("b", to: .partial).first == above + 1)
        #expect(try place.vaccine(1) == .partial)
        try place.bench.restart()
        #expect(try place.statement.imageVersion == 2 && place.losses.count == 1)
    }

    @Test("without `serve`, too, no number is given twice: a file of changes goes above, a store alone gives none")
    func damagedOffline() throws {
        let (place, breaking) = try broken("damaged")
        try place.restore(published: true) {
            try breaking()
            let store = try ChangeStore(place.bench.data)
            let change = HolderChange(try #require(try store.holder("b")), vaccine: VaccineState.none)
            #expect {
                try store.publish([change], now: SystemClock.wallMilliseconds())
            } throws: {
                guard case .behind(newest: 1, reached: 3)? = $0 as? ChangeStore.Refusal else { return false }
                return true
            }
            let file = place.bench.directory.file("changes.csv")
            try FileSystem.replace(file, with: Array("holder,vaccine\nb,none\n".utf8), mode: 0o600)
            let said = try ChangeFile(data: place.bench.data, file: file).run { Issue.record("\($0)") }
            #expect(said.published.first == 4 + NumberLeap.margin && said.published.count == 1)
        }
        #expect(try place.vaccine(0) == .partial && place.vaccine(1) == VaccineState.none && place.losses.count == 1)
    }

    @Test("lists that cannot be listed are not taken for none")
    func unreadable() throws {
        let place = try Place()
        _ = try place.change("a", to: .partial)
        let lists = "\(place.bench.data.published)/v1/lists"
        try FileSystem.rename(lists, to: lists + "2")
        #expect(symlink("lists", lists) == 0)
        #expect(throws: CollectorFailure.self) { try ChangeStore(place.bench.data) }
    }

    @Test("a change that a lane has before any statement names it is read back")
    func beforeTheStatement() throws {
        let place = try Place()
        try place.save()
        let store = try ChangeStore(place.bench.data)
        let b = try #require(try store.holder("b"))
        _ = try store.publish([HolderChange(b, vaccine: .partial)], now: SystemClock.wallMilliseconds())
        #expect(try place.bench.get("/v1/changes?after=0").status == 200)
        try place.restore(published: true)
        #expect(try place.statement.imageVersion == 1 && place.statement.changeNumber == 1)
        #expect(try place.vaccine(1) == .partial && place.losses.isEmpty)
    }

    @Test(
        "changes that only the image has are said to be lost, once, before a feed takes them back",
        arguments: ["serve", "import"])
    func onlyInTheImage(who: String) throws {
        let place = try Place()
        _ = try place.change("a", to: .partial)
        try place.save()
        _ = try place.change("b", to: .partial)
        _ = try place.change("c", to: .partial)
        try place.bring()
        try place.restore(published: false) {
            if who == "import" { _ = try place.bench.publish(Place.holders) }
        }
        #expect(try place.losses.count == 1)
        #expect(
            try place.losses.first?.contains(
                "changes 2 to 3 stand in image 2 and not in changes.sqlite, which is older than that") == true)
        // Numbers go on.
        #expect(try place.statement.changeNumber == 3)
        #expect(try place.vaccine(0) == .partial)
        if who == "serve" { #expect(try place.vaccine(1) == .partial) }
        try place.bench.restart()
        try place.bring()
        #expect(try place.losses.count == 1 && place.vaccine(0) == .partial && place.vaccine(1) == .full)
    }

    @Test(
        "changes that only the image has are said to be lost, too, when lists behind it hide that their place is empty")
    func holeBelowLists() throws {
        let place = try Place()
        _ = try place.change("a", to: .partial)
        try place.save()
        _ = try place.change("b", to: .partial)
        _ = try place.change("c", to: .partial)
        try place.bring()
        // Only what lies on the image in force stays there for long.
        let directory = PublishedDirectory(place.bench.data)
        for name in try directory.listNames() { try directory.remove(list: name) }
        _ = try place.change("a", to: VaccineState.none)
        try place.restore(published: true)
        #expect(try place.statement.imageVersion == 2 && place.statement.changeNumber == 4)
        #expect(try place.losses.count == 1)
        #expect(
            try place.losses.first?.contains(
                "changes 2 to 3 stand in image 2 and not in changes.sqlite, which is older than that") == true)
        #expect(try place.vaccine(0) == VaccineState.none && place.vaccine(1) == .partial)
        try place.bench.restart()
        try place.bring()
        #expect(try place.losses.count == 1, "said once")
        #expect(try place.vaccine(0) == VaccineState.none && place.vaccine(1) == .full)
    }

    @Test("what was said to be lost is not said again when the note of it is old")
    func oldNote() throws {
        let place = try Place()
        let store = try ChangeStore(place.bench.data)
        let longAgo = SystemClock.wallMilliseconds() - 40 * 86_400_000
        try store.transaction { try store.noteLoss(2...5, now: longAgo) }
        try place.bring()
        #expect(try store.missing(folded: 5) == nil)
        #expect(try store.missing(folded: 6) == 1...6)
    }

    @Test(
        "a held image comes into force while all changes behind it are here, and not after numbers went above them",
        arguments: [false, true])
    func heldImage(isRestored: Bool) throws {
        let place = try Place()
        _ = try place.change("a", to: .partial)
        let held = try place.hold()
        try place.save()
        _ = try place.change("a", to: VaccineState.none)
        let office = try ImageOffice(place.bench.data)
        guard isRestored else {
            #expect(try office.publish(held, by: "alice") == held)
            place.bench.service.refresh()
            // The image says `partial`, by the first change, which is no news of the feed.
            #expect(try place.statement.imageVersion == held && place.vaccine(0) == VaccineState.none)
            return
        }
        try place.restore(published: false)
        #expect(try place.bench.get("/v1/changes?after=2").status == 410)
        place.bench.service.refresh()
        for next in 1...2 as ClosedRange<UInt64> {
            #expect(throws: CollectorFailure.self) { try office.publish(held, by: "alice") }
            #expect(try place.change("c", to: next == 1 ? .partial : .full).first == 2 + NumberLeap.margin + next)
        }
        #expect(try place.statement.imageVersion == held + 1 && place.vaccine(2) == .full)
    }

    @Test("what a collector without any image cannot go above it goes above as soon as there is one")
    func firstImageLater() throws {
        let place = try Place()
        for holder in Place.holders { _ = try place.change(holder, to: .partial) }
        let directory = PublishedDirectory(place.bench.data)
        try place.bench.restart(between: {
            for suffix in ["", "-wal", "-shm"] {
                try FileSystem.unlinkIfPresent(place.bench.data.changeDatabase + suffix)
            }
            try Database(place.bench.data.siteDatabase, .readWrite).execute("DELETE FROM image")
            for name in try directory.listNames() { try directory.remove(list: name) }
        })
        place.bench.service.refresh()
        #expect(try place.bench.get("/v1/statement").status != 200)
        try place.bring()
        #expect(try place.statement.changeNumber == 3 + NumberLeap.margin)
        #expect(try place.change("b", to: .partial).first == 4 + NumberLeap.margin)
        #expect(try place.vaccine(1) == .partial && place.losses.count == 1)
    }

    @Test("a change that comes while the image of a leap is written keeps the image out of force, and is in the next")
    func changedMeanwhile() throws {
        let place = try Place()
        let store = try ChangeStore(place.bench.data)
        let database = try place.bench.data.openSite().database
        let register = ImageRegister(database)
        let leap = NumberLeap(directory: place.bench.data, database: database)
        func made() throws -> (image: ImageRegister.Image, folded: UInt64) {
            try ImageRevision(
                place.bench.data, of: #require(try register.inForce()), as: register.nextVersion(place.bench.data)
            )
            .writeFolded(publishedAt: SystemClock.wallMilliseconds(), changeNumber: 2000)
        }
        func entered(_ made: (image: ImageRegister.Image, folded: UInt64)) throws -> Bool {
            try leap.enter(
                made.image, ifStill: made.folded, lost: 2...2000, store, by: "test", saying: "a lane has change 1000",
                now: SystemClock.wallMilliseconds())
        }
        let early = try made()
        _ = try place.change("b", to: .partial)
        #expect(try !entered(early))
        #expect(try register.inForce()?.version == 1 && place.losses.isEmpty)
        #expect(try entered(made()))
        place.bench.service.refresh()
        #expect(try place.statement.imageVersion == 2 && place.statement.changeNumber == 2000)
        #expect(try place.vaccine(1) == .partial)
    }

    @Test("a lane that says what cannot be hides none that is ahead")
    func lyingLane() throws {
        let place = try Place()
        for number in [Int64.max, 2, Int64.max] {
            #expect(try place.bench.get("/v1/changes?after=\(number)").status == 410)
        }
        place.bench.service.refresh()
        #expect(try place.statement.changeNumber == 2 + NumberLeap.margin)
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
