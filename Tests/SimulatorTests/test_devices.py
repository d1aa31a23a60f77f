"""Bytes and lines of the simulated devices, against recordings of real ones."""

import asyncio
import os
import random
import time
import tty

import pytest

from lanesim_parts import reader, thermometer
from lanesim_parts.gate import Gate
from lanesim_parts.serial_line import SerialLine
from lanesim_parts.siphash import siphash128

# Recordings of real readers: forum.arduino.cc/t/251993, stackoverflow 11848921, eevblog rdm6300.
RDM6300 = {
    "010063E9AE": "0230313030363345394145323503",
    "3C00CE754C": "0233433030434537353443434203",
    "6F007B3972": "0236463030374233393732354603",
}


@pytest.mark.parametrize("chip, recorded", RDM6300.items())
def test_a_reader_says_what_real_readers_said(chip, recorded):
    assert reader.frame(bytes.fromhex(chip)).hex() == recorded


def test_an_id12la_puts_cr_lf_before_its_last_byte():
    assert reader.frame(bytes.fromhex("010063E9AE"), with_crlf=True).hex() == "0230313030363345394145323" "50d0a03"


def test_a_thermometer_says_what_its_manual_shows():
    assert thermometer.frame(31.92, 33.53).hex() == "5a5a45040c780d19a7"


def test_below_zero_is_twos_complement():
    assert thermometer.frame(-0.01, 0).hex() == "5a5a4504ffff0000fb"


def test_siphash_against_its_authors_vectors():
    key = bytes(range(16))
    assert siphash128(key, b"").hex() == "a3817f04ba25a8e66df67214c7550293"
    assert siphash128(key, bytes(range(15))).hex() == "5493e99933b0a8117e08ec0f97cfc3d9"


def test_a_line_passes_every_byte_and_forgets_what_nobody_heard(tmp_path):
    line = SerialLine(tmp_path / "reader.tty")
    every = bytes(range(256))
    assert not line.is_listened_to()
    assert not line.send(b"to nobody")
    for _ in range(2):  # a daemon comes, goes, and comes again
        daemon = os.open(tmp_path / "reader.tty", os.O_RDWR | os.O_NOCTTY)
        tty.setraw(daemon)
        assert line.send(every)
        assert read_exactly(daemon, 256) == every
        os.write(daemon, every)
        assert read_exactly(line.master, 256) == every
        assert line.send(b"unread")
        os.close(daemon)
        assert not line.send(b"to nobody")
    line.unplug()
    assert not (tmp_path / "reader.tty").is_symlink() and not line.send(b"to nobody") and line.receive() == b""
    line.plug_in()
    assert (tmp_path / "reader.tty").exists()
    line.unplug()


def test_a_thermometer_streams_once_it_was_asked_to(tmp_path):
    async def scenario():
        device = thermometer.Thermometer(tmp_path / "t.tty", random.Random(1))
        daemon = os.open(tmp_path / "t.tty", os.O_RDWR | os.O_NOCTTY)
        os.write(daemon, bytes.fromhex("A545EA"))
        device.somebody_stands_there(36.5)
        frames = await asyncio.to_thread(read_exactly, daemon, 27)
        for at in range(0, 27, 9):
            frame = frames[at : at + 9]
            assert frame[:4].hex() == "5a5a4504" and sum(frame[:8]) & 0xFF == frame[8]
            assert 36.3 < int.from_bytes(frame[4:6], "big") / 100 < 36.7
        device.close()
        os.close(daemon)

    asyncio.run(scenario())


def test_a_gate_drops_its_release_when_the_daemon_goes(tmp_path):
    async def scenario():
        notes = []
        gate = Gate(tmp_path / "gate.sock", notes.append)
        await gate.open()
        lane_in, lane = await asyncio.open_unix_connection(str(tmp_path / "gate.sock"))
        lane.write(b"hello lane\n")
        assert await lane_in.readline() == b"passage_forward 0\n"
        assert await lane_in.readline() == b"passage_backward 0\n"
        assert await lane_in.readline() == b"guard_button 0\n"
        assert await lane_in.readline() == b"tamper 0\n"
        fire_in, fire = await asyncio.open_unix_connection(str(tmp_path / "gate.sock"))
        fire.write(b"hello fire\n")
        assert await fire_in.readline() == b"fire 1\n"
        lane.write(b"release 1\nlamp_green 1\n")
        assert await gate.wait_until(lambda: gate.is_open, 5)
        await gate.pulse("passage_forward", 0.01)
        assert await lane_in.readline() == b"passage_forward 1\n"
        assert await lane_in.readline() == b"passage_forward 0\n"
        gate.set_contact("fire", 0)
        assert await fire_in.readline() == b"fire 0\n"
        fire.write(b"emergency 1\n")
        assert await gate.wait_until(lambda: gate.level["emergency"] == 1, 5)
        lane.close()
        assert await gate.wait_until(lambda: gate.level["release"] == 0, 5)
        assert gate.is_open, "the emergency holds without the lane connection"
        assert gate.falls_commanded["release"] == 0
        fire.close()
        assert await gate.wait_until(lambda: not gate.is_open, 5)
        assert not gate.faults
        await gate.close()

    asyncio.run(scenario())


def test_a_gate_reports_lines_that_are_not_its_language(tmp_path):
    async def scenario():
        gate = Gate(tmp_path / "gate.sock", lambda _: None)
        await gate.open()
        _, lane = await asyncio.open_unix_connection(str(tmp_path / "gate.sock"))
        lane.write(b"hello lane\nemergency 1\nrelease 2\n" + b"x" * 100 + b"\n")
        assert await gate.wait_until(lambda: len(gate.faults) == 3, 5)
        assert not gate.is_open
        await gate.close()

    asyncio.run(scenario())


def read_exactly(descriptor, count):
    data = b""
    while len(data) < count:
        data += os.read(descriptor, count - len(data))
    return data


def test_a_chip_that_left_the_field_while_nothing_ran_is_not_read_again(tmp_path):
    """A test that waits for a command keeps the simulated devices waiting: a frame after the chip has gone would be
    another presentation."""
    device = reader.Reader(tmp_path / "reader.tty", random.Random(1))

    async def scenario():
        device.hold(bytes.fromhex("010063E9AE"), 0.15)
        while not device.readings:
            await asyncio.sleep(0)
        read = device.readings
        time.sleep(0.3)  # the loop stands still
        await device.holding
        assert device.readings == read
        device.close()

    asyncio.run(scenario())
