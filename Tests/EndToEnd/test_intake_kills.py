"""SIGKILL against a collector that takes in, at moments that are drawn: what was acknowledged is stored once, and every count is
what the lanes reckon themselves. The lanes are laid out by hand (hand_lanes.py).

LANEKEEPER_SEED=N draws the same again. LANEKEEPER_INTAKE_ROUNDS=N: N times as much, each with a seed of its own
(`Tests/run intake-kills --rounds N`)."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from encrypted_site import program
from hand_lanes import HOUR_MS, RECORD_BYTES, Connection, Counts, Lane
from lanesim_parts.stage import free_port
from older_intake import make_older, tallies

BOUND = 60
DAY_MS = 24 * HOUR_MS
ROUNDS = int(os.environ.get("LANEKEEPER_INTAKE_ROUNDS", "1"))
# Who passed is written when so many records lie behind the mark: SeenBook.Limits.
ROUND_RECORDS = 250_000


def drawn_seed() -> int:
    seed = int(os.environ.get("LANEKEEPER_SEED", random.SystemRandom().randrange(10**9)))
    print(f"LANEKEEPER_SEED={seed}")
    return seed


class Site:
    """A collector on one port, where it is about one o'clock in the afternoon: no day ends within a test."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries, self.folder, self.data = binaries, folder, folder / "data"
        self.config, self.log = folder / "collector.yaml", folder / "collector.log"
        now = int(time.time() * 1000)
        offset = 13 - now // HOUR_MS % 24
        self.today_ms = (now + offset * HOUR_MS) // DAY_MS * DAY_MS - offset * HOUR_MS
        self.zone = f"Etc/GMT{-offset:+d}" if offset else "Etc/GMT"
        self.process: subprocess.Popen[bytes] | None = None
        self.said("init", "--data", self.data)
        self.id = bytes.fromhex((self.data / "keys" / "site.pub").read_text().split()[1])
        self.settle()

    def settle(self) -> None:
        """Takes a port, which stays the same over all starts."""
        self.port = free_port()
        self.config.write_text(
            f"data: {self.data}\nlisten: {{ address: 127.0.0.1, port: {self.port} }}\n"
            f"site: {{ name_zh: 模拟博览会, name_en: Expo, time_zone: {self.zone} }}\nkeep: {{ records_days: 30 }}\n",
            encoding="utf-8",
        )

    def copied(self, folder: Path) -> Site:
        """Another one with the same data, while this one does not run."""
        other = object.__new__(Site)
        other.__dict__ |= self.__dict__
        other.folder, other.data, other.process = folder, folder / "data", None
        other.config, other.log = folder / "collector.yaml", folder / "collector.log"
        shutil.copytree(self.data, other.data)
        other.settle()
        return other

    def said(self, *words: str | Path, status: int = 0) -> str:
        done = program(self.binaries, "lanekeeper-collector", *words)
        assert done.returncode == status, f"{words}: {done.returncode} {done.stdout} {done.stderr}"
        return done.stdout

    def begin(self, *words: str | Path) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            command = [str(self.binaries / "lanekeeper-collector"), *map(str, words)]
            return subprocess.Popen(command, stdout=log, stderr=log)

    def start(self, waits: bool = True) -> None:
        self.process = self.begin("serve", "--config", self.config)
        while waits:
            try:
                self.get("/healthz")
                return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()[-3000:]

    def end(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(BOUND)
        self.process = None

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.end(signal.SIGKILL)

    def get(self, path: str) -> dict:
        return json.loads(self.text(path))

    def text(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=BOUND) as answer:
            return answer.read()

    def database_copy(self) -> Path:
        """As it was left: whoever opens the database itself changes it."""
        folder = self.folder / "copy"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for file in self.data.glob("intake.sqlite*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, folder)
        return folder / "intake.sqlite"

    def stored(self, lanes: list[Lane], contents: bool = False) -> dict[str, list[int]]:
        """By lane the places of its records in the database, as they stand there."""
        places: dict[str, list[int]] = {lane.id: [] for lane in lanes}
        by_id = {lane.id: lane for lane in lanes}
        end = 0
        with closing(sqlite3.connect(self.database_copy())) as database:
            rows = database.execute(
                "SELECT block.id, name, epoch.bytes, first, count, block.bytes FROM block "
                "JOIN epoch ON epoch.id = block.epoch JOIN lane ON lane.id = epoch.lane ORDER BY block.id"
            )
            for row, name, epoch, first, count, data in rows:
                lane = by_id[name]
                place = lane.places[epoch.hex(), first]
                assert row == end + 1 or not end, "rows are one after the other"
                assert len(data) == count * RECORD_BYTES
                end = row + count - 1
                places[name].extend(range(place, place + count))
                if contents:
                    assert data == b"".join(record.encoded(lane) for record in lane.records[place : place + count])
        return places


@dataclass
class Reckoner:
    """What the lanes reckon, record by record as these are stored."""

    site: Site
    lanes: list[Lane]

    def __post_init__(self) -> None:
        self.counts = Counts()
        self.counted: dict[str, set[int]] = {lane.id: set() for lane in self.lanes}
        # Counted, and removed since.
        self.pruned: dict[str, set[int]] = {lane.id: set() for lane in self.lanes}

    def take(self, stored: dict[str, list[int]]) -> None:
        """Adds what is stored now and was not."""
        for lane in self.lanes:
            places, counted = stored[lane.id], self.counted[lane.id]
            now = set(places) | self.pruned[lane.id]
            assert len(now) == len(places) + len(self.pruned[lane.id]), f"{lane.id}: a record is stored twice"
            assert counted <= now, f"{lane.id}: {len(counted - now)} records are there no more"
            missing = set(range(lane.acknowledged)) - now
            assert not missing, f"{lane.id}: {len(missing)} acknowledged records are not stored"
            for place in now - counted:
                self.counts.add(lane.records[place], lane, self.site.today_ms)
            self.counted[lane.id] = now

    def note_pruned(self, stored: dict[str, list[int]]) -> None:
        for lane in self.lanes:
            self.pruned[lane.id] = self.counted[lane.id] - set(stored[lane.id])

    def check(self) -> None:
        """The collector that runs says exactly that."""
        tallies, counts = self.site.get("/v1/tallies"), self.counts
        total = {name: tallies["total"][name] for name in counts.total}
        assert total == counts.total
        assert tallies["total"]["conflicting"] == 0
        assert {kind: count for kind, count in tallies["passages"].items() if count} == counts.passages
        assert tallies["refusals"] == counts.refusals
        seen = {("", part): tallies[part] for part in ("total", "today")}
        for lane in tallies["lanes"]:
            seen |= {(lane["lane"], "total"): lane, (lane["lane"], "today"): lane["today"]}
        for (whose, part), shown in seen.items():
            for name in ("distinct_holders", "distinct_vehicles"):
                assert shown[name] == len(counts.seen[whose, part, name]), (whose, part, name)
        zones = {f"{zone['zone']} {what}": zone[what] for zone in tallies["zones"] for what in ("people", "vehicles")}
        assert {name: count for name, count in zones.items() if count} == {
            name: count for name, count in counts.zones.items() if count and not name.startswith("outside")
        }
        self.check_flow()
        ends = {lane["lane"]: lane["stored_through"] for lane in self.site.get("/v1/lanes")["lanes"]}
        for lane in self.lanes:
            if ends.get(lane.id):
                end = lane.end_of(f"stored {ends[lane.id]['epoch']} {ends[lane.id]['sequence']}")
                assert set(range(end)) <= self.counted[lane.id], f"{lane.id}: stored through {end} is ahead of what is"

    def check_flow(self) -> None:
        flow: dict[int, Counter[str]] = {}
        for day_ms in (self.site.today_ms - DAY_MS, self.site.today_ms):
            # At noon, no zone of whole hours is more than a day away from it.
            day = time.strftime("%Y-%m-%d", time.gmtime((day_ms + self.offset_ms) / 1000))
            for row in self.site.get(f"/v1/flow?day={day}")["flow"]:
                counts = Counter({name: row[name] for name in row if name not in ("at", "at_ms") and row[name]})
                if counts:
                    flow[row["at_ms"]] = counts
        known = {"in", "out", "vehicles_in", "vehicles_out", "presented", "admitted", "refused", "passed", "tailgating"}
        reckoned = {at: Counter({n: c for n, c in counts.items() if n in known and c}) for at, counts in self.counts.flow.items()}
        assert flow == {at: counts for at, counts in reckoned.items() if counts}

    @property
    def offset_ms(self) -> int:
        return -self.site.today_ms % DAY_MS


class Rounds:
    """Lanes that send, and a collector that is killed and started while they do."""

    def __init__(self, site: Site, lanes: list[Lane], draw: random.Random) -> None:
        self.site, self.lanes, self.draw = site, lanes, draw
        self.reckoner = Reckoner(site, lanes)
        self.serving = asyncio.Event()
        self.progress = asyncio.Event()
        self.kills = 0

    async def run(self, kill_at: list[int], most: int = 100, left: int = 0) -> None:
        """`kill_at`: acknowledged records of all lanes at which it is killed, or a moment later. `left`: not sent of each."""
        self.site.start()
        self.serving.set()
        tasks = [
            asyncio.ensure_future(
                lane.run(self.site.port, self.serving, most, len(lane.records) - left, noted=self.progress.set)
            )
            for lane in self.lanes
        ]
        try:
            for number in sorted(kill_at):
                await self.until_acknowledged(number, tasks)
                # A moment of its own within the transactions of that time.
                await asyncio.sleep(self.draw.random() * 0.05)
                await self.kill()
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self.site.end(signal.SIGKILL)
        self.reckoner.take(self.site.stored(self.lanes, contents=True))
        self.site.start()
        self.reckoner.check()

    async def until_acknowledged(self, number: int, tasks: list[asyncio.Future]) -> None:
        while sum(lane.acknowledged for lane in self.lanes) < number:
            self.progress.clear()
            waiter = asyncio.ensure_future(self.progress.wait())
            done, _ = await asyncio.wait([waiter, *tasks], timeout=BOUND, return_when=asyncio.FIRST_COMPLETED)
            waiter.cancel()
            assert done, "nothing was acknowledged for a minute"
            for task in done - {waiter}:
                task.result()
            tasks[:] = [task for task in tasks if not task.done()] or tasks

    async def kill(self) -> None:
        self.serving.clear()
        self.site.end(signal.SIGKILL)
        # Whoever waits for an answer sees the end of his connection.
        self.reckoner.take(self.site.stored(self.lanes))
        self.site.start()
        self.reckoner.check()
        self.kills += 1
        self.serving.set()


def make_lanes(site: Site, draw: random.Random, count: int, hour_records: int, holders: int) -> list[Lane]:
    hours = [(site.today_ms + hour * HOUR_MS, hour_records) for hour in (-4, 8, 9, 10)]
    lanes = [Lane(number, site.id, random.Random(draw.random())) for number in range(count)]
    for lane in lanes:
        lane.fill(hours, holders)
    return lanes


def rows_by_cursor(site: Site, after: int, limit: int) -> Iterator[dict]:
    while lines := site.text(f"/v1/records?after={after}&limit={limit}").splitlines():
        for line in lines:
            row = json.loads(line)
            assert row["row"] == after + 1, "each row once, in its order"
            after = row["row"]
            yield row


def check_rows(rows: list[dict], lanes: list[Lane]) -> None:
    by_id = {lane.id: lane for lane in lanes}
    for row in rows:
        lane = by_id[row["lane"]]
        record = lane.records[lane.places[row["epoch"], row["sequence"]]]
        passed = row["holder"] if row.get("end") == "passed" else None
        assert (row["wall_ms"], passed) == (record.wall_ms, record.holder), row


@pytest.mark.parametrize("part", range(ROUNDS))
def test_a_collector_that_is_killed_at_any_moment_stores_what_it_acknowledged_once(binaries: Path, tmp_path: Path, part: int):
    draw = random.Random(drawn_seed() + part)
    site = Site(binaries, tmp_path)
    lanes = make_lanes(site, draw, count=40, hour_records=1650, holders=20_000)
    total = sum(len(lane.records) for lane in lanes)
    assert total > ROUND_RECORDS + 10_000
    # Anywhere, and around where the books of who passed are written.
    kill_at = [draw.randrange(total) for _ in range(2)]
    kill_at += [ROUND_RECORDS + draw.randrange(first, first + 3000) for first in (-3000, 0, 3000)]
    rounds = Rounds(site, lanes, draw)
    try:
        asyncio.run(rounds.run(kill_at))
        assert rounds.kills == len(kill_at)
        assert len(rounds.reckoner.counts.seen["", "total", "distinct_holders"]) > 2000
        with closing(sqlite3.connect(f"file:{site.data}/intake.sqlite?mode=ro", uri=True)) as database:
            assert database.execute("SELECT row FROM mark").fetchone()[0] >= ROUND_RECORDS, "no round came to its end"
        assert "the lanes' own totals and the counts here agree" in site.said("reconcile", "--config", site.config)
        assert site.get("/v1/tallies")["total"]["missing"] == 0
        # All of them take half a minute.
        after = total - draw.randrange(20_000, 60_000) if ROUNDS == 1 else 0
        rows = list(rows_by_cursor(site, after, draw.choice([997, 10_000])))
        assert len(rows) == total - after
        check_rows(rows, lanes)
    finally:
        site.close()


# MARK: Commands and the start, killed

LEFT = 400  # records of each lane that come afterwards, of holders most of whom were seen


@dataclass
class Filled:
    """A site at rest, what its lanes reckon, and how to have another one like it."""

    site: Site
    lanes: list[Lane]
    reckoner: Reckoner
    draw: random.Random

    def copied(self, folder: Path) -> Rounds:
        site = self.site.copied(folder)
        rounds = Rounds(site, [copy.copy(lane) for lane in self.lanes], self.draw)
        rounds.reckoner.counts = copy.deepcopy(self.reckoner.counts)
        rounds.reckoner.counted = dict(self.reckoner.counted)
        return rounds


@pytest.fixture(scope="module")
def filled(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    draw = random.Random(drawn_seed())
    site = Site(binaries, tmp_path_factory.mktemp("filled"))
    lanes = make_lanes(site, draw, count=12, hour_records=800, holders=5000)
    rounds = Rounds(site, lanes, draw)
    try:
        asyncio.run(rounds.run([], left=LEFT))
        site.end(signal.SIGTERM)
        yield Filled(site, lanes, rounds.reckoner, draw)
    finally:
        site.close()


def killed(site: Site, draw: random.Random, seconds: float, *words: str | Path) -> bool:
    """Whether the command was killed, within so many seconds; otherwise it came to its end before."""
    process = site.begin(*words)
    try:
        process.wait(draw.random() * seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    return process.wait(BOUND) == -signal.SIGKILL


def seconds_of(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


async def go_on(rounds: Rounds) -> None:
    """Each lane sends what was stored last once more, as one that did not hear the answers, and then the rest. The collector is
    left running."""
    for lane in rounds.lanes:
        connection = Connection(rounds.site.port)
        await lane.post(connection, lane.acknowledged - 300, lane.acknowledged)
        connection.close()
    rounds.site.end(signal.SIGKILL)
    await rounds.run([], most=500)


def test_a_backup_that_is_killed_leaves_nothing_that_looks_like_one_and_the_next_is_whole(filled: Filled, tmp_path: Path):
    rounds = filled.copied(tmp_path)
    site, reckoner = rounds.site, rounds.reckoner
    target = tmp_path / "backup"
    try:
        site.start()
        whole = seconds_of(lambda: site.said("backup", "--data", site.data, "--to", tmp_path / "first"))
        kills = 0
        for _ in range(8 * ROUNDS):
            if killed(site, filled.draw, whole, "backup", "--data", site.data, "--to", target):
                kills += 1
                # Its name is the last thing that it gets.
                assert not target.exists() or (target / "manifest").exists()
            shutil.rmtree(target, ignore_errors=True)
        assert kills > 2
        site.said("backup", "--data", site.data, "--to", target)
        assert not list(tmp_path.glob(".backup*")), "what a killed one left is taken away"
        site.end(signal.SIGKILL)
        keys = site.data.rename(tmp_path / "lost") / "keys"
        site.said("restore", "--from", target, "--data", site.data, "--keys", keys)
        site.start()
        reckoner.take(site.stored(rounds.lanes))
        reckoner.check()
        asyncio.run(go_on(rounds))
    finally:
        site.close()


def test_pruning_that_is_killed_and_a_collector_that_is_killed_meanwhile_count_nobody_anew(filled: Filled, tmp_path: Path):
    rounds = filled.copied(tmp_path)
    site, reckoner = rounds.site, rounds.reckoner
    draw, prune = filled.draw, ("prune", "--config", site.config)
    old = sum(lane.acknowledged for lane in rounds.lanes) * 2 // 3
    with closing(sqlite3.connect(site.data / "intake.sqlite")) as database:
        with database:
            database.execute("UPDATE block SET received = received - ? WHERE id <= ?", (40 * DAY_MS, old))
        kept = database.execute("SELECT min(id) FROM block WHERE id > ?", (old,)).fetchone()[0]
    oldest = "SELECT min(id) FROM block"
    left = []
    try:
        site.start()
        for _ in range(6 * ROUNDS):
            killed(site, draw, 0.5, *prune)
            if draw.random() < 0.5:
                site.end(signal.SIGKILL)
                site.start()
                reckoner.check()
            with closing(sqlite3.connect(f"file:{site.data}/intake.sqlite?mode=ro", uri=True)) as database:
                left.append(database.execute(oldest).fetchone()[0])
        assert left == sorted(left) and len(set(left)) > 1, "it goes on where it was killed"
        site.said(*prune)
        site.end(signal.SIGKILL)
        reckoner.note_pruned(site.stored(rounds.lanes))
        assert sum(len(gone) for gone in reckoner.pruned.values()) == kept - 1
        site.start()
        reckoner.check()
        # Known as sent, also what is not there any more to be compared.
        before = site.get("/v1/tallies")["total"]["duplicates"]
        asyncio.run(go_on(rounds))
        assert site.get("/v1/tallies")["total"]["duplicates"] >= before + 300 * len(rounds.lanes)
        rows = list(rows_by_cursor(site, kept - 1, 10_000))
        assert len(rows) == sum(len(lane.records) for lane in rounds.lanes) - kept + 1
        assert json.loads(site.text("/v1/records?after=0&limit=1"))["row"] == kept
        check_rows(rows, rounds.lanes)
    finally:
        site.close()


@pytest.mark.parametrize("part", range(ROUNDS))
def test_taking_an_older_layout_over_is_killed_and_goes_on_and_every_count_is_the_same(filled: Filled, tmp_path: Path, part: int):
    rounds = filled.copied(tmp_path)
    site, reckoner = rounds.site, rounds.reckoner
    file = site.data / "intake.sqlite"
    before = tallies(file)
    make_older(file)
    versions = []
    try:
        for _ in range(12):
            site.start(waits=False)
            with pytest.raises(subprocess.TimeoutExpired):
                site.process.wait(filled.draw.random() * 1.2)
            site.end(signal.SIGKILL)
            with closing(sqlite3.connect(site.database_copy())) as database:
                versions.append(database.execute("PRAGMA user_version").fetchone()[0])
            if versions[-1] > 3:
                break
        assert 3 in versions, f"it was never killed on the way: {versions}"
        site.start()
        reckoner.take(site.stored(rounds.lanes, contents=True))
        reckoner.check()
        assert tallies(file) == before, "as before, all but when something was sent again"
        asyncio.run(go_on(rounds))
        assert "agree" in site.said("reconcile", "--config", site.config)
    finally:
        site.close()
