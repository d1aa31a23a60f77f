/// `DIR/intake.sqlite`: what lanes sent. Only `serve` writes it; times are ms since 1970-01-01 UTC.
///
///     lane      the lanes that were ever heard of; `word`: what each said of itself last (`LaneWord`), when that came, and
///               since when its batches come without one
///     epoch     their epochs; `previous` and `previous_last` from the epoch's first record
///     block     every record once, 256 bytes each: `count` records of an epoch from sequence `first` on that came
///               together. Each record has a row of its own, the first one's is `id`: rows grow in the order of arrival
///     stretch   which sequences of an epoch are stored: as `block` says, but kept when records are pruned
///     hole      stretches that can never come, and why
///     neighbour epochs that stood side by side in a journal though no first record says so
///     tally     counts by lane (0: the site), span (0 all, 1 hour, 2 site day, 3 five minutes, 4 the hour as the lane
///               itself says) and its start; see TallyKey.swift
///     seen      which holders passed, by lane (0: the site), span (0 all, 2 site day), its start, and the upper 16 bits of
///               their numbers; see HolderSet.swift
///     mark      `seen` holds the records up to this row; those behind it are read again at the start, and not pruned
///     balance   people and vehicles in each zone
///     path      from which zone to which people went through a lane
///     zone_flow how many did, by span (2 site day, 3 five minutes), its start and the path
///     zone_since  from when on that is counted; 0: from the beginning
enum IntakeSchema {
    static let version: Int64 = 5
    /// `IntakeUpgrade` takes the older ones over.
    static let readable = 1...version

    static let sql = """
        CREATE TABLE site(id BLOB NOT NULL) STRICT;
        CREATE TABLE lane(
            id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, last_seen INTEGER NOT NULL, last_record INTEGER,
            mode INTEGER, tip BLOB, oldest_epoch BLOB, oldest_sequence INTEGER,
            tampered INTEGER NOT NULL DEFAULT 0, word BLOB, word_received INTEGER, wordless_since INTEGER) STRICT;
        CREATE TABLE epoch(
            id INTEGER PRIMARY KEY, lane INTEGER NOT NULL REFERENCES lane, bytes BLOB NOT NULL, previous BLOB,
            previous_last INTEGER, stated_end INTEGER NOT NULL, UNIQUE(lane, bytes)) STRICT;
        CREATE TABLE stretch(
            epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
            PRIMARY KEY(epoch, first)) STRICT, WITHOUT ROWID;
        CREATE TABLE hole(
            epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, cause INTEGER NOT NULL,
            noticed INTEGER NOT NULL, PRIMARY KEY(epoch, first)) STRICT, WITHOUT ROWID;
        CREATE TABLE neighbour(
            epoch INTEGER NOT NULL, before BLOB NOT NULL, last INTEGER NOT NULL,
            PRIMARY KEY(epoch, before)) STRICT, WITHOUT ROWID;
        CREATE TABLE balance(
            zone TEXT PRIMARY KEY, people INTEGER NOT NULL, vehicles INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        \(fourth)
        \(zones)
        INSERT INTO zone_since VALUES(0);
        PRAGMA user_version=5;
        """

    /// What version 5 added.
    static let fifth = """
        ALTER TABLE lane ADD COLUMN word BLOB;
        ALTER TABLE lane ADD COLUMN word_received INTEGER;
        ALTER TABLE lane ADD COLUMN wordless_since INTEGER;
        \(zones)
        INSERT INTO zone_since SELECT strftime('%s', 'now') * 1000;
        """

    private static let zones = """
        CREATE TABLE path(
            id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, came_from TEXT NOT NULL, went_to TEXT NOT NULL,
            UNIQUE(lane, came_from, went_to)) STRICT;
        CREATE TABLE zone_flow(
            span INTEGER NOT NULL, start INTEGER NOT NULL, path INTEGER NOT NULL, people INTEGER NOT NULL,
            vehicles INTEGER NOT NULL, PRIMARY KEY(span, start, path)) STRICT, WITHOUT ROWID;
        CREATE TABLE zone_since(at INTEGER NOT NULL) STRICT;
        """

    /// The blocks of an epoch in the order in which they came. No layout of its own: a program that does not know it keeps it too.
    static let blocksOfEpoch = "CREATE INDEX IF NOT EXISTS block_epoch ON block(epoch);"

