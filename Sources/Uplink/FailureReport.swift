import Admission

/// What a person reads of one thing that keeps failing: the first time at once, then when something else is wrong, and
/// once a minute with a count; and that it is well again. Pure, so that hours without a collector make a short log.
public struct FailureReport: Sendable {
    private static let repeatMilliseconds: Int64 = 60_000
    private static let changeMilliseconds: Int64 = 5_000

    private let subject: String
    private var saidAt = MonotonicTime(nanoseconds: 0)
    private var saidKey: String?
    private var unsaid = 0
    /// The newest failure; nil while all is well.
    public private(set) var current: String?
    /// In a row.
    public private(set) var failures = 0

    /// `subject` as in `sending records`.
    public init(_ subject: String) { self.subject = subject }

    /// The line to log, if any. `key` says what sort of failure it is: its text may differ every time.
    public mutating func failed(key: String, _ text: String, now: MonotonicTime) -> String? {
        failures += failures < .max ? 1 : 0
        current = text
        let age = now.milliseconds(since: saidAt)
        let patience = saidKey == key ? Self.repeatMilliseconds : Self.changeMilliseconds
        guard saidKey == nil || age >= patience else {
            unsaid += 1
            return nil
        }
        let times = unsaid > 0 ? " (and \(unsaid) failures since the last line)" : ""
        saidKey = key
        saidAt = now
        unsaid = 0
        return "\(subject): \(text)\(times)"
    }

    /// The line to log when it had failed before.
    public mutating func succeeded() -> String? {
        guard failures > 0 else { return nil }
        let line = "\(subject): works again after \(failures) failure\(failures == 1 ? "" : "s")"
        failures = 0
        unsaid = 0
        saidKey = nil
        current = nil
        return line
    }
}
