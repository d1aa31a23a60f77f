"""Making an image or changes live, cut short: every step is killed once and fails once for want of room, in the daemon and
in the uplink; and the disk is full while an image comes. What was in force stays, whole, and what is new comes by itself."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone

import pytest
from conftest import make_people, named
from technician import Technician
from test_urgent_changes import applied, ask, explained, now, turn_red

from lanesim_parts import crowd_log, feed

BOUND = 60
NO_SPACE = 28
MOST_STEPS = 200


class Publishing:
    """One holder whose badge is good, then not, then good: each time an image, or a change."""

    def __init__(self, stage, person, what):
        self.stage, self.person, self.what = stage, person, what
        self.lane = stage.lanes[0]
        self.is_good = True

    def next(self):
        """Publishes it; what `applied` then is to say at least."""
        self.is_good = not self.is_good
        version, change = applied(self.lane)
        if self.what == "change":
            if not self.is_good:
                return version, turn_red(self.stage, self.person)
            body = [{"holder": self.person.holder, "health_code": "green", "assessed_at": now()}]
            return version, ask(self.stage, "/v1/changes", body)[1]["last"]
        path = self.stage.directory / "next.csv"
        person = self.person if self.is_good else dataclasses.replace(self.person, sort=named("revoked"))
        with path.open("w", encoding="utf-8", newline="") as file:
            feed.write(file, [person], datetime.now(timezone.utc), fillers=300)
        self.stage.command("lanekeeper-collector", "import", "--most-losing", "100", "--data", self.stage.data, path)
        return version + 1, change

    def is_in_force(self, wanted):
        return applied(self.lane) >= wanted

    def check(self):
        """What the daemon says of the badge is what was published last."""
        told = json.loads(explained(self.stage, self.lane, f"0x{self.person.chip.hex()}"))
        reasons = {one["name"] for one in told["reasons"]}
        bad = named("code red" if self.what == "change" else "revoked").reasons
        assert set(bad) <= reasons if not self.is_good else not set(bad) & reasons, reasons


class Victim:
    """One of the lane's programs, whose calls under a path are counted and fail."""

    def __init__(self, stage, program):
        self.stage, self.program, self.lane = stage, program, stage.lanes[0]

    @property
    def component(self):
        return self.lane.daemon if self.program == "lanekeeperd" else self.lane.uplink

    def start(self, under=None, step=0, how=""):
        if self.component.is_running:
            self.component.kill()
        library = self.stage.binaries / "libFailingCalls.so"
        fate = [f"LD_PRELOAD={library}", f"FAIL_UNDER={under}", f"FAIL_AT={step}", f"FAIL_HOW={how}"]
        self.stage.launchers = {self.program: ["env", *fate]} if under else {}
        (self.lane.start_daemon if self.program == "lanekeeperd" else self.lane.start_uplink)()
        self.stage.launchers = {}
        if under:  # it may end
            self.stage.components = [one for one in self.stage.components if one is not self.component]

    async def await_end_or(self, holds):
        end = time.monotonic() + BOUND
        while self.component.is_running and not holds():
            assert time.monotonic() < end, f"neither ended nor done; log: {self.component.last_lines()[-5:]}"
            await asyncio.sleep(0.02)
        return not self.component.is_running


PLACES = [
    ("lanekeeperd", "images", "image"), ("lanekeeperd", ".applied", "image"), ("lanekeeperd", "applied", "image"),
    ("lanekeeperd", "changes", "change"), ("lanekeeper-uplink", "uplink", "image"), ("lanekeeper-uplink", "uplink", "change"),
]  # fmt: skip


def cut_every_step(open_stage, run, program, place, what):
    async def scenario():
        (person,) = make_people("may pass: visitor")
        async with open_stage([person]) as stage:
            lane, publishing, victim = stage.lanes[0], Publishing(stage, person, what), Victim(stage, program)
            under = lane.state / place
            await stage.wait_for("the lane has the image", lambda: lane.is_in_service, BOUND)
            steps = 0
            for step in range(1, MOST_STEPS):
                before = applied(lane)
                victim.start(under, step, "kill")
                wanted = publishing.next()
                if not await victim.await_end_or(lambda: publishing.is_in_force(wanted)):
                    publishing.check()
                    break
                steps = step
                if program == "lanekeeperd":
                    # What lies there is whole, the old one or the new one, for whoever reads it now.
                    held = json.loads(Technician(stage)("cache", "info", "--json").stdout)
                    assert held["source"] == "files" and held["notes"] == [], (step, held)
                    assert held["image"]["version"] in (before[0], wanted[0]), (step, held)
                    assert held["overlay"]["change_number"] >= before[1], (step, held)
                victim.start()
                await stage.wait_for(f"step {step}: {wanted} is in force", lambda: publishing.is_in_force(wanted), BOUND)
                publishing.check()
            else:
                raise AssertionError("it never came through")
            print(f"{program}, {place}: {steps} steps")
            assert steps > 0
            for step in range(1, steps + 2):
                victim.start(under, step, str(NO_SPACE))
                wanted = publishing.next()
                # It goes on, or ends with a word and is started again, as systemd does.
                if await victim.await_end_or(lambda: publishing.is_in_force(wanted)):
                    assert victim.component.process.returncode > 0, victim.component.last_lines()
                    victim.start()
                await stage.wait_for(f"step {step}: {wanted} is in force", lambda: publishing.is_in_force(wanted), BOUND)
                publishing.check()
            victim.start()

    run(scenario())


def test_every_step_of_making_it_live_is_killed_once_and_fails_once(open_stage, run):
    # Each mostly waits for what a statement brings: all at once, on sites of their own.
    with ThreadPoolExecutor(len(PLACES)) as pool:
        running = [(place, pool.submit(cut_every_step, open_stage, run, *place)) for place in PLACES]
    for place, one in running:
        if failure := one.exception():
            raise AssertionError(f"{' '.join(place)}: {failure}") from failure


@contextmanager
def small_disk(folder, megabytes):
    """A disk of its own under `folder`, and a file that can fill it."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=750", "none", str(folder)], check=False)
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield folder / "filler"
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(filler):
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass


@pytest.mark.parametrize("place", ["images", "uplink/incoming"])
def test_a_disk_that_is_full_while_an_image_comes(open_stage, run, tmp_path, place):
    async def scenario():
        (person,) = make_people("may pass: visitor")
        disks = []

        def mount(lane):
            disks.append(small_disk(lane.state / place, 200))
            disks.append(disks[0].__enter__())

        try:
            async with open_stage([person], before_lanes=mount) as stage:
                lane, publishing = stage.lanes[0], Publishing(stage, person, "image")
                filler = disks[1]
                await stage.wait_for("the lane has the image", lambda: lane.is_in_service, BOUND)
                fill(filler)
                wanted = publishing.next()
                technician = Technician(stage)
                if place == "images":
                    def is_told():
                        refused = json.loads(technician("cache", "info", "--json").stdout)["refused"]
                        return any("free space" in one["reason"] for one in refused)
                else:
                    def is_told():
                        log = stage.logs / f"lanekeeper-uplink-{lane.settings.id}.log"
                        return "free space" in log.read_text()
                await stage.wait_for("the reason is told", is_told, BOUND)
                # The old image decides, and the lane lets people through.
                assert applied(lane)[0] == 1
                assert (await lane.simulated.visit(person)).answer == crowd_log.RELEASED
                filler.unlink()
                await stage.wait_for("it heals by itself", lambda: publishing.is_in_force(wanted), BOUND)
                publishing.check()
        finally:
            if disks:
                disks[0].__exit__(None, None, None)

    run(scenario())
