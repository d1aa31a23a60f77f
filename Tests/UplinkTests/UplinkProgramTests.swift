import Admission
import Framing
import Glibc
import Posix
import Storage
import Synchronization
import TestSupport
import Testing

@testable import Uplink

/// The real program on a lane's directory, against a played collector (or a real one).
private final class Installation {
    let lane: TestLane
    let configuration: String
    let output: String
    private(set) var program: RunningProgram?

    init(_ url: String, lane: TestLane, site: String = testSite.hex, answerMilliseconds: Int = 60_000) throws {
        self.lane = lane
        configuration = lane.temporary.file("uplink.yaml")
        output = lane.temporary.file("output")
        let text = """
            lane: { id: north-07 }
            site: { id: \(site) }
            directories: { state: lane, run: . }
            collector: { url: \(url), answer_timeout_milliseconds: \(answerMilliseconds), stall_seconds: 600 }
            batch_records: 10
            upload_interval_milliseconds: 10
            probe_interval_seconds: 1
            statement_interval_seconds: 1
            image_interval_seconds: 1

            """
        try FileSystem.replace(configuration, with: Array(text.utf8), mode: 0o640)
    }

    func start(environment: [String: String] = [:]) throws {
        program = try RunningProgram(
            "lanekeeper-uplink", ["--config", configuration], output: output, environment: environment)
    }

    func kill() throws {
        program?.send(SIGKILL)
        _ = try program?.hasEnded()
    }

    /// What both sides have and said, for a test that waited in vain.
    func account(of collector: PlayedCollector) -> String {
        let ended = (try? program?.hasEnded(within: 0)) ?? false
        let missing = Set(lane.written).subtracting(collector.stored).count
        let unknown = collector.stored.subtracting(lane.written).count
        let words = collector.state.withLock { "\($0.batches) batches, the last answers \($0.answers.suffix(3))" }
        return """
            the program \(ended ? "has ended with \(program?.status ?? -1)" : "runs"); \(missing) records missing, \
            \(unknown) that nobody wrote; cursor \(Cursor.read(lane.directory.cursor)); \(words)
            \(program?.output ?? "")
            """
    }

    /// Ends it as systemd does; its exit status.
    func stop(with signal: Int32 = SIGTERM) throws -> Int32? {
        program?.send(signal)
        #expect(try program?.hasEnded() ?? false)
        return program?.status
    }
}

private func serve(_ image: TestImage, _ collector: PlayedCollector) -> @Sendable (RawConnection) -> Void {
    { connection in
        switch connection.path {
        case "/v1/records": collector.serve(connection)
        case "/v1/statement": connection.answer("200 OK", [], image.statement())
        case "/v1/image" where connection.header("if-none-match") == image.etag:
            connection.answer("304 Not Modified", image.headers)
        case "/v1/image": connection.answer("200 OK", image.headers, image.bytes)
        default: connection.answer("404 Not Found")
        }
    }
}

