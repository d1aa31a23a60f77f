import Admission
import Cryptography
import Framing
import Posix
import Storage
import TestSupport
import Testing

@testable import LaneDaemon

/// Image 1 has chip 1. Its holder's code turns red: change 1. Image 2 was made before that and has his new chip 2 beside
/// it; the collector numbers change 2, about that chip, before its statement names image 2.
@Suite struct ImageAndChangesTests {
    private func begun(_ lane: CredentialLane) throws -> [UInt8] {
        try lane.site.image(1, chips: [1])
        try lane.site.bring(1, [1])
        try lane.start()
        try lane.awaitTable(1, change: 1)
        return try lane.site.digest(lane.site.image(2, chips: [1, 2]))
    }

    @Test("a newer image comes into force together with the changes that the statement names with it, never before")
    func together() throws {
        let lane = try CredentialLane()
        defer { lane.stop() }
        let digest = try begun(lane)
        try lane.state(2, digest, change: 2)
        #expect(lane.tables.allSatisfy { $0.image.version == 1 })
        try lane.site.bring(2, [2])
        try lane.state(2, digest, change: 2)
        try lane.awaitTable(2, change: 2)
        // Unknown on the first image, and red from the first decision on.
        #expect(try lane.said(of: 2) == ["unknown", "red"])
        #expect(try lane.said(of: 1).drop { $0 == "green" } == ["red"])
    }

    @Test("further changes do not make it wait for longer")
    func furtherChanges() throws {
        let lane = try CredentialLane()
        defer { lane.stop() }
        let digest = try begun(lane)
        try lane.state(2, digest, change: 2)
        try lane.site.bring(2, [2])
        try lane.state(2, digest, change: 9)
        try lane.awaitTable(2, change: 2)
        #expect(try lane.said(of: 2) == ["unknown", "red"])
    }

    @Test("a lane that was killed while the image waited goes on with the image before, until the changes are here")
    func restart() throws {
        let lane = try CredentialLane()
        let digest = try begun(lane)
        try lane.state(2, digest, change: 2)
        try #require(try eventually { (try? AppliedFile.read(lane.site.directory.applied))?.changeNumber == 1 })
        lane.stop()
        try FileSystem.unlink(lane.site.directory.incomingImage(version: 2))
        try lane.start()
        defer { lane.stop() }
        try lane.awaitTable(1, change: 1)
        try lane.site.bring(2, [2])
        try lane.state(2, digest, change: 2)
        try lane.awaitTable(2, change: 2)
        #expect(try lane.said(of: 2) == ["unknown", "red"])
    }

    @Test("a log of changes that cannot be read holds up no image, neither one that waited nor the first")
    func unreadableLog() throws {
        let waited = try CredentialLane()
        let digest = try begun(waited)
        try waited.state(2, digest, change: 2)
        try #require(try eventually { (try? AppliedFile.read(waited.site.directory.applied))?.changeNumber == 1 })
        waited.stop()
        let first = try CredentialLane()
        try first.site.image(2, chips: [1])
        for lane in [waited, first] {
            // Nobody can read a folder as a file, not even root.
            _ = try FileSystem.unlinkIfPresent(lane.site.directory.changes)
            try FileSystem.makeDirectories(lane.site.directory.changes, mode: 0o750)
            try lane.start()
            try lane.awaitTable(2, change: 0)
            lane.stop()
        }
    }

    @Test("changes that do not come hold an image up for a bounded time")
    func bounded() throws {
        let lane = try CredentialLane()
        defer { lane.stop() }
        try lane.site.image(1, chips: [1])
        try lane.site.bring(1, [1])
        try lane.start(pairingMilliseconds: 50)
        try lane.awaitTable(1, change: 1)
        try lane.state(2, try lane.site.digest(lane.site.image(2, chips: [1, 2])), change: 2)
        try lane.awaitTable(2, change: 1)
        #expect(try lane.said(of: 1).drop { $0 == "green" } == ["red"])
    }

    @Test("an image that has taken in more than the lane has does not wait")
    func behind() throws {
        let lane = try CredentialLane()
        defer { lane.stop() }
        _ = try begun(lane)
        let image = try lane.site.image(3, change: 5, chips: [1, 2])
        try lane.state(3, try lane.site.digest(image), change: 7)
        try lane.awaitTable(3, change: 5)
    }
}
