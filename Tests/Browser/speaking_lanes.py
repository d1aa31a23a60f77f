"""Lanes that are nothing but what they say of themselves: batches without records, whose head holds a word
(docs/formats.md, *Batch*)."""

from __future__ import annotations

import http.client
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from hand_lanes import crc32c

READERS = 0b11
THERMOMETER = 1 << 16
GATE = 1 << 17
NORMAL, EMERGENCY, OUT_OF_SERVICE, LOCKED = 0, 2, 3, 4
TECHNICIAN, GATE_LOST = 7, 1
TYPE = "application/vnd.lanekeeper.batch"


def now_ms() -> int:
    return int(time.time() * 1000)


@dataclass
class Word:
    mode: int = NORMAL
    cause: int = 0
    clock: int = 0
    journal: int = 0
    freshness: int = 1
    flags: int = 0
    image: int = 1
    change: int = 0
    held: int = 0
    room: int = 86_400
    devices: int = READERS | THERMOMETER | GATE
    lost: int = 0
    covers: int = 0
    version: str = "1.0.0"
    statement_age_seconds: int = 20
    said_seconds_ago: int = 0
    started: int = field(default_factory=now_ms)

    def encoded(self) -> bytes:
        now = now_ms() - self.said_seconds_ago * 1000
        statement = now - self.statement_age_seconds * 1000
        said = struct.pack(
            "<6BHqQQqqqIIIII16s32s", 1, self.mode, self.cause, self.clock, self.journal, self.freshness, self.flags, now,
            self.image, self.change, statement, statement, self.started, self.held, self.room, self.devices, self.lost,
            self.covers, b"\x2a" * 16, self.version.encode(),
        )  # fmt: skip
        return said + struct.pack("<I", crc32c(said))


def batch(site: str, lane: str, word: Word) -> bytes:
    head = struct.pack("<8sII16s32s16sQ16sQQ", b"LKBATCH1", 1, 0, bytes.fromhex(site), lane.encode(), b"", 0, b"", 0, 0)
    head += word.encoded() + bytes(4)
    return head + struct.pack("<I", crc32c(head))


def speak(port: int, site: str, words: Iterable[tuple[str, Word]]) -> None:
    """Every lane's word, one after the other on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        for lane, word in words:
            connection.request("POST", "/v1/records", body=batch(site, lane, word), headers={"Content-Type": TYPE})
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == 200, (lane, answer.status, said)
    finally:
        connection.close()
