import Admission
import Framing
import Posix
import TestSupport
import Testing

@testable import Collector

private let made = "2026-07-10T07:00:00+08:00"

/// A feed with its frame around it.
private func framed(_ rows: [String], made: String = made, end: String? = nil, behind: String = "") -> String {
    "#lanekeeper-feed made=\(made)\n\(feedHeader)\n" + rows.map { $0 + "\n" }.joined()
        + (end ?? "#end rows=\(rows.count)\n") + behind
}

private func people(_ numbers: Range<Int>, vaccine: String = "full", kind: String = "visitor") -> [String] {
    numbers.map { line("P\($0)", kind: kind, chip: hex([1, 0, UInt8($0 >> 8), UInt8($0 & 255)]), vaccine: vaccine) }
}

private func limit(_ percent: Int, isDryRun: Bool = false) -> FeedImport.Options {
    var options = FeedImport.Options()
    options.rules.mostLosingPercent = percent
    options.isDryRun = isDryRun
    return options
}

private func held(_ summary: FeedImport.Summary) -> [String] {
    if case .held(let reasons) = summary.fate { return reasons }
    return []
}

@Suite("Guards of an import")
struct FeedGuardTests {
    @Test("a feed with its frame around it is published, and is as old as it says")
    func frame() throws {
        let bench = try ImportBench()
        let summary = try bench.run(framed(people(0..<3)))
        #expect(summary.fate == .published)
        #expect(summary.rows == 3)
        let image = try #require(try ImageRegister(try bench.data.openSite().database).inForce())
        #expect(try image.madeMilliseconds == Timestamp.parse(made))
    }

    @Test(
        "a feed that is cut off anywhere is held, with what is missing",
        arguments: [
            (framed(people(0..<3), end: ""), "that its first line promises"),
            (framed(people(0..<3), end: "#end rows=4\n"), "speaks of 4 rows, and 3 stand in it"),
            (framed(people(0..<3), behind: people(3..<4)[0]), "1 lines stand behind"),
            (framed(people(0..<3), end: "#end"), nil),
            (framed(people(0..<3), end: "#end rows=3"), ""),
            ("\(feedHeader)\n" + people(0..<3).joined(separator: "\n"), "its last line has no end"),
            ("\(feedHeader)\n" + people(0..<3).joined(separator: "\n") + "\n#end rows=2\n", "speaks of 2 rows"),
        ] as [(String, String?)])
    func cut(_ text: String, _ reason: String?) throws {
        let bench = try ImportBench()
        guard let reason else {
            #expect(throws: CollectorFailure.self) { try bench.run(text) }
            return
        }
        let summary = try bench.run(text)
        if reason.isEmpty {
            #expect(summary.fate == .published)
        } else {
            #expect(held(summary).count == 1)
            #expect(held(summary).first?.contains(reason) == true, "\(held(summary))")
            #expect(bench.inForce == nil)
        }
    }

    @Test("wherever a feed with its frame is cut, it is never published")
    func cutAnywhere() throws {
        let bench = try ImportBench()
        let text = Array(framed(people(0..<3)).utf8)
        // Without the line's own end the last line still says how many rows there are.
        for length in 0..<text.count - 1 {
            try FileSystem.replace(bench.feed, with: Array(text[..<length]), mode: 0o600)
            let summary = try? FeedImport(data: bench.data, feed: bench.feed, options: limit(100, isDryRun: true))
                .run { _ in }
            #expect(summary.map { !held($0).isEmpty } ?? true, "cut at byte \(length)")
        }
    }

