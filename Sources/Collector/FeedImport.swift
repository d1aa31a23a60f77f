import Admission
import Cryptography
import Framing
import Posix
import Storage

/// `lanekeeper-collector import`: one feed, read as a stream, becomes the next image. Works while `serve` runs, which
/// finds the new image in `site.sqlite` within a second.
///
/// A row that is refused is reported with its line, column and reason and does not stop the others. A holder's second
/// row is refused; its first one stands.
public struct FeedImport {
    /// What came of it.
    public struct Summary: Sendable, Hashable {
        public var version: UInt64
        /// Rows with data, refused ones included.
        public var rows: Int
        public var refused: Int
        public var holders: Int
        public var identifiers: Int
        public var conflicts: Int
        /// nil when there was nothing to report.
        public var report: String?
        /// Columns of the feed that were not looked at.
        public var unusedColumns: [String]
    }

    /// A badge's validity may begin and end from two years before the import to two years and three months after it:
    /// what 27 bits of seconds hold.
    static let validityBaseBeforeNowSeconds: Int64 = 2 * 366 * 86_400
    private static let rowsPerTransaction = 20_000

    private let directory: SiteDirectory
    private let feed: String

    public init(data directory: SiteDirectory, feed: String) {
        self.directory = directory
        self.feed = feed
    }

    /// `note` gets the first 20 problems as lines. Throws when no image could be published.
    public func run(note: @escaping (String) -> Void) throws(CollectorFailure) -> Summary {
        let lock = try directory.lock(directory.importLock)
        defer { withExtendedLifetime(lock) {} }
        let badge = try directory.key(.badge, directory.badgeKeyFile)
        let secret = try directory.key(.siteSecret, directory.secretKeyFile)
        guard badge.site == secret.site, let badgeKey = BadgeKey(bytes: badge.key) else {
            throw CollectorFailure("use", directory.keys, "badge.key and site.key are of different sites")
        }
        let database = try Database(directory.siteDatabase, .readWrite)
        try database.useWriteAheadLog()
        try SiteDirectory.check(database, site: secret.site, version: SiteSchema.version)
        let now = SystemClock.wallMilliseconds()
        let base = now / 1000 - Self.validityBaseBeforeNowSeconds
        let refused = RefusedRows(besideFeed: feed)
        var reading = Reading(
            roster: FeedRoster(), refused: refused, badgeKey: badgeKey,
            validity: (base + 1)...(base + ImageSlot.longestValidity), note: note)
        try read(into: &reading, register: try HolderRegister(database), database)
        let zones = reading.reader?.zones.names ?? []
        let builder: ImageBuilder
        do throws(ImageBuildError) { builder = try reading.roster.build(zones: zones, validityBaseSeconds: base) } catch
        {
            try refused.finish()
            throw CollectorFailure("build an image from", feed, error.description)
        }
        try report(reading.roster.conflicts, to: refused, note)
        try refused.finish()
        guard reading.roster.holders > 0 else {
            throw CollectorFailure(
                "publish", feed, "none of its \(reading.rows) rows can be used",
                advice: refused.entries > 0 ? "see \(refused.path)" : "the image in force stays")
        }
        let version = try publish(
            builder, reading, site: secret.site, secret: secret.key, badgeKey: badgeKey, now: now, database)
        return Summary(
            version: version, rows: reading.rows, refused: refused.rows, holders: reading.roster.holders,
            identifiers: builder.identifiers, conflicts: reading.roster.conflicts.count,
            report: refused.entries > 0 ? refused.path : nil,
            unusedColumns: reading.unusedColumns)
    }

    // MARK: Reading

    private struct Reading {
        var roster: FeedRoster
        let refused: RefusedRows
        let badgeKey: BadgeKey
        let validity: ClosedRange<Int64>
        let note: (String) -> Void
        var header: FeedHeader?
        var reader: FeedRowReader?
        var rows = 0
        var unusedColumns: [String] = []

        func refuse(_ problems: [FeedProblem]) throws(CollectorFailure) {
            for problem in problems {
                if refused.entries < 20 { note(problem.description) }
                try refused.append(problem)
            }
        }
    }

    private func read(
        into reading: inout Reading, register: HolderRegister, _ database: Database
    ) throws(CollectorFailure) {
        let file = try collecting { () throws(SystemFailure) in try Descriptor.open(feed, [.read]) }
        var csv = CSVReader()
        var row = CSVRow()
        var chunk = [UInt8](repeating: 0, count: 1 << 18)
        var isAtEnd = false
        try database.execute("BEGIN IMMEDIATE")
        do throws(CollectorFailure) {
            var pending = 0
            while !isAtEnd {
                let outcome = try collecting { () throws(SystemFailure) in try chunk.withBytes(file.read) }
                switch outcome {
                case .bytes(let count): csv.append(chunk[..<count])
                case .end, .wouldBlock:
                    csv.finish()
                    isAtEnd = true
                }
                while let outcome = csv.next(into: &row) {
                    try take(outcome, row, into: &reading, register: register)
                    pending += 1
                    // Short transactions: a reader of the holders never finds a log of the whole feed before it.
                    if pending == Self.rowsPerTransaction {
                        pending = 0
                        try database.execute("COMMIT; BEGIN IMMEDIATE")
                    }
                }
            }
            try database.execute("COMMIT")
        } catch {
            _ = try? database.execute("ROLLBACK")
            throw error
        }
        guard reading.header != nil else {
            throw CollectorFailure("read", feed, "it is empty", advice: "the first line names the columns")
        }
    }

