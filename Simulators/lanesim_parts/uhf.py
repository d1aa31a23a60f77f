"""A UHF reader of vehicle passes, M100 family, on a serial line.

    BB | type | cmd | length hi lo | params | low byte of the sum of type … params | 7E       type 00 to it, 01 and 02 from it

Told to poll many rounds it floods the line: a notice (cmd 22) with RSSI, PC, EPC and CRC for every tag in every round, and
FF 15 for a round that finds none.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from .people import Person
from .serial_line import SerialLine

ROUND_SECONDS = 0.02
STOP, POLL_MANY, POLL_ONCE, POWER, HARDWARE = 0x28, 0x27, 0x22, 0xB6, 0x03
NOTHING_FOUND, BAD_COMMAND = 0x15, 0x17


def frame(kind: int, command: int, params: bytes) -> bytes:
    body = bytes([kind, command]) + len(params).to_bytes(2, "big") + params
    return b"\xbb" + body + bytes([sum(body) & 0xFF, 0x7E])


def crc16(data: bytes) -> int:
    """Poly 1021, init FFFF, inverted at the end: over PC and EPC."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc ^ 0xFFFF


def notice(epc: bytes, dbm: int, flags: int = 0) -> bytes:
    """`flags`: the eleven bits of the PC behind the length, which the tag has for itself."""
    if len(epc) % 2 or not 2 <= len(epc) <= 62:
        raise ValueError(f"an EPC has 1 to 31 words, not {len(epc)} bytes")
    tag = (len(epc) // 2 << 11 | flags).to_bytes(2, "big") + epc
    return frame(0x02, POLL_ONCE, dbm.to_bytes(1, "big", signed=True) + tag + crc16(tag).to_bytes(2, "big"))


class UHFReader:
    def __init__(self, link: Path, chance: random.Random) -> None:
        self.line = SerialLine(link)
        self.notices = 0
        self.is_silent = False
        self.power_centidbm: int | None = None
        self._chance = chance
        self._held = b""
        self._tags: dict[bytes, tuple[int, float]] = {}
        self._rounds = 0
        self._task = asyncio.ensure_future(self._run())

    @staticmethod
    def identifier_of(person: Person) -> bytes:
        return bytes.fromhex(person.epc)

    def hold(self, epc: bytes, seconds: float, dbm: int = -50) -> None:
        """A vehicle with this pass stands before it for a while. Others that are there stay."""
        notice(epc, dbm)  # is it one?
        self._tags[epc] = (dbm, asyncio.get_running_loop().time() + seconds)

    def withdraw(self) -> None:
        self._tags.clear()

    async def _run(self) -> None:
        while True:
            self._held = (self._held + self.line.receive())[-128:]
            while (command := self._next_command()) is not None:
                self._handle(*command)
            if self._rounds:
                self._rounds -= 1
                self._round()
            await asyncio.sleep(ROUND_SECONDS)

    def _next_command(self) -> tuple[int, bytes] | None:
        while (start := self._held.find(b"\xbb")) >= 0:
            held = self._held[start:]
            if len(held) < 5:
                return None
            end = 5 + int.from_bytes(held[3:5], "big")
            if len(held) < end + 2:
                return None
            if held[1] == 0 and sum(held[1:end]) & 0xFF == held[end] and held[end + 1] == 0x7E:
                self._held = held[end + 2 :]
                return held[2], held[5:end]
            self._held = held[1:]
        self._held = b""
        return None

    def _handle(self, command: int, params: bytes) -> None:
        if command == STOP:
            self._rounds = 0
            self._say(frame(0x01, STOP, b"\x00"))
        elif command == POLL_MANY and len(params) == 3:
            self._rounds = int.from_bytes(params[1:], "big")
        elif command == POLL_ONCE:
            self._rounds = 1
        elif command == POWER and len(params) == 2:
            self.power_centidbm = int.from_bytes(params, "big")
            self._say(frame(0x01, POWER, b"\x00"))
        elif command == HARDWARE:
            self._say(frame(0x01, HARDWARE, b"\x00M100 V1.00"))
        else:
            self._say(frame(0x01, 0xFF, bytes([BAD_COMMAND])))

    def _round(self) -> None:
        now = asyncio.get_running_loop().time()
        here = [(epc, dbm) for epc, (dbm, leaves_at) in self._tags.items() if now < leaves_at]
        for epc, dbm in here:
            for _ in range(self._chance.randrange(1, 4)):  # a tag answers in several slots of a round
                self.notices += 1
                self._say(notice(epc, dbm + self._chance.randrange(-3, 4)))
        if not here:
            self._say(frame(0x01, 0xFF, bytes([NOTHING_FOUND])))

    def _say(self, data: bytes) -> None:
        if not self.is_silent:
            self.line.send(data)

    def close(self) -> None:
        self._task.cancel()
        self.line.unplug()
