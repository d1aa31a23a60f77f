"""The gate while its lane's daemon does not run."""

import pytest
from conftest import make_people

from lanesim_parts import crowd_log

BOUND = 20


@pytest.mark.parametrize("on_stop", ["locked", "open"])
def test_a_simulated_gate_is_held_as_configured_until_the_daemon_is_back(open_stage, run, on_stop):
    def configure(lane):
        text = lane.configuration.read_text(encoding="utf-8")
        lane.configuration.write_text(text.replace("gate:\n", f"gate:\n  on_stop: {on_stop}\n"), encoding="utf-8")

    async def scenario():
        (person,) = make_people("may pass: visitor")
        async with open_stage([person], before_lanes=configure) as stage:
            lane = stage.lanes[0]
            gate = lane.simulated.gate
            lane.daemon.kill()
            assert await gate.wait_until(lambda: not gate.is_connected(), BOUND)
            assert not gate.is_open
            held = stage.start("lanekeeperd", lane.configuration, "at-rest", "--rest")
            assert await gate.wait_until(lambda: gate.is_connected() and gate.is_connected("fire"), BOUND)
            levels = ("release", "emergency")
            assert await gate.wait_until(lambda: all(gate.level[name] == (on_stop == "open") for name in levels), BOUND)
            gate.set_contact("fire", 0)
            assert await gate.wait_until(lambda: all(gate.level[name] for name in levels), BOUND), "fire opens it"
            gate.set_contact("fire", 1)
            assert await gate.wait_until(lambda: all(gate.level[name] == (on_stop == "open") for name in levels), BOUND)
            held.stop()
            assert held.process.returncode == 0
            stage.components.remove(held)
            lane.start_daemon()
            assert (await lane.simulated.visit(person)).answer == crowd_log.RELEASED

    run(scenario())
