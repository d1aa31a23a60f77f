"""An OSDP reader: libosdp's peripheral device (PyPI `libosdp`) at the far end of a pseudo-terminal."""

from __future__ import annotations

import ctypes
import random
import threading
import time
from pathlib import Path
from typing import Any

import osdp
from lanesim_parts.serial_line import SerialLine

ADDRESS = 5
LED, BUZZER, TEXT, KEYSET, STATUS = (
    osdp.Command.LED,
    osdp.Command.Buzzer,
    osdp.Command.Text,
    osdp.Command.Keyset,
    osdp.Command.Status,
)
CAPABILITIES = osdp.PDCapabilities(
    [
        (osdp.Capability.ContactStatusMonitoring, 1, 1),
        (osdp.Capability.CardDataFormat, 1, 1),
        (osdp.Capability.LEDControl, 4, 1),
        (osdp.Capability.AudibleControl, 1, 1),
        (osdp.Capability.TextOutput, 2, 1),
        (osdp.Capability.CheckCharacter, 1, 1),
        (osdp.Capability.CommunicationSecurity, 1, 1),
        (osdp.Capability.Readers, 1, 1),
    ]
)


def given_away(answer: dict[str, Any] | None) -> dict[str, Any] | None:
    """One more reference for libosdp 3.2.9, which releases one to the second value of a handler's answer that it never
    took (`pd_command_cb` in vendor/python/osdp_sys/pd.c). Without it a dictionary is freed while the answer still names
    it, and the interpreter's next collection, or its end, may be a segmentation fault; None loses a reference each time.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(answer))
    return answer


class Wire(osdp.Channel):
    """The reader's end of the line; loses what it is told to lose."""

    def __init__(self, link: Path) -> None:
        super().__init__()
        self.line = SerialLine(link)
        self.lost: list[float] = []  # when a reply was lost
        self.damage = 0.0  # share of bytes that are lost or changed, in both directions
        self.chance = random.Random(1)
        self._lose_next = 0
        self._received = b""

    def lose_next_replies(self, count: int) -> None:
        self._lose_next = count

    def read(self, max_bytes: int) -> bytes:
        self._received += self._damaged(self.line.receive())
        found, self._received = self._received[:max_bytes], self._received[max_bytes:]
        return found

    def write(self, buf: bytes) -> int:
        if self._lose_next:
            self._lose_next -= 1
            self.lost.append(time.monotonic())
        else:
            self.line.send(self._damaged(bytes(buf)))
        return len(buf)

    def flush(self) -> None:
        self._received = b""
        self.line.receive()

    def _damaged(self, data: bytes) -> bytes:
        if not self.damage:
            return data
        result = bytearray()
        for byte in data:
            if self.chance.random() >= self.damage:
                result.append(byte)
            elif self.chance.random() < 0.5:
                result.append(byte ^ 1 << self.chance.randrange(8))
        return bytes(result)


class OsdpReader:
    def __init__(self, link: Path, key: bytes | None, is_installing: bool = False) -> None:
        self.wire = Wire(link)
        self.key = key
        self.is_installing = is_installing
        self.commands: list[dict[str, Any]] = []
        self.status = bytes([0, 0])
        self._lock = threading.Lock()
        self._running = False
        self.power_on()

    def power_on(self) -> None:
        flags = [osdp.LibFlag.InstallMode] if self.is_installing else [osdp.LibFlag.EnforceSecure]
        info = osdp.PDInfo(ADDRESS, self.wire, scbk=self.key, flags=flags, name="reader")
        self._device = osdp.PeripheralDevice(
            info, CAPABILITIES, log_level=osdp.LogLevel.Error, command_handler=self._heard
        )
        self._running = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def power_off(self) -> None:
        self._running = False
        self._thread.join(60)
        self._device = None

    def close(self) -> None:
        if self._running:
            self.power_off()
        self.wire.line.unplug()

    def _run(self) -> None:
        while self._running:
            with self._lock:
                self._device.ctx.refresh()
            time.sleep(0.002)

    def _heard(self, command: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        if command["command"] == KEYSET:
            self.key = bytes(command["data"])
            self.is_installing = False
        self.commands.append(command)  # last: whoever sees it finds what it did
        if command["command"] == STATUS:
            return 0, given_away({"command": STATUS, "type": command["type"], "report": self.status})
        return 0, given_away(None)

    # What people do at it.

    def card(self, data: bytes, bits: int | None = None) -> None:
        self._submit(
            event=osdp.Event.CardRead,
            reader_no=0,
            direction=0,
            format=osdp.CardFormat.Wiegand,
            length=bits or 8 * len(data),
            data=data,
        )

    def keys(self, digits: str) -> None:
        self._submit(event=osdp.Event.KeyPress, reader_no=0, data=digits.encode())

    def open_cover(self, is_open: bool) -> None:
        self.status = bytes([is_open, 0])
        self._submit(event=osdp.Event.Status, type=osdp.StatusReportType.Local, report=self.status)

    def _submit(self, **event: Any) -> None:
        with self._lock:
            self._device.ctx.submit_event(event)

    # What it shows.

    def is_secured(self) -> bool:
        with self._lock:
            return bool(self._device.is_sc_active())

    def all(self, code: int) -> list[dict[str, Any]]:
        return [command for command in list(self.commands) if command["command"] == code]

    def lamp(self) -> tuple[int, int] | None:
        """The colours of the newest permanent setting."""
        leds = self.all(LED)
        return (leds[-1]["on_color"], leds[-1]["off_color"]) if leds else None

    def text(self) -> str:
        """Both rows as they stand."""
        rows = {command["offset_row"]: str(command["data"]) for command in self.all(TEXT)}
        return "|".join(rows[row].rstrip() for row in sorted(rows))
