"""The health authority's feed of a crowd: UTF-8 CSV with a header (RFC 4180), times in RFC 3339 with an offset."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import TextIO

from .people import Person
from .sorts import ENTRY_ZONE, PERSON_KINDS

HEADER = (
    "holder,kind,chip,code,epc,zones,vaccine,health_code,assessed_at,test_result,sampled_at,"
    "activation,valid_from,valid_until"
).split(",")
SITE_OFFSET = timezone(timedelta(hours=8))
MOST_FILLERS = 502_000


def write(out: TextIO, people: Iterable[Person], now: datetime, fillers: int = 0) -> int:
    """Writes the feed; returns how many rows stand in it. `fillers` are holders who never come."""
    if not 0 <= fillers <= MOST_FILLERS:
        raise ValueError(f"0…{MOST_FILLERS} fillers, not {fillers}")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADER)
    count = 0
    for person in people:
        for row in rows(person, now):
            writer.writerow([row[name] for name in HEADER])
            count += 1
    out.writelines(filler_lines(fillers, now))
    return count + fillers


def rows(person: Person, now: datetime) -> Iterator[dict[str, str]]:
    if not person.sort.enrolled:
        return
    base: dict[str, str | float] = {
        "holder": person.holder,
        "kind": person.kind,
        "chip": person.chip.hex().upper(),
        "code": person.code,
        "epc": person.epc if person.kind == "vehicle" else "",
        "zones": f"{ENTRY_ZONE}|hall-1" if person.number % 2 else ENTRY_ZONE,
        "vaccine": "full",
        "health_code": "green",
        "assessed_at": -2.0 - person.number % 5,
        "test_result": "negative",
        "sampled_at": -4.0 - person.number % 40,
        "activation": "activated",
        "valid_from": -48.0,
        "valid_until": +120.0,
    }
    base |= person.sort.feed
    if base["test_result"] == "none":
        base["sampled_at"] = ""
    row = {name: when(now, value) if isinstance(value, float) else value for name, value in base.items()}
    yield row
    if person.sort.twins:
        yield row | {"holder": person.holder + "-TWIN", "code": f"{person.code}-T", "epc": ""}


def when(now: datetime, hours: float) -> str:
    """RFC 3339 with the site's offset, to the second."""
    return (now + timedelta(hours=hours)).astimezone(SITE_OFFSET).isoformat(timespec="seconds")


def filler_lines(count: int, now: datetime) -> Iterator[str]:
    tail = (
        f",{ENTRY_ZONE},full,green,{when(now, -3)},negative,{when(now, -12)},activated,"
        f"{when(now, -48)},{when(now, 120)}\r\n"
    )
    kinds = len(PERSON_KINDS)
    for index in range(count):
        yield f"F{index:06d},{PERSON_KINDS[index % kinds]},F0{index:08X},,{tail}"
