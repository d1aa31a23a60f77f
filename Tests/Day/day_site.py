"""A compressed day at a site of real programs: feeds and urgent changes come, and badges are presented all the time. What
was sent, shown, seen and decided goes into a directory, for `day_judge`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import sqlite3
import time
import urllib.parse
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from day_feeds import Roster
from lanesim_parts.lane import LaneSettings
from lanesim_parts.sorts import ENTRY_ZONE
from lanesim_parts.stage import LaneStage, Stage, StageFailure

ANSWER_SECONDS = 60.0
LIVE_SECONDS = 300.0
LOOK_SECONDS = 0.01
STEP_SECONDS = {"entry": (0.02, 0.3), "exit": (0.3, 1.0)}
UNKNOWN_CHIP = 0x70  # first byte of chips that nobody has
DIFFERENT_CHIPS = 10  # at a lane in a row: a chip that is back at once has not been away
PAGE_RECORDS = 10_000
IMAGE_HEAD_BYTES = 128  # what stands before the tables (docs/formats.md)


@dataclass(frozen=True)
class DayPlan:
    holders: int = 502_000
    hot: int = 300
    entries: int = 4
    exits: int = 1
    feeds: int = 6  # after the first
    seconds_between: float = 4.0
    change_seconds: float = 0.5
    seed: int = 1


def settings_of(plan: DayPlan) -> list[LaneSettings]:
    ways = [("entry", "in", plan.entries, "outside", ENTRY_ZONE), ("exit", "out", plan.exits, ENTRY_ZONE, "outside")]
    return [
        LaneSettings(f"day-{way}-{number}", f"北登录厅-{way}-{number}", kind, begin, end)
        for kind, way, count, begin, end in ways
        for number in range(1, count + 1)
    ]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Evidence:
    """One file of JSON lines for each kind of thing that happened."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "feeds").mkdir(parents=True)
        self._files = {name: (directory / f"{name}.jsonl").open("w") for name in ("changes", "applied", "presented")}

    def add(self, name: str, **fields: Any) -> None:
        self._files[name].write(json.dumps(fields) + "\n")

    def close(self) -> None:
        for file in self._files.values():
            file.close()


