import Admission
import Configuration
import Framing
import Posix
import TestSupport
import Testing

@testable import Collector

/// A collector at work on a free port, with a wire to it.
final class ServiceBench {
    let directory: TemporaryDirectory
    let data: SiteDirectory
    let site: SiteID
    private(set) var service: CollectorService

    init(limits: HTTPServer.Limits = .init()) throws {
        directory = try TemporaryDirectory()
        data = SiteDirectory(directory.file("data"))
        site = try SiteFounding.found(in: data)
        service = try CollectorService(try Self.settings(data), limits: limits)
    }

    deinit { service.stop() }

    static func settings(_ data: SiteDirectory, address: String = "127.0.0.1") throws -> CollectorSettings {
        let text = """
            data: \(data.path)
            listen: { address: "\(address)", port: 0 }
            site: { name_zh: 模拟博览会, name_en: Expo <1>, time_zone: Asia/Shanghai }
            zones: { ring: { name_zh: 外环, name_en: Ring } }
            lanes: { north-07: { name: 北登录厅-07 } }
            """
        return try CollectorSettings(ConfigurationReader(contents: Array(text.utf8), path: "collector.yaml"))
    }

    /// `between`: done while nothing runs; `change`: of its configuration.
    func restart(_ change: (inout CollectorSettings) -> Void = { _ in }, between: () throws -> Void = {}) throws {
        service.stop()
        try between()
        var settings = try Self.settings(data)
        change(&settings)
        service = try CollectorService(settings)
    }

    /// Puts a copy of a database in the place of what is there. Nothing may have it open.
    static func restore(_ database: String, from copy: String) throws {
        for suffix in ["-wal", "-shm"] { try FileSystem.unlinkIfPresent(database + suffix) }
        try FileSystem.replace(database, with: FileSystem.read(copy, limit: 1 << 24), mode: 0o600)
    }

    /// Forgets what `published/` shows of changes.
    func forgetPublishedChanges() throws {
        let directory = PublishedDirectory(data)
        for name in try directory.listNames() { try directory.remove(list: name) }
        try FileSystem.unlinkIfPresent(directory.statement)
    }

    func wire() throws -> Wire { try Wire(port: service.port) }

    func get(_ path: String, _ headers: String = "", method: String = "GET") throws -> Wire.Answer {
        let wire = try wire()
        try wire.send("\(method) \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n\(headers)\r\n")
        return try #require(try wire.answer(hasBody: method != "HEAD"))
    }

    func post(_ body: [UInt8], on wire: Wire? = nil) throws -> Wire.Answer {
        let wire = try wire ?? self.wire()
        try wire.send(Self.head(body.count))
        try wire.send(body)
        return try #require(try wire.answer())
    }

    static func head(_ count: Int, type: String = RecordBatch.contentType) -> String {
        "POST /v1/records HTTP/1.1\r\nHost: localhost:8480\r\nContent-Type: \(type)\r\nContent-Length: \(count)\r\n\r\n"
    }

    func body(
        _ records: [JournalRecord], lane: String = "north-07", oldestHeld: StoredThrough? = nil
    ) -> [UInt8] {
        makeBody(records, site: site, lane: lane, oldestHeld: oldestHeld)
    }

    func publish(_ holders: [String], mostLosingPercent: Int = 100) throws -> FeedImport.Summary {
        let header = FeedColumn.allCases.map(\.rawValue).joined(separator: ",")
        let rows = holders.enumerated().map {
            "\($0.element),visitor,\(hex([1, 2, UInt8($0.offset >> 8), UInt8($0.offset & 255)])),,,ring,full,red,,none,,activated,,"
        }
        let feed = directory.file("feed.csv")
        try FileSystem.replace(feed, with: Array(([header] + rows).map { $0 + "\n" }.joined().utf8), mode: 0o600)
        var options = FeedImport.Options()
        options.rules.mostLosingPercent = mostLosingPercent
        return try FeedImport(data: data, feed: feed, options: options).run { _ in }
    }
}
