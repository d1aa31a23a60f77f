"""The words of a scenario's steps: each is read and checked before anything starts, then done, one after the other.

A step does something at once, or awaits with a bound what must come. Nothing sleeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from . import scenario_configuration, scenario_expect, scenario_people
from .gate import PULSE_SECONDS
from .reader import Reader
from .readers import AnyReader
from .scenario_await import StepFailed, until
from .scenario_node import Part, unknown
from .scenario_people import ScenarioPerson

if TYPE_CHECKING:
    from .scenario_clock import SimulatedClock
    from .scenario_lane import ScenarioLane

HELD_SECONDS = 0.5
GONE_SECONDS = 0.8  # 0.6 in the product
FOR_EVER = 3600.0
MOST_PULSES = 5000
CROWD_PULSE_SECONDS = 0.001
DIRECTIONS = ("forward", "backward")
LEVELS = {"closed": 1, "open": 0}

Doing = Callable[["ScenarioLane"], Awaitable[None]]


@dataclass(frozen=True)
class Cast:
    """Who may be named in a step."""

    people: dict[str, ScenarioPerson]

    def person(self, part: Part) -> ScenarioPerson:
        name = part.text("a person")
        if name not in self.people:
            raise part.refuse(unknown("people", name, self.people) if self.people else f"`people` has no `{name}`")
        return self.people[name]


@dataclass(frozen=True)
class Step:
    line: int
    word: str
    text: str
    do: Doing


def read(part: Part, cast: Cast) -> Step:
    fields = part.fields("a step")
    if len(fields) != 1:
        raise part.refuse(f"a step is one word with what belongs to it, not {len(fields)}: {', '.join(fields)}")
    word, value = next(iter(fields.items()))
    if word not in WORDS:
        raise part.refuse(unknown("a step", word, WORDS))
    text = f"{word}: {value.node.value}" if value.is_text else word
    return Step(part.line, word, text, WORDS[word](value, cast))


def read_clock(part: Part) -> Step:
    return Step(part.line, "clock", f"clock: {part.node.value}", clock(part, Cast({})))


# Badges and temperatures.


def comes(part: Part, cast: Cast) -> Doing:
    """Stands before the thermometer and holds the badge to the reader at the same moment."""
    show = badge(part, cast)
    person = cast.person(part.fields("comes")["of"] if not part.is_text else part)

    async def do(lane: ScenarioLane) -> None:
        if lane.thermometer:
            lane.thermometer.somebody_stands_there(person.person.celsius)
        await show(lane)

    return do


def badge(part: Part, cast: Cast) -> Doing:
    """A badge in a reader's field: for half a second, or until it is withdrawn."""
    if part.is_text:
        person, reader_name, stays = cast.person(part), None, False
    else:
        fields = part.known_fields("badge", ("of", "reader", "stays"))
        if "of" not in fields:
            raise part.refuse("`of` says whose badge")
        person = cast.person(fields["of"])
        reader_name = fields["reader"].text("reader") if "reader" in fields else None
        stays = "stays" in fields and fields["stays"].choice("stays", ("yes", "no")) == "yes"

    async def do(lane: ScenarioLane) -> None:
        device = reader_named(lane, reader_name)
        identifier = device.identifier_of(person.person)
        if not isinstance(device, Reader):
            device.hold(identifier, FOR_EVER if stays else HELD_SECONDS)
            return
        await out_of_the_field(device, identifier)
        before = device.readings
        device.hold(identifier, FOR_EVER if stays else HELD_SECONDS)
        await until(lambda: device.readings > before, "the badge is read", lambda: "it was not")

    return do


async def out_of_the_field(reader: Reader, chip: bytes) -> None:
    """Who shows a badge again had taken it away, for longer than a lane takes a chip to be still there."""
    reader.withdraw()
    clock = asyncio.get_running_loop().time

    def is_gone() -> bool:
        return clock() - reader.last_read.get(chip, -FOR_EVER) > GONE_SECONDS

    await until(is_gone, "the badge was away", lambda: "it was not")


def reader_named(lane: ScenarioLane, name: str | None) -> AnyReader:
    if name is None:
        return next(iter(lane.readers.values()))
    if name not in lane.readers:
        raise StepFailed(f"a reader `{name}`", f"the lane has {', '.join(lane.readers)}")
    return lane.readers[name]


def withdraws(part: Part, cast: Cast) -> Doing:
    part.choice("withdraws", ("badge",))

    async def do(lane: ScenarioLane) -> None:
        for reader in lane.readers.values():
            reader.withdraw()

    return do


def temperature(part: Part, cast: Cast) -> Doing:
    """`36.5`, `nobody`, or a list of temperatures that are measured in turn."""
    degrees: tuple[float, ...] = ()
    if not (part.is_text and part.text("temperature") == "nobody"):
        degrees = tuple(item.read("temperature", scenario_people.celsius) for item in part.items("temperature"))

    async def do(lane: ScenarioLane) -> None:
        if lane.thermometer:
            lane.thermometer.somebody_stands_there(*degrees)

    return do


