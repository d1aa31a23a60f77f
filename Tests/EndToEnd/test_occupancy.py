"""How many a zone may hold: the collector counts what all lanes say, and every lane refuses on that, if it is fresh."""

from __future__ import annotations

from typing import Any

from conftest import make_people
from technician import Technician
from test_policy import with_rules

from lanesim_parts import crowd_log

BOUND = 90


def rule(stage, lane, rules: str) -> None:
    with_rules(lane, rules)
    done = Technician(stage, lane)("config", "reload")
    assert done.returncode == 0, done.stderr


def explained(stage, lane, person) -> tuple[dict[str, Any], str]:
    """The row of the zone's occupancy, and what the visitor would read."""
    (reply,) = Technician(stage, lane).asks("explain", person.chip.hex(), "--temperature", "36.5")
    rows = [row for row in reply["rows"] if row["subject"] == "occupancy"]
    assert len(rows) == 1, reply
    return rows[0], reply["display"]


def decided(stage, lane) -> list[dict[str, Any]]:
    events = Technician(stage, lane).asks("events", "--last", "500")
    return [event for event in events if event["event"] == "decided"]


async def counts(stage, lane, person, inside: int) -> None:
    await stage.wait_for(
        f"{inside} inside, as {lane.settings.id} knows it",
        lambda: explained(stage, lane, person)[0]["state"].startswith(f"{inside} people"),
        BOUND,
    )


def test_a_zone_at_its_limit_refuses_the_next_until_somebody_leaves(open_stage, run):
    async def scenario():
        first, second, third, fourth = make_people(*["may pass: visitor"] * 4)
        async with open_stage([first, second, third, fourth], lanes=3) as stage:
            one, other = [lane for lane in stage.lanes if lane.settings.kind == "entry"]
            (out,) = [lane for lane in stage.lanes if lane.settings.kind == "exit"]
            for lane in (one, other):
                rule(stage, lane, "  occupancy: { limit: 2 }\n")
            assert (await one.simulated.visit(first)).answer == crowd_log.RELEASED
            assert (await one.simulated.visit(second)).answer == crowd_log.RELEASED
            # At the lane where they passed at once; at the other one when the collector has counted them.
            assert (await one.simulated.visit(third)).answer == crowd_log.REFUSED
            await counts(stage, other, third, 2)
            row, display = explained(stage, other, third)
            assert row["turns"] is False and "场内人数已满" in display and "Full now" in display
            assert (await other.simulated.visit(third)).answer == crowd_log.REFUSED
            last = decided(stage, other)[-1]
            assert (last["reasons"], last["zone_limit"], last["occupancy"]) == (["zone-full"], "refused", 2)
            assert last["occupancy_age_seconds"] <= 60
            text = Technician(stage, other)("events", "--last", "1")
            assert "is full: 2 people inside" in text.stdout, text.stdout
            # One leaves by the exit, whatever is counted, and there is room for one.
            assert (await out.simulated.visit(first)).answer == crowd_log.RELEASED
            await counts(stage, other, third, 1)
            assert (await other.simulated.visit(third)).answer == crowd_log.RELEASED
            assert (await other.simulated.visit(fourth)).answer == crowd_log.REFUSED
            def limits() -> list[str]:
                records = stage.client.records(other.settings.id)
                return [one["zone_limit"] for one in records if one["event"] == "decided"]

            await stage.wait_for("the collector has it", lambda: limits() == ["refused", "below", "refused"], BOUND)

    run(scenario())


def test_nobody_is_refused_for_a_count_older_than_its_limit(open_stage, run):
    async def scenario():
        first, second = make_people(*["may pass: visitor"] * 2)
        async with open_stage([first, second]) as stage:
            lane = stage.lanes[0]
            rule(stage, lane, "  occupancy: { limit: 1, knowledge_limit_seconds: 45 }\n")
            assert (await lane.simulated.visit(first)).answer == crowd_log.RELEASED
            await counts(stage, lane, second, 1)
            assert (await lane.simulated.visit(second)).answer == crowd_log.REFUSED
            stage.collector.kill()
            stage.components.remove(stage.collector)  # it ended because it was told to
            await stage.wait_for(
                "the count is too old", lambda: explained(stage, lane, second)[0].get("turns") is None, BOUND
            )
            assert (await lane.simulated.visit(second)).answer == crowd_log.RELEASED
            last = decided(stage, lane)[-1]
            assert (last["zone_limit"], last["occupancy"]) == ("not-known", 1) and last["occupancy_age_seconds"] > 45
            said = Technician(stage, lane)("events", "--last", "20").stdout
            assert "occupancy known only as of" in said, said

    run(scenario())
