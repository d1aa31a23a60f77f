"""How late this machine is with anything at all: the control beside every bound on seconds.

A process of its own waits 2 ms and syncs a byte to disk, again and again, and keeps by how much the slowest turn was
late. What a test judges may be that late as well, a few times over, without being wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

_LOOP = """
import os, select, sys, tempfile, time
file = tempfile.TemporaryFile()
worst = 0.0
while True:
    began = time.monotonic()
    asked, _, _ = select.select([sys.stdin], [], [], 0.002)
    if asked:
        if not sys.stdin.readline():
            break
        print(worst, flush=True)
        worst = 0.0
        continue
    os.pwrite(file.fileno(), b"x", 0)
    os.fdatasync(file.fileno())
    worst = max(worst, time.monotonic() - began - 0.002)
"""

TURNS = 8
"""How many late turns in a row a step between two processes is granted."""


class Lateness:
    """Runs until it is left; a test asks for it by the fixture `lateness`."""

    def __enter__(self) -> Lateness:
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-c", _LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.allowance()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def allowance(self) -> float:
        """Seconds, from the slowest turn since the last call."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return TURNS * float(self._process.stdout.readline())


@pytest.fixture
def lateness() -> Iterator[Lateness]:
    """`lateness.allowance()` … `assert took < 1.0 + lateness.allowance()`"""
    with Lateness() as running:
        yield running
