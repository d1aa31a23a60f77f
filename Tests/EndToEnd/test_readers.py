"""Each kind of reader at the real daemon: PN532, scanner and UHF, whose simulators share no code with the product."""

import random
from dataclasses import replace

import pytest
from conftest import make_people, named
from technician import Technician

from lanesim_parts import crowd_log, people
from lanesim_parts.lane import LaneSettings
from lanesim_parts.readers import ReaderSettings
from lanesim_parts.scanner import Setup

BOUND = 60
FOR_EVER = 3600.0
ENTRY = LaneSettings(id="north-01", name="北登录厅-01", kind="entry", from_zone="outside", to_zone="north-ring")


def with_reader(*readers: ReaderSettings, **more) -> list[LaneSettings]:
    return [replace(ENTRY, readers=readers, **more)]


def decided(stage):
    return [event for event in Technician(stage).asks("events", "--last", "200") if event["event"] == "decided"]


# PN532.

# NXP's four bytes, and seven and ten as ISO 14443-3 has them (a random UID begins with 08, these do not).
UIDS = [bytes.fromhex(uid) for uid in ("24D34F59", "04A1B2C3D4E5F6", "0102030405060708090A")]
PN532 = ReaderSettings(type="pn532", device=(b"\x05\x78\x80\x70\x02",))


def holders_of(uids, *sorts):
    return [replace(person, chip=uid) for person, uid in zip(make_people(*sorts), uids)]


def test_a_pn532_reads_uids_of_four_seven_and_ten_bytes(open_stage, run):
    async def scenario():
        crowd = holders_of(UIDS, "may pass: visitor", "code red", "may pass: staff")
        async with open_stage(crowd, settings=with_reader(PN532)) as stage:
            lane = stage.lanes[0].simulated
            answers = [(await lane.visit(person)).answer for person in crowd]
            assert answers == [crowd_log.RELEASED, crowd_log.REFUSED, crowd_log.RELEASED]
            stranger = replace(crowd[0], chip=bytes.fromhex("24D34F5A"))
            assert (await lane.visit(stranger)).answer == crowd_log.REFUSED
            assert [event["lookup"] for event in decided(stage)] == ["found", "found", "found", "unknown"]
            assert lane.reader.wakes == 1 and lane.reader.errors == 0
            # SAMConfiguration, a limit for its tries, and then it is asked for a chip again and again.
            assert lane.reader.commands[:3] == [0x14, 0x32, 0x4A]
            assert set(lane.reader.commands[3:]) == {0x4A}

    run(scenario())


def test_a_pn532_that_garbles_or_falls_silent_costs_seconds_and_no_badge(open_stage, run):
    async def scenario():
        crowd = holders_of(UIDS, "may pass: visitor", "may pass: staff", "may pass: media")
        async with open_stage(crowd, settings=with_reader(PN532)) as stage:
            lane = stage.lanes[0].simulated
            reader, gate = lane.reader, lane.gate

            async def shows_a_badge(person, trouble):
                """And the trouble begins while it is before the reader."""
                assert await gate.wait_until(lane.is_ready, BOUND)
                falls = gate.falls_commanded["release"]
                reader.hold(person.chip, 10.0)
                trouble()
                lane.thermometer.somebody_stands_there(person.celsius)
                assert await gate.wait_until(lambda: gate.level["release"] == 1, BOUND)
                reader.withdraw()
                lane.thermometer.nobody_stands_there()
                await gate.pulse("passage_forward")
                assert await gate.wait_until(lambda: gate.falls_commanded["release"] > falls, BOUND)

            def garbles():
                reader.garbles = 8  # it asks five times again for one answer, and then begins anew

            await shows_a_badge(crowd[0], garbles)
            assert reader.garbles == 0 and reader.repeats >= 5
            reader.is_silent = True
            assert await gate.wait_until(lambda: gate.level["lamp_red"] == gate.level["lamp_amber"] == 1, BOUND), "lost"
            reader.is_silent = False
            assert await gate.wait_until(lane.is_ready, BOUND), "and back by itself"
            assert (await lane.visit(crowd[1])).answer == crowd_log.RELEASED
            await shows_a_badge(crowd[2], reader.restart)  # asleep: everything is to be said to it anew
            assert len(decided(stage)) == 3, "and none of it was a badge of its own"

    run(scenario())


@pytest.mark.parametrize("is_silent", [False, True])
def test_a_lane_says_that_it_is_ready_when_each_of_its_readers_was_looked_for(open_stage, run, is_silent):
    """A badge at a reader that is still being set up would be lost."""
    readers = ReaderSettings("code", "scanner", "", (Setup("cr"),)), ReaderSettings("chip", "pn532")

    def prepare(lane):
        lane.simulated.readers[1].is_silent = is_silent

    async def scenario():
        (person,) = make_people("may pass: visitor")
        async with open_stage([person], settings=with_reader(*readers), before_lanes=prepare) as stage:
            lane = stage.lanes[0].simulated
            assert (await lane.visit(person)).answer == crowd_log.RELEASED
            said = stage.lanes[0].daemon.log.read_text(encoding="utf-8").partition(": normal")[0]
            assert "code is back" in said
            assert ("chip lost" if is_silent else "chip is back") in said

    run(scenario())


