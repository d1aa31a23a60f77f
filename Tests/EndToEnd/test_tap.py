"""`lanectl reader tap` at a live lane, and `lanesim replay` of what it recorded."""

import asyncio
import json
import os
import signal
import stat
import sys
from pathlib import Path

from conftest import TOP, make_people
from test_lanectl import Technician

from lanesim_parts import crowd_log, reader
from lanesim_parts.siphash import chip_tag

BOUND = 60
LANESIM = [sys.executable, str(TOP / "Simulators" / "lanesim")]
BAD_ARGUMENT = 64


class Tap:
    """lanectl reader tap, under way."""

    def __init__(self, stage, *arguments):
        technician = Technician(stage)
        self._command = [technician.program, "reader", "tap", *arguments, "--config", technician.configuration]

    async def __aenter__(self):
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        assert b"listening to" in await asyncio.wait_for(self._process.stderr.readline(), BOUND)
        self._reading = asyncio.ensure_future(self._process.stdout.read())
        return self

    async def __aexit__(self, *_):
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)
        self.text = (await asyncio.wait_for(self._reading, BOUND)).decode()
        self.summary = (await self._process.stderr.read()).decode()
        assert await self._process.wait() == 0, self.summary


def decisions(stage):
    events = Technician(stage).asks("events", "--last", "500")
    return [
        (event["verdict"], event["reasons"], event.get("holder"), event["lookup"], event["temperature"])
        for event in events
        if event["event"] == "decided"
    ]


async def replayed(lane, file: Path, run: Path, names, *options):
    """Plays it in the place of the lane's own devices; people at the gate walk when it opens."""
    lane.thermometer.close()
    lane.reader.close()
    links = [f"--link={name}={line.link}" for name, line in names.items()]
    process = await asyncio.create_subprocess_exec(
        *LANESIM, "replay", str(file), "--run", str(run), *links, *options, stderr=asyncio.subprocess.PIPE
    )

    async def walk():
        while True:
            await lane.gate.wait_until(lambda: lane.gate.level["release"] == 1, 3600)
            await asyncio.sleep(0.2)
            await lane.gate.pulse("passage_forward")
            await lane.gate.wait_until(lambda: lane.gate.level["release"] == 0, 3600)

    walking = asyncio.ensure_future(walk())
    try:
        _, errors = await asyncio.wait_for(process.communicate(), BOUND * 3)
    finally:
        walking.cancel()
    assert process.returncode == 0, errors
    return errors.decode()


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
            names = {"chip": lane.reader.line, "thermometer": lane.thermometer.line}
            await replayed(lane, file, stage.directory / "replay", names)
            await stage.wait_for("the last one is decided", lambda: len(decisions(stage)) >= 2 * len(first), BOUND)
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
            file = stage.directory / "fast.jsonl"
            chips = [person.chip] + [bytes([0x90, number, 1, 2, 3]) for number in range(19)]
            head = {"format": "lanekeeper-recording-1", "devices": [{"name": "chip", "type": "rdm6300"}]}
            lines = [head] + [
                {"ms": 3_600_000 * hour, "device": "chip", "direction": "in", "hex": reader.frame(chip).hex(), "said": []}
                for hour, chip in enumerate(chips)
            ]
            file.write_text("".join(json.dumps(line) + "\n" for line in lines))
            await replayed(lane, file, stage.directory / "replay", {"chip": lane.reader.line}, "--fast")
            key = bytes.fromhex(stage.badge_key)

            def tags() -> list[str]:
                events = Technician(stage).asks("events", "--last", "500")
                return [event["tag"] for event in events if event["event"] == "decided"]

            await stage.wait_for("all of them", lambda: len(tags()) >= len(chips), BOUND)
            assert tags() == [chip_tag(key, chip).hex() for chip in chips]

    run(scenario())