def readings(part: Part, cast: Cast) -> Doing:
    """Awaits that the badge in the field was read so many times more."""

    def count(lane: ScenarioLane) -> int:
        return sum(reader.readings for reader in lane.readers.values() if isinstance(reader, Reader))

    return counted(part, "readings", count)


def samples(part: Part, cast: Cast) -> Doing:
    """Awaits so many more samples of whoever stands before the thermometer."""
    return counted(part, "samples", lambda lane: lane.thermometer.samples if lane.thermometer else 0)


def counted(part: Part, what: str, count: Callable[[ScenarioLane], int]) -> Doing:
    more = part.whole(what, 1, 100)

    async def do(lane: ScenarioLane) -> None:
        wanted = count(lane) + more
        await until(lambda: count(lane) >= wanted, f"{more} more {what}", lambda: f"{count(lane)}")

    return do


# The passage and what else the gate has.


def walks(part: Part, cast: Cast) -> Doing:
    """`forward`, `backward`, or a group with `times`: the passage contact closes and opens. Who walked has gone."""
    times = 1
    if part.is_text:
        direction = part.choice("walks", DIRECTIONS)
    else:
        fields = part.known_fields("walks", ("direction", "times"))
        direction = fields["direction"].choice("direction", DIRECTIONS) if "direction" in fields else "forward"
        times = fields["times"].whole("times", 1, MOST_PULSES) if "times" in fields else 1

    async def do(lane: ScenarioLane) -> None:
        for reader in lane.readers.values():
            reader.withdraw()
        if lane.thermometer:
            lane.thermometer.nobody_stands_there()
        for _ in range(times):
            # A crowd is quicker than a real one: nobody wants to wait an hour for a full journal.
            await lane.gate.pulse(f"passage_{direction}", PULSE_SECONDS if times <= 10 else CROWD_PULSE_SECONDS)

    return do


def contact(part: Part, cast: Cast) -> Doing:
    """A contact of the gate by its name in lanekeeperd.yaml, closed or open."""
    fields = part.fields("contact")
    levels = {name: LEVELS[value.choice(name, LEVELS)] for name, value in fields.items()}

    async def do(lane: ScenarioLane) -> None:
        for name, level in levels.items():
            lane.gate.set_contact(name, level)

    return do


def guard(part: Part, cast: Cast) -> Doing:
    part.choice("guard", ("presses",))

    async def do(lane: ScenarioLane) -> None:
        await lane.gate.pulse("guard_button")

    return do


def cabinet(part: Part, cast: Cast) -> Doing:
    state = part.choice("cabinet", ("opened", "closed"))

    async def do(lane: ScenarioLane) -> None:
        lane.gate.set_contact("tamper", int(state == "opened"))

    return do


def fire(part: Part, cast: Cast) -> Doing:
    event = part.choice("fire", ("alarm", "over", "wire broken", "wire mended"))

    async def do(lane: ScenarioLane) -> None:
        match event:
            case "alarm" | "over":
                lane.gate.set_contact("fire", int(event == "over"))
            case "wire broken":
                lane.gate.cut("fire")
            case _:
                lane.gate.join("fire")

    return do


def gate(part: Part, cast: Cast) -> Doing:
    event = part.choice("gate", ("gone", "back"))

    async def do(lane: ScenarioLane) -> None:
        if event == "gone":
            lane.gate.cut("lane")
        else:
            lane.gate.join("lane")

    return do


def unplug(part: Part, cast: Cast) -> Doing:
    return cable(part, "unplug", lambda line: line.unplug())


def plug_in(part: Part, cast: Cast) -> Doing:
    return cable(part, "plug_in", lambda line: line.plug_in())


def cable(part: Part, what: str, act: Callable) -> Doing:
    """A reader by its name, or `thermometer`."""
    name = part.text(what)

    async def do(lane: ScenarioLane) -> None:
        if name == "thermometer" and lane.thermometer:
            act(lane.thermometer.line)
        else:
            act(reader_named(lane, name).line)

    return do


# The lane's program, its configuration and what is told it.


def daemon(part: Part, cast: Cast) -> Doing:
    event = part.choice("daemon", ("killed", "stopped", "starts", "restarts"))

    async def do(lane: ScenarioLane) -> None:
        assert lane.daemon is not None
        if event == "killed":
            lane.daemon.kill()
        elif event in ("stopped", "restarts") and (status := await asyncio.to_thread(lane.daemon.stop)):
            raise StepFailed("lanekeeperd ends with status 0", f"status {status}")
        if event in ("starts", "restarts"):
            lane.start_daemon()
            await lane.wait_for("lanekeeperd answers", lane.status)

    return do


