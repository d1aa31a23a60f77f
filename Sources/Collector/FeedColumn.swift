import Admission

/// The columns of a feed, by the names in its header.
enum FeedColumn: String, CaseIterable, Sendable {
    case holder, kind, chip, code, epc, zones, vaccine
    case healthCode = "health_code"
    case assessedAt = "assessed_at"
    case testResult = "test_result"
    case sampledAt = "sampled_at"
    case activation
    case validFrom = "valid_from"
    case validUntil = "valid_until"

    /// Its place in `allCases`, which is asked for each field of each row.
    var place: Int {
        switch self {
        case .holder: 0
        case .kind: 1
        case .chip: 2
        case .code: 3
        case .epc: 4
        case .zones: 5
        case .vaccine: 6
        case .healthCode: 7
        case .assessedAt: 8
        case .testResult: 9
        case .sampledAt: 10
        case .activation: 11
        case .validFrom: 12
        case .validUntil: 13
        }
    }

    /// What a cell of this column has to hold, for whoever mends a row.
    var advice: String {
        switch self {
        case .holder: "the holder's number with the authority, 1 to 64 bytes, on one row of the feed only"
        case .kind: "one of " + HolderKind.allCases.map { "\($0.name)" }.joined(separator: ", ")
        case .chip: "4, 5, 7 or 10 bytes in hexadecimal, or nothing; a row needs a chip, a code or an epc"
        case .code: "at most 64 bytes of text, or nothing"
        case .epc: "2 to 62 bytes in hexadecimal, an even number of them, or nothing"
        case .zones: "names of zones, 1 to 31 bytes each, joined with |, or nothing"
        case .vaccine: "one of full, partial, none, unknown"
        case .healthCode: "one of green, yellow, red, unknown"
        case .testResult: "one of negative, positive, none, unknown"
        case .activation: "one of activated, inactive, suspended, revoked"
        case .assessedAt: "a time with its offset, such as 2026-11-21T09:05:50+08:00; a green code needs it"
        case .sampledAt: "a time with its offset, such as 2026-11-21T09:05:50+08:00; a negative test needs it"
        case .validFrom, .validUntil: "a time with its offset, such as 2026-11-21T09:05:50+08:00, or nothing"
        }
    }
}

/// Which field of a row is which column.
struct FeedHeader: Sendable {
    private let places: [Int]
    /// Columns of the file that nobody asked for; they are not looked at.
    let unused: [String]
    let fieldCount: Int

    /// The error says which columns are missing or stand there twice.
    init(_ row: CSVRow) throws(FeedProblem) {
        let names = (0..<row.count).map { row.text($0) }
        var places: [Int] = []
        var missing: [String] = []
        for column in FeedColumn.allCases {
            let found = names.indices.filter { names[$0] == column.rawValue }
            if found.count > 1 {
                throw FeedProblem(
                    line: row.line, column: column.rawValue, reason: "the header names this column \(found.count) times"
                )
            }
            if let place = found.first { places.append(place) } else { missing.append(column.rawValue) }
        }
        guard missing.isEmpty else {
            throw FeedProblem(
                line: row.line, column: missing[0],
                reason: "the header has no column \(missing.joined(separator: ", ")); all of "
                    + "\(FeedColumn.allCases.map(\.rawValue).joined(separator: ",")) are needed")
        }
        self.places = places
        unused = names.filter { FeedColumn(rawValue: $0) == nil }
        fieldCount = row.count
    }

    func field(_ column: FeedColumn, of row: CSVRow) -> ArraySlice<UInt8> {
        row[places[column.place]]
    }

    /// The column of a field, its number where the header has no name for it.
    func name(ofField field: Int) -> String {
        guard let column = places.firstIndex(of: field) else { return "field \(field + 1)" }
        return FeedColumn.allCases[column].rawValue
    }
}

/// What is wrong with a row: where, and why.
struct FeedProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// From 1; the header is on line 1.
    var line: Int
    var column: String
    var reason: String

    /// What to do about it.
    var advice: String {
        FeedColumn(rawValue: column)?.advice
            ?? "a line of CSV (RFC 4180) with a field for every column of the header; quote fields with commas in them"
    }

    var description: String { "line \(line), \(column): \(reason)" }
}
