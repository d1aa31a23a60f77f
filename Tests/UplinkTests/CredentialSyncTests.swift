import Admission
import Framing
import Glibc
import Posix
import Storage
import Synchronization
import TestSupport
import Testing

@testable import Uplink

/// A lane's directory, an uplink's credential side on it, and a server that answers as the test says.
private final class Place {
    let state: TemporaryDirectory
    let directory: LaneDirectory
    let server: RawServer
    var settings: UplinkSettings
    private(set) var client: CollectorClient
    private(set) var sync: CredentialSync

    init(script: @escaping @Sendable (RawConnection) -> Void) throws {
        server = try RawServer(script: script)
        state = try TemporaryDirectory()
        directory = LaneDirectory(state.path)
        try directory.prepareForUplink()
        settings = UplinkSettings(
            site: testSite, lane: try #require(ShortName("north-07")), stateDirectory: state.path,
            runDirectory: state.path, collector: try makeSettings(server.url, answer: 20_000, image: 20_000),
            statementIntervalMilliseconds: 100, imageIntervalMilliseconds: 300, largestImageBytes: 1 << 20,
            diskReserveBytes: 0)
        (client, sync) = try Self.makeSync(settings)
    }

    private static func makeSync(_ settings: UplinkSettings) throws -> (CollectorClient, CredentialSync) {
        let client = try CollectorClient(settings.collector)
        return (client, CredentialSync(settings, client, now: now))
    }

    private static var now: MonotonicTime { MonotonicTime(nanoseconds: SystemClock.monotonicNanoseconds()) }

    /// Added to the clock that the sync is told.
    var aheadMilliseconds: Int64 = 0

    /// As after the end of the process: nothing is kept but files.
    func restart() throws {
        sync.stop()
        (client, sync) = try Self.makeSync(settings)
    }

    /// Lets it work until the condition holds; false after 20 s.
    func work(until condition: () throws -> Bool) throws -> Bool {
        let deadline = SystemClock.deadline(milliseconds: 60_000)
        while SystemClock.monotonicNanoseconds() < deadline {
            if try condition() { return true }
            sync.step(now: Self.now.advanced(byMilliseconds: aheadMilliseconds))
            let next = min(sync.nextDue.nanoseconds, SystemClock.deadline(milliseconds: 20))
            _ = try client.wait(until: next)
            while let (exchange, outcome) = client.nextFinished() {
                #expect(sync.take(exchange, outcome, now: Self.now.advanced(byMilliseconds: aheadMilliseconds)))
            }
        }
        return try condition()
    }

    func incoming() throws -> [String] { try FileSystem.list(directory.incoming) }
    func contents(_ name: String) throws -> [UInt8] {
        try FileSystem.read("\(directory.incoming)/\(name)", limit: 1 << 24)
    }
    func put(_ name: String, _ bytes: [UInt8]) throws {
        try FileSystem.replace("\(directory.incoming)/\(name)", with: bytes, mode: 0o640)
    }
    func apply(_ image: TestImage) throws {
        let mark = AppliedMark(imageVersion: image.version, changeNumber: 0, headerDigestHex: image.digestHex)
        try AppliedFile.write(mark, to: directory.applied)
    }
}

extension RawConnection {
    /// Answers as a collector does: statement, image, If-None-Match and Range with If-Range.
    fileprivate func serve(_ image: TestImage) {
        switch path {
        case "/v1/statement": answer("200 OK", [], image.statement())
        case "/v1/image" where header("if-none-match") == image.etag: answer("304 Not Modified", image.headers)
        case "/v1/image":
            if let start = rangeStart, header("if-range") == image.etag, start < image.bytes.count {
                let range = "Content-Range: bytes \(start)-\(image.bytes.count - 1)/\(image.bytes.count)"
                answer("206 Partial Content", image.headers + [range], Array(image.bytes[start...]))
            } else {
                answer("200 OK", image.headers, image.bytes)
            }
        default: answer("404 Not Found")
        }
    }

