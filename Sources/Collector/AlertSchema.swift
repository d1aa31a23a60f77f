/// `DIR/alerts.sqlite`: what `serve` noticed. Only `serve` writes it; times are ms since 1970-01-01 UTC. Without it alerts
/// begin anew, and what is in `intake.sqlite` is read again.
///
///     alert     each that stands (`until` NULL) or ended; figures: `name=value`, a line each; ending: in
///               which order they ended
///     mark      the block of `intake.sqlite` up to which everything was read, and when that came in
///     lane      what the newest records of a lane say of its state (LaneFacts.swift); past: 16 bytes an epoch left;
///               lost: `device code=since`, a line each; clock_since, cause_since: since when it is so, NULL while all is well
///     passage   of the last days, by holder: row of `intake.sqlite`, lane, time, how that is known, way (DoubleUse.swift);
///               epoch and monotonic (ns): by which a clock is corrected later
///     anchor    of an epoch (its row in `intake.sqlite`): wall less monotonic time while the clock was trusted, ms
///     unnamed   five minutes (seconds since 1970) in which somebody left the site and nobody knows who
///     finding   each double use; found: when the record came in that showed it; withdrawn: when a later one explained it;
///               stood: since when it is certain, NULL while it is not
enum AlertSchema {
    static let version: Int64 = 2
    /// `upgrade` brings the older ones up.
    static let readable = 1...version

    static let sql = """
        CREATE TABLE site(id BLOB NOT NULL) STRICT;
        CREATE TABLE alert(
            id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, subject_kind TEXT NOT NULL, subject TEXT NOT NULL,
            severity TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER, text TEXT NOT NULL, advice TEXT NOT NULL,
            figures TEXT NOT NULL, ending INTEGER) STRICT;
        CREATE TABLE mark(row INTEGER NOT NULL, received INTEGER NOT NULL) STRICT;
        INSERT INTO mark VALUES(0, 0);
        CREATE TABLE lane(
            name TEXT PRIMARY KEY, epoch BLOB NOT NULL, sequence INTEGER NOT NULL, past BLOB NOT NULL,
            zone_from TEXT NOT NULL, zone_to TEXT NOT NULL, clock INTEGER NOT NULL, lost TEXT NOT NULL,
            cause INTEGER NOT NULL, decided INTEGER, statement INTEGER, missing INTEGER NOT NULL,
            missing_since INTEGER NOT NULL, missing_grew INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE passage(
            holder INTEGER NOT NULL, row INTEGER NOT NULL, lane TEXT NOT NULL, at INTEGER NOT NULL,
            clock INTEGER NOT NULL, way INTEGER NOT NULL, driven INTEGER NOT NULL, epoch INTEGER NOT NULL,
            monotonic INTEGER NOT NULL, PRIMARY KEY(holder, row)) STRICT, WITHOUT ROWID;
        CREATE INDEX passage_unknown ON passage(epoch) WHERE clock = 2;
        CREATE TABLE anchor(epoch INTEGER PRIMARY KEY, offset INTEGER NOT NULL) STRICT;
        CREATE TABLE unnamed(start INTEGER PRIMARY KEY) STRICT;
        CREATE TABLE finding(
            id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, holder INTEGER NOT NULL,
            certain INTEGER NOT NULL, walking INTEGER NOT NULL, found INTEGER NOT NULL, withdrawn INTEGER,
            first_row INTEGER NOT NULL, first_lane TEXT NOT NULL, first_at INTEGER NOT NULL,
            first_clock INTEGER NOT NULL, first_way INTEGER NOT NULL,
            second_row INTEGER NOT NULL, second_lane TEXT NOT NULL, second_at INTEGER NOT NULL,
            second_clock INTEGER NOT NULL, second_way INTEGER NOT NULL) STRICT;
        CREATE INDEX finding_holder ON finding(holder) WHERE withdrawn IS NULL;
        \(second)
        """

    /// What version 2 added.
    private static let second = """
        ALTER TABLE lane ADD COLUMN clock_since INTEGER;
        ALTER TABLE lane ADD COLUMN cause_since INTEGER;
        ALTER TABLE finding ADD COLUMN stood INTEGER;
        UPDATE finding SET stood = found WHERE certain = 1;
        CREATE INDEX passage_at ON passage(at);
        CREATE INDEX finding_found ON finding(found);
        PRAGMA user_version=2;
        """

    /// Brings a database that an earlier program made up to this version.
    static func upgrade(_ database: Database) throws(CollectorFailure) {
        guard try database.integer("PRAGMA user_version") == 1 else { return }
        try database.transaction { () throws(CollectorFailure) in try database.execute(second) }
    }
}
