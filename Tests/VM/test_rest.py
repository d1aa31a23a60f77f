"""How the relays stand while the lane's daemon does not run: what gate.on_stop says, whatever ended it."""

import pytest
from lane import BOUND, EMERGENCY, FIRE, LOCKED, OPEN, RELEASE

LEVELS = {"locked": LOCKED, "open": OPEN}


@pytest.fixture
def rest(lane):
    """Starts `lanekeeperd --rest` as lanekeeperd-rest@.service does, and ends it as that does."""
    made = []

    def start():
        made.append(lane.background(f"{lane.program} --rest --config /run/lane.yaml"))

    def end():
        pid = made.pop()
        lane.guest.sh(f"kill -TERM {pid}; within {BOUND} '! kill -0 {pid}'")

    start.end = end
    yield start
    while made:
        end()


@pytest.mark.parametrize("signal", ["TERM", "KILL", "SEGV"])
@pytest.mark.parametrize("on_stop", ["locked", "open"])
def test_the_relays_rest_as_configured_after(lane, rest, crowd, on_stop, signal):
    lane.reset(on_stop)
    lane.comes(crowd["may pass: visitor"])
    lane.expect({RELEASE: 1})  # ended in the middle of a release
    lane.kill(signal)
    rest()
    assert lane.says(f"the gate is held {on_stop}"), lane.tail()
    lane.expect(LEVELS[on_stop])
    lane.guest.sh("usleep 1500000")
    assert lane.guest.values(RELEASE, EMERGENCY) == LEVELS[on_stop], "and stay so"
    rest.end()
    lane.start()
    lane.at_work()
    lane.passes(crowd["may pass: media"])
    lane.stop()


def test_fire_opens_a_gate_that_rests_locked(lane, rest):
    lane.reset("locked")
    lane.stop()
    rest()
    assert lane.says("the gate is held locked")
    lane.guest.sh(f"pull {FIRE} down")
    lane.expect(OPEN)
    lane.guest.sh(f"pull {FIRE} up")
    lane.expect(LOCKED)


def test_a_gate_at_rest_that_is_killed_is_held_again_by_the_next(lane, rest):
    lane.reset("open")
    lane.kill("KILL")
    rest()
    lane.expect(OPEN)
    rest.end()
    lane.expect(LOCKED)  # nobody holds the lines: this chip lets them fall, and that is why somebody must
    rest()
    lane.expect(OPEN)


def test_who_starts_the_daemon_beside_a_gate_at_rest_is_told(lane, rest, crowd):
    lane.reset("open")
    lane.stop()
    rest()
    lane.expect(OPEN)
    lane.start()
    assert lane.says("lanekeeper-rest holds it"), lane.tail()
    rest.end()
    lane.at_work()
    lane.passes(crowd["may pass: visitor"])
    lane.stop()
