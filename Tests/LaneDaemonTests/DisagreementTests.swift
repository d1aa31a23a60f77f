import Admission
import Framing
import Posix
import Storage
import TestSupport
import Testing

@testable import LaneDaemon

/// A collector that was restored from a backup and gave numbers 3 and 4 again before any lane asked: the lane has chip 3
/// as change 3, the site says chip 7, and both say chip 8 as change 4.
@Suite("Other changes by the same numbers") struct DisagreementTests {
    private static let lanes: [UInt8] = [1, 2, 3, 8]
    private static let sites: [UInt8] = [1, 2, 7, 8]

    private func chain(_ lane: CredentialLane, _ digest: [UInt8], _ chips: [UInt8]) throws -> [UInt8] {
        var chain = ChangeChain(changeNumber: 0, imageHeaderDigest: digest)
        let list = try ChangeList.verified(try lane.site.list(1, chips), trusting: lane.site.trust)
        try #require(try chain.append(list))
        return chain.digest
    }

    /// The lane has its own changes, by two lists, and agreed with the site up to the second.
    private func begun(_ lane: CredentialLane) throws -> [UInt8] {
        let digest = try lane.site.digest(lane.site.image(1))
        try lane.site.bring(1, [1, 2])
        try lane.start()
        try lane.awaitTable(1, change: 2)
        try lane.state(1, digest, change: 2, chain: try chain(lane, digest, [1, 2]))
        #expect(lane.disagreement == nil)
        try lane.site.bring(3, [3, 8])
        try lane.ring()
        try lane.awaitTable(1, change: 4)
        return digest
    }

    private func applied(_ lane: CredentialLane, is number: UInt64) throws -> Bool {
        try eventually {
            lane.takeWhatIsThere()
            return (try? AppliedFile.read(lane.site.directory.applied))?.changeNumber == number
        }
    }

