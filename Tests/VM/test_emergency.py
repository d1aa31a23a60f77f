"""From the fire loop's change to the relay's, 1,000 times, beside a bare poll-and-set control in the same guest.

What is judged is that every one of them opened. The figures are printed by Tests/run vm and stand in
docs/operations.md: an emulated processor beside other work tells how the two compare, not how fast a machine is."""

import os
import random

import pytest
from lane import DEBOUNCE_MILLISECONDS, EMERGENCY, FIRE, READY

ROUNDS = 1000
# A round is two debounces, the gap and what an emulated processor takes.
SECONDS = ROUNDS * 0.6
SEED = int(os.environ.get("LANEKEEPER_VM_SEED", random.randrange(1 << 31)))


@pytest.fixture
def figures(cache, lane):
    path = cache / f"figures-{lane.version}"
    path.unlink(missing_ok=True)

    def add(line: str) -> None:
        print(line)
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    add(f"fire loop to relay, libgpiod {lane.version}, debounce {DEBOUNCE_MILLISECONDS} ms where none is said, seed {SEED}:")
    return add


def measure(lane) -> list[int]:
    """Microseconds of each round; fails when one did not open."""
    said = lane.guest.sh(
        f"emergency {ROUNDS} {SEED} $(line_of {FIRE})/pull $(line_of {EMERGENCY})/value {EMERGENCY}", SECONDS
    )
    return sorted(int(word) for word in said.splitlines()[-1].split())


def row(name: str, found: list[int]) -> str:
    at = {percent: found[min(len(found) - 1, len(found) * percent // 100)] for percent in (50, 99)}
    return f"{name:<24} opened {len(found)}  p50 {at[50]:>6} µs  p99 {at[99]:>6} µs  most {found[-1]:>6} µs"


def control(lane, milliseconds: int) -> list[int]:
    pid = lane.background(f"control-{lane.version} {milliseconds}", "/run/control.log")
    try:
        lane.expect({EMERGENCY: 0})
        return measure(lane)
    finally:
        lane.guest.sh(f"kill {pid}; within 10 '! kill -0 {pid}'; cat /run/control.log")


def test_the_fire_loop_opens_the_gate_a_thousand_times(running, figures):
    def show(name: str, found: list[int]) -> None:
        figures(row(name, found))
        assert len(found) == ROUNDS

    show("lanekeeperd", measure(running))
    running.expect(READY)
    running.stop()
    show("control", control(running, DEBOUNCE_MILLISECONDS))
    show("control without debounce", control(running, 0))
