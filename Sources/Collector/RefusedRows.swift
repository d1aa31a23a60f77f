import Posix

/// The report beside a feed, `FEED.csv.refused.csv`: one line for everything that is wrong with a row, as CSV itself.
///
///     line,column,reason
final class RefusedRows {
    let path: String
    private(set) var rows = 0
    private(set) var entries = 0
    private var lastLine = 0
    private var file: Descriptor?
    private var buffer: [UInt8] = []
    private let partial: String

    init(besideFeed feed: String) {
        path = "\(feed).refused.csv"
        partial = "\(feed).refused.csv.partial"
    }

    /// `refusesRow`: false for a remark about a row that was taken.
    func append(_ problem: FeedProblem, refusesRow: Bool = true) throws(CollectorFailure) {
        if file == nil {
            file = try collecting { () throws(SystemFailure) in
                _ = try FileSystem.unlinkIfPresent(partial)
                return try Descriptor.open(partial, [.write, .create, .exclusive, .noFollow], mode: 0o640)
            }
            buffer = Array("line,column,reason\r\n".utf8)
        }
        if refusesRow, problem.line != lastLine {
            rows += 1
            lastLine = problem.line
        }
        entries += 1
        buffer.append(contentsOf: "\(problem.line),\(problem.column),\"".utf8)
        for byte in problem.reason.utf8 {
            if byte == UInt8(ascii: "\"") { buffer.append(byte) }
            buffer.append(byte)
        }
        buffer.append(contentsOf: "\"\r\n".utf8)
        if buffer.count > 1 << 16 { try flush() }
    }

    private func flush() throws(CollectorFailure) {
        guard let file else { return }
        try collecting { () throws(SystemFailure) in try file.writeAll(buffer) }
        buffer.removeAll(keepingCapacity: true)
    }

    /// Puts the report in its place. One of an earlier import goes when this one has nothing to report.
    func finish() throws(CollectorFailure) {
        try flush()
        try collecting { () throws(SystemFailure) in
            if file == nil {
                try FileSystem.unlinkIfPresent(path)
            } else {
                try FileSystem.rename(partial, to: path)
            }
        }
        file = nil
    }
}
