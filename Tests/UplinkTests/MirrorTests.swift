import Admission
import Cryptography
import Framing
import Posix
import Storage
import Synchronization
import TestSupport
import Testing

@testable import Uplink

/// Files under their paths, given out by a server that knows nothing of them.
private final class Files: Sendable {
    private let files = Mutex<[String: [UInt8]]>([:])
    /// Answers to the first so many requests for an image are cut.
    private let cuts: Mutex<Int>
    private let knowsRanges: Bool

    init(knowsRanges: Bool, cuts: Int = 0) {
        self.knowsRanges = knowsRanges
        self.cuts = Mutex(cuts)
    }

    func put(_ path: String, _ bytes: [UInt8]) { files.withLock { $0[path] = bytes } }

    func serve(_ connection: RawConnection) {
        guard let bytes = files.withLock({ $0[connection.path] }) else {
            return connection.answer("404 Not Found")
        }
        // An ETag and a type of its own, as servers of files have.
        let own = ["ETag: \"65601a9b-\(bytes.count)\"", "Last-Modified: Sat, 21 Nov 2026 12:00:00 GMT"]
        let start = connection.header("range").flatMap { Int($0.dropFirst(6).prefix { $0 != "-" }) }
        if let start, knowsRanges, start < bytes.count, connection.header("if-range") == nil {
            let range = "Content-Range: bytes \(start)-\(bytes.count - 1)/\(bytes.count)"
            return connection.answer("206 Partial Content", own + [range], Array(bytes[start...]))
        }
        let isCut =
            connection.path.hasPrefix("/v1/images/")
            && cuts.withLock { cuts in
                cuts -= 1
                return cuts >= 0
            }
        guard isCut else { return connection.answer("200 OK", own, bytes) }
        connection.send(
            (["HTTP/1.1 200 OK", "Content-Length: \(bytes.count)"] + own).joined(separator: "\r\n")
                + "\r\n\r\n")
        connection.send(Array(bytes.prefix(50_000)))
        connection.close()
    }
}

/// A lane whose uplink has a mirror; the collector itself answers nothing.
private final class Place {
    let state: TemporaryDirectory
    let directory: LaneDirectory
    let mirror: RawServer
    let collector: RawServer
    private let client: CollectorClient
    private let credentials: CredentialSync
    private let changes: ChangeSync

    init(_ files: Files) throws {
        mirror = try RawServer { files.serve($0) }
        collector = try RawServer { $0.answer("500 No") }
        state = try TemporaryDirectory()
        directory = LaneDirectory(state.path)
        try directory.prepareForUplink()
        let settings = UplinkSettings(
            site: testSite, lane: try #require(ShortName("north-07")), stateDirectory: state.path,
            runDirectory: state.path, collector: try makeSettings(collector.url),
            mirror: try makeSettings(mirror.url),
            statementIntervalMilliseconds: 100, imageIntervalMilliseconds: 300,
            largestImageBytes: 1 << 20,
            diskReserveBytes: 0)
        client = try CollectorClient(settings.collector)
        let credentials = CredentialSync(settings, client, now: Self.now)
        self.credentials = credentials
        changes = ChangeSync(
            settings, client, bell: credentials.bell, now: Self.now,
            named: { [weak credentials] in credentials?.statement }
        ) { _ in }
    }

    func stop() {
        mirror.stop()
        collector.stop()
    }

    var complaints: [String] { credentials.complaints + changes.complaints }

    private static var now: MonotonicTime {
        MonotonicTime(nanoseconds: SystemClock.monotonicNanoseconds())
    }

    /// Lets it work until the condition holds; false after 60 s.
    func work(until condition: () throws -> Bool) throws -> Bool {
        let deadline = SystemClock.deadline(milliseconds: 60_000)
        while SystemClock.monotonicNanoseconds() < deadline {
            if try condition() { return true }
            credentials.step(now: Self.now)
            changes.step(now: Self.now)
            _ = try client.wait(until: SystemClock.deadline(milliseconds: 20))
            while let (exchange, outcome) = client.nextFinished() {
                let isTaken =
                    credentials.take(exchange, outcome, now: Self.now)
                    || changes.take(exchange, outcome, now: Self.now)
                #expect(isTaken)
            }
        }
        return try condition()
    }

    func incoming() throws -> [String] { try FileSystem.list(directory.incoming) }

    func apply(_ image: TestImage, change: UInt64) throws {
        let mark = AppliedMark(
            imageVersion: image.version, changeNumber: change, headerDigestHex: image.digestHex)
        try AppliedFile.write(mark, to: directory.applied)
    }
}

private func makeList(_ first: UInt64, _ last: UInt64) -> [UInt8] {
    let list = ChangeList(
        site: testSite, first: first, issuedAt: WallTime(milliseconds: 1), validityBaseSeconds: 0,
        badgeKeyFingerprint: 1,
        zones: [], zoneSets: [],
        changes: (first...last).map { ImageSlot(removed: BadgeTag(low: $0, high: 1)) })
    return list.signedPart + [UInt8](repeating: 0x5A, count: 64)
}

/// A statement of `image` with these lists on it.
private func makeStatement(_ image: TestImage, _ lists: [[UInt8]]) throws -> [UInt8] {
    var statement = try Statement.parse(image.statement()).statement
    statement.changes = PublishedChanges(
        chain: [UInt8](repeating: 1, count: 32),
        lists: try lists.map { bytes in
            let list = try ChangeList.parse(bytes).list
            return PublishedChanges.List(
                first: list.first, last: list.last, digest: try SHA256.hash(bytes))
        })
    statement.changeNumber = statement.changes?.lists.last?.last ?? 0
    return statement.signedPart + [UInt8](repeating: 0x5A, count: 64)
}

