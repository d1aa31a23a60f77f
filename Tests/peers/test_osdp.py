"""lanekeeperd as the control panel of a reader that is libosdp."""

import asyncio
import re
import time

import pytest
from lanesim_parts.people import Person
from lanesim_parts.sorts import ALL
from osdp import CommandLEDColor as Colour
from osdp_reader import BUZZER, KEYSET, OsdpReader
from peer_lane import BOUND

KEY = bytes(range(0xA0, 0xB0))
OTHER_KEY = bytes(range(0x10, 0x20))
READER = "type: osdp, port: {devices}/osdp.tty, address: 5, key_file: {devices}/reader.key"


def person(sort: str, number: int, chip: str) -> Person:
    found = next(each for each in ALL if each.name == sort)
    return Person(number, found, found.kind or "visitor", bytes.fromhex(chip), found.celsius or 36.5)


# A number of 24 bits, as it is printed on cards for Wiegand 26: 123,14706.
VISITOR = person("may pass: visitor", 1, "007B3972")
VISITOR_W26 = bytes.fromhex("3D9CB940")
EXPIRED = person("test expired", 2, "04A1B2C3D4E5F6")


@pytest.fixture
def reader_of():
    """Prepares a lane: its key file, and libosdp at the far end of its line."""

    def reader_of(holder, key=KEY, is_installing=False):
        def prepare(lane):
            lane.write_key(KEY)
            holder.append(OsdpReader(lane.devices / "osdp.tty", key, is_installing))
            lane.opened.append(holder[0])

        return prepare

    return reader_of


def test_a_visitor_is_admitted_and_another_refused_and_the_reader_shows_it(open_lane, reader_of, run):
    async def scenario():
        readers = []
        async with open_lane([VISITOR, EXPIRED], reader_of(readers), reader=READER) as lane:
            reader = readers[0]
            await lane.until("the channel stands", reader.is_secured)
            await lane.until("the lamp says ready", lambda: reader.lamp() == (Colour.Amber, Colour.Amber))
            await lane.until("the text says so", lambda: reader.text() == "Please present|your badge")
            thermometer = lane.lane.simulated.thermometer
            await lane.until_the_wall_is_seen()
            thermometer.somebody_stands_there(36.5)
            reader.card(VISITOR_W26, bits=26)
            assert await lane.gate.wait_until(lambda: lane.gate.level["release"], BOUND)
            await lane.until("green", lambda: reader.lamp() == (Colour.Green, Colour.Green))
            await lane.until("the way is shown", lambda: reader.text() == "Please walk|through")
            await lane.until("one beep", lambda: [beep["rep_count"] for beep in reader.all(BUZZER)] == [1])
            await lane.gate.pulse("passage_forward")
            await lane.until("ready again", lambda: reader.lamp() == (Colour.Amber, Colour.Amber))
            await lane.until_the_wall_is_seen()
            thermometer.somebody_stands_there(36.5)
            reader.card(EXPIRED.chip)
            assert await lane.gate.wait_until(lambda: lane.gate.level["lamp_red"], BOUND)
            await lane.until("red", lambda: reader.lamp() == (Colour.Red, Colour.Red))
            await lane.until("the first reason", lambda: reader.text() == "Go to desk N2:|test")
            await lane.until("three beeps", lambda: [beep["rep_count"] for beep in reader.all(BUZZER)] == [1, 3])
            decision = await lane.until_decided(2)
            assert (decision["verdict"], decision["reasons"]) == ("refused", ["test-expired"])
            assert "secure channel" in lane.device("chip")["last_word"]

    run(scenario())


def test_chinese_where_the_display_can(open_lane, reader_of, run):
    async def scenario():
        readers = []
        async with open_lane([EXPIRED], reader_of(readers), reader=READER + ", text_encoding: utf-8") as lane:
            reader = readers[0]
            await lane.until("the text", lambda: reader.text().startswith("请刷证件"))
            lane.lane.simulated.thermometer.somebody_stands_there(36.5)
            reader.card(EXPIRED.chip)
            # Row by row: the second is a command of its own.
            await lane.until("where to go, and why", lambda: "请到N2服务台：核酸" in reader.text().replace("|", ""))

    run(scenario())


def test_a_new_reader_is_given_the_lanes_key_and_keeps_it(open_lane, reader_of, run):
    async def scenario():
        readers = []
        prepare = reader_of(readers, key=None, is_installing=True)
        async with open_lane([VISITOR], prepare, reader=READER + ", provisioning: allowed") as lane:
            reader = readers[0]
            await lane.until("it was given a key", lambda: bool(reader.all(KEYSET)))
            assert reader.key == KEY
            await lane.until_device("chip", "present")
            await lane.until("the channel stands", reader.is_secured)
            assert "PROVISIONING" in lane.log() and "it took this lane's key" in lane.log()
            assert any("provisioning is allowed" in alarm for alarm in lane.status()["alarms"])
            reader.power_off()
            reader.power_on()  # with the key that it was given, and secured only
            await lane.until("the channel stands under the new key", reader.is_secured)
            assert len(reader.all(KEYSET)) == 1
            await lane.until_ready()
            reader.card(VISITOR_W26, bits=26)
            await lane.until_decided(1)

    run(scenario())


def test_a_new_reader_is_not_given_the_key_when_that_is_not_allowed(open_lane, reader_of, run):
    async def scenario():
        readers = []
        async with open_lane([VISITOR], reader_of(readers, key=None, is_installing=True), reader=READER) as lane:
            await lane.until_device("chip", "lost")
            await lane.until("why", lambda: "another key" in lane.device("chip")["last_word"])
            readers[0].card(VISITOR_W26, bits=26)
            await asyncio.sleep(2)  # in which nothing may happen
            assert lane.status()["since_start"]["presented"] == 0
            assert not readers[0].all(KEYSET)

    run(scenario())


