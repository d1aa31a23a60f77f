"""How devices that are asked are asked: the questions in what a daemon says, and the answers that fit them.

    pn532     commands in frames of their own (see pn532.py); a NACK asks for the last answer again
    modbus    01 04 00 12 00 01 CRC: unit, function, first register, count; always 8 bytes when something is read
    osdp      53 address length control (block) code data check; an answer carries its question's sequence number
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from . import pn532


class Kind(Enum):
    SETUP = "setup"  # answered alike whenever it is asked
    EVENT = "event"  # what happened since it was asked last: each recorded answer counts, in its order
    STATE = "state"  # how it stands now: the newest recorded answer counts
    AGAIN = "again"  # for the last answer once more


@dataclass(frozen=True)
class Question:
    kind: Kind
    key: bytes  # the same for the same question, however often it is asked
    name: str
    raw: bytes = b""


class Dialect(Protocol):
    quiet: frozenset[bytes]  # answers to an EVENT that tell of none
    lasts: bool  # whether an EVENT told twice in a row is one that lasts

    def questions(self, data: bytes) -> list[Question]:
        """Out of what comes next from the daemon; what makes no whole question is kept for the next call."""

    def same(self, recorded: bytes) -> bytes:
        """What of an answer is the same whichever question it answered; empty when there is no whole one in it."""

    def answer(self, question: Question, content: bytes) -> bytes:
        """The bytes that carry `content`, as `same` gave it, as the answer to this question."""

    def prompt(self, content: bytes) -> int:
        """So many bytes of an answer are said at once, however long the rest took."""

    def without_recording(self, question: Question) -> bytes:
        """What a device answers with which nothing happens; empty when it would not answer."""


class PN532Dialect:
    NONE = pn532.frame(bytes([pn532.LIST_TARGET + 1, 0]))
    NAMES = {
        pn532.GET_FIRMWARE: "GetFirmwareVersion",
        pn532.SAM_CONFIGURATION: "SAMConfiguration",
        pn532.RF_CONFIGURATION: "RFConfiguration",
        pn532.LIST_TARGET: "InListPassiveTarget",
    }
    quiet = frozenset([pn532.ACK + NONE])
    lasts = True

    def __init__(self) -> None:
        self._reader = pn532.FrameReader()

    def questions(self, data: bytes) -> list[Question]:
        found = []
        for command in self._reader.take(data):
            if command == pn532.NACK:
                found.append(Question(Kind.AGAIN, b"", "NACK"))
            elif command != pn532.ACK:  # which only tells it to stop
                kind = Kind.EVENT if command[0] == pn532.LIST_TARGET else Kind.SETUP
                found.append(Question(kind, command, self.NAMES.get(command[0], f"command {command[0]:02X}")))
        return found

    def same(self, recorded: bytes) -> bytes:
        """From the first frame on: what stood before is the end of the frame before, or noise."""
        start = recorded.find(b"\x00\x00\xff")
        if start < 0:
            return b""
        whole = recorded[start:]
        # The zero behind a frame is recorded with the next one.
        return whole if whole.endswith(b"\x00") else whole + b"\x00"

    def answer(self, question: Question, content: bytes) -> bytes:
        return content

    def prompt(self, content: bytes) -> int:
        return len(pn532.ACK) if content.startswith(pn532.ACK) else 0

    def without_recording(self, question: Question) -> bytes:
        code = question.key[0]
        if code == pn532.LIST_TARGET:
            return pn532.ACK + self.NONE
        if code in (pn532.SAM_CONFIGURATION, pn532.RF_CONFIGURATION):
            return pn532.ACK + pn532.frame(bytes([code + 1]))
        if code == pn532.GET_FIRMWARE:
            return pn532.ACK + pn532.frame(bytes([code + 1]) + pn532.FIRMWARE)
        return pn532.ACK + pn532.ERROR


def modbus_crc(data: bytes) -> bytes:
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


class ModbusDialect:
    LENGTH = 8
    ILLEGAL_ADDRESS = 2
    quiet: frozenset[bytes] = frozenset()
    lasts = False

    def __init__(self) -> None:
        self._held = b""

    def questions(self, data: bytes) -> list[Question]:
        self._held += data
        found = []
        while len(self._held) >= self.LENGTH:
            asked = self._held[: self.LENGTH]
            if modbus_crc(asked[:-2]) != asked[-2:]:
                self._held = self._held[1:]
                continue
            self._held = self._held[self.LENGTH :]
            register, count = int.from_bytes(asked[2:4], "big"), int.from_bytes(asked[4:6], "big")
            name = f"function {asked[1]} of unit {asked[0]}, {count} from register {register}"
            found.append(Question(Kind.STATE, asked, name))
        return found

    def same(self, recorded: bytes) -> bytes:
        return recorded

    def answer(self, question: Question, content: bytes) -> bytes:
        return content

    def prompt(self, content: bytes) -> int:
        return 0

    def without_recording(self, question: Question) -> bytes:
        said = bytes([question.key[0], question.key[1] | 0x80, self.ILLEGAL_ADDRESS])
        return said + modbus_crc(said)


def osdp_crc(data: bytes) -> bytes:
    crc = 0x1D0F
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc.to_bytes(2, "little")


class OSDPDialect:
    """Outside of a secure channel: inside of one every answer is made for its session alone."""

    SOM, REPLY, HAS_CRC, HAS_SECURITY_BLOCK = 0x53, 0x80, 0x04, 0x08
    SHORTEST, LONGEST = 7, 1440
    ACK, NAK, BUSY = 0x40, 0x41, 0x79
    NO_SECURE_CHANNEL, UNKNOWN_COMMAND = 5, 3
    POLL, ID, CAP, STATUS = 0x60, 0x61, 0x62, 0x64
    NAMES = {
        POLL: "POLL", ID: "ID", CAP: "CAP", STATUS: "LSTAT", 0x68: "OUT", 0x69: "LED", 0x6A: "BUZ", 0x6B: "TEXT",
        0x75: "KEYSET", 0x76: "CHLNG", 0x77: "SCRYPT",
    }
    SHOWS = (0x68, 0x69, 0x6A, 0x6B)  # acknowledged whatever they show
    SECURES = (0x75, 0x76, 0x77)
    quiet = frozenset([bytes([ACK])])
    lasts = False

    def __init__(self) -> None:
        self._held = b""

    @classmethod
    def packets(cls, data: bytes) -> tuple[list[bytes], bytes]:
        """Whole packets, and what may be the beginning of one."""
        found = []
        while (start := data.find(bytes([cls.SOM]))) >= 0:
            data = data[start:]
            if len(data) < cls.SHORTEST:
                break
            length = int.from_bytes(data[2:4], "little")
            if not cls.SHORTEST <= length <= cls.LONGEST:
                data = data[1:]
            elif len(data) < length:
                break
            elif cls._checks(data[:length]):
                found.append(data[:length])
                data = data[length:]
            else:
                data = data[1:]
        return found, data if start >= 0 else b""

    @classmethod
    def _checks(cls, packet: bytes) -> bool:
        if packet[4] & cls.HAS_CRC:
            return osdp_crc(packet[:-2]) == packet[-2:]
        return sum(packet) & 0xFF == 0

    @classmethod
    def is_secured(cls, data: bytes) -> bool:
        return any(packet[4] & cls.HAS_SECURITY_BLOCK for packet in cls.packets(data)[0])

    @classmethod
    def content(cls, packet: bytes) -> bytes:
        return packet[5 : -2 if packet[4] & cls.HAS_CRC else -1]

    def questions(self, data: bytes) -> list[Question]:
        packets, self._held = self.packets(self._held + data)
        found = []
        for packet in packets:
            if packet[1] & self.REPLY:
                continue
            # Inside a block that no recording can answer, what is asked is told by its code alone.
            block = packet[5] if packet[4] & self.HAS_SECURITY_BLOCK else 0
            asked = self.content(packet)[block:]
            if not asked:
                continue
            code = asked[0]
            kind = Kind.EVENT if code == self.POLL else Kind.STATE if code == self.STATUS else Kind.SETUP
            key = asked[:1] if code in self.SHOWS or block else asked
            found.append(Question(kind, key, self.NAMES.get(code, f"command {code:02X}"), packet))
        return found

    def same(self, recorded: bytes) -> bytes:
        for packet in self.packets(recorded)[0]:
            content = self.content(packet)
            if packet[1] & self.REPLY and content[:1] != bytes([self.BUSY]):
                return content
        return b""

    def answer(self, question: Question, content: bytes) -> bytes:
        address, control = question.raw[1], question.raw[4] & (0x03 | self.HAS_CRC)
        check = 2 if control & self.HAS_CRC else 1
        length = 5 + len(content) + check
        packet = bytes([self.SOM, address | self.REPLY]) + length.to_bytes(2, "little") + bytes([control]) + content
        return packet + (osdp_crc(packet) if check == 2 else bytes([-sum(packet) & 0xFF]))

    def prompt(self, content: bytes) -> int:
        return 0

    def without_recording(self, question: Question) -> bytes:
        code = question.key[0]
        if code == self.POLL or code in self.SHOWS:
            return bytes([self.ACK])
        if code == self.ID:
            return bytes([0x45]) + bytes(12)
        if code == self.CAP:  # it reads cards, and knows CRC; nothing to show anything on
            return bytes([0x46, 0x03, 0x01, 0x00, 0x08, 0x01, 0x00])
        if code == self.STATUS:
            return bytes([0x48, 0, 0])
        return bytes([self.NAK, self.NO_SECURE_CHANNEL if code in self.SECURES else self.UNKNOWN_COMMAND])


DIALECTS: dict[str, type[Dialect]] = {"pn532": PN532Dialect, "modbus": ModbusDialect, "osdp": OSDPDialect}
