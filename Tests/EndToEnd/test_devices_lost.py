"""A cable is pulled and put back: the lane says so, does what its kind demands, and comes back by itself."""

import asyncio
import os
import time

from conftest import make_people
from technician import Technician
from test_one_badge import judged

from lanesim_parts import crowd_log, records
from lanesim_parts.sorts import LEAVES

BOUND = 60
MOST_TAKEN = 64
AWAY_SECONDS = 4  # until it is looked for as rarely as ever


def is_out_of_service(gate):
    return gate.level["lamp_red"] and gate.level["lamp_amber"] and not gate.is_open


def test_an_entrance_without_its_reader_is_out_of_service_until_it_is_back(open_stage, run, lateness):
    """Within 2 s and 3 s, and under the same path, which leads to another terminal then, as by-id paths do."""

    async def scenario():
        first, second = make_people("may pass: visitor", "may pass: media")
        async with open_stage([first, second]) as stage:
            lane = stage.lanes[0].simulated
            line = lane.reader.line
            assert (await lane.visit(first)).answer == crowd_log.RELEASED
            terminal = line.link.readlink()
            lateness.allowance()
            began = time.monotonic()
            line.unplug()
            assert await lane.gate.wait_until(lambda: is_out_of_service(lane.gate), BOUND)
            assert time.monotonic() - began < 2 + lateness.allowance()
            taken = []
            while not terminal.exists() and len(taken) < MOST_TAKEN:
                taken += os.openpty()  # the number that it had is somebody else's now
            await asyncio.sleep(AWAY_SECONDS)
            lateness.allowance()
            began = time.monotonic()
            line.plug_in()
            assert line.link.readlink() != terminal
            assert await lane.gate.wait_until(lane.is_ready, BOUND)
            assert time.monotonic() - began < 3 + lateness.allowance()
            for descriptor in taken:
                os.close(descriptor)
            assert (await lane.visit(second)).answer == crowd_log.RELEASED
            result = await judged(stage)
            assert result.differences == [] and result.unexpected == []

    run(scenario())


def test_an_exit_without_its_reader_stands_open_and_counts_who_leaves(open_stage, run):
    async def scenario():
        (person,) = make_people("may pass: visitor")
        async with open_stage([person], lanes=2) as stage:
            entry, exit = (lane.simulated for lane in stage.lanes)
            assert (await entry.visit(person)).walked
            # Until its reader is found, an exit that starts stands open too.
            assert await exit.gate.wait_until(exit.is_ready, BOUND)
            exit.reader.line.unplug()
            assert await exit.gate.wait_until(lambda: exit.gate.level["release"] == 1, BOUND), "nobody is locked in"
            await exit.gate.pulse("passage_forward")
            await stage.wait_for("the passage is counted", lambda: stage.client.tallies()["total"]["anonymous"] == 1)
            assert stage.client.tallies()["total"]["on_site_people"] == 0
            assert stage.client.tallies()["total"]["forced"] == 0
            exit.reader.line.plug_in()
            assert await exit.gate.wait_until(exit.is_ready, BOUND)
            assert (await exit.visit(person.leaving(LEAVES))).answer == crowd_log.RELEASED

    run(scenario())


def test_an_entrance_without_its_thermometer_refuses_and_says_why(open_stage, run):
    async def scenario():
        first, second = make_people("may pass: visitor", "may pass: media")
        async with open_stage([first, second]) as stage:
            lane = stage.lanes[0].simulated
            assert await lane.gate.wait_until(lane.is_ready, BOUND)
            await stage.wait_for("it is there", lambda: thermometer_is(stage, "present"))
            lane.thermometer.line.unplug()
            await stage.wait_for("its loss is noticed", lambda: thermometer_is(stage, "lost"))
            refused = await lane.visit(first)
            assert refused.answer == crowd_log.REFUSED
            lane.thermometer.line.plug_in()
            await stage.wait_for("it is back", lambda: thermometer_is(stage, "present"))
            assert (await lane.visit(second)).answer == crowd_log.RELEASED

            def stored():
                return list(stage.client.records(stage.lanes[0].settings.id))

            await stage.wait_for("both are stored", lambda: len(records.read(stored()).decisions) == 2)
            assert [sorted(one.reasons) for one in records.read(stored()).decisions] == [["thermometer-lost"], []]
            told = [line["lost"] for line in stored() if line["event"] == "device" and line["device"] == "thermometer"]
            assert told[-2:] == [True, False], "and so is the loss"

    run(scenario())


def thermometer_is(stage, state):
    (status,) = Technician(stage).asks("status")
    return {device["name"]: device["state"] for device in status["devices"]}["thermometer"] == state
