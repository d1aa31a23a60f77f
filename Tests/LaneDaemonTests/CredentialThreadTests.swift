import Admission
import Cryptography
import Framing
import Posix
import Storage
import TestSupport
import Testing

@testable import LaneDaemon

/// A lane directory with a credential thread on it, and the site's secret to sign with.
private final class Bench {
    let directory: LaneDirectory
    let key: Ed25519.SigningKey
    let site = SiteID(low: 1, high: 2)
    let badgeKey: BadgeKey
    let news: Mailbox<CredentialNews>
    let thread: CredentialThread
    private let folder: TemporaryDirectory
    private var running: NamedThread?
    let look: String

    init(secondLookMilliseconds: Int64 = 60_000) throws {
        SignalWatch.ignoreBrokenPipe()
        folder = try TemporaryDirectory()
        directory = LaneDirectory(folder.file("lane"))
        try directory.prepareForDaemon()
        try directory.prepareForUplink()
        look = folder.file("look.sock")
        key = try Ed25519.SigningKey.generate()
        badgeKey = try #require(BadgeKey(bytes: [UInt8](repeating: 7, count: 16)))
        news = try Mailbox(name: "news", capacity: 8)
        thread = try CredentialThread(
            CredentialThread.Settings(
                directory: directory, lookSocket: look,
                trust: try SiteTrust(
                    site: site, publicKey: key.publicKey, badgeKeyFingerprint: badgeKey.fingerprint),
                secondLookMilliseconds: secondLookMilliseconds), news: news)
    }

    func start() throws { running = try thread.start() }

    /// Retires a table as the lane does, which then has nothing of it any more. Its image, for as long as anybody has it.
    func retireTable() throws -> () -> CredentialImage? {
        try image(1)
        let trust = try SiteTrust(site: site, publicKey: key.publicKey, badgeKeyFingerprint: badgeKey.fingerprint)
        let moment = Moment(monotonic: .now(), wall: WallTime(milliseconds: 2_000_000), clock: .trusted)
        let image = try CredentialImage(directory.incomingImage(version: 1), trusting: trust, at: moment)
        let table = BadgeTable(image: image, overlay: ChangeOverlay(on: image.header))
        var old: BadgeTable? = table
        thread.retire(&old, inForce: table)
        #expect(old == nil)
        return { [weak image] in image }
    }

    func stop() {
        thread.end()
        running?.join()
    }

    func say(_ word: String) throws {
        try UnixSocket.connect(look).writeAll(Array(word.utf8))
    }

    func image(_ version: UInt64, issuedAt: Int64 = 1000, signedBy other: Ed25519.SigningKey? = nil) throws {
        var builder = try ImageBuilder(identifiers: 1, validityBaseSeconds: 0, zones: [])
        let identifier = try #require(Identifier(.chip, bytes: [1, 2, 3, 4, UInt8(version)]))
        try builder.add(
            badgeKey.tag(of: identifier),
            Credential(
                holder: HolderNumber(1), kind: .staff, vaccine: .full, healthCode: .green, assessedAtSeconds: 1,
                test: .negative, sampledAtSeconds: 1, activation: .activated, zones: 0, validFromSeconds: nil,
                validUntilSeconds: nil))
        _ = try builder.write(
            to: directory.incomingImage(version: version),
            title: ImageBuilder.Title(
                site: site, version: version, changeNumber: 0, issuedAt: WallTime(milliseconds: issuedAt), holders: 1,
                badgeKeyFingerprint: badgeKey.fingerprint), signingWith: other ?? key)
    }

    func statement(_ version: UInt64, asOf: Int64, signedBy other: Ed25519.SigningKey? = nil) throws {
        let statement = Statement(
            site: site, imageVersion: version, changeNumber: 0, asOf: WallTime(milliseconds: asOf),
            imageHeaderDigest: [UInt8](repeating: 0, count: 32))
        let bytes = statement.signedPart + (try (other ?? key).sign(statement.signedPart))
        try FileSystem.replace(directory.statement, with: bytes, mode: 0o640)
    }

    /// The names of what is refused, the newest refusal first.
    var refused: [String] { thread.refusedFiles.all.map(\.file) }

    /// The next letters; fails after 60 s.
    func next() throws -> [CredentialNews] {
        try #require(
            try news.wakeUp.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: 60_000)),
            "no news in 60 s")
        return news.takeAll()
    }
}

