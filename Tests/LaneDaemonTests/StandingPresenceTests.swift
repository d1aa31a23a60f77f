import Admission
import Cryptography
import Framing
import Posix
import Storage
import TestSupport
import Testing

@testable import LaneDaemon

private let ring = ShortName("north-ring") ?? .outside

/// A lane's directory, the site's secret, and lists made with it.
private struct Bench {
    let folder: TemporaryDirectory
    let directory: LaneDirectory
    let key: Ed25519.SigningKey
    let trust: SiteTrust
    let moment = Moment(
        monotonic: MonotonicTime(milliseconds: 1), wall: WallTime(milliseconds: 1_800_000_000_000), clock: .trusted)

    init() throws {
        folder = try TemporaryDirectory()
        directory = LaneDirectory(folder.file("lane"))
        try directory.prepareForDaemon()
        try directory.prepareForUplink()
        key = try Ed25519.SigningKey.generate()
        trust = try SiteTrust(site: SiteID(low: 1, high: 2), publicKey: key.publicKey, badgeKeyFingerprint: 3)
    }

    var standing: StandingPresence { StandingPresence(directory, trusting: trust) }

    func bytes(
        after: UInt64 = 0, _ number: UInt64, secondsAgo: Int64 = 10, site: SiteID? = nil,
        by other: Ed25519.SigningKey? = nil,
        _ holders: [UInt32]
    ) throws -> [UInt8] {
        let part = PresenceList(
            site: site ?? trust.site, numbering: Epoch(low: 5, high: 5), after: after, number: number,
            asOf: moment.wall.advanced(byMilliseconds: -secondsAgo * 1000), zones: [ring],
            entries: holders.map { .init(holder: $0, passedAtSeconds: 1, zone: 1) }
        ).signedPart
        return part + (try (other ?? key).sign(part))
    }

    func bring(_ bytes: [UInt8]) throws { try FileSystem.replace(directory.incomingPresence, with: bytes, mode: 0o640) }
    func mark() throws -> PresenceMark? { try PresenceFile.read(directory.presence) }
}

@Suite("Lists of who is inside at a lane") struct StandingPresenceTests {
    @Test("nothing is taken, nor asked for, where the rules do not ask; what is asked for is taken and marked")
    func wanted() throws {
        let bench = try Bench()
        var standing = bench.standing
        try bench.bring(try bench.bytes(4, [7]))
        let look1 = standing.takeIncoming(isWanted: false, at: bench.moment)
        #expect(look1 == nil)
        #expect(try bench.mark() == nil)
        let taken = standing.takeIncoming(isWanted: true, at: bench.moment)
        let table = try #require(taken)
        #expect(table.count == 1)
        #expect(try bench.mark() == PresenceMark(numbering: Epoch(low: 5, high: 5), number: 4))
        let look2 = standing.takeIncoming(isWanted: true, at: bench.moment)
        #expect(look2 == nil)
        try bench.bring(try bench.bytes(after: 4, 6, secondsAgo: 5, [8]))
        let look3 = standing.takeIncoming(isWanted: true, at: bench.moment)
        #expect(look3?.count == 2)
        #expect(try bench.mark()?.number == 6)
        let look4 = standing.takeIncoming(isWanted: false, at: bench.moment)
        #expect(look4 == nil)
        #expect(try bench.mark() == nil && standing.table == nil)
    }

    @Test("a lane that starts knows nothing, and says so, whatever a mark from before says")
    func restart() throws {
        let bench = try Bench()
        try PresenceFile.write(PresenceMark(numbering: Epoch(low: 5, high: 5), number: 4), to: bench.directory.presence)
        var standing = bench.standing
        let look5 = standing.takeIncoming(isWanted: true, at: bench.moment)
        #expect(look5 == nil)
        #expect(try bench.mark() == PresenceMark.none)
    }

