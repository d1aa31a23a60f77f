"""An older changes.sqlite comes back from a backup while lanes have newer changes."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from conftest import make_people, named
from technician import Technician
from test_one_badge import judged
from test_urgent_changes import BOUND, applied, reaches, turn_red

from lanesim_parts import crowd_log


async def restart_collector(stage) -> None:
    stage.start_collector(stage.client.port)
    await stage.wait_for("the collector is back", stage.client.is_well, BOUND)


def copy_database(source: Path, target: Path) -> None:
    """Nobody has it open."""
    for suffix in ("", "-wal", "-shm"):
        other = target.with_name(target.name + suffix)
        other.unlink(missing_ok=True)
        if (file := source.with_name(source.name + suffix)).exists():
            shutil.copyfile(file, other)


@pytest.mark.parametrize("published", [True, False], ids=["published files are there", "nothing else is left"])
def test_lanes_that_are_ahead_of_a_restored_database_follow_again(open_stage, run, published):
    async def scenario():
        people = make_people("may pass: visitor", "may pass: staff", "may pass: media")
        async with open_stage(people) as stage:
            lane = stage.lanes[0]
            database, backup = stage.data / "changes.sqlite", stage.directory / "changes.backup"

            async def refused(person) -> None:
                red = dataclasses.replace(person, sort=named("code red"))
                assert (await lane.simulated.visit(red)).answer == crowd_log.REFUSED

            await reaches(stage, turn_red(stage, people[0]))
            stage.collector.kill()
            copy_database(database, backup)
            await restart_collector(stage)
            second = turn_red(stage, people[1])
            await reaches(stage, second)
            stage.collector.kill()
            copy_database(backup, database)
            if not published:
                shutil.rmtree(stage.data / "published")
            await restart_collector(stage)
            if not published:
                # The lane's number makes the collector go on above it; what it lost is given again.
                await stage.wait_for("the lane has the new image", lambda: applied(lane)[0] == 2, BOUND)
                assert applied(lane)[1] > second
                await reaches(stage, turn_red(stage, people[1]))
            third = turn_red(stage, people[2])
            assert third > second
            await reaches(stage, third)
            for person in people:
                await refused(person)
            result = await judged(stage)
            assert result.differences == [] and result.unexpected == []

    run(scenario())


def test_numbers_given_again_before_any_lane_asked_are_found_by_the_chain(open_stage, run):
    """Restored, and changes given from a file while no lane asks: the lane has others by the same numbers."""

    async def scenario():
        people = make_people("may pass: visitor", "may pass: staff", "may pass: media", "may pass: visitor")
        async with open_stage(people) as stage:
            lane, technician = stage.lanes[0], Technician(stage)
            database, backup = stage.data / "changes.sqlite", stage.directory / "changes.backup"
            await reaches(stage, turn_red(stage, people[0]))
            stage.collector.kill()
            copy_database(database, backup)
            await restart_collector(stage)
            lost = turn_red(stage, people[1])
            await reaches(stage, lost)
            stage.collector.kill()
            copy_database(backup, database)
            shutil.rmtree(stage.data / "published")
            path = stage.directory / "noon.csv"
            path.write_text("holder,health_code\n" + "".join(f"{one.holder},red\n" for one in people[2:]))
            stage.command("lanekeeper-collector", "changes", "--data", stage.data, path)
            await restart_collector(stage)

            def state(person):
                found = json.loads(technician("cache", "lookup", f"0x{person.chip.hex()}", "--json").stdout)
                return (found.get("overlay") or found["image"])["health_code"]

            await stage.wait_for(
                "the lane has what the collector has",
                lambda: [state(one) for one in people] == ["red", "green", "red", "red"], 2 * BOUND
            )  # fmt: skip
            assert applied(lane)[0] == 1, "without another image"
            await stage.wait_for(
                "they are equal", lambda: technician("cache", "compare").returncode == 0, BOUND
            )
            assert "they are not those" in lane.daemon.log.read_text()
            for person in (people[0], *people[2:]):
                red = dataclasses.replace(person, sort=named("code red"))
                assert (await lane.simulated.visit(red)).answer == crowd_log.REFUSED
            assert (await lane.simulated.visit(people[1])).answer == crowd_log.RELEASED

    run(scenario())
