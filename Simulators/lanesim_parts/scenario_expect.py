"""What a scenario expects: every line is awaited until it holds, all of them together, within a bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from . import scenario_people
from .scenario_await import BOUND_SECONDS, LOOK_SECONDS, StepFailed
from .scenario_node import Part, unknown
from .scenario_records import ExpectedRecord, plain, words

if TYPE_CHECKING:
    from .scenario_lane import ScenarioLane
    from .scenario_steps import Cast, Doing

LONGEST_SECONDS = 60.0
NEWEST_RECORDS = 6
LAMPS = ("amber", "green", "red")
COUNTERS = {"buzzer": "buzzer", "released": "release"}

# One line of an `expect`: whether it holds now, and what is seen in its place.
Look = Callable[["ScenarioLane"], Awaitable["tuple[bool, str]"]]


def expect(part: Part, cast: Cast) -> Doing:
    fields = part.known_fields("expect", (*KEYS, "within"))
    seconds = BOUND_SECONDS
    if "within" in fields:
        within = fields.pop("within")
        seconds = within.read("within", scenario_people.seconds)
        if not 0 < seconds <= LONGEST_SECONDS:
            raise within.refuse(f"within: at most {LONGEST_SECONDS:g} s")
    if not fields:
        raise part.refuse(f"nothing is expected; {', '.join(KEYS)} may be")
    lines = [(name, value.line, told(name, value), KEYS[name](value)) for name, value in fields.items()]

    async def do(lane: ScenarioLane) -> None:
        end = time.monotonic() + seconds
        waiting = lines
        while waiting:
            looks = [(line, await line[3](lane)) for line in waiting]
            waiting = [line for line, (holds, _) in looks if not holds]
            if waiting and time.monotonic() > end:
                expected = "\n           ".join(f"{text} (line {number})" for _, number, text, _ in waiting)
                seen = [text for _, (holds, text) in looks if not holds]
                raise StepFailed(f"within {seconds:g} s: {expected}", "\n           ".join([*seen, await scene(lane)]))
            if waiting:
                await asyncio.sleep(LOOK_SECONDS)

    return do


def told(name: str, part: Part) -> str:
    return f"{name}: {part.node.value}" if part.is_text else name


async def scene(lane: ScenarioLane) -> str:
    """The lane as somebody who looks at it sees it."""
    newest = [words(record) for record in lane.journal.records[-NEWEST_RECORDS:]]
    seen = f"the gate {gate_state(lane)}, lamps {lamps_lit(lane)}, display `{await shown(lane)}`"
    return f"{seen}, newest records: {'; '.join(newest)}"


# What can be expected. Each reads its line of the file and gives the look.


def gate(part: Part) -> Look:
    """`open`, `shut`, or `open outward` for a two-way lane that lets out only."""
    wanted = part.choice("gate", ("open", "open outward", "shut"))

    async def look(lane: ScenarioLane) -> tuple[bool, str]:
        return gate_state(lane) == wanted, f"the gate is {gate_state(lane)}"

    return look


def gate_state(lane: ScenarioLane) -> str:
    if lane.gate.level["release"] or lane.gate.level["emergency"]:
        return "open"
    return "open outward" if lane.gate.level.get("release_backward") else "shut"


def lamp(part: Part) -> Look:
    """The lamps that are lit, joined by `and`; `none`."""
    text = part.text("lamp")
    wanted = set() if text == "none" else set(text.split(" and "))
    if not wanted <= set(LAMPS):
        raise part.refuse(unknown("lamp", text, [*LAMPS, "none", "red and amber"]))

    async def look(lane: ScenarioLane) -> tuple[bool, str]:
        lit = lamps_lit(lane)
        return set() == wanted if lit == "none" else set(lit.split(" and ")) == wanted, f"lamp: {lit}"

    return look


def lamps_lit(lane: ScenarioLane) -> str:
    return " and ".join(colour for colour in ("red", "green", "amber") if lane.gate.level[f"lamp_{colour}"]) or "none"


def display(part: Part) -> Look:
    """What the visitor reads, Chinese and English: `请通行 / Please walk through`."""
    wanted = part.text("display")
    if " / " not in wanted:
        raise part.refuse("display has Chinese and English, with ` / ` between them")

    async def look(lane: ScenarioLane) -> tuple[bool, str]:
        seen = await shown(lane)
        return seen == wanted, f"display: {seen}"

    return look


async def shown(lane: ScenarioLane) -> str:
    status = await lane.status()
    if status is None:
        return "(lanekeeperd does not answer)"
    return f"{status['display']['chinese']} / {status['display']['english']}"


def counter(name: str) -> Callable[[Part], Look]:
    def read(part: Part) -> Look:
        """How often since the step that expected it last: `once`, `twice`, `3 times`, `never`."""
        counts = {"never": 0, "once": 1, "twice": 2}
        text = part.text(name)
        if text not in counts and not (text.endswith(" times") and text.removesuffix(" times").isdecimal()):
            raise part.refuse(f"{name}: `once`, `twice`, `3 times` or `never` is wanted, not `{text}`")
        wanted = counts.get(text) if text in counts else int(text.removesuffix(" times"))

        async def look(lane: ScenarioLane) -> tuple[bool, str]:
            now = lane.gate.rises[COUNTERS[name]]
            count = now - lane.heard.get(name, 0)
            if count != wanted:
                return False, f"{name}: {count} times"
            lane.heard[name] = now
            return True, ""

        return look

    return read


def records(part: Part) -> Look:
    """The next records, in order, with nothing between them."""
    return following(part, others_between=False)


def records_include(part: Part) -> Look:
    """Some of the next records, in order; others may lie between."""
    return following(part, others_between=True)


def following(part: Part, others_between: bool) -> Look:
    wanted = [ExpectedRecord(item) for item in part.items("records")]

    async def look(lane: ScenarioLane) -> tuple[bool, str]:
        missing = lane.journal.look_for(wanted, others_between)
        new = "; ".join(map(words, lane.journal.news))
        return missing is None, f"records: wanted {missing}; the new ones are: {new}"

    return look


def status(part: Part) -> Look:
    """Fields of `lanectl status --json` by their path: `credentials.freshness: stale`; a device by its name."""
    wanted = {path: value.text(path) for path, value in part.fields("status").items()}

    async def look(lane: ScenarioLane) -> tuple[bool, str]:
        answer = await lane.status()
        if answer is None:
            return False, "status: lanekeeperd does not answer"
        seen = {path: at_path(answer, path) for path in wanted}
        wrong = {path: value for path, value in seen.items() if not says(value, wanted[path])}
        return not wrong, "status: " + ", ".join(f"{path} is {plain(value)}" for path, value in wrong.items())

    return look


def at_path(value: Any, path: str) -> Any:
    for key in path.split("."):
        if isinstance(value, list):
            value = next((item for item in value if isinstance(item, dict) and item.get("name") == key), None)
        elif isinstance(value, dict):
            value = value.get(key)
    return value


def says(value: Any, wanted: str) -> bool:
    """The value itself; for a list, `none` or a part of one of its lines."""
    if isinstance(value, list):
        return not value if wanted == "none" else any(wanted in plain(item) for item in value)
    return plain(value) == wanted


def log(part: Part) -> Look:
    """A part of a new line in the daemon's log."""
    wanted = part.text("log")

    async def look(lane: ScenarioLane) -> tuple[bool, str]:
        new = lane.new_log()
        if wanted not in new:
            return False, f"log: {' | '.join(new.splitlines()[-4:])}"
        lane.log_cursor += len(new[: new.index(wanted) + len(wanted)].encode())
        return True, ""

    return look


