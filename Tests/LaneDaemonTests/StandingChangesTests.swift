import Admission
import Cryptography
import Framing
import Glibc
import Posix
import Storage
import TestSupport
import Testing

@testable import LaneDaemon

/// A lane directory, the site's secret, and images and lists made with it. Chips are single numbers.
private struct Site {
    let folder: TemporaryDirectory
    let directory: LaneDirectory
    let key: Ed25519.SigningKey
    let badgeKey: BadgeKey
    let trust: SiteTrust
    let id = SiteID(low: 1, high: 2)

    init() throws {
        SignalWatch.ignoreBrokenPipe()
        folder = try TemporaryDirectory()
        directory = LaneDirectory(folder.file("lane"))
        try directory.prepareForDaemon()
        try directory.prepareForUplink()
        key = try Ed25519.SigningKey.generate()
        badgeKey = try #require(BadgeKey(bytes: [UInt8](repeating: 7, count: 16)))
        trust = try SiteTrust(site: id, publicKey: key.publicKey, badgeKeyFingerprint: badgeKey.fingerprint)
    }

    func tag(_ chip: UInt8) throws -> BadgeTag {
        badgeKey.tag(of: try #require(Identifier(.chip, bytes: [1, 2, 3, chip])))
    }

    private func credential(_ chip: UInt8, _ code: HealthCode) -> Credential {
        Credential(
            holder: HolderNumber(UInt32(chip)), kind: .staff, vaccine: .full, healthCode: code, assessedAtSeconds: 1,
            test: .negative, sampledAtSeconds: 1, activation: .activated, zones: 0, validFromSeconds: nil,
            validUntilSeconds: nil)
    }

    /// Chips 1 to 9, all green; change numbers up to `change` are in it. Written where the uplink puts it.
    @discardableResult
    func image(_ version: UInt64, change: UInt64 = 0) throws -> String {
        var builder = try ImageBuilder(identifiers: 9, validityBaseSeconds: 0, zones: [])
        for chip: UInt8 in 1...9 { try builder.add(try tag(chip), credential(chip, .green)) }
        let path = directory.incomingImage(version: version)
        _ = try builder.write(
            to: path,
            title: ImageBuilder.Title(
                site: id, version: version, changeNumber: change, issuedAt: WallTime(milliseconds: 1000), holders: 9,
                badgeKeyFingerprint: badgeKey.fingerprint), signingWith: key)
        return path
    }

    func installed(_ version: UInt64, change: UInt64 = 0) throws -> CredentialImage {
        try ImageInstaller(directory, trusting: trust).install(
            from: try image(version, change: change), newerThan: 0, at: moment)
    }

    var moment: Moment {
        Moment(monotonic: .now(), wall: WallTime(milliseconds: 2_000_000), clock: .trusted)
    }

    func list(
        _ first: UInt64, _ chips: [UInt8], site: SiteID? = nil, fingerprint: UInt64? = nil, issuedAt: Int64 = 2_000_000,
        signedBy other: Ed25519.SigningKey? = nil
    ) throws -> [UInt8] {
        let list = ChangeList(
            site: site ?? id, first: first, issuedAt: WallTime(milliseconds: issuedAt), validityBaseSeconds: 0,
            badgeKeyFingerprint: fingerprint ?? badgeKey.fingerprint, zones: [], zoneSets: [0],
            changes: try chips.map { chip in
                try #require(
                    ImageSlot(
                        tag: try tag(chip), credential: credential(chip, .red), zoneSet: 0, validityBaseSeconds: 0))
            })
        return list.signedPart + (try (other ?? key).sign(list.signedPart))
    }

    @discardableResult
    func bring(_ bytes: [UInt8], _ first: UInt64, _ last: UInt64) throws -> String {
        let path = directory.incomingChanges(first: first, last: last)
        try FileSystem.replace(path, with: bytes, mode: 0o640)
        return path
    }

