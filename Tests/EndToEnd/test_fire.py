"""The fire loop opens the gate at once, whatever else is wrong with the lane."""

import asyncio
import os
import signal
import subprocess
import time

import pytest
from conftest import make_people
from test_one_badge import judged

from lanesim_parts import crowd_log

AT_ONCE_SECONDS = 0.1  # and what the machine itself is late; it takes about a millisecond
BOUND = 60


async def seconds_until_open(gate, lateness) -> float:
    """And fails when that was not at once."""
    lateness.allowance()
    began = time.monotonic()
    gate.set_contact("fire", 0)
    assert await gate.wait_until(lambda: gate.level["emergency"] == 1, BOUND), "no emergency"
    took = time.monotonic() - began
    assert took < AT_ONCE_SECONDS + lateness.allowance()
    return took


def test_the_fire_contact_opens_every_lane_at_once_and_holds(open_stage, run, lateness):
    async def scenario():
        walker, late = make_people("may pass: visitor", "code red")
        async with open_stage([walker, late], lanes=2) as stage:
            lanes = [lane.simulated for lane in stage.lanes]
            await lanes[0].visit(walker)
            for lane in lanes:
                # Nobody's release any more, whose green lamp this would be and whose tailgater who walks then.
                assert await lane.gate.wait_until(lane.is_ready, BOUND)
                await seconds_until_open(lane.gate, lateness)
            for lane in lanes:
                assert await lane.gate.wait_until(lambda: lane.gate.level["lamp_green"] == 1, BOUND)
                await lane.gate.pulse("passage_forward")
                assert lane.gate.level["emergency"] == 1, "it holds while the alarm lasts"
            lanes[0].gate.set_contact("fire", 1)
            assert await lanes[0].gate.wait_until(lambda: not lanes[0].gate.is_open, BOUND), "it closes when it is over"
            await stage.wait_for("the collector knows of it", lambda: stage.client.tallies()["total"]["anonymous"] == 2)
            assert stage.client.tallies()["total"]["forced"] == 0
            # The lane works again, and its records are whole.
            assert (await lanes[0].visit(late)).answer == crowd_log.REFUSED

    run(scenario())


def test_a_broken_fire_wire_reads_as_alarm(open_stage, run):
    async def scenario():
        async with open_stage(make_people("may pass: visitor")) as stage:
            gate = stage.lanes[0].simulated.gate
            assert await gate.wait_until(lambda: gate.is_connected("fire"), BOUND)
            gate.contact["fire"] = 0  # what the loop is when the wire comes back
            before = gate.connections["fire"]
            gate.drop("fire")
            assert await gate.wait_until(lambda: gate.connections["fire"] > before, BOUND), "it comes back by itself"
            assert await gate.wait_until(lambda: gate.level["emergency"] == 1, BOUND)

    run(scenario())


@pytest.mark.skipif(not os.access("/dev/fuse", os.W_OK), reason="no FUSE on this machine")
def test_a_lane_whose_disk_hangs_still_opens_on_fire(open_stage, run, lateness):
    """The journal lies on a FUSE file system whose server is stopped: every write to it waits for ever."""
    disk = {}

    def on_a_disk_of_its_own(lane):
        real = lane.stage.directory / "disk"
        real.mkdir()
        disk["server"] = subprocess.Popen(["bindfs", "-f", str(real), str(lane.state)])
        disk["mount"] = lane.state
        end = time.monotonic() + BOUND
        while not os.path.ismount(lane.state):
            assert time.monotonic() < end and disk["server"].poll() is None, "bindfs does not mount"
        (lane.state / "uplink").mkdir(exist_ok=True)

    async def scenario():
        first, second = make_people("may pass: visitor", "may pass: visitor")
        try:
            async with open_stage([first, second], before_lanes=on_a_disk_of_its_own) as stage:
                lane = stage.lanes[0]
                gate = lane.simulated.gate
                assert (await lane.simulated.visit(first)).answer == crowd_log.RELEASED
                assert await gate.wait_until(lane.simulated.is_ready, BOUND)
                disk["server"].send_signal(signal.SIGSTOP)
                lane.simulated.reader.hold(second.chip, 1.0)  # the decision is written, and the write hangs
                lane.simulated.thermometer.somebody_stands_there(second.celsius)
                await stage.wait_for("the daemon hangs in a write", lambda: hangs(lane.daemon.process.pid))
                assert gate.level["release"] == 0
                took = await seconds_until_open(gate, lateness)
                print(f"opened {took * 1000:.1f} ms after the fire contact, the journal's disk hanging")
                assert hangs(lane.daemon.process.pid), "and it still hangs"
                disk["server"].send_signal(signal.SIGCONT)
                assert await gate.wait_until(lambda: gate.level["lamp_green"] == 1, BOUND), "then the lane says so too"
                lane.simulated.thermometer.nobody_stands_there()
                gate.set_contact("fire", 1)
                assert await gate.wait_until(lambda: gate.level["emergency"] == 0, BOUND)
                lane.uplink.stop()
                lane.daemon.stop()
                stage.components.clear()
        finally:
            if server := disk.get("server"):
                server.send_signal(signal.SIGCONT)
                subprocess.run(["umount", "-l", str(disk["mount"])], check=False)
                server.terminate()
                server.wait(BOUND)

    run(scenario())


def hangs(pid: int) -> bool:
    """Whether its main thread waits for the answer of a FUSE server, or behind a thread that does: while the journal's
    sync hangs, it holds the file, and a write waits for that."""
    with open(f"/proc/{pid}/task/{pid}/wchan") as place:
        waits_in = place.read()
    return waits_in == "request_wait_answer" or "fuse" in waits_in or waits_in.startswith("rwsem_")
