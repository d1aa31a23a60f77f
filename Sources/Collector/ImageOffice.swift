import Framing
import Posix

/// What an operator sees and does of images.
public struct ImageOffice {
    private let directory: SiteDirectory
    private let database: Database

    public init(_ directory: SiteDirectory) throws(CollectorFailure) {
        self.directory = directory
        database = try directory.openSite().database
    }

    /// A line an image: version, state, when it was made, its figures, the feed; and below it why it is held. `heldOnly`
    /// leaves out those that are or were in force, and those that never will be.
    public func lines(heldOnly: Bool) throws(CollectorFailure) -> [String] {
        let register = ImageRegister(database)
        let newest = try register.inForce()
        let (inForce, basis) = (newest?.version ?? 0, newest?.basis ?? 0)
        var lines: [String] = []
        for image in try register.all() {
            let isWaiting = image.publishedMilliseconds == nil && image.version > basis
            if heldOnly && !isWaiting { continue }
            let state =
                image.version == inForce
                ? "IN FORCE"
                : isWaiting ? "HELD" : image.publishedMilliseconds == nil ? "held, too old now" : "was in force"
            let file = "\(directory.images)/\(image.file)"
            let isGone = (try? FileSystem.statusIfPresent(file)) == nil
            lines.append(
                "\(image.version)\t\(state)\t\(Timestamp.format(image.issuedMilliseconds))\t\(image.holders) holders\t"
                    + "\(image.identifiers) identifiers\t\(image.refused) rows refused\t\(image.feed)"
                    + (isGone ? "\tno longer kept" : ""))
            guard isWaiting || !heldOnly && image.held != nil, let held = image.held else { continue }
            lines += held.split(separator: "\n").map { "\theld: \($0)" }
        }
        return lines
    }

    /// Puts a held image into force; its version there, a new one when fourth keys were turned since. `who` stands in the
    /// audit trail.
    public func publish(_ version: UInt64, by who: String) throws(CollectorFailure) -> UInt64 {
        let lock = try directory.lock(directory.importLock)
        defer { withExtendedLifetime(lock) {} }
        try ActivationOffice(directory).publishRecorded()
        let register = ImageRegister(database)
        guard let image = try register.image(version) else {
            throw CollectorFailure(
                "publish", "image \(version)", "there is none", advice: "see `lanekeeper-collector images`")
        }
        if image.publishedMilliseconds != nil {
            throw CollectorFailure("publish", "image \(version)", "it was published already")
        }
        let inForce = try register.inForce()
        if let inForce, inForce.basis > version {
            throw CollectorFailure(
                "publish", "image \(version)", "image \(inForce.version) is in force, of a later import",
                advice: "import \(image.feed) again")
        }
        // Whole and unchanged, or nobody is told of it.
        let file = try PublishedImageFile("\(directory.images)/\(image.file)", digest: image.digest)
        try file.forEachSlot { _ in }
        // Lanes could not go on from it: numbers went above those that it was made with, or some are not kept any more.
        let reached = file.header.changeNumber
        let folded = try register.changeNumberInForce(directory)
        guard try ChangeStore.hasAll(behind: reached, directory, folded: folded) else {
            throw CollectorFailure(
                "publish", "image \(version)",
                "it has the changes up to \(reached), and those behind are not all in changes.sqlite, which was restored "
                    + "since, or keeps them no longer", advice: "import \(image.feed) again")
        }
        let now = SystemClock.wallMilliseconds()
        let why = "held: \((image.held ?? "").replacing("\n", with: "; "))"
        guard let inForce, inForce.version > version else {
            try database.transaction { () throws(CollectorFailure) in
                try AuditTrail(database).add(who, "publish", "image \(version), \(why)", at: now)
                try register.publish(version, at: now)
            }
            return version
        }
        // Lanes take newer versions alone, and the office has decided since.
        let decided = try ActivationOffice.decided(database)
        let revision = ImageRevision(directory, of: image, as: try register.nextVersion(directory))
        let reissued = try revision.write(publishedAt: now) { slot in
            guard let decision = decided[slot.holder] else { return }
            slot.activation = decision.settled(feed: slot.activation)
        }
        try database.transaction { () throws(CollectorFailure) in
            try AuditTrail(database).add(
                who, "publish", "image \(version) as \(reissued.version), \(why)", at: now)
            try register.insert(reissued)
            try register.publish(version, at: now)
        }
        return reissued.version
    }
}
