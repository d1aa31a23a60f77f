import TestSupport
import Testing

@testable import Collector

/// Rows as texts joined with `|`, faults as `!line.field reason`.
private func read(_ text: [UInt8], chunk: Int, limits: CSVReader.Limits = .init()) -> [String] {
    var reader = CSVReader(limits: limits)
    var row = CSVRow()
    var seen: [String] = []
    func drain() {
        while let outcome = reader.next(into: &row) {
            switch outcome {
            case .success: seen.append("\(row.line):" + (0..<row.count).map { row.text($0) }.joined(separator: "|"))
            case .failure(let fault): seen.append("!\(fault.line).\(fault.field) \(fault.reason)")
            }
        }
    }
    var place = 0
    while place < text.count {
        reader.append(text[place..<min(place + chunk, text.count)])
        place += chunk
        drain()
    }
    reader.finish()
    drain()
    return seen
}

@Suite("CSV")
struct CSVReaderTests {
    static let cases: [(text: String, rows: [String])] = [
        ("a,b\r\nc,d\r\n", ["1:a|b", "2:c|d"]),
        ("a,b\nc,d", ["1:a|b", "2:c|d"]),
        ("\u{FEFF}a,b\r\n", ["1:a|b"]),
        ("\u{FEFF}", []),
        ("", []),
        (",\r\n", ["1:|"]),
        ("\"a,b\",\"c \"\"d\"\"\"\r\n", ["1:a,b|c \"d\""]),
        ("\"a\r\nb\",c\r\nd,e\r\n", ["1:a\r\nb|c", "3:d|e"]),
        ("a\r", ["1:a"]),
        ("\"\",x\n", ["1:|x"]),
        ("\"a\"", ["1:a"]),
        ("a\"b,c\nd,e\n", ["!1.0 a quote inside a field that does not begin with one", "2:d|e"]),
        ("x,\"a\"b,c\nd,e\n", ["!1.1 text behind a closing quote", "2:d|e"]),
        ("a\rb\nd\n", ["!1.0 a carriage return that no line feed follows", "2:d"]),
        ("a\u{0}b\nd\n", ["!1.0 a NUL byte", "2:d"]),
        ("a,\"b\nc,d\ne,f\n", ["!1.1 a quote that is never closed", "2:c|d", "3:e|f"]),
        ("\"a\nb\",\"c\nd,e\n", ["!1.1 a quote that is never closed", "3:d|e"]),
        ("\n\na\n", ["1:", "2:", "3:a"]),
    ]