    @Test(
        "taking keys from a share of holders is published, from more than it held",
        arguments: [(5, 1, false), (5, 2, true), (10, 2, false), (0, 0, false), (0, 1, true), (100, 20, false)])
    func share(_ percent: Int, _ losing: Int, _ isHeld: Bool) throws {
        let bench = try ImportBench()
        try bench.publish(people(0..<20))
        // Some lose the vaccine, one of them by being gone.
        let rest = people(losing..<20)
        let summary = try bench.publish(
            (losing > 1 ? people(1..<losing, vaccine: "partial") : []) + rest + people(30..<31),
            options: limit(percent))
        #expect(!held(summary).isEmpty == isHeld, "\(held(summary))")
        #expect(summary.changes?.losing == losing)
        #expect(summary.changes?.holdersBefore == 20)
        #expect(bench.inForce == (isHeld ? 1 : 2))
        let visitors = try #require(summary.changes?.kinds[.visitor])
        #expect(visitors.new == 1)
        #expect(visitors.gone == min(losing, 1))
        #expect(visitors.lost == [losing, 0, 0, min(losing, 1)])
        #expect(visitors.gained == [1, 0, 0, 1])
    }

    @Test("what a feed changes is told for each kind and key, by one clock")
    func changes() throws {
        let bench = try ImportBench()
        let now = SystemClock.wallMilliseconds()
        let fresh = "green,\(Timestamp.format(now - 3_600_000))"
        let old = "green,\(Timestamp.format(now - 25 * 3_600_000))"
        let sampled = "negative,\(Timestamp.format(now - 3_600_000))"
        try bench.publish([
            line("A", chip: "01020301", health: fresh, test: sampled), line("B", chip: "01020302", health: old),
            line("C", kind: "staff", chip: "01020303", activation: "inactive"),
        ])
        let summary = try bench.publish([
            line("A", chip: "01020301", health: old, test: "positive,"), line("B", chip: "01020302", health: fresh),
            line("C", kind: "staff", chip: "01020303"), line("D", kind: "media", chip: "01020304"),
        ])
        let kinds = try #require(summary.changes?.kinds)
        #expect(kinds[.visitor]?.lost == [0, 1, 1, 0])
        #expect(kinds[.visitor]?.gained == [0, 1, 0, 0])
        #expect(kinds[.staff]?.gained == [0, 0, 0, 1])
        #expect(kinds[.media]?.new == 1)
        #expect(kinds[.media]?.gained == [1, 0, 0, 1])
        #expect(summary.changes?.losing == 1)
        #expect(summary.changes?.lines.count == 4)
    }

    @Test("a feed older than the one in force, or dated in the future, is held")
    func age() throws {
        let bench = try ImportBench()
        #expect(try bench.run(framed(people(0..<3))).fate == .published)
        let older = try bench.run(framed(people(0..<3), made: "2026-07-10T06:59:59+08:00"))
        #expect(held(older).first?.hasPrefix("the feed is older than the one in force") == true)
        #expect(try bench.run(framed(people(0..<3))).fate == .published, "the same again is not older")
        let future = try bench.run(
            framed(people(0..<3), made: Timestamp.format(SystemClock.wallMilliseconds() + 600_000)))
        #expect(held(future).first?.contains("ahead of this machine's clock") == true)
        // Without a frame a feed is as old as its file.
        #expect(try bench.publish(people(0..<3)).fate == .published)
        #expect(held(try bench.run(framed(people(0..<3)))).count == 1)
    }

    @Test("a held image is put into force by an operator, once, and who did it is known")
    func publishing() throws {
        let bench = try ImportBench()
        try bench.publish(people(0..<10))
        let summary = try bench.publish(people(0..<5), options: limit(5))
        #expect(held(summary).count == 1)
        let office = try ImageOffice(bench.data)
        #expect(try office.lines(heldOnly: true).count == 2)
        #expect(throws: CollectorFailure.self) { try office.publish(7, by: "nobody") }
        #expect(throws: CollectorFailure.self) { try office.publish(1, by: "nobody") }
        #expect(try office.publish(2, by: "alice") == 2)
        #expect(bench.inForce == 2)
        #expect(try office.lines(heldOnly: true) == [])
        #expect(throws: CollectorFailure.self) { try office.publish(2, by: "bob") }
        let audit = try AuditTrail.lines(bench.data, count: 10)
        #expect(audit.count == 1)
        #expect(audit[0].contains("\talice\tpublish\timage 2, held: it would take keys from 5 of the 10 holders"))
    }

