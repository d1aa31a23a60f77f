"""Waiting with a bound for what a scenario needs, and how it is told that it did not come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

BOUND_SECONDS = 10.0  # of what a scenario expects
PROGRAM_SECONDS = 60.0  # for a program to be there, or to answer: no scenario is about that
LOOK_SECONDS = 0.02  # how often what cannot be awaited is looked at


class StepFailed(Exception):
    """What was expected, and what was seen instead."""

    def __init__(self, expected: str, seen: str) -> None:
        super().__init__(f"expected {expected}\n  seen     {seen}")


async def until(holds: Callable[[], bool], expected: str, seen: Callable[[], str]) -> None:
    end = time.monotonic() + BOUND_SECONDS
    while not holds():
        if time.monotonic() > end:
            raise StepFailed(f"{expected} within {BOUND_SECONDS:g} s", seen())
        await asyncio.sleep(LOOK_SECONDS)
