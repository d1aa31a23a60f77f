import Admission
import Control
import Framing
import Storage

/// What the lane's thread copies of the table in force; the table itself stays there, because whoever lets go of it last
/// unmaps it.
struct CacheFigures: Sendable {
    var imageDigest: [UInt8]
    var notLocked: String?
    var changeNumber: UInt64
    var changedIdentifiers: Int
    var changesIssuedAt: WallTime?
    /// The newest statement names other changes than these up to this one.
    var differsAt: UInt64?

    init(_ table: BadgeTable, differsAt: UInt64? = nil) {
        self.differsAt = differsAt
        imageDigest = table.image.headerDigest
        notLocked = table.image.notLocked?.description
        changeNumber = table.changeNumber
        changedIdentifiers = table.overlay.identifiers
        changesIssuedAt = table.overlay.issuedAt
    }
}

/// What the image and the changes on top of it say of one badge.
struct HeldBadge: Sendable {
    var image: BadgeLookup
    /// nil: no change is about it.
    var overlay: BadgeLookup?
}

/// Answers `lanectl cache info` and `cache lookup` of a snapshot. Runs on the control thread.
enum CacheAnswer {
    static func info(_ snapshot: LaneSnapshot, refused: [CacheReply.Refused]) -> CacheReply {
        let inForce = snapshot.machine.credentialsInForce
        let policy = snapshot.machine.policy
        let wall = snapshot.moment.wall
        var reply = CacheReply(
            source: "daemon", nowMilliseconds: wall.milliseconds, image: nil, overlay: nil,
            statement: snapshot.statement.map { CacheReply.Statement($0) }, freshness: nil, refused: refused)
        if snapshot.moment.clock != .trusted {
            reply.notes.append("the wall clock is not trusted: ages may be wrong (lanectl status)")
        }
        guard let figures = snapshot.cache, let header = snapshot.image else { return reply }
        reply.image = CacheReply.Image(header, digest: figures.imageDigest, notLocked: figures.notLocked)
        reply.overlay = CacheReply.Overlay(
            changeNumber: figures.changeNumber, identifiers: figures.changedIdentifiers,
            room: ChangeOverlay.mostIdentifiers - figures.changedIdentifiers,
            issuedAtMilliseconds: figures.changesIssuedAt?.milliseconds, differsAt: figures.differsAt)
        reply.freshness = CacheReply.Freshness(
            state: StatusAnswer.freshness(inForce, policy, at: wall).name,
            statementAgeMilliseconds: Freshness.statementAge(inForce, at: wall),
            statementWarnMilliseconds: policy.statementWarnMilliseconds,
            statementLimitMilliseconds: policy.statementLimitMilliseconds,
            imageAgeMilliseconds: wall.milliseconds(since: inForce.imageIssuedAt),
            imageWarnMilliseconds: policy.imageWarnMilliseconds,
            imageLimitMilliseconds: policy.imageLimitMilliseconds,
            whenStale: policy.whenStale == .refuse ? "refuse" : "admit")
        return reply
    }

    /// - Parameter type: of the identifier that was asked for.
    static func lookup(_ snapshot: LaneSnapshot, type: String) -> CacheLookupReply {
        let zones = snapshot.image?.zones ?? []
        return CacheLookupReply(
            source: "daemon", nowMilliseconds: snapshot.moment.wall.milliseconds, type: type,
            imageVersion: snapshot.image?.version ?? 0, changeNumber: snapshot.cache?.changeNumber ?? 0,
            image: .init(snapshot.held?.image ?? .noImage, zones: zones),
            overlay: snapshot.held?.overlay.map { .init($0, zones: zones) })
    }
}