def test_a_reader_with_another_key_is_lost_and_it_is_said_why(open_lane, reader_of, run):
    async def scenario():
        readers = []
        async with open_lane([VISITOR], reader_of(readers, key=OTHER_KEY), reader=READER) as lane:
            await lane.until_device("chip", "lost")
            await lane.until("why", lambda: "another key" in lane.device("chip")["last_word"])
            await lane.until("out of service", lambda: lane.status()["mode_cause"] == "readers-lost")

    run(scenario())


def test_keys_and_the_tamper_contact_are_told(open_lane, reader_of, run):
    async def scenario():
        readers = []
        async with open_lane([VISITOR], reader_of(readers), reader=READER) as lane:
            reader = readers[0]
            await lane.until("the channel stands", reader.is_secured)
            reader.keys("1234")
            await lane.until("the keys", lambda: "4 keys were pressed" in lane.log())
            assert "1234" not in lane.log().split("keys were pressed")[0].splitlines()[-1].split("chip:")[-1]
            reader.open_cover(True)
            await lane.until("the alarm", lambda: any("tampered" in alarm for alarm in lane.status()["alarms"]))
            reader.open_cover(False)
            await lane.until("its end", lambda: not any("tampered" in alarm for alarm in lane.status()["alarms"]))
            tampers = [(event["device"], event["opened"]) for event in lane.events() if event["event"] == "tamper"]
            assert tampers == [("reader-0", True), ("reader-0", False)]

    run(scenario())


def test_one_lost_reply_costs_less_than_a_second(open_lane, reader_of, run, lateness):
    async def scenario():
        readers = []
        async with open_lane([VISITOR], reader_of(readers), reader=READER) as lane:
            reader = readers[0]
            await lane.until_device("chip", "present")
            times = []
            for _ in range(8):
                channels = lane.log().count("secure channel under this lane's key")
                lateness.allowance()
                reader.wire.lose_next_replies(1)
                await lane.until("it is lost", lambda: len(reader.wire.lost) == len(times) + 1)
                await lane.until(
                    "a new channel", lambda: lane.log().count("secure channel under this lane's key") > channels
                )
                times.append(time.monotonic() - reader.wire.lost[-1])
                assert times[-1] < 1.0 + lateness.allowance(), times
                # A channel that breaks again within a second is not begun anew at once: each loss is to be a first one.
                await asyncio.sleep(1.1)
            assert lane.device("chip")["state"] == "present"
            assert "chip lost" not in lane.log()
            await lane.until_ready()
            reader.card(VISITOR_W26, bits=26)
            await lane.until_decided(1)

    run(scenario())


def test_a_reader_that_is_switched_off_is_lost_in_two_seconds_and_back_in_three(open_lane, reader_of, run, lateness):
    async def scenario():
        readers = []
        async with open_lane([VISITOR], reader_of(readers), reader=READER) as lane:
            reader = readers[0]
            await lane.until_device("chip", "present")
            lateness.allowance()
            reader.power_off()
            assert await lane.until("lost", lambda: "chip lost" in lane.log()) < 2.2 + lateness.allowance()
            await lane.until("out of service", lambda: lane.gate.level["lamp_red"] and lane.gate.level["lamp_amber"])
            await asyncio.sleep(4)  # in which it is asked again and again, ever more rarely, and does not come back
            backs = lane.log().count("chip is back")
            shown = len(reader.commands)
            reader.power_on()
            lateness.allowance()
            assert await lane.until("back", lambda: lane.log().count("chip is back") > backs) < 3 + lateness.allowance()
            await lane.until("it is shown again", lambda: len(reader.commands) > shown)
            await lane.until_ready()
            reader.card(VISITOR_W26, bits=26)
            await lane.until_decided(1)

    run(scenario())


def test_a_bad_cable_invents_no_badge_and_heals(open_lane, reader_of, run, lateness):
    async def scenario():
        readers = []
        async with open_lane([VISITOR], reader_of(readers), reader=READER) as lane:
            reader = readers[0]
            await lane.until_device("chip", "present")
            reader.wire.damage = 0.02
            await asyncio.sleep(10)  # in which no badge may be read
            assert lane.device("chip")["last_word"]
            assert lane.status()["since_start"]["presented"] == 0
            lateness.allowance()
            reader.wire.damage = 0.0
            healed = await lane.until_device("chip", "present")
            await lane.until("the channel stands", reader.is_secured)
            assert healed < 5 + lateness.allowance()
            await lane.until_ready()
            reader.card(VISITOR_W26, bits=26)
            await lane.until_decided(1)
            breaks = len(re.findall("secure channel broke", lane.log()))
            print(f"{breaks} channels broke in 10 s with 2 % of the bytes damaged (seed 1)")

    run(scenario())


def test_a_plain_reader_is_taken_only_where_the_configuration_says_so(open_lane, run):
    async def scenario():
        readers = []

        def prepare(lane):
            readers.append(OsdpReader(lane.devices / "osdp.tty", None, is_installing=True))
            lane.opened.append(readers[0])

        plain = "type: osdp, port: {devices}/osdp.tty, address: 5, secure_channel: off"
        async with open_lane([VISITOR], prepare, reader=plain) as lane:
            await lane.until_device("chip", "present")
            assert "NO secure channel" in lane.log()
            await lane.until_ready()
            readers[0].card(VISITOR_W26, bits=26)
            await lane.until_decided(1)

    run(scenario())
