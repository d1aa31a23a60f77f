/// How long to wait before the next attempt: twice as long after each failure, up to a limit.
public struct Backoff: Sendable, Hashable {
    public let firstMilliseconds: Int64
    public let longestMilliseconds: Int64
    private var nextMilliseconds: Int64

    public init(firstMilliseconds: Int64, longestMilliseconds: Int64) {
        self.firstMilliseconds = firstMilliseconds
        self.longestMilliseconds = longestMilliseconds
        nextMilliseconds = firstMilliseconds
    }

    /// The wait after one more failure.
    public mutating func failed() -> Int64 {
        defer { nextMilliseconds = min(nextMilliseconds * 2, longestMilliseconds) }
        return nextMilliseconds
    }

    public mutating func succeeded() { nextMilliseconds = firstMilliseconds }
}
