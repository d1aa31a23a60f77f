import Posix

/// What a feed says of itself, around its rows:
///
///     #lanekeeper-feed made=2026-11-05T06:10:00+08:00      may be the first line: when the authority made it
///     holder,kind,chip,…                                   the header, and the rows
///     #end rows=502000                                     the last line, promised by the first
///
/// A feed without them is as old as its file, and whole when its last line has an end.
struct FeedFrame: Sendable {
    private static let opening = "#lanekeeper-feed"
    private static let closing = "#end"
    /// How far ahead of our clock a feed may be dated.
    private static let futureToleranceMilliseconds: Int64 = 300_000

    /// ms since 1970.
    private(set) var madeMilliseconds: Int64?
    private var isPromised = false
    private var announcedRows: Int?
    private var rowsBehindTrailer = 0
    private var endsWithLine = false

    /// Whether a row is a line of the frame instead; `isFirst`: nothing but blank lines stood before it.
    mutating func take(_ row: CSVRow, isFirst: Bool) throws(FeedProblem) -> Bool {
        if announcedRows != nil { rowsBehindTrailer += 1 }
        guard row.count == 1, row[0].first == UInt8(ascii: "#") else { return false }
        let words = row.text(0).split(separator: " ", omittingEmptySubsequences: true)
        func value(_ name: String) throws(FeedProblem) -> String {
            guard words.count == 2, words[1].hasPrefix(name + "=") else {
                throw FeedProblem(
                    line: row.line, column: "row", reason: "'\(row.text(0).prefix(60))' is not \(words[0]) \(name)=…")
            }
            return String(words[1].dropFirst(name.utf8.count + 1))
        }
        if isFirst, words.first == Self.opening[...] {
            do { madeMilliseconds = try Timestamp.parse(try value("made")) } catch let failure as TimestampFailure {
                throw FeedProblem(line: row.line, column: "made", reason: failure.description)
            } catch let problem as FeedProblem { throw problem } catch {
                throw FeedProblem(line: row.line, column: "made", reason: "\(error)")
            }
            isPromised = true
            return true
        }
        guard !isFirst, words.first == Self.closing[...] else { return false }
        let text = try value("rows")
        guard let rows = Int(text), rows >= 0, !text.hasPrefix("+") else {
            throw FeedProblem(line: row.line, column: "row", reason: "'\(text.prefix(20))' is no number of rows")
        }
        announcedRows = rows
        return true
    }

    mutating func end(lastByte: UInt8?) { endsWithLine = lastByte == UInt8(ascii: "\n") }

    /// Why a feed of so many rows may be cut off; nil: it is whole as far as can be told.
    func cut(rows: Int) -> String? {
        if rowsBehindTrailer > 0 { return "\(rowsBehindTrailer) lines stand behind its last line '\(Self.closing) …'" }
        if let announcedRows {
            return announcedRows == rows
                ? nil : "its last line speaks of \(announcedRows) rows, and \(rows) stand in it"
        }
        if isPromised { return "it ends without the line '\(Self.closing) rows=…' that its first line promises" }
        return endsWithLine ? nil : "its last line has no end"
    }

    static func future(_ made: Int64, now: Int64) -> String? {
        guard made - now > futureToleranceMilliseconds else { return nil }
        return "it is dated \(Timestamp.format(made)), \((made - now) / 60_000) min ahead of this machine's clock; "
            + "with it in force every feed until then would be an older one"
    }
}
