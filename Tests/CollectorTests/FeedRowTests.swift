import Admission
import Posix
import Testing

@testable import Collector

private let columns = FeedColumn.allCases.map(\.rawValue)
private let good: [FeedColumn: String] = [
    .holder: "H-1", .kind: "visitor", .chip: "0123456789", .code: "EXPO-1", .epc: "", .zones: "north-ring|hall-1",
    .vaccine: "full", .healthCode: "green", .assessedAt: "2026-07-10T07:00:00+08:00", .testResult: "negative",
    .sampledAt: "2026-07-09T20:00:00.900+08:00", .activation: "activated",
    .validFrom: "2026-07-09T00:00:00.001+08:00", .validUntil: "2026-07-15T23:59:59.999+08:00",
]
private let validity: ClosedRange<Int64> = 1_700_000_000...1_834_000_000

private func row(_ texts: [String], line: Int = 2) -> CSVRow {
    var row = CSVRow()
    row.clear(line: line)
    for text in texts {
        for byte in text.utf8 { row.append(byte) }
        row.endField()
    }
    return row
}

private func read(
    _ changes: [FeedColumn: String], in header: [String] = columns, calendar: SiteCalendar? = nil
) throws -> FeedRow {
    var reader = FeedRowReader(try FeedHeader(row(header, line: 1)), validity: validity, calendar: calendar)
    let values = good.merging(changes) { $1 }
    return try reader.read(row(header.map { FeedColumn(rawValue: $0).flatMap { values[$0] } ?? "other" }))
}

private func problems(_ changes: [FeedColumn: String]) -> [FeedProblem] {
    do {
        _ = try read(changes)
        return []
    } catch let problems as FeedRowReader.Problems {
        return problems.all
    } catch { return [] }
}

@Suite("Rows of a feed")
struct FeedRowTests {
    @Test("the places of the columns are those of their list")
    func places() { #expect(FeedColumn.allCases.map(\.place) == Array(FeedColumn.allCases.indices)) }

    @Test("a good row is read; fractions of seconds never turn in the badge's favour")
    func goodRow() throws {
        let row = try read([:])
        #expect(row.holder == "H-1")
        #expect(row.kind == .visitor)
        #expect(row.identifiers.map(\.type) == [.chip, .code])
        #expect(row.identifiers[0].bytes == [0x01, 0x23, 0x45, 0x67, 0x89])
        #expect(row.identifiers[1].bytes == Array("EXPO-1".utf8))
        #expect(row.zones == 0b11)
        #expect(row.vaccine == .full)
        #expect(row.healthCode == .green)
        #expect(row.test == .negative)
        #expect(row.activation == .activated)
        #expect(try Int64(row.assessedAtSeconds) * 1000 == Timestamp.parse("2026-07-09T23:00:00Z"))
        #expect(try Int64(row.sampledAtSeconds) * 1000 == Timestamp.parse("2026-07-09T12:00:00Z"))
        #expect(try row.validFromSeconds.map { $0 * 1000 } == Timestamp.parse("2026-07-08T16:00:01Z"))
        #expect(try row.validUntilSeconds.map { $0 * 1000 } == Timestamp.parse("2026-07-15T15:59:59Z"))
    }

    @Test(
        "a calendar date becomes instants in the site's time zone, also where a day has 23 or 25 hours or no midnight",
        arguments: [
            ("Asia/Shanghai", "2026-07-10", "2026-07-09T16:00:00Z", "2026-07-10T15:59:59Z"),
            ("UTC", "2026-07-10", "2026-07-10T00:00:00Z", "2026-07-10T23:59:59Z"),
            ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z"),
            ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z"),
            ("America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z", "2026-09-07T02:59:59Z"),
            ("Asia/Kolkata", "2024-02-29", "2024-02-28T18:30:00Z", "2024-02-29T18:29:59Z"),
            ("Australia/Sydney", "2026-10-04", "2026-10-03T14:00:00Z", "2026-10-04T12:59:59Z"),
        ])
    func calendarDates(zone: String, date: String, begins: String, ends: String) throws {
        let calendar = try #require(SiteCalendar(identifier: zone))
        let row = try read(
            [.assessedAt: date, .sampledAt: date, .validFrom: date, .validUntil: date], calendar: calendar)
        let (first, last) = (try Timestamp.parse(begins) / 1000, try Timestamp.parse(ends) / 1000)
        #expect(row.validFromSeconds == first && row.validUntilSeconds == last)
        // Nobody knows at which hour it was: it counts as old as it may be.
        #expect(Int64(row.sampledAtSeconds) == first && Int64(row.assessedAtSeconds) == first)
    }

    @Test(
        "a calendar date is refused where the site's time zone is not known, and where it is none",
        arguments: [
            ("2026-07-10", nil, "import with --config"), ("2026-02-30", "UTC", "day"),
            ("10.07.2026", "UTC", "year"), ("2026-07-1O", "UTC", "day"),
        ] as [(String, String?, String)])
    func wrongDates(date: String, zone: String?, words: String) throws {
        let calendar = zone.flatMap { SiteCalendar(identifier: $0) }
        let problems = #expect(throws: FeedRowReader.Problems.self) {
            _ = try read([.validUntil: date], calendar: calendar)
        }
        let told = problems?.all.map(\.description) ?? []
        #expect(told.count == 1 && told[0].contains("valid_until") && told[0].contains(words), "\(told)")
    }

