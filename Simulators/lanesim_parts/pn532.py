"""A PN532 reader of 13.56 MHz chips on a serial line ("HSU"), byte by byte.

    host:  55 55 00 … wakes it; then  00 00 FF LEN LCS D4 PD… DCS 00
    chip:  ACK 00 00 FF 00 FF 00, and later  00 00 FF LEN LCS D5 PD… DCS 00 with the command's code + 1
           LEN counts TFI and PD; LEN + LCS = 0 and TFI + PD + DCS = 0 modulo 256

It sleeps until it is woken, answers nothing that does not check, says the error frame to what it does not know, and
waits for a chip for ever unless RFConfiguration (32 05) limits how often it tries. An ACK from the host ends that. Upon a
NACK from the host it says its last answer again.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from .people import Person
from .serial_line import SerialLine

TURN_SECONDS = 0.005
TRY_SECONDS = 0.01  # one activation that finds nothing
ACK = bytes.fromhex("0000FF00FF00")
NACK = bytes.fromhex("0000FFFF0000")
ERROR = bytes.fromhex("0000FF01FF7F8100")
WAKE = b"\x55\x55"
FROM_HOST, FROM_CHIP = 0xD4, 0xD5
GET_FIRMWARE, SAM_CONFIGURATION, RF_CONFIGURATION, LIST_TARGET = 0x02, 0x14, 0x32, 0x4A
FIRMWARE = bytes.fromhex("32010607")
SENS_RES = {4: b"\x00\x04", 7: b"\x00\x44", 10: b"\x00\x84"}
SEL_RES = {4: b"\x08", 7: b"\x00", 10: b"\x20"}


def frame(data: bytes, tfi: int = FROM_CHIP) -> bytes:
    body = bytes([tfi]) + data
    if not 1 < len(body) <= 255:
        raise ValueError(f"a frame holds 1 to 254 bytes behind its TFI, not {len(data)}")
    return bytes([0, 0, 0xFF, len(body), -len(body) & 0xFF]) + body + bytes([-sum(body) & 0xFF, 0])


def target(uid: bytes, ats: bytes = b"") -> bytes:
    """What InListPassiveTarget answers: NbTg, Tg, SENS_RES, SEL_RES, UID length, UID, perhaps ATS."""
    if len(uid) not in SENS_RES:
        raise ValueError(f"a UID has 4, 7 or 10 bytes, not {len(uid)}")
    return b"\x01\x01" + SENS_RES[len(uid)] + SEL_RES[len(uid)] + bytes([len(uid)]) + uid + ats


class FrameReader:
    """Commands out of what the host sends: their data, and `ACK` or `NACK` themselves. What does not check is dropped."""

    def __init__(self) -> None:
        self._held = b""
        self.faults = 0

    def take(self, data: bytes) -> list[bytes]:
        self._held += data
        found = []
        while (start := self._held.find(b"\x00\xff")) >= 0:
            rest = self._held[start + 2 :]
            if len(rest) < 2:
                break
            length, check = rest[0], rest[1]
            if (length, check) in ((0x00, 0xFF), (0xFF, 0x00)):
                found.append(ACK if length == 0 else NACK)
                self._held = rest[2:]
            elif (length + check) & 0xFF or not length:
                self.faults += 1
                self._held = rest
            elif len(rest) < 2 + length + 1:
                break
            else:
                body = rest[2 : 2 + length]
                if body[0] == FROM_HOST and not (sum(body) + rest[2 + length]) & 0xFF:
                    found.append(body[1:])
                    self._held = rest[2 + length + 1 :]
                else:
                    self.faults += 1
                    self._held = rest
        self._held = self._held[-300:]
        return found


class PN532:
    def __init__(self, link: Path, chance: random.Random, ats: bytes = b"") -> None:
        self.line = SerialLine(link)
        self.ats = ats
        self.is_silent = False  # powered, and says nothing
        self.garbles = 0  # so many of the next answers come with a wrong bit, repeated ones too
        self.repeats = 0  # answers said again upon a NACK
        self.commands: list[int] = []  # that it took, oldest first
        self.wakes = 0
        self.errors = 0
        self._chance = chance
        self._uid: bytes | None = None
        self._leaves_at = 0.0
        self._reader = FrameReader()
        self._is_awake = False
        self._is_limited = False
        self._listing_until: float | None = None  # it looks for a chip; infinite without a limit
        self._last_answer: bytes | None = None
        self._task = asyncio.ensure_future(self._run())

    @staticmethod
    def identifier_of(person: Person) -> bytes:
        return person.chip

    def hold(self, uid: bytes, seconds: float) -> None:
        """Brings a chip into the field for a while."""
        target(uid)  # is it one?
        self._uid = uid
        self._leaves_at = asyncio.get_running_loop().time() + seconds

    def withdraw(self) -> None:
        self._uid = None

    def restart(self) -> None:
        """Its power went away for a moment: it sleeps, and knows no limit."""
        self._is_awake = self._is_limited = False
        self._listing_until = None
        self._last_answer = None
        self._reader = FrameReader()

    async def _run(self) -> None:
        while True:
            received = self.line.receive()
            if received and not self._is_awake and WAKE in received:
                self._is_awake = True
                self.wakes += 1
            if self._is_awake:
                for command in self._reader.take(received):
                    self._handle(command)
                self._look()
            await asyncio.sleep(TURN_SECONDS)

    def _handle(self, command: bytes) -> None:
        if command == ACK:
            self._listing_until = None
            return
        if command == NACK:
            if self._last_answer is not None and self._listing_until is None:
                self.repeats += 1
                self._say_garbled(self._last_answer)
            return
        self.commands.append(command[0])
        self._listing_until = None
        self._say(ACK)
        code, data = command[0], command[1:]
        if code == SAM_CONFIGURATION and data[:1] == b"\x01":
            self._answer(code, b"")
        elif code == GET_FIRMWARE and not data:
            self._answer(code, FIRMWARE)
        elif code == RF_CONFIGURATION and data:
            if data[0] == 0x05 and len(data) == 4:
                self._is_limited = data[3] != 0xFF
            self._answer(code, b"")
        elif code == LIST_TARGET and data == b"\x01\x00":
            tries = 3 * TRY_SECONDS if self._is_limited else float("inf")
            self._listing_until = asyncio.get_running_loop().time() + tries
        else:
            self.errors += 1
            self._say(ERROR)

    def _look(self) -> None:
        if self._listing_until is None:
            return
        now = asyncio.get_running_loop().time()
        if self._uid is not None and now < self._leaves_at:
            self._answer(LIST_TARGET, target(self._uid, self.ats))
        elif now >= self._listing_until:
            self._answer(LIST_TARGET, b"\x00")
        else:
            return
        self._listing_until = None

    def _answer(self, code: int, data: bytes) -> None:
        self._last_answer = frame(bytes([code + 1]) + data)
        self._say_garbled(self._last_answer)

    def _say_garbled(self, whole: bytes) -> None:
        answer = bytearray(whole)
        if self.garbles:
            self.garbles -= 1
            answer[self._chance.randrange(3, len(answer) - 1)] ^= 1 << self._chance.randrange(8)
        stray = b"\x01" if self._chance.random() < 0.2 else b""  # one real capture begins so
        self._say(stray + bytes(answer))

    def _say(self, data: bytes) -> None:
        if not self.is_silent:
            self.line.send(data)

    def close(self) -> None:
        self._task.cancel()
        self.line.unplug()
