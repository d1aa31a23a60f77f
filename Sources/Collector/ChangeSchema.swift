/// `DIR/changes.sqlite`: urgent changes and what they stand for.
///
///     change   every urgent change by its number: whose, which identifier, the slot as a list says it (its zone set is
///              not in the slot but named in `zones`; validity counts from `base`)
///     request  what was asked for, by the asker's own name for it: the same is not done twice
///     standing what changes say of a holder's keys until a feed has news: `feed` is what the feed said when it was changed,
///              `instant` when the new state was found (s, 0 where a key has no instant)
///     mark     the newest image that changes were laid on
enum ChangeSchema {
    static let version: Int64 = 1

    static let sql = """
        CREATE TABLE site(id BLOB NOT NULL) STRICT;
        CREATE TABLE change(
            number INTEGER PRIMARY KEY, holder INTEGER NOT NULL, tag BLOB NOT NULL, slot BLOB NOT NULL,
            zones TEXT NOT NULL, base INTEGER NOT NULL, made INTEGER NOT NULL) STRICT;
        CREATE INDEX change_holder ON change(holder, number);
        CREATE TABLE request(
            name TEXT PRIMARY KEY, digest BLOB NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL,
            made INTEGER NOT NULL) STRICT;
        CREATE TABLE standing(
            holder INTEGER NOT NULL, key INTEGER NOT NULL, state INTEGER NOT NULL, instant INTEGER NOT NULL,
            feed INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY(holder, key)) STRICT;
        CREATE TABLE mark(image INTEGER NOT NULL) STRICT;
        INSERT INTO mark VALUES(0);
        PRAGMA user_version=1;
        """
}
