import Admission
import Framing
import Glibc
import Posix
import TestSupport
import Testing

@testable import Collector

/// A directory with a configuration, and the program over it.
private struct ProgramBench {
    let directory: TemporaryDirectory
    let data: SiteDirectory

    init() throws {
        directory = try TemporaryDirectory()
        data = SiteDirectory(directory.file("data"))
        try write(
            "collector.yaml",
            "data: data\nlisten: { address: 127.0.0.1, port: 0 }\nsite: { name_zh: 模拟博览会, name_en: Expo }\n")
    }

    func write(_ name: String, _ text: String) throws {
        try FileSystem.replace(directory.file(name), with: Array(text.utf8), mode: 0o600)
    }

    func start(_ arguments: [String], _ environment: [String: String] = [:]) throws -> CollectorProgram {
        try CollectorProgram(arguments, output: directory.file("output"), environment: environment)
    }

    func run(_ arguments: [String]) throws -> (status: Int32?, said: String) {
        let program = try start(arguments)
        return (try program.status(), program.said)
    }

    func serve(_ environment: [String: String] = [:]) throws -> CollectorProgram {
        try start(["serve", "--config", directory.file("collector.yaml")], environment)
    }

    func get(_ path: String, _ port: UInt16) throws -> Wire.Answer {
        let wire = try Wire(port: port)
        try wire.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return try #require(try wire.answer())
    }

    func post(_ body: [UInt8], _ port: UInt16) throws -> Wire.Answer {
        let wire = try Wire(port: port)
        try wire.send(ServiceBench.head(body.count))
        try wire.send(body)
        return try #require(try wire.answer())
    }

    var site: SiteID {
        get throws { try data.key(.sitePublic, data.publicKeyFile).site }
    }
}

@Suite("lanekeeper-collector, the program")
struct CollectorProgramTests {
    @Test("init makes a site once, says its id and what comes next")
    func founding() throws {
        let bench = try ProgramBench()
        let first = try bench.run(["init", "--data", bench.data.path])
        #expect(first.status == 0)
        #expect(first.said.hasPrefix("site \(try bench.site.hex)\n"))
        #expect(first.said.contains("import --data"))
        let secret = try FileSystem.read(bench.data.secretKeyFile, limit: 4096)
        #expect(!first.said.contains(String(decoding: secret, as: UTF8.self).split(separator: " ")[2].dropLast()))
        let second = try bench.run(["init", "--data", bench.data.path])
        #expect(second.status == 1)
        #expect(second.said.contains("this site exists"))
        #expect(try FileSystem.read(bench.data.secretKeyFile, limit: 4096) == secret)
    }