@Suite("The program lanekeeper-uplink", .serialized)
struct UplinkProgramTests {
    @Test("records go up, statement and image come down, SIGTERM ends it well", arguments: [SIGTERM, SIGINT])
    func works(_ signal: Int32) throws {
        let lane = try TestLane()
        try lane.open(TestLane.epochs[0])
        try lane.append(25)
        let image = try TestImage(version: 3)
        let collector = PlayedCollector()
        let server = try RawServer(script: serve(image, collector))
        defer { server.stop() }
        let installation = try Installation(server.url, lane: lane)
        try installation.start()
        let whole = lane.directory.incomingImage(version: 3)
        #expect(
            try eventually(within: 60_000) {
                try collector.stored == Set(lane.written) && FileSystem.statusIfPresent(whole) != nil
            })
        #expect(try installation.stop(with: signal) == 0, "\(installation.program?.output ?? "")")
        #expect(lane.cursor == lane.written.last, "saved at the latest when it stops")
        #expect(try FileSystem.read(whole, limit: 1 << 24) == image.bytes)
        #expect(try FileSystem.read(lane.directory.statement, limit: 1 << 16) == image.statement())
    }

    @Test("SIGTERM ends it in the middle of transfers that do not move", arguments: [SIGTERM, SIGINT])
    func stopsMidTransfer(_ signal: Int32) throws {
        let lane = try TestLane()
        try lane.open(TestLane.epochs[0])
        try lane.append(5)
        let image = try TestImage(version: 3)
        let server = try RawServer { connection in
            if connection.path == "/v1/image" {
                let head = ["HTTP/1.1 200 OK", "Content-Length: \(image.bytes.count)"] + image.headers
                connection.send(head.joined(separator: "\r\n") + "\r\n\r\nxx")
            }
            connection.stallUntilClosed()
        }
        defer { server.stop() }
        let installation = try Installation(server.url, lane: lane)
        try installation.start()
        #expect(try eventually(within: 60_000) { server.requests.count >= 3 })
        // All three could take a minute by themselves.
        installation.program?.send(signal)
        #expect(try installation.program?.hasEnded(within: 60_000) ?? false)
        #expect(installation.program?.status == 0)
    }

    @Test("it starts before the daemon ever ran, says what it waits for, and goes on by itself")
    func waitsForDirectory() throws {
        let lane = try TestLane()
        let image = try TestImage(version: 3)
        let collector = PlayedCollector()
        let server = try RawServer(script: serve(image, collector))
        defer { server.stop() }
        let installation = try Installation(server.url, lane: lane)
        let socket = lane.temporary.file("notify")
        let supervisor = try UnixSocket.receiveDatagrams(socket, mode: 0o600)
        try installation.start(environment: ["NOTIFY_SOCKET": socket])
        var said = ""
        func hears(_ words: String) throws -> Bool {
            try eventually(within: 60_000, on: supervisor) {
                var buffer = [UInt8](repeating: 0, count: 4096)
                while case .bytes(let count) = try buffer.withUnsafeMutableBytes({ try supervisor.read(into: $0) }) {
                    said += String(decoding: buffer[..<count], as: UTF8.self) + "\n"
                }
                return said.contains(words)
            }
        }
        #expect(try hears("READY=1\nSTATUS=waiting: \(lane.directory.path) does not exist"), "\(said)")
        try lane.open(TestLane.epochs[0])
        try lane.append(5)
        #expect(try eventually(within: 60_000) { collector.stored == Set(lane.written) })
        #expect(try hears("STATUS=stored through 6 of epoch"), "\(said)")
        #expect(installation.program?.output.contains("does not exist") ?? false)
        #expect(try installation.stop() == 0)
        #expect(try hears("STOPPING=1"), "\(said)")
    }

    @Test("a lane directory that is removed and made anew is taken anew")
    func directoryReplaced() throws {
        let lane = try TestLane()
        try lane.open(TestLane.epochs[0])
        try lane.append(5)
        let image = try TestImage(version: 3)
        let collector = PlayedCollector()
        let server = try RawServer(script: serve(image, collector))
        defer { server.stop() }
        let installation = try Installation(server.url, lane: lane)
        try installation.start()
        #expect(try eventually(within: 60_000) { collector.stored == Set(lane.written) })
        try lane.wipe()
        try lane.open(TestLane.epochs[1])
        try lane.append(5)
        #expect(try eventually(within: 60_000) { collector.stored == Set(lane.written) })
        #expect(try eventually(within: 60_000) { lane.cursor == lane.written.last })
        #expect(try installation.stop() == 0)
    }

    @Test("the watchdog is fed while the collector stalls, and the trouble is shown")
    func watchdog() throws {
        let lane = try TestLane()
        try lane.open(TestLane.epochs[0])
        let server = try RawServer { connection in
            if connection.path == "/v1/statement" { connection.answer("500 Oh") } else { connection.stallUntilClosed() }
        }
        defer { server.stop() }
        let installation = try Installation(server.url, lane: lane)
        let socket = lane.temporary.file("notify")
        let supervisor = try UnixSocket.receiveDatagrams(socket, mode: 0o600)
        try installation.start(environment: ["NOTIFY_SOCKET": socket, "WATCHDOG_USEC": "200000"])
        var fed = 0
        var status = ""
        #expect(
            try eventually(within: 60_000, on: supervisor) {
                var buffer = [UInt8](repeating: 0, count: 4096)
                while case .bytes(let count) = try buffer.withUnsafeMutableBytes({ try supervisor.read(into: $0) }) {
                    let text = String(decoding: buffer[..<count], as: UTF8.self)
                    if text == "WATCHDOG=1" { fed += 1 }
                    if text.hasPrefix("STATUS=") { status = text }
                }
                return fed >= 10 && status.contains("TROUBLE") && status.contains("500")
            }, "\(fed) \(status)")
        #expect(try installation.stop() == 0)
    }

    @Test("a second one for the same lane ends at once and names the first")
    func single() throws {
        let lane = try TestLane()
        try lane.open(TestLane.epochs[0])
        let server = try RawServer { $0.answer("500 Oh") }
        defer { server.stop() }
        let installation = try Installation(server.url, lane: lane)
        try installation.start()
        #expect(try eventually(within: 60_000) { !server.requests.isEmpty })
        let second = try RunningProgram(
            "lanekeeper-uplink", ["--config", installation.configuration], output: lane.temporary.file("second"))
        #expect(try second.hasEnded())
        #expect(second.status == 1)
        #expect(second.output.contains("another uplink serves this lane"))
        #expect(second.output.contains("process \(installation.program?.process ?? 0) (lanekeeper-upli"))
        #expect(try installation.stop() == 0)
    }

    @Test("killed at any moment with the collector coming and going: nothing missing", arguments: 0..<3)
    func killed(_ round: UInt64) throws {
        var random = SeededGenerator(seed: 900 + round, for: "program killed")
        let lane = try TestLane()
        try lane.open(TestLane.epochs[0])
        let image = try TestImage(version: 3)
        let collector = PlayedCollector()
        var server = try RawServer(script: serve(image, collector))
        defer { server.stop() }
        let port = server.port
        let installation = try Installation(server.url, lane: lane, answerMilliseconds: 300)
        for step in 1...7 {
            try installation.start()
            try lane.append(Int.random(in: 1...60, using: &random))
            if step == 4 {
                try lane.open(TestLane.epochs[1])
            }
            if Bool.random(using: &random) {
                server.stop()
                server = try RawServer(port: port, script: serve(image, collector))
            }
            // Killed after so many batches, in the middle of the next.
            let target = collector.state.withLock { $0.batches } + Int.random(in: 0...3, using: &random)
            _ = try eventually(within: 2000) { collector.state.withLock { $0.batches } >= target }
            try installation.kill()
            if case .stored(let word) = Cursor.read(lane.directory.cursor) {
                #expect(collector.stored.contains(word), "the cursor never says more than the collector has")
            }
        }
        try installation.start()
        let isStored = try eventually(within: 60_000) { collector.stored == Set(lane.written) }
        #expect(isStored, "\(installation.account(of: collector))")
        #expect(try eventually(within: 60_000) { lane.cursor == lane.written.last })
        #expect(collector.state.withLock { $0.broken } == [])
        #expect(try installation.stop() == 0)
    }

    @Test("a real collector gets every record and gives its image")
    func realCollector() throws {
        let lane = try TestLane()
        try lane.open(TestLane.epochs[0])
        try lane.append(60)
        let data = lane.temporary.file("collector")
        let log = lane.temporary.file("collector.log")
        let founding = try RunningProgram("lanekeeper-collector", ["init", "--data", data], output: log)
        #expect(try founding.hasEnded() && founding.status == 0, "\(founding.output)")
        let key = String(decoding: try FileSystem.read("\(data)/keys/site.pub", limit: 4096), as: UTF8.self)
        let site = try KeyFile(text: key, expecting: .sitePublic).site
        let feed = lane.temporary.file("feed.csv")
        let rows = """
            holder,kind,chip,code,epc,zones,vaccine,health_code,assessed_at,test_result,sampled_at,activation,valid_from,valid_until
            V-1,visitor,3C00CE754C,,,north-ring,full,green,2026-11-05T06:10:00+08:00,negative,2026-11-04T18:30:00+08:00,activated,2026-11-05T00:00:00+08:00,2026-11-10T23:59:59+08:00

            """
        try FileSystem.replace(feed, with: Array(rows.utf8), mode: 0o600)
        let publishing = try RunningProgram("lanekeeper-collector", ["import", "--data", data, feed], output: log)
        #expect(try publishing.hasEnded() && publishing.status == 0, "\(publishing.output)")
        let port = try freePort()
        let settings = lane.temporary.file("collector.yaml")
        let text = """
            data: \(data)
            listen: { address: 127.0.0.1, port: \(port) }
            site: { name_zh: 测试, name_en: Test }

            """
        try FileSystem.replace(settings, with: Array(text.utf8), mode: 0o600)
        let collector = try RunningProgram("lanekeeper-collector", ["serve", "--config", settings], output: log)
        let installation = try Installation("http://127.0.0.1:\(port)", lane: lane, site: site.hex)
        try installation.start()
        #expect(
            try eventually(within: 60_000) { lane.cursor == lane.written.last },
            "\(installation.program?.output ?? "") \(collector.output)")
        func incoming() throws -> [String] { try FileSystem.list(lane.directory.incoming) }
        #expect(try eventually(within: 60_000) { try incoming().contains { $0.hasSuffix(".img") } })
        #expect(try eventually(within: 60_000) { try incoming().contains("statement") })
        try lane.append(30)
        try lane.open(TestLane.epochs[1])
        try lane.append(4)
        #expect(try eventually(within: 60_000) { lane.cursor == lane.written.last })
        #expect(try installation.stop() == 0)
        collector.send(SIGTERM)
        #expect(try collector.hasEnded() && collector.status == 0)
    }
}