    @Test("rows, faults and line numbers do not depend on where the bytes are cut", arguments: cases)
    func table(_ example: (text: String, rows: [String])) {
        let bytes = Array(example.text.utf8)
        for chunk in 1...max(1, bytes.count) { #expect(read(bytes, chunk: chunk) == example.rows) }
    }

    @Test("a quote that is not closed within the longest field is one stray character, not the rest of the file")
    func strayQuote() {
        let limits = CSVReader.Limits(fieldBytes: 20, rowBytes: 100, fields: 8)
        let rows = (2...9).map { "\($0),row\($0)\n" }.joined()
        let seen = read(Array("\"1,row1\n\(rows)".utf8), chunk: 7, limits: limits)
        #expect(seen.first == "!1.0 a quote that is not closed within 20 bytes")
        #expect(seen.dropFirst() == (2...9).map { "\($0):\($0)|row\($0)" }[...])
    }

    @Test("fields, rows and numbers of fields have bounds, and reading goes on behind them")
    func bounds() {
        let limits = CSVReader.Limits(fieldBytes: 20, rowBytes: 60, fields: 4)
        let long = String(repeating: "x", count: 500)
        for chunk in [1, 3, 64, 4096] {
            #expect(
                read(Array("\(long)\nb\n".utf8), chunk: chunk, limits: limits)
                    == ["!1.0 a field of more than 20 bytes", "2:b"])
            #expect(
                read(Array("a,b,c,d,e\nb\n".utf8), chunk: chunk, limits: limits) == ["!1.4 more than 4 fields", "2:b"])
        }
    }

    @Test(
        "a row that is one byte too long is refused in whatever pieces it comes, one that is not is read",
        arguments: 1...70)
    func longestRow(chunk: Int) {
        let limits = CSVReader.Limits(fieldBytes: 24, rowBytes: 60, fields: 5)
        let twenty = String(repeating: "x", count: 20)
        let read = { (row: String) in
            CollectorTests.read(Array("\(row)\nd,e\n".utf8), chunk: chunk, limits: limits)
        }
        #expect(
            read("\(twenty),\(twenty),123456789012345678") == ["1:\(twenty)|\(twenty)|123456789012345678", "2:d|e"])
        let refused = ["!1.2 a row of more than 60 bytes", "2:d|e"]
        #expect(read("\(twenty),\(twenty),1234567890123456789") == refused)
        #expect(read("\(twenty),\(twenty),\"12345678901234567\"") == refused)
        #expect(read("\(twenty),\(twenty),12345678901234567,x,y") == ["!1.3 a row of more than 60 bytes", "2:d|e"])
    }

    @Test("what is written as CSV is read back, whatever the fields hold and wherever it is cut")
    func roundTrip() {
        var random = SeededGenerator()
        let alphabet = Array("ab,\"\r\n 证|".unicodeScalars)
        for _ in 0..<300 {
            let rows = (0..<Int.random(in: 1...6, using: &random)).map { _ in
                (0..<Int.random(in: 2...5, using: &random)).map { _ in
                    String(
                        String.UnicodeScalarView(
                            (0..<Int.random(in: 0...6, using: &random)).map { _ in
                                alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
                            }))
                }
            }
            let text = rows.map { row in
                row.map {
                    "\"" + $0.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
                }
                .joined(separator: ",")
            }.joined(separator: "\r\n")
            var reader = CSVReader()
            var row = CSVRow()
            var seen: [[String]] = []
            let bytes = Array(text.utf8)
            let cut = Int.random(in: 0...bytes.count, using: &random)
            for part in [bytes[..<cut], bytes[cut...]] {
                reader.append(part)
                if part.endIndex == bytes.count { reader.finish() }
                while let outcome = reader.next(into: &row) {
                    #expect(throws: Never.self) { try outcome.get() }
                    seen.append((0..<row.count).map { row.text($0) })
                }
            }
            #expect(seen == rows)
        }
    }

    @Test("a row with too many fields is refused also when the file ends in its last field")
    func tooManyAtTheEnd() {
        var reader = CSVReader(limits: CSVReader.Limits(fieldBytes: 16, rowBytes: 40, fields: 2))
        var row = CSVRow()
        reader.append(Array("a,b\na,b,c".utf8))
        reader.finish()
        let outcomes = [reader.next(into: &row), reader.next(into: &row)]
        let isRefused = outcomes.map { if case .failure = $0 { true } else { false } }
        #expect(isRefused == [false, true])
    }

    @Test("any bytes at all end, with lines that only grow and fields within their bound")
    func fuzz() {
        var random = SeededGenerator()
        let limits = CSVReader.Limits(fieldBytes: 16, rowBytes: 40, fields: 6)
        let likely = Array("\",\r\n\u{0}ab\u{FEFF}".utf8)
        for _ in 0..<1000 {
            var reader = CSVReader(limits: limits)
            var row = CSVRow()
            var lastLine = 0
            for part in 0..<4 {
                reader.append(
                    (0..<Int.random(in: 0...40, using: &random)).map { _ in
                        Bool.random(using: &random)
                            ? likely[Int.random(in: 0..<likely.count, using: &random)]
                            : UInt8.random(in: 0...255, using: &random)
                    })
                if part == 3 { reader.finish() }
                while let outcome = reader.next(into: &row) {
                    switch outcome {
                    case .success:
                        #expect(row.line > lastLine)
                        lastLine = row.line
                        for field in 0..<row.count { #expect(row[field].count <= limits.fieldBytes) }
                        #expect(row.count <= limits.fields)
                    case .failure(let fault):
                        #expect(fault.line > lastLine)
                        lastLine = fault.line
                    }
                }
            }
        }
    }
}