# Scanners.

QR = b"]Q1"
SCANNERS = {
    "CR": ("", Setup("cr")),
    "LF": ("", Setup("lf")),
    "CR LF": ("", Setup("crlf")),
    "nothing": ("ending: none, idle_milliseconds: 80", Setup("none")),
    "CR, AIM id": ("aim: true", Setup("cr", QR)),
    "CR LF, AIM id": ("aim: true", Setup("crlf", QR)),
    "nothing, AIM id": ("aim: true, ending: none", Setup("none", QR)),
    "CR LF, prefix, AIM id, suffix": ('aim: true, prefix: "<", suffix: ">"', Setup("crlf", QR, b"<", b">")),
}


@pytest.mark.parametrize("name", SCANNERS)
def test_a_scanner_reads_electronic_badges_as_it_is_set_up(open_stage, run, name):
    more, setup = SCANNERS[name]

    async def scenario():
        crowd = make_people("may pass: visitor", "code red", "may pass: media")
        reader = ReaderSettings("code", "scanner", more, (setup,))
        async with open_stage(crowd, settings=with_reader(reader)) as stage:
            lane = stage.lanes[0].simulated
            answers = [(await lane.visit(person)).answer for person in crowd]
            assert answers == [crowd_log.RELEASED, crowd_log.REFUSED, crowd_log.RELEASED]
            assert [(event["type"], event["lookup"]) for event in decided(stage)] == [("code", "found")] * 3

    run(scenario())


def test_an_aim_id_that_the_configuration_does_not_know_belongs_to_the_code(open_stage, run):
    async def scenario():
        (person,) = make_people("may pass: visitor")
        reader = ReaderSettings("code", "scanner", "", (Setup("cr", QR),))
        async with open_stage([person], settings=with_reader(reader)) as stage:
            assert (await stage.lanes[0].simulated.visit(person)).answer == crowd_log.REFUSED
            assert [event["lookup"] for event in decided(stage)] == ["unknown"]

    run(scenario())


def test_a_chips_number_as_a_code_opens_nothing(open_stage, run):
    """A reader yields identifiers of its own type only."""

    async def scenario():
        (person,) = make_people("may pass: visitor")
        readers = ReaderSettings(), ReaderSettings("code", "scanner", "", (Setup("cr"),))
        async with open_stage([person], settings=with_reader(*readers)) as stage:
            lane = stage.lanes[0].simulated
            assert await lane.gate.wait_until(lane.is_ready, BOUND)
            lane.readers[1].hold(person.chip.hex().encode(), 1.0)
            assert await lane.gate.wait_until(lambda: lane.gate.level["lamp_red"] == 1, BOUND)
            (event,) = decided(stage)
            assert (event["reader"], event["lookup"], event["verdict"]) == (1, "unknown", "refused")
            assert (await lane.visit(person)).answer == crowd_log.RELEASED

    run(scenario())


# UHF.

UHF = ReaderSettings("pass", "uhf", "weakest_dbm: -60, power_dbm: 20")


def test_a_flood_of_repeats_of_a_vehicles_pass_is_one_presentation(open_stage, run):
    async def scenario():
        chips = people.unused_chips(random.Random(7))
        sort = named("may pass: vehicle")
        cars = [people.Person(number, sort, "vehicle", next(chips), 36.5) for number in (1, 2)]
        async with open_stage(cars, settings=with_reader(UHF, admits_vehicles=True)) as stage:
            lane = stage.lanes[0].simulated
            reader, gate = lane.reader, lane.gate
            assert await gate.wait_until(lane.is_ready, BOUND)
            assert reader.power_centidbm == 2000
            # A car of the next lane is heard, and weakly.
            reader.hold(bytes.fromhex(cars[1].epc), FOR_EVER, dbm=-75)
            reader.hold(bytes.fromhex(cars[0].epc), FOR_EVER)
            assert await gate.wait_until(lambda: gate.level["release"] == 1, BOUND)
            before = reader.notices
            await gate.pulse("passage_forward")
            # It stands behind the gate and is heard on and on: a flood.
            await stage.wait_for("a flood", lambda: reader.notices - before > 400, BOUND)
            assert gate.rises["release"] == 1
            (event,) = decided(stage)
            assert (event["type"], event["kind"], event["verdict"]) == ("epc", "vehicle", "admitted")
            await stage.wait_for(
                "it is on site", lambda: stage.client.tallies()["total"]["on_site_vehicles"] == 1, BOUND
            )
            # The other one comes up to the gate.
            reader.withdraw()
            reader.hold(bytes.fromhex(cars[1].epc), FOR_EVER)
            assert await gate.wait_until(lambda: gate.rises["release"] == 2, BOUND)

    run(scenario())
