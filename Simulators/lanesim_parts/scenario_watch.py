"""A scenario for somebody who watches: what is done, what the lane shows and records, at a pace one can follow.

The lane lives at its own pace, since a pause between two steps would make another story of them: pairing windows and
passage timeouts run on. What happened is told behind it, each thing with its instant, one after the other.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, TextIO

from .scenario_expect import gate_state, lamps_lit, shown
from .scenario_records import words

if TYPE_CHECKING:
    from .scenario_file import Scenario
    from .scenario_lane import ScenarioLane
    from .scenario_steps import Step

LOOK_SECONDS = 0.05
MOST_TOLD = 5000
COLOURS = {"green": "\x1b[32m", "red": "\x1b[31m", "amber": "\x1b[33m"}
BOLD, DIM, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


class Watch:
    def __init__(self, scenario: Scenario, pace_seconds: float, out: TextIO = sys.stdout) -> None:
        self._lines = scenario.path.read_text(encoding="utf-8").splitlines()
        self._scenario = scenario
        self._pace = pace_seconds
        self._out = out
        self._is_coloured = out.isatty()
        self._began = time.monotonic()
        self._told: asyncio.Queue[str | None] = asyncio.Queue(MOST_TOLD)
        self._tasks: list[asyncio.Task[None]] = []
        self._scene = ""
        self._buzzes = 0
        self._recorded = 0
        self._untold = 0

    def open(self, lane: ScenarioLane) -> None:
        first = min([step.line for step in self._scenario.before + self._scenario.steps])
        self._out.write(self._as(BOLD, self._scenario.title) + "\n" + self._scenario.why + "\n\n")
        for line in self._lines[: first - 1]:
            if not line.startswith(("title:", "why:", "steps:", "before:")):
                self._out.write(self._as(DIM, line) + "\n")
        self._out.flush()
        self._tasks = [asyncio.ensure_future(self._look(lane)), asyncio.ensure_future(self._tell())]

    async def rest(self, lane: ScenarioLane) -> None:
        """Nothing happens any more."""
        await self._look_once(lane)
        self._tasks[0].cancel()

    async def close(self) -> None:
        """Waits until everything is told."""
        if not self._tasks:
            return
        self._tasks[0].cancel()
        await asyncio.gather(self._tasks[0], return_exceptions=True)
        if self._untold:
            await self._told.put(f"… and {self._untold} things more")
        await self._told.put(None)
        await self._tasks[1]

    def cancel(self) -> None:
        """Somebody has seen enough."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    # What happens, as it happens.

    def begins(self, step: Step) -> None:
        if step.word != "expect":
            self._say(self._as(BOLD, "▶ " + self._written(step)))

    async def ended(self, step: Step, lane: ScenarioLane) -> None:
        """A step of which everything that it waits for has come."""
        await self._look_once(lane)
        if step.word == "expect":
            self._say("✓ " + self._written(step).removeprefix("expect: "))
        elif step.word == "lanectl":
            answer = lane.answers[-1]
            for line in (answer.stdout + answer.stderr).rstrip().splitlines():
                self._say("    " + self._as(DIM, line))

    async def _look(self, lane: ScenarioLane) -> None:
        while True:
            await self._look_once(lane)
            await lane.gate.wait_until(lambda: self._seen(lane) != self._scene.partition("\n")[0], LOOK_SECONDS)

    async def _look_once(self, lane: ScenarioLane) -> None:
        display = await shown(lane) if lane.daemon and lane.daemon.is_running else "(lanekeeperd does not run)"
        seen = self._seen(lane)
        if (buzzes := lane.gate.rises["buzzer"]) > self._buzzes:
            self._buzzes = buzzes
            self._say("    the buzzer sounds")
        if f"{seen}\n{display}" != self._scene:
            self._scene = f"{seen}\n{display}"
            self._say(f"    {seen}   {self._as(BOLD, display)}")
        new = lane.journal.records[self._recorded :]
        self._recorded += len(new)
        for record in new:
            self._say("    " + self._as(DIM, "recorded: " + words(record)))

    def _seen(self, lane: ScenarioLane) -> str:
        lamps = lamps_lit(lane).split(" and ")
        lit = " and ".join(self._as(COLOURS.get(lamp, ""), lamp) for lamp in lamps)
        return f"gate {gate_state(lane)}, lamps {lit}"

    def _written(self, step: Step) -> str:
        """The step as it stands in the file, in one line."""
        starts = [one.line for one in self._scenario.before + self._scenario.steps if one.line > step.line]
        end = min(starts, default=len(self._lines) + 1) - 1
        lines = [line.strip() for line in self._lines[step.line - 1 : end]]
        lines = [line for line in lines if line and not line.startswith("#") and line != "steps:"]
        return " ".join(lines).removeprefix("- ")

    def _say(self, text: str) -> None:
        line = f"{time.monotonic() - self._began:6.2f} s  {text}"
        if self._told.full():
            self._untold += 1
        else:
            self._told.put_nowait(line)

    # What is told, at its own pace.

    async def _tell(self) -> None:
        while (line := await self._told.get()) is not None:
            print(line, file=self._out, flush=True)
            await asyncio.sleep(self._pace)

    def _as(self, style: str, text: str) -> str:
        return f"{style}{text}{PLAIN}" if self._is_coloured and style else text
