"""The guard's button and the cabinet's tamper contact, from the gate to the collector's list of lanes."""

import json

from conftest import make_people
from test_lanectl import Technician
from test_one_badge import judged

from lanesim_parts import crowd_log

BOUND = 60


def test_the_guards_button_lets_one_person_through_and_the_record_says_so(open_stage, run):
    async def scenario():
        walker, red = make_people("may pass: visitor", "code red")
        async with open_stage([walker, red]) as stage:
            lane = stage.lanes[0].simulated
            gate = lane.gate
            technician = Technician(stage)
            assert (await lane.visit(red)).answer == crowd_log.REFUSED
            assert await gate.wait_until(lane.is_ready, BOUND)
            await gate.pulse("guard_button")
            assert await gate.wait_until(lambda: gate.level["release"] == 1, BOUND)
            for _ in range(3):  # presses while somebody is let through do nothing
                await gate.pulse("guard_button", 0.03)
            await gate.pulse("passage_forward")
            assert await gate.wait_until(lambda: gate.level["release"] == 0, BOUND)
            assert gate.rises["release"] == 1
            events = technician.asks("events", "--last", "20")
            by_hand = [event for event in events if event["event"] == "released-by-hand"]
            assert [event["by"] for event in by_hand] == ["guard-button"]
            passed = [event for event in events if event["event"] == "passed"]
            assert [event["decision_sequence"] for event in passed] == [by_hand[0]["sequence"]]
            assert "holder" not in passed[0] and "tag" not in passed[0]
            (status,) = technician.asks("status")
            told = status["since_start"]  # an hour may end at any moment
            assert (told["presented"], told["by_hand"], told["admitted"], told["refused"]) == (1, 1, 1, 1)
            assert told["admitted"] == told["passed"] + told["annulled"] + told["interrupted"]
            await stage.wait_for("the collector counts it", lambda: stage.client.tallies()["total"]["passed"] == 1)
            total = stage.client.tallies()["total"]
            assert (total["by_hand"], total["admitted"], total["on_site_people"]) == (1, 1, 1)
            # And the lane goes on as before.
            assert (await lane.visit(walker)).answer == crowd_log.RELEASED

    run(scenario())


def test_an_open_cabinet_is_a_trouble_everywhere_and_keeps_nobody_out(open_stage, run):
    async def scenario():
        (walker,) = make_people("may pass: visitor")
        async with open_stage([walker]) as stage:
            lane = stage.lanes[0].simulated
            technician = Technician(stage)

            def tampered() -> list[str]:
                lanes = json.loads(stage.client.get("/v1/lanes"))["lanes"]
                return lanes[0]["tampered"] if lanes else []

            lane.gate.set_contact("tamper", 1)
            await stage.wait_for("the collector shows it", lambda: tampered() == ["cabinet"])
            assert stage.client.tallies()["lanes"][0]["tampered"] == ["cabinet"]
            assert "cabinet: tampered with" in technician("status").stdout
            assert (await lane.visit(walker)).answer == crowd_log.RELEASED
            lane.gate.set_contact("tamper", 0)
            await stage.wait_for("and that it is over", lambda: tampered() == [])
            assert "all is well" in technician("status").stdout
            events = [event for event in technician.asks("events", "--last", "50") if event["event"] == "tamper"]
            assert [(event["device"], event["opened"]) for event in events] == [("cabinet", True), ("cabinet", False)]
            result = await judged(stage)
            assert result.differences == [] and result.unexpected == []

    run(scenario())
