import Admission
import Framing
import Glibc
import Posix
import Storage
import TestSupport
import Testing

@Suite struct ImageInstallerTests {
    let fixture: ImageFixture
    let temporary: TemporaryDirectory
    let directory: LaneDirectory
    let installer: ImageInstaller

    init() throws {
        fixture = try ImageFixture()
        temporary = try TemporaryDirectory()
        directory = LaneDirectory(temporary.file("lane"))
        try directory.prepareForDaemon()
        try directory.prepareForUplink()
        installer = ImageInstaller(directory, trusting: fixture.trust)
    }

    private func deliver(version: UInt64) throws -> String {
        let path = directory.incomingImage(version: version)
        try fixture.write(to: path, title: fixture.title(version: version))
        return path
    }

    private func imagesHeld() throws -> [String] { try FileSystem.list(directory.images) }

    @Test("a delivered image is copied, verified and named for its version and digest")
    func install() throws {
        #expect(try installer.newestIncoming(above: 0) == nil)
        _ = try deliver(version: 4)
        let source = try deliver(version: 5)
        #expect(try installer.newestIncoming(above: 0) == source)
        #expect(try installer.newestIncoming(above: 5) == nil)
        let image = try installer.install(from: source, newerThan: 0, at: fixture.moment())
        #expect(image.version == 5)
        let name = "00000000000000000005-\(Hexadecimal.text(image.headerDigest.prefix(8))).img"
        #expect(try imagesHeld() == [name] && image.path == "\(directory.images)/\(name)")
        #expect(try FileSystem.status(image.path).mode == 0o640)
        // Whatever the other user does to the original now cannot matter.
        #expect(truncate(source, 10) == 0)
        #expect(image.lookup(fixture.tag(1)) == .found(ImageFixture.credential(holder: 2)))
    }

    @Test("installing the same image twice changes nothing")
    func twice() throws {
        let source = try deliver(version: 5)
        let first = try installer.install(from: source, newerThan: 0, at: fixture.moment())
        let second = try installer.install(from: source, newerThan: 0, at: fixture.moment())
        #expect(first.path == second.path)
        #expect(try imagesHeld().count == 1)
        #expect(first.lookup(fixture.tag(0)) == second.lookup(fixture.tag(0)))
    }

