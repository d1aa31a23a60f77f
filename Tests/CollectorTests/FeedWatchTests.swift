import Glibc
import Posix
import TestSupport
import Testing

@testable import Collector

private let person = line("P", chip: "01020304")

/// A site with a directory that is watched.
private struct WatchBench {
    let imports: ImportBench
    let drop: String

    init() throws {
        imports = try ImportBench()
        drop = imports.directory.file("drop")
        try FileSystem.makeDirectories(drop, mode: 0o750)
    }

    func watch(_ options: FeedImport.Options = unguarded) throws -> FeedWatch {
        SignalWatch.ignoreLeaseBreaks()
        return try FeedWatch(data: imports.data, directory: drop, options: options) { _, _ in }
    }

    func put(_ name: String, _ rows: [String], header: String = feedHeader) throws {
        let text = ([header] + rows).map { $0 + "\n" }.joined()
        try FileSystem.replace("\(drop)/\(name)", with: Array(text.utf8), mode: 0o640)
    }

    /// None while the folder is not made yet.
    func names(_ folder: String) throws -> [String] {
        guard try FileSystem.statusIfPresent("\(drop)/\(folder)") != nil else { return [] }
        return try FileSystem.list("\(drop)/\(folder)").filter { !$0.hasPrefix(".") }.sorted()
    }

    /// Files of the directory itself.
    var waiting: [String] {
        get throws { try FileSystem.list(drop).filter { $0.contains(".csv") }.sorted() }
    }

    func program() throws -> CollectorProgram {
        try CollectorProgram(
            ["import", "--data", imports.data.path, "--most-losing", "100", "--watch", drop],
            output: imports.directory.file("watch.log"))
    }
}

@Suite("A watched directory of feeds")
struct FeedWatchTests {
    @Test("feeds are taken in the order of their times, and go on with their reports; nothing else is touched")
    func taking() throws {
        let bench = try WatchBench()
        let watch = try bench.watch()
        watch.round()
        #expect(bench.imports.inForce == nil)
        try bench.put("z.csv", [person])
        // A file system may give both the same time.
        var hourAgo = [timeval](repeating: timeval(tv_sec: time(nil) - 3600, tv_usec: 0), count: 2)
        #expect(utimes("\(bench.drop)/z.csv", &hourAgo) == 0)
        try bench.put("a.csv", [person, "x"])
        for name in [".hidden.csv", "b.csv.part", "old.csv.refused.csv"] { try bench.put(name, [person]) }
        watch.round()
        #expect(try bench.names("done") == ["1-z.csv", "2-a.csv", "2-a.csv.refused.csv"])
        #expect(try bench.names("taking") == [])
        #expect(try bench.waiting == [".hidden.csv", "b.csv.part", "old.csv.refused.csv"])
        let image = try #require(try ImageRegister(try bench.imports.data.openSite().database).inForce())
        #expect(image.version == 2)
        #expect(image.feed == "\(bench.drop)/a.csv")
    }

    @Test("what is held or refused goes where it can be found, with the reason")
    func notTaken() throws {
        let bench = try WatchBench()
        let watch = try bench.watch(FeedImport.Options())
        try bench.put("one.csv", [person, line("Q", chip: "01020305")])
        watch.round()
        try bench.put("two.csv", [person])
        try bench.put("three.csv", [person], header: "holder,kind")
        watch.round()
        #expect(bench.imports.inForce == 1)
        #expect(try bench.names("held") == ["2-two.csv"])
        let refused = try bench.names("refused")
        #expect(refused.count == 2)
        #expect(refused[0].hasSuffix("-three.csv"))
        let why = try FileSystem.read("\(bench.drop)/refused/\(refused[1])", limit: 4096)
        #expect(String(decoding: why, as: UTF8.self).contains("the header has no column chip"))
        #expect(try bench.waiting == [])
    }

    @Test("a file that somebody still writes is not taken before it is closed")
    func halfWritten() throws {
        let bench = try WatchBench()
        let watch = try bench.watch()
        try bench.put("feed.csv", [person])
        do {
            let writer = try Descriptor.open("\(bench.drop)/feed.csv", [.write])
            watch.round()
            #expect(try bench.waiting == ["feed.csv"])
            withExtendedLifetime(writer) {}
        }
        watch.round()
        #expect(try bench.names("done") == ["1-feed.csv"])
    }