private func versions(_ news: [CredentialNews]) -> [UInt64] {
    news.compactMap { if case .table(let table) = $0 { table.image.version } else { nil } }
}

private func instants(_ news: [CredentialNews]) -> [Int64] {
    news.compactMap { if case .statement(let statement, _) = $0 { statement.asOf.milliseconds } else { nil } }
}

@Suite struct CredentialThreadTests {
    @Test("an image that the uplink brought is taken over at the word look, and applied says so once the lane uses it")
    func takesOver() throws {
        let bench = try Bench()
        try bench.start()
        try bench.image(3)
        try bench.say("look\n")
        let news = try bench.next()
        #expect(versions(news) == [3])
        guard case .table(let table)? = news.first else { return }
        #expect(try AppliedFile.read(bench.directory.applied) == nil)
        var none: BadgeTable?
        bench.thread.retire(&none, inForce: table)
        try bench.image(4)
        try bench.say("look\n")
        #expect(versions(try bench.next()) == [4])
        #expect(try AppliedFile.read(bench.directory.applied)?.imageVersion == 3)
        bench.stop()
    }

    @Test("a table that the lane gave away is let go of by this thread, which is the last to have it")
    func letGoOf() throws {
        let bench = try Bench()
        let image = try bench.retireTable()
        #expect(image() != nil)
        try bench.start()
        defer { bench.stop() }
        #expect(try eventually { image() == nil })
    }

    @Test("what another key signed, an older image and an older statement change nothing")
    func refuses() throws {
        let bench = try Bench()
        try bench.image(5)
        try bench.statement(5, asOf: 10_000)
        try bench.start()
        defer { bench.stop() }
        var seen: [CredentialNews] = []
        while versions(seen).isEmpty || instants(seen).isEmpty { seen += try bench.next() }
        let stranger = try Ed25519.SigningKey.generate()
        // Each is looked at for certain: what is refused is told, and the look after it has ended when the next statement
        // is here.
        try bench.image(9, signedBy: stranger)
        try bench.say("look\n")
        try #require(try eventually { bench.refused == [LaneDirectory.incomingImageName(version: 9)] })
        try bench.statement(9, asOf: 99_000, signedBy: stranger)
        try bench.say("look\n")
        try #require(try eventually { bench.refused.contains("statement") })
        try FileSystem.unlink(bench.directory.incomingImage(version: 9))
        try bench.image(4)
        try bench.statement(5, asOf: 9_000)
        try bench.say("look\n")
        // It is whole, so it is no refused one any more, but no news either.
        try #require(try eventually { bench.refused.isEmpty })
        #expect(bench.news.takeAll().isEmpty)
        try bench.image(6)
        try bench.statement(6, asOf: 20_000)
        try bench.say("look\n")
        seen = []
        while versions(seen).isEmpty || instants(seen).isEmpty { seen += try bench.next() }
        #expect(versions(seen) == [6])
        #expect(instants(seen) == [20_000])
    }

    @Test("what is dated more than 5 min ahead of a clock that is sure is refused, told, and not kept")
    func ahead() throws {
        let bench = try Bench()
        bench.thread.clock(isTrusted: true, isSure: true)
        try bench.start()
        defer { bench.stop() }
        let now = SystemClock.wallMilliseconds()
        try bench.statement(3, asOf: now + 10 * 86_400_000)
        try bench.say("look\n")
        try #require(try eventually { bench.refused == ["statement"] })
        #expect(bench.thread.refusedFiles.all.first?.reason.contains("in the future") == true)
        #expect(try FileSystem.statusIfPresent("\(bench.directory.path)/statement") == nil)
        try bench.statement(3, asOf: now)
        try bench.say("look\n")
        #expect(instants(try bench.next()) == [now])
        try #require(try eventually { bench.refused.isEmpty })
    }

    @Test("one that was believed before the clock was sure is forgotten, and what is rightly dated is taken again")
    func forgotten() throws {
        let bench = try Bench()
        bench.thread.clock(isTrusted: true, isSure: false)
        try bench.start()
        defer { bench.stop() }
        let now = SystemClock.wallMilliseconds()
        let kept = "\(bench.directory.path)/statement"
        try bench.statement(3, asOf: now + 10 * 86_400_000)
        try bench.say("look\n")
        #expect(instants(try bench.next()) == [now + 10 * 86_400_000])
        try #require(try eventually { try FileSystem.statusIfPresent(kept) != nil })
        // Without a word at its door.
        bench.thread.clock(isTrusted: true, isSure: true)
        try #require(try eventually { try FileSystem.statusIfPresent(kept) == nil })
        try #require(try eventually { bench.refused == ["statement"] })
        try bench.statement(3, asOf: now)
        try bench.say("look\n")
        #expect(instants(try bench.next()) == [now])
    }

