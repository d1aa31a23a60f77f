"""The production lanekeeperd against devices that others wrote: libosdp as the reader, pymodbus as the thermometer."""

import asyncio
import os
import shutil
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "Simulators"), str(TOP / "Tests" / "python"), str(Path(__file__).resolve().parent)]

from lanesim_parts import site  # noqa: E402
from lanesim_parts.stage import PROGRAMS, Stage  # noqa: E402

from lateness import lateness  # noqa: E402, F401
from peer_lane import PeerLane  # noqa: E402

SCENARIO_SECONDS = 120


@pytest.fixture(scope="session")
def binaries() -> Path:
    directory = Path(os.environ.get("LANEKEEPER_BIN", TOP / ".build" / "debug"))
    missing = [name for name in PROGRAMS if not (directory / name).is_file()]
    if missing:
        pytest.fail(f"{directory} lacks {missing}: `swift build` first, or set LANEKEEPER_BIN", pytrace=False)
    return directory


@pytest.fixture
def open_lane(binaries, request):
    """`async with open_lane(people, reader=…, thermometer=…) as lane:` — a site of one lane whose reader or thermometer
    is configured by these lines of YAML instead of the usual ones. `{devices}` stands for the folder of its lines.

    `prepare(lane)` runs before the daemon starts; it opens the other end of those lines."""
    made = []

    @asynccontextmanager
    async def open(crowd, prepare, reader=None, thermometer=None):
        directory = Path(tempfile.mkdtemp(prefix="lk-"))
        made.append(directory)
        stage = Stage(directory, binaries, seed=1)
        lane = None
        try:
            settings = site.lanes(1)
            stage.make_site(crowd, settings)
            port = await stage.open_collector(None)

            def configure(lane_stage):
                nonlocal lane
                lane = PeerLane(stage, lane_stage)
                lane.configure(reader, thermometer)
                prepare(lane)

            await stage.open_lanes(settings, port, prepare=configure)
            yield lane
        finally:
            if lane is not None:
                lane.close()
            await stage.close(keep=True)

    yield open
    failed = getattr(request.node, "has_failed", True)
    for directory in made:
        if failed:
            print(f"\nkept for a look: {directory}")
            for log in sorted((directory / "logs").glob("lanekeeperd*.log")):
                print(f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-40:]))
        else:
            shutil.rmtree(directory, ignore_errors=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call":
        item.has_failed = report.failed


@pytest.fixture
def run():
    """Runs a scenario to its end, or fails after a bound."""

    def run(scenario):
        return asyncio.run(asyncio.wait_for(scenario, SCENARIO_SECONDS))

    return run
