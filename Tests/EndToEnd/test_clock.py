"""A wall clock that is wrong: the real daemon with a clock that the test sets."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from conftest import make_people
from test_lanectl import Technician

from lanesim_parts import crowd_log

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("clock") / "wrong_clock.so"
    subprocess.run(
        ["cc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(HERE / "wrong_clock.c")],
        check=True,
    )
    return library


class WallClock:
    """What the daemon's wall clock says too much."""

    def __init__(self, directory, shim):
        self.file = directory / "clock-error"
        self.launcher = ["env", f"LD_PRELOAD={shim}", f"CLOCK_ERROR={self.file}"]

    def set_wrong_by(self, seconds):
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(int(seconds * 1000)))
        fresh.rename(self.file)


def clock_events(technician):
    return [event for event in technician.asks("events", "--last", "200") if event["event"] == "clock"]


async def is_refused_for_its_clock(stage, lane, technician, person):
    assert (await lane.visit(person)).answer == crowd_log.REFUSED
    decided = [event for event in technician.asks("events", "--last", "200") if event["event"] == "decided"]
    assert "clock-not-trusted" in decided[-1]["reasons"], decided[-1]


def test_a_controller_that_boots_in_1970_heals_by_itself(open_stage, run, shim, tmp_path):
    async def scenario():
        refused, admitted = make_people("may pass: visitor", "may pass: visitor")
        clock = WallClock(tmp_path, shim)
        since_1970 = time.time() - 60
        clock.set_wrong_by(-since_1970)
        async with open_stage([refused, admitted], launchers={"lanekeeperd": clock.launcher}) as stage:
            lane, technician = stage.lanes[0].simulated, Technician(stage)
            await stage.wait_for(
                "signed time says that it is not 1970", lambda: "behind-floor" in str(clock_events(technician))
            )
            await is_refused_for_its_clock(stage, lane, technician, refused)
            assert technician.asks("events", "--last", "1")[0]["wall"].startswith("1970-01-01T00:0")

            clock.set_wrong_by(0)  # the network has set it
            await stage.wait_for(
                "signed time agrees", lambda: technician.asks("status")[0]["clock"] == "trusted", seconds=60
            )
            assert (await lane.visit(admitted)).answer == crowd_log.RELEASED
            leaps = [event["step_milliseconds"] for event in clock_events(technician) if event["step_milliseconds"]]
            assert any(abs(leap - since_1970 * 1000) < 60_000 for leap in leaps), leaps

    run(scenario())


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Shanghai"])
def test_a_leap_is_recorded_and_a_technician_can_say_that_the_clock_is_right(open_stage, run, shim, tmp_path, zone):
    async def scenario():
        first, second, third = make_people(*["may pass: visitor"] * 3)
        clock = WallClock(tmp_path, shim)
        clock.set_wrong_by(0)
        launcher = [*clock.launcher, f"TZ={zone}"]
        async with open_stage([first, second, third], launchers={"lanekeeperd": launcher}) as stage:
            lane, technician = stage.lanes[0].simulated, Technician(stage)
            assert (await lane.visit(first)).answer == crowd_log.RELEASED
            before = len(clock_events(technician))
            clock.set_wrong_by(60)
            await stage.wait_for("the leap is recorded", lambda: len(clock_events(technician)) > before)
            leap = clock_events(technician)[before]
            assert leap["trust"] == "stepped" and abs(leap["step_milliseconds"] - 60_000) < 2_000
            await is_refused_for_its_clock(stage, lane, technician, second)
            assert technician("clock", "confirm").returncode == 0
            assert technician.asks("status")[0]["clock"] == "trusted"
            assert (await lane.visit(third)).answer == crowd_log.RELEASED

    run(scenario())


@pytest.mark.parametrize("confirmed", [True, False], ids=["a clock that is sure", "a clock that is not"])
def test_a_collector_whose_clock_was_ahead_poisons_no_lane(open_stage, run, shim, tmp_path, confirmed):
    async def scenario():
        first, second, third = make_people(*["may pass: visitor"] * 3)
        (tmp_path / "lane").mkdir()
        (tmp_path / "collector").mkdir()
        clocks = WallClock(tmp_path / "lane", shim), WallClock(tmp_path / "collector", shim)
        for clock in clocks:
            clock.set_wrong_by(0)
        launchers = {"lanekeeperd": clocks[0].launcher, "lanekeeper-collector": clocks[1].launcher}
        async with open_stage([first, second, third], launchers=launchers) as stage:
            lane, technician = stage.lanes[0].simulated, Technician(stage)
            assert (await lane.visit(first)).answer == crowd_log.RELEASED

            def statement():
                """As of when the newest is that the lane believes, s since 1970, and what is refused."""
                info = json.loads(technician("cache", "info", "--json").stdout)
                refused = [one["reason"] for one in info["refused"] if one["file"] == "statement"]
                return (info.get("statement") or {}).get("as_of_milliseconds", 0) / 1000, refused

            if confirmed:
                assert technician("clock", "confirm").returncode == 0
            clocks[1].set_wrong_by(10 * 86_400)
            if confirmed:
                await stage.wait_for("it is refused", lambda: "in the future" in str(statement()[1]), seconds=60)
                assert any("statement is refused" in alarm for alarm in technician.asks("status")[0]["alarms"])
                assert technician.asks("status")[0]["clock"] == "trusted"
                assert (await lane.visit(second)).answer == crowd_log.RELEASED
            else:
                await stage.wait_for("it is believed", lambda: statement()[0] > time.time() + 86_400, seconds=60)
                await is_refused_for_its_clock(stage, lane, technician, second)
            clocks[1].set_wrong_by(0)
            right = time.time()
            if not confirmed:
                # Of two clocks the lane cannot know which is wrong; somebody who looked at them can.
                assert technician("clock", "confirm").returncode == 0
            await stage.wait_for(
                "what is rightly dated counts", lambda: right < statement()[0] < time.time() + 30, seconds=60
            )
            await stage.wait_for("nothing is refused any more", lambda: statement()[1] == [], seconds=60)
            assert (await lane.visit(third)).answer == crowd_log.RELEASED

    run(scenario())
