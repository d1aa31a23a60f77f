"""Lanes that speak docs/formats.md by hand: records, batches and their CRC-32C are laid out here a second time, from the
document alone, so that what the programs get wrong at both ends is seen. Each lane knows what it sent and counts it itself."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

RECORD_BYTES = 256
HEAD_BYTES = 256
HOUR_MS = 3_600_000
FIVE_MINUTES_MS = 300_000
PATIENCE_SECONDS = 60
KINDS = ["special-guest", "exhibitor", "visitor", "media", "staff", "security", "vehicle"]  # codes from 1
VEHICLE = 7
TOTALS = ["presented", "admitted", "refused", "passed", "annulled", "interrupted", "tailgating", "forced", "wrong_way",
          "anonymous_forward", "anonymous_backward", "by_hand", "passed_backward", "tailgating_backward"]  # fmt: skip
# Bit and name of reasons that are given here.
REASONS = {5: "code-red", 13: "test-expired", 25: "unknown-badge", 32: "temperature-high"}


# MARK: CRC-32C


def _byte_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_BYTES = _byte_table()


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _BYTES[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


class Checksum:
    """The CRC-32C of a record, which is the sum (XOR) of what each byte at its place gives: mostly zeros, and the same ones."""

    def __init__(self, size: int) -> None:
        self._places = [_BYTES]
        for _ in range(size - 1):
            behind = self._places[-1]
            self._places.append([_BYTES[value & 255] ^ value >> 8 for value in behind])
        self._places.reverse()
        self._of_zeros = crc32c(bytes(size))
        self._known: dict[tuple[int, bytes], int] = {}

    def part(self, at: int, data: bytes) -> int:
        crc = 0
        for place, byte in enumerate(data, at):
            if byte:
                crc ^= self._places[place][byte]
        return crc

    def known(self, at: int, data: bytes) -> int:
        """As `part`, of what comes again and again."""
        if (at, data) not in self._known:
            self._known[at, data] = self.part(at, data)
        return self._known[at, data]

    def of(self, known: Iterable[tuple[int, bytes]], new: Iterable[tuple[int, bytes]]) -> int:
        crc = self._of_zeros
        for at, data in known:
            crc ^= self.known(at, data)
        for at, data in new:
            crc ^= self.part(at, data)
        return crc


assert crc32c(b"123456789") == 0xE3069283
_RECORD = Checksum(RECORD_BYTES - 4)


# MARK: Records


@dataclass(frozen=True)
class Position:
    epoch: bytes
    sequence: int


@dataclass
class Record:
    """One of a lane's journal, and what of it is counted."""

    at: Position
    wall_ms: int
    kind: int
    body: bytes
    counts: tuple[str, ...] = ()
    # A crossing: who, in which direction; (None, …): nobody knows whose.
    holder: int | None = None
    holder_kind: int | None = None
    crosses: int = 0  # 1 forward, 2 backward

    def encoded(self, lane: Lane) -> bytes:
        fixed = self.at.epoch
        moment = struct.pack("<QqQ", self.at.sequence, self.wall_ms, self.at.sequence)
        format_and_kind = bytes([1, self.kind, 0, 0])
        # The checksum covers what is behind it: places are less by 4.
        crc = _RECORD.of([(0, format_and_kind), (4, fixed), (44, lane.names)], [(20, moment), (140, self.body)])
        data = struct.pack("<I", crc) + format_and_kind + fixed + moment + lane.names + self.body
        return data.ljust(RECORD_BYTES, b"\0")


def padded(name: str) -> bytes:
    return name.encode().ljust(32, b"\0")


