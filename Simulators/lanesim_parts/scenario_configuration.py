"""Pieces of lanekeeperd.yaml in a scenario: that they are pieces of it. What stands in them lanekeeperd itself checks."""

from __future__ import annotations

from .readers import TYPES
from .scenario_node import Part

GROUPS = ("lane", "readers", "thermometer", "gate", "policy", "journal", "schedule")
READER_TYPES = tuple(TYPES)  # those that can be simulated


def check(part: Part) -> None:
    for name, value in part.known_fields("lane", GROUPS).items():
        if name == "readers":
            for reader in value.items("readers"):
                keys = reader.fields("a reader")
                if "type" not in keys or "name" not in keys:
                    raise reader.refuse("a reader has a `name` and a `type`")
                keys["type"].choice("type", READER_TYPES)
        elif name == "schedule":
            for entry in value.items("schedule"):
                entry.fields("an entry of the schedule")
        elif name != "thermometer" or not value.is_text:  # `absent`
            value.fields(name)
