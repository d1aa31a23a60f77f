import Posix

/// The report beside a feed, `FEED.csv.refused.csv`: one line for everything that is wrong with a row, as CSV itself.
///
///     file,line,column,reason,advice
///
/// It comes into its place whole or not at all, and is bounded: a last line then says how many more there are.
final class RefusedRows {
    static let mostEntries = 100_000

    let path: String
    private let isWritten: Bool
    private let feed: String
    private(set) var rows = 0
    private(set) var entries = 0
    private var lastLine = 0
    private var file: Descriptor?
    private var buffer: [UInt8] = []
    private let partial: String

    /// `isWritten` false: nothing is written, all is counted.
    init(besideFeed feed: String, isWritten: Bool = true) {
        self.feed = FileSystem.name(of: feed)
        self.isWritten = isWritten
        path = "\(feed).refused.csv"
        partial = "\(feed).refused.csv.partial"
    }

    /// `refusesRow`: false for a remark about a row that was taken.
    func append(_ problem: FeedProblem, refusesRow: Bool = true) throws(CollectorFailure) {
        if refusesRow, problem.line != lastLine {
            rows += 1
            lastLine = problem.line
        }
        entries += 1
        guard isWritten, entries <= Self.mostEntries else { return }
        if file == nil {
            file = try collecting { () throws(SystemFailure) in
                _ = try FileSystem.unlinkIfPresent(partial)
                return try Descriptor.open(partial, [.write, .create, .exclusive, .noFollow], mode: 0o640)
            }
            buffer = Array("file,line,column,reason,advice\r\n".utf8)
        }
        write(problem.line, problem.column, problem.reason, problem.advice)
        if buffer.count > 1 << 16 { try flush() }
    }

    private func write(_ line: Int?, _ column: String, _ reason: String, _ advice: String) {
        quote(feed)
        buffer.append(contentsOf: ",\(line.map(String.init) ?? ""),\(column),".utf8)
        quote(reason)
        buffer.append(UInt8(ascii: ","))
        quote(advice)
        buffer.append(contentsOf: "\r\n".utf8)
    }

    private func quote(_ text: String) {
        buffer.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\"") { buffer.append(byte) }
            buffer.append(byte)
        }
        buffer.append(UInt8(ascii: "\""))
    }

    private func flush() throws(CollectorFailure) {
        guard let file else { return }
        try collecting { () throws(SystemFailure) in try file.writeAll(buffer) }
        buffer.removeAll(keepingCapacity: true)
    }

    /// Nothing came of the import: what was written of the report goes.
    func abandon() {
        if file != nil { _ = try? FileSystem.unlinkIfPresent(partial) }
        file = nil
    }

    /// Puts the report in its place. One of an earlier import goes when this one has nothing to report.
    func finish() throws(CollectorFailure) {
        guard isWritten else { return }
        if entries > Self.mostEntries {
            write(
                nil, "", "\(entries - Self.mostEntries) more problems are not listed here",
                "mend what is listed and import again")
        }
        try flush()
        try collecting { () throws(SystemFailure) in
            if let file {
                try file.sync()
                try FileSystem.rename(partial, to: path)
                try FileSystem.syncDirectory(FileSystem.parent(of: path))
            } else {
                try FileSystem.unlinkIfPresent(path)
            }
        }
        file = nil
    }
}