    @Test("import ends well when an image was published, also with rows refused, and not when none was")
    func importing() throws {
        let bench = try ProgramBench()
        _ = try bench.run(["init", "--data", bench.data.path])
        try bench.write("feed.csv", feedHeader + "\nA,visitor,01020304,,,ring,full,red,,none,,activated,,\nB,x\n")
        let published = try bench.run(["import", "--data", bench.data.path, bench.directory.file("feed.csv")])
        #expect(published.status == 0)
        #expect(published.said.contains("line 3, row: 2 fields, the header has 14"))
        #expect(
            published.said.contains("image 1 published: 2 rows, 1 holders, 1 identifiers, 0 conflicts, 1 rows refused"))
        try bench.write("feed.csv", feedHeader + "\nB,x\n")
        let nothing = try bench.run(["import", "--data", bench.data.path, bench.directory.file("feed.csv")])
        #expect(nothing.status == 1)
        #expect(nothing.said.contains("none of its 1 rows can be used"))
        #expect(try bench.run(["import", "--data", bench.data.path]).status == 64)
    }

    @Test("a held feed ends with status 3 and says what to do; the operator's word puts it into force")
    func holding() throws {
        let bench = try ProgramBench()
        _ = try bench.run(["init", "--data", bench.data.path])
        let feed = bench.directory.file("feed.csv")
        let rows = (0..<10).map { line("P\($0)", chip: "0102030\($0)") + "\n" }
        try bench.write("feed.csv", feedHeader + "\n" + rows.joined())
        #expect(try bench.run(["import", "--data", bench.data.path, feed]).status == 0)
        try bench.write("feed.csv", feedHeader + "\n" + rows[..<9].joined())
        let dry = try bench.run(["import", "--dry-run", "--data", bench.data.path, feed])
        #expect(dry.status == 3)
        #expect(dry.said.contains("dry run, nothing was changed; it would be HELD as image 2"))
        let held = try bench.run(["import", "--data", bench.data.path, feed])
        #expect(held.status == 3)
        for part in [
            "image 2 is HELD, it is not published", "it would take keys from 1 of the 10 holders in force (10.0 %",
            "Image 1 stays in force", "publish 2 --data \(bench.data.path)",
        ] { #expect(held.said.contains(part), "\(part) in \(held.said)") }
        #expect(!held.said.contains("\r"), "no progress where nobody looks")
        // What the configuration says counts, and the flag before it.
        try bench.write(
            "loose.yaml",
            "data: data\nsite: { name_zh: 模拟, name_en: Expo }\nlisten: {}\nimport: { most_losing_percent: 10 }\n")
        let loose = ["import", "--dry-run", "--config", bench.directory.file("loose.yaml"), feed]
        #expect(try bench.run(loose).status == 0)
        #expect(try bench.run(loose + ["--most-losing", "9"]).status == 3)
        #expect(try bench.run(["held", "--data", bench.data.path]).said.hasPrefix("2\tHELD\t"))
        #expect(try bench.run(["publish", "2", "--data", bench.data.path]).status == 0)
        #expect(try bench.run(["publish", "2", "--data", bench.data.path]).status == 1)
        #expect(try bench.run(["publish", "x", "--data", bench.data.path]).status == 64)
        #expect(try bench.run(["held", "--data", bench.data.path]).said == "nothing is held\n")
        #expect(try bench.run(["images", "--data", bench.data.path]).said.contains("2\tIN FORCE\t"))
        #expect(try bench.run(["audit", "--data", bench.data.path]).said.contains("\tpublish\timage 2, held: "))
    }

    @Test(
        "serve says when it is ready, notices an import, and ends at SIGTERM without waiting for a client",
        .timeLimit(.minutes(10)))
    func serving() throws {
        let bench = try ProgramBench()
        _ = try bench.run(["init", "--data", bench.data.path])
        let notifications = try UnixSocket.receiveDatagrams(bench.directory.file("notify"), mode: 0o600)
        let program = try bench.serve([
            "NOTIFY_SOCKET": bench.directory.file("notify"), "WATCHDOG_USEC": "400000",
        ])
        let port = try #require(try program.port())
        var told = ""
        func hear(_ word: String) throws -> Bool {
            try eventually(within: 60_000, on: notifications) {
                var buffer = [UInt8](repeating: 0, count: 4096)
                while case .bytes(let count) = try buffer.withUnsafeMutableBytes({ try notifications.read(into: $0) }) {
                    told += String(decoding: buffer[..<count], as: UTF8.self) + "\n"
                }
                return told.contains(word)
            }
        }
        #expect(try hear("READY=1"))
        #expect(try hear("WATCHDOG=1"))
        #expect(try bench.get("/v1/image", port).status == 404)
        try bench.write("feed.csv", feedHeader + "\nA,visitor,01020304,,,ring,full,red,,none,,activated,,\n")
        let importing = try CollectorProgram(
            ["import", "--data", bench.data.path, bench.directory.file("feed.csv")],
            output: bench.directory.file("import.log"))
        #expect(try importing.status() == 0)
        #expect(try eventually(within: 60_000) { try bench.get("/v1/image", port).status == 200 })
        let open = try Wire(port: port)
        try open.send(ServiceBench.head(100) + "LK")
        program.signal(SIGTERM)
        #expect(try program.status() == 0)
        #expect(try hear("STOPPING=1"))
    }

    @Test("what was answered before SIGKILL is there afterwards, once", .timeLimit(.minutes(10)))
    func killed() throws {
        let bench = try ProgramBench()
        _ = try bench.run(["init", "--data", bench.data.path])
        var random = SeededGenerator()
        let site = try bench.site
        var answered: UInt64 = 0
        var sent: UInt64 = 0
        for _ in 0..<5 {
            let program = try bench.serve()
            let port = try #require(try program.port())
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let first = Bool.random(using: &random) ? answered + 1 : max(1, answered / 2)
                let last = first + UInt64.random(in: 1...40, using: &random)
                let records = (first...last).map { makeRecord(ended(holder: UInt32($0)), sequence: $0) }
                sent = max(sent, last)
                let answer = try bench.post(makeBody(records, site: site, oldestHeld: position(1, 1)), port)
                #expect(answer.status == 200)
                answered = try StoredThrough(text: answer.text).sequence
                #expect(answered >= last)
            }
            // One batch is under way when it dies.
            let records = (answered + 1...answered + 20).map { makeRecord(ended(holder: UInt32($0)), sequence: $0) }
            let wire = try Wire(port: port)
            let body = makeBody(records, site: site, oldestHeld: position(1, 1))
            try wire.send(ServiceBench.head(body.count))
            try wire.send(body)
            sent = max(sent, answered + 20)
            program.signal(SIGKILL)
            #expect(try program.status() == 128 + SIGKILL)
        }
        let program = try bench.serve()
        let port = try #require(try program.port())
        let probe = try bench.post(makeBody([], site: site, oldestHeld: position(1, 1)), port)
        let stored = try StoredThrough(text: probe.text).sequence
        #expect((answered...sent).contains(stored))
        let total = try bench.get("/v1/tallies", port).json["total"] as? [String: Any]
        for name in ["stored", "passed", "in", "distinct_holders", "on_site_people"] {
            #expect(total?[name] as? UInt64 == stored, "\(name)")
        }
        #expect(total?["missing"] as? Int == 0)
    }

    @Test("a wrong configuration is refused with its line, column and key, and what is allowed")
    func configuration() throws {
        let bench = try ProgramBench()
        try bench.write(
            "wrong.yaml",
            """
            data: data
            listen: { address: 0.0.0.0, port: 99999 }
            site: { name_zh: 模拟, name_en: Expo, time_zone: Mars/Base }
            lanyard_colours: { visitor: "red; }", guest: blue }
            zones: { "a|b": { name_zh: 甲, name_en: A } }
            lanes: { North: { name: x } }
            lamps: 3
            """)
        let wrong = try bench.run(["serve", "--check-config", "--config", bench.directory.file("wrong.yaml")])
        #expect(wrong.status == 78)
        for part in [
            "wrong.yaml:2:20: listen.address: that reaches beyond this machine",
            "wrong.yaml:2:35: listen.port: '99999'",
            "site.time_zone: 'Mars/Base' is not in the tz database",
            "lanyard_colours.visitor: 'red; }' is not accepted",
            "lanyard_colours.guest: unknown key", "zones.'a|b'", "lanes.North", "lamps: unknown key",
        ] { #expect(wrong.said.contains(part), "\(part) in \(wrong.said)") }
        let right = try bench.run(["serve", "--check-config", "--config", bench.directory.file("collector.yaml")])
        #expect(right.status == 0)
        // Without --check-config it does not start either.
        #expect(try bench.run(["serve", "--config", bench.directory.file("wrong.yaml")]).status == 78)
    }

    @Test("serve over a directory that is no site says what to do")
    func noSite() throws {
        let bench = try ProgramBench()
        let answer = try bench.run(["serve", "--config", bench.directory.file("collector.yaml")])
        #expect(answer.status == 1)
        #expect(answer.said.contains("site.pub"))
    }
}