class Journal:
    """Draws what happens at a lane, hour by hour, and closes each with the lane's totals."""

    def __init__(self, draw: random.Random, lane: Lane, holders: int) -> None:
        self.draw, self.lane, self.holders = draw, lane, holders
        self.records: list[Record] = []
        self.totals: Counter[str] = Counter()
        self.epoch = b""
        self.sequence = 0
        self.wall_ms = 0

    def add(self, kind: int, body: bytes, *counts: str, **about: int | None) -> Record:
        self.sequence += 1
        record = Record(Position(self.epoch, self.sequence), self.wall_ms, kind, body, counts, **about)
        self.records.append(record)
        self.totals.update(counts)
        return record

    def begin_epoch(self) -> None:
        last = (self.epoch or bytes(16), self.sequence)
        self.epoch, self.sequence = self.draw.randbytes(16), 0
        self.add(1, struct.pack("<16sQ", *last))

    def hour(self, start_ms: int, records: int) -> None:
        """About so many records of the hour that begins then, spread over it."""
        end = len(self.records) + records
        begun = len(self.records)
        self.totals = Counter()
        while len(self.records) < end:
            self.wall_ms = start_ms + (len(self.records) - begun) * (HOUR_MS - 1000) // (records + 4)
            if not self.epoch or self.draw.random() < 0.0005:
                self.begin_epoch()
            self.visit()
        self.wall_ms = start_ms + HOUR_MS + self.draw.randrange(900)
        self.add(12, struct.pack("<q14I", start_ms // 1000, *(self.totals[name] for name in TOTALS)))

    def visit(self) -> None:
        draw = self.draw
        holder = draw.randrange(1, self.holders + 1)
        kind = VEHICLE if holder % 50 == 0 else holder % 6 + 1
        tag = holder.to_bytes(10, "little")
        who = struct.pack("<10sBBI", tag, 1, kind, holder)
        chance = draw.random()
        if chance < 0.02:
            reason = draw.choice(list(REASONS))
            self.add(2, self.decided(who, 2, 1 << reason), "presented", "refused", REASONS[reason])
            return
        if chance < 0.03:
            self.add(4, bytes(17) + bytes([2, 1]), "forced")
            return
        decision = self.add(2, self.decided(who, 1, 0), "presented", "admitted")
        end = 2 if chance < 0.05 else 1
        back = end == 1 and chance > 0.9
        body = who + bytes([0, end, 2 if back else 1]) + bytes(5)
        body += struct.pack("<Q16sI", decision.at.sequence, bytes(16), 900)
        if end == 2:
            self.add(3, body, "annulled")
            return
        counts = ("passed", "passed_backward") if back else ("passed",)
        self.add(3, body, *counts, holder=holder, holder_kind=kind, crosses=2 if back else 1)
        if chance > 0.99:
            body = bytes(17) + bytes([1, 2]) + bytes(5) + struct.pack("<Q", decision.at.sequence)
            self.add(4, body, "tailgating", "tailgating_backward", crosses=2)

    def decided(self, who: bytes, verdict: int, reasons: int) -> bytes:
        # Found; vaccinated, green, negative, activated; 5 samples of 36.55 °C, limit 37.30.
        body = who + bytes([0, verdict, 1, 0b01_10_01_11, 1, 5]) + struct.pack("<hhhh", 3655, 2100, 0, 3730)
        body += bytes(2) + struct.pack("<QII", reasons, self.wall_ms // 1000 - 3600, self.wall_ms // 1000 - 600)
        body += struct.pack("<QQqq", 1, 0, self.wall_ms - 60_000, self.wall_ms - 5000) + bytes(16)
        return body + b"\xff" * 12


# MARK: What is counted


@dataclass
class Counts:
    """What the records come to that are stored, by the sender's own reckoning."""

    total: Counter[str] = field(default_factory=Counter)
    passages: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    zones: Counter[str] = field(default_factory=Counter)
    # By the beginning of the five minutes, ms.
    flow: dict[int, Counter[str]] = field(default_factory=dict)
    # Who passed: by lane ("": the site), `total` or `today`, and `distinct_holders` or `distinct_vehicles`.
    seen: defaultdict[tuple[str, str, str], set[int]] = field(default_factory=lambda: defaultdict(set))

    def add(self, record: Record, lane: Lane, today_ms: int) -> None:
        flow = self.flow.setdefault(record.wall_ms // FIVE_MINUTES_MS * FIVE_MINUTES_MS, Counter())
        names = [name for name in record.counts if name in TOTALS[:12]]
        self.refusals.update(name for name in record.counts if name not in TOTALS)
        if record.crosses:
            way = (lane.zone_from, lane.zone_to) if record.crosses == 1 else (lane.zone_to, lane.zone_from)
            is_vehicle = record.holder_kind == VEHICLE
            if way[0] == "outside":
                names.append("vehicles_in" if is_vehicle else "in")
            if way[1] == "outside":
                names.append("vehicles_out" if is_vehicle else "out")
            for zone, change in zip(way, (-1, 1), strict=True):
                self.zones[f"{zone} {'vehicles' if is_vehicle else 'people'}"] += change
        if record.holder is not None and record.holder_kind is not None:
            self.passages[KINDS[record.holder_kind - 1]] += 1
            name = "distinct_vehicles" if record.holder_kind == VEHICLE else "distinct_holders"
            for part in ("total", "today") if record.wall_ms >= today_ms else ("total",):
                for whose in ("", lane.id):
                    self.seen[whose, part, name].add(record.holder)
        self.total.update(names)
        self.total["stored"] += 1
        flow.update(names)


# MARK: A lane


class Cut(Exception):
    """The connection ended before the answer."""


class Connection:
    """To the collector; one request at a time."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes, *, waits: bool = True) -> tuple[int, str]:
        """Status and text; `waits`: or goes away without having read the answer."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self.port)
            reader, writer = self._streams
            writer.write(
                b"POST /v1/records HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                b"Content-Type: application/vnd.lanekeeper.batch\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            await asyncio.wait_for(writer.drain(), PATIENCE_SECONDS)
            if not waits:
                raise Cut
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_SECONDS)
            lines = head.decode("ascii").lower().split("\r\n")
            length = next(int(line[15:]) for line in lines if line.startswith("content-length:"))
            text = await asyncio.wait_for(reader.readexactly(length), PATIENCE_SECONDS)
            return int(lines[0].split()[1]), text.decode()
        except (OSError, EOFError, Cut) as error:
            self.close()
            raise Cut(str(error)) from error

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


class Lane:
    """A lane and its uplink. `acknowledged` records are stored, as the collector said; `sent` went out at least once."""

    def __init__(self, number: int, site: bytes, draw: random.Random) -> None:
        self.id = f"hand-{number:02d}"
        self.zone_from, self.zone_to = [("outside", "ring"), ("outside", "ring"), ("ring", "hall"), ("ring", "outside")][
            number % 4
        ]
        self.names = padded(self.id) + padded(self.zone_from) + padded(self.zone_to)
        self.site, self.draw = site, draw
        self.records: list[Record] = []
        self.places: dict[tuple[str, int], int] = {}
        self.acknowledged = 0
        self.oldest_held = 0
        # The end of what went out from the beginning on without a gap, and stretches that went out ahead of their turn.
        self.sent = 0
        self._ahead: list[tuple[int, int]] = []

    def fill(self, hours: Iterable[tuple[int, int]], holders: int) -> None:
        """`hours`: when each begins, ms, and about how many records it has."""
        journal = Journal(self.draw, self, holders)
        for start_ms, count in hours:
            journal.hour(start_ms, count)
        self.records = journal.records
        self.places = {(record.at.epoch.hex(), record.at.sequence): place for place, record in enumerate(self.records)}

    def batch(self, first: int, end: int) -> bytes:
        oldest = self.records[self.oldest_held].at if self.oldest_held < len(self.records) else Position(bytes(16), 0)
        head = struct.pack("<8sII16s32s16sQ", b"LKBATCH1", 1, end - first, self.site, padded(self.id), oldest.epoch,
                           oldest.sequence).ljust(HEAD_BYTES - 4, b"\0")  # fmt: skip
        return b"".join(
            [head, struct.pack("<I", crc32c(head)), *(record.encoded(self) for record in self.records[first:end])]
        )

    def end_of(self, text: str) -> int:
        """How many records, from the first on, an answer says are stored."""
        word, epoch, sequence = text.split()
        assert word == "stored", text
        if (epoch, int(sequence)) in self.places:
            return self.places[epoch, int(sequence)] + 1
        # Position 0 of an epoch is the end of the one before.
        assert int(sequence) == 0, f"{self.id}: {text}"
        return self.places.get((epoch, 1), 0)

    def note_sent(self, first: int, end: int) -> None:
        self._ahead.append((first, end))
        for first, end in sorted(self._ahead):
            if first <= self.sent:
                self.sent = max(self.sent, end)
        self._ahead = [stretch for stretch in self._ahead if stretch[1] > self.sent]

    async def post(self, connection: Connection, first: int, end: int, *, waits: bool = True) -> None:
        body = self.batch(first, end)
        self.note_sent(first, end)
        status, text = await connection.post(body, waits=waits)
        if status == 503:
            return
        assert status == 200, f"{self.id}: {status} {text}"
        stored = self.end_of(text)
        assert stored <= self.sent, f"{self.id}: stored through {stored}, and only {self.sent} were sent"
        if first <= self.acknowledged:
            assert stored >= end, f"{self.id}: {first} to {end} came, stored through {stored}"
        self.acknowledged = max(self.acknowledged, stored)

    async def run(
        self, port: int, serving: asyncio.Event, most: int, until: int | None = None,
        noted: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """Sends everything, in order and out of it, once and more often, and again what was not answered."""
        until = len(self.records) if until is None else until
        connection, other = Connection(port), Connection(port)
        try:
            while self.acknowledged < until:
                await asyncio.wait_for(serving.wait(), 2 * PATIENCE_SECONDS)
                with contextlib.suppress(Cut):
                    await self.step(connection, other, most, until)
                noted()
        finally:
            connection.close()
            other.close()

    async def step(self, connection: Connection, other: Connection, most: int, until: int) -> None:
        draw, first = self.draw, self.acknowledged
        end = min(until, first + draw.randint(most // 2, most))
        if draw.random() < 0.5:
            self.oldest_held = draw.randint(self.oldest_held, first)
        chance = draw.random()
        if chance < 0.05 and end < until:
            # What comes behind first, by a connection of its own: on one, what follows an answer is its neighbour.
            other.close()
            await self.post(other, end, min(until, end + most))
            other.close()
            await self.post(connection, first, end)
        elif chance < 0.10:
            other.close()
            results = await asyncio.gather(
                self.post(connection, first, end), self.post(other, first, end), return_exceptions=True
            )
            for result in results:
                if isinstance(result, BaseException):
                    raise result
        elif chance < 0.15:
            await self.post(connection, max(self.oldest_held, first - most), end)
        elif chance < 0.18:
            await self.post(connection, first, end, waits=False)
        else:
            await self.post(connection, first, end)
            if chance > 0.93:
                await self.post(connection, first, end)
