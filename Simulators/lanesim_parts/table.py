"""The live table in the terminal, and the line a second where there is no terminal."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any, TextIO

COLUMNS = ("waiting", "presented", "admitted", "refused", "passed", "stored")


def width(text: str) -> int:
    """Columns in a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def padded(text: str, columns: int) -> str:
    return text + " " * max(0, columns - width(text))


class Table:
    """Redraws itself in place. The last row is the site's, and always shown."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._drawn = 0

    def draw(self, head: str, rows: Sequence[tuple[str, dict[str, Any]]], site: Sequence[str]) -> None:
        lanes, total = rows[:-1], rows[-1]
        room = shutil.get_terminal_size().lines - len(site) - 7  # what does not fit could not be drawn over
        if len(lanes) > max(1, room):
            lanes = [*lanes[: max(1, room)], (f"… {len(lanes) - max(1, room)} more", dict.fromkeys(COLUMNS, ""))]
        rows = [*lanes, total]
        names = max([width(name) for name, _ in rows] + [8])
        lines = [head, "", padded("lane", names) + "".join(f"{column:>11}" for column in COLUMNS)]
        for name, figures in rows:
            lines.append(padded(name, names) + "".join(f"{figures.get(column, '–'):>11}" for column in COLUMNS))
        lines += ["", *site]
        if self._drawn:
            self._out.write(f"\x1b[{self._drawn}F")
        self._out.write("".join(line + "\x1b[K\n" for line in lines) + "\x1b[J")
        self._out.flush()
        self._drawn = len(lines)
