import Framing
import Posix

/// The images that were made, in `site.sqlite`: the newest published one is in force, a held one waits for an operator.
struct ImageRegister {
    struct Image: Sendable {
        var version: UInt64
        var file: String
        var digest: [UInt8]
        var issuedMilliseconds: Int64
        var identifiers: Int
        var holders: Int
        var conflicts: Int
        var rows: Int
        var refused: Int
        var feed: String
        /// nil: held.
        var publishedMilliseconds: Int64?
        /// Why it was held, a line each.
        var held: String?
        /// The feed's own time.
        var madeMilliseconds: Int64?
        /// Which file the feed was.
        var source: String?
    }

    private static let columns = """
        version, file, digest, issued, identifiers, holders, conflicts, rows, refused, feed, published, held, made, source
        """

    private let database: Database

    init(_ database: Database) { self.database = database }

    func nextVersion() throws(CollectorFailure) -> UInt64 {
        UInt64(clamping: try database.integer("SELECT coalesce(max(version), 0) FROM image")) + 1
    }

    func inForce() throws(CollectorFailure) -> Image? {
        try list("WHERE published IS NOT NULL ORDER BY version DESC LIMIT 1").first
    }

    func image(_ version: UInt64) throws(CollectorFailure) -> Image? {
        try list("WHERE version = \(version)").first
    }

    /// The newest of a file; nil when no image was made of it.
    func image(ofSource source: String) throws(CollectorFailure) -> Image? {
        let select = try database.prepare(
            "SELECT \(Self.columns) FROM image WHERE source = ? ORDER BY version DESC LIMIT 1")
        select.bind(1, source)
        defer { select.reset() }
        return try select.step() ? Self.read(select) : nil
    }

    func all() throws(CollectorFailure) -> [Image] { try list("ORDER BY version") }

    func insert(_ image: Image) throws(CollectorFailure) {
        let insert = try database.prepare(
            "INSERT INTO image(\(Self.columns)) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)")
        insert.bind(1, Int64(clamping: image.version))
        insert.bind(2, image.file)
        insert.bind(3, image.digest)
        insert.bind(4, image.issuedMilliseconds)
        insert.bind(5, image.identifiers)
        insert.bind(6, image.holders)
        insert.bind(7, image.conflicts)
        insert.bind(8, image.rows)
        insert.bind(9, image.refused)
        insert.bind(10, image.feed)
        insert.bind(11, image.publishedMilliseconds)
        if let held = image.held { insert.bind(12, held) }
        insert.bind(13, image.madeMilliseconds)
        if let source = image.source { insert.bind(14, source) }
        try insert.run()
    }

    func publish(_ version: UInt64, at now: Int64) throws(CollectorFailure) {
        let update = try database.prepare("UPDATE image SET published = ? WHERE version = ?")
        update.bind(1, now)
        update.bind(2, Int64(clamping: version))
        try update.run()
    }

    private func list(_ rest: String) throws(CollectorFailure) -> [Image] {
        let select = try database.prepare("SELECT \(Self.columns) FROM image \(rest)")
        var images: [Image] = []
        while try select.step() { images.append(Self.read(select)) }
        return images
    }

    private static func read(_ row: SQLStatement) -> Image {
        Image(
            version: UInt64(clamping: row.integer(0)), file: row.text(1), digest: row.blob(2),
            issuedMilliseconds: row.integer(3), identifiers: Int(row.integer(4)), holders: Int(row.integer(5)),
            conflicts: Int(row.integer(6)), rows: Int(row.integer(7)), refused: Int(row.integer(8)), feed: row.text(9),
            publishedMilliseconds: row.isNull(10) ? nil : row.integer(10), held: row.isNull(11) ? nil : row.text(11),
            madeMilliseconds: row.isNull(12) ? nil : row.integer(12), source: row.isNull(13) ? nil : row.text(13))
    }
}

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
        let inForce = try register.inForce()?.version ?? 0
        var lines: [String] = []
        for image in try register.all() {
            let isWaiting = image.publishedMilliseconds == nil && image.version > inForce
            if heldOnly && !isWaiting { continue }
            let state =
                image.version == inForce
                ? "IN FORCE"
                : isWaiting ? "HELD" : image.publishedMilliseconds == nil ? "held, too old now" : "was in force"
            lines.append(
                "\(image.version)\t\(state)\t\(Timestamp.format(image.issuedMilliseconds))\t\(image.holders) holders\t"
                    + "\(image.identifiers) identifiers\t\(image.refused) rows refused\t\(image.feed)")
            guard isWaiting || !heldOnly && image.held != nil, let held = image.held else { continue }
            lines += held.split(separator: "\n").map { "\theld: \($0)" }
        }
        return lines
    }

    /// Puts a held image into force. `who` stands in the audit trail.
    public func publish(_ version: UInt64, by who: String) throws(CollectorFailure) {
        let lock = try directory.lock(directory.importLock)
        defer { withExtendedLifetime(lock) {} }
        let register = ImageRegister(database)
        guard let image = try register.image(version) else {
            throw CollectorFailure(
                "publish", "image \(version)", "there is none", advice: "see `lanekeeper-collector images`")
        }
        if image.publishedMilliseconds != nil {
            throw CollectorFailure("publish", "image \(version)", "it was published already")
        }
        if let inForce = try register.inForce(), inForce.version > version {
            throw CollectorFailure(
                "publish", "image \(version)", "image \(inForce.version) is in force, and lanes refuse an older one",
                advice: "import \(image.feed) again: it becomes a newer image")
        }
        // Whole and unchanged, or nobody is told of it.
        try PublishedImageFile("\(directory.images)/\(image.file)", digest: image.digest).forEachSlot { _ in }
        let now = SystemClock.wallMilliseconds()
        try database.transaction { () throws(CollectorFailure) in
            try AuditTrail(database).add(
                who, "publish", "image \(version), held: \((image.held ?? "").replacing("\n", with: "; "))", at: now)
            try register.publish(version, at: now)
        }
    }
}
