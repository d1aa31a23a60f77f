"""Recorded devices that are asked, against daemons that ask more often, more rarely and otherwise than the recorded one."""

from lanesim_parts import pn532, replay
from lanesim_parts.answering_device import AnsweringDevice
from lanesim_parts.dialects import ModbusDialect, OSDPDialect, PN532Dialect, modbus_crc, osdp_crc
from lanesim_parts.recording import Frame, Recording

LIST = bytes.fromhex("0000FF04FCD44A0100E100")
SAM = bytes.fromhex("55550000000000000000000000000000FF03FDD414011700")
NONE = pn532.ACK + pn532.frame(b"\x4b\x00")
CHIP = pn532.ACK + pn532.frame(b"\x4b" + pn532.target(bytes.fromhex("24D34F59")))


class Line:
    """The daemon's end, by hand."""

    def __init__(self):
        self.said = b""
        self.heard = b""

    def receive(self):
        said, self.said = self.said, b""
        return said

    def send(self, data):
        self.heard += data
        return True


def recorded(*exchanges):
    """(seconds, question, answer after 10 ms or nothing)"""
    frames = []
    for seconds, question, answer in exchanges:
        frames.append(Frame("d", False, seconds, question))
        if answer:
            frames.append(Frame("d", True, seconds + 0.01, answer))
    return frames


def ask(device, question, seconds):
    """What it answers, without waiting for its delays."""
    device.line.said = question
    device.line.heard = b""
    device.serve(seconds)
    while device._outbox:
        device._outbox = [(0.0, data) for _, data in device._outbox]
        device.serve(seconds)
    return device.line.heard


# PN532: no order of polls is the recorded one.

SESSION = recorded(*[(at / 10, LIST, CHIP if 20 <= at < 25 else NONE) for at in range(50)])


def polled(period, frames=SESSION, until=6.0):
    device = AnsweringDevice(Line(), PN532Dialect, frames)
    found, at = [], 0.0
    while at < until:
        found.append((round(at, 3), ask(device, LIST, at)))
        at += period
    return device, found


def test_a_chip_is_there_as_long_as_then_however_often_is_asked():
    for period in (0.01, 0.037, 0.1, 0.23):
        device, found = polled(period)
        there = [at for at, answer in found if answer == CHIP]
        assert {answer for _, answer in found} == {CHIP, NONE}
        assert 1.95 <= there[0] <= 2.0 + period, period
        assert there[-1] <= 2.5 + period, period
        without_break = [at for at, _ in found if there[0] <= at <= there[-1]]
        assert there == without_break, "one presentation"
        assert device.left() == 0 and not device.unknown


def test_what_happened_is_not_left_out_when_nobody_asked_for_a_while():
    device, found = polled(4.0, until=13.0)
    assert [answer == CHIP for _, answer in found] == [False, True, False, False]
    assert device.left() == 0


def test_a_reader_that_is_set_up_anew_answers_what_its_recording_lacks_and_tells():
    device = AnsweringDevice(Line(), PN532Dialect, SESSION)
    assert ask(device, SAM, -1.0) == pn532.ACK + pn532.frame(b"\x15")
    assert ask(device, bytes.fromhex("0000FF06FAD43205FF0102F300"), -1.0) == pn532.ACK + pn532.frame(b"\x33")
    assert not device.was_polled
    assert ask(device, LIST, -1.0) == NONE
    assert device.was_polled
    assert device.unknown == {"SAMConfiguration": 1, "RFConfiguration": 1}


def test_a_recorded_garbled_answer_is_said_again_rightly_when_it_is_asked_for_again():
    bad = bytearray(CHIP)
    bad[-4] ^= 1
    frames = [
        Frame("d", False, 0.0, LIST), Frame("d", True, 0.01, bytes(bad)),
        Frame("d", False, 0.02, pn532.NACK), Frame("d", True, 0.03, b"\x00" + CHIP[6:-1]),
    ]
    device = AnsweringDevice(Line(), PN532Dialect, frames)
    assert ask(device, LIST, 0.0) == bytes(bad)
    assert ask(device, pn532.NACK, 0.01) == CHIP[6:]
    assert ask(device, pn532.NACK, 0.02) == CHIP[6:]


def test_a_reader_that_was_silent_then_is_silent_now():
    frames = recorded((0.0, LIST, NONE), (1.0, LIST, None), (1.6, SAM, None), (3.0, SAM, None), (4.0, LIST, NONE))
    device = AnsweringDevice(Line(), PN532Dialect, frames)
    assert ask(device, LIST, 0.5) == NONE
    assert ask(device, LIST, 1.2) == b"" == ask(device, SAM, 2.0) == ask(device, LIST, 3.9)
    assert ask(device, LIST, 4.1) == NONE


