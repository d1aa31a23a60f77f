import Admission
import Cryptography
import Framing
import Glibc
import Posix
import Storage
import Synchronization
import TestSupport
import Testing

@testable import Collector

@Suite("Import")
struct FeedImportTests {
    @Test("a feed becomes a signed image that a lane trusts, with every identifier of a holder")
    func publishes() throws {
        let bench = try ImportBench()
        let summary = try bench.publish([
            line("A", chip: "01020304", code: "EXPO-A", zones: "ring|hall"),
            line("B", kind: "staff", chip: "0102030405"),
        ])
        #expect(summary.version == 1)
        #expect(summary.holders == 2)
        #expect(summary.identifiers == 3)
        #expect(summary.refused == 0)
        #expect(bench.report == nil)
        guard case .found(let byChip) = try bench.lookup(.chip, [1, 2, 3, 4], version: 1),
            case .found(let byCode) = try bench.lookup(.code, Array("EXPO-A".utf8), version: 1)
        else {
            Issue.record("not found")
            return
        }
        #expect(byChip == byCode)
        #expect(byChip.healthCode == .red)
        let zones = try bench.image(1)
        #expect(byChip.zones == zones.zoneBit(name("ring")) | zones.zoneBit(name("hall")))
        #expect(try bench.lookup(.code, [1, 2, 3, 4], version: 1) == .unknown)
    }

