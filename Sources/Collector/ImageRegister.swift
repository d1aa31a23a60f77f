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
        /// The imported image that this one differs from in fourth keys alone; itself if it was imported.
        var basis: UInt64
    }

    private static let columns = """
        version, file, digest, issued, identifiers, holders, conflicts, rows, refused, feed, published, held, made, source,
        basis
        """

    private let database: Database

    init(_ database: Database) { self.database = database }

    /// Above all that is known here, and all that others showed.
    func nextVersion(_ directory: SiteDirectory) throws(CollectorFailure) -> UInt64 {
        let newest = UInt64(clamping: try database.integer("SELECT coalesce(max(version), 0) FROM image"))
        return max(newest, try ForgottenImages(directory: directory, database: database).highest()) + 1
    }

    func inForce() throws(CollectorFailure) -> Image? {
        try list("WHERE published IS NOT NULL ORDER BY version DESC LIMIT 1").first
    }

    /// Up to which change the image in force has them all. 0: there is none, or its file cannot be read; then whatever
    /// makes the next one is the remedy.
    func changeNumberInForce(_ directory: SiteDirectory) throws(CollectorFailure) -> UInt64 {
        guard let image = try inForce() else { return 0 }
        do {
            return try PublishedImageFile("\(directory.images)/\(image.file)", digest: image.digest).header.changeNumber
        } catch {
            Log.error("image \(image.version): \(error.description)")
            return 0
        }
    }

    /// Of the image that was in force before that version; nil: none was.
    func digestInForce(before version: UInt64) throws(CollectorFailure) -> [UInt8]? {
        try list("WHERE published IS NOT NULL AND version < \(version) ORDER BY version DESC LIMIT 1").first?.digest
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
            "INSERT INTO image(\(Self.columns)) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")
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
        insert.bind(15, Int64(clamping: image.basis))
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
            madeMilliseconds: row.isNull(12) ? nil : row.integer(12), source: row.isNull(13) ? nil : row.text(13),
            basis: UInt64(clamping: row.isNull(14) ? row.integer(0) : row.integer(14)))
    }
}
