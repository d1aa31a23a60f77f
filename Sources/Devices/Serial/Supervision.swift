import Admission

/// Whether a device on a serial line is there. Pure: the shell says what happened and asks what to do.
///
/// A device is *lost* when its line cannot be opened or fails, or when it is silent beyond its time; it is *back* when it
/// speaks, or, if it speaks only when a badge is shown, when its line has held for 100 ms. Attempts to open wait 0.1 s,
/// then twice as long each, to at most 2 s, so that a device is back within 3 s of its return; and the wait starts over
/// only after the line has proven itself, so that one which opens and fails at once does not spin.
public struct Supervision: Sendable, Hashable {
    public static let firstRetryMilliseconds: Int64 = 100
    public static let longestRetryMilliseconds: Int64 = 2000
    /// A line of a device that need not speak counts as there when it has held so long.
    public static let settledMilliseconds: Int64 = 100
    /// A device that is lost by silence has its line opened anew each time so much more has passed: whatever somebody
    /// else did to the line, it is set up again.
    public static let reopenMilliseconds: Int64 = 5000
    /// A line that held so long, or spoke, is not one that fails as soon as it is open.
    public static let provenMilliseconds: Int64 = 5000

    public enum Presence: Sendable, Hashable {
        /// Neither heard nor missed yet.
        case unknown
        case well
        case lost
    }

    /// What changed, to be told once.
    public enum Change: Sendable, Hashable {
        case back
        /// No valid frame for `milliseconds`.
        case silent(milliseconds: Int64)
    }

    private enum Line: Sendable, Hashable {
        case closed(retryAt: MonotonicTime)
        case open(since: MonotonicTime)
    }

    public let longestSilenceMilliseconds: Int64?
    public private(set) var presence = Presence.unknown
    private var line: Line
    private var lastFrame: MonotonicTime?
    private var backoff = Backoff(
        firstMilliseconds: firstRetryMilliseconds, longestMilliseconds: longestRetryMilliseconds)

    /// - Parameter longestSilenceMilliseconds: nil for a device that speaks only when a badge is shown.
    public init(longestSilenceMilliseconds: Int64?, at now: MonotonicTime) {
        self.longestSilenceMilliseconds = longestSilenceMilliseconds
        line = .closed(retryAt: now)
    }

    public func wantsOpening(at now: MonotonicTime) -> Bool {
        if case .closed(let retryAt) = line { now >= retryAt } else { false }
    }

    /// The line is open and silent for so long that it shall be closed and opened anew.
    public func wantsReopening(at now: MonotonicTime) -> Bool {
        guard let longest = longestSilenceMilliseconds, case .open = line else { return false }
        return now >= quietSince.advanced(byMilliseconds: longest + Self.reopenMilliseconds)
    }

    /// The line is open and silent beyond the device's time.
    public func isSilent(at now: MonotonicTime) -> Bool {
        guard let longest = longestSilenceMilliseconds, case .open = line else { return false }
        return now >= quietSince.advanced(byMilliseconds: longest)
    }

    public mutating func opened(at now: MonotonicTime) {
        line = .open(since: now)
        lastFrame = nil
    }

    /// The line was closed on purpose, to be opened anew at once.
    public mutating func closedForReopening(at now: MonotonicTime) { line = .closed(retryAt: now) }

    /// The line could not be opened, or failed. True when the device is lost by it and was not before.
    public mutating func lineFailed(at now: MonotonicTime) -> Bool {
        if case .open(let since) = line, now.milliseconds(since: since) >= Self.provenMilliseconds {
            backoff.succeeded()
        }
        line = .closed(retryAt: now.advanced(byMilliseconds: backoff.failed()))
        defer { presence = .lost }
        return presence != .lost
    }

    /// Looks at the time and at when the newest valid frame came (since the line was opened).
    public mutating func look(at now: MonotonicTime, lastFrame newest: MonotonicTime?) -> Change? {
        guard case .open(let since) = line else { return nil }
        let spoke = newest != nil && newest != lastFrame
        lastFrame = newest
        if spoke { backoff.succeeded() }
        if let longest = longestSilenceMilliseconds {
            let silence = now.milliseconds(since: quietSince)
            if silence >= longest {
                guard presence != .lost else { return nil }
                presence = .lost
                return .silent(milliseconds: silence)
            }
            guard spoke, presence != .well else { return nil }
        } else {
            let held = now.milliseconds(since: since) >= Self.settledMilliseconds
            guard spoke || held, presence != .well else { return nil }
        }
        presence = .well
        return .back
    }

    /// When something has to be done if nothing happens before; `.never` when nothing has.
    public var nextDeadline: MonotonicTime {
        switch line {
        case .closed(let retryAt): return retryAt
        case .open(let since):
            guard let longest = longestSilenceMilliseconds else {
                return presence == .well ? .never : since.advanced(byMilliseconds: Self.settledMilliseconds)
            }
            return quietSince.advanced(
                byMilliseconds: presence == .lost ? longest + Self.reopenMilliseconds : longest)
        }
    }

    private var quietSince: MonotonicTime {
        guard case .open(let since) = line else { return .never }
        return max(since, lastFrame ?? since)
    }
}
