"""A technician with lanectl at a lane that runs, and at one that does not."""

import asyncio
import json

from conftest import make_people
from technician import REFUSED, Technician
from test_one_badge import judged

BOUND = 60
NO_DAEMON = 69  # exit status


def test_status_says_how_a_live_lane_is(open_stage, run):
    async def scenario():
        crowd = make_people("may pass: visitor", "code red")
        async with open_stage(crowd) as stage:
            for person in crowd:
                await stage.lanes[0].simulated.visit(person)
            technician = Technician(stage)
            (status,) = technician.asks("status")
            assert status["lane"]["id"] == "north-01" and status["lane"]["name"] == stage.lanes[0].settings.name
            assert {device["name"]: device["state"] for device in status["devices"]} == {
                "chip": "present", "thermometer": "present", "gate": "present",
            }
            told = status["since_start"]  # an hour may end at any moment
            assert (told["presented"], told["passed"]) == (2, 1)
            text = technician("status").stdout
            assert "all is well" in text and "north-01" in text and "code-red" in text

    run(scenario())


def test_explain_gives_every_key_and_the_verdict_the_gate_gives(open_stage, run):
    async def scenario():
        sorts = "may pass: visitor", "code and badge missing", "test expired", "conflict badge", "unknown badge"
        crowd = make_people(*sorts)
        async with open_stage(crowd) as stage:
            technician = Technician(stage)
            lane = stage.lanes[0].simulated
            assert await lane.gate.wait_until(lane.is_ready, BOUND)
            for person in crowd:
                done = technician("explain", f"0x{person.chip.hex()}", "--temperature", "36.5")
                assert done.returncode == (0 if person.sort.admitted else REFUSED), done.stderr
                (told,) = technician.asks("explain", f"0x{person.chip.hex()}", "--temperature", "36.5")
                assert {reason["name"] for reason in told["reasons"]} == set(person.sort.reasons)
                await stage.lanes[0].simulated.visit(person)  # and the gate says the same
            result = await judged(stage)
            assert result.differences == [] and result.unexpected == []

    run(scenario())


def test_events_follow_a_passage_as_it_happens(open_stage, run):
    async def scenario():
        (person,) = make_people("may pass: visitor")
        async with open_stage([person]) as stage:
            technician = Technician(stage)
            following = await asyncio.create_subprocess_exec(
                technician.program, "events", "--follow", "--json", "--config", technician.configuration,
                stdout=asyncio.subprocess.PIPE,
            )
            try:
                await stage.lanes[0].simulated.visit(person)
                seen = []
                while "passed" not in seen:
                    line = await asyncio.wait_for(following.stdout.readline(), BOUND)
                    assert line, "it ended"
                    seen.append(json.loads(line)["event"])
                assert seen.index("decided") < seen.index("passed")
            finally:
                following.terminate()
                await following.wait()

    run(scenario())


def test_without_its_daemon_status_says_so_and_events_still_read_the_journal(open_stage, run):
    async def scenario():
        (person,) = make_people("may pass: visitor")
        async with open_stage([person]) as stage:
            await stage.lanes[0].simulated.visit(person)
            technician = Technician(stage)
            stage.lanes[0].daemon.kill()
            stage.components.remove(stage.lanes[0].daemon)
            status = technician("status")
            assert status.returncode == NO_DAEMON and "lanekeeperd" in status.stderr
            told = [event["event"] for event in technician.asks("events", "--last", "10")]
            assert [event for event in told if event in ("decided", "passed")] == ["decided", "passed"]

    run(scenario())
