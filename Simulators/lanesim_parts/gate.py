"""The gate of a lane, as a Unix socket that carries line levels, `name level` a line.

The daemon connects twice: `hello lane` (release, lamps, buzzer one way; the other contacts the other way) and
`hello fire` (emergency one way; the fire loop, 1 = whole, the other way). When the lane connection closes, release and
lamps fall at once; when the fire connection closes, emergency falls.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .changes import Changes

LANE_OUTPUTS = ("release", "lamp_green", "lamp_red", "lamp_amber", "buzzer", "release_backward")
FIRE_OUTPUTS = ("emergency",)
PULSE_SECONDS = 0.08
LONGEST_LINE = 64

Observer = Callable[[dict[str, Any]], None]


class Gate:
    def __init__(self, path: Path, observer: Observer) -> None:
        self.path = path
        self.level: dict[str, int] = dict.fromkeys(LANE_OUTPUTS + FIRE_OUTPUTS, 0)
        self.contact: dict[str, int] = {
            "passage_forward": 0,
            "passage_backward": 0,
            "guard_button": 0,
            "tamper": 0,
            "fire": 1,
        }
        self.rises: Counter[str] = Counter()  # how often a level went from 0 to 1
        self.falls_commanded: Counter[str] = Counter()  # fell because the daemon said so, not because it died
        self.connections: Counter[str] = Counter()
        self.faults: list[str] = []
        self.away: set[str] = set()  # roles whose wire is cut: who connects is shut out
        self._observer = observer
        self._writers: dict[str, asyncio.StreamWriter] = {}
        self._changes = Changes()
        self._server: asyncio.AbstractServer | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, str(self.path), limit=LONGEST_LINE)

    async def close(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        self.path.unlink(missing_ok=True)

    # What people at the gate see and do.

    @property
    def is_open(self) -> bool:
        return bool(self.level["release"] or self.level["emergency"])

    def is_connected(self, role: str = "lane") -> bool:
        return role in self._writers

    async def wait_until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Waits for the levels and connections to satisfy a condition; False when they have not by then."""
        return await self._changes.wait_until(holds, seconds)

    def stir(self) -> None:
        """Something that a waiter looks at has changed."""
        self._changes.tell()

    async def pulse(self, name: str, seconds: float = PULSE_SECONDS) -> bool:
        """Somebody walks through: the contact closes and opens. True when the daemon was there to be told."""
        told = self.set_contact(name, 1)
        await asyncio.sleep(seconds)
        self.set_contact(name, 0)
        return told

    def set_contact(self, name: str, level: int) -> bool:
        self.contact[name] = level
        self.stir()
        writer = self._writers.get("fire" if name == "fire" else "lane")
        self._note("contact", name=name, level=level, told=writer is not None)
        if writer is not None:
            writer.write(f"{name} {level}\n".encode())
        return writer is not None

    def drop(self, role: str) -> None:
        """The wire breaks; the daemon may connect again."""
        if writer := self._writers.get(role):
            writer.close()

    def cut(self, role: str) -> None:
        """The wire is cut, and stays so until `join`."""
        self.away.add(role)
        self.drop(role)

    def join(self, role: str) -> None:
        self.away.discard(role)

    # The daemon's side.

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        role = ""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            role = {b"hello lane\n": "lane", b"hello fire\n": "fire"}.get(await reader.readline(), "")
            if not role:
                self._fault("the first line was neither `hello lane` nor `hello fire`")
                return
            if role in self.away:
                role = ""
                return
            if role in self._writers:  # who holds the lines keeps them, as the kernel has it with GPIO
                self._fault(f"a second {role} connection while the first was open")
                role = ""
                return
            self._writers[role] = writer
            self.connections[role] += 1
            self._note("connected", role=role)
            for name, level in self.contact.items():
                if (name == "fire") == (role == "fire"):
                    writer.write(f"{name} {level}\n".encode())
            self.stir()
            while line := await reader.readline():
                self._take(role, line)
        except ConnectionError:
            pass  # the daemon died: the same as a close
        except ValueError:
            self._fault(f"a line of more than {LONGEST_LINE} bytes")
        finally:
            if role and self._writers.get(role) is writer:
                del self._writers[role]
                for name in LANE_OUTPUTS if role == "lane" else FIRE_OUTPUTS:
                    self._set(name, 0, "closed")
                self._note("disconnected", role=role)
                self.stir()
            writer.close()

    def _take(self, role: str, line: bytes) -> None:
        name, _, level = line.decode("ascii", "replace").rstrip("\n").partition(" ")
        allowed = LANE_OUTPUTS if role == "lane" else FIRE_OUTPUTS
        if name not in allowed or level not in ("0", "1"):
            self._fault(f"{line!r} on the {role} connection")
            return
        self._set(name, int(level), "commanded")

    def _set(self, name: str, level: int, cause: str) -> None:
        if self.level[name] == level:
            return
        self.level[name] = level
        if level:
            self.rises[name] += 1
        elif cause == "commanded":
            self.falls_commanded[name] += 1
        self._note("level", name=name, level=level, cause=cause)
        self.stir()

    def _fault(self, text: str) -> None:
        self.faults.append(text)
        self._note("protocol-fault", text=text)

    def _note(self, what: str, **fields: Any) -> None:
        self._observer({"what": what, "wall_ms": time.time_ns() // 1_000_000, "mono_ns": time.monotonic_ns(), **fields})
