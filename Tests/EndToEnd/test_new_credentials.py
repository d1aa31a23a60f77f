"""A feed imported while everything runs reaches the lanes: who was admitted before is refused now."""

import dataclasses
from datetime import datetime, timezone

from conftest import make_people, named
from technician import Technician
from test_one_badge import judged

from lanesim_parts import crowd_log, feed

BOUND = 60


def test_a_feed_imported_while_the_lane_works_goes_live_there(open_stage, run):
    async def scenario():
        (person,) = make_people("may pass: visitor")
        async with open_stage([person]) as stage:
            lane = stage.lanes[0]
            assert (await lane.simulated.visit(person)).answer == crowd_log.RELEASED
            revoked = dataclasses.replace(person, sort=named("revoked"))
            path = stage.directory / "second.csv"
            with path.open("w", encoding="utf-8", newline="") as file:
                feed.write(file, [revoked], datetime.now(timezone.utc), fillers=50_000)
            technician = Technician(stage)

            def image_version():
                (status,) = technician.asks("status")
                return status["credentials"]["image_version"]

            before = image_version()
            # Everybody in force loses a key by it: here that is meant.
            stage.command("lanekeeper-collector", "import", "--most-losing", "100", "--data", stage.data, path)
            await stage.wait_for("the lane has the new image", lambda: image_version() > before, BOUND)
            assert (await lane.simulated.visit(revoked)).answer == crowd_log.REFUSED
            result = await judged(stage)
            assert result.differences == [] and result.unexpected == []

    run(scenario())


def test_a_lane_started_without_its_collector_works_on_what_it_has(open_stage, run):
    async def scenario():
        first, second = make_people("may pass: visitor", "code red")
        async with open_stage([first, second]) as stage:
            lane = stage.lanes[0]
            stage.collector.kill()
            lane.uplink.kill()
            lane.daemon.kill()
            stage.components.clear()
            gate = lane.simulated.gate
            assert await gate.wait_until(lambda: not gate.is_connected(), BOUND)
            lane.start_daemon()
            assert await gate.wait_until(lane.simulated.is_ready, BOUND)
            for person in (first, second):
                visit = await lane.simulated.visit(person)
                assert visit.answer == visit.expected
            stage.start_collector(stage.client.port)
            lane.start_uplink()
            result = await judged(stage)
            assert result.differences == [] and result.unexpected == []

    run(scenario())