    private func take(
        _ outcome: Result<Void, CSVFault>, _ row: CSVRow, into reading: inout Reading, register: HolderRegister
    ) throws(CollectorFailure) {
        if case .failure(let fault) = outcome {
            guard let header = reading.header else {
                throw CollectorFailure("read the header of", feed, "line \(fault.line): \(fault.reason)")
            }
            reading.rows += 1
            let column = header.name(ofField: fault.field)
            return try reading.refuse([FeedProblem(line: fault.line, column: column, reason: fault.reason)])
        }
        if row.isBlank { return }
        guard reading.header != nil, var reader = reading.reader else {
            do {
                let header = try FeedHeader(row)
                reading.header = header
                reading.unusedColumns = header.unused
                reading.reader = FeedRowReader(header, validity: reading.validity)
            } catch { throw CollectorFailure("read the header of", feed, error.description) }
            return
        }
        reading.rows += 1
        // Taken out while it works: two owners would copy its tables.
        reading.reader = nil
        let read = Result { () throws(FeedRowReader.Problems) in try reader.read(row) }
        reading.reader = reader
        switch read {
        case .failure(let problems): try reading.refuse(problems.all)
        case .success(let entry):
            let number = try register.number(of: entry.holder)
            if let line = reading.roster.line(of: number) {
                try reading.refuse([
                    FeedProblem(
                        line: row.line, column: FeedColumn.holder.rawValue,
                        reason: "this holder stands on line \(line) already; that row is used")
                ])
            } else {
                reading.roster.add(entry, number, line: row.line, key: reading.badgeKey)
            }
        }
    }

    private func report(
        _ conflicts: [FeedRoster.Conflict], to refused: RefusedRows, _ note: (String) -> Void
    ) throws(CollectorFailure) {
        for (index, conflict) in conflicts.enumerated() {
            let name = conflict.type.name
            let lines = conflict.lines.prefix(10).map(String.init).joined(separator: ", ")
            let problem = FeedProblem(
                line: conflict.lines.first ?? 0, column: name,
                reason: "the same \(name) is claimed on lines \(lines): published as conflict, nobody passes with it")
            if index < 20 { note(problem.description) }
            try refused.append(problem, refusesRow: false)
        }
    }

    // MARK: Publishing

    private func publish(
        _ builder: borrowing ImageBuilder, _ reading: Reading, site: SiteID, secret: [UInt8], badgeKey: BadgeKey,
        now: Int64, _ database: Database
    ) throws(CollectorFailure) -> UInt64 {
        let version = UInt64(clamping: try database.integer("SELECT coalesce(max(version), 0) FROM image")) + 1
        let path = directory.imageFile(version: version)
        let digest: [UInt8]
        do {
            digest = try builder.write(
                to: path,
                title: ImageBuilder.Title(
                    site: site, version: version, changeNumber: 0, issuedAt: WallTime(milliseconds: now),
                    holders: reading.roster.holders, badgeKeyFingerprint: badgeKey.fingerprint),
                signingWith: try Ed25519.SigningKey(seed: secret))
        } catch { throw CollectorFailure("write", path, "\(error)") }
        let insert = try database.prepare(
            """
            INSERT INTO image(version, file, digest, issued, identifiers, holders, conflicts, rows, refused, feed)
            VALUES(?,?,?,?,?,?,?,?,?,?)
            """)
        insert.bind(1, Int64(clamping: version))
        insert.bind(2, SiteDirectory.imageName(version: version))
        insert.bind(3, digest)
        insert.bind(4, now)
        insert.bind(5, builder.identifiers)
        insert.bind(6, reading.roster.holders)
        insert.bind(7, reading.roster.conflicts.count)
        insert.bind(8, reading.rows)
        insert.bind(9, reading.refused.rows)
        insert.bind(10, feed)
        try insert.run()
        return version
    }
}

extension [UInt8] {
    fileprivate mutating func withBytes<Value>(
        _ body: (UnsafeMutableRawBufferPointer) throws(SystemFailure) -> Value
    ) throws(SystemFailure) -> Value {
        var result: Result<Value, SystemFailure>?
        withUnsafeMutableBytes { bytes in
            result = Result { () throws(SystemFailure) in try body(bytes) }
        }
        guard let result else { throw SystemFailure("read", "a file", code: 5) }
        return try result.get()
    }
}
