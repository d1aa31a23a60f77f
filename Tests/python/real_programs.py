"""The real programs, with simulated devices and people around them: fixtures of EndToEnd and peers. A conftest imports
them by name."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "Simulators")]

import late_starts  # noqa: E402
from lanesim_parts import people, site, sorts  # noqa: E402
from lanesim_parts.lane import Patience  # noqa: E402
from lanesim_parts.stage import PROGRAMS, Stage  # noqa: E402

SCENARIO_SECONDS = 600
LINES_OF_A_LOG = 40
# On a machine that is busy.
PATIENCE = Patience(ready=60.0, answer=60.0, release_falls=60.0, alarm=60.0)


@pytest.fixture(scope="session")
def binaries() -> Iterator[Path]:
    directory = Path(os.environ.get("LANEKEEPER_BIN", TOP / ".build" / "debug"))
    missing = [name for name in PROGRAMS if not (directory / name).is_file()]
    if missing:
        pytest.fail(f"{directory} lacks {missing}: `swift build` first, or set LANEKEEPER_BIN", pytrace=False)
    if late_starts.SEED not in os.environ:
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="lk-late-") as home:
        yield late_starts.late(directory, Path(home))


@pytest.fixture
def open_stage(binaries, request):
    """`async with open_stage(people, lanes=…) as stage:` — a site that runs, ended and cleared away afterwards.
    Its lanes are the simulator's usual ones, or those of `settings`; `before_lanes(lane)` runs before each daemon starts.
    `encrypted`: over TLS, with enrolled lanes.

    A short directory, because a Unix socket's path has at most 107 bytes. It stays when the test fails."""
    made = []

    @asynccontextmanager
    async def open(
        crowd, lanes=1, seed=1, proxy=None, before_lanes=None, launchers=None, settings=None, encrypted=False
    ):
        directory = Path(tempfile.mkdtemp(prefix="lk-"))
        made.append(directory)
        stage = Stage(directory, binaries, seed, PATIENCE)
        stage.launchers = launchers or {}
        stage.encrypted = encrypted
        readers = late_starts.LateReaders(request.node.name)

        def prepare(lane):
            if before_lanes:
                before_lanes(lane)
            if late_starts.SEED in os.environ:
                readers.pull(lane)

        try:
            chosen = settings or site.lanes(lanes)
            stage.make_site(crowd, chosen)
            port = await stage.open_collector(None)
            if proxy is not None:
                proxy.target = port
                await proxy.open()
                port = proxy.port
            await stage.open_lanes(chosen, port, prepare=prepare)
            yield stage
        finally:
            readers.close()
            await stage.close(keep=True)
            if proxy is not None:
                await proxy.close()

    yield open
    failed = getattr(request.node, "has_failed", True)
    for directory in made:
        if failed:
            print(f"\nkept for a look: {directory}")
            for log in sorted((directory / "logs").glob("*.log")):
                lines = log.read_text(errors="replace").splitlines()[-LINES_OF_A_LOG:]
                print(f"--- {log.name}\n" + "\n".join(lines))
        else:
            shutil.rmtree(directory, ignore_errors=True)


def pytest_terminal_summary(terminalreporter):
    if seed := os.environ.get(late_starts.SEED):
        terminalreporter.write_line(f"programs started late: {late_starts.SEED}={seed}")


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


def named(name: str) -> sorts.Sort:
    return next(sort for sort in sorts.ALL if sort.name == name)


def make_people(*names: str, seed: int = 1) -> list[people.Person]:
    """One person of each of these sorts."""
    chips = people.unused_chips(random.Random(seed))
    return [
        people.Person(number, sort := named(name), sort.kind or "visitor", next(chips), sort.celsius or 36.5)
        for number, name in enumerate(names, 1)
    ]
