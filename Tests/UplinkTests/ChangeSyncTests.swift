import Admission
import Framing
import Posix
import Storage
import Synchronization
import TestSupport
import Testing

@testable import Uplink

/// A lane's directory, an uplink's side of changes on it, and a server that answers as the test says.
private final class Place {
    let state: TemporaryDirectory
    let directory: LaneDirectory
    let server: RawServer
    private let client: CollectorClient
    private let sync: ChangeSync

    init(script: @escaping @Sendable (RawConnection) -> Void) throws {
        server = try RawServer(script: script)
        state = try TemporaryDirectory()
        directory = LaneDirectory(state.path)
        try directory.prepareForUplink()
        let settings = UplinkSettings(
            site: testSite, lane: try #require(ShortName("north-07")), stateDirectory: state.path,
            runDirectory: state.path, collector: try makeSettings(server.url, answer: 20_000, image: 20_000))
        client = try CollectorClient(settings.collector)
        let needed = Counter()
        sync = ChangeSync(
            settings, client, bell: LookBell(runDirectory: settings.runDirectory), now: Self.now
        ) { _ in needed.count += 1 }
        counter = needed
    }

    private final class Counter { var count = 0 }
    private let counter: Counter
    var images: Int { counter.count }

    private static var now: MonotonicTime { MonotonicTime(nanoseconds: SystemClock.monotonicNanoseconds()) }

    /// Lets it work until the condition holds; false after 60 s.
    func work(until condition: () throws -> Bool) throws -> Bool {
        let deadline = SystemClock.deadline(milliseconds: 60_000)
        while SystemClock.monotonicNanoseconds() < deadline {
            if try condition() { return true }
            sync.step(now: Self.now)
            _ = try client.wait(until: min(sync.nextDue.nanoseconds, SystemClock.deadline(milliseconds: 20)))
            while let (exchange, outcome) = client.nextFinished() {
                #expect(sync.take(exchange, outcome, now: Self.now))
            }
        }
        return try condition()
    }

    func apply(_ change: UInt64) throws {
        let mark = AppliedMark(
            imageVersion: 3, changeNumber: change, headerDigestHex: String(repeating: "ab", count: 32))
        try AppliedFile.write(mark, to: directory.applied)
    }

    func lists() throws -> [ClosedRange<UInt64>] {
        try FileSystem.list(directory.incoming).compactMap { LaneDirectory.incomingChanges(name: $0) }
            .map { $0.first...$0.last }
    }

    func put(_ first: UInt64, _ last: UInt64) throws {
        try FileSystem.replace(directory.incomingChanges(first: first, last: last), with: [1], mode: 0o640)
    }
}

/// Changes as a list that only its signature keeps from being real.
private func makeList(_ first: UInt64, _ last: UInt64, site: SiteID = testSite) -> [UInt8] {
    let list = ChangeList(
        site: site, first: first, issuedAt: WallTime(milliseconds: 1), validityBaseSeconds: 0, badgeKeyFingerprint: 1,
        zones: [], zoneSets: [], changes: (first...last).map { ImageSlot(removed: BadgeTag(low: $0, high: 1)) })
    return list.signedPart + [UInt8](repeating: 0x5A, count: 64)
}

extension RawConnection {
    /// 5 of `/v1/changes?after=5&wait=8`
    fileprivate var after: UInt64? {
        path.hasPrefix("/v1/changes?after=") ? UInt64(path.dropFirst(18).prefix { $0 != "&" }) : nil
    }
}

