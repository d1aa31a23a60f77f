"""lanectl at a lane of a stage, the first unless another is named: asked once, or listening to its lines."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess

BOUND = 60
REFUSED = 2  # exit status


class Technician:
    def __init__(self, stage, lane=None):
        self.program = str(stage.binaries / "lanectl")
        self.configuration = str((lane or stage.lanes[0]).configuration)

    def __call__(self, command, *arguments):
        return subprocess.run(
            [self.program, command, "--config", self.configuration, *arguments],
            capture_output=True, text=True, timeout=BOUND,
        )

    def asks(self, command, *arguments):
        """What it says as JSON lines."""
        done = self(command, "--json", *arguments)
        assert done.returncode in (0, REFUSED), done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


class Tap:
    """lanectl reader tap, under way."""

    def __init__(self, stage, *arguments):
        technician = Technician(stage)
        self._command = [technician.program, "reader", "tap", *arguments, "--config", technician.configuration]

    async def __aenter__(self):
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        assert b"listening to" in await asyncio.wait_for(self._process.stderr.readline(), BOUND)
        self._reading = asyncio.ensure_future(self._process.stdout.read())
        return self

    async def __aexit__(self, *_):
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)
        self.text = (await asyncio.wait_for(self._reading, BOUND)).decode()
        self.summary = (await self._process.stderr.read()).decode()
        assert await self._process.wait() == 0, self.summary
