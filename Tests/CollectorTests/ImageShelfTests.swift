import Framing
import Posix
import TestSupport
import Testing

@testable import Collector

@Suite("The shelf of images")
struct ImageShelfTests {
    private let day: Int64 = 86_400_000

    private func feed(_ bench: ImportBench, _ health: String, strict: Bool = false) throws {
        var options = FeedImport.Options()
        options.rules.mostLosingPercent = strict ? 0 : 100
        try bench.publish([line("a", chip: "01020301", health: health)], options: options)
    }

    private func versions(_ bench: ImportBench) throws -> [Int] {
        try FileSystem.list(bench.data.images).compactMap { Int($0.dropLast(4)) }.sorted()
    }

    private func prune(_ bench: ImportBench, _ limits: ImageLimits, after days: Int64 = 0) throws {
        let shelf = ImageShelf(bench.data, try bench.data.openSite().database, limits)
        _ = try shelf.prune(now: SystemClock.wallMilliseconds() + days * day)
    }

    private var green: String { "green,\(Timestamp.format(SystemClock.wallMilliseconds() - 60_000))" }

    @Test("an image's days run from when another took its place, of a held one from when it was made")
    func daysBegin() throws {
        let bench = try ImportBench()
        try feed(bench, green)
        try feed(bench, "red,", strict: true)
        for _ in 0..<2 { try feed(bench, green) }
        // 1 was in force from the tenth day before today to the fifth, 3 until today; 2 was held on the ninth.
        let today = SystemClock.wallMilliseconds()
        let database = try bench.data.openSite().database
        for (version, column, days) in [(1, "published", 10), (3, "published", 5), (2, "issued", 9)] {
            try database.execute(
                "UPDATE image SET \(column) = \(today - Int64(days) * day) WHERE version = \(version)")
        }
        try prune(bench, ImageLimits(days: 10, most: 60))
        #expect(try versions(bench) == [1, 2, 3, 4])
        try prune(bench, ImageLimits(days: 8, most: 60))
        #expect(try versions(bench) == [1, 3, 4])
        try prune(bench, ImageLimits(days: 4, most: 60))
        #expect(try versions(bench) == [3, 4])
    }

    @Test("what was in force stays for some days, what is in force and what is held for good")
    func days() throws {
        let bench = try ImportBench()
        for _ in 0..<3 { try feed(bench, green) }
        try feed(bench, "red,", strict: true)
        #expect(bench.inForce == 3)
        try prune(bench, ImageLimits(days: 8, most: 60), after: 7)
        #expect(try versions(bench) == [1, 2, 3, 4])
        try prune(bench, ImageLimits(days: 8, most: 60), after: 9)
        #expect(try versions(bench) == [3, 4])
        let lines = try ImageOffice(bench.data).lines(heldOnly: false)
        #expect(lines.first?.hasSuffix("\tno longer kept") == true, "\(lines)")
        #expect(try ImageOffice(bench.data).publish(4, by: "alice") == 4)
        // It took the place of 3, which goes by its age.
        try prune(bench, ImageLimits(days: 0, most: 60), after: 1)
        #expect(try versions(bench) == [4])
    }

    @Test("never more than so many, the newest first; the one in force in any case", arguments: [0, 1, 2, 3])
    func most(_ most: Int) throws {
        let bench = try ImportBench()
        for _ in 0..<4 { try feed(bench, green) }
        try feed(bench, "red,", strict: true)
        try prune(bench, ImageLimits(days: 8, most: most))
        #expect(try versions(bench) == [[4], [4, 5], [3, 4, 5], [2, 3, 4, 5]][most])
    }

    @Test("what is held and may still be published goes before all that only recomputes old decisions")
    func heldFirst() throws {
        let bench = try ImportBench()
        try feed(bench, green)
        try feed(bench, "red,", strict: true)
        let register = ImageRegister(try bench.data.openSite().database)
        for _ in 0..<3 {
            let inForce = try #require(try register.inForce())
            let next = ImageRevision(bench.data, of: inForce, as: try register.nextVersion(bench.data))
            try register.insert(try next.write(publishedAt: SystemClock.wallMilliseconds()) { _ in })
        }
        try prune(bench, ImageLimits(days: 8, most: 1))
        #expect(try versions(bench) == [2, 5])
    }

    @Test("what a killed import left goes, too, and not while another process imports")
    func leftBehind() throws {
        let bench = try ImportBench()
        try feed(bench, green)
        try FileSystem.replace(bench.data.imageFile(version: 9), with: [1], mode: 0o640)
        try FileSystem.replace("\(bench.data.images)/.x.img.1-1.partial", with: [1], mode: 0o640)
        let shelf = ImageShelf(bench.data, try bench.data.openSite().database, ImageLimits())
        do {
            let lock = try bench.data.lock(bench.data.importLock)
            try shelf.pruneIfFree(now: SystemClock.wallMilliseconds())
            #expect(try FileSystem.list(bench.data.images).count == 3)
            withExtendedLifetime(lock) {}
        }
        try shelf.pruneIfFree(now: SystemClock.wallMilliseconds())
        #expect(try FileSystem.list(bench.data.images).count == 1)
    }

    @Test("a collector at work removes old images by itself")
    func served() throws {
        let bench = try ServiceBench()
        for _ in 0..<3 {
            _ = try bench.publish(["a"])
            bench.service.refresh()
        }
        #expect(try FileSystem.list(bench.data.images).count == 3)
        var settings = try ServiceBench.settings(bench.data)
        settings.images.days = 0
        settings.images.most = 1
        bench.service.stop()
        let other = try CollectorService(settings)
        other.refresh()
        #expect(try FileSystem.list(bench.data.images).count <= 2)
        other.stop()
    }
}
