"""One lane as people meet it: a reader, a thermometer, a gate, and the visit of one person after the other."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import crowd_log
from .crowd_log import CrowdLog, Visit
from .gate import Gate
from .people import Person
from .readers import AnyReader, ReaderSettings, open_reader
from .thermometer import Thermometer


@dataclass(frozen=True)
class LaneSettings:
    id: str
    name: str
    kind: str  # entry | exit | two-way
    from_zone: str
    to_zone: str
    admits_vehicles: bool = False
    service_point: str = "N2"
    passage_timeout_milliseconds: int = 3000
    readers: tuple[ReaderSettings, ...] = (ReaderSettings(),)

    def reader_line(self, index: int) -> str:
        """The name of that reader's line among the devices."""
        return "reader.tty" if index == 0 else f"reader-{index}.tty"


@dataclass(frozen=True)
class Patience:
    """How long people wait, in seconds: bounds, not timings."""

    ready: float = 30.0
    answer: float = 8.0
    release_falls: float = 12.0
    alarm: float = 10.0


STEP_UP_SECONDS = (0.3, 0.6)  # the thermometer sees the wall meanwhile


class SimulatedLane:
    # A forward pulse this soon after a passage is tailgating (2 s in the product); who forces the gate comes later.
    CLEAR_OF_TAILGATING_SECONDS = 2.6

    def __init__(
        self, settings: LaneSettings, run: Path, log: CrowdLog, chance: random.Random, patience: Patience = Patience()
    ) -> None:
        run.mkdir(parents=True, exist_ok=True)
        self.settings = settings
        self.log = log
        self.patience = patience
        self._chance = chance
        self.readers: list[AnyReader] = [
            open_reader(reader, run / settings.reader_line(index), chance)
            for index, reader in enumerate(settings.readers)
        ]
        self.reader = self.readers[0]  # where people badge
        self.thermometer = Thermometer(run / "thermometer.tty", chance, sends_by_itself=chance.random() < 0.5)
        self.gate = Gate(run / "gate.sock", self._note)
        self._visits = 0
        self._last_walk = -60.0
        self.is_judging = False  # a badge was shown and has no answer

    async def open(self) -> None:
        await self.gate.open()

    async def close(self) -> None:
        for reader in self.readers:
            reader.close()
        self.thermometer.close()
        await self.gate.close()

    def _note(self, event: dict[str, Any]) -> None:
        self.log.note(self.settings.id, event)
        if event["what"] == "disconnected":  # what a daemon that died left unread is not for the next one
            for reader in self.readers:
                reader.line.forget_unread()

    def is_ready(self) -> bool:
        """Amber alone: the daemon is there, and nothing of the person before is left."""
        level = self.gate.level
        return bool(level["lamp_amber"]) and not (level["release"] or level["lamp_red"] or level["lamp_green"])

    async def visit(self, person: Person) -> Visit:
        """One person's turn, from stepping up to being gone. The visit is in the log when this returns."""
        sort = person.sort
        self._visits += 1
        visit = Visit(
            number=self._visits,
            lane=self.settings.id,
            lane_kind=self.settings.kind,
            person=person.number,
            holder=person.holder,
            sort=sort.name,
            kind=person.kind,
            chip=person.chip.hex(),
            expected=crowd_log.NOTHING
            if not sort.badges
            else crowd_log.RELEASED
            if sort.admitted
            else crowd_log.REFUSED,
            reasons=list(sort.reasons),
            behaviour=sort.behaviour,
        )
        await self.step_up()
        visit.wall_ms = time.time_ns() // 1_000_000
        if sort.badges:
            await self._badge(person, visit)
        else:
            await self._go_at_the_gate(visit)
        self.log.add(visit)
        return visit

    async def step_up(self) -> bool:
        """Comes up to a lane that is ready, and begins again when it ceased to be while one came. False when it was not
        ready for as long as people wait."""
        end = time.monotonic() + self.patience.ready
        while (left := end - time.monotonic()) > 0:
            await self.gate.wait_until(self.is_ready, left)
            daemon = self.gate.connections["lane"]
            await asyncio.sleep(self._chance.uniform(*STEP_UP_SECONDS))
            if self.is_ready() and self.gate.connections["lane"] == daemon:
                return True
        return False

    async def _badge(self, person: Person, visit: Visit) -> None:
        gate, began = self.gate, time.monotonic()
        daemon = gate.connections["lane"]
        releases, refusals = gate.rises["release"], gate.rises["lamp_red"]
        falls = gate.falls_commanded["release"]

        def is_cut() -> bool:
            return not gate.is_connected() or gate.connections["lane"] != daemon

        def is_answered() -> bool:
            return gate.rises["release"] > releases or gate.rises["lamp_red"] > refusals or is_cut()

        self.reader.hold(self.reader.identifier_of(person), self._chance.uniform(0.4, 1.0))
        self.thermometer.somebody_stands_there(person.celsius)
        try:
            self.is_judging = True
            gate.stir()
            await gate.wait_until(is_answered, self.patience.answer)
            self.is_judging = False
            visit.in_emergency = bool(gate.level["emergency"])
            if gate.rises["release"] > releases:
                visit.answer = crowd_log.RELEASED
            elif gate.rises["lamp_red"] > refusals and not is_cut():
                visit.answer = crowd_log.REFUSED
            if visit.answer != crowd_log.NOTHING:
                visit.answer_ms = round((time.monotonic() - began) * 1000)
            visit.cut = is_cut()
            if visit.answer == crowd_log.RELEASED and not visit.cut:
                await self._use_release(visit, is_cut, falls)
        finally:
            self.reader.withdraw()
            self.thermometer.nobody_stands_there()
        visit.cut = visit.cut or is_cut()

    async def _use_release(self, visit: Visit, is_cut: Callable[[], bool], falls: int) -> None:
        """`falls`: how often a release had fallen before this one rose."""
        gate = self.gate

        def has_fallen() -> bool:
            return gate.falls_commanded["release"] > falls or is_cut()

        if visit.behaviour == "stays":
            await gate.wait_until(has_fallen, self.patience.release_falls)
            return
        await gate.wait_until(is_cut, self._chance.uniform(0.2, 0.7))  # the step through
        self.thermometer.nobody_stands_there()
        self.reader.withdraw()
        if not gate.is_open:
            return  # the bar fell before the first step
        visit.walked = True
        await gate.pulse("passage_forward")
        self._last_walk = time.monotonic()
        await gate.wait_until(has_fallen, self.patience.release_falls)
        visit.walk_confirmed = gate.falls_commanded["release"] > falls
        if visit.behaviour == "tailgated" and not is_cut():
            await asyncio.sleep(self._chance.uniform(0.2, 0.5))
            visit.followed += 1
            await self._walk_unbidden("passage_forward")
            self._last_walk = time.monotonic()

    async def _go_at_the_gate(self, visit: Visit) -> None:
        wait = self._last_walk + self.CLEAR_OF_TAILGATING_SECONDS - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        if visit.behaviour == "wrong-way":
            visit.wrong_way += 1
            visit.cut = not await self._walk_unbidden("passage_backward")
        else:
            visit.forced += 1
            visit.cut = not await self._walk_unbidden("passage_forward")

    async def _walk_unbidden(self, contact: str) -> bool:
        """Whether the lane sounded its buzzer, and has taken note before anybody else comes; False when its daemon went
        away. Where the gate stands open nobody is warned."""
        gate = self.gate
        await gate.wait_until(lambda: not gate.level["buzzer"], self.patience.alarm)
        daemon, alarms = gate.connections["lane"], gate.rises["buzzer"]

        def is_cut() -> bool:
            return not gate.is_connected() or gate.connections["lane"] != daemon

        await gate.pulse(contact)
        await gate.wait_until(
            lambda: gate.rises["buzzer"] > alarms or is_cut() or gate.is_open, self.patience.alarm
        )
        return gate.rises["buzzer"] > alarms or not is_cut()
