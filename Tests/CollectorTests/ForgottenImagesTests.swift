import Framing
import Posix
import TestSupport
import Testing

@testable import Collector

/// A collector whose `site.sqlite` comes back from a backup that was made when image 1 was in force.
private struct Place {
    let bench: ServiceBench
    private let copy: String

    init(images: Int) throws {
        bench = try ServiceBench()
        copy = bench.directory.file("copy.sqlite")
        _ = try bench.publish(["a", "b"])
        try Database(bench.data.siteDatabase, .readWrite).execute("VACUUM INTO '\(copy)'")
        for _ in 1..<images { try bring() }
        bench.service.refresh()
    }

    func bring() throws {
        _ = try bench.publish(["a", "b"])
        bench.service.refresh()
    }

    func restore(published: Bool) throws {
        try bench.restart(between: {
            try ServiceBench.restore(bench.data.siteDatabase, from: copy)
            if !published { try bench.forgetPublishedChanges() }
        })
        bench.service.refresh()
    }

    var version: UInt64 {
        get throws { try Statement.parse(try bench.get("/v1/statement").body).statement.imageVersion }
    }

    var losses: [String] {
        get throws { try AuditTrail.lines(bench.data, count: 99).filter { $0.contains("\timages were lost\t") } }
    }

    /// What a lane asks that has this image.
    func ask(image: UInt64, after: UInt64 = 0) throws -> Int {
        defer { bench.service.refresh() }
        return try bench.get("/v1/changes?after=\(after)", "Lanekeeper-Image-Version: \(image)\r\n").status
    }
}

@Suite("An older site.sqlite", .serialized) struct ForgottenImagesTests {
    @Test("the next image goes above what published/ showed, and that images were lost is said once")
    func published() throws {
        let place = try Place(images: 3)
        #expect(try place.version == 3)
        try place.restore(published: true)
        #expect(try place.version == 1 && place.losses.count == 1)
        #expect(try place.losses.first?.contains("published/ shows image 3, the newest here is image 1") == true)
        try place.bench.restart()
        try place.bring()
        #expect(try place.version == 4 && place.losses.count == 1)
    }

    @Test(
        "without published/ a lane says which image it has: the next goes above it, and no image is made that it refuses"
    )
    func lanes() throws {
        let place = try Place(images: 3)
        try place.restore(published: false)
        #expect(try place.version == 1 && place.losses.isEmpty)
        #expect(try place.ask(image: 1) == 204 && place.losses.isEmpty)
        // It has changes, too, that are not known here: an image above those would not be above its own.
        #expect(try place.ask(image: 7, after: 5) == 410)
        #expect(try place.version == 1 && place.losses.count == 1)
        #expect(try place.losses.first?.contains("a lane has image 7, the newest here is image 1") == true)
        // Neither who says it again nor who says what cannot be makes anything of it.
        #expect(try place.ask(image: 7) == 204 && place.ask(image: .max) == 204)
        #expect(try place.losses.count == 1)
        try place.bring()
        #expect(try place.version == 8)
        #expect(try place.ask(image: 8) == 204 && place.losses.count == 1)
    }
}
