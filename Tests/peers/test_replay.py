"""Sessions of devices that others wrote, recorded at the real daemon and played back into it without them."""

import re

import pytest
from osdp_reader import OsdpReader
from replaying import replayed
from technician import Tap
from test_modbus import open_measured_lane, show, visitor  # noqa: F401
from test_osdp import EXPIRED, KEY, READER, VISITOR, VISITOR_W26

PLAIN = "type: osdp, port: {devices}/osdp.tty, address: 5, secure_channel: off"


def decisions(lane):
    return [
        (event["verdict"], event["reasons"], event.get("holder"), event["lookup"], event["temperature"])
        for event in lane.events(200)
        if event["event"] == "decided"
    ]


@pytest.fixture
def recorded_osdp(open_lane):
    """Two badges at a reader that is libosdp, recorded; then the reader and the thermometer are gone."""

    async def record(lane, reader):
        simulated = lane.lane.simulated
        await lane.until_device("chip", "present")
        file = lane.stage.directory / "session.jsonl"
        async with Tap(lane.stage, "--record", str(file)) as tap:
            for number, (data, bits) in enumerate([(VISITOR_W26, 26), (EXPIRED.chip, None)], 1):
                await lane.until_the_wall_is_seen()
                simulated.thermometer.somebody_stands_there(36.5)
                reader.card(data, bits=bits)
                await lane.until_decided(number)
                if number == 1:  # the first is admitted
                    await lane.until("it opens", lambda: lane.gate.level["release"] == 1)
                    await lane.gate.pulse("passage_forward")
                    await lane.until("the way is free", lambda: lane.gate.level["release"] == 0)
            await lane.until("ready", simulated.is_ready)
        assert ", 0 missed" in tap.summary
        reader.close()
        simulated.thermometer.close()
        lane.opened.clear()
        return file, {"chip": reader.wire.line.link, "thermometer": simulated.thermometer.line.link}

    return record


def test_a_plain_osdp_session_gives_the_same_decisions(open_lane, recorded_osdp, run):
    async def scenario():
        readers = []

        def prepare(lane):
            readers.append(OsdpReader(lane.devices / "osdp.tty", None, is_installing=True))
            lane.opened.append(readers[0])

        async with open_lane([VISITOR, EXPIRED], prepare, reader=PLAIN) as lane:
            file, links = await recorded_osdp(lane, readers[0])
            first = decisions(lane)
            assert [verdict for verdict, *_ in first] == ["admitted", "refused"]
            said = await replayed(links, file, lane.stage.directory / "replay", lane.gate)
            assert re.search(r"chip was asked what the recording has no answer to: CAP \(\d+ times\), ID", said), said
            await lane.until_decided(4)
            assert decisions(lane) == first + first

    run(scenario())


def test_a_secured_osdp_session_is_refused_and_the_rest_can_be_played(open_lane, recorded_osdp, run):
    async def scenario():
        readers = []

        def prepare(lane):
            lane.write_key(KEY)
            readers.append(OsdpReader(lane.devices / "osdp.tty", KEY))
            lane.opened.append(readers[0])

        async with open_lane([VISITOR, EXPIRED], prepare, reader=READER) as lane:
            file, links = await recorded_osdp(lane, readers[0])
            directory = lane.stage.directory / "replay"
            said = await replayed(links, file, directory, lane.gate, status=1)
            assert "its keys are drawn anew" in said and "--without chip" in said
            del links["chip"]
            await replayed(links, file, directory, lane.gate, "--without", "chip")
            assert len(decisions(lane)) == 2, "a thermometer alone presents nobody"

    run(scenario())


def test_a_modbus_thermometers_session_gives_the_same_temperatures(open_measured_lane, run):  # noqa: F811
    async def scenario():
        crowd = [visitor(1), visitor(2)]
        async with open_measured_lane(crowd) as (lane, thermometer):
            file = lane.stage.directory / "session.jsonl"
            async with Tap(lane.stage, "--record", str(file)):
                assert await show(lane, thermometer, crowd[0], 36.5) == ("admitted", [])
                assert await show(lane, thermometer, crowd[1], 38.2) == ("refused", ["temperature-high"])
            first = decisions(lane)
            reader = lane.lane.simulated.reader
            reader.close()
            thermometer.stop()
            links = {"chip": reader.line.link, "thermometer": thermometer.line.link}
            await replayed(links, file, lane.stage.directory / "replay", lane.gate)
            assert decisions(lane) == first + first

    run(scenario())