def configuration(part: Part, cast: Cast) -> Doing:
    """Pieces of lanekeeperd.yaml that change, and nobody is told; `broken`: there is nonsense in it then."""
    is_broken = part.is_text and part.choice("configuration", ("broken",)) == "broken"
    if not is_broken:
        scenario_configuration.check(part)

    async def do(lane: ScenarioLane) -> None:
        if is_broken:
            lane.break_configuration("nonsense: true\n")
        else:
            lane.reconfigure(part.node)

    return do


def reload(part: Part, cast: Cast) -> Doing:
    """The same, and then SIGHUP."""
    change = configuration(part, cast)

    async def do(lane: ScenarioLane) -> None:
        assert lane.daemon is not None
        await change(lane)
        lane.daemon.hang_up()

    return do


def lanectl(part: Part, cast: Cast) -> Doing:
    """A technician's command, as it is typed."""
    arguments = part.text("lanectl").split()

    async def do(lane: ScenarioLane) -> None:
        await lane.run_lanectl(arguments)

    return do


def clock(part: Part, cast: Cast) -> Doing:
    """`7 h ahead`, `10 min behind` of the true time, `1970-01-01 00:05`, `synchronised` or `not synchronised`."""
    text = part.text("clock")
    change: Callable[[SimulatedClock], None]
    if text in ("synchronised", "not synchronised"):
        change = lambda clock: clock.synchronise(text == "synchronised")
    elif text == "right":
        change = lambda clock: clock.move_to(0)
    elif text.endswith((" ahead", " behind")):
        way = 1 if text.endswith(" ahead") else -1
        seconds = way * part.read("clock", lambda words: scenario_people.seconds(words.rsplit(" ", 1)[0]))
        change = lambda clock: clock.move_to(seconds)
    else:
        instant = part.read("clock", instant_of).timestamp()
        change = lambda clock: clock.set(instant)

    async def do(lane: ScenarioLane) -> None:
        assert lane.clock is not None
        change(lane.clock)

    return do


def instant_of(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=timezone.utc)
    except ValueError:
        raise ValueError(
            f"`7 h ahead`, `10 min behind`, `right`, `1970-01-01 00:05` (UTC) or `synchronised` is wanted, not `{text}`"
        ) from None


def time_passes(part: Part, cast: Cast) -> Doing:
    """`31 s pass`: for the lane, at once. What is plugged in is then silent for so long, too."""
    text = part.text("time")
    if not text.endswith(" pass"):
        raise part.refuse(f"time: `31 s pass` is wanted, not `{text}`")
    seconds = part.read("time", lambda words: scenario_people.seconds(words.removesuffix(" pass")))

    async def do(lane: ScenarioLane) -> None:
        assert lane.clock is not None
        lane.clock.let_pass(seconds)

    return do


def image(part: Part, cast: Cast) -> Doing:
    """What the uplink brings: the newest image, or one that was damaged on the way."""
    event = part.choice("image", ("arrives", "arrives damaged"))

    async def do(lane: ScenarioLane) -> None:
        lane.bring_image(damaged=event.endswith("damaged"))
        await lane.say_look()

    return do


def statement(part: Part, cast: Cast) -> Doing:
    """The site's signed word of what is in force and what time it is."""
    part.choice("statement", ("arrives",))

    async def do(lane: ScenarioLane) -> None:
        await lane.bring_statement()
        await lane.say_look()

    return do


def feed(part: Part, cast: Cast) -> Doing:
    """What the health authority now says of these people, all of it; imported, and the new image arrives."""
    changed = {}
    for name, value in part.fields("feed").items():
        if name not in cast.people:
            raise value.refuse(unknown("people", name, cast.people))
        old = cast.people[name].person
        changed[name] = scenario_people.make(old.number, name, value)

    async def do(lane: ScenarioLane) -> None:
        lane.people |= changed
        await asyncio.to_thread(lane.import_feed, lane.people.values())
        lane.bring_image()
        await lane.say_look()

    return do


WORDS: dict[str, Callable[[Part, Cast], Doing]] = {
    "comes": comes,
    "badge": badge,
    "withdraws": withdraws,
    "temperature": temperature,
    "readings": readings,
    "samples": samples,
    "walks": walks,
    "contact": contact,
    "guard": guard,
    "cabinet": cabinet,
    "fire": fire,
    "gate": gate,
    "unplug": unplug,
    "plug_in": plug_in,
    "daemon": daemon,
    "configuration": configuration,
    "reload": reload,
    "lanectl": lanectl,
    "clock": clock,
    "time": time_passes,
    "image": image,
    "statement": statement,
    "feed": feed,
    "expect": scenario_expect.expect,
}
# Before the daemon starts.
BEFORE = ("unplug", "fire", "gate", "cabinet", "contact", "badge", "temperature", "clock", "statement", "image")
