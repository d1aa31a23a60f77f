"""lanectl at a lane whose disk hangs: it is answered in time, and told what is wrong."""

import asyncio
import os
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest
from conftest import make_people
from technician import Technician
from test_disk_at_start import settings_of
from test_fire import hangs
from test_modes import mode_of

from lanesim_parts import crowd_log
from lanesim_parts.stage import LaneStage

BOUND = 60
UNAVAILABLE = 69
MAINTENANCE = 6  # in the file of the order
# lanectl itself waits 5 s; the machine may be late.
ANSWERED_SECONDS = 5

pytestmark = pytest.mark.skipif(not os.access("/dev/fuse", os.W_OK), reason="no FUSE on this machine")


@contextmanager
def disk_of_its_own(lane):
    """The lane's directory on a FUSE file system; while its server is stopped everything on it waits for ever."""
    real = lane.stage.directory / "disk"
    real.mkdir()
    server = subprocess.Popen(["bindfs", "-f", str(real), str(lane.state)])
    try:
        end = time.monotonic() + BOUND
        while not os.path.ismount(lane.state):
            assert time.monotonic() < end and server.poll() is None, "bindfs does not mount"
        (lane.state / "uplink").mkdir(exist_ok=True)
        yield server
    finally:
        server.send_signal(signal.SIGCONT)
        subprocess.run(["umount", "-l", str(lane.state)], check=False)
        server.terminate()
        server.wait(BOUND)


async def timed(lateness, technician, *words):
    """Not on this thread: the simulated gate lives on it, and a lane whose gate does not answer has lost it."""
    lateness.allowance()
    began = time.monotonic()
    done = await asyncio.to_thread(technician, *words)
    assert time.monotonic() - began < ANSWERED_SECONDS + lateness.allowance(), words
    return done


def test_a_lane_that_hangs_in_its_disk_is_told_with_what_was_known_of_it(open_stage, run, lateness):
    disk = {}

    def on_a_disk_of_its_own(lane):
        disk["context"] = disk_of_its_own(lane)
        disk["server"] = disk["context"].__enter__()

    async def scenario():
        first, second = make_people("may pass: visitor", "may pass: visitor")
        try:
            async with open_stage([first, second], before_lanes=on_a_disk_of_its_own) as stage:
                lane, technician = stage.lanes[0], Technician(stage)
                gate = lane.simulated.gate
                assert (await lane.simulated.visit(first)).answer == crowd_log.RELEASED
                assert await gate.wait_until(lane.simulated.is_ready, BOUND)
                disk["server"].send_signal(signal.SIGSTOP)
                lane.simulated.reader.hold(second.chip, 1.0)  # the decision is written, and the write hangs
                lane.simulated.thermometer.somebody_stands_there(second.celsius)
                await stage.wait_for("the daemon hangs in a write", lambda: hangs(lane.daemon.process.pid))

                asked = await timed(lateness, technician, "status")
                assert asked.returncode == 0, asked.stderr
                assert "THE LANE HANGS for" in asked.stdout and f"{lane.state} does not take a record" in asked.stdout
                (status,) = await asyncio.to_thread(technician.asks, "status")
                assert "THE LANE HANGS" in status["alarms"][0] and "What else stands here is of 20" in status["alarms"][0]
                assert (status["mode"], status["fire_alarm"]) == ("normal", False)
                assert {device["state"] for device in status["devices"]} == {"present"}
                with lane.configuration.open("a") as file:
                    file.write("# other rules: their digest is another\n")
                told = {
                    ("explain", first.chip.hex()): "THE LANE HANGS",
                    ("mode", "locked"): "nothing was ordered",
                    ("config", "reload"): "the disk did not answer",
                }
                for words, text in told.items():
                    asked = await timed(lateness, technician, *words)
                    assert asked.returncode == UNAVAILABLE and text in asked.stderr, (words, asked)

                gate.set_contact("fire", 0)
                assert await gate.wait_until(lambda: gate.level["emergency"] == 1, BOUND)
                (status,) = await asyncio.to_thread(technician.asks, "status")
                assert (status["mode"], status["mode_cause"], status["fire_alarm"]) == ("emergency", "fire", True)
                gate.set_contact("fire", 1)
                assert await gate.wait_until(lambda: gate.level["emergency"] == 0, BOUND)
                assert hangs(lane.daemon.process.pid), "and it still hangs"

                disk["server"].send_signal(signal.SIGCONT)
                lane.simulated.thermometer.nobody_stands_there()

                def works():
                    (now,) = technician.asks("status")
                    return not gate.is_open and now["mode"] == "normal" and "HANGS" not in str(now["alarms"])

                await stage.wait_for("it goes on", works, seconds=60)
                (status,) = await asyncio.to_thread(technician.asks, "status")
                assert status.get("order") is None, "what was refused is not done later"
                lane.uplink.stop()
                lane.daemon.stop()
                stage.components.clear()
        finally:
            if context := disk.get("context"):
                context.__exit__(None, None, None)

    run(scenario())


def test_orders_are_taken_while_the_disk_hangs_and_kept_when_it_answers(open_stage, run, lateness):
    """From the start on: the lane runs without a journal, and nothing that lanectl asks waits for the disk."""

    async def scenario():
        (person,) = make_people("may pass: visitor")
        async with open_stage([person]) as stage:
            lane = LaneStage(stage, settings_of("exit"), 1)
            technician = Technician(stage)
            technician.configuration = str(lane.configuration)
            with disk_of_its_own(lane) as server:
                server.send_signal(signal.SIGSTOP)
                await lane.simulated.open()
                lane.start_daemon()
                try:
                    await stage.wait_for("it answers", lambda: technician("status").returncode == 0)
                    told = await timed(lateness, technician, "status")
                    assert "NO JOURNAL" in told.stdout and "does not answer" in told.stdout, told.stdout
                    assert (await timed(lateness, technician, "explain", person.chip.hex())).returncode == 0
                    for mode in "locked", "held-open", "normal", "maintenance":
                        done = await timed(lateness, technician, "mode", mode)
                        assert done.returncode == 0, done.stderr
                        assert "a restart of the daemon forgets it" in done.stdout
                    (status,) = await asyncio.to_thread(technician.asks, "status")
                    assert (status["mode"], status["mode_cause"]) == ("maintenance", "technician")
                    server.send_signal(signal.SIGCONT)
                    await stage.wait_for(
                        "it has a journal", lambda: "NO JOURNAL" not in technician("status").stdout, seconds=60)
                    # The newest order, not the first that waited.
                    order = lane.state / "order"
                    await stage.wait_for(
                        "it is kept", lambda: order.exists() and order.read_text().startswith(f"order {MAINTENANCE} "))
                    lane.daemon.kill()
                    lane.start_daemon()
                    await stage.wait_for("it is back", lambda: technician("status").returncode == 0)
                    await stage.wait_for("as ordered", lambda: mode_of(technician) == ("maintenance", "technician"))
                finally:
                    server.send_signal(signal.SIGCONT)
                    lane.daemon.stop()
                    await lane.simulated.close()

    run(scenario())
