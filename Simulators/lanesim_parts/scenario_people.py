"""The people of a scenario: what a technician says of a badge, as a row of the health authority's feed.

Everybody may pass at an entrance unless the scenario says what is missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import people, sorts
from .scenario_node import Part

HOURS = {"d": 24.0, "h": 1.0, "min": 1 / 60, "s": 1 / 3600, "ms": 1 / 3_600_000}
FIELDS = (
    *("kind", "vaccine", "code", "assessed", "test", "badge", "valid_from", "valid_until", "zones", "temperature"),
    "feed",
)
VACCINE = {"full": "full", "incomplete": "partial", "none": "none"}
CODES = ("green", "yellow", "red", "unknown")
RESULTS = ("negative", "positive")
ACTIVATION = {"activated": "activated", "not activated": "inactive", "suspended": "suspended", "revoked": "revoked"}
NOT_ENROLLED = "unknown"
CLAIMED_TWICE = "claimed twice"
USUAL_CELSIUS = 36.5
FEED_COLUMNS = ("kind", "zones", "vaccine", "health_code", "test_result", "activation")


def hours(text: str) -> float:
    """`47 h 59 min` in hours."""
    parts = re.findall(r"(\d+(?:\.\d+)?) ?(d|h|min|s|ms)\b", text)
    if not parts or re.sub(r"(\d+(?:\.\d+)?) ?(d|h|min|s|ms)\b", "", text).strip():
        raise ValueError(f"a time such as `47 h 59 min` or `3 d` is wanted, not `{text}`")
    return sum(float(number) * HOURS[unit] for number, unit in parts)


def seconds(text: str) -> float:
    return hours(text) * 3600


def moment(text: str) -> float:
    """`2 h ago` or `in 3 h`, in hours from now."""
    if text.endswith(" ago"):
        return -hours(text.removesuffix(" ago"))
    if text.startswith("in "):
        return hours(text.removeprefix("in "))
    raise ValueError(f"`2 h ago` or `in 3 h` is wanted, not `{text}`")


def celsius(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -100.0
    if not -40 <= value <= 60:
        raise ValueError(f"degrees Celsius such as 36.5 are wanted, not `{text}`")
    return value


@dataclass(frozen=True)
class ScenarioPerson:
    name: str
    person: people.Person


def read(part: Part) -> dict[str, ScenarioPerson]:
    """`people:` of a scenario: a list of names, or a group of names with what is known of each."""
    described: dict[str, Part | None]
    if part.is_list:
        described = {item.text("a name"): None for item in part.items("people")}
    else:
        described = {name: (None if value.is_empty else value) for name, value in part.fields("people").items()}
    numbered = enumerate(described.items(), 1)
    return {name: ScenarioPerson(name, make(number, name, value)) for number, (name, value) in numbered}


def make(number: int, name: str, part: Part | None) -> people.Person:
    fields = part.known_fields(f"a person ({name})", FIELDS) if part else {}
    row: dict[str, str | float] = {"zones": sorts.ENTRY_ZONE}
    kind, degrees, badge = "visitor", USUAL_CELSIUS, "activated"
    if "kind" in fields:
        kind = fields["kind"].choice("kind", (*sorts.PERSON_KINDS, sorts.VEHICLE))
    if "vaccine" in fields:
        row["vaccine"] = VACCINE[fields["vaccine"].choice("vaccine", VACCINE)]
    if "code" in fields:
        row["health_code"] = fields["code"].choice("code", CODES)
    if "assessed" in fields:
        row["assessed_at"] = fields["assessed"].read("assessed", moment)
    if "test" in fields:
        row["test_result"], sampled = fields["test"].read("test", test)
        if sampled is not None:
            row["sampled_at"] = sampled
    if "badge" in fields:
        badge = fields["badge"].choice("badge", (*ACTIVATION, NOT_ENROLLED, CLAIMED_TWICE))
    row["activation"] = ACTIVATION.get(badge, "activated")
    for name_of_date in ("valid_from", "valid_until"):
        if name_of_date in fields:
            row[name_of_date] = fields[name_of_date].read(name_of_date, moment)
    if "zones" in fields:
        row["zones"] = "|".join(zone.text("a zone") for zone in fields["zones"].items("zones"))
    if "temperature" in fields:
        degrees = fields["temperature"].read("temperature", celsius)
    if "feed" in fields:
        columns = fields["feed"].known_fields("feed", FEED_COLUMNS)
        row |= {column: value.text(column) for column, value in columns.items()}
    sort = sorts.Sort(
        name, admitted=True, feed=row, kind=kind, enrolled=badge != NOT_ENROLLED, twins=badge == CLAIMED_TWICE
    )
    chip = bytes([0x1A, 0x2B, 0x3C]) + number.to_bytes(2, "big")
    return people.Person(number, sort, kind, chip, degrees)


def test(text: str) -> tuple[str, float | None]:
    """`none`, `sampled 47 h 59 min ago` or `positive, sampled 3 h ago`."""
    if text == "none":
        return "none", None
    result, comma, sampled = text.partition(", ")
    if not comma:
        result, sampled = "negative", text
    if result not in RESULTS or not sampled.startswith("sampled "):
        raise ValueError(f"`sampled 4 h ago`, `positive, sampled 4 h ago` or `none` is wanted, not `{text}`")
    return result, moment(sampled.removeprefix("sampled "))
