"""A real lanekeeperd of one lane without devices, for its memory and for how fast it takes an image."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "Simulators"))

from lanesim_parts import site  # noqa: E402

PATIENCE_SECONDS = 60
FROM_PROC = {"resident_mb": "VmRSS", "most_resident_mb": "VmHWM", "anonymous_mb": "RssAnon", "files_mb": "RssFile"}


class Daemon:
    def __init__(self, program: Path, folder: Path, data: Path) -> None:
        self.program, self.data = program, data
        self.state = folder / "state"
        self.incoming = self.state / "uplink" / "incoming"
        self.incoming.mkdir(parents=True, mode=0o750)
        # A Unix socket's path has at most 107 bytes.
        self.run = Path(tempfile.mkdtemp(prefix="lk-cache-"))
        self.log = folder / "log"
        self.configuration = folder / "lanekeeperd.yaml"
        lane = site.lanes(1)[0]
        site_id = (data / "keys" / "site.pub").read_text().split()[1]
        text = site.daemon_configuration(lane, site_id, data / "keys", self.run, self.state, self.run)
        self.configuration.write_text(text, encoding="utf-8")
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Daemon:
        with self.log.open("wb") as log:
            command = [str(self.program), "--config", str(self.configuration)]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._await("it listens", lambda: (self.run / "look.sock").exists())
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.run, ignore_errors=True)

    def take(self, image: Path, identifiers: int) -> dict[str, float]:
        """Brings the image as the uplink does. Memory before and after, and the time from `look` until `applied` says
        so, which is two syncs after the lane began to use it."""
        before = self._memory()
        version = int(image.stem)
        fresh = self.incoming / ".fresh"
        shutil.copyfile(image, fresh)
        fresh.rename(self.incoming / f"image-{version:020}.img")
        applied = self.state / "applied"
        begin = time.monotonic()
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(str(self.run / "look.sock"))
            door.sendall(b"look\n")
            self._await("the image is in force", lambda: self._says(applied, f"applied {version} "), 0.0005)
        milliseconds = (time.monotonic() - begin) * 1000
        if f"{identifiers} identifiers" not in self.log.read_text(errors="replace"):
            raise RuntimeError(f"lanekeeperd does not say that it has {identifiers} identifiers:\n{self.log.read_text()}")
        return {"look_to_applied_ms": round(milliseconds, 1), "empty_mb": before["resident_mb"]} | self._memory()

    def _memory(self) -> dict[str, float]:
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        kilobytes = dict(re.findall(r"^(\w+):\s+(\d+) kB$", status, re.MULTILINE))
        return {name: round(int(kilobytes[entry]) * 1024 / 1e6, 1) for name, entry in FROM_PROC.items()}

    @staticmethod
    def _says(path: Path, beginning: str) -> bool:
        try:
            return path.read_text().startswith(beginning)
        except FileNotFoundError:
            return False

    def _await(self, what: str, is_so, period_seconds: float = 0.01) -> None:
        assert self.process is not None
        end = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"lanekeeperd: waited for: {what}\n{self.log.read_text(errors='replace')}")
            time.sleep(period_seconds)
