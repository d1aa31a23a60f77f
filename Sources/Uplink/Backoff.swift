/// How long to wait before the next try: exponential, with full jitter, so that hundreds of lanes whose collector comes
/// back do not all ask in the same instant. Randomness is the caller's.
public struct Backoff: Sendable, Equatable {
    /// No wait is longer: a collector that is back is found within this time.
    public static let longestMilliseconds: Int64 = 10_000
    /// Nor shorter, or a collector that fails at once would be asked without a pause.
    public static let shortestMilliseconds: Int64 = 50
    private static let firstMilliseconds: Int64 = 250

    /// Failures in a row.
    public private(set) var failures = 0

    public init() {}

    public mutating func reset() { failures = 0 }

    /// Counts a failure; ms to wait: evenly random up to 250 ms × 2^(failures so far), within the two limits.
    public mutating func next(using random: inout some RandomNumberGenerator) -> Int64 {
        let ceiling = min(Self.longestMilliseconds, Self.firstMilliseconds << Int64(min(failures, 16)))
        failures += failures < .max ? 1 : 0
        return Int64.random(in: Self.shortestMilliseconds...ceiling, using: &random)
    }

    /// As `next`, but at least as long as the collector asks for (Retry-After), up to the longest wait.
    public mutating func next(
        atLeast askedMilliseconds: Int64, using random: inout some RandomNumberGenerator
    ) -> Int64 {
        max(next(using: &random), min(max(0, askedMilliseconds), Self.longestMilliseconds))
    }
}