    @Test("bad rows are reported by line and column beside the feed, and do not stop the others")
    func refusedRows() throws {
        let bench = try ImportBench()
        let summary = try bench.publish([
            line("A", chip: "01020304"), line("B", kind: "guest", chip: "xx"), "too,short", line("A", chip: "01020305"),
            "\"C", line("D", chip: "01020306"),
        ])
        #expect(summary.rows == 6)
        #expect(summary.refused == 4)
        #expect(summary.holders == 2)
        #expect(summary.report == "\(bench.feed).refused.csv")
        let report = try #require(bench.report)
        #expect(report[0] == "file,line,column,reason,advice")
        #expect(report[1].hasPrefix("\"feed.csv\",3,kind,\"'guest' is not one of"))
        #expect(
            report[2].hasPrefix("\"feed.csv\",3,chip,\"character 1 of 2 is not hexadecimal\",\"4, 5, 7 or 10 bytes"))
        #expect(report[3].hasPrefix("\"feed.csv\",4,row,\"2 fields, the header has 14\",\"a line of CSV"))
        #expect(
            report[4].hasPrefix("\"feed.csv\",5,holder,\"this holder stands on line 2 already; that row is used\",\""))
        #expect(report[5].hasPrefix("\"feed.csv\",6,holder,\"a quote that is never closed\",\""))
        #expect(report.count == 6)
        #expect(try bench.holder([1, 2, 3, 5], version: 1) == nil)
        // A feed without fault takes the report of the one before away.
        try bench.publish([line("A", chip: "01020304")])
        #expect(bench.report == nil)
    }

    @Test("a holder's number is given once and never to another, over any number of imports")
    func stableNumbers() throws {
        let bench = try ImportBench()
        try bench.publish([line("A", chip: "01020301"), line("B", chip: "01020302"), line("C", chip: "01020303")])
        let numbers = try (1...3).map { try bench.holder([1, 2, 3, UInt8($0)], version: 1) }
        #expect(Set(numbers.compactMap { $0 }).count == 3)
        // B goes and comes back, everyone has another chip and place, D is new.
        try bench.publish([line("D", chip: "01020304"), line("C", chip: "01020309"), line("A", chip: "01020301")])
        #expect(try bench.holder([1, 2, 3, 9], version: 2) == numbers[2])
        #expect(try bench.holder([1, 2, 3, 1], version: 2) == numbers[0])
        let newcomer = try #require(try bench.holder([1, 2, 3, 4], version: 2))
        #expect(!numbers.contains(newcomer))
        try bench.publish([line("B", chip: "01020302")])
        #expect(try bench.holder([1, 2, 3, 2], version: 3) == numbers[1])
    }

    @Test("an identifier that two holders claim is published as conflict, and both lines are told")
    func conflict() throws {
        let bench = try ImportBench()
        let summary = try bench.publish([
            line("A", chip: "01020304", code: "EXPO-A"), line("B", chip: "01020305"), line("C", chip: "01020304"),
        ])
        #expect(summary.conflicts == 1)
        #expect(summary.holders == 3)
        #expect(summary.refused == 0)
        #expect(try bench.lookup(.chip, [1, 2, 3, 4], version: 1) == .conflict)
        #expect(try bench.holder([1, 2, 3, 5], version: 1) != nil)
        guard case .found = try bench.lookup(.code, Array("EXPO-A".utf8), version: 1) else {
            Issue.record("the other identifier of a holder in conflict stays good")
            return
        }
        #expect(bench.report?.last?.hasPrefix("\"feed.csv\",2,chip,\"the same chip is claimed on lines 2, 4") == true)
    }

    @Test(
        "a feed of which nothing can be used publishes nothing, and the image in force stays",
        arguments: ["", "\n", "holder,kind", feedHeader, "\(feedHeader)\r\nA,visitor", "\"\(feedHeader)"])
    func nothing(_ contents: String) throws {
        let bench = try ImportBench()
        try bench.publish([line("A", chip: "01020304")])
        try FileSystem.replace(bench.feed, with: Array(contents.utf8), mode: 0o600)
        #expect(throws: CollectorFailure.self) { _ = try FeedImport(data: bench.data, feed: bench.feed).run { _ in } }
        #expect(try FileSystem.list(bench.data.images) == [SiteDirectory.imageName(version: 1)])
    }

    @Test("the feed is not there, or the site is not, and both are said")
    func notThere() throws {
        let bench = try ImportBench()
        #expect(throws: CollectorFailure.self) {
            _ = try FeedImport(data: bench.data, feed: "/nowhere.csv").run { _ in }
        }
        let nobody = SiteDirectory(bench.directory.file("nobody"))
        #expect(throws: CollectorFailure.self) { _ = try FeedImport(data: nobody, feed: bench.feed).run { _ in } }
    }

    @Test("a secret key that others can read is refused")
    func readableKey() throws {
        let bench = try ImportBench()
        try FileSystem.setMode(bench.data.badgeKeyFile, 0o640)
        #expect {
            try bench.publish([line("A", chip: "01020304")])
        } throws: {
            ($0 as? CollectorFailure)?.advice == "chmod 600 \(bench.data.badgeKeyFile)"
        }
    }

    @Test("a site is founded once, its secrets are its owner's alone")
    func founding() throws {
        let bench = try ImportBench()
        #expect(throws: CollectorFailure.self) { _ = try SiteFounding.found(in: bench.data) }
        let modes: [(String, UInt32)] = [
            (bench.data.secretKeyFile, 0o600), (bench.data.badgeKeyFile, 0o600), (bench.data.publicKeyFile, 0o644),
            (bench.data.siteDatabase, 0o600), (bench.data.intakeDatabase, 0o600), (bench.data.keys, 0o700),
        ]
        for (path, mode) in modes { #expect(try FileSystem.status(path).mode == mode, "\(path)") }
        let keys = try [
            bench.data.key(.badge, bench.data.badgeKeyFile), bench.data.key(.siteSecret, bench.data.secretKeyFile),
            bench.data.key(.sitePublic, bench.data.publicKeyFile),
        ]
        #expect(keys.allSatisfy { $0.site == bench.site })
        #expect(try Ed25519.SigningKey(seed: keys[1].key).publicKey == keys[2].key)
        let second = SiteDirectory(bench.directory.file("second"))
        #expect(try SiteFounding.found(in: second) != bench.site)
    }

    @Test("a lock that another has for a moment is waited for")
    func lockForAMoment() throws {
        let bench = try ImportBench()
        let held = Mutex<Descriptor?>(try bench.data.lock(bench.data.importLock))
        let file = bench.data.importLock
        let other = try NamedThread.start(name: "lock") {
            // Until the import has opened it, too.
            _ = try? eventually { Self.descriptors(of: file) > 1 }
            held.withLock { $0 = nil }
        }
        try bench.publish([line("A", chip: "01020304")])
        other.join()
        #expect(bench.inForce == 1)
    }

    private static func descriptors(of file: String) -> Int {
        let names = (try? FileSystem.list("/proc/self/fd")) ?? []
        return names.count { name in
            var buffer = [CChar](repeating: 0, count: 4096)
            let count = readlink("/proc/self/fd/\(name)", &buffer, buffer.count)
            return count > 0 && String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self) == file
        }
    }

    @Test("two imports at once do not mix: the second is refused while the first runs")
    func twoImports() throws {
        let bench = try ImportBench()
        let lock = try bench.data.lock(bench.data.importLock)
        #expect(throws: CollectorFailure.self) { try bench.publish([line("A", chip: "01020304")]) }
        withExtendedLifetime(lock) {}
    }
}
