"""A scenario file, read and checked whole before anything is started. docs/scenarios.md says how one is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import scenario_configuration, scenario_people, scenario_steps
from .scenario_node import Part, load
from .scenario_people import ScenarioPerson
from .scenario_steps import Cast, Step

FIELDS = ("title", "why", "lane", "clock", "image", "people", "before", "steps")
IMAGES = ("in force", "none")
LONGEST_TITLE = 90
MOST_STEPS = 200


@dataclass(frozen=True)
class Scenario:
    path: Path
    title: str
    why: str
    lane: Part | None  # what differs from the usual lane, in the words of lanekeeperd.yaml
    has_image: bool
    clock: Step | None
    people: dict[str, ScenarioPerson]
    before: list[Step]
    steps: list[Step]

    @property
    def moves_clock(self) -> bool:
        return self.clock is not None or any(step.word in ("clock", "time") for step in self.before + self.steps)


def read(path: Path) -> Scenario:
    part = load(path)
    fields = part.known_fields("a scenario", FIELDS)
    for name in ("title", "why", "steps"):
        if name not in fields:
            raise part.refuse(f"`{name}` is missing")
    title = fields["title"].text("title")
    if "\n" in title or len(title) > LONGEST_TITLE:
        raise fields["title"].refuse(f"a title is one line of at most {LONGEST_TITLE} characters")
    lane = fields.get("lane")
    if lane:
        scenario_configuration.check(lane)
    has_image = "image" not in fields or fields["image"].choice("image", IMAGES) == "in force"
    people = scenario_people.read(fields["people"]) if "people" in fields else {}
    cast = Cast(people)
    before, steps = (
        [scenario_steps.read(item, cast) for item in fields[name].items(name)] if name in fields else []
        for name in ("before", "steps")
    )
    if len(steps) > MOST_STEPS:
        raise fields["steps"].refuse(f"more than {MOST_STEPS} steps: write two scenarios")
    if not any(step.word == "expect" for step in steps):
        raise fields["steps"].refuse("nothing is expected: a scenario has at least one `expect`")
    for step in before:
        if step.word not in scenario_steps.BEFORE:
            allowed = ", ".join(scenario_steps.BEFORE)
            raise fields["before"].refuse(f"`{step.word}` in `before`: no daemon runs yet; {allowed} may stand there")
    clock = scenario_steps.read_clock(fields["clock"]) if "clock" in fields else None
    return Scenario(path, title, fields["why"].text("why"), lane, has_image, clock, people, before, steps)
