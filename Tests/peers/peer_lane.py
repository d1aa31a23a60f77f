"""One lane with a device of somebody else's, and what can be seen of it from outside."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from lanesim_parts.stage import LaneStage, Stage

BOUND = 60.0
WALL_SAMPLES = 3


class Closing(Protocol):
    def close(self) -> None: ...


class PeerLane:
    def __init__(self, lane: LaneStage, reader: str | None, thermometer: str | None) -> None:
        self.stage: Stage = lane.stage
        self.lane = lane
        self.devices: Path = lane.devices
        self.opened: list[Closing] = []
        self._configure(reader, thermometer)

    def _configure(self, reader: str | None, thermometer: str | None) -> None:
        path = self.lane.configuration
        lines = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("  - { name: chip,") and reader:
                line = "  - { name: chip, " + reader.format(devices=self.devices) + " }"
            if line.startswith("thermometer:") and thermometer:
                line = "thermometer: { " + thermometer.format(devices=self.devices) + " }"
            lines.append(line)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def write_key(self, key: bytes) -> None:
        file = self.devices / "reader.key"
        file.touch(mode=0o600)
        file.write_text(f"lanekeeper-osdp-scbk-1 {key.hex()}\n")

    def close(self) -> None:
        for device in self.opened:
            device.close()

    # What is seen.

    @property
    def gate(self) -> Any:
        return self.lane.simulated.gate

    def log(self) -> str:
        return self.lane.daemon.log.read_text(encoding="utf-8") if self.lane.daemon else ""

    def status(self) -> dict[str, Any]:
        return json.loads(self.stage.command("lanectl", "--run", self.lane.run, "--json", "status"))

    def events(self, last: int = 50) -> list[dict[str, Any]]:
        text = self.stage.command("lanectl", "--state", self.lane.state, "--json", "events", "--last", str(last))
        return [json.loads(line) for line in text.splitlines()]

    def device(self, name: str) -> dict[str, Any]:
        return next(device for device in self.status()["devices"] if device["name"] == name)

    async def until(self, what: str, holds: Callable[[], bool], seconds: float = BOUND) -> float:
        """Waits until it holds; how many seconds that took. Fails after a bound."""
        began = time.monotonic()
        while not holds():
            self.stage.check()
            assert time.monotonic() - began < seconds, f"{what}: not within {seconds:g} s"
            await asyncio.sleep(0.01)
        return time.monotonic() - began

    async def until_the_wall_is_seen(self) -> None:
        """Nobody stands before the lane's own thermometer, and the lane has heard so."""
        thermometer = self.lane.simulated.thermometer
        thermometer.nobody_stands_there()
        before = thermometer.walls
        await self.until("the thermometer sees the wall", lambda: thermometer.walls >= before + WALL_SAMPLES)

    async def until_ready(self) -> None:
        """A badge that is shown now meets a lane that judges it."""
        await self.until("the lane is ready", self.lane.simulated.is_ready)

    async def until_device(self, name: str, state: str, seconds: float = BOUND) -> float:
        return await self.until(f"{name} is {state}", lambda: self.device(name)["state"] == state, seconds)

    async def until_decided(self, count: int) -> dict[str, Any]:
        """Waits for so many decisions since the start; the newest."""
        await self.until(f"{count} decisions", lambda: self.status()["since_start"]["presented"] >= count)
        status = self.status()
        assert status["since_start"]["presented"] == count
        return status["last_decisions"][0]
