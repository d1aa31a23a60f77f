"""The lane's journal as `lanectl events` tells it, and the words in which a scenario expects its records."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .scenario_node import Part

# Come by themselves, at moments that no scenario chooses; passed over unless a scenario names them.
BY_THE_WAY = ("epoch-started", "credentials", "hour")
# Must not be left over at the end of a scenario.
COUNTED = (
    *("decided", "released-by-hand", "passed", "annulled", "interrupted"),
    *("tailgating", "forced", "wrong-way", "anonymous"),
)


def words(record: dict[str, Any]) -> str:
    """One record in a few words: its event, and what tells it from others of its kind."""
    event = record["event"]
    match event:
        case "decided":
            reasons = ", ".join(record["reasons"])
            return record["verdict"] + (f": {reasons}" if reasons else "")
        case "anonymous":
            return f"anonymous {record['direction']}"
        case "fire":
            return "fire alarm" if record["alarm"] else "fire over"
        case "device":
            return f"{record['device']} {'lost' if record['lost'] else 'back'}"
        case "contact":
            return f"contact {record['direction']} {'stuck' if record['stuck'] else 'free'}"
        case "mode":
            cause = record["cause"]
            return f"mode {record['mode']}" + (f": {cause}" if cause != "none" else "")
        case "clock":
            return f"clock {record['trust']}"
        case "tamper":
            return f"tamper {record['device']} {'opened' if record['opened'] else 'closed'}"
        case "technician":
            return f"technician {record['act']} {record.get('mode') or record.get('output') or ''}".rstrip()
        case _:
            return event


class ExpectedRecord:
    """`refused: test-expired`, or a group: these words under `is`, and fields of the JSON line."""

    def __init__(self, part: Part) -> None:
        self.fields: dict[str, str] = {}
        if part.is_text:
            self.words = part.text("a record")
        else:
            fields = part.fields("a record")
            if "is" not in fields and len(fields) == 1:  # `refused: test-expired` without quotes is a group of YAML
                name, value = next(iter(fields.items()))
                self.words = f"{name}: " + ", ".join(item.text("a reason") for item in value.items("reasons"))
            elif "is" not in fields:
                raise part.refuse("a record that is a group says in `is` which one, such as `is: admitted`")
            else:
                value = fields.pop("is")
                if not value.is_text:
                    raise value.refuse("put `is` in quotes when there is a colon in it")
                self.words = value.text("is")
                self.fields = {name: field.text(name) for name, field in fields.items()}
        self.text = self.words + "".join(f", {name} {value}" for name, value in self.fields.items())

    def matches(self, record: dict[str, Any]) -> bool:
        return self._says(words(record)) and all(
            plain(record.get(name)) == value for name, value in self.fields.items()
        )

    def seen(self, record: dict[str, Any]) -> str:
        """The record in the words and by the fields of this expectation."""
        return words(record) + "".join(f", {name} {plain(record.get(name))}" for name in self.fields)

    def names(self, event: str) -> bool:
        return self.words.split(":")[0].split(" ")[0] == event

    def _says(self, told: str) -> bool:
        """The same words; reasons in any order, and what a scenario leaves out behind them is not looked at."""
        head, _, tail = told.partition(": ")
        wanted, colon, reasons = self.words.partition(": ")
        if not colon:
            return told == wanted or head == wanted or told.startswith(wanted + " ")
        return head == wanted and set(tail.split(", ")) == set(reasons.split(", "))


def plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(plain(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


class JournalWatch:
    """Follows the journal with `lanectl events --follow`, which reads the files: a daemon may be killed meanwhile."""

    MOST_SHOWN = 100_000

    def __init__(self, lanectl: Path, configuration: Path, stir: Callable[[], None]) -> None:
        self.records: list[dict[str, Any]] = []
        self.cursor = 0  # before it, everything was expected or is from before the first step
        self._command = [
            *(str(lanectl), "events", "--follow", "--json", "--last", str(self.MOST_SHOWN)),
            *("--config", str(configuration)),
        ]
        self._stir = stir
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            "setpriv", "--pdeathsig", "TERM", *self._command,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )
        self._task = asyncio.ensure_future(self._read(self._process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self.records.append(json.loads(line))
            self._stir()

    async def close(self) -> None:
        if self._process and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()
        if self._task:
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def news(self) -> list[dict[str, Any]]:
        return self.records[self.cursor :]

    def pass_over(self) -> None:
        """What was recorded until now belongs to no step."""
        self.cursor = len(self.records)

    def look_for(self, expected: list[ExpectedRecord], others_between: bool) -> str | None:
        """None when they are there, and the cursor stands behind them; otherwise what is not as expected."""
        place, found = self.cursor, 0
        while found < len(expected) and place < len(self.records):
            record = self.records[place]
            place += 1
            if expected[found].matches(record):
                found += 1
            elif not others_between and not self._by_the_way(record, expected):
                return f"`{expected[found].text}`, but the record is `{expected[found].seen(record)}`"
        if found < len(expected):
            return f"`{expected[found].text}`, but no such record came"
        self.cursor = place
        return None

    @staticmethod
    def _by_the_way(record: dict[str, Any], expected: list[ExpectedRecord]) -> bool:
        event = record["event"]
        return event in BY_THE_WAY and not any(one.names(event) for one in expected)

    def left_over(self) -> list[str]:
        return [words(record) for record in self.news if record["event"] in COUNTED]
