import Admission

/// Which image: by its version and the SHA-256 of its header (64 hexadecimal digits), which is its name everywhere.
public struct ImageName: Sendable, Hashable {
    public var version: UInt64
    public var headerDigestHex: String

    public init(version: UInt64, headerDigestHex: String) {
        self.version = version
        self.headerDigestHex = headerDigestHex
    }
}

/// When to ask for a statement and when for an image. Pure: no clock, no randomness of its own.
///
/// A statement is asked for every interval, a tenth earlier or later by chance, so that lanes that start together do not
/// stay together. An image is asked for when a statement names another than the newest held, and otherwise every image
/// interval. After failures both wait as `Backoff` says.
public struct CredentialSchedule: Sendable {
    public enum Task: Sendable, Equatable {
        case statement
        case image
    }

    private struct Track: Sendable {
        var due: MonotonicTime
        var isBusy = false
        var backoff = Backoff()
    }

    private var statement: Track
    private var image: Track
    private let statementInterval: Int64
    private let imageInterval: Int64
    /// What the newest statement names.
    public private(set) var named: ImageName?

    public init(
        statementIntervalMilliseconds: Int64, imageIntervalMilliseconds: Int64, now: MonotonicTime,
        using random: inout some RandomNumberGenerator
    ) {
        statementInterval = statementIntervalMilliseconds
        imageInterval = imageIntervalMilliseconds
        let spread = Int64.random(in: 0...min(500, statementIntervalMilliseconds / 10), using: &random)
        statement = Track(due: now.advanced(byMilliseconds: spread))
        // Usually the first statement comes before this and says whether there is need.
        image = Track(due: now.advanced(byMilliseconds: spread + min(2000, statementIntervalMilliseconds)))
    }

    /// What is to be started now; it counts as under way from here on.
    public mutating func start(now: MonotonicTime) -> [Task] {
        var tasks: [Task] = []
        if !statement.isBusy && statement.due <= now {
            statement.isBusy = true
            tasks.append(.statement)
        }
        if !image.isBusy && image.due <= now {
            image.isBusy = true
            tasks.append(.image)
        }
        return tasks
    }

    public var nextDue: MonotonicTime {
        min(statement.isBusy ? .never : statement.due, image.isBusy ? .never : image.due)
    }

    /// `held`: the newest image that this lane has, applied or waiting for the daemon.
    public mutating func statementCame(
        naming named: ImageName, held: ImageName?, now: MonotonicTime, using random: inout some RandomNumberGenerator
    ) {
        let isNews = named != self.named
        self.named = named
        statement.isBusy = false
        statement.backoff.reset()
        statement.due = now.advanced(byMilliseconds: jittered(statementInterval, &random))
        // An image that just failed keeps its wait, unless there is another now.
        if named != held && (isNews || image.backoff.failures == 0) { image.due = min(image.due, now) }
    }

    public mutating func statementFailed(
        retryAfterMilliseconds: Int64 = 0, now: MonotonicTime, using random: inout some RandomNumberGenerator
    ) {
        statement.isBusy = false
        let wait = statement.backoff.next(atLeast: retryAfterMilliseconds, using: &random)
        statement.due = now.advanced(byMilliseconds: wait)
    }

    /// Changes are missing that only an image can make good. One that just failed keeps its wait.
    public mutating func imageIsNeeded(now: MonotonicTime) {
        if image.backoff.failures == 0 { image.due = min(image.due, now) }
    }

    /// A new image was taken in, or the collector says that there is none.
    public mutating func imageIsCurrent(now: MonotonicTime, using random: inout some RandomNumberGenerator) {
        image.isBusy = false
        image.backoff.reset()
        image.due = now.advanced(byMilliseconds: jittered(imageInterval, &random))
    }

    /// - Parameters:
    ///   - progressed: part of it came and is kept, so that the next try is not the same again.
    ///   - isHopeless: what came was wrong in itself, and will be until another is published: asked for again only after
    ///     the image interval, since it may be hundreds of megabytes.
    public mutating func imageFailed(
        progressed: Bool, isHopeless: Bool = false, retryAfterMilliseconds: Int64 = 0, now: MonotonicTime,
        using random: inout some RandomNumberGenerator
    ) {
        image.isBusy = false
        if progressed { image.backoff.reset() }
        let wait = image.backoff.next(atLeast: retryAfterMilliseconds, using: &random)
        image.due = now.advanced(byMilliseconds: isHopeless ? max(wait, jittered(imageInterval, &random)) : wait)
    }

    private func jittered(_ interval: Int64, _ random: inout some RandomNumberGenerator) -> Int64 {
        interval + Int64.random(in: -(interval / 10)...(interval / 10), using: &random)
    }
}