@Suite("Change lists", .serialized)
struct ChangeSyncTests {
    @Test("changes behind the one in force come whole, go on where those that wait end, and the daemon is woken")
    func fetches() throws {
        let asked = Mutex<[UInt64]>([])
        let place = try Place { connection in
            let after = connection.after ?? .max
            asked.withLock { $0.append(after) }
            switch after {
            case 4: connection.answer("200 OK", [], makeList(5, 5))
            case 5: connection.answer("200 OK", [], makeList(6, 5 + UInt64(ChangeList.mostChanges)))
            default: connection.answer("204 No Content")
            }
        }
        defer { place.server.stop() }
        let bell = try UnixSocket.listen("\(place.state.path)/look.sock", mode: 0o660)
        try place.apply(4)
        #expect(try place.work { asked.withLock { $0.contains(5005) } })
        #expect(try place.lists() == [5...5, 6...5005])
        #expect(
            try FileSystem.read(place.directory.incomingChanges(first: 5, last: 5), limit: 1 << 20) == makeList(5, 5))
        #expect(asked.withLock { Array($0.prefix(3)) } == [4, 5, 5005])
        #expect(try bell.wait(for: .readable, until: SystemClock.deadline(milliseconds: 60_000)))
        // The daemon has taken both: they go.
        try place.apply(5005)
        #expect(try place.work { try place.lists().isEmpty })
    }

    @Test("without an image in force nothing is asked")
    func withoutImage() throws {
        let asked = Mutex(0)
        let place = try Place { connection in
            asked.withLock { $0 += 1 }
            connection.answer("204 No Content")
        }
        defer { place.server.stop() }
        var turns = 0
        #expect(
            try place.work {
                turns += 1
                return turns > 100
            })
        #expect(asked.withLock { $0 } == 0)
        try place.apply(0)
        #expect(try place.work { asked.withLock { $0 > 0 } })
    }

    @Test("what the collector has no more sends for an image, and it hears which one is here")
    func gap() throws {
        let image = Mutex<String?>(nil)
        let place = try Place { connection in
            image.withLock { $0 = connection.header("lanekeeper-image-version") }
            connection.answer("410 Gone", [], text: "{}")
        }
        defer { place.server.stop() }
        try place.apply(4)
        #expect(try place.work { place.images > 0 })
        #expect(image.withLock { $0 } == "3")
        #expect(try place.lists().isEmpty)
    }

    enum Wrong: String, CaseIterable, Sendable { case otherSite, before, behind, cut, noise, tooLong, failure }

    @Test("an answer that is wrong brings nothing, and the next right one is taken", arguments: Wrong.allCases)
    func wrong(wrong: Wrong) throws {
        let asked = Mutex(0)
        let place = try Place { connection in
            let count = asked.withLock {
                $0 += 1
                return $0
            }
            guard count == 1 else {
                return connection.after == 4
                    ? connection.answer("200 OK", [], makeList(5, 6)) : connection.answer("204 No Content")
            }
            switch wrong {
            case .otherSite: connection.answer("200 OK", [], makeList(5, 6, site: SiteID(low: 1, high: 1)))
            case .before: connection.answer("200 OK", [], makeList(3, 4))
            case .behind: connection.answer("200 OK", [], makeList(6, 7))
            case .cut: connection.answer("200 OK", [], Array(makeList(5, 6).dropLast()))
            case .noise: connection.answer("200 OK", [], [UInt8](repeating: 7, count: 300))
            case .tooLong: connection.answer("200 OK", [], [UInt8](repeating: 7, count: ChangeList.longest + 1))
            case .failure: connection.answer("503 Service Unavailable")
            }
        }
        defer { place.server.stop() }
        try place.apply(4)
        #expect(try place.work { try place.lists() == [5...6] })
        #expect(asked.withLock { $0 } >= 2)
    }

    @Test("lists that do not go on where the rest ends, and those that the daemon has, are removed")
    func tidies() throws {
        let place = try Place { $0.answer("204 No Content") }
        defer { place.server.stop() }
        for (first, last) in [(1, 2), (3, 5), (6, 7), (9, 9)] as [(UInt64, UInt64)] { try place.put(first, last) }
        let waiting = IncomingChanges(directory: place.directory)
        let now = SystemClock.wallMilliseconds()
        #expect(try waiting.tidied(applied: 4, wallMilliseconds: now) == .behind(7))
        #expect(try place.lists() == [3...5, 6...7])
        // Nobody takes them: they are fetched anew.
        let later = now + IncomingChanges.patienceMilliseconds + 60_000
        #expect(try waiting.tidied(applied: 4, wallMilliseconds: later) == .behind(4))
        #expect(try place.lists().isEmpty)
        for number: UInt64 in 5..<5 + UInt64(IncomingChanges.mostWaiting) { try place.put(number, number) }
        #expect(try waiting.tidied(applied: 4, wallMilliseconds: now) == .enoughWait)
    }
}