    @Test(
        "what is of another site, signed by another, from the future, older, replayed, cut or no list is refused, and what is known stays",
        arguments: ["site", "key", "future", "older", "replayed", "cut", "empty", "garbage", "turned bit", "directory"])
    func refused(what: String) throws {
        let bench = try Bench()
        var standing = bench.standing
        let good = try bench.bytes(4, [7])
        try bench.bring(good)
        let first = standing.takeIncoming(isWanted: true, at: bench.moment)
        #expect(first != nil)
        let newer = try bench.bytes(9, secondsAgo: 1, [1, 2, 3])
        let wrong: [UInt8] =
            switch what {
            case "site": try bench.bytes(9, secondsAgo: 1, site: SiteID(low: 9, high: 9), [1])
            case "key": try bench.bytes(9, secondsAgo: 1, by: try Ed25519.SigningKey.generate(), [1])
            case "future": try bench.bytes(9, secondsAgo: -301, [1])
            case "older": try bench.bytes(9, secondsAgo: 11, [1])
            case "replayed": good
            case "cut": Array(newer.dropLast())
            case "empty": []
            case "garbage": [UInt8](repeating: 0xFF, count: 500)
            default: newer
            }
        if what == "directory" {
            _ = try FileSystem.unlinkIfPresent(bench.directory.incomingPresence)
            try FileSystem.makeDirectories(bench.directory.incomingPresence, mode: 0o750)
        } else if what == "turned bit" {
            // Any of them: the signature covers all.
            for place in stride(from: 0, to: newer.count, by: 7) {
                var turned = newer
                turned[place] ^= 0x10
                try bench.bring(turned)
                let look6 = standing.takeIncoming(isWanted: true, at: bench.moment)
                #expect(look6 == nil, "byte \(place)")
            }
        } else {
            try bench.bring(wrong)
        }
        let look7 = standing.takeIncoming(isWanted: true, at: bench.moment)
        #expect(look7 == nil)
        #expect(standing.table?.number == 4)
        #expect(try bench.mark()?.number == 4)
        if what != "directory" {
            try bench.bring(newer)
            if what == "future" {
                // 301 s: with the clock not trusted, or a second less, it is a list like another.
                var other = bench.standing
                try bench.bring(wrong)
                let wary = Moment(monotonic: bench.moment.monotonic, wall: bench.moment.wall, clock: .behindFloor)
                let look = other.takeIncoming(isWanted: true, at: wary)
                #expect(look?.count == 1)
                var atLimit = bench.standing
                try bench.bring(try bench.bytes(9, secondsAgo: -300, [1]))
                let look2 = atLimit.takeIncoming(isWanted: true, at: bench.moment)
                #expect(look2?.count == 1)
                try bench.bring(newer)
            }
            let look8 = standing.takeIncoming(isWanted: true, at: bench.moment)
            #expect(look8?.count == 3)
        }
    }

    @Test("a list dated ahead is taken by a clock that is not trusted, and forgotten when the clock is sure")
    func ahead() throws {
        let bench = try Bench()
        let refused = RefusedFiles()
        var standing = StandingPresence(bench.directory, trusting: bench.trust, refused: refused)
        let untrusted = Moment(monotonic: bench.moment.monotonic, wall: bench.moment.wall, clock: .behindFloor)
        try bench.bring(try bench.bytes(9, secondsAgo: -864_000, [1, 2, 3]))
        let taken = standing.takeIncoming(isWanted: true, at: untrusted)
        #expect(taken?.count == 3)
        let right = try bench.bytes(4, [7])
        try bench.bring(right)
        let older = standing.takeIncoming(isWanted: true, at: bench.moment)
        #expect(older == nil)
        #expect(refused.all.first?.file == "presence")
        let unsure = standing.forgetWhatIsAhead(of: ClockReading(moment: bench.moment, isSure: false))
        #expect(!unsure && standing.table != nil)
        let sure = standing.forgetWhatIsAhead(of: ClockReading(moment: bench.moment, isSure: true))
        #expect(sure && standing.table == nil)
        #expect(try bench.mark() == PresenceMark.none, "a whole list is asked for")
        let now = standing.takeIncoming(isWanted: true, at: bench.moment)
        #expect(now?.count == 1)
        #expect(refused.all.isEmpty)
    }

    @Test("a list is forgotten from 5 min and a millisecond ahead", arguments: [300_000, 300_001] as [Int64])
    func aheadLimit(milliseconds: Int64) throws {
        let bench = try Bench()
        var standing = bench.standing
        try bench.bring(try bench.bytes(9, secondsAgo: -300, [1]))
        let taken = standing.takeIncoming(isWanted: true, at: bench.moment)
        #expect(taken != nil)
        let earlier = bench.moment.wall.advanced(byMilliseconds: 300_000 - milliseconds)
        let clock = ClockReading(
            moment: Moment(monotonic: bench.moment.monotonic, wall: earlier, clock: .trusted), isSure: true)
        let isForgotten = standing.forgetWhatIsAhead(of: clock)
        #expect(isForgotten == (milliseconds > 300_000))
    }

    @Test("a list that does not go on where the lane ends makes it ask for a whole one, and is looked up in meanwhile")
    func gap() throws {
        let bench = try Bench()
        var standing = bench.standing
        try bench.bring(try bench.bytes(4, [7]))
        let first = standing.takeIncoming(isWanted: true, at: bench.moment)
        #expect(first != nil)
        try bench.bring(try bench.bytes(after: 6, 9, secondsAgo: 2, [1]))
        let look9 = standing.takeIncoming(isWanted: true, at: bench.moment)
        #expect(look9 == nil)
        #expect(try bench.mark() == PresenceMark.none && standing.table?.number == 4)
        try bench.bring(try bench.bytes(9, secondsAgo: 1, [1, 2]))
        let look10 = standing.takeIncoming(isWanted: true, at: bench.moment)
        #expect(look10?.count == 2)
        #expect(try bench.mark()?.number == 9)
    }
}
