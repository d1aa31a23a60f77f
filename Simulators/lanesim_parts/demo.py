"""A whole site on one machine: what `Simulators/demo` runs after it has built the programs.

Set up → people come → drain → compare the crowd's own log with the collector → summary.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import comparison, people, site
from .component import ComponentDied
from .crowd import Crowd
from .stage import Stage, StageFailure
from .table import COLUMNS, Table

WITHOUT_TERMINAL_SECONDS = 60.0
DRAIN_SECONDS = 60.0
LONGEST_DIRECTORY = 70  # a Unix socket's path has at most 107 bytes, and ours adds /devices/<lane>/gate.sock
EX_UNAVAILABLE = 69
EX_SOFTWARE = 70


@dataclass(frozen=True)
class Settings:
    lanes: int
    people: int
    rate: float
    seed: int
    seconds: float | None
    port: int | None
    summary: Path | None
    binaries: Path
    keep: bool
    tls: bool = False

    @staticmethod
    def from_options(chosen: argparse.Namespace) -> Settings:
        top = Path(__file__).resolve().parents[2]
        return Settings(
            chosen.lanes, chosen.people, chosen.rate, chosen.seed, chosen.seconds, chosen.port, chosen.summary,
            chosen.binaries or top / ".build" / "release", chosen.keep, chosen.tls,
        )


def main(settings: Settings) -> int:
    directory = Path(tempfile.mkdtemp(prefix="lanekeeper-demo."))
    if len(os.fsencode(directory)) > LONGEST_DIRECTORY:
        directory.rmdir()
        print(f"demo: {directory} is too long for the paths of Unix sockets; set TMPDIR to a short one", file=sys.stderr)
        return EX_UNAVAILABLE
    try:
        return asyncio.run(Demo(settings, directory).run())
    except (StageFailure, ComponentDied) as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return EX_UNAVAILABLE if isinstance(failure, StageFailure) else EX_SOFTWARE


class Demo:
    def __init__(self, settings: Settings, directory: Path) -> None:
        self.settings = settings
        self.directory = directory
        self.stopping = asyncio.Event()
        self.on_terminal = sys.stdout.isatty()
        self.began = time.monotonic()

    async def run(self) -> int:
        settings = self.settings
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupted, task)
        drawn = people.draw(settings.people, random.Random(settings.seed))
        stage = Stage(self.directory, settings.binaries, settings.seed)
        stage.encrypted = settings.tls
        finished = False
        try:
            crowd_size = f"{settings.people} people, {settings.rate:g} a minute"
            self._say(f"{crowd_size}, {settings.lanes} lanes, seed {settings.seed}")
            lanes = site.lanes(settings.lanes)
            stage.make_site(drawn, lanes)
            port = await stage.open_collector(settings.port)
            self._say(f"The page: {stage.client.url}/ · all lanes: {stage.client.url}/fleet")
            if settings.tls:
                self._say(f"Its authority: {stage.keys / 'ca.pem'}; log in with {stage.make_token('screen', 'viewer')}")
            await stage.open_lanes(lanes, port)
            crowd = Crowd([lane.simulated for lane in stage.lanes], drawn, settings.rate, settings.seed)
            await self._let_people_come(stage, crowd)
            status = await self._judge(stage, crowd)
            finished = True
            return status
        except asyncio.CancelledError:
            print("demo: ended at once, without a summary", file=sys.stderr)
            return 130
        finally:
            keep = settings.keep or not finished
            await stage.close(keep)
            if keep:
                self._say(f"Journals, logs and database are in {self.directory}")

    def _interrupted(self, task: asyncio.Task[int]) -> None:
        """The first Ctrl-C sends the crowd home and draws the summary; the second ends at once."""
        if self.stopping.is_set():
            task.cancel()
        else:
            self._say("\nEnding: whoever stands in a lane finishes. Ctrl-C again ends at once.")
            self.stopping.set()

    # People come.

    async def _let_people_come(self, stage: Stage, crowd: Crowd) -> None:
        seconds = self.settings.seconds
        if seconds is None and not self.on_terminal:
            seconds = WITHOUT_TERMINAL_SECONDS
        table = Table() if self.on_terminal else None
        self.began = time.monotonic()
        arriving = asyncio.ensure_future(crowd.run(seconds))
        stopping = asyncio.ensure_future(self.stopping.wait())
        try:
            while not arriving.done():
                await asyncio.wait([arriving, stopping], timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                if self.stopping.is_set():
                    crowd.send_home()
                    await asyncio.wait([arriving], timeout=1.0)
                stage.check()
                await self._show(stage, crowd, table)
            arriving.result()
            if table and self.settings.seconds is None and not self.stopping.is_set():
                self._say("Everybody who came has gone through. The page stays up; Ctrl-C ends.")
                while not self.stopping.is_set():
                    await asyncio.wait([stopping], timeout=1.0)
                    stage.check()
        finally:
            arriving.cancel()
            stopping.cancel()

    async def _show(self, stage: Stage, crowd: Crowd, table: Table | None) -> None:
        try:
            tallies = await asyncio.to_thread(stage.client.tallies)
        except OSError as error:
            self._say(f"the collector does not answer: {error}")
            return
        total, by_lane = comparison.total(tallies), comparison.by_lane(tallies)
        seconds = int(time.monotonic() - self.began)
        waiting = sum(crowd.waiting(lane.settings.id) for lane in stage.lanes)
        on_site = f"on site: {total['on_site_people']} people, {total['on_site_vehicles']} vehicles"
        if table is None:
            figures = "  ".join(f"{name} {total[name]}" for name in COLUMNS if name != "waiting")
            self._say(f"{seconds:4} s  arrived {crowd.arrived}  waiting {waiting}  {figures}  {on_site}")
            return
        rows = [
            (
                lane.settings.name,
                {**by_lane.get(lane.settings.id, {}), "waiting": crowd.waiting(lane.settings.id)},
            )
            for lane in stage.lanes
        ]
        rows.append(("site", {**total, "waiting": waiting}))
        come = f"{crowd.arrived} of {self.settings.people} have come"
        table.draw(
            f"{seconds} s · {come} · {stage.client.url}/",
            rows,
            [on_site, "Ctrl-C ends everything and prints the summary."],
        )

    # Drain, compare, say.

    async def _judge(self, stage: Stage, crowd: Crowd) -> int:
        settings = self.settings
        visits = stage.log.visits
        self._say("Draining: waiting for the uplinks to deliver everything.")
        lanes = [lane.settings.id for lane in stage.lanes]
        seen = await comparison.drained(stage.client, lanes, visits, stage.check, DRAIN_SECONDS)
        result = comparison.compare(visits, seen, stage.badge_key)
        summary = {
            "seed": settings.seed, "lanes": settings.lanes, "people": settings.people, "rate": settings.rate,
            "arrived": crowd.arrived, **result.summary(),
        }
        text = json.dumps(summary, ensure_ascii=False, indent=2)
        if settings.summary:
            settings.summary.write_text(text + "\n", encoding="utf-8")
        self._say(comparison.told(summary))
        return 0 if result.agrees else 1

    def _say(self, text: str) -> None:
        print(text, flush=True)
