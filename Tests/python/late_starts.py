"""Programs and readers that come late, for tests that must not care: `LANEKEEPER_LATE_STARTS=SEED Tests/run e2e`.

Each start of the daemon, the uplink and the collector is put off by up to two seconds, and each reader is plugged in up
to a second after its daemon was started, drawn from the seed. A test that acts before a lane is ready, or takes what
stood there before for something new, fails under some seed."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import uplink_crowd
from lanesim_parts.stage import LaneStage

SEED = "LANEKEEPER_LATE_STARTS"
READER_SECONDS = 1.0
WRAPPER = Path(__file__).with_name("late_start")


def late(directory: Path, home: Path) -> Path:
    """Fills the empty folder `home` with programs that are those of `directory`, late; everybody may look into it."""
    os.environ["LANEKEEPER_LATE_BIN"] = str(directory.resolve())
    os.environ["LANEKEEPER_LATE_HOME"] = str(home)
    for file in directory.iterdir():
        if file.suffix == ".so":
            (home / file.name).symlink_to(file.resolve())
        elif file.name in (uplink_crowd.PROGRAM, "intake-bench"):
            (home / file.name).symlink_to(file.resolve())
        elif file.is_file() and file.name.startswith("lane") and not file.suffix:
            (home / file.name).symlink_to(WRAPPER)
    home.chmod(0o755)
    return home


class LateReaders:
    """Pulls the cable of each reader of a lane before its daemon starts, and puts it back a moment later."""

    def __init__(self, test: str) -> None:
        self._test = test
        self._handles: list[asyncio.TimerHandle] = []

    def pull(self, lane: LaneStage) -> None:
        chance = random.Random(f"{os.environ[SEED]} {self._test} {lane.settings.id}")
        for reader in lane.simulated.readers:
            reader.line.unplug()
            delay = chance.uniform(0.0, READER_SECONDS)
            self._handles.append(asyncio.get_running_loop().call_later(delay, reader.line.plug_in))

    def close(self) -> None:
        for handle in self._handles:
            handle.cancel()
