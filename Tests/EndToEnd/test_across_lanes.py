"""Anti-passback across lanes: who is inside by one lane is refused at another, if the collector's word is fresh."""

from __future__ import annotations

from conftest import make_people
from technician import Technician
from test_occupancy import BOUND, decided, rule

from lanesim_parts import crowd_log

RULE = "  anti_passback: { action: refuse, scope: across-lanes, forget_minutes: 60, knowledge_limit_seconds: 45 }\n"


def knows(stage, lane, person) -> tuple[str, str]:
    """What the lane knows of where he is, and what he would read."""
    (reply,) = Technician(stage, lane).asks("explain", person.chip.hex(), "--temperature", "36.5")
    (row,) = [row for row in reply["rows"] if row["subject"] == "anti_passback"]
    return row["state"], reply["display"]


async def learns(stage, lane, person, state: str) -> str:
    await stage.wait_for(
        f"{lane.settings.id} knows '{state}'", lambda: knows(stage, lane, person)[0] == state, BOUND
    )
    return knows(stage, lane, person)[1]


def test_who_came_in_by_one_lane_is_refused_at_another_until_he_leaves(open_stage, run):
    async def scenario():
        walker, other = make_people("may pass: visitor", "may pass: visitor")
        async with open_stage([walker, other], lanes=3, encrypted=True) as stage:
            one, two = [lane for lane in stage.lanes if lane.settings.kind == "entry"]
            (out,) = [lane for lane in stage.lanes if lane.settings.kind == "exit"]
            for lane in (one, two):
                rule(stage, lane, RULE)
            assert not (out.state / "presence").exists()  # it does not ask, and fetches nothing
            assert (await one.simulated.visit(walker)).answer == crowd_log.RELEASED
            display = await learns(stage, two, walker, "inside already")
            assert "证件登记" in display and "badge" in display, display
            assert (await two.simulated.visit(walker)).answer == crowd_log.REFUSED
            last = decided(stage, two)[-1]
            assert (last["reasons"], last["anti_passback"]) == (["inside-already"], "refused-inside")
            assert last["anti_passback_age_seconds"] <= 50
            assert "inside already" in Technician(stage, two)("events", "--last", "1").stdout
            # Somebody else may come in there; and so may he when he has left by the exit, also where he came in before.
            assert (await two.simulated.visit(other)).answer == crowd_log.RELEASED
            assert (await out.simulated.visit(walker)).answer == crowd_log.RELEASED
            for lane in (one, two):
                await learns(stage, lane, walker, "not inside")
            assert (await one.simulated.visit(walker)).answer == crowd_log.RELEASED
            # A restart of the daemon, and of the collector, forgets nobody who is inside.
            two.daemon.kill()
            two.start_daemon()
            stage.collector.kill()
            stage.components.remove(stage.collector)  # it ended because it was told to
            stage.start_collector(stage.client.port)
            await stage.wait_for("the lane is up again", lambda: Technician(stage, two)("status").returncode == 0)
            await learns(stage, two, walker, "inside already")
            assert (await two.simulated.visit(walker)).answer == crowd_log.REFUSED

    run(scenario())


def test_with_the_collector_gone_for_longer_than_the_limit_lanes_admit_and_record_it(open_stage, run):
    async def scenario():
        (walker,) = make_people("may pass: visitor")
        async with open_stage([walker], lanes=3) as stage:
            one, two = [lane for lane in stage.lanes if lane.settings.kind == "entry"]
            for lane in (one, two):
                rule(stage, lane, RULE)
            assert (await one.simulated.visit(walker)).answer == crowd_log.RELEASED
            await learns(stage, two, walker, "inside already")
            stage.collector.kill()
            stage.components.remove(stage.collector)  # it ended because it was told to
            await learns(stage, two, walker, "not known")
            assert (await two.simulated.visit(walker)).answer == crowd_log.RELEASED
            last = decided(stage, two)[-1]
            assert (last["verdict"], last["anti_passback"]) == ("admitted", "not-known")
            assert last["anti_passback_age_seconds"] >= 45
            said = Technician(stage, two)("events", "--last", "20").stdout
            assert "whether inside already is known only as of" in said, said

    run(scenario())