    @Test("the statement does not count, and the changes are fetched once more and come into force together")
    func fetchedAnew() throws {
        let lane = try CredentialLane()
        let digest = try begun(lane)
        let agreed = lane.newestStatement
        let said = try chain(lane, digest, Self.sites)
        try lane.state(1, digest, change: 4, chain: said)
        #expect(
            lane.disagreement
                == Disagreement(
                    imageDigest: digest, changeNumber: 4, agreedAsOf: agreed.map { WallTime(milliseconds: $0) }))
        #expect(lane.disagreementCameFirst)
        // By this the uplink knows what to fetch.
        try #require(try applied(lane, is: 0))
        #expect(try lane.site.reds(lane.tables.last?.overlay) == Self.lanes.sorted())
        try lane.site.bring(1, [1, 2, 7])
        try lane.ring()
        try #require(try applied(lane, is: 3))
        #expect(try lane.site.reds(lane.tables.last?.overlay) == Self.lanes.sorted(), "not before all are here")
        // One more than the statement names, and new here: it counts at once.
        try lane.site.bring(4, [8, 9])
        try lane.ring()
        try lane.awaitDisagreement(nil)
        #expect(try lane.site.reds(lane.tables.last?.overlay) == [1, 2, 7, 8, 9])
        try #require(try applied(lane, is: 5))
        lane.stop()
        try lane.start()
        defer { lane.stop() }
        try lane.awaitTable(1, change: 5)
        #expect(try lane.site.reds(lane.tables.last?.overlay) == [1, 2, 7, 8, 9], "on disk as well")
    }

    @Test(
        "what is fetched once more and is not the site's either does not come into force, and is not fetched for ever")
    func wrongAgain() throws {
        let lane = try CredentialLane()
        defer { lane.stop() }
        let digest = try begun(lane)
        let said = try chain(lane, digest, Self.sites)
        try lane.state(1, digest, change: 4, chain: said)
        try #require(try applied(lane, is: 0))
        try lane.site.bring(1, Self.lanes)
        try lane.ring()
        try #require(try applied(lane, is: 4))
        for _ in 0..<3 { try lane.state(1, digest, change: 4, chain: said) }
        #expect(try AppliedFile.read(lane.site.directory.applied)?.changeNumber == 4, "not again at once")
        #expect(lane.disagreement?.changeNumber == 4)
        #expect(try lane.site.reds(lane.tables.last?.overlay) == Self.lanes.sorted())
        // Changes that are new go on meanwhile.
        try lane.site.bring(5, [5])
        try lane.ring()
        try lane.awaitTable(1, change: 5)
        #expect(try lane.site.reds(lane.tables.last?.overlay) == (Self.lanes + [5]).sorted())
    }

    @Test("what the collector cannot give once more does not keep away for long what is new")
    func givenUp() throws {
        let lane = try CredentialLane()
        defer { lane.stop() }
        let digest = try begun(lane)
        lane.stop()
        try lane.start(standstillMilliseconds: 0)
        try lane.awaitTable(1, change: 4)
        let said = try chain(lane, digest, Self.sites)
        for _ in 0..<2 { try lane.state(1, digest, change: 4, chain: said) }
        // By this the uplink asks for what comes behind it, and nobody fetched once more what comes before.
        try #require(try applied(lane, is: 4))
        #expect(lane.disagreement?.changeNumber == 4)
        for _ in 0..<2 { try lane.state(1, digest, change: 4, chain: said) }
        #expect(try AppliedFile.read(lane.site.directory.applied)?.changeNumber == 4, "not again at once")
    }

    @Test("an attempt ends a minute after it came to a standstill while statements come, and the next one waits")
    func standstill() {
        func statement(_ asOf: Int64) -> Statement {
            Statement(
                site: SiteID(low: 1, high: 2), imageVersion: 1, changeNumber: 9, asOf: WallTime(milliseconds: asOf),
                imageHeaderDigest: [])
        }
        let second: UInt64 = 1_000_000_000
        var comparison = ChainComparison()
        _ = comparison.beginsAttempt(now: second)
        // At which second, how far, by which statement, and whether that is the end.
        let looks: [(UInt64, UInt64, Int64, Bool)] = [
            (1, 0, 1, false), (100, 0, 1, false), (101, 0, 2, false), (160, 0, 3, false), (160, 4, 3, false),
            (170, 4, 4, false), (229, 4, 9, false), (230, 4, 9, true),
        ]
        for (now, number, asOf, isOver) in looks {
            let found = comparison.standsStill(at: number, statement(asOf), now: now * second, milliseconds: 60_000)
            #expect(found == isOver, "\(now) s")
        }
        let tooEarly = comparison.beginsAttempt(now: 290 * second - 1)
        let begins = comparison.beginsAttempt(now: 290 * second)
        #expect(!tooEarly && begins)
    }

    @Test("a statement with a lower number than one before it does not count: what the site has now is fetched")
    func wentBack() throws {
        let lane = try CredentialLane()
        defer { lane.stop() }
        let digest = try begun(lane)
        try lane.state(1, digest, change: 4, chain: try chain(lane, digest, Self.lanes))
        #expect(lane.disagreement == nil)
        let agreed = lane.newestStatement
        try lane.state(1, digest, change: 3, chain: try chain(lane, digest, [1, 2, 7]))
        #expect(
            lane.disagreement
                == Disagreement(
                    imageDigest: digest, changeNumber: 3, agreedAsOf: agreed.map { WallTime(milliseconds: $0) }))
        try #require(try applied(lane, is: 0))
        try lane.site.bring(1, [1, 2, 7])
        try lane.ring()
        try lane.awaitDisagreement(nil)
        #expect(try lane.site.reds(lane.tables.last?.overlay) == [1, 2, 7])
    }

    @Test("a lane that restarts with such changes finds out by the statement that was kept")
    func restart() throws {
        let lane = try CredentialLane()
        let digest = try begun(lane)
        try lane.state(1, digest, change: 4, chain: try chain(lane, digest, Self.sites))
        lane.stop()
        try FileSystem.unlink(lane.site.directory.statement)
        try lane.start()
        defer { lane.stop() }
        try lane.awaitDisagreement(4)
    }

    @Test("a newer image takes all in: nothing is fetched once more for it")
    func newerImage() throws {
        let lane = try CredentialLane()
        defer { lane.stop() }
        let digest = try begun(lane)
        try lane.state(1, digest, change: 4, chain: try chain(lane, digest, Self.sites))
        try #require(try applied(lane, is: 0))
        let second = try lane.site.digest(lane.site.image(2, change: 4))
        try lane.ring()
        try lane.awaitTable(2, change: 4)
        try lane.state(2, second, change: 4, chain: second)
        try #require(try applied(lane, is: 4))
        try lane.awaitDisagreement(nil)
    }

    @Test("every attempt waits twice as long as the one before, up to 16 min; agreement begins anew")
    func attempts() throws {
        let site = try CredentialSite()
        let image = try site.installed(1)
        let statement = Statement(
            site: site.id, imageVersion: 1, changeNumber: 0, asOf: WallTime(milliseconds: 5),
            imageHeaderDigest: image.headerDigest)
        var comparison = ChainComparison()
        #expect(comparison.nextAttempt == nil)
        for _ in 0..<2 {
            comparison.found(false, statement, on: image)
            var now: UInt64 = 1_000_000_000
            for minutes: UInt64 in [1, 2, 4, 8, 16, 16, 16] {
                let begins = comparison.beginsAttempt(now: now)
                #expect(begins)
                now += minutes * 60_000_000_000 - 1
                #expect(comparison.nextAttempt == now + 1)
                let tooEarly = comparison.beginsAttempt(now: now)
                #expect(!tooEarly)
                now += 1
            }
            comparison.found(true, statement, on: image)
            #expect(comparison.nextAttempt == nil && comparison.disagreement == nil)
        }
    }
}
