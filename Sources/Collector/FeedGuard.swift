import Posix

/// What keeps an image from being published without an operator's word.
public struct FeedGuard: Sendable, Hashable {
    public static let defaultMostLosingPercent = 5

    /// More holders than this share of those in force may not lose a key by one feed.
    public var mostLosingPercent: Int

    public init(mostLosingPercent: Int = Self.defaultMostLosingPercent) {
        self.mostLosingPercent = mostLosingPercent
    }

    /// All reasons to hold it, in sentences; empty: it may be published.
    func reasons(
        _ frame: FeedFrame, rows: Int, made: Int64, changes: Result<ImageChanges, CollectorFailure>?,
        inForce: ImageRegister.Image?, now: Int64
    ) -> [String] {
        var reasons: [String] = []
        if let cut = frame.cut(rows: rows) { reasons.append("the feed may be cut off: \(cut)") }
        if let future = FeedFrame.future(made, now: now) { reasons.append("the feed is not of this time: \(future)") }
        if let inForce, let madeBefore = inForce.madeMilliseconds, made < madeBefore {
            reasons.append(
                "the feed is older than the one in force: it is of \(Timestamp.format(made)), image "
                    + "\(inForce.version) is of \(Timestamp.format(madeBefore))")
        }
        switch changes {
        case nil: break
        case .failure(let failure):
            reasons.append("nobody can say what it changes: \(failure.description)")
        case .success(let changes):
            // In whole numbers: a share of exactly the limit still passes.
            if changes.losing * 100 > changes.holdersBefore * mostLosingPercent {
                let percent = (changes.losingPercent * 100).rounded() / 100
                reasons.append(
                    "it would take keys from \(changes.losing) of the \(changes.holdersBefore) holders in force "
                        + "(\(percent) %, more than \(mostLosingPercent) %)")
            }
        }
        return reasons
    }
}
