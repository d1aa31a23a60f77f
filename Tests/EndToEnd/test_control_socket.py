"""What a running lane answers at its control socket, to whom, and what it keeps to itself."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).resolve().parents[2]
LANESIM = TOP / "Simulators" / "lanesim"
LANE = "north-01"
DEADLINE_SECONDS = 60.0


def until(condition: Callable[[], Any], what: str) -> Any:
    """Looks again and again, within a bound; returns what the condition gave."""
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come within {DEADLINE_SECONDS} s")


@dataclass
class Lane:
    binaries: Path
    directory: Path
    daemon: subprocess.Popen[bytes]

    def lanectl(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.binaries / "lanectl"), "--config", str(self.directory / "lane.yaml"), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def status(self) -> dict[str, Any] | None:
        answer = self.lanectl("status", "--json")
        return json.loads(answer.stdout) if answer.returncode == 0 else None

    def row(self, **wanted: str) -> dict[str, str]:
        with (self.directory / "feed.csv").open(encoding="utf-8", newline="") as feed:
            return next(row for row in csv.DictReader(feed) if all(row[key] == value for key, value in wanted.items()))


@pytest.fixture(scope="module")
def lane(binaries: Path) -> Iterator[Lane]:
    # Short, because a Unix socket's path has at most 107 bytes.
    here = Path(tempfile.mkdtemp(prefix="lk-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, here)
        init = [str(binaries / "lanekeeper-collector"), "init", "--data", str(here / "data")]
        subprocess.run(init, check=True, capture_output=True, timeout=60)
        feed = [str(LANESIM), "feed", "--people", "40", "--seed", "5", "--out", str(here / "feed.csv")]
        subprocess.run(feed, check=True, capture_output=True, timeout=60)
        publish = [str(binaries / "lanekeeper-collector"), "import", "--data", str(here / "data"), str(here / "feed.csv")]
        subprocess.run(publish, check=True, capture_output=True, timeout=60)
        keys = here / "data" / "keys"
        site = (keys / "site.pub").read_text(encoding="ascii").split()[1]
        devices = here / "dev" / LANE
        (here / "dev").mkdir()
        (here / "lane.yaml").write_text(
            f"""\
site: {{ id: {site}, public_key_file: {keys}/site.pub, badge_key_file: {keys}/badge.key }}
lane: {{ id: {LANE}, name: 北登录厅-01, kind: entry, from: outside, to: north-ring, service_point: N2 }}
directories: {{ state: {here}/state, run: {here}/run }}
readers: [ {{ name: chip, type: rdm6300, port: {devices}/reader.tty }} ]
thermometer: {{ type: gy-mcu90615, port: {devices}/thermometer.tty }}
gate: {{ simulated: {{ socket: {devices}/gate.sock }} }}
policy: {{ test_window_hours: 48 }}
""",
            encoding="utf-8",
        )
        incoming = here / "state" / "uplink" / "incoming"
        incoming.mkdir(parents=True)
        (image,) = (here / "data" / "images").glob("*.img")
        shutil.copy(image, incoming / f"image-{image.name}")

        def start(*command: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            return process

        crowd = ["--lanes", "1", "--people", "40", "--rate", "600", "--seed", "5"]
        start(str(LANESIM), "run", "--run", str(here / "dev"), *crowd)
        daemon = start(str(binaries / "lanekeeperd"), "--config", str(here / "lane.yaml"))
        running = Lane(binaries, here, daemon)
        until(lambda: (status := running.status()) and status["mode"] == "normal", "a lane in service")
        until(lambda: (status := running.status()) and status["credentials"]["image_version"] == 1, "the image")
        yield running


def test_explain_tells_what_a_badge_lacks_and_its_exit_status_is_the_verdict(lane: Lane) -> None:
    whole = lane.row(vaccine="full", health_code="green", test_result="negative", activation="activated", kind="visitor")
    answer = lane.lanectl("explain", whole["chip"], "--temperature", "36.5", "--json")
    explained = json.loads(answer.stdout)
    assert explained["lookup"] == "found" and explained["kind"] == "visitor"
    rows = {row["subject"]: row for row in explained["rows"]}
    assert {"vaccine", "green_code", "test", "activated", "zone", "temperature"} <= rows.keys()
    assert all(row["needs"] for row in rows.values())
    assert (answer.returncode, explained["verdict"]) in {(0, "admitted"), (2, "refused")}
    assert (explained["verdict"] == "admitted") == (not explained["reasons"])

    fever = lane.lanectl("explain", whole["chip"], "--temperature", "38.2")
    assert fever.returncode == 2
    assert "temperature 38.2 °C, limit 37.3 °C" in fever.stdout
    later = lane.lanectl("explain", whole["chip"], "--at", "2099-01-01T00:00:00Z", "--json")
    assert {"test-expired", "no-longer-valid"} <= {reason["name"] for reason in json.loads(later.stdout)["reasons"]}

    partial = lane.row(vaccine="partial")
    assert "vaccination incomplete" in lane.lanectl("explain", partial["chip"]).stdout
    code = lane.lanectl("explain", whole["code"], "--type", "code", "--json")
    assert json.loads(code.stdout)["lookup"] == "found"
    # A code's text never opens as a chip, nor a chip as a code.
    assert json.loads(lane.lanectl("explain", whole["chip"], "--type", "code", "--json").stdout)["lookup"] == "unknown"
    unknown = lane.lanectl("explain", "ab00000000")
    assert unknown.returncode == 2 and "badge unknown" in unknown.stdout


def test_an_answer_holds_no_identifier_of_anybody(lane: Lane) -> None:
    chips = [row["chip"] for row in csv.DictReader((lane.directory / "feed.csv").open(encoding="utf-8"))]
    text = (lane.lanectl("status", "--json").stdout + lane.lanectl("events", "--last", "1000").stdout).upper()
    assert not [chip for chip in chips if chip and chip in text]


@pytest.mark.parametrize("words", [["123,14706"], ["6f00"], ["visitor"], ["6f007b3972", "--temperature", "hot"]])
def test_what_cannot_be_asked_says_why(lane: Lane, words: list[str]) -> None:
    answer = lane.lanectl("explain", *words)
    assert answer.returncode == 64 and answer.stderr.startswith("lanectl: ") and not answer.stdout


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can become nobody")
def test_nobody_may_not_ask(lane: Lane) -> None:
    directories = [lane.directory, lane.directory / "run"]
    modes = [directory.stat().st_mode for directory in directories]
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    status = [str(lane.binaries / "lanectl"), "--run", str(lane.directory / "run"), "status"]
    try:
        for directory in directories:
            directory.chmod(0o755)
        kept_out = subprocess.run(nobody + status, capture_output=True, text=True, timeout=60, check=False)
        if "Permission denied" in kept_out.stderr and "lanectl" in kept_out.stderr and "exec" in kept_out.stderr:
            pytest.skip("nobody cannot run the programs where they were built")
        assert kept_out.returncode == 77 and "member of the group" in kept_out.stderr
        # The daemon asks the kernel, also when somebody loosened the file's mode.
        socket = lane.directory / "run" / "control.sock"
        socket.chmod(0o666)
        refused = subprocess.run(nobody + status, capture_output=True, text=True, timeout=60, check=False)
        assert refused.returncode == 77 and "user 65534 may not ask" in refused.stderr
        socket.chmod(0o660)
    finally:
        for directory, mode in zip(directories, modes, strict=True):
            directory.chmod(mode & 0o7777)
