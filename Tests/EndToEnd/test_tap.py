"""`lanectl reader tap` at a live lane, and `lanesim replay` of what it recorded."""

import json
import os
import stat
from dataclasses import replace

from conftest import make_people
from replaying import replayed
from technician import Tap, Technician

from lanesim_parts import crowd_log, reader
from lanesim_parts.readers import ReaderSettings
from lanesim_parts.siphash import chip_tag
from lanesim_parts.site import lanes

BOUND = 60
BAD_ARGUMENT = 64
SAM_CONFIGURATION = "d41401"  # in the hex of its frame


def decisions(stage):
    events = Technician(stage).asks("events", "--last", "500")
    return [
        (event["verdict"], event["reasons"], event.get("holder"), event["lookup"], event["temperature"])
        for event in events
        if event["event"] == "decided"
    ]


def take_place_of(lane):
    """The lane's own devices go; where their lines were."""
    lane.thermometer.close()
    lane.reader.close()
    return {"chip": lane.reader.line.link, "thermometer": lane.thermometer.line.link}


def test_a_recorded_session_played_back_gives_the_same_decisions(open_stage, run):
    sorts = "may pass: visitor", "test expired", "fever", "code and badge missing", "may pass: staff"

    async def scenario():
        crowd = make_people(*sorts)
        async with open_stage(crowd) as stage:
            lane = stage.lanes[0].simulated
            file = stage.directory / "session.jsonl"
            async with Tap(stage, "--record", str(file)) as tap:
                for person in crowd:
                    await lane.visit(person)
                assert await lane.gate.wait_until(lane.is_ready, BOUND)
            assert ", 0 missed" in tap.summary
            first = decisions(stage)
            assert len(first) == len(crowd)
            await replayed(take_place_of(lane), file, stage.directory / "replay", lane.gate)
            await stage.wait_for("the last one is decided", lambda: len(decisions(stage)) >= 2 * len(first), BOUND)
            assert decisions(stage) == first + first

    run(scenario())


def test_a_reader_that_is_asked_is_played_back_too_into_a_daemon_that_sets_it_up_anew(open_stage, run):
    uids = [bytes.fromhex(uid) for uid in ("24D34F59", "04A1B2C3D4E5F6", "0102030405060708090A", "FB0EE20B")]
    sorts = "may pass: visitor", "test expired", "fever", "may pass: staff"

    async def scenario():
        crowd = [replace(person, chip=uid) for person, uid in zip(make_people(*sorts), uids)]
        (entry,) = lanes(1)
        async with open_stage(crowd, settings=[replace(entry, readers=(ReaderSettings(type="pn532"),))]) as stage:
            lane = stage.lanes[0].simulated
            assert await lane.gate.wait_until(lane.is_ready, BOUND)
            file = stage.directory / "session.jsonl"
            async with Tap(stage, "--record", str(file)) as tap:
                for person in crowd:
                    await lane.visit(person)
                    lane.reader.garbles = 2  # which belongs to the recording
                assert await lane.gate.wait_until(lane.is_ready, BOUND)
            assert ", 0 missed" in tap.summary
            first = decisions(stage)
            assert [verdict for verdict, *_ in first] == ["admitted", "refused", "refused", "admitted"]
            said = await replayed(take_place_of(lane), file, stage.directory / "replay", lane.gate)
            # It had been set up before it was recorded, unless it answered so late that the daemon began anew.
            is_recorded = SAM_CONFIGURATION in file.read_text()
            assert ("SAMConfiguration (1 times)" in said) != is_recorded
            assert decisions(stage) == first + first

    run(scenario())


def test_a_tap_shows_each_frame_raw_and_decoded_and_its_recording_is_for_its_owner(open_stage, run):
    async def scenario():
        (person,) = make_people("may pass: visitor")
        async with open_stage([person]) as stage:
            lane = stage.lanes[0].simulated
            file = stage.directory / "session.jsonl"
            old_mask = os.umask(0)
            try:
                async with Tap(stage, "--record", str(file)) as tap:
                    assert (await lane.visit(person)).answer == crowd_log.RELEASED
            finally:
                os.umask(old_mask)
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            frame = next(line for line in tap.text.splitlines() if f"chip {person.chip.hex()}" in line)
            assert frame[10] == "T" and "<- " in frame and "02" + person.chip.hex().upper().encode().hex() in frame
            assert "object 36" in tap.text and "thermometer" in tap.text
            head, *lines = [json.loads(line) for line in file.read_text().splitlines()]
            assert head["format"] == "lanekeeper-recording-1" and head["lane"] == "north-01"
            assert [device["name"] for device in head["devices"]] == ["chip", "thermometer"]
            assert [line["ms"] for line in lines] == sorted(line["ms"] for line in lines)
            # It is not written over, and a device that is not there is told.
            technician = Technician(stage)
            done = technician("reader", "tap", "--record", str(file))
            assert done.returncode == 1 and "not there yet" in done.stderr
            done = technician("reader", "tap", "nose")
            assert done.returncode == BAD_ARGUMENT and "it has chip, thermometer" in done.stderr
            # One device alone.
            async with Tap(stage, "thermometer", "--json") as tap:
                assert (await lane.visit(person)).answer == crowd_log.RELEASED
            assert {json.loads(line)["device"] for line in tap.text.splitlines()} == {"thermometer"}
            # When nobody asks any more, the lane stops listening by itself.
            log = stage.lanes[0].daemon.log
            await stage.wait_for("it stops", lambda: log.read_text().count("not tapped any more") >= 1, BOUND)

    run(scenario())


def test_a_recording_played_fast_reaches_the_daemon_whole(open_stage, run):
    async def scenario():
        (person,) = make_people("may pass: visitor")
        async with open_stage([person]) as stage:
            lane = stage.lanes[0].simulated
            assert await lane.gate.wait_until(lane.is_ready, BOUND)
            file = stage.directory / "fast.jsonl"
            chips = [person.chip] + [bytes([0x90, number, 1, 2, 3]) for number in range(19)]
            head = {"format": "lanekeeper-recording-1", "devices": [{"name": "chip", "type": "rdm6300"}]}
            lines = [head] + [
                {"ms": 3_600_000 * hour, "device": "chip", "direction": "in", "hex": reader.frame(chip).hex(), "said": []}
                for hour, chip in enumerate(chips)
            ]
            file.write_text("".join(json.dumps(line) + "\n" for line in lines))
            links = take_place_of(lane)
            await replayed({"chip": links["chip"]}, file, stage.directory / "replay", lane.gate, "--fast")
            key = bytes.fromhex(stage.badge_key)

            def tags() -> list[str]:
                events = Technician(stage).asks("events", "--last", "500")
                return [event["tag"] for event in events if event["event"] == "decided"]

            await stage.wait_for("all of them", lambda: len(tags()) >= len(chips), BOUND)
            assert tags() == [chip_tag(key, chip).hex() for chip in chips]

    run(scenario())