# Modbus.

def framed(text):
    data = bytes.fromhex(text)
    return data + modbus_crc(data)


def test_a_temperature_is_as_it_was_at_that_time():
    question = framed("010400120001")
    assert question.hex() == "01040012000191cf"
    values = {0.0: "01040200F0", 1.0: "0104020171", 2.0: "01040200F1"}
    frames = recorded(*[(at, question, framed(value)) for at, value in values.items()])
    device = AnsweringDevice(Line(), ModbusDialect, frames)
    asked = [ask(device, question, at)[3:5].hex() for at in (-1, 0.5, 0.9, 1.1, 1.9, 2.5, 9)]
    assert asked == ["00f0", "00f0", "00f0", "0171", "0171", "00f1", "00f1"]
    assert ask(device, framed("010400990001"), 3).hex() == "018402c2c1", "no such register"
    assert device.unknown == {"function 4 of unit 1, 1 from register 153": 1}


# OSDP.

def packet(address, sequence, content, uses_crc=True):
    content = bytes.fromhex(content)
    head = bytes([0x53, address]) + (5 + len(content) + (2 if uses_crc else 1)).to_bytes(2, "little")
    whole = head + bytes([sequence | (4 if uses_crc else 0)]) + content
    return whole + (osdp_crc(whole) if uses_crc else bytes([-sum(whole) & 0xFF]))


def poll(sequence, **more):
    return b"\xff" + packet(0x65, sequence, "60", **more)


def ack(sequence, **more):
    return packet(0xE5, sequence, "40", **more)


RAW = "5000011A00CD22C700"


def test_the_packets_of_this_test_are_those_of_the_recorded_sessions():
    assert poll(0).hex() == "ff53650800046060 90".replace(" ", "")
    assert packet(0xE5, 1, RAW).hex() == "53e5100005500001" "1a00cd22c70090b8"


def test_a_card_is_told_once_under_the_sequence_number_of_its_question():
    frames = recorded((0, poll(1), ack(1)), (0.1, poll(2), packet(0xE5, 2, RAW)), (0.2, poll(3), ack(3)))
    device = AnsweringDevice(Line(), OSDPDialect, frames)
    assert ask(device, poll(0), 0.05) == ack(0)
    assert ask(device, poll(1), 0.06) == ack(1)
    assert ask(device, poll(2), 0.07) == ack(2)
    assert ask(device, poll(3), 0.15) == packet(0xE5, 3, RAW)
    assert ask(device, poll(3), 0.16) == packet(0xE5, 3, RAW), "the same once more: our answer was lost"
    assert ask(device, poll(1), 0.17) == ack(1)
    assert ask(device, poll(2, uses_crc=False), 0.3) == ack(2, uses_crc=False)
    assert device.left() == 0 and not device.unknown


def test_two_cards_are_two_although_nobody_asked_between_them():
    frames = recorded((0, poll(1), packet(0xE5, 1, RAW)), (0.1, poll(2), packet(0xE5, 2, RAW)), (0.2, poll(3), ack(3)))
    device = AnsweringDevice(Line(), OSDPDialect, frames)
    assert [ask(device, poll(number), 5)[5] for number in (1, 2, 3)] == [0x50, 0x50, 0x40]


def test_a_reader_answers_its_introduction_and_takes_what_is_shown():
    device = AnsweringDevice(Line(), OSDPDialect, recorded((0, poll(1), ack(1))))
    assert ask(device, packet(5, 0, "6100"), -1)[5] == 0x45
    assert ask(device, packet(5, 1, "6200"), -1)[5] == 0x46
    assert ask(device, packet(5, 2, "6B000100000101 41"), -1) == packet(0x85, 2, "40")
    assert ask(device, packet(5, 3, "75"), -1) == packet(0x85, 3, "4105")
    assert device.unknown == {"ID": 1, "CAP": 1, "TEXT": 1, "KEYSET": 1}


def test_a_session_inside_a_secure_channel_is_refused_with_what_to_do():
    secured = bytes.fromhex("53000e000d021560df8898239a62")
    recording = Recording("lane", {"chip": "osdp", "t": "modbus"}, [Frame("chip", False, 0.0, b"\xff" + secured)])
    why = replay.why_not(recording, "chip")
    assert "--without chip" in why and "secure_channel: off" in why
    assert replay.why_not(recording, "t") is None
    recording.frames[0] = Frame("chip", False, 0.0, poll(1))
    assert replay.why_not(recording, "chip") is None