    /// 5 of `Range: bytes=5-`
    fileprivate var rangeStart: Int? {
        header("range").flatMap { Int($0.drop { $0 != "=" }.dropFirst().prefix { $0 != "-" }) }
    }
}

@Suite("Statements and images", .serialized)
struct CredentialSyncTests {
    @Test("the statement and the image it names come whole, and the daemon is woken")
    func fetches() throws {
        let image = try TestImage(version: 7)
        let place = try Place { $0.serve(image) }
        defer { place.server.stop() }
        let bell = try UnixSocket.listen("\(place.state.path)/look.sock", mode: 0o660)
        #expect(try place.work { try place.incoming().contains("image-\(image.name).img") })
        #expect(try place.contents("image-\(image.name).img") == image.bytes)
        #expect(try place.contents("statement") == image.statement())
        let statement = try #require(place.sync.statement)
        #expect(place.sync.summary.contains("is current as of \(Timestamp.format(statement.asOf.milliseconds))"))
        #expect(try place.incoming().count == 2)
        var words: [UInt8] = []
        #expect(
            try eventually(on: bell) {
                guard let ring = try UnixSocket.accept(bell) else { return false }
                words = try ring.readAll(limit: 100)
                return true
            })
        #expect(words == Array("look\n".utf8))
    }

    @Test(
        "a damaged image that the daemon does not take is fetched once more after 5 min, not before and not at once again"
    )
    func fetchedAgain() throws {
        let image = try TestImage(version: 7)
        let place = try Place { $0.serve(image) }
        defer { place.server.stop() }
        let name = "image-\(image.name).img"
        func fetched() -> Int { place.server.requests(to: "/v1/image").count { !$0.contains("If-None-Match") } }
        func statements() -> Int { place.server.requests(to: "/v1/statement").count }
        #expect(try place.work { try place.incoming().contains(name) })
        // As a disk would: checked, whole by its length, and no longer what it was.
        func damage() throws {
            var bytes = image.bytes
            bytes[bytes.count - 1] ^= 1
            try place.put(name, bytes)
        }
        try damage()
        for (seconds, times) in [(0, 1), (290, 1), (301, 2), (310, 2), (890, 2), (930, 3)] as [(Int64, Int)] {
            place.aheadMilliseconds = seconds * 1000
            let before = statements()
            #expect(try place.work { statements() >= before + 3 && fetched() >= times })
            #expect(fetched() == times, "after \(seconds) s")
            #expect(try place.work { try place.incoming().contains(name) })
            if try place.contents(name) == image.bytes { try damage() }
        }
    }

    @Test("a whole image that the daemon does not take waits on, and is not fetched again")
    func waitsOn() throws {
        let image = try TestImage(version: 7)
        let place = try Place { $0.serve(image) }
        defer { place.server.stop() }
        let name = "image-\(image.name).img"
        func statements() -> Int { place.server.requests(to: "/v1/statement").count }
        #expect(try place.work { try place.incoming().contains(name) })
        let file = try FileSystem.status("\(place.directory.incoming)/\(name)")
        for seconds in [0, 301, 930, 2200] as [Int64] {
            place.aheadMilliseconds = seconds * 1000
            let before = statements()
            #expect(try place.work { statements() >= before + 4 })
            #expect(try FileSystem.status("\(place.directory.incoming)/\(name)") == file, "after \(seconds) s")
        }
        #expect(place.server.requests(to: "/v1/image").count { !$0.contains("If-None-Match") } == 1)
    }

    @Test("an image that is held is not fetched again, whoever holds it")
    func notModified() throws {
        let image = try TestImage(version: 7)
        let place = try Place { $0.serve(image) }
        defer { place.server.stop() }
        try place.apply(image)
        func asked() -> [String] { place.server.requests(to: "/v1/image") }
        #expect(try place.work { asked().count >= 3 })
        #expect(asked().allSatisfy { $0.contains("If-None-Match: \(image.etag)\r\n") || $0.hasSuffix(image.etag) })
        #expect(try place.incoming() == ["statement"])
    }

    @Test("what the daemon applied is removed from incoming, and a newer image follows")
    func tidies() throws {
        let old = try TestImage(version: 7)
        let new = try TestImage(version: 8, seed: 9)
        let current = Mutex(old)
        let place = try Place { connection in connection.serve(current.withLock { $0 }) }
        defer { place.server.stop() }
        #expect(try place.work { try place.incoming().contains("image-\(old.name).img") })
        try place.apply(old)
        #expect(try place.work { try !place.incoming().contains("image-\(old.name).img") })
        current.withLock { $0 = new }
        #expect(try place.work { try place.incoming().contains("image-\(new.name).img") })
        #expect(try place.contents("image-\(new.name).img") == new.bytes)
    }

    @Test(
        "a download that breaks off is gone on with where it ended, also by another process", arguments: [true, false])
    func resumes(restarting: Bool) throws {
        let image = try TestImage(version: 7)
        let broken = Mutex(0)
        let place = try Place { connection in
            guard connection.path == "/v1/image",
                broken.withLock({
                    $0 += 1; return $0
                }) == 1
            else {
                return connection.serve(image)
            }
            let head = ["HTTP/1.1 200 OK", "Content-Length: \(image.bytes.count)"] + image.headers
            connection.send(head.joined(separator: "\r\n") + "\r\n\r\n")
            connection.send(Array(image.bytes.prefix(50_000)))
            connection.close()
        }
        defer { place.server.stop() }
        let part = "image-\(image.name).part"
        #expect(try place.work { try place.incoming().contains(part) && place.contents(part).count == 50_000 })
        if restarting { try place.restart() }
        #expect(try place.work { try place.incoming().contains("image-\(image.name).img") })
        #expect(try place.contents("image-\(image.name).img") == image.bytes)
        #expect(try !place.incoming().contains(part))
        let second = try #require(place.server.requests(to: "/v1/image").dropFirst().first)
        #expect(second.contains("Range: bytes=50000-") && second.contains("If-Range: \(image.etag)"))
    }

    @Test("a part of an image that is no longer offered gives way to the new one")
    func staleResume() throws {
        let old = try TestImage(version: 7)
        let new = try TestImage(version: 8, seed: 3)
        let place = try Place { $0.serve(new) }
        defer { place.server.stop() }
        try place.put("image-\(old.name).part", Array(old.bytes.prefix(60_000)))
        #expect(try place.work { try place.incoming() == ["image-\(new.name).img", "statement"] })
        #expect(try place.contents("image-\(new.name).img") == new.bytes)
    }

    @Test("a part that was complete when the process ended is checked and taken without a request")
    func completePart() throws {
        let image = try TestImage(version: 7)
        let place = try Place { connection in
            if connection.path == "/v1/image" { connection.answer("500 No") } else { connection.serve(image) }
        }
        defer { place.server.stop() }
        try place.put("image-\(image.name).part", image.bytes)
        #expect(try place.work { try place.incoming().contains("image-\(image.name).img") })
        #expect(place.server.requests(to: "/v1/image").isEmpty)
    }

    @Test("a damaged part costs one more download and nothing else")
    func damagedPart() throws {
        let image = try TestImage(version: 7)
        let place = try Place { $0.serve(image) }
        defer { place.server.stop() }
        var part = Array(image.bytes.prefix(60_000))
        part[50_000] ^= 1
        try place.put("image-\(image.name).part", part)
        #expect(try place.work { try place.incoming().contains("image-\(image.name).img") })
        #expect(try place.contents("image-\(image.name).img") == image.bytes)
    }

    enum Nonsense: String, CaseIterable, Sendable {
        case html, noVersion, huge, hugeWithoutLength, otherSite, otherVersion, damagedBody, cutHeader, wrongETag
        case wrongRange, unaskedPart, redirect, older, serverError, empty
    }

    @Test("an answer that is no image of this site leaves nothing behind", arguments: Nonsense.allCases)
    func nonsense(_ nonsense: Nonsense) throws {
        let held = try TestImage(version: 5)
        let image = try TestImage(version: 7)
        let foreign = try TestImage(version: 7, site: SiteID(low: 1, high: 1))
        let old = try TestImage(version: 4)
        let place = try Place { connection in
            guard connection.path == "/v1/image" else { return connection.serve(image) }
            var damaged = image.bytes
            damaged[damaged.count - 5] ^= 0x10
            let version = "Lanekeeper-Image-Version: 7"
            switch nonsense {
            case .html: connection.answer("200 OK", ["Content-Type: text/html", version], text: "<html>log in</html>")
            case .noVersion: connection.answer("200 OK", ["ETag: \(image.etag)"], image.bytes)
            case .huge:
                connection.send("HTTP/1.1 200 OK\r\n\(version)\r\nContent-Length: 99999999999\r\n\r\nabc")
                connection.stallUntilClosed()
            case .hugeWithoutLength:
                connection.send("HTTP/1.1 200 OK\r\n\(version)\r\nConnection: close\r\n\r\n")
                connection.send(image.bytes)
                while connection.isOpen { connection.send([UInt8](repeating: 7, count: 65_536)) }
            case .otherSite: connection.answer("200 OK", foreign.headers, foreign.bytes)
            case .otherVersion: connection.answer("200 OK", ["Lanekeeper-Image-Version: 8"], image.bytes)
            case .damagedBody: connection.answer("200 OK", image.headers, damaged)
            case .cutHeader: connection.answer("200 OK", image.headers, Array(image.bytes.prefix(3000)))
            case .wrongETag: connection.answer("200 OK", ["ETag: \(foreign.etag)", version], image.bytes)
            case .wrongRange, .unaskedPart:
                let range = "Content-Range: bytes 5-\(image.bytes.count - 1)/\(image.bytes.count)"
                connection.answer("206 Partial Content", image.headers + [range], Array(image.bytes.dropFirst(5)))
            case .redirect: connection.answer("301 Moved Permanently", ["Location: /v1/statement"])
            case .older: connection.answer("200 OK", old.headers, old.bytes)
            case .serverError: connection.answer("500 Internal Server Error", image.headers, image.bytes)
            case .empty: connection.answer("200 OK", image.headers)
            }
        }
        defer { place.server.stop() }
        try place.apply(held)
        if nonsense == .wrongRange { try place.put("image-\(image.name).part", Array(image.bytes.prefix(60_000))) }
        #expect(try place.work { !place.sync.complaints.isEmpty })
        #expect(try place.incoming().filter { $0 != "statement" } == [], "\(place.sync.complaints)")
        #expect(place.sync.complaints.allSatisfy { $0.utf8.count < 600 })
    }

    @Test("a statement that is none, or another site's, changes nothing", arguments: 0..<5)
    func nonsenseStatement(_ index: Int) throws {
        let image = try TestImage(version: 7)
        let place = try Place { connection in
            guard connection.path == "/v1/statement" else { return connection.answer("404 Not Found") }
            switch index {
            case 0: connection.answer("200 OK", [], text: "<html></html>")
            case 1: connection.answer("200 OK", [], image.statement(site: SiteID(low: 3, high: 4)))
            case 2: connection.answer("200 OK", [], Array(image.statement().dropLast()))
            case 3: connection.answer("503 Service Unavailable", ["Retry-After: 1"])
            default: connection.answer("200 OK", [], [UInt8](repeating: 0, count: 100_000))
            }
        }
        defer { place.server.stop() }
        try place.put("statement", Array("the former one".utf8))
        #expect(try place.work { place.sync.complaints.contains { !$0.contains("404") } })
        #expect(try place.contents("statement") == Array("the former one".utf8))
    }

    @Test("when the disk has no room but the journal's, the download is refused and the old image stays")
    func diskReserve() throws {
        let image = try TestImage(version: 7)
        let place = try Place { $0.serve(image) }
        defer { place.server.stop() }
        place.settings.diskReserveBytes = .max / 2
        try place.restart()
        #expect(try place.work { place.sync.complaints.contains { $0.contains("free space") } })
        #expect(try place.incoming().filter { $0 != "statement" }.isEmpty)
    }

    @Test("a daemon that takes no image leaves three waiting at most, the newest among them")
    func waiting() throws {
        let images = try (1...6).map { try TestImage(version: $0, slots: 128) }
        let current = Mutex(0)
        let place = try Place { connection in connection.serve(images[current.withLock { $0 }]) }
        defer { place.server.stop() }
        for index in images.indices {
            current.withLock { $0 = index }
            #expect(try place.work { try place.incoming().contains("image-\(images[index].name).img") })
        }
        #expect(
            try place.work {
                try place.incoming() == images.suffix(3).map { "image-\($0.name).img" } + ["statement"]
            })
    }
}

