"""Bytes of the simulated PN532, scanner and UHF reader, against captures of real ones."""

import asyncio
import os
import random
import tty

import pytest

from lanesim_parts import pn532, scanner, uhf

# Driver captures; the sources stand in protocols.md A3 and A5 of the design.
WAKE_AND_SAM = bytes.fromhex("55550000000000000000000000000000FF03FDD414011700")
SAM_DONE = "0000ff02fed5151600"
LIST = bytes.fromhex("0000FF04FCD44A0100E100")
LIMIT = bytes.fromhex("0000FF06FAD43205FF0102F300")
FOUND_24D34F59 = "0000ff0cf4d54b01010004080424d34f592f00"
NOTICES = {
    ("30751FEB705C5904E3D50D70", -55, 0x400): "bb02220011c9340030751feb705c5904e3d50d703a76ef7e",
    ("E20010710000529B0940B402", -43, 0): "bb02220011d53000e20010710000529b0940b402eb980c7e",
}


def test_a_pn532_answers_as_captured():
    assert pn532.frame(bytes([0x15])).hex() == SAM_DONE
    assert pn532.frame(bytes([0x4B]) + pn532.target(bytes.fromhex("24D34F59"))).hex() == FOUND_24D34F59
    assert pn532.frame(bytes([0x03]) + pn532.FIRMWARE).hex() == "0000ff06fad50332010607e800"


@pytest.mark.parametrize("cut", range(1, len(WAKE_AND_SAM + LIST)))
def test_commands_are_found_wherever_they_are_cut(cut):
    reader, data = pn532.FrameReader(), WAKE_AND_SAM + LIST
    assert reader.take(data[:cut]) + reader.take(data[cut:]) == [b"\x14\x01", b"\x4a\x01\x00"]
    assert reader.faults == 0


def test_a_command_that_does_not_check_is_dropped_and_the_next_one_found():
    reader = pn532.FrameReader()
    wrong = bytearray(LIST)
    wrong[6] ^= 0x10
    assert reader.take(bytes(wrong) + LIST) == [b"\x4a\x01\x00"]
    assert reader.faults == 1
    assert reader.take(pn532.ACK) == [pn532.ACK]


@pytest.mark.parametrize("uid", ["24D34F59", "04A1B2C3D4E5F6", "0102030405060708090A"])
def test_a_pn532_sleeps_wakes_and_finds_a_chip(tmp_path, uid):
    async def scenario():
        device = pn532.PN532(tmp_path / "p.tty", random.Random(0))
        daemon = open_line(tmp_path / "p.tty")
        os.write(daemon, LIST)  # it sleeps
        await asyncio.sleep(0.05)  # in which nothing may happen
        assert device.commands == []
        os.write(daemon, WAKE_AND_SAM)
        assert await until(daemon, bytes.fromhex(SAM_DONE)) == pn532.ACK + bytes.fromhex(SAM_DONE)
        os.write(daemon, LIMIT)
        await until(daemon, pn532.frame(b"\x33"))
        os.write(daemon, LIST)
        assert (await until(daemon, pn532.frame(b"\x4b\x00"))).startswith(pn532.ACK)
        device.hold(bytes.fromhex(uid), 5)
        os.write(daemon, LIST)
        answer = await until(daemon, pn532.frame(b"\x4b" + pn532.target(bytes.fromhex(uid))))
        assert bytes.fromhex(uid) in answer
        os.write(daemon, bytes.fromhex("0000FF02FED4EE3E00"))
        assert pn532.ERROR in await until(daemon, pn532.ERROR)
        device.close()
        os.close(daemon)

    asyncio.run(scenario())


@pytest.mark.parametrize("what, dbm, flags", NOTICES)
def test_a_uhf_reader_says_what_real_ones_said(what, dbm, flags):
    assert uhf.notice(bytes.fromhex(what), dbm, flags).hex() == NOTICES[what, dbm, flags]


def test_a_uhf_reader_floods_while_it_polls_and_stops_when_told(tmp_path):
    async def scenario():
        device = uhf.UHFReader(tmp_path / "u.tty", random.Random(1))
        daemon = open_line(tmp_path / "u.tty")
        os.write(daemon, bytes.fromhex("BB00B6000207D08F7E"))
        await until(daemon, bytes.fromhex("BB01B6000100B87E"))
        assert device.power_centidbm == 2000
        os.write(daemon, bytes.fromhex("BB00270003" "22FFFF4A7E"))
        await until(daemon, bytes.fromhex("BB01FF000115167E"))
        epc = bytes.fromhex("E20010710000529B0940B402")
        device.hold(epc, 5)
        for _ in range(5):
            await until(daemon, epc)
        os.write(daemon, bytes.fromhex("BB00280000287E"))
        await until(daemon, bytes.fromhex("BB01280001002A7E"))
        before = device.notices
        await asyncio.sleep(0.2)  # in which nothing may happen
        assert device.notices == before
        device.close()
        os.close(daemon)

    asyncio.run(scenario())


@pytest.mark.parametrize("ending, bytes_", [("cr", b"\r"), ("lf", b"\n"), ("crlf", b"\r\n"), ("none", b"")])
def test_a_scanner_adds_what_it_is_set_up_to_add(tmp_path, ending, bytes_):
    async def scenario():
        device = scanner.Scanner(tmp_path / "s.tty", random.Random(1), scanner.Setup(ending, b"]Q1", b"<", b">"))
        daemon = open_line(tmp_path / "s.tty")
        device.hold(b"HELLO", 1)
        assert await until(daemon, b"HELLO>" + bytes_) == b"<]Q1HELLO>" + bytes_
        device.close()
        os.close(daemon)

    asyncio.run(scenario())


def open_line(path):
    daemon = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(daemon)
    return daemon


async def until(daemon, wanted):
    """Everything that came until these bytes are in it."""
    heard = b""
    for _ in range(1000):
        try:
            heard += os.read(daemon, 4096)
        except BlockingIOError:
            pass
        if wanted in heard:
            return heard
        await asyncio.sleep(0.005)
    raise AssertionError(f"{wanted.hex()} did not come, but {heard.hex()}")
