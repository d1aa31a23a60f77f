"""Many lanes at one collector, over TLS: a code that turns red is refused at all of them. How soon, `Tests/bench changes`
measures with a thousand."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from conftest import make_people, named
from test_urgent_changes import BOUND, applied, explained, reaches, turn_red
from uplink_crowd import UplinkCrowd

from lanesim_parts import crowd_log
from lanesim_parts.lane import LaneSettings
from lanesim_parts.sorts import ENTRY_ZONE

UPLINKS = 48
SETTINGS = [LaneSettings(f"whole-{number}", f"北登录厅-{number}", "entry", "outside", ENTRY_ZONE) for number in (1, 2)]


def test_a_code_that_turns_red_is_refused_at_every_one_of_many_lanes(open_stage, run, tmp_path: Path):
    async def scenario():
        crew = make_people(*["may pass: visitor"] * 4)
        async with open_stage(crew, settings=SETTINGS, encrypted=True) as stage:
            crowd = UplinkCrowd(stage, tmp_path, UPLINKS, lanes_in_a_process=UPLINKS // 2)
            try:
                crowd.enrol()
                crowd.start(stage.client.url)
                await stage.wait_for("all have the image", lambda: crowd.has_image(1) == UPLINKS, BOUND)
                first, second = stage.lanes
                assert (await first.simulated.visit(crew[0])).answer == crowd_log.RELEASED
                for person in crew[:3]:
                    change = turn_red(stage, person)
                    await stage.wait_for("all have the change", lambda: len(crowd.reached(change)) == UPLINKS, BOUND)
                    await reaches(stage, change)
                    red = dataclasses.replace(person, sort=named("code red"))
                    for lane in (first, second):
                        assert (await lane.simulated.visit(red)).answer == crowd_log.REFUSED
                crowd.check()
                seen = json.loads(stage.client.get("/v1/lanes"))["lanes"]
                assert len(seen) == UPLINKS + len(SETTINGS)
            finally:
                crowd.stop()

    run(scenario())


def test_a_change_that_a_lane_says_it_has_is_there_after_sigkill_without_an_uplink(open_stage, run):
    """It is on the lane's disk before `applied`, which is all that is told upward, says so."""

    async def scenario():
        people = make_people(*["may pass: visitor"] * 6)
        async with open_stage(people, settings=SETTINGS[:1], encrypted=True) as stage:
            lane = stage.lanes[0]
            for person in people:
                change = turn_red(stage, person)
                while applied(lane)[1] < change:
                    stage.check()
                lane.daemon.kill()
                lane.uplink.kill()
                stage.components = [stage.collector]
                # What the uplink had brought is gone, too.
                for file in (lane.state / "uplink" / "incoming").iterdir():
                    file.unlink()
                (lane.state / "applied").unlink()
                lane.start_daemon()
                await stage.wait_for("the daemon is back", lambda: (lane.state / "applied").exists(), BOUND)
                assert applied(lane)[1] == change
                assert "code-red" in explained(stage, lane, person.chip.hex())
                lane.start_uplink()

    run(scenario())