def answer(part: Part) -> Look:
    """Parts of what lanectl said last."""
    wanted = [item.text("answer") for item in part.items("answer")]

    async def look(lane: ScenarioLane) -> tuple[bool, str]:
        said = lane.answers[-1].stdout + lane.answers[-1].stderr if lane.answers else "(lanectl was not run)"
        return all(text in said for text in wanted), f"answer: {said}"

    return look


def exit_status(part: Part) -> Look:
    """With which status lanectl ended."""
    wanted = part.whole("exit", 0, 255)

    async def look(lane: ScenarioLane) -> tuple[bool, str]:
        ended = lane.answers[-1].returncode if lane.answers else None
        return ended == wanted, f"exit: {ended}"

    return look


def daemon(part: Part) -> Look:
    """`runs` or `ended`."""
    wanted = part.choice("daemon", ("runs", "ended"))

    async def look(lane: ScenarioLane) -> tuple[bool, str]:
        seen = "runs" if lane.daemon and lane.daemon.is_running else "ended"
        return seen == wanted, f"lanekeeperd {seen}"

    return look


KEYS: dict[str, Callable[[Part], Look]] = {
    "gate": gate,
    "lamp": lamp,
    "display": display,
    "buzzer": counter("buzzer"),
    "released": counter("released"),
    "records": records,
    "records_include": records_include,
    "status": status,
    "log": log,
    "answer": answer,
    "exit": exit_status,
    "daemon": daemon,
}
