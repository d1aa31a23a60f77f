"""One badge, from its bytes on a serial line to the collector's page."""

import asyncio
import dataclasses
import re

from conftest import make_people

from lanesim_parts import comparison, crowd_log, site

BOUND = 60
# Side by side: a visit mostly waits for its person, its gate or its time-outs.
LANES = 4


def test_a_badge_flows_from_its_bytes_to_the_page(open_stage, run):
    async def scenario():
        walker, expired = make_people("may pass: visitor", "test expired")
        async with open_stage([walker, expired]) as stage:
            lane = stage.lanes[0].simulated
            visit = await lane.visit(walker)
            assert (visit.answer, visit.walked, visit.walk_confirmed) == (crowd_log.RELEASED, True, True)
            refusal = await lane.visit(expired)
            assert refusal.answer == crowd_log.REFUSED
            result = await judged(stage)
            assert result.differences == [] and result.unexpected == []
            assert result.collector["on_site_people"] == 1
            assert not lane.gate.faults
            script = re.search(r'<script[^>]* src="([^"]*page[^"]*)"', stage.client.get("/").decode())
            assert script and "/v1/live" in stage.client.get("/" + script[1].lstrip("/")).decode()
            assert lane.settings.name in stage.client.get("/v1/lanes").decode()

    run(scenario())


def test_each_sort_of_person_gets_his_answer(open_stage, run):
    """Every sort of the crowd through lanes that are for people only, and what the records say of it."""

    async def scenario():
        from lanesim_parts.sorts import MAY_PASS, SPECIAL

        crowd = make_people(*(sort.name for sort in MAY_PASS + SPECIAL if not sort.vehicle_lane))
        (entry,) = site.lanes(1)
        entries = [dataclasses.replace(entry, id=f"north-{number:02d}") for number in range(1, LANES + 1)]
        async with open_stage(crowd, settings=entries) as stage:

            async def walk(first):
                for person in crowd[first::LANES]:
                    await stage.lanes[first].simulated.visit(person)

            await asyncio.gather(*map(walk, range(LANES)))
            result = await judged(stage)
            assert result.unexpected == [] and result.differences == []

    run(scenario())


def test_who_enters_by_one_lane_and_leaves_by_another_is_no_longer_on_site(open_stage, run):
    async def scenario():
        from lanesim_parts.sorts import LEAVES, LEAVES_WITH_UNKNOWN_BADGE

        first, second = make_people("may pass: media", "may pass: staff")
        async with open_stage([first, second], lanes=2) as stage:
            entry, exit = (lane.simulated for lane in stage.lanes)
            for person in (first, second):
                await entry.visit(person)
            await exit.visit(first.leaving(LEAVES))
            result = await judged(stage)
            assert result.differences == [] and result.collector["on_site_people"] == 1
            await exit.visit(second.leaving(LEAVES_WITH_UNKNOWN_BADGE, bytes.fromhex("90AABBCCDD")))
            result = await judged(stage)
            assert result.differences == [] and result.unexpected == []
            assert result.collector["on_site_people"] == 0

    run(scenario())


async def judged(stage, restored: bool = False) -> comparison.Comparison:
    lanes = [lane.settings.id for lane in stage.lanes]
    seen = await comparison.drained(stage.client, lanes, stage.log.visits, stage.check, BOUND, restored)
    return comparison.compare(stage.log.visits, seen, stage.badge_key)