    @Test("what was cut short is imported at the next start, or only moved when its image was made already")
    func resumed() throws {
        let bench = try WatchBench()
        _ = try bench.watch()
        try bench.put("taking/feed.csv", [person])
        try bench.watch().round()
        #expect(try bench.names("done") == ["1-feed.csv"])
        // Killed between the image and the move.
        try FileSystem.rename("\(bench.drop)/done/1-feed.csv", to: "\(bench.drop)/taking/feed.csv")
        try bench.watch().round()
        #expect(try bench.names("done") == ["1-feed.csv"])
        #expect(bench.imports.inForce == 1)
    }

    @Test("while another import runs a feed waits, and is none the worse for it")
    func busy() throws {
        let bench = try WatchBench()
        try bench.put("feed.csv", [person])
        do {
            let lock = try bench.imports.data.lock(bench.imports.data.importLock)
            try bench.watch().round()
            #expect(try bench.names("refused") == [])
            #expect(try bench.names("taking") == ["feed.csv"])
            withExtendedLifetime(lock) {}
        }
        try bench.watch().round()
        #expect(try bench.names("done") == ["1-feed.csv"])
    }

    @Test("asked to stop while it reads, nothing comes of the feed, which waits for the next start")
    func stopped() throws {
        let bench = try WatchBench()
        try bench.put("feed.csv", [person])
        var questions = 0
        try bench.watch().round {
            questions += 1
            return questions > 1
        }
        #expect(questions > 1)
        #expect(bench.imports.inForce == nil)
        #expect(try bench.names("taking") == ["feed.csv"])
        #expect(try bench.names("refused") == [])
    }

    @Test("killed at any step, every feed becomes one image and ends in its place", .timeLimit(.minutes(10)))
    func killed() throws {
        let bench = try WatchBench()
        let rows = (0..<2000).map { line("P\($0)", chip: hex([1, 2, UInt8($0 >> 8), UInt8($0 & 255)])) }
        for feed in 1...4 {
            try bench.put("feed.csv", rows)
            let image = bench.imports.data.imageFile(version: UInt64(feed))
            let steps: [() throws -> Bool] = [
                { try bench.names("taking") == ["feed.csv"] },
                { try FileSystem.list(bench.imports.data.images).count >= feed },
                { try FileSystem.statusIfPresent(image) != nil },
            ]
            for step in steps {
                let program = try bench.program()
                #expect(try eventually(within: 60_000) { try step() || bench.names("done").count == feed })
                program.signal(SIGKILL)
                #expect(try program.status() == 128 + SIGKILL)
            }
            let program = try bench.program()
            let isDone = try eventually(within: 60_000) { try bench.names("done").count == feed }
            #expect(isDone, "\(program.said)")
            program.signal(SIGTERM)
            #expect(try program.status() == 0)
            #expect(program.said.contains("stopped watching"))
        }
        #expect(try bench.names("taking") == [])
        #expect(try bench.names("done") == (1...4).map { "\($0)-feed.csv" })
        #expect(try FileSystem.list(bench.imports.data.images).filter { !$0.hasPrefix(".") }.count == 4)
    }

    @Test("a second watch of the same directory is refused, and so is a watch of none")
    func twice() throws {
        let bench = try WatchBench()
        let first = try bench.program()
        #expect(try eventually(within: 60_000) { first.said.contains("watching") })
        let second = try CollectorProgram(
            ["import", "--data", bench.imports.data.path, "--watch", bench.drop],
            output: bench.imports.directory.file("second.log"))
        #expect(try second.status() == 1)
        #expect(second.said.contains("holds it"))
        first.signal(SIGTERM)
        #expect(try first.status() == 0)
        let nowhere = try CollectorProgram(
            ["import", "--data", bench.imports.data.path, "--watch", "\(bench.drop)/nowhere"],
            output: bench.imports.directory.file("third.log"))
        #expect(try nowhere.status() == 1)
    }
}
