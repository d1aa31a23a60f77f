"""Lets an `intake.sqlite` of today look as version 2 of its layout left it (IntakeUpgrade.swift says what is otherwise)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

RECORD_BYTES = 256
ENDED = 3
FIVE_MINUTES = 3  # a span
DUPLICATES = 21  # a counter
PART_HOURS = 25  # one that version 2 did not know
STEP = 100_000

TABLES = """
    CREATE TABLE record(
        id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL, received INTEGER NOT NULL,
        wall INTEGER NOT NULL, clock INTEGER NOT NULL, kind INTEGER NOT NULL, holder INTEGER,
        bytes BLOB NOT NULL) STRICT;
    CREATE TABLE tally_2(
        lane INTEGER NOT NULL, span INTEGER NOT NULL, start INTEGER NOT NULL, counter INTEGER NOT NULL,
        count INTEGER NOT NULL, PRIMARY KEY(lane, span, start, counter)) STRICT, WITHOUT ROWID;
    CREATE TABLE seen_2(
        scope INTEGER NOT NULL, holder INTEGER NOT NULL, PRIMARY KEY(scope, holder)) STRICT, WITHOUT ROWID;
"""


def records(blocks: Iterator[tuple]) -> Iterator[tuple]:
    for row, epoch, first, count, received, data in blocks:
        for place in range(count):
            one = data[place * RECORD_BYTES : (place + 1) * RECORD_BYTES]
            kind, clock = one[5], one[6]
            holder = int.from_bytes(one[156:160], "little") if kind in (2, ENDED) else 0
            wall = int.from_bytes(one[32:40], "little", signed=True)
            yield row + place, epoch, first + place, received, wall, clock, kind, holder or None, one


def counts(encoded: bytes) -> Iterator[tuple[int, int]]:
    """Counters and counts of a row of `tally`: the code, and the count as zigzag LEB128."""
    place = 0
    while place < len(encoded):
        code, value, shift = encoded[place], 0, 0
        while True:
            place += 1
            value |= (encoded[place] & 0x7F) << shift
            shift += 7
            if not encoded[place] & 0x80:
                break
        place += 1
        yield code, value >> 1 ^ -(value & 1)


def tallies(file: Path) -> dict[tuple[int, int, int], dict[int, int]]:
    """Every count that stands there, by span, start and lane; but for in which five minutes something was sent again, which
    no record says."""
    found = {}
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        for span, start, lane, encoded in database.execute("SELECT span, start, lane, counts FROM tally"):
            of = {code: count for code, count in counts(encoded) if (span, code) != (FIVE_MINUTES, DUPLICATES)}
            if of:
                found[span, start, lane] = of
    return found


def make_older(file: Path) -> None:
    """While no collector runs."""
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.executescript("PRAGMA synchronous=OFF; PRAGMA cache_size=-262144;" + TABLES)
        last = 0
        newest = database.execute("SELECT max(id) FROM block").fetchone()[0] or 0
        insert = "INSERT INTO record(id, epoch, sequence, received, wall, clock, kind, holder, bytes) VALUES(?,?,?,?,?,?,?,?,?)"
        while last < newest:
            end = last + STEP
            blocks = database.execute(
                "SELECT id, epoch, first, count, received, bytes FROM block WHERE id > ? AND id <= ? ORDER BY id", (last, end)
            ).fetchall()
            database.execute("BEGIN")
            database.executemany(insert, records(iter(blocks)))
            # Gone as it is taken: the file has each record once.
            database.execute("DELETE FROM block WHERE id > ? AND id <= ?", (last, end))
            database.execute("COMMIT")
            last = end
        database.execute("BEGIN")
        for span, start, lane, encoded in database.execute("SELECT * FROM tally WHERE span < 3").fetchall():
            rows = [(lane, span, start, code, count) for code, count in counts(encoded) if code != PART_HOURS]
            database.executemany("INSERT INTO tally_2 VALUES(?,?,?,?,?)", rows)
        # Scope 0: who was ever seen.
        database.execute(
            "INSERT INTO seen_2 SELECT DISTINCT 0, holder FROM record WHERE kind = ? AND holder IS NOT NULL", (ENDED,)
        )
        database.execute("COMMIT")
        later = {"word", "word_received", "wordless_since"}
        for (column,) in database.execute("SELECT name FROM pragma_table_info('lane')").fetchall():
            if column in later:
                database.execute(f"ALTER TABLE lane DROP COLUMN {column}")
        database.executescript(
            "CREATE UNIQUE INDEX record_identity ON record(epoch, sequence);"
            "DROP TABLE block; DROP TABLE tally; DROP TABLE seen; DROP TABLE mark;"
            "DROP TABLE path; DROP TABLE zone_flow; DROP TABLE zone_since;"
            "ALTER TABLE tally_2 RENAME TO tally; ALTER TABLE seen_2 RENAME TO seen; PRAGMA user_version=2;"
            "PRAGMA wal_checkpoint(TRUNCATE);"
        )
