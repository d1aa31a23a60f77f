"""The control of the intake: a bare loop that inserts the same batches into SQLite, a row a record, durable a batch."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

RECORD_BYTES = 256


def bare_inserts(folder: Path, records: int, batch: int) -> float:
    """Records a second, one transaction a batch, with synchronous=FULL in write-ahead mode. Nothing is counted or looked up."""
    file = folder / "control.sqlite"
    database = sqlite3.connect(file, isolation_level=None)
    database.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4096;"
        "CREATE TABLE record(id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL, bytes BLOB NOT NULL);"
        "CREATE UNIQUE INDEX record_identity ON record(epoch, sequence);"
    )
    blobs = [os.urandom(RECORD_BYTES) for _ in range(batch)]
    insert = "INSERT INTO record(epoch, sequence, bytes) VALUES(?,?,?)"
    began = time.monotonic()
    for first in range(0, records, batch):
        rows = [(first // batch % 200, first + place, blob) for place, blob in enumerate(blobs)]
        database.execute("BEGIN IMMEDIATE")
        database.executemany(insert, rows)
        database.execute("COMMIT")
    seconds = time.monotonic() - began
    database.close()
    for leftover in folder.glob("control.sqlite*"):
        leftover.unlink()
    return records / seconds