    @Test("columns stand in any order, beside others that are not looked at")
    func anyOrder() throws {
        let expected = try read([:])
        #expect(try read([:], in: columns.reversed() + ["remark"]) == expected)
        #expect(try FeedHeader(row(["remark"] + columns)).unused == ["remark"])
    }

    @Test("every column is needed", arguments: FeedColumn.allCases)
    func missingColumn(_ column: FeedColumn) {
        #expect {
            _ = try FeedHeader(row(columns.filter { $0 != column.rawValue }, line: 1))
        } throws: {
            ($0 as? FeedProblem)?.reason.contains("no column \(column.rawValue)") == true
        }
        #expect {
            _ = try FeedHeader(row(columns + [column.rawValue], line: 1))
        } throws: {
            ($0 as? FeedProblem)?.reason.contains("names this column 2 times") == true
        }
    }

    @Test("a row of another number of fields is refused as a whole")
    func fieldCount() throws {
        var reader = FeedRowReader(try FeedHeader(row(columns, line: 1)), validity: validity)
        #expect {
            _ = try reader.read(row(["H-1", "visitor"], line: 44))
        } throws: {
            ($0 as? FeedRowReader.Problems)?.all.first?.description == "line 44, row: 2 fields, the header has 14"
        }
    }

    struct Refused: Sendable, CustomStringConvertible {
        var changes: [FeedColumn: String]
        var column: String
        var reason: String
        var description: String { "\(column): \(reason)" }

        init(_ column: FeedColumn, _ value: String, _ reason: String, _ others: [FeedColumn: String] = [:]) {
            changes = others.merging([column: value]) { $1 }
            self.column = column.rawValue
            self.reason = reason
        }
    }

    static let refused: [Refused] = [
        Refused(.holder, "", "is empty"),
        Refused(.holder, String(repeating: "h", count: 65), "65 bytes, at most 64"),
        Refused(.holder, "a\tb", "control character"),
        Refused(.kind, "Visitor", "'Visitor' is not one of special-guest, exhibitor, visitor"),
        Refused(.kind, "", "an empty field is not one of"),
        Refused(.kind, "visitor ", "'visitor ' is not one of"),
        Refused(.chip, "012345678", "half a byte"),
        Refused(.chip, "0123456x89", "is not hexadecimal"),
        Refused(.chip, "010203", "3 bytes, expected 4, 5, 7 or 10"),
        Refused(.chip, "010203040506", "6 bytes, expected 4, 5, 7 or 10"),
        Refused(.chip, " 123456789", "is not hexadecimal"),
        Refused(.chip, "", "neither chip nor code nor epc", [.code: "", .epc: ""]),
        Refused(.code, String(repeating: "证", count: 22), "66 bytes, at most 64"),
        Refused(.code, "a\u{7F}", "control character"),
        Refused(.epc, "E2001", "half a byte"),
        Refused(.epc, "E20011", "3 bytes, expected 2 to 62 bytes, an even number"),
        Refused(.epc, String(repeating: "E2", count: 64), "64 bytes, expected 2 to 62"),
        Refused(.zones, "north-ring|", "an empty name"),
        Refused(.zones, "a|b|a", "'a' is named twice"),
        Refused(.zones, "outside", "no zone of the site"),
        Refused(.zones, String(repeating: "z", count: 32), "1 to 31 bytes"),
        Refused(.vaccine, "complete", "is not one of unknown, none, partial, full"),
        Refused(.healthCode, "GREEN", "is not one of unknown, green, yellow, red"),
        Refused(.assessedAt, "", "a green code needs"),
        Refused(.assessedAt, "2026-07-10 07:00:00", "the offset (Z or ±hh:mm) is missing"),
        Refused(.assessedAt, "1969-12-31T23:59:59Z", "before 1970", [.healthCode: "red"]),
        Refused(.testResult, "neg", "is not one of unknown, none, negative, positive"),
        Refused(.sampledAt, "", "a negative test needs"),
        Refused(.sampledAt, "2026-13-10T07:00:00Z", "the month is 13"),
        Refused(.sampledAt, "2106-02-07T06:28:16Z", "after 2106"),
        Refused(.activation, "active", "is not one of inactive, activated, suspended, revoked"),
        Refused(.validFrom, "2020-01-01T00:00:00Z", "lies outside 2023-11-14 to 2028-02-"),
        Refused(.validUntil, "2099-01-01T00:00:00Z", "leave it empty for no limit"),
        Refused(.validUntil, "2026-07-08T00:00:00Z", "ends before it begins"),
    ]

    @Test("what is wrong is named by line, column and reason", arguments: refused)
    func refusal(_ example: Refused) {
        let found = problems(example.changes)
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.line == 2)
        #expect(found.first?.column == example.column)
        #expect(found.first?.reason.contains(example.reason) == true, "\(found)")
    }

    @Test("bytes that are not UTF-8 are refused", arguments: [FeedColumn.holder, .code, .zones])
    func notUTF8(_ column: FeedColumn) throws {
        var reader = FeedRowReader(try FeedHeader(row(columns, line: 1)), validity: validity)
        var broken = CSVRow()
        broken.clear(line: 3)
        for name in FeedColumn.allCases {
            for byte in (good[name] ?? "").utf8 { broken.append(byte) }
            if name == column { broken.append(0xC3) }
            broken.endField()
        }
        #expect {
            _ = try reader.read(broken)
        } throws: {
            ($0 as? FeedRowReader.Problems)?.all.map(\.column) == [column.rawValue]
        }
    }

    @Test(
        "a reason repeats no control character of the feed",
        arguments: [FeedColumn.kind, .zones, .chip, .assessedAt, .validFrom])
    func controls(_ column: FeedColumn) {
        let found = problems([column: "2026\u{1B}[2J\n\u{9B}05"])
        #expect(found.map(\.column) == [column.rawValue])
        #expect(found.allSatisfy { !$0.reason.unicodeScalars.contains { $0.properties.generalCategory == .control } })
    }

    @Test("all that is wrong with a row is told at once")
    func several() {
        let found = problems([.kind: "x", .vaccine: "y", .sampledAt: "z"])
        #expect(found.map(\.column) == ["kind", "vaccine", "sampled_at"])
    }

    @Test(
        "what may be left out may be left out",
        arguments: [
            [.assessedAt: "", .healthCode: "unknown"], [.sampledAt: "", .testResult: "none"],
            [.sampledAt: "", .testResult: "positive"], [.assessedAt: "", .healthCode: "red"], [.validFrom: ""],
            [.validUntil: ""], [.zones: ""], [.chip: ""], [.code: ""], [.chip: "", .code: "", .epc: "E2001122"],
        ] as [[FeedColumn: String]])
    func optional(_ changes: [FeedColumn: String]) {
        #expect(problems(changes) == [])
    }

    @Test("every value of every choice is read", arguments: HolderKind.allCases)
    func kinds(_ kind: HolderKind) throws {
        #expect(try read([.kind: "\(kind.name)"]).kind == kind)
        for state in VaccineState.allCases { #expect(try read([.vaccine: state.name]).vaccine == state) }
        for code in HealthCode.allCases { #expect(try read([.healthCode: code.name]).healthCode == code) }
        for test in TestResult.allCases { #expect(try read([.testResult: test.name]).test == test) }
        for state in Activation.allCases { #expect(try read([.activation: state.name]).activation == state) }
    }

    @Test("an image has room for 64 zones; what would need more is refused and leaves the others")
    func zoneLimit() throws {
        var table = ZoneTable()
        for number in 0..<63 {
            #expect((try? table.set(of: ArraySlice("z\(number)".utf8)).get()) == 1 << UInt64(number))
        }
        #expect((try? table.set(of: ArraySlice("new|other".utf8)).get()) == nil)
        #expect((try? table.set(of: ArraySlice("last|z0".utf8)).get()) == 1 << 63 | 1)
        #expect((try? table.set(of: ArraySlice("beyond".utf8)).get()) == nil)
        #expect((try? table.set(of: ArraySlice("z0|last".utf8)).get()) == 1 << 63 | 1)
        #expect(table.names.count == 64)
    }

    @Test("an image has room for 1024 combinations of zones")
    func combinationLimit() throws {
        var table = ZoneTable()
        var taken = 0
        for number in 0..<1100 {
            let names = (0..<11).filter { number >> $0 & 1 == 1 }.map { "z\($0)" }.joined(separator: "|")
            if (try? table.set(of: ArraySlice(names.utf8)).get()) != nil { taken += 1 }
        }
        #expect(taken == 1024)
    }
}
