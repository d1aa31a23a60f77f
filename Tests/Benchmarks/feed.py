"""Feeds of any size, and `lanekeeper-collector import` measured on them: for Import and Cache."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

KINDS = ("special-guest", "exhibitor", "visitor", "media", "staff", "security")
HEADER = (
    "holder,kind,chip,code,epc,zones,vaccine,health_code,assessed_at,test_result,sampled_at,activation,"
    "valid_from,valid_until"
)
SITE_OFFSET = timezone(timedelta(hours=8))


@dataclass
class Measured:
    step: str
    seconds: float
    processor_seconds: float
    most_memory_mb: float
    rows_a_second: int


def lines(holders: int, identifiers: int, now: datetime) -> Iterator[str]:
    def when(seconds: float) -> str:
        return (now + timedelta(seconds=seconds)).astimezone(SITE_OFFSET).isoformat(timespec="seconds")

    yield f"#lanekeeper-feed made={when(0)}\n{HEADER}\n"
    # Instants differ from row to row, as those of a real feed do.
    assessed = [when(-3600 - second) for second in range(3601)]
    sampled = [when(-7200 - 17 * step) for step in range(5003)]
    tail = f"{when(-48 * 3600)},{when(120 * 3600)}\n"
    for number in range(holders):
        code = f"EXPO-{number:08d}" if identifiers == 2 else ""
        yield (
            f"V-{number:07d},{KINDS[number % 6]},04{number:012X},{code},,north-ring|hall-{number % 7},full,green,"
            f"{assessed[number % 3601]},negative,{sampled[number % 5003]},activated,{tail}"
        )
    yield f"#end rows={holders}\n"


def measure(step: str, rows: int, command: list[str], status: int, expected: list[str]) -> Measured:
    with tempfile.TemporaryFile() as output:
        begin = time.monotonic()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _, ended, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - begin
        child.returncode = os.waitstatus_to_exitcode(ended)
        output.seek(0)
        said = output.read().decode()
    if child.returncode != status:
        sys.exit(f"{step}: status {child.returncode}, {status} was expected:\n{said}")
    for pattern in expected:
        if not re.search(pattern, said):
            sys.exit(f"{step}: it does not say {pattern!r}:\n{said}")
    return Measured(
        step, round(seconds, 2), round(usage.ru_utime + usage.ru_stime, 2), round(usage.ru_maxrss / 1024, 1), int(rows / seconds)
    )
