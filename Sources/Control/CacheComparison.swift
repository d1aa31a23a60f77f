/// What is in force at a lane beside what the collector's newest signed statement names.
public struct CacheComparison: Codable, Sendable, Equatable {
    public enum State: String, Codable, Sendable {
        case equal, behind, different, unknown
    }

    public var state: State
    /// In words, with the figures.
    public var text: String
    /// Changes that the lane lacks; nil unless it is behind.
    public var behindChanges: UInt64?
    /// Whether it lacks an image.
    public var behindImage: Bool?
    /// Where what is in force was asked: daemon or files.
    public var source: String
    public var nowMilliseconds: Int64
    /// What is in force; 0 without an image.
    public var imageVersion: UInt64
    public var changeNumber: UInt64
    public var imageDigest: String?
    /// What it was compared with; nil when there is no statement.
    public var statement: CacheReply.Statement?
    public var statementAgeMilliseconds: Int64?

    /// - Parameters:
    ///   - cache: with the newest statement that was verified, wherever it was found.
    ///   - limitMilliseconds: an older statement does not say what the collector has now: it comes every 30 s.
    public init(_ cache: CacheReply, limitMilliseconds: Int64) {
        source = cache.source
        nowMilliseconds = cache.nowMilliseconds
        imageVersion = cache.image?.version ?? 0
        changeNumber = cache.overlay?.changeNumber ?? cache.image?.changeNumber ?? 0
        imageDigest = cache.image?.digest
        statement = cache.statement
        statementAgeMilliseconds = cache.statement.map { cache.nowMilliseconds - $0.asOfMilliseconds }
        (state, text) = (.unknown, "")
        guard let statement, let age = statementAgeMilliseconds else {
            text = "there is no statement of the collector that could be verified"
            return
        }
        let isOld = age > limitMilliseconds
        guard imageVersion != 0 else {
            fallBehind(statement, "there is no image")
            return
        }
        if statement.imageVersion == imageVersion && statement.imageDigest != imageDigest {
            (state, text) = (.different, "the collector's image \(imageVersion) is another one than the lane's")
        } else if statement.imageVersion == imageVersion, let number = cache.overlay?.differsAt {
            (state, text) = (
                .different,
                "the collector's changes up to \(number) are others than the lane's. Was it restored from a backup?"
            )
        } else if statement.imageVersion > imageVersion {
            fallBehind(statement, "the collector has image \(statement.imageVersion)")
        } else if statement.changeNumber > changeNumber {
            fallBehind(statement, nil)
        } else if statement.imageVersion == imageVersion && statement.changeNumber == changeNumber {
            state = isOld ? .unknown : .equal
            text =
                isOld
                ? "equal to a statement that is too old to say what the collector has now" : "equal to the collector"
        } else if (cache.overlay?.issuedAtMilliseconds ?? 0) > statement.asOfMilliseconds
            || (cache.image?.issuedAtMilliseconds ?? 0) > statement.asOfMilliseconds
        {
            // Taken over since; the next statement names it.
            state = isOld ? .unknown : .equal
            text = "the lane has what was published after the newest statement"
        } else {
            state = .different
            text =
                "the collector names image \(statement.imageVersion), change \(statement.changeNumber): "
                + "less than the lane has. Was it restored from a backup?"
        }
    }

    private mutating func fallBehind(_ statement: CacheReply.Statement, _ image: String?) {
        state = .behind
        behindImage = image != nil
        let changes = statement.changeNumber > changeNumber ? statement.changeNumber - changeNumber : 0
        behindChanges = changes
        text = [image, changes == 0 ? nil : "behind by \(changes) change\(changes == 1 ? "" : "s")"].compactMap { $0 }
            .joined(separator: ", ")
    }

    public func json() throws -> String { String(decoding: try ControlProtocol.encode(self), as: UTF8.self) }
}
