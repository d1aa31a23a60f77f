import Admission
import Cryptography
import Framing
import Posix
import Storage
import TestSupport
import Testing

@testable import Collector

extension ServiceBench {
    /// Changes of holders that a feed has named, one identifier each.
    @discardableResult
    fileprivate func change(_ holders: [String], to vaccine: VaccineState) throws
        -> ChangeStore.Published
    {
        let store = try ChangeStore(data)
        let changes = try holders.map {
            HolderChange(try #require(try store.holder($0)), vaccine: vaccine)
        }
        return try store.publish(changes, now: SystemClock.wallMilliseconds())
    }

    fileprivate var statement: Statement {
        get throws { try Statement.parse(try get("/v1/statement").body).statement }
    }

}

@Suite("What any server may give out", .serialized)
struct PublicationTests {
    @Test("an image stands under the name that the statement gives it, to be kept for ever")
    func image() throws {
        let bench = try ServiceBench()
        _ = try bench.publish((0..<300).map { "H\($0)" })
        bench.service.refresh()
        let path = "/v1/images/\(Hexadecimal.text(try bench.statement.imageHeaderDigest))"
        let whole = try bench.get(path)
        #expect(whole.status == 200)
        #expect(try whole.body == FileSystem.read(bench.data.imageFile(version: 1), limit: 1 << 20))
        #expect(whole.headers["cache-control"] == "public, max-age=31536000, immutable")
        #expect(whole.headers["etag"] == "\"\(path.suffix(64))\"")
        #expect(try bench.get(path, "If-None-Match: \"\(path.suffix(64))\"\r\n").status == 304)
        let part = try bench.get(path, "Range: bytes=4096-\r\n")
        #expect(part.status == 206 && part.body == Array(whole.body[4096...]))
        let file = try FileSystem.read("\(bench.data.published)\(path)", limit: 1 << 20)
        #expect(file == whole.body)
        #expect(
            try FileSystem.read("\(bench.data.published)/v1/statement", limit: 1 << 20)
                == bench.get("/v1/statement").body)
        // Each names a file that is there; none is a name that a statement gives.
        let digest = String(path.suffix(64))
        let images = "\(bench.data.published)/v1/images"
        let names = [
            digest.uppercased(), String(digest.dropLast()) + "g", String(digest.dropLast()), digest + "0",
            String(repeating: "./", count: 26) + "../statement",
        ]
        try #require(names[0] != digest)
        for name in names.dropLast() { try FileSystem.replace("\(images)/\(name)", with: [1], mode: 0o640) }
        for name in names + ["", "../images/\(digest)"] {
            #expect(try FileSystem.statusIfPresent("\(images)/\(name)") != nil, "\(name)")
            #expect(try bench.get("/v1/images/\(name)").status == 404, "\(name)")
        }
        #expect(try bench.get("/v1/lists/\(digest)").status == 404)
        #expect(
            try bench.get("/v1/images/\(String(repeating: "0", count: 64))").headers["cache-control"]
                == "no-store")
    }

    @Test("the statement names the lists by which all changes can be fetched, and what they come to")
    func lists() throws {
        let bench = try ServiceBench()
        let holders = (0..<300).map { "H\($0)" }
        _ = try bench.publish(holders)
        bench.service.refresh()
        #expect(
            try bench.statement.changes == PublishedChanges(chain: bench.statement.imageHeaderDigest))
        try bench.change(Array(holders[..<290]), to: .partial)
        bench.service.refresh()
        let before = try #require(try bench.statement.changes)
        #expect(before.lists.first?.first == 1 && before.lists.last?.last == 290)
        for holder in holders[290...] { try bench.change([holder], to: .partial) }
        bench.service.refresh()
        let statement = try bench.statement
        let said = try #require(statement.changes)
        #expect(statement.changeNumber == 300 && said.lists.last?.last == 300 && said.lists.count < 12)
        // 1 to 256 did not change: who keeps copies keeps them.
        #expect(said.lists.first == before.lists.first && said.lists.first?.last == 256)
        var chain = ChangeChain(changeNumber: 0, imageHeaderDigest: statement.imageHeaderDigest)
        for named in said.lists {
            let answer = try bench.get("/v1/lists/\(named.digestHex)")
            #expect(
                answer.status == 200 && answer.headers["cache-control"]?.contains("immutable") == true)
            #expect(try SHA256.hash(answer.body) == named.digest)
            let list = try ChangeList.parse(answer.body).list
            #expect(list.first == named.first && list.last == named.last)
            #expect(try chain.append(list))
        }
        #expect(chain.number == 300 && chain.digest == said.chain)
    }

    @Test("after a restart the names are the same, and what no statement names any more goes")
    func restart() throws {
        let bench = try ServiceBench()
        let holders = (0..<20).map { "H\($0)" }
        _ = try bench.publish(holders)
        try bench.change(holders, to: .partial)
        bench.service.refresh()
        let said = try bench.statement.changes
        try bench.restart()
        bench.service.refresh()
        #expect(try bench.statement.changes == said)
        let images = "\(PublishedDirectory(bench.data).path)/v1/images"
        for _ in 0..<3 {
            _ = try bench.publish(holders)
            bench.service.refresh()
        }
        let named = try FileSystem.list(images)
        #expect(named.count == PublishedDirectory.mostImages)
        #expect(try bench.statement.changes?.lists == [])
        // Somebody may be fetching the one before: it stays.
        try bench.restart()
        #expect(try FileSystem.list(images) == named)
    }

    @Test("a list stays for ten minutes from when no statement names it any more, however old its file is")
    func shelf() throws {
        let bench = try ServiceBench()
        let directory = PublishedDirectory(bench.data)
        let names = try (0..<3).map { Hexadecimal.text(try directory.put(list: [UInt8($0)])) }.sorted()
        let (hour, patience) = (3_600_000 as Int64, ListShelf.patienceMilliseconds)
        let end = SystemClock.wallMilliseconds() + hour
        var shelf = ListShelf(directory)
        try shelf.tidy(keeping: Set(names), now: end - hour / 2)
        try shelf.tidy(keeping: [names[0]], now: end)
        try shelf.tidy(keeping: [names[0]], now: end + patience)
        #expect(try directory.listNames() == names)
        // Named again, it waits anew.
        try shelf.tidy(keeping: [names[0], names[1]], now: end + patience)
        try shelf.tidy(keeping: [names[0]], now: end + patience + 1)
        #expect(try directory.listNames() == [names[0], names[1]])
        // A clock that was set back: the patience begins there.
        try shelf.tidy(keeping: [names[0]], now: end - hour)
        try shelf.tidy(keeping: [names[0]], now: end - hour + patience + 1)
        #expect(try directory.listNames() == [names[0]])
    }

    @Test("of more unnamed lists than are kept the longest unnamed go")
    func fullShelf() throws {
        let bench = try ServiceBench()
        let directory = PublishedDirectory(bench.data)
        var shelf = ListShelf(directory)
        var names: [String] = []
        for number in 0..<3 {
            names.append(Hexadecimal.text(try directory.put(list: [UInt8(number)])))
            try shelf.tidy(keeping: [], now: Int64(number), most: 2)
        }
        #expect(try Set(directory.listNames()) == Set(names.dropFirst()))
    }

    @Test("unnamed lists go also while nothing changes")
    func shelfAtWork() throws {
        let bench = try ServiceBench()
        _ = try bench.publish(["a"])
        let secret = try bench.data.key(.siteSecret, bench.data.secretKeyFile)
        let publisher = try Publisher(bench.data, site: bench.site, key: Ed25519.SigningKey(seed: secret.key))
        let directory = PublishedDirectory(bench.data)
        _ = try directory.put(list: [1])
        let now = SystemClock.wallMilliseconds()
        _ = try publisher.refresh(now: now)
        _ = try publisher.refresh(now: now + ListShelf.patienceMilliseconds)
        #expect(try directory.listNames().count == 1)
        _ = try publisher.refresh(now: now + ListShelf.patienceMilliseconds + 60_000)
        #expect(try directory.listNames() == [])
    }

    @Test("what lanes ask for behind different changes is not written each time")
    func answeredLists() throws {
        let bench = try ServiceBench()
        let holders = (0..<20).map { "H\($0)" }
        _ = try bench.publish(holders)
        try bench.change(holders, to: .partial)
        for after in 0..<20 {
            let answer = try bench.get("/v1/changes?after=\(after)")
            #expect(answer.status == 200)
            #expect(try answer.headers["etag"] == "\"\(Hexadecimal.text(SHA256.hash(answer.body)))\"")
        }
        #expect(try PublishedDirectory(bench.data).listNames().count == 1)
    }

    @Test("a directory that cannot be written keeps no statement back, and no list is named then")
    func unwritable() throws {
        let bench = try ServiceBench()
        let holders = (0..<3).map { "H\($0)" }
        try FileSystem.makeDirectories(bench.data.published, mode: 0o750)
        try FileSystem.replace("\(bench.data.published)/v1", with: [], mode: 0o600)
        _ = try bench.publish(holders)
        try bench.change(holders, to: .partial)
        bench.service.refresh()
        #expect(try bench.statement.changeNumber == 3)
        #expect(try bench.statement.changes?.lists == [])
        #expect(try bench.get("/v1/image").status == 200)
        try FileSystem.unlink("\(bench.data.published)/v1")
        bench.service.refresh()
        #expect(try bench.statement.changes?.lists.last?.last == 3)
    }

    @Test(
        "a statement in an answer is as of the last look; its file is replaced each ten seconds and when it says more")
    func age() throws {
        let bench = try ServiceBench()
        let holders = (0..<3).map { "H\($0)" }
        _ = try bench.publish(holders)
        let key = try bench.data.key(.siteSecret, bench.data.secretKeyFile)
        let publisher = try Publisher(bench.data, site: bench.site, key: Ed25519.SigningKey(seed: key.key))
        let start = SystemClock.wallMilliseconds()
        /// After a look so many ms after the start, ms after the start of: the answered statement, the file.
        func ages(_ elapsed: Int64) throws -> [Int64] {
            _ = try publisher.refresh(now: start + elapsed)
            let answered = try Statement.parse(try #require(try publisher.statement())).statement
            let file = try Statement.parse(
                FileSystem.read("\(bench.data.published)/v1/statement", limit: Statement.longest)
            ).statement
            return [answered.asOf.milliseconds - start, file.asOf.milliseconds - start]
        }
        #expect(try ages(0) == [0, 0])
        #expect(try ages(1000) == [1000, 0])
        #expect(try ages(9999) == [9999, 0])
        #expect(try ages(10_000) == [10_000, 10_000])
        try bench.change(holders, to: .partial)
        #expect(try ages(11_000) == [11_000, 11_000])
        #expect(try ages(12_000) == [12_000, 11_000])
        // The clock was set back by an hour, and half an hour later forward again.
        #expect(try ages(-3_600_000) == [-3_600_000, -3_600_000])
        #expect(try ages(-1_800_000) == [-1_800_000, -1_800_000])
    }
}
