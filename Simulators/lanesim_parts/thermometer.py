"""An infrared thermometer GY-MCU90615 on a serial line.

    host:   A5 45 EA continuous · A5 15 BA one shot          (A5, command, low byte of the sum)
    device: 5A 5A 45 04 | object hi lo | ambient hi lo | low byte of the sum of all before      /100 °C, 10 a second

Nobody in front of it: it sees the wall. Somebody: a forehead, with a little noise.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from .serial_line import SerialLine

FRAME_SECONDS = 0.1
CONTINUOUS = bytes.fromhex("A545EA")
ONE_SHOT = bytes.fromhex("A515BA")


def frame(object_celsius: float, ambient_celsius: float) -> bytes:
    body = b"\x5a\x5a\x45\x04"
    for celsius in (object_celsius, ambient_celsius):
        body += round(celsius * 100).to_bytes(2, "big", signed=True)
    return body + bytes([sum(body) & 0xFF])


class Thermometer:
    def __init__(
        self, link: Path, chance: random.Random, sends_by_itself: bool = False, noise_celsius: float = 0.08
    ) -> None:
        self.line = SerialLine(link)
        self.samples = 0  # sent while somebody stood there and somebody listened
        self.walls = 0  # sent while nobody stood there and somebody listened
        self._chance = chance
        self._streaming = sends_by_itself
        self._noise = noise_celsius
        self._heard = b""
        self._bodies: tuple[float, ...] = ()
        self._task = asyncio.ensure_future(self._run())

    def somebody_stands_there(self, *celsius: float) -> None:
        """One temperature, or several in turn: two people, or a hand and a face."""
        self._bodies = celsius

    def nobody_stands_there(self) -> None:
        self._bodies = ()

    def _reading(self) -> bytes:
        ambient = 24.0 + self._chance.uniform(-0.2, 0.2)
        if not self._bodies:
            return frame(ambient + self._chance.uniform(-0.3, 0.3), ambient)
        body = self._bodies[self.samples % len(self._bodies)]
        return frame(body + self._chance.uniform(-self._noise, self._noise), ambient)

    async def _run(self) -> None:
        while True:
            self._heard = (self._heard + self.line.receive())[-64:]
            if CONTINUOUS in self._heard:
                self._streaming, self._heard = True, b""
            one_shot = ONE_SHOT in self._heard
            if one_shot:
                self._heard = b""
            if self._streaming or one_shot:
                was_heard = self.line.send(self._reading())
                self.samples += was_heard and bool(self._bodies)
                self.walls += was_heard and not self._bodies
            await asyncio.sleep(FRAME_SECONDS)

    def close(self) -> None:
        self._task.cancel()
        self.line.unplug()