    /// What version 4 has otherwise: before, a record was a row, a count was a row, and a holder that was seen was one.
    /// A file of version 3 is one of version 2 that is being taken over, see IntakeUpgrade.swift. `tally` begins with the span: what many lanes count in the same minutes stands on the same pages.
    static let fourth = """
        CREATE TABLE block(
            id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL,
            received INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
        CREATE UNIQUE INDEX block_identity ON block(epoch, first);
        \(blocksOfEpoch)
        CREATE TABLE tally(
            span INTEGER NOT NULL, start INTEGER NOT NULL, lane INTEGER NOT NULL, counts BLOB NOT NULL,
            PRIMARY KEY(span, start, lane)) STRICT, WITHOUT ROWID;
        CREATE TABLE seen(
            lane INTEGER NOT NULL, span INTEGER NOT NULL, start INTEGER NOT NULL, part INTEGER NOT NULL,
            holders BLOB NOT NULL, PRIMARY KEY(lane, span, start, part)) STRICT, WITHOUT ROWID;
        CREATE TABLE mark(row INTEGER NOT NULL) STRICT;
        INSERT INTO mark VALUES(0);
        """
}

/// `DIR/site.sqlite`: what the site publishes. The commands for operators write it, one at a time; `serve` reads.
///
///     holder    number ↔ the feed's holder id. AUTOINCREMENT: a number is never given twice, not even after a delete
///     image     every image that was made; the greatest version that is not held is in force
///     audit     who published a held image, or turned a fourth key; it only grows
///     activation  what the office decided of a holder's fourth key
///     correction  what an operator put right of a count, or of how many are in a zone
enum SiteSchema {
    static let version: Int64 = 5
    /// `upgrade` brings the older ones up.
    static let readable = 1...version

    static let sql = """
        CREATE TABLE site(id BLOB NOT NULL) STRICT;
        CREATE TABLE holder(number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE) STRICT;
        CREATE TABLE image(
            version INTEGER PRIMARY KEY, file TEXT NOT NULL, digest BLOB NOT NULL, issued INTEGER NOT NULL,
            identifiers INTEGER NOT NULL, holders INTEGER NOT NULL, conflicts INTEGER NOT NULL, rows INTEGER NOT NULL,
            refused INTEGER NOT NULL, feed TEXT NOT NULL) STRICT;
        \(second)
        \(third)
        \(fourth)
        \(fifth)
        """

    /// What version 2 added. `published`: when it came into force, NULL while it is held; `held`: why, a line each;
    /// `made`: the feed's own time; `source`: which file it was (device:inode:modified:size); `basis`: the imported image
    /// that this one differs from in fourth keys alone, itself if it was imported.
    private static let second = """
        ALTER TABLE image ADD COLUMN published INTEGER;
        ALTER TABLE image ADD COLUMN held TEXT;
        ALTER TABLE image ADD COLUMN made INTEGER;
        ALTER TABLE image ADD COLUMN source TEXT;
        ALTER TABLE image ADD COLUMN basis INTEGER;
        UPDATE image SET published = issued, basis = version;
        CREATE TABLE audit(
            id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
            detail TEXT NOT NULL) STRICT;
        -- What the office decided of a holder's fourth key; feed: what the feed said then; audit: the decision's entry.
        CREATE TABLE activation(
            holder INTEGER PRIMARY KEY, state INTEGER NOT NULL, feed INTEGER NOT NULL, audit INTEGER NOT NULL) STRICT;
        PRAGMA user_version=2;
        """

    /// What version 3 added: decisions of the office that stand in `audit` and `activation` and are not published yet; the
    /// image that was made for one, if it was.
    private static let third = """
        CREATE TABLE unpublished(audit INTEGER PRIMARY KEY, image INTEGER) STRICT;
        PRAGMA user_version=3;
        """

    /// What version 4 added: `audit` is the correction's entry, `lane` NULL the site, `day` the site day's number, `counter`
    /// that of `Counter`, and `count` what is to be added.
    private static let fourth = """
        CREATE TABLE correction(
            audit INTEGER PRIMARY KEY, day INTEGER NOT NULL, lane TEXT, counter INTEGER NOT NULL, count INTEGER NOT NULL,
            reason TEXT NOT NULL) STRICT;
        PRAGMA user_version=4;
        """

    /// What version 5 added: the zone whose people or vehicles `counter` means (`Correction.Zone`), NULL for a count.
    private static let fifth = """
        ALTER TABLE correction ADD COLUMN zone TEXT;
        PRAGMA user_version=5;
        """

    /// Brings a database that an earlier program made up to this version. Whoever comes second finds it done.
    static func upgrade(_ database: Database) throws(CollectorFailure) {
        guard try (1..<version).contains(database.integer("PRAGMA user_version")) else { return }
        try database.transaction { () throws(CollectorFailure) in
            if try database.integer("PRAGMA user_version") == 1 { try database.execute(second) }
            if try database.integer("PRAGMA user_version") == 2 { try database.execute(third) }
            if try database.integer("PRAGMA user_version") == 3 { try database.execute(fourth) }
            if try database.integer("PRAGMA user_version") == 4 { try database.execute(fifth) }
        }
    }
}
