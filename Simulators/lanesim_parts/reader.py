"""A 125 kHz chip reader, RDM6300 or ID-12LA, on a serial line.

    02 | 10 hex digits of 5 bytes | 2 hex digits, XOR of the 5 bytes | (0D 0A on the ID-12LA) | 03

The frame is repeated about every 65 ms while a chip is in the field; the host never talks.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from .people import Person
from .serial_line import SerialLine

REPEAT_SECONDS = 0.065


def frame(chip: bytes, with_crlf: bool = False) -> bytes:
    if len(chip) != 5:
        raise ValueError(f"an EM4100 chip has 5 bytes, not {len(chip)}")
    check = 0
    for byte in chip:
        check ^= byte
    return b"\x02" + chip.hex().upper().encode() + f"{check:02X}".encode() + (b"\r\n" if with_crlf else b"") + b"\x03"


class Reader:
    def __init__(self, link: Path, chance: random.Random, with_crlf: bool = False) -> None:
        self.line = SerialLine(link)
        self.with_crlf = with_crlf
        self.readings = 0  # frames sent
        self.last_read: dict[bytes, float] = {}  # when a chip's last frame went out, on the loop's clock
        self._chance = chance
        self.holding: asyncio.Task[None] | None = None

    @staticmethod
    def identifier_of(person: Person) -> bytes:
        return person.chip

    def hold(self, chip: bytes, seconds: float) -> None:
        """Brings a chip into the field for a while. The first frame goes out now."""
        self.withdraw()
        self.holding = asyncio.ensure_future(self._repeat(chip, seconds))

    def withdraw(self) -> None:
        if self.holding:
            self.holding.cancel()
            self.holding = None

    async def _repeat(self, chip: bytes, seconds: float) -> None:
        data = frame(chip, self.with_crlf)
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        while True:
            if self._chance.random() < 0.2:  # a slow line: the frame comes in two pieces
                split = self._chance.randrange(1, len(data))
                self.line.send(data[:split])
                await asyncio.sleep(0.008)
                self.line.send(data[split:])
            else:
                self.line.send(data)
            self.readings += 1
            self.last_read[chip] = clock()
            await asyncio.sleep(REPEAT_SECONDS)
            if clock() >= end:  # also when nobody let us go on for long: the chip has left the field
                return

    def close(self) -> None:
        self.withdraw()
        self.line.unplug()