    @Test("a held image is not published over a newer one, nor when it is damaged")
    func notPublished() throws {
        let bench = try ImportBench()
        try bench.publish(people(0..<10))
        #expect(held(try bench.publish(people(0..<5), options: limit(5))).count == 1)
        try bench.publish(people(0..<10))
        let office = try ImageOffice(bench.data)
        #expect {
            try office.publish(2, by: "alice")
        } throws: {
            ($0 as? CollectorFailure)?.reason == "image 3 is in force, of a later import"
        }
        #expect(held(try bench.publish(people(0..<5), options: limit(5))).count == 1)
        let path = bench.data.imageFile(version: 4)
        var image = try FileSystem.read(path, limit: 1 << 24)
        image[image.count - 4096] ^= 1
        try FileSystem.replace(path, with: image, mode: 0o600)
        #expect(throws: CollectorFailure.self) { try office.publish(4, by: "alice") }
        #expect(bench.inForce == 3)
        #expect(try AuditTrail.lines(bench.data, count: 10) == [])
    }

    @Test("when the image in force is damaged, nobody can say what a feed takes: it is held")
    func notComparable() throws {
        let bench = try ImportBench()
        try bench.publish(people(0..<10))
        try FileSystem.replace(bench.data.imageFile(version: 1), with: [1, 2, 3], mode: 0o600)
        let summary = try bench.publish(people(0..<10))
        #expect(held(summary).first?.hasPrefix("nobody can say what it changes") == true)
        #expect(try ImageOffice(bench.data).publish(2, by: "alice") == 2)
        #expect(bench.inForce == 2)
    }

    @Test("a dry run says what would happen and leaves everything as it was")
    func dryRun() throws {
        let bench = try ImportBench()
        try bench.publish(people(0..<10))
        let before = try bench.contents()
        let published = try bench.publish(people(0..<10) + people(20..<30) + ["x"], options: limit(5, isDryRun: true))
        #expect(published.isDryRun && published.fate == .published && published.refused == 1)
        #expect(published.changes?.kinds[.visitor]?.new == 10)
        #expect(held(try bench.publish(people(0..<5), options: limit(5, isDryRun: true))).count == 1)
        #expect(try bench.contents() == before)
        #expect(bench.report == nil)
        // The numbers of a dry run are nobody's: the next real ones are given as if it had not been.
        try bench.publish(people(0..<10) + people(40..<41))
        #expect(try bench.holder([1, 0, 0, 40], version: 2) == 11)
    }

    @Test("a report is bounded, and its last line says how many more there are")
    func boundedReport() throws {
        let bench = try ImportBench()
        let more = 7
        let bad = String(repeating: "x\n", count: RefusedRows.mostEntries + more)
        let summary = try bench.run("\(feedHeader)\n\(people(0..<1)[0])\n\(bad)")
        #expect(summary.refused == RefusedRows.mostEntries + more)
        let text = String(decoding: try FileSystem.read("\(bench.feed).refused.csv", limit: 1 << 27), as: UTF8.self)
        let lines = text.split(separator: "\r\n")
        #expect(lines.count == RefusedRows.mostEntries + 2)
        #expect(lines.last?.contains("\(more) more problems are not listed here") == true)
        #expect(try FileSystem.list(bench.directory.path).filter { $0.hasSuffix(".partial") } == [])
    }

    @Test("a site that an earlier program made goes on: its images were published, its numbers stay")
    func upgrade() throws {
        let bench = try ImportBench()
        try bench.publish(people(0..<3))
        do {
            let database = try bench.data.openSite().database
            for column in ["published", "held", "made", "source", "basis"] {
                try database.execute("ALTER TABLE image DROP COLUMN \(column)")
            }
            try database.execute(
                "DROP TABLE audit; DROP TABLE activation; DROP TABLE unpublished; DROP TABLE correction; "
                    + "PRAGMA user_version=1")
        }
        #expect(bench.inForce == 1)
        try bench.publish(people(0..<3))
        #expect(try bench.holder([1, 0, 0, 2], version: 2) == bench.holder([1, 0, 0, 2], version: 1))
    }
}