@Suite("The uplink's configuration")
struct UplinkConfigurationTests {
    private func check(_ text: String) throws -> (status: Int32?, output: String) {
        let place = try TemporaryDirectory()
        let file = place.file("uplink.yaml")
        try FileSystem.replace(file, with: Array(text.utf8), mode: 0o600)
        let program = try RunningProgram(
            "lanekeeper-uplink", ["--config", file, "--check-config"], output: place.file("output"))
        #expect(try program.hasEnded())
        return (program.status, program.output)
    }

    private let good = """
        lane: { id: north-07 }
        site: { id: 5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c }
        collector: { url: "http://127.0.0.1:8480" }

        """

    @Test("the shortest one is accepted")
    func shortest() throws {
        let result = try check(good)
        #expect(result.status == 0, "\(result.output)")
    }

    @Test(
        "what is wrong is told with its place and what is allowed",
        arguments: [
            ("batch_records: 0", "4:16: batch_records: '0' is out of range; expected a whole number from 1 to 10000"),
            ("batch_record: 5", "4:1: batch_record: unknown key; did you mean batch_records?"),
            ("statement_interval_seconds: soon", "4:29: statement_interval_seconds: 'soon' is not a whole number"),
            (
                "statement_interval_seconds: 28",
                "4:29: statement_interval_seconds: '28' is out of range; expected a whole number from 1 to 27"
            ),
        ])
    func wrong(_ line: String, _ expected: String) throws {
        let result = try check(good + line + "\n")
        #expect(result.status == 78)
        #expect(result.output.contains(expected), "\(result.output)")
    }

    @Test("plain http beyond loopback is refused where it stands")
    func url() throws {
        let result = try check(good.replacing("127.0.0.1", with: "10.0.0.1"))
        #expect(result.status == 78)
        #expect(result.output.contains("3:19: collector.url: http:// is allowed to"), "\(result.output)")
    }

    @Test("everything that is missing is told at once")
    func missing() throws {
        let result = try check("batch_records: 5\n")
        #expect(result.status == 78)
        for key in ["lane", "site", "collector"] { #expect(result.output.contains("\(key): is missing")) }
    }
}
