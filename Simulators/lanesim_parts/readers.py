"""The readers of a simulated lane: what the daemon's configuration says of each, and the device that is there."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .people import Person
from .pn532 import PN532
from .reader import Reader
from .scanner import Scanner
from .serial_line import SerialLine
from .uhf import UHFReader


class AnyReader(Protocol):
    line: SerialLine

    @staticmethod
    def identifier_of(person: Person) -> bytes:
        """What of this person's this reader reads."""

    def hold(self, identifier: bytes, seconds: float) -> None: ...

    def withdraw(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class ReaderSettings:
    name: str = "chip"
    type: str = "rdm6300"
    # More keys of the daemon's configuration, as YAML of one line.
    more: str = ""
    device: tuple[Any, ...] = ()  # arguments of the simulated one

    def yaml(self, port: str) -> str:
        return f"{{ name: {self.name}, type: {self.type}, port: {port}{', ' if self.more else ''}{self.more} }}"


def open_rdm6300(link: Path, chance: random.Random) -> AnyReader:
    return Reader(link, chance, with_crlf=chance.random() < 0.5)


TYPES: dict[str, Callable[..., AnyReader]] = {
    "rdm6300": open_rdm6300,
    "id-12la": lambda link, chance: Reader(link, chance, with_crlf=True),
    "pn532": PN532,
    "scanner": Scanner,
    "uhf": UHFReader,
}


def open_reader(settings: ReaderSettings, link: Path, chance: random.Random) -> AnyReader:
    return TYPES[settings.type](link, chance, *settings.device)