private func path(_ list: [UInt8]) throws -> String {
    "/v1/lists/\(Hexadecimal.text(try SHA256.hash(list)))"
}

@Suite("A mirror of the collector's files", .serialized)
struct MirrorTests {
    @Test("statement, image and lists come as plain files, and nothing of it from the collector")
    func fetches() throws {
        let files = Files(knowsRanges: false)
        let image = try TestImage(version: 7)
        let lists = [makeList(1, 4), makeList(5, 5)]
        files.put("/v1/statement", try makeStatement(image, lists))
        files.put("/v1/images/\(image.digestHex)", image.bytes)
        for list in lists { files.put(try path(list), list) }
        let place = try Place(files)
        defer { place.stop() }
        let name = "image-\(image.name).img"
        #expect(try place.work { try place.incoming().contains(name) })
        #expect(
            try FileSystem.read("\(place.directory.incoming)/\(name)", limit: 1 << 20) == image.bytes)
        try place.apply(image, change: 0)
        #expect(
            try place.work {
                try place.incoming().compactMap { LaneDirectory.incomingChanges(name: $0)?.last }.sorted()
                    == [4, 5]
            })
        #expect(place.complaints == [] && place.collector.requests == [])
        // What it has it does not fetch again.
        try place.apply(image, change: 5)
        let before = place.mirror.requests(to: "/v1/statement").count
        #expect(try place.work { place.mirror.requests(to: "/v1/statement").count > before + 5 })
        #expect(place.mirror.requests(to: "/v1/images/\(image.digestHex)").count == 1)
        #expect(try place.mirror.requests(to: path(lists[0])).count == 1)
    }

    @Test("an image that is cut is gone on with where it ended", arguments: [true, false])
    func resumes(knowsRanges: Bool) throws {
        let files = Files(knowsRanges: knowsRanges, cuts: 1)
        let image = try TestImage(version: 7)
        files.put("/v1/statement", image.statement())
        files.put("/v1/images/\(image.digestHex)", image.bytes)
        let place = try Place(files)
        defer { place.stop() }
        #expect(try place.work { try place.incoming().contains("image-\(image.name).img") })
        let bytes = try FileSystem.read(
            "\(place.directory.incoming)/image-\(image.name).img", limit: 1 << 20)
        #expect(bytes == image.bytes)
        let second = try #require(
            place.mirror.requests(to: "/v1/images/\(image.digestHex)").dropFirst().first)
        #expect(second.contains("Range: bytes=50000-") && !second.contains("If-Range"))
    }

    @Test("what does not have the content of its name is not taken")
    func otherContent() throws {
        let files = Files(knowsRanges: true)
        let image = try TestImage(version: 7)
        let list = makeList(1, 2)
        files.put("/v1/statement", try makeStatement(image, [list]))
        files.put("/v1/images/\(image.digestHex)", try TestImage(version: 7, seed: 9).bytes)
        files.put(try path(list), makeList(1, 3))
        let place = try Place(files)
        defer { place.stop() }
        try place.apply(try TestImage(version: 6), change: 0)
        #expect(try place.work { place.complaints.count == 2 })
        #expect(
            place.complaints.contains { $0.contains("under the ETag of another") }, "\(place.complaints)")
        #expect(place.complaints.contains { $0.contains("is not the list") }, "\(place.complaints)")
        #expect(try place.incoming() == ["statement"])
    }

    @Test(
        "lanes that start together neither ask for statements together nor for the image that those name"
    )
    func noStampede() {
        let lanes = 500
        let seven = ImageName(version: 7, headerDigestHex: "77")
        var random = SeededGenerator(seed: 11, for: "stampede")
        // Asks in each tenth of a second, all lanes started at 0 and answered in no time.
        var statements = [Int: Int]()
        var images = [Int: Int]()
        for _ in 0..<lanes {
            var schedule = CredentialSchedule(
                statementIntervalMilliseconds: 10_000, imageIntervalMilliseconds: 60_000,
                now: MonotonicTime(milliseconds: 0), using: &random)
            var held: ImageName?
            while schedule.nextDue < MonotonicTime(milliseconds: 130_000) {
                let now = schedule.nextDue
                let tenth = Int(now.nanoseconds / 100_000_000)
                for task in schedule.start(now: now) {
                    if task == .statement {
                        statements[tenth, default: 0] += 1
                        schedule.statementCame(naming: seven, held: held, now: now, using: &random)
                    } else {
                        images[tenth, default: 0] += 1
                        held = seven
                        schedule.imageIsCurrent(now: now, using: &random)
                    }
                }
            }
        }
        // The first ones within half a second; later they have lost sight of each other.
        #expect((statements.values.max() ?? 0) < lanes * 3 / 10, "\(statements.values.max() ?? 0)")
        #expect((images.values.max() ?? 0) < lanes * 3 / 10, "\(images.values.max() ?? 0)")
        let late = statements.filter { $0.key >= 1000 }
        #expect((late.values.max() ?? 0) < lanes * 4 / 100, "\(late.values.max() ?? 0)")
        #expect(late.values.reduce(0, +) > lanes * 2)
    }
}