class Day:
    def __init__(self, stage: Stage, plan: DayPlan, evidence: Path) -> None:
        self.stage, self.plan = stage, plan
        self.evidence = Evidence(evidence)
        self.chance = random.Random(plan.seed)
        self.roster = Roster(plan.holders, plan.hot, int(time.time()), random.Random(plan.seed ^ 0xFEED))
        self.version = 0
        self.is_over = False
        self.answered: Counter[str] = Counter()
        self.suspended: set[int] = set()
        # Whether a feed has news of an activation depends on what the one before said: none is changed while one is read.
        self.activations = asyncio.Lock()
        self.seen: dict[str, tuple[int, int]] = {}
        self.import_seconds: list[float] = []
        self.live_seconds: list[float] = []

    # Feeds.

    async def publish(self) -> None:
        """The next feed, made now, until it is in force at every lane that runs."""
        async with self.activations:
            path = await asyncio.to_thread(self._import)
            version = self.version = self.version + 1
        began = time.monotonic()
        shutil.move(path, self.evidence.directory / "feeds" / f"{version}.csv")
        await self.stage.wait_for(
            f"image {version} at every lane",
            lambda: all(self.applied(lane)[0] >= version for lane in self.stage.lanes), LIVE_SECONDS,
        )  # fmt: skip
        self.live_seconds.append(round(time.monotonic() - began, 2))

    def _import(self) -> Path:
        path = self.stage.directory / "feed.csv"
        now = int(time.time())
        if self.version:
            self.roster.turn(now)
        self.roster.write(path, now)
        began = time.monotonic()
        said = self.stage.command(
            "lanekeeper-collector", "import", "--most-losing", "100", "--data", self.stage.data, path
        )
        self.import_seconds.append(round(time.monotonic() - began, 2))
        if f"image {self.version + 1} published" not in said:
            raise StageFailure(f"feed {self.version + 1} was not published:\n{said}")
        return path

    # Urgent changes.

    async def change_now_and_then(self) -> None:
        while not self.is_over:
            await asyncio.sleep(self.chance.uniform(0.5, 1.5) * self.plan.change_seconds)
            await self.change(self.chance.randrange(self.plan.hot))

    async def change(self, index: int) -> None:
        now = int(time.time())
        instant = datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="seconds")
        match self.chance.randrange(5):
            case 0 | 1:
                fields = {"health_code": self.chance.choice(("red", "green", "yellow")), "assessed_at": instant}
            case 2 | 3:
                fields = {"test_result": self.chance.choice(("positive", "negative")), "sampled_at": instant}
            case _ if not self.activations.locked():
                async with self.activations:
                    fields = {"activation": "activated" if index in self.suspended else "suspended"}
                    self.suspended ^= {index}
                    return await self._send(index, fields)
            case _:
                fields = {"health_code": "red", "assessed_at": instant}
        await self._send(index, fields)

    async def _send(self, index: int, fields: dict[str, str]) -> None:
        version, sent = self.in_force(), now_ms()
        answer = await asyncio.to_thread(self._post, [{"holder": Roster.holder(index)} | fields])
        if answer["identifiers"] == 0:  # it says so already
            return
        self.evidence.add(
            "changes", holder=Roster.holder(index), number=answer["last"], version=version, or_version=self.in_force(),
            sent_ms=sent, answered_ms=now_ms(), **fields,
        )  # fmt: skip

    def in_force(self) -> int:
        """The image that changes are made on now."""
        with contextlib.closing(sqlite3.connect(f"file:{self.stage.data}/site.sqlite?mode=ro", uri=True)) as database:
            return database.execute("SELECT max(version) FROM image WHERE published IS NOT NULL").fetchone()[0]

    def _post(self, changes: Sequence[dict[str, str]]) -> dict[str, Any]:
        connection = self.stage.client.connect()
        try:
            headers = {"Authorization": f"Bearer {self.stage.client.token}", "Content-Type": "application/json"}
            connection.request("POST", "/v1/changes", body=json.dumps(changes).encode(), headers=headers)
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise StageFailure(f"POST /v1/changes: {answer.status} {said!r}")
        return json.loads(said)

    # Lanes.

    @staticmethod
    def applied(lane: LaneStage) -> tuple[int, int]:
        """Image and change in force, as the lane says."""
        try:
            words = (lane.state / "applied").read_text().split()
        except FileNotFoundError:
            return 0, 0
        return int(words[1]), int(words[2])

    async def watch(self) -> None:
        """Writes down what is in force at each lane, and an instant at which it was so."""
        while True:
            for lane in self.stage.lanes:
                image, change = self.applied(lane)
                if self.seen.get(lane.settings.id) != (image, change):
                    self.seen[lane.settings.id] = (image, change)
                    self.evidence.add("applied", lane=lane.settings.id, at_ms=now_ms(), image=image, change=change)
            await asyncio.sleep(LOOK_SECONDS)

    async def present_all_the_time(self, lane: LaneStage) -> None:
        chance = random.Random(f"{self.plan.seed} {lane.settings.id}")
        lane.simulated.thermometer.somebody_stands_there(36.5)
        former: deque[bytes] = deque(maxlen=DIFFERENT_CHIPS)
        while not self.is_over:
            if (draw := chance.random()) < 0.85:
                chip = Roster.chip(chance.randrange(self.plan.hot))
            elif draw < 0.97:
                chip = Roster.chip(chance.randrange(self.plan.holders))
            else:
                chip = bytes([UNKNOWN_CHIP]) + chance.randbytes(4)
            if chip not in former:
                former.append(chip)
                await self.present(lane, chip, chance)

    async def present(self, lane: LaneStage, chip: bytes, chance: random.Random) -> None:
        simulated, id = lane.simulated, lane.settings.id
        gate = simulated.gate
        if not await gate.wait_until(simulated.is_ready, ANSWER_SECONDS):
            raise StageFailure(f"{id} is not ready")
        await asyncio.sleep(chance.uniform(*STEP_SECONDS[lane.settings.kind]))
        red, released = gate.rises["lamp_red"], gate.rises["release"]
        falls = gate.falls_commanded["release"]
        begin = now_ms()
        simulated.reader.hold(chip, 0.2)
        answered = await gate.wait_until(
            lambda: gate.rises["lamp_red"] > red or gate.rises["release"] > released, ANSWER_SECONDS
        )
        if not answered:
            raise StageFailure(f"{id}: no answer to {chip.hex()}")
        answer = "admitted" if gate.rises["release"] > released else "refused"
        self.evidence.add(
            "presented", lane=id, chip=chip.hex(), begin_ms=begin, answered_ms=now_ms(), answer=answer
        )
        self.answered[id] += 1
        if answer == "admitted":
            await gate.pulse("passage_forward")
            if not await gate.wait_until(lambda: gate.falls_commanded["release"] > falls, ANSWER_SECONDS):
                raise StageFailure(f"{id}: the release does not end")

    # The day.

    async def run(self) -> None:
        stage = self.stage
        watch = asyncio.ensure_future(self.watch())
        busy = [asyncio.ensure_future(self.present_all_the_time(lane)) for lane in stage.lanes]
        changing = asyncio.ensure_future(self.change_now_and_then())
        others = [watch, *busy, changing]
        play = asyncio.ensure_future(self._play())
        try:
            await asyncio.wait([play, *others], return_when=asyncio.FIRST_COMPLETED)
            for task in (play, *others):
                if task.done():
                    task.result()
            self.is_over = True
            await asyncio.gather(changing, *busy)
            await stage.wait_for("the collector has every decision", self._has_every_decision, LIVE_SECONDS)
        finally:
            for task in (play, *others):
                task.cancel()
            await asyncio.gather(play, *others, return_exceptions=True)
        self._keep_decisions()

    async def _play(self) -> None:
        await asyncio.sleep(self.plan.seconds_between)
        for _ in range(self.plan.feeds):
            await self.publish()
            await asyncio.sleep(self.plan.seconds_between)

    def _records(self, lane: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = 0
        while True:
            query = urllib.parse.urlencode({"lane": lane, "after": after, "limit": PAGE_RECORDS})
            page = [json.loads(line) for line in self.stage.client.get(f"/v1/records?{query}").splitlines() if line]
            found += page
            if len(page) < PAGE_RECORDS:
                return found
            after = page[-1]["row"]

    def _has_every_decision(self) -> bool:
        return all(
            sum(record["event"] == "decided" for record in self._records(lane.settings.id))
            >= self.answered[lane.settings.id]
            for lane in self.stage.lanes
        )

    def _keep_decisions(self) -> None:
        directory = self.evidence.directory
        with (directory / "decisions.jsonl").open("w") as file:
            for lane in self.stage.lanes:
                for record in self._records(lane.settings.id):
                    if record["event"] == "decided":
                        file.write(json.dumps(record) + "\n")
        (directory / "images").mkdir()
        for path in (self.stage.data / "images").glob("*.img"):
            with path.open("rb") as image:
                (directory / "images" / f"{int(path.stem)}.head").write_bytes(image.read(IMAGE_HEAD_BYTES))
        kinds = {lane.settings.id: lane.settings.kind for lane in self.stage.lanes}
        (directory / "site.json").write_text(
            json.dumps({"badge_key": self.stage.badge_key, "lanes": kinds, "zone": ENTRY_ZONE, "plan": asdict(self.plan)})
        )
        self.evidence.close()


async def play(stage: Stage, plan: DayPlan, evidence: Path) -> Day:
    """The whole day; the stage is closed by who opened it."""
    stage.encrypted = True
    lanes = settings_of(plan)
    stage.lane_names = {lane.id: lane.name for lane in lanes}
    stage.command("lanekeeper-collector", "init", "--data", stage.data)
    stage.site_id = (stage.keys / "site.pub").read_text().split()[1]
    port = await stage.open_collector(None)
    day = Day(stage, plan, evidence)
    await day.publish()
    await stage.open_lanes(lanes, port)
    await day.run()
    return day
