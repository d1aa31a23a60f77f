/// `enrolment.sqlite`. Times in ms since 1970-01-01 UTC.
enum EnrolmentSchema {
    static let version: Int64 = 1

    static let sql = """
        CREATE TABLE site(id BLOB NOT NULL);
        -- enrolment: a random number of each `lane add`; issue: the newest that was used; removed: when, or NULL.
        CREATE TABLE lane(
            id TEXT PRIMARY KEY, name TEXT NOT NULL, enrolment INTEGER NOT NULL, issue INTEGER NOT NULL,
            days INTEGER NOT NULL, expires INTEGER NOT NULL, added INTEGER NOT NULL, removed INTEGER, used INTEGER
        ) WITHOUT ROWID;
        -- hash: SHA-256 of the token.
        CREATE TABLE token(
            name TEXT PRIMARY KEY, role TEXT NOT NULL, hash BLOB NOT NULL, added INTEGER NOT NULL, expires INTEGER
        ) WITHOUT ROWID;
        -- One row: where the collector is, as `serve` said last, and whom its lanes shall believe (PEM).
        CREATE TABLE address(url TEXT NOT NULL, authorities BLOB NOT NULL);
        PRAGMA user_version = 1;
        """
}
