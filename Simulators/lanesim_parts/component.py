"""One program of the product, running: in a process group of its own, its output in a file, ended by its process id."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

KEPT_LINES = 12
STOP_SECONDS = 20.0  # a bound, for a machine that is busy


class ComponentDied(Exception):
    def __init__(self, component: Component) -> None:
        status = component.process.returncode
        how = f"signal {-status}" if status is not None and status < 0 else f"status {status}"
        lines = "\n".join("    " + line for line in component.last_lines() or ["(it wrote nothing)"])
        super().__init__(f"{component.name} ended by itself with {how}. Its last lines ({component.log}):\n{lines}")


class Component:
    def __init__(self, name: str, command: list[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self.name = name
        self.command = command
        self.log = log
        self._environment = environment
        self.process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *self.command],  # it does not outlive us, however we end
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={**os.environ, **self._environment} if self._environment else None,
            )

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def check(self) -> None:
        if not self.is_running:
            raise ComponentDied(self)

    def kill(self) -> None:
        """SIGKILL, and gone when this returns."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)

    def hang_up(self) -> None:
        """SIGHUP: it reads its configuration again."""
        self.process.send_signal(signal.SIGHUP)

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """SIGTERM; SIGKILL to its whole group when it is still there after so long. Its exit status."""
        if self.is_running:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(60)
        return self.process.returncode

    def last_lines(self) -> list[str]:
        try:
            return self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-KEPT_LINES:]
        except OSError:
            return []


def stop_all(components: list[Component], seconds: float = STOP_SECONDS) -> None:
    """Ends them at the same time: one bound for all."""
    for component in components:
        if component.is_running:
            component.process.terminate()
    end = time.monotonic() + seconds
    for component in components:
        component.stop(max(0.1, end - time.monotonic()))
