"""SIGTERM and SIGINT end each program cleanly, within its bound and what the machine itself is late."""

import asyncio
import signal
import subprocess
import time

import pytest
from conftest import make_people
from test_one_badge import judged

BOUND = 60
BOUNDS = {"daemon": 1.0, "uplink": 5.0, "collector": 5.0}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_each_program_stops_with_status_0(open_stage, run, lateness, number):
    async def scenario():
        async with open_stage(make_people("may pass: visitor")) as stage:
            lane = stage.lanes[0]
            for name, component in (("daemon", lane.daemon), ("uplink", lane.uplink), ("collector", stage.collector)):
                lateness.allowance()
                began = time.monotonic()
                component.process.send_signal(number)
                status = component.process.wait(BOUND)
                took = time.monotonic() - began
                assert status == 0, (name, status, component.last_lines())
                assert took < BOUNDS[name] + lateness.allowance(), (name, took)

    run(scenario())


def test_a_daemon_stopped_with_a_release_out_records_it_as_interrupted(open_stage, run):
    async def scenario():
        (person,) = make_people("badges and does not walk")
        async with open_stage([person]) as stage:
            lane = stage.lanes[0]
            gate = lane.simulated.gate
            assert await lane.simulated.step_up()
            lane.simulated.reader.hold(person.chip, 0.5)
            lane.simulated.thermometer.somebody_stands_there(person.celsius)
            assert await gate.wait_until(lambda: gate.level["release"] == 1, BOUND)
            assert lane.daemon.stop() == 0
            assert await gate.wait_until(lambda: gate.level["release"] == 0, BOUND)
            lane.simulated.thermometer.nobody_stands_there()
            lane.start_daemon()
            await stage.wait_for(
                "the collector has it", lambda: stage.client.tallies()["total"]["interrupted"] == 1
            )
            assert stage.client.tallies()["total"]["admitted"] == 1

    run(scenario())


def test_a_second_daemon_for_the_same_lane_is_refused(open_stage, run):
    async def scenario():
        async with open_stage(make_people("may pass: visitor")) as stage:
            lane = stage.lanes[0]
            gate = lane.simulated.gate
            assert await gate.wait_until(lambda: gate.is_connected("fire"), BOUND)
            before = dict(gate.connections)
            # Beside this loop, on which the gate lives.
            second = await asyncio.to_thread(
                subprocess.run, [stage.binaries / "lanekeeperd", "--config", lane.configuration],
                capture_output=True, text=True, timeout=BOUND,
            )  # fmt: skip
            assert second.returncode != 0 and second.stderr
            assert gate.connections == before and not gate.is_open, "it does not touch the gate"
            stage.check()

    run(scenario())
