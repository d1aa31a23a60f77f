import Admission
import Cryptography
import Framing
import Glibc
import Posix
import Storage
import TestSupport
import Testing

@testable import LaneDaemon

@Suite struct StandingChangesTests {
    @Test("lists that the uplink brought come into force in their order, and are there after a restart")
    func takesOver() throws {
        let site = try CredentialSite()
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
        let site = try CredentialSite()
        var changes = StandingChanges(site.directory, trusting: site.trust)
        let first = try site.installed(1)
        try changes.lie(on: first)
        for number: UInt64 in 1...3 { try site.bring(number, [UInt8(number)]) }
        #expect(changes.takeIncoming(at: site.moment) == .changed)
        let next = try site.installed(2, change: change)
        try changes.lie(on: next, after: first)
        #expect(changes.overlay?.changeNumber == max(3, change))
        let left = (1...3).filter { $0 > change }.map { UInt8($0) }
        #expect(try site.reds(changes.overlay) == left)
        // Those that this image has taken in stay for a start that finds it damaged, unless it has taken in more.
        #expect(try ChangeLog.open(site.directory, trusting: site.trust).lists.count == (change > 3 ? 0 : 3))
        try site.bring(max(3, change) + 1, [8])
        #expect(changes.takeIncoming(at: site.moment) == .changed)
        var again = StandingChanges(site.directory, trusting: site.trust)
        try again.lie(on: next)
        #expect(try site.reds(again.overlay) == left + [8])
        // Two images later nobody needs them.
        try again.lie(on: try site.installed(3, change: max(4, change + 1)), after: next)
        let kept = try ChangeLog.open(site.directory, trusting: site.trust).lists
        #expect(kept.map(\.last) == left.map { UInt64($0) } + [max(3, change) + 1])
    }

    @Test("a start that finds the newest image damaged has the changes that it had taken in")
    func damagedImage() throws {
        let site = try CredentialSite()
        var changes = StandingChanges(site.directory, trusting: site.trust)
        let first = try site.installed(1)
        try changes.lie(on: first)
        try site.bring(1, [1, 2])
        #expect(changes.takeIncoming(at: site.moment) == .changed)
        let second = try site.installed(2, change: 2)
        try changes.lie(on: second, after: first)
        try site.bring(3, [3])
        #expect(changes.takeIncoming(at: site.moment) == .changed)
        var again = StandingChanges(site.directory, trusting: site.trust)
        try again.lie(on: first)
        #expect(again.overlay?.changeNumber == 3)
        #expect(try site.reds(again.overlay) == [1, 2, 3])
    }

    @Test("a newer image behind the one in force counts anew: what only the one before had is not laid on it")
    func rewound() throws {
        let site = try CredentialSite()
        var changes = StandingChanges(site.directory, trusting: site.trust)
        let first = try site.installed(1)
        try changes.lie(on: first)
        for number: UInt64 in 1...5 { try site.bring(number, [UInt8(number)]) }
        #expect(changes.takeIncoming(at: site.moment) == .changed)
        let second = try site.installed(2, change: 5)
        try changes.lie(on: second, after: first)
        try changes.lie(on: try site.installed(3, change: 3), after: second)
        #expect(changes.overlay?.changeNumber == 3 && changes.overlay?.identifiers == 0)
    }

    @Test("a log that begins behind a gap counts for nothing, and what is missing is taken anew")
    func olderImage() throws {
        let site = try CredentialSite()
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
        let site = try CredentialSite()
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
        let site = try CredentialSite()
        var changes = StandingChanges(site.directory, trusting: site.trust)
        try site.bring(1, [1])
        #expect(changes.takeIncoming(at: site.moment) == .nothing)
        try changes.lie(on: try site.installed(1))
        #expect(changes.takeIncoming(at: site.moment) == .changed)
    }

    @Test(
        "through the thread: a list is handed to the lane, on disk first, and applied says its number once it is used")
    func thread() throws {
        let site = try CredentialSite()
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
                    thread.retire(&inForce, inForce: table)
                    #expect(inForce.map(\.changeNumber) == nil, "the lane holds nothing that is to be unmapped")
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
