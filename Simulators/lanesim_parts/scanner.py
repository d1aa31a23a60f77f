"""A QR or barcode scanner on a serial line. It talks, the host never does.

    [prefix] [AIM id: ] letter modifier] code [suffix] [CR | LF | CR LF | nothing]

The AIM id is made by the scanner and is no part of the code. A code held before it is read once.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path

from .people import Person
from .serial_line import SerialLine

ENDINGS = {"cr": b"\r", "lf": b"\n", "crlf": b"\r\n", "none": b""}


@dataclass(frozen=True)
class Setup:
    """How somebody set the scanner up, with its own barcodes."""

    ending: str = "crlf"
    aim: bytes = b""  # ]Q1 before a QR code
    prefix: bytes = b""
    suffix: bytes = b""

    def record(self, code: bytes) -> bytes:
        return self.prefix + self.aim + code + self.suffix + ENDINGS[self.ending]


class Scanner:
    def __init__(self, link: Path, chance: random.Random | None = None, setup: Setup = Setup()) -> None:
        self.line = SerialLine(link)
        self.setup = setup
        self._chance = chance or random.Random()
        self._sending: asyncio.Task[None] | None = None

    @staticmethod
    def identifier_of(person: Person) -> bytes:
        return person.code.encode()

    def scan(self, code: str) -> bool:
        """Sends it in one piece. True when somebody listens."""
        return self.line.send(self.setup.record(code.encode()))

    def hold(self, code: bytes, seconds: float) -> None:
        """Holds a code before the window; it is read at once, and once."""
        self.withdraw()
        self._sending = asyncio.ensure_future(self._send(self.setup.record(code)))

    async def _send(self, record: bytes) -> None:
        # A slow line, or a USB adapter that sends what it has every few milliseconds.
        split = self._chance.randrange(1, len(record))
        self.line.send(record[:split])
        await asyncio.sleep(0.008)
        self.line.send(record[split:])

    def withdraw(self) -> None:
        """What was begun is sent to its end: a scanner does not take back what it has read."""

    def close(self) -> None:
        if self._sending:
            self._sending.cancel()
        self.line.unplug()
