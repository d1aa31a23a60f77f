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

    init() throws {
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
                    site: site, publicKey: key.publicKey, badgeKeyFingerprint: badgeKey.fingerprint)), news: news)
    }

    func start() throws { running = try thread.start() }

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

    /// The next letters; fails after 60 s.
    func next() throws -> [CredentialNews] {
        try #require(
            try news.wakeUp.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: 60_000)),
            "no news in 10 s")
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
        bench.thread.retire(nil, inForce: table)
        try bench.image(4)
        try bench.say("look\n")
        #expect(versions(try bench.next()) == [4])
        #expect(try AppliedFile.read(bench.directory.applied)?.imageVersion == 3)
        bench.stop()
    }

    @Test("what another key signed, an older image and an older statement change nothing")
    func refuses() throws {
        let bench = try Bench()
        try bench.image(5)
        try bench.statement(5, asOf: 10_000)
        try bench.start()
        var seen: [CredentialNews] = []
        while versions(seen).isEmpty || instants(seen).isEmpty { seen += try bench.next() }
        let stranger = try Ed25519.SigningKey.generate()
        try bench.image(9, signedBy: stranger)
        try bench.statement(9, asOf: 99_000, signedBy: stranger)
        try bench.say("look\n")
        try bench.image(4)
        try bench.statement(5, asOf: 9_000)
        try bench.say("look\n")
        // What comes last is good, so what came before it was looked at.
        try FileSystem.unlink(bench.directory.incomingImage(version: 9))
        try bench.image(6)
        try bench.statement(6, asOf: 20_000)
        try bench.say("look\n")
        seen = []
        while versions(seen).isEmpty || instants(seen).isEmpty { seen += try bench.next() }
        #expect(versions(seen) == [6])
        #expect(instants(seen) == [20_000])
        bench.stop()
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
        bench.thread.clockIsTrusted.store(true, ordering: .relaxed)
        let inAnHour = SystemClock.wallMilliseconds() + 3_600_000
        try bench.image(3, issuedAt: inAnHour)
        try bench.start()
        // A second look begins after the first has ended, so the image was refused by then.
        for asOf: Int64 in [5000, 6000] {
            try bench.statement(3, asOf: asOf)
            try bench.say("look\n")
            #expect(instants(try bench.next()) == [asOf])
        }
        try bench.statement(3, asOf: inAnHour)
        try bench.say("look\n")
        var seen: [CredentialNews] = []
        while versions(seen).isEmpty { seen += try bench.next() }
        #expect(instants(seen) == [inAnHour])
        bench.stop()
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