    @Test("after a restart the kept image and statement are there again without the uplink")
    func keeps() throws {
        let bench = try Bench()
        try bench.image(7)
        try bench.statement(7, asOf: 70_000)
        try bench.start()
        var seen: [CredentialNews] = []
        while versions(seen).isEmpty || instants(seen).isEmpty { seen += try bench.next() }
        bench.stop()
        try FileSystem.unlink(bench.directory.incomingImage(version: 7))
        try FileSystem.unlink(bench.directory.statement)
        let again = try CredentialThread(
            CredentialThread.Settings(
                directory: bench.directory, lookSocket: bench.look,
                trust: try SiteTrust(
                    site: bench.site, publicKey: bench.key.publicKey,
                    badgeKeyFingerprint: bench.badgeKey.fingerprint)), news: bench.news)
        let running = try again.start()
        seen = []
        while versions(seen).isEmpty || instants(seen).isEmpty { seen += try bench.next() }
        #expect(versions(seen) == [7])
        #expect(instants(seen) == [70_000])
        again.end()
        running.join()
    }

    @Test("an image that a wrong clock took for one from the future goes live when a statement tells the time")
    func dateOfAWrongClock() throws {
        let bench = try Bench()
        bench.thread.clock(isTrusted: true, isSure: false)
        let inAnHour = SystemClock.wallMilliseconds() + 3_600_000
        try bench.image(3, issuedAt: inAnHour)
        try bench.start()
        defer { bench.stop() }
        try bench.say("look\n")
        let name = LaneDirectory.incomingImageName(version: 3)
        try #require(try eventually { bench.refused == [name] })
        let refusal = try #require(bench.thread.refusedFiles.all.first)
        #expect(refusal.reason.contains("in the future"))
        // A second look begins after the first has ended; with the same clock it does not read the image again.
        for asOf: Int64 in [5000, 6000] {
            try bench.statement(3, asOf: asOf)
            try bench.say("look\n")
            #expect(instants(try bench.next()) == [asOf])
        }
        #expect(bench.thread.refusedFiles.all == [refusal])
        try bench.statement(3, asOf: inAnHour)
        try bench.say("look\n")
        var seen: [CredentialNews] = []
        while versions(seen).isEmpty { seen += try bench.next() }
        #expect(instants(seen) == [inAnHour])
        try #require(try eventually { bench.refused.isEmpty })
    }

    @Test(
        "an image that is damaged as it is read is looked at again by itself, one that is not the site's is not",
        arguments: [true, false])
    func damagedOnce(isDamaged: Bool) throws {
        let bench = try Bench(secondLookMilliseconds: 20)
        let path = bench.directory.incomingImage(version: 3)
        if isDamaged {
            try bench.image(3)
            var bytes = try FileSystem.read(path, limit: 1 << 20)
            bytes[bytes.count - 1] ^= 1
            try FileSystem.replace(path, with: bytes, mode: 0o640)
        } else {
            try bench.image(3, signedBy: try Ed25519.SigningKey.generate())
        }
        try bench.start()
        defer { bench.stop() }
        try #require(try eventually { !bench.refused.isEmpty })
        let first = bench.thread.refusedFiles.all
        if isDamaged {
            try #require(try eventually { bench.thread.refusedFiles.all != first })
            #expect(bench.thread.refusedFiles.all.map(\.reason) == first.map(\.reason))
        } else {
            // Looks that come of other news leave it alone, too.
            for asOf: Int64 in [5000, 6000] {
                try bench.statement(3, asOf: asOf)
                try bench.say("look\n")
                #expect(instants(try bench.next()) == [asOf])
            }
            #expect(bench.thread.refusedFiles.all == first)
        }
    }

    @Test("a statement with another word at the door does no harm, and a silent caller does not hold up the next")
    func door() throws {
        let bench = try Bench()
        try bench.start()
        let silent = try UnixSocket.connect(bench.look)
        try bench.say("open the gate\n")
        try bench.say(String(repeating: "x", count: 4096))
        try bench.image(2)
        try bench.say("look\n")
        #expect(versions(try bench.next()) == [2])
        _ = silent
        bench.stop()
    }
}
