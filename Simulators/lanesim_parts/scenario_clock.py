"""The clocks of a scenario's lane, by the file that SimulatedClock/clock.c maps; it is drawn there."""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

LIBRARY = "libSimulatedClock.so"


class SimulatedClock:
    """The lane's clocks, apart from the machine's."""

    SIZE = 24

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(self.SIZE))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), self.SIZE)

    def environment(self, binaries: Path) -> dict[str, str]:
        return {"LD_PRELOAD": str(binaries / LIBRARY), "LANESIM_CLOCK": str(self.path)}

    def move_to(self, ahead_seconds: float) -> None:
        """So far ahead of the true time."""
        struct.pack_into("<q", self._memory, 0, round(ahead_seconds * 1e9))

    def set(self, instant_seconds: float) -> None:
        """To this instant, in seconds since 1970; from there it goes on."""
        self.move_to(instant_seconds - time.time())

    def let_pass(self, seconds: float) -> None:
        """As if so much time had gone by: both clocks are later."""
        for place in (8, 0):
            (before,) = struct.unpack_from("<q", self._memory, place)
            struct.pack_into("<q", self._memory, place, before + round(seconds * 1e9))

    def synchronise(self, is_synchronised: bool) -> None:
        struct.pack_into("<i", self._memory, 16, int(is_synchronised))

    def close(self) -> None:
        self._memory.close()
