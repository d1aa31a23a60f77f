"""The production lanekeeperd against devices that others wrote: libosdp as the reader, pymodbus as the thermometer."""

import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "Simulators"), str(TOP / "Tests" / "python"), str(Path(__file__).resolve().parent)]

from lateness import lateness  # noqa: E402, F401
from peer_lane import PeerLane  # noqa: E402
from real_programs import (  # noqa: E402, F401
    binaries,
    open_stage,
    pytest_runtest_makereport,
    pytest_terminal_summary,
    run,
)


@pytest.fixture
def open_lane(open_stage):  # noqa: F811
    """`async with open_lane(people, prepare, reader=…, thermometer=…) as lane:` — a site of one lane whose reader or
    thermometer is configured by these lines of YAML instead of the usual ones. `{devices}` stands for the folder of its
    lines.

    `prepare(lane)` runs before the daemon starts; it opens the other end of those lines."""

    @asynccontextmanager
    async def open(crowd, prepare, reader=None, thermometer=None):
        lanes = []

        def configure(lane_stage):
            lanes.append(PeerLane(lane_stage, reader, thermometer))
            prepare(lanes[0])

        try:
            async with open_stage(crowd, before_lanes=configure):
                yield lanes[0]
        finally:
            for lane in lanes:
                lane.close()

    return open