    func bring(_ first: UInt64, _ chips: [UInt8]) throws {
        try bring(try list(first, chips), first, first + UInt64(chips.count) - 1)
    }

    func reds(_ overlay: ChangeOverlay?) throws -> [UInt8] {
        try (1...9).filter { chip in
            if case .found(let credential)? = overlay?.lookup(try tag(chip)) {
                credential.healthCode == .red
            } else {
                false
            }
        }
    }
}

@Suite struct StandingChangesTests {
    @Test("lists that the uplink brought come into force in their order, and are there after a restart")
    func takesOver() throws {
        let site = try Site()
        let image = try site.installed(1)
        var changes = StandingChanges(site.directory, trusting: site.trust)
        try changes.lie(on: image)
        try site.bring(4, [5])
        try site.bring(1, [1, 2, 3])
        #expect(changes.takeIncoming(at: site.moment) == .changed)
        #expect(changes.overlay?.changeNumber == 4)
        #expect(try site.reds(changes.overlay) == [1, 2, 3, 5])
        #expect(changes.takeIncoming(at: site.moment) == .nothing)
        var again = StandingChanges(site.directory, trusting: site.trust)
        try again.lie(on: image)
        #expect(try site.reds(again.overlay) == [1, 2, 3, 5])
    }

    @Test(
        "an image takes in the changes up to its number, and newer ones stay", arguments: [0, 1, 2, 3, 9] as [UInt64])
    func folds(change: UInt64) throws {
        let site = try Site()
        var changes = StandingChanges(site.directory, trusting: site.trust)
        try changes.lie(on: try site.installed(1))
        for number: UInt64 in 1...3 { try site.bring(number, [UInt8(number)]) }
        #expect(changes.takeIncoming(at: site.moment) == .changed)
        let next = try site.installed(2, change: change)
        try changes.lie(on: next)
        #expect(changes.overlay?.changeNumber == max(3, change))
        let left = (1...3).filter { $0 > change }.map { UInt8($0) }
        #expect(try site.reds(changes.overlay) == left)
        #expect(try ChangeLog.open(site.directory, trusting: site.trust).lists.count == left.count)
        try site.bring(max(3, change) + 1, [8])
        #expect(changes.takeIncoming(at: site.moment) == .changed)
        var again = StandingChanges(site.directory, trusting: site.trust)
        try again.lie(on: next)
        #expect(try site.reds(again.overlay) == left + [8])
    }

    @Test("a log that begins behind a gap counts for nothing, and what is missing is taken anew")
    func olderImage() throws {
        let site = try Site()
        var changes = StandingChanges(site.directory, trusting: site.trust)
        try changes.lie(on: try site.installed(2, change: 5))
        try site.bring(6, [6])
        #expect(changes.takeIncoming(at: site.moment) == .changed)
        var again = StandingChanges(site.directory, trusting: site.trust)
        try again.lie(on: try site.installed(3, change: 2))
        #expect(again.overlay?.changeNumber == 2 && again.overlay?.identifiers == 0)
        try site.bring(3, [3, 4, 5])
        #expect(again.takeIncoming(at: site.moment) == .changed)
        // The sixth lies there, too, and now goes on where they end.
        #expect(again.overlay?.changeNumber == 6)
        #expect(try site.reds(again.overlay) == [3, 4, 5, 6])
    }

    enum Wrong: String, CaseIterable, Sendable {
        case foreign, otherSite, otherKey, replayed, gap, future, truncated, longer, rewritten, empty, directory, link,
            renumbered
    }

