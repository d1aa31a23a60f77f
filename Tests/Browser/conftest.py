"""The wall screen of a real site in Debian's Chromium."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "Simulators"), str(TOP / "Tests" / "python"), str(Path(__file__).resolve().parent)]

from wall_screen import WallScreen, open_browser  # noqa: E402
from real_programs import (  # noqa: E402, F401
    binaries,
    open_stage,
    pytest_runtest_makereport,
    run,
)


@pytest.fixture
def open_screen():
    """`async with open_screen(stage, width=…, height=…, scheme="dark") as screen:` — the page, loaded and live. Fails at
    its end when the console said anything, a violation of the policy above all."""

    @asynccontextmanager
    async def open(stage, width=1920, height=1080, scheme="light") -> AsyncIterator[WallScreen]:
        async with open_browser() as browser:
            page = await browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            screen = WallScreen(stage, page)
            await screen.load()
            yield screen
            assert screen.complaints() == []

    return open
