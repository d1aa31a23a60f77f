"""`lanesim replay` in the place of a lane's devices."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from lanesim_parts.gate import Gate
from real_programs import TOP

BOUND = 180
LANESIM = [sys.executable, str(TOP / "Simulators" / "lanesim")]


async def replayed(links: dict[str, Path], file: Path, run: Path, gate: Gate, *options: str, status: int = 0) -> str:
    """Plays it to its end; people at the gate walk when it opens. What it says to the person who plays it."""
    process = await asyncio.create_subprocess_exec(
        *LANESIM, "replay", str(file), "--run", str(run), *[f"--link={name}={link}" for name, link in links.items()],
        *options, stderr=asyncio.subprocess.PIPE,
    )

    async def walk() -> None:
        while True:
            await gate.wait_until(lambda: gate.level["release"] == 1, BOUND)
            await gate.pulse("passage_forward")
            await gate.wait_until(lambda: gate.level["release"] == 0, BOUND)

    walking = asyncio.ensure_future(walk())
    try:
        _, errors = await asyncio.wait_for(process.communicate(), BOUND)
    finally:
        walking.cancel()
    assert process.returncode == status, errors
    return errors.decode()
