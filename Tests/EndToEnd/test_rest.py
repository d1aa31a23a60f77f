"""The gate while its lane's daemon does not run."""

import pytest
from conftest import make_people

from lanesim_parts import crowd_log

BOUND = 60
EX_CONFIG = 78


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


def write_wrong(lane, old, new):
    text = lane.configuration.read_text(encoding="utf-8")
    assert old in text
    lane.configuration.write_text(text.replace(old, new, 1), encoding="utf-8")


async def ends_with(stage, component):
    stage.components.remove(component)
    await stage.wait_for("it ends", lambda: component.process.poll() is not None)
    return component.process.returncode


def test_fire_opens_a_lane_whose_configuration_is_wrong_elsewhere(open_stage, run):
    """What the units do when somebody broke the file and the machine starts again."""

    async def scenario():
        (person,) = make_people("may pass: visitor")
        async with open_stage([person]) as stage:
            lane = stage.lanes[0]
            gate = lane.simulated.gate
            lane.daemon.stop()
            stage.components.remove(lane.daemon)
            right = lane.configuration.read_text(encoding="utf-8")
            write_wrong(lane, "policy:\n", "policy:\n  test_window_hours: 4800\n")
            assert await ends_with(stage, stage.start("lanekeeperd", lane.configuration, "wrong")) == EX_CONFIG
            assert await gate.wait_until(lambda: not gate.is_connected() and not gate.is_connected("fire"), BOUND)
            held = stage.start("lanekeeperd", lane.configuration, "at-rest", "--rest")
            assert await gate.wait_until(lambda: gate.is_connected() and gate.is_connected("fire"), BOUND)
            assert not gate.is_open
            gate.set_contact("fire", 0)
            assert await gate.wait_until(lambda: gate.level["release"] and gate.level["emergency"], BOUND), "fire opens it"
            gate.set_contact("fire", 1)
            assert await gate.wait_until(lambda: not gate.is_open, BOUND)
            told = (stage.logs / "at-rest.log").read_text(encoding="utf-8")
            assert "not needed here: " in told and "policy.test_window_hours" in told
            held.stop()
            assert held.process.returncode == 0
            stage.components.remove(held)
            lane.configuration.write_text(right, encoding="utf-8")
            lane.start_daemon()
            assert (await lane.simulated.visit(person)).answer == crowd_log.RELEASED

    run(scenario())


@pytest.mark.parametrize("wrong", ["its gate is wrong", "it is no YAML", "it is missing"])
def test_without_the_gates_settings_nothing_is_held_and_both_programs_say_so(open_stage, run, wrong):
    async def scenario():
        async with open_stage(make_people("may pass: visitor")) as stage:
            lane = stage.lanes[0]
            gate = lane.simulated.gate
            lane.daemon.stop()
            stage.components.remove(lane.daemon)
            if wrong == "its gate is wrong":
                write_wrong(lane, "gate:\n", "gate:\n  on_stop: ajar\n")
            elif wrong == "it is no YAML":
                write_wrong(lane, "gate:\n", "gate: [\n")
            else:
                lane.configuration.rename(lane.configuration.with_suffix(".away"))
            connections = dict(gate.connections)
            for name, words in ("wrong", ()), ("at-rest", ("--rest",)):
                program = stage.start("lanekeeperd", lane.configuration, name, *words)
                assert await ends_with(stage, program) == EX_CONFIG
                assert str(lane.configuration) in (stage.logs / f"{name}.log").read_text(encoding="utf-8")
            gate.set_contact("fire", 0)
            assert not gate.is_open and gate.connections == connections, "nobody knows of a gate"

    run(scenario())