    @Test(
        "a list that is not right is refused and what is in force stays; the right one comes into force afterwards",
        arguments: Wrong.allCases)
    func refused(wrong: Wrong) throws {
        let site = try Site()
        var changes = StandingChanges(site.directory, trusting: site.trust)
        try changes.lie(on: try site.installed(1))
        try site.bring(1, [1])
        #expect(changes.takeIncoming(at: site.moment) == .changed)
        let before = try #require(changes.overlay)
        let good = try site.list(2, [2])
        let path = site.directory.incomingChanges(first: 2, last: 2)
        switch wrong {
        case .foreign: try site.bring(try site.list(2, [2], signedBy: try Ed25519.SigningKey.generate()), 2, 2)
        case .otherSite: try site.bring(try site.list(2, [2], site: SiteID(low: 8, high: 8)), 2, 2)
        case .otherKey: try site.bring(try site.list(2, [2], fingerprint: 8), 2, 2)
        case .replayed: try site.bring(try site.list(1, [3]), 2, 2)
        case .gap: try site.bring(try site.list(3, [2]), 2, 2)
        case .future: try site.bring(try site.list(2, [2], issuedAt: 2_000_000 + 300_001), 2, 2)
        case .truncated: try site.bring(Array(good.dropLast(9)), 2, 2)
        case .longer: try site.bring(good + good, 2, 2)
        case .rewritten: try site.bring(good.indices.map { $0 == 100 ? good[$0] ^ 4 : good[$0] }, 2, 2)
        case .empty: try site.bring([], 2, 2)
        case .directory: try FileSystem.makeDirectories(path)
        case .link: try #require(symlink("/etc/passwd", path) == 0)
        case .renumbered:
            // Signed for another place in the row of numbers.
            var renumbered = good
            renumbered[32] = 3
            try site.bring(renumbered, 2, 2)
        }
        for _ in 0..<2 { #expect(changes.takeIncoming(at: site.moment) == .nothing) }
        #expect(changes.overlay === before)
        var again = StandingChanges(site.directory, trusting: site.trust)
        try again.lie(on: try site.installed(2))
        #expect(try site.reds(again.overlay) == [1])
        if wrong == .directory { try #require(rmdir(path) == 0) } else { try FileSystem.unlink(path) }
        try site.bring(good, 2, 2)
        #expect(changes.takeIncoming(at: site.moment) == .changed)
        #expect(try site.reds(changes.overlay) == [1, 2])
    }

    @Test("changes that come before any image wait for it")
    func withoutImage() throws {
        let site = try Site()
        var changes = StandingChanges(site.directory, trusting: site.trust)
        try site.bring(1, [1])
        #expect(changes.takeIncoming(at: site.moment) == .nothing)
        try changes.lie(on: try site.installed(1))
        #expect(changes.takeIncoming(at: site.moment) == .changed)
    }

    @Test(
        "through the thread: a list is handed to the lane, on disk first, and applied says its number once it is used")
    func thread() throws {
        let site = try Site()
        let news = try Mailbox<CredentialNews>(name: "news", capacity: 1)
        let look = site.folder.file("look.sock")
        let thread = try CredentialThread(
            CredentialThread.Settings(directory: site.directory, lookSocket: look, trust: site.trust), news: news)
        let running = try thread.start()
        defer {
            thread.end()
            running.join()
        }
        var inForce: BadgeTable?
        func awaitChange(_ number: UInt64) throws {
            while inForce?.changeNumber != number {
                try #require(
                    try news.wakeUp.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: 60_000)))
                for case .table(let table) in news.takeAll() {
                    thread.retire(inForce, inForce: table)
                    inForce = table
                }
            }
        }
        try site.image(1)
        // Three in a row: the box holds one, and the lane gets the newest in the end.
        for number: UInt64 in 1...3 {
            try site.bring(number, [UInt8(number)])
            try UnixSocket.connect(look).writeAll(Array("look\n".utf8))
        }
        try awaitChange(3)
        #expect(try ChangeLog.open(site.directory, trusting: site.trust).lists.last?.last == 3)
        try site.bring(4, [4])
        try UnixSocket.connect(look).writeAll(Array("look\n".utf8))
        try awaitChange(4)
        #expect(try site.reds(inForce?.overlay) == [1, 2, 3, 4])
        try #require(try eventually { (try? AppliedFile.read(site.directory.applied))?.changeNumber == 4 })
    }
}
