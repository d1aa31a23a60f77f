"""Hundreds of lanes at one collector, enrolled, over TLS: their uplinks run the product's own code, many in one process
(Tests/UplinkCrowd), which says when an image or a change has come, was verified, and the lane's bell had rung."""

from __future__ import annotations

import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lanesim_parts.stage import Stage

PROGRAM = "uplink-crowd"
FIRST_WAIT_SECONDS = 60
STOP_SECONDS = 20
AT_ONCE = 2 * (os.cpu_count() or 1)


class UplinkCrowd:
    """Lanes `crowd-0001` and so on. `folder` is best on a file system that has no disk: on real lanes each has its own."""

    def __init__(self, stage: Stage, folder: Path, lanes: int, lanes_in_a_process: int = 250) -> None:
        self.stage, self.folder = stage, folder
        self.lanes = [f"crowd-{number:04d}" for number in range(1, lanes + 1)]
        self.lanes_in_a_process = lanes_in_a_process
        self.processes: list[subprocess.Popen[bytes]] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self.images: dict[int, dict[str, int]] = {}  # version: lane: CLOCK_MONOTONIC, ns
        self._changes: dict[str, list[tuple[int, int]]] = {lane: [] for lane in self.lanes}
        self.started = 0

    def enrol(self) -> None:
        """As an operator does it, one `lane add` for each."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._enrol, self.lanes))

    def _home(self, lane: str) -> Path:
        group = self.lanes.index(lane) // self.lanes_in_a_process
        return self.folder / f"{group}" / lane

    def _enrol(self, lane: str) -> None:
        home = self._home(lane)
        identity = home / "identity"
        identity.mkdir(parents=True, mode=0o700)
        file = home / "enrol"
        name = ("--name", lane)
        self.stage.command("lanekeeper-collector", "lane", "add", lane, *name, "--data", self.stage.data, "--out", file)
        parts = parts_of(file.read_bytes())
        (identity / "ca.pem").write_bytes(parts["ca"])
        own = identity / "lane.pem"
        own.touch(0o600)
        own.write_bytes(parts["identity"])
        file.unlink()

    def start(self, url: str) -> None:
        for group in sorted(self.folder.iterdir()):
            with (self.stage.logs / f"{PROGRAM}-{group.name}.log").open("wb") as log:
                process = subprocess.Popen(
                    ["setpriv", "--pdeathsig", "TERM", str(self.stage.binaries / PROGRAM),
                     "--directory", str(group), "--url", url, "--keys", str(self.stage.keys)],
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                )  # fmt: skip
            self.processes.append(process)
            thread = threading.Thread(target=self._read, args=(process,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            words = line.decode().split()
            with self._lock:
                match words:
                    case ["lanes", count]:
                        self.started += int(count)
                    case ["image", lane, version, instant]:
                        self.images.setdefault(int(version), {})[lane] = int(instant)
                    case ["changes", lane, last, instant]:
                        self._changes[lane].append((int(last), int(instant)))

    def has_image(self, version: int) -> int:
        """How many have it."""
        with self._lock:
            return len(self.images.get(version, {}))

    def reached(self, change: int) -> dict[str, int]:
        """When each lane had this change or a later one, ns; those that have."""
        with self._lock:
            found = {
                lane: next((instant for last, instant in seen if last >= change), None)
                for lane, seen in self._changes.items()
            }
        return {lane: instant for lane, instant in found.items() if instant is not None}

    def check(self) -> None:
        for process in self.processes:
            if process.poll() is not None:
                raise AssertionError(f"{PROGRAM} ended with status {process.returncode}, see {self.stage.logs}")

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_SECONDS)
        for thread in self._threads:
            thread.join(STOP_SECONDS)


def parts_of(file: bytes) -> dict[str, bytes]:
    """What stands in an enrolment file as `NAME LENGTH`, a line feed and so many bytes (docs/formats.md)."""
    parts: dict[str, bytes] = {}
    for part, name in (("ca", "authorities"), ("identity", "identity")):
        begin = file.index(b"\n%s " % name.encode()) + 1
        line = file.index(b"\n", begin)
        length = int(file[begin:line].split()[1])
        parts[part] = file[line + 1 : line + 1 + length]
    return parts
