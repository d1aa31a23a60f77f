"""The production lanekeeperd in a virtual machine with real GPIO lines and real serial ports, once with each libgpiod.

What is true is what the kernel shows: the levels of the lines in sysfs. Prepared by Tests/run vm, which says in
LANEKEEPER_VM where kernel and programs are."""

from __future__ import annotations

import http.client
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path[:0] = [str(TOP / "Simulators"), str(HERE)]

from lanesim_parts import feed, people, site, sorts  # noqa: E402
from lanesim_parts.stage import free_port  # noqa: E402

from guest import Guest, GuestFailure, Wire  # noqa: E402
from lane import Lane  # noqa: E402

SERVE_SECONDS = 60.0

# Ended after its time it says where it was, and clears away.
signal.signal(signal.SIGTERM, signal.default_int_handler)


def named(name: str) -> sorts.Sort:
    return next(sort for sort in sorts.ALL if sort.name == name)


@pytest.fixture(scope="session")
def cache() -> Path:
    return Path(os.environ.get("LANEKEEPER_VM", TOP / ".cache" / "vm"))


@pytest.fixture(scope="session")
def crowd() -> dict[str, people.Person]:
    chips = people.unused_chips(random.Random(3))
    names = ("may pass: visitor", "may pass: media", "code red")
    return {
        name: people.Person(number, named(name), named(name).kind or "visitor", next(chips), 36.5)
        for number, name in enumerate(names, 1)
    }


@pytest.fixture(scope="session")
def work():
    directory = Path(tempfile.mkdtemp(prefix="lk-vm-"))
    yield directory
    if os.environ.get("LANEKEEPER_KEEP"):
        print(f"kept for a look: {directory}")
    else:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def lane_files(cache, crowd, work) -> Path:
    """Keys, a signed image and a statement, made by the production collector a moment ago."""
    directory = work / "site"
    incoming = directory / "state" / "uplink" / "incoming"
    incoming.mkdir(parents=True)
    data = work / "collector"
    collector = cache / "bin" / "lanekeeper-collector"

    def command(*arguments: object) -> None:
        subprocess.run([collector, *map(str, arguments)], check=True, timeout=SERVE_SECONDS, stdout=subprocess.DEVNULL)

    command("init", "--data", data)
    with (work / "feed.csv").open("w", encoding="utf-8", newline="") as file:
        feed.write(file, crowd.values(), datetime.now(timezone.utc))
    command("import", "--data", data, work / "feed.csv")
    port = free_port()
    (work / "collector.yaml").write_text(site.collector_configuration(data, port, {"bench-01": "北登录厅-01"}), encoding="utf-8")
    with (work / "collector.log").open("wb") as log:
        serving = subprocess.Popen([collector, "serve", "--config", work / "collector.yaml"], stdout=log, stderr=log)
        try:
            image, headers = fetch(port, "/v1/image", serving)
            version = int(headers["Lanekeeper-Image-Version"])
            (incoming / f"image-{version:020d}.img").write_bytes(image)
            (incoming / "statement").write_bytes(fetch(port, "/v1/statement", serving)[0])
        finally:
            serving.terminate()
            serving.wait(SERVE_SECONDS)
    for name in ("site.pub", "badge.key"):
        shutil.copy(data / "keys" / name, directory / name)
    return directory


def fetch(port: int, path: str, serving: subprocess.Popen[bytes]):
    end = time.monotonic() + SERVE_SECONDS
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body
            return body, answer.headers
        except OSError:
            if time.monotonic() > end or serving.poll() is not None:
                raise
            time.sleep(0.1)
        finally:
            connection.close()


@pytest.fixture(scope="session", params=["1.6", "2.2"], ids=lambda version: f"libgpiod-{version}")
def lane(request, cache, lane_files, work):
    """The lane in a guest of its own, for all tests with one libgpiod."""
    directory = work / request.param
    directory.mkdir()
    initramfs = directory / "initramfs"
    make = [HERE / "make-initramfs", initramfs, cache / "kernel", cache, request.param, lane_files]
    subprocess.run(make, check=True)
    guest = Guest(directory, cache / "kernel", initramfs, cache / f"log-{request.param}")
    try:
        lane = Lane(guest, request.param, Wire(guest.uart), Wire(guest.usb))
        yield lane
        lane.stop()
        # What a kernel says whose memory is no longer sound; nothing that was seen after that would count.
        unsound = guest.ask("dmesg | grep -E 'BUG:|WARNING:|Oops|protection fault'")[1]
        assert not unsound, unsound
        last = guest.end()
        assert last.strip() == "GUEST-RC 0", f"the guest said last: {last}"
    finally:
        guest.kill()


@pytest.fixture
def running(lane):
    """The same lane with its daemon at work, and nothing left of the test before."""
    lane.reset()
    yield lane
    lane.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        lane = item.funcargs.get("lane") or item.funcargs.get("running")
        if lane is not None:
            try:
                report.sections.append(("the daemon's log", lane.tail()))
            except GuestFailure as failure:
                report.sections.append(("the guest", str(failure)))
