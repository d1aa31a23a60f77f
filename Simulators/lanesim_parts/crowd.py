"""The crowd: when people arrive at the site, which lane they queue at, and who leaves again."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Sequence

from . import sorts
from .lane import SimulatedLane
from .people import Person

LEAVING_SHARE = 0.4  # of those who walked in, leave again while we look
UNKNOWN_SHARE = 0.04  # of those who leave, do so with a badge nobody knows
STAY_SECONDS = (8.0, 40.0)
MOST_PRESENTATIONS = 5  # of one person whose presentations a restart cut short


class Crowd:
    def __init__(self, lanes: Sequence[SimulatedLane], people: Sequence[Person], rate: float, seed: int) -> None:
        self._lanes = list(lanes)
        self._entries = [lane for lane in lanes if lane.settings.kind == "entry"]
        self._exits = [lane for lane in lanes if lane.settings.kind == "exit"]
        self._people = list(people)
        self._spacing = 60.0 / rate
        self._chance = random.Random(seed ^ 0x5EED)
        self._queues: dict[str, deque[Person]] = {lane.settings.id: deque() for lane in lanes}
        self._visiting: Counter[str] = Counter()
        self._wake = {lane.settings.id: asyncio.Event() for lane in lanes}
        self._arriving = False
        self._sent_home = False
        self._end: float | None = None
        self._somebody_left = False
        self._leaving: list[asyncio.Task[None]] = []
        self.arrived = 0

    def waiting(self, lane: str) -> int:
        return len(self._queues[lane]) + self._visiting[lane]

    @property
    def is_gone(self) -> bool:
        """Everybody who came has had his turn, and nobody comes any more."""
        return (
            not self._arriving
            and all(task.done() for task in self._leaving)
            and not any(self.waiting(lane) for lane in self._queues)
        )

    async def run(self, for_seconds: float | None) -> None:
        """Lets people arrive, for so long at most, and returns when the last has had his turn."""
        self._arriving = True
        clock = asyncio.get_running_loop().time
        workers = [asyncio.ensure_future(self._work(lane)) for lane in self._lanes]
        watch = asyncio.ensure_future(self._first_failure(workers))
        self._end = None if for_seconds is None else clock() + for_seconds
        try:
            await self._arrive(self._end)
            self._arriving = False
            while not self.is_gone:
                if watch.done():
                    watch.result()
                await asyncio.sleep(0.1)
        finally:
            for task in [watch, *workers, *self._leaving]:
                task.cancel()

    def send_home(self) -> None:
        """Nobody comes any more and the queues dissolve; who stands in a lane finishes."""
        self._sent_home = True
        for queue in self._queues.values():
            queue.clear()
        for task in self._leaving:
            task.cancel()

    async def _arrive(self, end: float | None) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        for index, person in enumerate(self._people):
            due = began + (index + self._chance.uniform(0.05, 0.95)) * self._spacing
            now = due if end is None else min(due, end)
            while clock() < now and not self._sent_home:
                await asyncio.sleep(max(0.0, min(0.2, now - clock())))
            if self._sent_home or now < due:
                return
            if lanes := self._suitable(person):  # a site may have no lane for vehicles, or none for people alone
                self._queue(person, lanes)
            self.arrived += 1

    def _suitable(self, person: Person) -> list[SimulatedLane]:
        sort = person.sort
        if sort.vehicle_lane:
            return [lane for lane in self._entries if lane.settings.admits_vehicles]
        if person.kind == sorts.VEHICLE:
            return [lane for lane in self._entries if not lane.settings.admits_vehicles]
        return self._entries

    def _queue(self, person: Person, lanes: Sequence[SimulatedLane]) -> None:
        shortest = min(self.waiting(lane.settings.id) for lane in lanes)
        lane = self._chance.choice([lane for lane in lanes if self.waiting(lane.settings.id) == shortest])
        self._queues[lane.settings.id].append(person)
        self._wake[lane.settings.id].set()

    async def _work(self, lane: SimulatedLane) -> None:
        id = lane.settings.id
        while True:
            while not self._queues[id]:
                self._wake[id].clear()
                await self._wake[id].wait()
            person = self._queues[id].popleft()
            self._visiting[id] = 1
            for _ in range(MOST_PRESENTATIONS):
                visit = await lane.visit(person)
                if not visit.cut or visit.walked or not person.sort.badges:
                    break
            self._visiting[id] = 0
            if visit.walked and lane.settings.kind == "entry" and self._exits:
                self._let_leave(person)

    def _let_leave(self, person: Person) -> None:
        """Some of those who came in go out again, after a while; who would go when nobody moves any more stays."""
        seconds = self._chance.uniform(*STAY_SECONDS)
        due = asyncio.get_running_loop().time() + seconds
        if self._sent_home or self._chance.random() >= LEAVING_SHARE or (self._end is not None and due > self._end):
            return
        self._leaving.append(asyncio.ensure_future(self._leave(person, seconds)))

    async def _leave(self, person: Person, seconds: float) -> None:
        await asyncio.sleep(seconds)
        is_first, self._somebody_left = not self._somebody_left, True
        if person.kind != sorts.VEHICLE and (is_first or self._chance.random() < UNKNOWN_SHARE):
            person = person.leaving(sorts.LEAVES_WITH_UNKNOWN_BADGE, bytes([0x90]) + self._chance.randbytes(4))
        else:
            person = person.leaving(sorts.LEAVES)
        self._queue(person, self._exits)

    @staticmethod
    async def _first_failure(workers: Sequence[asyncio.Task[None]]) -> None:
        done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