    @Test("a refused image leaves nothing behind")
    func refused() throws {
        let source = try deliver(version: 5)
        var bytes = try FileSystem.read(source, limit: 1 << 20)
        bytes[bytes.count - 1] ^= 1
        try FileSystem.replace(source, with: bytes, mode: 0o640)
        #expect(throws: StorageError.self) {
            try installer.install(from: source, newerThan: 0, at: fixture.moment())
        }
        try FileSystem.replace(source, with: Array(bytes.dropLast(5)), mode: 0o640)
        #expect(throws: StorageError.self) {
            try installer.install(from: source, newerThan: 0, at: fixture.moment())
        }
        try FileSystem.unlink(source)
        #expect(mkfifo(source, 0o600) == 0)
        #expect(throws: StorageError.self) {
            try installer.install(from: source, newerThan: 0, at: fixture.moment())
        }
        #expect(try imagesHeld().isEmpty)
    }

    /// 3 MiB and a piece: several regions, the last one not whole.
    private func large(version: UInt64) throws -> (source: String, bytes: [UInt8]) {
        let source = directory.incomingImage(version: version)
        try fixture.write(to: source, count: 75_000, title: fixture.title(version: version))
        return (source, try FileSystem.read(source, limit: 1 << 24))
    }

    @Test("what was copied and verified piece by piece is the file as it was delivered, byte by byte")
    func largeCopy() throws {
        let (source, bytes) = try large(version: 5)
        let image = try installer.install(from: source, newerThan: 0, at: fixture.moment())
        #expect(image.header.regionChecksums.count == 4 && image.notLocked == nil)
        #expect(try FileSystem.read(image.path, limit: 1 << 24) == bytes)
        for number in stride(from: 0, to: 75_000, by: 997) {
            #expect(image.lookup(fixture.tag(number)) == .found(ImageFixture.credential(holder: UInt32(number + 1))))
        }
    }

    @Test(
        "a bit that is wrong anywhere in a delivered body is found while it is copied, and nothing is left",
        arguments: [0, 4096, 1 << 20 - 1, 1 << 20, 3 << 20 - 1, 3 << 20, -1])
    func damagedRegion(place: Int) throws {
        var (source, bytes) = try large(version: 5)
        let start = Int(bytes[12]) | Int(bytes[13]) << 8
        let byte = place < 0 ? bytes.count + place : start + place
        bytes[byte] ^= 0x10
        try FileSystem.replace(source, with: bytes, mode: 0o640)
        let thrown = #expect(throws: StorageError.self) {
            try installer.install(from: source, newerThan: 0, at: fixture.moment())
        }
        guard case .image(_, .damagedRegion(let region))? = thrown else {
            Issue.record("\(String(describing: thrown))")
            return
        }
        #expect(region == (byte - start) >> 20)
        #expect(try imagesHeld().isEmpty)
    }

    @Test("a body whose checksums were made to fit is refused by its digest, and nothing is left")
    func foreignBody() throws {
        var (source, bytes) = try large(version: 5)
        let start = Int(bytes[12]) | Int(bytes[13]) << 8
        bytes[start + 100] ^= 1
        let region = bytes[start..<(start + 1 << 20)].withUnsafeBytes { CRC32C.checksum($0) }
        // Behind the header's 144 bytes, two zones and one zone set.
        let place = 144 + 2 * 32 + 8
        bytes = try fixture.resigned(bytes) { image in
            for index in 0..<4 { image[place + index] = UInt8(truncatingIfNeeded: region >> (8 * UInt32(index))) }
        }
        try FileSystem.replace(source, with: bytes, mode: 0o640)
        let thrown = #expect(throws: StorageError.self) {
            try installer.install(from: source, newerThan: 0, at: fixture.moment())
        }
        guard case .image(_, .damagedBody)? = thrown else {
            Issue.record("\(String(describing: thrown))")
            return
        }
        #expect(try imagesHeld().isEmpty)
    }

    @Test("an image larger than allowed is refused before it is copied")
    func tooLarge() throws {
        let source = try deliver(version: 5)
        let small = ImageInstaller(directory, trusting: fixture.trust, mostBytes: 5000)
        #expect(throws: StorageError.image(path: source, .tooLarge(bytes: 8192, limit: 5000))) {
            try small.install(from: source, newerThan: 0, at: fixture.moment())
        }
    }

    @Test("the start takes the newest image that is whole, and says why not a newer one")
    func loadNewest() throws {
        #expect(try installer.loadNewest(at: fixture.moment()).image == nil)
        var paths: [String] = []
        for version: UInt64 in 1...3 {
            let source = try deliver(version: version)
            paths.append(try installer.install(from: source, newerThan: 0, at: fixture.moment()).path)
        }
        #expect(try installer.loadNewest(at: fixture.moment()).image?.version == 3)
        var bytes = try FileSystem.read(paths[2], limit: 1 << 20)
        bytes[5000] ^= 1
        try FileSystem.replace(paths[2], with: bytes, mode: 0o640)
        try FileSystem.replace("\(directory.images)/stranger.img", with: [1], mode: 0o640)
        let loaded = try installer.loadNewest(at: fixture.moment())
        #expect(loaded.image?.version == 2)
        #expect(loaded.refused == [.image(path: paths[2], .damagedRegion(0))])
        #expect(try FileSystem.statusIfPresent(paths[2]) != nil)
    }

    @Test("old images go when their time is over, the newest and the one in force never")
    func retention() throws {
        for version: UInt64 in 1...5 {
            let source = try deliver(version: version)
            _ = try installer.install(from: source, newerThan: 0, at: fixture.moment())
        }
        let wall = WallTime(milliseconds: SystemClock.wallMilliseconds())
        func moment(_ clock: ClockTrust, _ hours: Int64) -> Moment {
            Moment(
                monotonic: MonotonicTime(milliseconds: 1),
                wall: WallTime(milliseconds: wall.milliseconds + hours * 3_600_000), clock: clock)
        }
        let retention = ImageRetention(fewest: 2, milliseconds: 24 * 3_600_000)
        #expect(try installer.removeExpired(retention, inForce: 5, at: moment(.trusted, 23)).isEmpty)
        #expect(try installer.removeExpired(retention, inForce: 5, at: moment(.stepped, 25)).isEmpty)
        #expect(try installer.removeExpired(retention, inForce: 2, at: moment(.trusted, 25)).count == 1)
        #expect(try imagesHeld().count == 4)
        #expect(try installer.removeExpired(retention, inForce: 5, at: moment(.trusted, 25)).count == 2)
        #expect(try imagesHeld().count == 2)
    }
}