@Suite("When credentials are asked for")
struct CredentialScheduleTests {
    private func at(_ milliseconds: UInt64) -> MonotonicTime { MonotonicTime(milliseconds: milliseconds) }
    private let seven = ImageName(version: 7, headerDigestHex: "77")
    private let eight = ImageName(version: 8, headerDigestHex: "88")

    @Test("statements come every interval, a tenth earlier or later", arguments: 0..<20)
    func jitter(_ round: UInt64) {
        var random = SeededGenerator(seed: 40 + round, for: "jitter")
        var schedule = CredentialSchedule(
            statementIntervalMilliseconds: 10_000, imageIntervalMilliseconds: 60_000, now: at(0), using: &random)
        #expect(schedule.nextDue <= at(500))
        #expect(schedule.start(now: at(500)) == [.statement])
        #expect(schedule.start(now: at(900)) == [], "one at a time")
        schedule.statementCame(naming: seven, held: seven, now: at(1000), using: &random)
        #expect(schedule.start(now: at(9999)) == [.image])
        #expect(schedule.start(now: at(12_000)) == [.statement])
    }

    @Test(
        "with the longest interval that a configuration may have, the next is asked for within 30 s", arguments: 0..<50)
    func atMost30Seconds(_ round: UInt64) {
        var random = SeededGenerator(seed: 90 + round, for: "longest")
        var schedule = CredentialSchedule(
            statementIntervalMilliseconds: 27_000, imageIntervalMilliseconds: 60_000, now: at(0), using: &random)
        #expect(schedule.start(now: at(500)) == [.statement])
        schedule.statementCame(naming: seven, held: seven, now: at(1000), using: &random)
        _ = schedule.start(now: at(10_000))
        #expect(schedule.start(now: at(31_000)) == [.statement])
    }

    @Test("an image that a statement names is asked for at once, unless that just failed")
    func named() {
        var random = SeededGenerator(seed: 3, for: "named")
        var schedule = CredentialSchedule(
            statementIntervalMilliseconds: 10_000, imageIntervalMilliseconds: 60_000, now: at(0), using: &random)
        _ = schedule.start(now: at(500))
        schedule.statementCame(naming: seven, held: nil, now: at(1000), using: &random)
        #expect(schedule.start(now: at(1000)) == [.image])
        schedule.imageFailed(progressed: false, isHopeless: true, now: at(1000), using: &random)
        schedule.statementCame(naming: seven, held: nil, now: at(2000), using: &random)
        #expect(schedule.start(now: at(2000)) == [], "the same one waits")
        schedule.statementCame(naming: eight, held: nil, now: at(2000), using: &random)
        #expect(schedule.start(now: at(2000)) == [.image], "another is worth a try")
    }
}
